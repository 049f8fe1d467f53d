//! `keyway token mint`.

use anyhow::Context;
use keyway_core::jwt::ACCESS_TOKEN_LIFETIME;
use keyway_core::scope::{Scope, ScopeSet};
use keyway_portal::flows::tokens::mint::{self, Order};
use keyway_store::tables::accounts;

use super::user;
use crate::args::{Token, TokenMint};
use crate::house::House;
use crate::output::Output;

/// Does what was asked for.
///
/// # Errors
/// When an input cannot be used or the flow refuses.
pub async fn run(house: &House, which: Token) -> anyhow::Result<()> {
    let Token::Mint(args) = which;
    mint(house, args).await
}

async fn mint(house: &House, args: TokenMint) -> anyhow::Result<()> {
    let owner = user::find(&house.store, &args.user).await?;
    let account = house.store.read(move |conn| accounts::find(conn, owner)).await?;
    let scopes = args.scope.iter().map(|s| s.parse::<Scope>().with_context(|| format!("--scope {s}")));
    let order = Order {
        owner,
        is_admin: account.is_some_and(|account| account.is_admin),
        name: args.name,
        audience: args.audience,
        scopes: scopes.collect::<anyhow::Result<ScopeSet>>()?,
        lifetime: ACCESS_TOKEN_LIFETIME,
        refresh: true,
    };
    let response = mint::run(&house.store, &house.issuance(), house.command(), order).await?;
    // The token response is what the command is for, so it is JSON either way.
    Output { json: true }.print(&response, |_| String::new())
}
