//! `GET /usage.csv`: the counts as they are kept.

use actix_web::HttpResponse;
use actix_web::web::{self, Query};
use keyway_core::usage::Grain;
use keyway_store::StoreError;
use keyway_store::tables::{names, usage};

use super::filters::Filters;
use crate::csv::Csv;
use crate::error::PageError;
use crate::extract::SignedIn;
use crate::state::Portal;

/// Lines in a file, at most.
const FILE: u32 = 20_000;

/// What the filters let through, the newest first.
pub(super) async fn csv(
    portal: web::Data<Portal>,
    me: SignedIn,
    filters: Query<Filters>,
) -> Result<HttpResponse, PageError> {
    let filter = filters.filter(me.owner, portal.now());
    let span = match filter.period.grain() {
        Grain::Hour => "hour",
        Grain::Day => "day",
    };
    let owner = me.owner;
    let read = portal.store.read(move |conn| {
        let lines = usage::lines(conn, &filter, FILE)?;
        let mut ids: Vec<_> = lines.iter().map(|line| line.credential).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok::<_, StoreError>((names::of(conn, owner, &ids)?, lines))
    });
    let (names, lines) = read.await?;
    let columns = [
        "start",
        "span",
        "credential",
        "credential_id",
        "api",
        "route",
        "outcome",
        "calls",
        "mean_latency_us",
    ];
    let mut table = Csv::new(&columns);
    for line in &lines {
        let name = names.get(&line.credential).map(|named| named.name.as_str());
        table.line(&[
            &line.start.to_string(),
            span,
            name.unwrap_or_default(),
            &line.credential.to_string(),
            &line.route.audience,
            &line.route.route,
            line.outcome.as_str(),
            &line.calls.to_string(),
            &line.latency_sum_us.checked_div(line.calls).unwrap_or_default().to_string(),
        ]);
    }
    Ok(table.download("usage.csv"))
}
