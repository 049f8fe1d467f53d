//! Calls of the past, told to the database as guards tell of theirs: an hour in a batch.

pub(super) mod habits;

use std::net::IpAddr;
use std::sync::Arc;

use keyway_core::audience::Audience;
use keyway_core::ids::{BatchId, EntityId, OwnerId, RequestId, TokenId};
use keyway_core::quota::Measure;
use keyway_core::random::SeededRandom;
use keyway_core::record::{Count, Lacked, LastUse, Outcome, Record, RecordBatch};
use keyway_core::refusal::{Check, Refusal, SpentLimit};
use keyway_core::{Duration, Random, Timestamp};
use keyway_store::StoreError;
use keyway_store::tables::records;

use super::{DAYS, Story};
use habits::{Habit, Hours, Route};

const HOUR: Duration = Duration::hours(1);
/// The shape of the calls is the same in each database; ids are not.
const SEED: u64 = 1843;
/// At most so many refused calls of one kind are told one by one in an hour.
const TOLD: u64 = 2;
/// Of so many hours with good calls of one kind, one has a call that is told.
const SAMPLE: u64 = 6;
/// Calls in a thousand of a credential that no longer works.
const KNOCKS: u64 = 60;
/// How busy an office is from midnight on, in a thousand.
const BUSY: [u64; 24] = [
    20, 15, 10, 10, 15, 40, 120, 350, 700, 950, 1000, 980, 760, 820, 960, 940, 820, 560, 300, 160, 110, 80,
    50, 30,
];

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// The first are needed, the second is missing.
    Scope(&'static str, &'static str),
    Limit,
    Address,
    Disabled,
    Expired,
    Revoked,
    /// The API itself failed.
    Failed,
}

impl Trouble {
    fn refusal(self) -> Option<Refusal> {
        Some(match self {
            Self::Scope(required, missing) => {
                Refusal::InsufficientScope { required: required.to_owned(), missing: missing.to_owned() }
            }
            Self::Limit => Refusal::LimitExceeded {
                limit: SpentLimit::Own,
                measure: Measure::Rate("600/min burst=100".parse().ok()?),
                retry_after: 1,
            },
            Self::Address => Refusal::AddressNotAllowed,
            Self::Disabled => Refusal::Disabled,
            Self::Expired => Refusal::Expired,
            Self::Revoked => Refusal::Revoked,
            Self::Failed => return None,
        })
    }
}

/// Somebody who called.
pub(super) struct Caller {
    /// What its calls are counted under.
    counted: EntityId,
    /// Whether it calls with tokens, each of which lives for a while.
    tokens: bool,
    owner: OwnerId,
    since: Timestamp,
    pub(super) habit: Habit,
    /// From when on it is refused, and why.
    ended: Option<(Timestamp, Trouble)>,
}

impl Caller {
    pub(super) fn new(key: impl Into<EntityId>, owner: OwnerId, since: Timestamp, habit: Habit) -> Self {
        Self { counted: key.into(), tokens: false, owner, since, habit, ended: None }
    }
    /// With tokens that draw on `root`.
    pub(super) fn of_tokens(
        root: impl Into<EntityId>,
        owner: OwnerId,
        since: Timestamp,
        habit: Habit,
    ) -> Self {
        Self { tokens: true, ..Self::new(root, owner, since, habit) }
    }
    /// The same, refused from `end` on.
    pub(super) fn until(self, end: Timestamp, why: Trouble) -> Self {
        Self { ended: Some((end, why)), ..self }
    }
}

/// Tells of the last [`DAYS`].
pub(super) async fn tell(story: &Story<'_>, audience: Audience, callers: Vec<Caller>) -> anyhow::Result<()> {
    let teller = Teller {
        dice: Dice(SeededRandom::new(SEED)),
        random: Arc::clone(&story.house.random),
        audience,
        now: story.now,
    };
    let this_hour = Timestamp::from_micros(story.now.as_micros() / HOUR.as_micros() * HOUR.as_micros());
    for day in (0..DAYS).rev() {
        let batches: Vec<RecordBatch> = (0..24)
            .rev()
            .map(|hour| this_hour - Duration::hours(day * 24 + hour))
            .map(|hour| teller.hour(hour, &callers))
            .collect();
        let stored = story.house.store.write(move |tx| {
            batches.iter().try_for_each(|batch| records::store(tx.conn(), batch, batch.at).map(drop))
        });
        stored.await.map_err(|error: StoreError| error)?;
    }
    Ok(())
}

struct Teller {
    dice: Dice,
    random: Arc<dyn Random>,
    audience: Audience,
    now: Timestamp,
}

impl Teller {
    fn hour(&self, start: Timestamp, callers: &[Caller]) -> RecordBatch {
        let at = (start + HOUR - Duration::seconds(1)).min(self.now);
        let mut batch = RecordBatch {
            id: BatchId::new(at, &*self.random),
            audience: self.audience.clone(),
            at,
            counts: Vec::new(),
            last_uses: Vec::new(),
            records: Vec::new(),
            drawn: Vec::new(),
        };
        for caller in callers.iter().filter(|caller| caller.since <= start) {
            self.calls(start, caller, &mut batch);
        }
        self.strangers(start, &mut batch);
        batch.records.sort_by_key(|record| record.at);
        batch
    }

    /// An hour of one caller.
    fn calls(&self, start: Timestamp, caller: &Caller, batch: &mut RecordBatch) {
        let habit = &caller.habit;
        let full = habit.per_hour * share(habit.hours, start) / 1000 * (700 + self.dice.below(600)) / 1000;
        let calls = full * self.part(start) / 1000;
        if let Some((_, why)) = caller.ended.filter(|(end, _)| *end <= start) {
            if let Some(route) = habit.routes.first() {
                self.line(start, caller, *route, Some(why), self.rounded(calls * KNOCKS), batch);
            }
            return;
        }
        // The hour in which it ended is left out: nothing good is told of what came after.
        if caller.ended.is_some_and(|(end, _)| end < start + HOUR) {
            return;
        }
        let before = batch.counts.len();
        for route in habit.routes {
            self.line(start, caller, *route, None, self.rounded(calls * route.2), batch);
        }
        if batch.counts.len() > before && !caller.tokens {
            batch.last_uses.push(LastUse {
                credential: caller.counted,
                at: self.moment(start),
                address: self.dice.pick(habit.addresses).and_then(|text| text.parse().ok()),
            });
        }
        for (trouble, share) in habit.troubles {
            let Some(route) = self.dice.pick(habit.routes) else { continue };
            self.line(start, caller, *route, Some(*trouble), self.rounded(calls * share), batch);
        }
    }

    /// Calls of one kind: counted, and some of them told.
    fn line(
        &self,
        start: Timestamp,
        caller: &Caller,
        (method, route, _, status): Route,
        trouble: Option<Trouble>,
        calls: u64,
        batch: &mut RecordBatch,
    ) {
        if calls == 0 {
            return;
        }
        let refusal = trouble.and_then(Trouble::refusal);
        let status = match (&refusal, trouble) {
            (Some(refusal), _) => refusal.status(),
            (None, Some(_)) => 502,
            (None, None) => status,
        };
        let latency_us = |dice: &Dice| match &refusal {
            Some(_) => 90 + dice.below(400),
            None => 1_200 + dice.below(9_000) * (1 + dice.below(3)),
        };
        batch.counts.push(Count {
            credential: caller.counted,
            owner: caller.owner,
            route: route.into(),
            outcome: Outcome::of(refusal.as_ref(), status),
            calls,
            latency_sum_us: calls * latency_us(&self.dice),
        });
        let told = match refusal {
            Some(_) => calls.min(TOLD),
            None => u64::from(self.dice.below(SAMPLE) == 0),
        };
        for _ in 0..told {
            let at = self.moment(start);
            let id = if caller.tokens { TokenId::new(start, &*self.random).entity() } else { caller.counted };
            let address = match trouble {
                Some(Trouble::Address) => Some("198.51.100.7"),
                _ => self.dice.pick(caller.habit.addresses).copied(),
            };
            batch.records.push(Record {
                credential: Some(id),
                root: Some(caller.counted),
                owner: Some(caller.owner),
                method: method.into(),
                route: route.into(),
                user_agent: Some(caller.habit.agent.into()),
                latency_us: u32::try_from(latency_us(&self.dice)).unwrap_or(u32::MAX),
                ..self.record(at, status, refusal.as_ref(), address)
            });
        }
    }

    /// Now and then somebody comes with nothing, with a mistyped key, or with a guess.
    fn strangers(&self, start: Timestamp, batch: &mut RecordBatch) {
        let kinds = [
            Refusal::MissingCredential,
            Refusal::InvalidCredential(Check::Checksum),
            Refusal::InvalidCredential(Check::Found),
        ];
        if self.dice.below(8) != 0 {
            return;
        }
        let Some(refusal) = self.dice.pick(&kinds) else { return };
        let record = self.record(self.moment(start), refusal.status(), Some(refusal), Some("203.0.113.254"));
        batch.records.push(Record { route: "/v1/notes".into(), ..record });
    }

    fn record(&self, at: Timestamp, status: u16, refusal: Option<&Refusal>, address: Option<&str>) -> Record {
        Record {
            at,
            request: RequestId::new(at, &*self.random),
            credential: None,
            root: None,
            owner: None,
            method: "GET".into(),
            route: "".into(),
            status,
            failed: refusal.map(Refusal::check),
            code: refusal.map(|refusal| refusal.code().into()),
            lacked: refusal.and_then(Lacked::of),
            address: address.and_then(|text| text.parse::<IpAddr>().ok()),
            latency_us: 120,
            user_agent: Some("Mozilla/5.0 (compatible; scanner)".into()),
        }
    }

    /// How much of the hour is over, in a thousand.
    fn part(&self, start: Timestamp) -> u64 {
        let over = self.now.since(start).as_micros().clamp(0, HOUR.as_micros()) * 1000 / HOUR.as_micros();
        u64::try_from(over).unwrap_or_default()
    }

    /// A moment of the hour that is over.
    fn moment(&self, start: Timestamp) -> Timestamp {
        let over = self.now.since(start).as_micros().clamp(1, HOUR.as_micros());
        let at = self.dice.below(u64::try_from(over).unwrap_or(1));
        start + Duration::micros(i64::try_from(at).unwrap_or_default())
    }

    /// A thousandth, up or down by chance.
    fn rounded(&self, thousandths: u64) -> u64 {
        (thousandths + self.dice.below(1000)) / 1000
    }
}

/// How busy an hour is, in a thousand.
fn share(hours: Hours, start: Timestamp) -> u64 {
    let hour = start.as_micros() / HOUR.as_micros();
    // 1970-01-01 was a Thursday.
    let weekend = matches!((hour / 24 + 4) % 7, 0 | 6);
    let of_day = usize::try_from(hour % 24).unwrap_or_default();
    match hours {
        Hours::Always if weekend => 550,
        Hours::Always => 700,
        Hours::Night if (1..4).contains(&of_day) => 1000,
        Hours::Night => 0,
        Hours::Office => BUSY.get(of_day).copied().unwrap_or_default() / if weekend { 6 } else { 1 },
    }
}

struct Dice(SeededRandom);

impl Dice {
    /// Less than `n`.
    fn below(&self, n: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % n.max(1)
    }
    fn pick<'l, T>(&self, list: &'l [T]) -> Option<&'l T> {
        list.get(usize::try_from(self.below(list.len() as u64)).unwrap_or_default())
    }
}
