//! What is written down, and when.

use std::sync::atomic::Ordering;

use keyway_core::clock::Duration;
use keyway_core::record::Outcome;
use keyway_core::refusal::Check;

use super::*;
use crate::Call;

fn answered<'a>(verdict: &'a Verdict, status: u16) -> Call<'a> {
    let refused = verdict.refusal();
    Call { method: "GET", route: "/v1/notes", status, refused, latency: Duration::micros(250) }
}

#[tokio::test]
async fn calls_are_counted_and_refusals_written_down_in_one_batch() {
    let house = House::with(|settings| settings.records_per_second = 2);
    let key = house.key_with(|facts| facts.budgets.own = "60/min burst=3".parse().unwrap());
    for _ in 0..3 {
        let verdict = house.call(key.expose()).await;
        house.guard.record(&verdict, &answered(&verdict, 200), || None);
    }
    let verdict = house.call(key.expose()).await;
    house.guard.record(&verdict, &answered(&verdict, 429), || Some("curl/8.5.0\0"));
    assert!(house.guard.flush().await);
    let batches = house.source.batches.lock();
    let [batch] = batches.as_slice() else { panic!("one batch, not {}", batches.len()) };
    let counts: Vec<_> = batch.counts.iter().map(|c| (c.outcome, c.calls, c.latency_sum_us)).collect();
    assert_eq!(counts, [(Outcome::Ok, 3, 750), (Outcome::Limited, 1, 250)]);
    assert_eq!(batch.last_uses.len(), 1);
    // Two of the three accepted calls are the share; the refusal is written down whatever the share.
    assert_eq!(batch.records.len(), 3);
    let refused = batch.records.last().unwrap();
    assert_eq!((refused.failed, refused.code.as_deref()), (Some(Check::Limit), Some("limit_exceeded")));
    assert_eq!(refused.request, verdict.request());
    assert_eq!(refused.user_agent.as_deref(), Some("curl/8.5.0"));
}

#[tokio::test]
async fn what_could_not_be_written_goes_out_again_under_the_same_id() {
    let house = House::new();
    let key = house.key();
    let verdict = house.call(key.expose()).await;
    house.guard.record(&verdict, &answered(&verdict, 200), || None);
    house.source.failing.store(true, Ordering::SeqCst);
    assert!(!house.guard.flush().await);
    assert!(!house.guard.flush().await);
    house.source.failing.store(false, Ordering::SeqCst);
    house.guard.record(&verdict, &answered(&verdict, 200), || None);
    assert!(house.guard.flush().await);
    assert!(house.guard.flush().await);
    let calls: u64 = house.source.batches.lock().iter().flat_map(|b| &b.counts).map(|c| c.calls).sum();
    assert_eq!(calls, 2);
}

#[tokio::test(start_paused = true)]
async fn stopping_writes_what_waits() {
    let house = House::new();
    let key = house.key();
    let running = house.guard.start();
    let verdict = house.call(key.expose()).await;
    house.guard.record(&verdict, &answered(&verdict, 200), || None);
    running.stop().await;
    assert_eq!(house.source.batches.lock().len(), 1);
}
