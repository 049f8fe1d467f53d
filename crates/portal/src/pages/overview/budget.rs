//! The shared budget, as the overview shows it.

use keyway_core::Timestamp;
use keyway_core::quota::Window;
use keyway_core::rate::{Limit, Per};
use serde::Serialize;

use crate::chart::count;
use crate::flows::budget::{Budget, Used};

#[derive(Serialize)]
pub(super) struct BudgetView {
    /// `1,200 calls a minute, 200 at once`; none where nothing limits.
    rate: Option<String>,
    bars: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    label: &'static str,
    used: String,
    limit: String,
    /// Of a hundred; no more, however much was used.
    percent: u64,
    /// Of a pill: how near the end is.
    state: &'static str,
    resets_at: Timestamp,
}

impl BudgetView {
    pub(super) fn of(budget: &Budget) -> Self {
        let rate = match budget.rate {
            Limit::At(rate) => Some(format!(
                "{} calls a {}, {} at once",
                count(rate.count.get().into()),
                per(rate.per),
                count(rate.burst.get().into())
            )),
            Limit::Off => None,
        };
        Self { rate, bars: budget.quotas.iter().map(bar).collect() }
    }
}

const fn per(per: Per) -> &'static str {
    match per {
        Per::Second => "second",
        Per::Minute => "minute",
        Per::Hour => "hour",
    }
}

fn bar(of: &Used) -> Bar {
    let percent =
        u64::try_from(u128::from(of.used) * 100 / u128::from(of.limit.max(1))).unwrap_or(100).min(100);
    Bar {
        label: match of.window {
            Window::Day => "Today",
            Window::Month => "This month",
        },
        used: count(of.used),
        limit: count(of.limit),
        percent,
        state: match percent {
            100.. => "refused",
            80.. => "attention",
            _ => "ok",
        },
        resets_at: of.resets_at,
    }
}
