//! Calls by the calendar: atomics that all credentials of a budget share, and what was told of other guards' counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keyway_core::Timestamp;
use keyway_core::quota::{Counted, Day, Measure, Month, Quotas, Window};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{Left, QuotasLeft};

/// Bits of a tally that count; the others number its window.
const COUNT_BITS: u32 = 44;
const MOST_COUNTED: u64 = (1 << COUNT_BITS) - 1;

/// Calls of one window. Turns to a later window by itself and never to an earlier one: a clock set back refills nothing.
#[derive(Debug, Default)]
struct Tally(AtomicU64);

/// A window by its number, and its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    window: u32,
    calls: u64,
}

impl Count {
    const fn unpack(packed: u64) -> Self {
        Self { window: (packed >> COUNT_BITS) as u32, calls: packed & MOST_COUNTED }
    }
    fn pack(self) -> u64 {
        (u64::from(self.window) << COUNT_BITS) | self.calls.min(MOST_COUNTED)
    }
    /// As it stands in `window`, unless it is in a later one already.
    const fn in_window(self, window: u32) -> Self {
        if window > self.window { Self { window, calls: 0 } } else { self }
    }
}

impl Tally {
    fn read(&self, window: u32) -> Count {
        Count::unpack(self.0.load(Ordering::Acquire)).in_window(window)
    }

    /// What it was before and what it is now; changed as `change` says, or left alone.
    fn update(&self, change: impl Fn(Count) -> Option<Count>) -> Result<(Count, Count), Count> {
        let mut packed = self.0.load(Ordering::Acquire);
        loop {
            let before = Count::unpack(packed);
            let Some(after) = change(before) else { return Err(before) };
            match self.0.compare_exchange_weak(packed, after.pack(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok((before, after)),
                Err(now) => packed = now,
            }
        }
    }

    /// One more, if there are fewer than `most`.
    fn spend(&self, window: u32, most: u64) -> Result<Count, Count> {
        let more = |count: Count| {
            let count = count.in_window(window);
            (count.calls < most).then_some(Count { calls: count.calls + 1, ..count })
        };
        self.update(more).map(|(_, after)| after)
    }

    /// One less, unless its window is over.
    fn give_back(&self, window: u32) {
        // Refused is what needs no giving back.
        let _ = self.update(|count| {
            (count.window == window).then(|| Count { calls: count.calls.saturating_sub(1), ..count })
        });
    }

    /// So many more of `window`, unless that is over.
    fn add(&self, window: u32, calls: u64) {
        let _ = self.update(|count| {
            let count = count.in_window(window);
            (count.window == window).then(|| Count { calls: count.calls.saturating_add(calls), ..count })
        });
    }
}

/// What is known of the stored counts.
#[derive(Debug, Default)]
struct Ledger {
    /// Whether they were ever asked for.
    loaded: bool,
    /// Each with all calls that had been reported then, by whomever.
    day: Count,
    month: Count,
    /// Days that ended before their calls were reported.
    overdue: SmallVec<[(Day, u64); 1]>,
}

/// Calls of one budget in one environment, on this day and in this month.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    day: Tally,
    month: Tally,
    /// Of the day: what has not been reported yet.
    unsent: Tally,
    ledger: Mutex<Ledger>,
}

impl Counter {
    /// Whether it began with the stored counts.
    pub(crate) fn is_loaded(&self) -> bool {
        self.ledger.lock().loaded
    }

    /// Begins with the stored counts, once. Without any, nothing has been counted.
    pub(crate) fn load(&self, counted: Option<&Counted>) {
        let mut ledger = self.ledger.lock();
        if ledger.loaded {
            return;
        }
        ledger.loaded = true;
        if let Some(counted) = counted {
            self.learn(&mut ledger, counted, 0, 0);
        }
    }

    /// What all guards have counted, `sent_day` and `sent_month` of it by this one since it was last told.
    pub(crate) fn told(&self, counted: &Counted, sent_day: u64, sent_month: u64) {
        self.learn(&mut self.ledger.lock(), counted, sent_day, sent_month);
    }

    fn learn(&self, ledger: &mut Ledger, counted: &Counted, sent_day: u64, sent_month: u64) {
        let month = counted.day.month().number();
        settle(&self.day, &mut ledger.day, counted.day.number(), counted.in_day, sent_day);
        settle(&self.month, &mut ledger.month, month, counted.in_month, sent_month);
    }

    /// One more call to report.
    fn note(&self, day: u32) {
        let more = |count: Count| {
            let count = count.in_window(day);
            Some(Count { calls: count.calls + 1, ..count })
        };
        if let Ok((before, after)) = self.unsent.update(more)
            && before.window < after.window
            && before.calls > 0
        {
            // Once a day.
            self.ledger.lock().overdue.push((Day::from_number(before.window), before.calls));
        }
    }

    /// Whether it has calls to report.
    pub(crate) fn is_owing(&self) -> bool {
        self.unsent.read(0).calls > 0 || !self.ledger.lock().overdue.is_empty()
    }

    /// Takes what is to be reported, by day.
    pub(crate) fn drain(&self) -> SmallVec<[(Day, u64); 1]> {
        let taken = self.unsent.update(|count| (count.calls > 0).then_some(Count { calls: 0, ..count }));
        let mut days = std::mem::take(&mut self.ledger.lock().overdue);
        if let Ok((count, _)) = taken {
            days.push((Day::from_number(count.window), count.calls));
        }
        days
    }
}

/// Adds to `tally` what others have counted since `base`, which becomes `total`.
fn settle(tally: &Tally, base: &mut Count, window: u32, total: u64, sent: u64) {
    if base.window > window {
        return;
    }
    *base = base.in_window(window);
    tally.add(window, total.saturating_sub(base.calls.saturating_add(sent)));
    base.calls = total;
}

/// The windows in which a call was counted, by their numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Windows {
    day: u32,
    month: u32,
}

/// What a credential may take of a counter.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) counter: Arc<Counter>,
    pub(super) quotas: Quotas,
}

impl Calls {
    fn most(&self, window: Window) -> u64 {
        self.quotas.of(window).calls().map_or(u64::MAX, std::num::NonZero::get)
    }

    /// Whether a call is possible.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        let (day, month) = windows(now);
        self.counter.day.read(day).calls < self.most(Window::Day)
            && self.counter.month.read(month).calls < self.most(Window::Month)
    }

    /// Counts a call in both windows, or in neither.
    pub(super) fn spend(&self, now: Timestamp) -> Option<Windows> {
        let (day, month) = windows(now);
        let day = self.counter.day.spend(day, self.most(Window::Day)).ok()?.window;
        match self.counter.month.spend(month, self.most(Window::Month)) {
            Ok(count) => Some(Windows { day, month: count.window }),
            Err(_) => {
                self.counter.day.give_back(day);
                None
            }
        }
    }

    /// Undoes a call that was counted in `windows`.
    pub(super) fn give_back(&self, windows: Windows) {
        self.counter.day.give_back(windows.day);
        self.counter.month.give_back(windows.month);
    }

    /// Has a call reported that was counted in `windows`.
    pub(super) fn report(&self, windows: Windows) {
        self.counter.note(windows.day);
    }

    /// What is left of each quota that holds.
    pub(super) fn left(&self, now: Timestamp) -> QuotasLeft {
        let (day, month) = windows(now);
        let left = |window: Window, tally: &Tally, number: u32, end: fn(u32) -> Timestamp| {
            let most = self.quotas.of(window).calls()?;
            let count = tally.read(number);
            let calls = most.get().saturating_sub(count.calls);
            let ends_in = end(count.window).since(now).as_seconds_ceil();
            let full_in = if count.calls == 0 { 0 } else { ends_in };
            let next_in = if calls == 0 { ends_in } else { 0 };
            Some((Measure::Quota(window, most), Left { calls, full_in, next_in }))
        };
        QuotasLeft {
            day: left(Window::Day, &self.counter.day, day, |day| Day::from_number(day).end()),
            month: left(Window::Month, &self.counter.month, month, |month| Month::from_number(month).end()),
        }
    }
}

fn windows(now: Timestamp) -> (u32, u32) {
    let day = Day::of(now);
    (day.number(), day.month().number())
}
