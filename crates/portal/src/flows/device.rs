//! The device authorization grant (RFC 8628): a device that cannot show a sign-in asks for a pair of codes; a person
//! types the short one here and says yes or no. What the device gets then is in
//! [`tokens::device`](super::tokens::device).

use hmac::{Hmac, KeyInit as _, Mac as _};
use keyway_core::audience::{Audience, Catalogue};
use keyway_core::credential::{self, Brand, Kind};
use keyway_core::ids::OwnerId;
use keyway_core::jwt::Thumbprint;
use keyway_core::oauth::{
    Client, DEVICE_CODE_LIFETIME, DEVICE_POLL_INTERVAL, ErrorCode, GrantType, OauthError, UserCode,
};
use keyway_core::scope::ScopeSet;
use keyway_core::secret::{PlainSecret, SecretDigest};
use keyway_store::seal::MasterKey;
use keyway_store::tables::device_codes::{self, Approval, DeviceCode};
use keyway_store::tables::owners;
use keyway_store::{StoreError, Tx};
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::authorize::{Consent, User, asked_scopes, remember, target};
use super::notices::Notices;
use super::params::Params;
use super::{Act, Deed, throttle};

/// The longest name of a device that is kept, in characters.
const MAX_USER_AGENT: usize = 256;
/// So often another user code is drawn while the one before is taken already.
const DRAWS: u8 = 5;

/// User codes are short: kept under a keyed digest, whoever sees the database cannot try them all.
pub struct UserCodeKey(Zeroizing<[u8; 32]>);

impl UserCodeKey {
    /// Derived from the master key.
    pub fn derive(master: &MasterKey) -> Self {
        Self(master.derive("device user code"))
    }

    /// As a code is stored.
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length and gives 32 bytes")]
    pub fn digest(&self, code: &UserCode) -> SecretDigest {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("any length");
        mac.update(code.as_bytes());
        SecretDigest::from_slice(&mac.finalize().into_bytes()).expect("32 bytes")
    }
}

/// What a device asks for. Its client has been authenticated.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks.
    pub client: Client,
    /// What for.
    pub scopes: ScopeSet,
    /// The API.
    pub audience: Audience,
    /// The key that what it gets shall be bound to: `dpop_jkt`, as at the authorization endpoint (RFC 9449 §10).
    pub bound_to: Option<Thumbprint>,
    /// What the device calls itself.
    pub user_agent: Option<String>,
}

/// Reads what `client` asks for (RFC 8628 §3.1, RFC 8707).
///
/// # Errors
/// `unauthorized_client`, `invalid_request`, `invalid_scope` or `invalid_target`.
pub fn read(
    client: Client,
    catalogue: &Catalogue,
    params: &Params,
    user_agent: Option<&str>,
) -> Result<Asked, OauthError> {
    if !client.may_use(GrantType::DeviceCode) {
        let text = "this client may not use the device_code grant";
        return Err(OauthError::new(ErrorCode::UnauthorizedClient, text));
    }
    let bound_to = params.get("dpop_jkt").map(str::parse).transpose().map_err(|_| {
        OauthError::new(ErrorCode::InvalidRequest, "dpop_jkt is a SHA-256 thumbprint in base64url")
    })?;
    let (asked, _) = asked_scopes(&client, params)?;
    let (audience, scopes) =
        target(&client, catalogue, params.resource()?, &asked, params.get("scope").is_some())?;
    let user_agent = user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect());
    Ok(Asked { client, scopes, audience, bound_to, user_agent })
}

/// What the device gets: the code that it polls with, and the one that it shows.
#[derive(Debug)]
pub struct Begun {
    /// For the device alone.
    pub device_code: PlainSecret,
    /// For the person.
    pub user_code: UserCode,
}

/// Gives a device its codes.
///
/// # Errors
/// When the database cannot take them.
pub fn begin(
    tx: &mut Tx<'_>,
    act: &Act,
    brand: &Brand,
    key: &UserCodeKey,
    asked: Asked,
) -> Result<Begun, StoreError> {
    let device_code = credential::generate(brand, Kind::DeviceCode, &*act.random);
    let mut user_code = UserCode::generate(&*act.random);
    for _ in 1..DRAWS {
        if device_codes::find_by_user_code(tx.conn(), key.digest(&user_code))?.is_none() {
            break;
        }
        user_code = UserCode::generate(&*act.random);
    }
    device_codes::insert(
        tx.conn(),
        &DeviceCode {
            digest: device_code.digest(),
            user_code: key.digest(&user_code),
            client: asked.client.id,
            scopes: asked.scopes,
            audience: asked.audience,
            address: act.address,
            user_agent: asked.user_agent,
            bound_to: asked.bound_to,
            created_at: act.now,
            expires_at: act.now + DEVICE_CODE_LIFETIME,
            poll_interval: DEVICE_POLL_INTERVAL,
            decision: None,
            consumed_at: None,
        },
    )?;
    Ok(Begun { device_code, user_code })
}

/// What came of typing a code.
#[derive(Debug)]
pub enum Typed {
    /// This device waits for an answer.
    Waiting(Box<DeviceCode>),
    /// No device waits for an answer under it: it is wrong, too old, or was answered.
    Unknown,
    /// There were too many wrong ones: not before so many seconds.
    Wait(u64),
}

/// Looks for the device that a person means. A wrong code is a guess, and counted.
///
/// # Errors
/// When the database fails.
pub fn look_up(
    tx: &mut Tx<'_>,
    act: &Act,
    key: &UserCodeKey,
    who: OwnerId,
    typed: &UserCode,
) -> Result<Typed, StoreError> {
    // One guess of an account at a time, or many at once would all be free.
    owners::lock(tx.conn(), who)?;
    let guesser = throttle::CodeGuesser { owner: who, address: act.address };
    if let Some(seconds) = throttle::code_wait(tx.conn(), &guesser, act.now)? {
        return Ok(Typed::Wait(seconds));
    }
    let found = device_codes::find_by_user_code(tx.conn(), key.digest(typed))?
        .filter(|code| code.decision.is_none() && act.now < code.expires_at);
    if let Some(code) = found {
        return Ok(Typed::Waiting(Box::new(code)));
    }
    throttle::code_missed(tx.conn(), &guesser, act.now)?;
    Ok(Typed::Unknown)
}

/// Says yes to a device, which can fetch its tokens then; `false` if it was answered meanwhile.
///
/// What it gets outlives the browser session: the device is not the browser.
///
/// # Errors
/// When the database cannot take it.
pub fn approve(
    tx: &mut Tx<'_>,
    act: &Act,
    client: &Client,
    code: &DeviceCode,
    user: &User,
    notices: &Notices,
) -> Result<bool, StoreError> {
    owners::lock(tx.conn(), user.owner)?;
    let consent = Consent { scopes: &code.scopes, offline: true };
    let grant = remember(tx, act, client, &consent, user, notices)?;
    let approval = Approval { owner: user.owner, grant, auth_time: user.auth_time, amr: user.amr.to_owned() };
    if !device_codes::approve(tx.conn(), code.digest, &approval, act.now)? {
        return Ok(false);
    }
    told(tx, act, user.owner, client, code, "device.authorised")?;
    Ok(true)
}

/// Says no to a device; `false` if it was answered meanwhile.
///
/// # Errors
/// When the database cannot take it.
pub fn deny(
    tx: &mut Tx<'_>,
    act: &Act,
    client: &Client,
    code: &DeviceCode,
    owner: OwnerId,
) -> Result<bool, StoreError> {
    if !device_codes::deny(tx.conn(), code.digest, act.now)? {
        return Ok(false);
    }
    told(tx, act, owner, client, code, "device.refused")?;
    Ok(true)
}

fn told(
    tx: &mut Tx<'_>,
    act: &Act,
    owner: OwnerId,
    client: &Client,
    code: &DeviceCode,
    action: &str,
) -> Result<(), StoreError> {
    let after = json!({ "app": client.name, "scopes": code.scopes, "device_address": code.address });
    act.audit(tx, Deed::new(Some(owner), action, "client", client.id).after(after))
}
