//! The demo identity provider of `keyway dev`: a second, small issuer in the same process, with data and a master key
//! of its own. Its two people belong to nobody: whoever is at this machine chooses one of them. The portal is its
//! client, so that signing in with and connecting a provider can be tried without any other. Only `dev` knows it.

use std::net::TcpListener;
use std::path::Path;

use actix_web::web;
use anyhow::{Context, bail};
use keyway_core::Duration;
use keyway_core::ids::OwnerId;
use keyway_core::jwt::Algorithm;
use keyway_core::oauth::{ClientKind, GrantType, RedirectUri};
use keyway_portal::flows::accounts::{self, CreateError, NewAccount};
use keyway_portal::flows::clients::{self, ClientError, NewClient, Profile, builtin_owner};
use keyway_portal::flows::inputs::Email;
use keyway_portal::passwords::PasswordCost;
use keyway_portal::providers::{ClaimNames, Definition, Kind};
use keyway_store::tables::audit::Actor;
use keyway_store::tables::clients as rows;

use crate::config::listen::{Listen, MaybeListen};
use crate::config::sections::{Branding, Written};
use crate::config::{Config, Mode};
use crate::house::{House, Missing};
use crate::servers::Servers;
use crate::{listeners, tasks};

/// What the portal calls the provider, in addresses too.
const PROVIDER: &str = "demo";
/// What the demo portal calls itself.
const NAME: &str = "Demo identity provider";
/// Who is there.
const PEOPLE: [(&str, &str); 2] = [("Ada", "ada@demo.example"), ("Grace", "grace@demo.example")];
/// What the portal asks about a person, and to refresh its tokens.
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];
/// The algorithm of its ID tokens, and the only one that it has keys for: an RSA key takes long to make.
pub const ID_TOKEN_ALGORITHM: Algorithm = Algorithm::Es256;
/// Its clients that are looked through for the portal.
const MAX_CLIENTS: u32 = 50;

/// The provider, ready to be served.
pub struct Demo {
    /// What it is made of.
    pub house: House,
    sockets: Vec<TcpListener>,
}

impl Demo {
    /// Opens the provider beside the portal of `main`, which is told the definition; nothing if the settings leave it
    /// out.
    ///
    /// # Errors
    /// In one line: a taken port or name, data that cannot be used.
    pub async fn open(main: &Config) -> anyhow::Result<Option<(Self, Definition)>> {
        let Some(listen) = main.written.demo_addr.0 else { return Ok(None) };
        if main.providers.iter().any(|provider| provider.id.as_str() == PROVIDER) {
            bail!("there is another provider `{PROVIDER}` in the settings");
        }
        let sockets = listeners::open("demo_addr", listen)?;
        let house =
            House::open(settings(main, listen)?, Missing { master_key: true, migrations: true }).await?;
        for (name, email) in PEOPLE {
            make_account(&house, name, email).await?;
        }
        let definition = register(&house, main).await?;
        Ok(Some((Self { house, sockets }, definition)))
    }

    /// Serves it until the servers stop; its data is to be closed after that.
    ///
    /// # Errors
    /// When templates or sockets cannot be used.
    pub fn serve(self, web_dir: Option<&Path>, servers: &mut Servers) -> anyhow::Result<House> {
        let portal = web::Data::new(self.house.portal(web_dir, PasswordCost::STANDARD)?);
        servers.guard("demo", &portal.guard);
        servers.serve(self.sockets, 1, move |cfg| keyway_portal::configure(cfg, portal.clone()))?;
        servers.beside(tasks::housekeeping(self.house.clone()));
        Ok(self.house)
    }
}

/// Its settings: nothing of the portal's own but limits, logging and the accent.
fn settings(main: &Config, listen: Listen) -> anyhow::Result<Config> {
    let written = Written {
        data_dir: main.data_dir.join(PROVIDER),
        public_url: Some(format!("http://localhost:{}", listen.port())),
        portal_addr: listen,
        demo_addr: MaybeListen(None),
        apis: Some(Vec::new()),
        portal: Branding {
            name: NAME.to_owned(),
            accent: main.written.portal.accent.clone(),
            ..Branding::default()
        },
        limits: main.written.limits,
        log: main.written.log.clone(),
        ..Written::default()
    };
    Config::judge(written, Mode::Demo)
}

async fn make_account(house: &House, name: &str, email: &str) -> anyhow::Result<()> {
    let act = house.act(Actor::system());
    let account = NewAccount {
        id: OwnerId::new(act.now, &*house.random),
        email: Email::parse(email)?,
        name: name.to_owned(),
        password: None,
        verified: true,
        is_admin: false,
    };
    match house.store.write(move |tx| accounts::create(tx, &act, &account)).await {
        Ok(()) | Err(CreateError::Taken) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Registers the portal, or brings its registration up to date; a new secret follows the one before. The provider as
/// the portal is told of it: its tokens are kept, so that refreshing them can be tried.
async fn register(house: &House, main: &Config) -> anyhow::Result<Definition> {
    let callback = format!("{}/connections/{PROVIDER}/callback", main.public_url);
    let profile = Profile {
        name: main.written.portal.name.clone(),
        website: Some(main.public_url.to_string()),
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scopes: SCOPES.join(" ").parse().context("scopes")?,
        redirect_uris: vec![callback.parse::<RedirectUri>().context("redirect URI")?],
        id_token_algorithm: ID_TOKEN_ALGORITHM,
        ..Profile::default()
    };
    let act = house.act(Actor::system());
    let (catalogue, brand) = (house.config.catalogue.clone(), house.config.shapes.brand.clone());
    let (id, secret) = house
        .store
        .write(move |tx| {
            let owner = builtin_owner();
            let registered = rows::list_by_owner(tx.conn(), owner, MAX_CLIENTS)?;
            if let Some(portal) = registered.into_iter().find(|client| !client.is_builtin()) {
                clients::edit(tx, &act, &catalogue, owner, portal.id, profile)?;
                let secret = clients::add_secret(tx, &act, &brand, owner, portal.id, Some(Duration::ZERO))?;
                return Ok((portal.id, Some(secret)));
            }
            let kind = ClientKind::Confidential;
            let new = NewClient { owner, kind, audience: None, registration: None, profile };
            let (client, secret) = clients::register(tx, &act, &catalogue, &brand, new)?;
            Ok::<_, ClientError>((client.id, secret))
        })
        .await?;
    Ok(Definition {
        id: PROVIDER.parse()?,
        kind: Kind::Oidc,
        label: Some(NAME.to_owned()),
        issuer: Some(house.config.public_url.to_string()),
        client_id: id.to_string(),
        client_secret: secret,
        scopes: SCOPES.map(str::to_owned).to_vec(),
        sign_up: true,
        email_domains: Vec::new(),
        keep_tokens: true,
        tenants: Vec::new(),
        endpoints: None,
        claims: ClaimNames::default(),
        demo: true,
    })
}
