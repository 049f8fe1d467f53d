//! `keyway user create|list|suspend|unsuspend`.

use std::io::Read;

use anyhow::{Context, bail};
use keyway_core::ids::OwnerId;
use keyway_core::secret::PlainSecret;
use keyway_portal::flows::accounts::{self, NewAccount};
use keyway_portal::flows::inputs::{self, Email};
use keyway_portal::passwords::{PasswordCost, PasswordPool};
use keyway_store::tables::accounts as rows;
use keyway_store::{Store, StoreError};
use serde::Serialize;

use crate::args::{User, UserCreate};
use crate::house::House;
use crate::output::{Output, table};

/// The most that is read of a password.
const MAX_STDIN: u64 = 4_096;
/// Accounts read at once.
const PAGE: u32 = 200;

/// Does what was asked for.
///
/// # Errors
/// When an input cannot be used or the flow refuses.
pub async fn run(house: &House, which: User, output: Output) -> anyhow::Result<()> {
    match which {
        User::Create(args) => create(house, args, output).await,
        User::List => list(house, output).await,
        User::Suspend { email } => suspend(house, &email, true, output).await,
        User::Unsuspend { email } => suspend(house, &email, false, output).await,
    }
}

/// The owner with this e-mail address.
///
/// # Errors
/// When it is no address, or nobody has it.
pub async fn find(store: &Store, email: &str) -> anyhow::Result<OwnerId> {
    let address = Email::parse(email)?;
    let account = store.read(move |conn| rows::find_by_email(conn, address.as_str())).await?;
    account.map(|account| account.owner_id).with_context(|| format!("there is no account {email}"))
}

#[derive(Serialize)]
struct Created {
    id: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

async fn create(house: &House, args: UserCreate, output: Output) -> anyhow::Result<()> {
    let email = Email::parse(&args.email)?;
    let name = args.name.unwrap_or_else(|| email.as_str().split('@').next().unwrap_or_default().to_owned());
    let name = inputs::name(&name).map_err(anyhow::Error::msg)?;
    let (password, made) =
        if args.password_stdin { (read_password(&email)?, false) } else { (make_password(house), true) };
    let pool = PasswordPool::start(PasswordCost::STANDARD, 1, 1, &*house.random)?;
    let stored = pool.hash(password.clone(), &*house.random).await?;
    let act = house.command();
    let id = OwnerId::new(act.now, &*house.random);
    let account = NewAccount {
        id,
        email: email.clone(),
        name,
        password: Some(stored),
        verified: true,
        is_admin: args.admin,
    };
    house.store.write(move |tx| accounts::create(tx, &act, &account)).await?;
    let created = Created {
        id: id.to_string(),
        email: email.as_str().to_owned(),
        password: made.then(|| password.expose().to_owned()),
    };
    output.print(&created, |c| match &c.password {
        Some(password) => format!("Made {} ({}).\nPassword, shown only now: {password}", c.email, c.id),
        None => format!("Made {} ({}).", c.email, c.id),
    })
}

fn read_password(email: &Email) -> anyhow::Result<PlainSecret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin().lock().take(MAX_STDIN).read_to_string(&mut text).context("the password")?;
    let text = text.trim_end_matches(['\r', '\n']);
    inputs::new_password(text, email.as_str()).map_err(anyhow::Error::msg)
}

/// 120 random bits, in groups that can be read out.
pub fn make_password(house: &House) -> PlainSecret {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = zeroize::Zeroizing::new([0_u8; 24]);
    house.random.fill(&mut *bytes);
    let groups: Vec<String> = bytes
        .chunks(6)
        .map(|group| {
            group.iter().filter_map(|b| LETTERS.get(usize::from(b % 32))).map(|b| char::from(*b)).collect()
        })
        .collect();
    PlainSecret::new(groups.join("-"))
}

#[derive(Serialize)]
struct Listed {
    id: String,
    email: String,
    name: String,
    admin: bool,
    verified: bool,
    suspended: bool,
    created_at: String,
}

async fn list(house: &House, output: Output) -> anyhow::Result<()> {
    let mut people: Vec<Listed> = Vec::new();
    loop {
        let after = people.last().map(|person| person.email.clone()).unwrap_or_default();
        let page = house.store.read(move |conn| rows::list(conn, &after, PAGE)).await?;
        let full = page.len() == PAGE as usize;
        people.extend(page.into_iter().map(|(account, owner)| Listed {
            id: owner.id.to_string(),
            email: account.email,
            name: owner.name,
            admin: account.is_admin,
            verified: account.email_verified_at.is_some(),
            suspended: owner.suspended_at.is_some(),
            created_at: account.created_at.to_rfc3339(),
        }));
        if !full {
            break;
        }
    }
    output.print(&people, |people| {
        let rows: Vec<Vec<String>> = people
            .iter()
            .map(|p| {
                let marks =
                    [(p.admin, "administrator"), (!p.verified, "unverified"), (p.suspended, "suspended")];
                let marks: Vec<&str> = marks.iter().filter(|(on, _)| *on).map(|(_, mark)| *mark).collect();
                vec![p.email.clone(), p.name.clone(), p.id.clone(), marks.join(", ")]
            })
            .collect();
        table(&["E-MAIL", "NAME", "ID", ""], &rows)
    })
}

#[derive(Serialize)]
struct Changed<'a> {
    id: String,
    email: &'a str,
    suspended: bool,
}

async fn suspend(house: &House, email: &str, suspended: bool, output: Output) -> anyhow::Result<()> {
    let id = find(&house.store, email).await?;
    let act = house.command();
    let done = house
        .store
        .write(
            move |tx| {
                if suspended { accounts::suspend(tx, &act, id) } else { accounts::resume(tx, &act, id) }
            },
        )
        .await;
    match done {
        Err(accounts::SuspendError::Nothing) => {
            bail!("{email} is {} already", if suspended { "suspended" } else { "not suspended" })
        }
        done => done?,
    }
    output.print(&Changed { id: id.to_string(), email, suspended }, |c| {
        let what =
            if suspended { "suspended: nothing of this person works" } else { "not suspended any more" };
        format!("{} is {what}.", c.email)
    })
}

/// The e-mail addresses of owners, for lists.
///
/// # Errors
/// When the database cannot answer.
pub async fn names(store: &Store, ids: Vec<OwnerId>) -> Result<Vec<(OwnerId, String)>, StoreError> {
    store
        .read(move |conn| {
            let mut names = Vec::with_capacity(ids.len());
            for id in ids {
                let email =
                    rows::find(conn, id)?.map_or_else(|| "this portal".to_owned(), |account| account.email);
                names.push((id, email));
            }
            Ok(names)
        })
        .await
}
