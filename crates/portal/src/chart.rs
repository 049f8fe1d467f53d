//! Charts as geometry: counts become rectangles and paths, which templates draw (`web/templates/components/charts.html`).
//! Sizes are units of an SVG's `viewBox`.

use keyway_core::Timestamp;
use keyway_core::record::Outcome;
use keyway_core::usage::{Grain, Period, Tally};
use serde::Serialize;

use crate::render;

/// How tall a sparkline is; each of its bars is 2 wide with 1 between.
const SPARK_HEIGHT: u64 = 20;
/// How tall the bars of a chart may be.
const HEIGHT: u64 = 120;
/// How wide a chart is, roughly: a whole number for each bar.
const WIDTH: u32 = 720;
const GAP: u32 = 2;

/// A credential's last days, small, without axes. All in one list have one scale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sparkline {
    accepted: String,
    refused: String,
    label: String,
}

impl Sparkline {
    /// The highest day among several: the scale that they share.
    pub fn highest<'t>(lines: impl IntoIterator<Item = &'t Vec<Tally>>) -> u64 {
        lines.into_iter().flatten().map(Tally::total).max().unwrap_or_default()
    }

    /// One of the days given, the oldest first; no days where nothing was counted.
    pub fn of(days: &[Tally], highest: u64) -> Self {
        let (mut accepted, mut refused) = (String::new(), String::new());
        let mut all = Tally::default();
        let mut x = 0_u32;
        for day in days {
            let [low, high] = heights([day.accepted(), day.refused()], highest, SPARK_HEIGHT);
            bar(&mut accepted, x, SPARK_HEIGHT - low, low);
            bar(&mut refused, x, SPARK_HEIGHT - low - high, high);
            all.merge(day);
            x += 3;
        }
        let label = match all.total() {
            0 => "No calls in 30 days".to_owned(),
            total => format!("{} in 30 days, {} refused", calls(total), count(all.refused())),
        };
        Self { accepted, refused, label }
    }
}

fn bar(path: &mut String, x: u32, y: u64, height: u64) {
    if height > 0 {
        path.push_str(&format!("M{x} {y}h2v{height}h-2z"));
    }
}

/// Calls over time, stacked by how they ended, and the same as a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bars {
    width: u32,
    height: u64,
    /// What the upper edge stands for.
    top: u64,
    label: String,
    /// Below the bars: the first, the middle and the last bucket.
    axis: [String; 3],
    bars: Vec<Bar>,
    legend: Vec<Key>,
    rows: Vec<Row>,
    unit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Bar {
    x: u32,
    width: u32,
    title: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Part {
    state: &'static str,
    y: u64,
    height: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Key {
    state: &'static str,
    label: &'static str,
    calls: u64,
}

/// One bucket as a line of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    at: String,
    accepted: u64,
    refused: u64,
    limited: u64,
    failed: u64,
    total: u64,
}

/// A part of the stack: state (its colour), words, and which calls.
type Stacked = (&'static str, &'static str, fn(&Tally) -> u64);

/// What is stacked, from below.
const STACK: [Stacked; 4] = [
    ("ok", "Accepted", |tally| tally.ok),
    ("off", "Failed", |tally| tally.of(Outcome::Failed).saturating_add(tally.of(Outcome::Unavailable))),
    ("attention", "Over the limit", |tally| tally.limited),
    ("refused", "Refused", |tally| tally.unauthenticated.saturating_add(tally.forbidden)),
];

impl Bars {
    /// The tallies of a period, one for each bucket.
    pub fn of(period: Period, tallies: &[Tally]) -> Self {
        let buckets = u32::from(period.buckets());
        let step = (WIDTH / buckets).max(GAP + 1);
        let top = round_up(tallies.iter().map(Tally::total).max().unwrap_or_default());
        let name = |at: Timestamp| bucket_name(at, period.grain());
        let mut all = Tally::default();
        let mut x = 0;
        let (mut bars, mut rows) = (Vec::new(), Vec::new());
        for (at, tally) in period.starts().zip(tallies) {
            all.merge(tally);
            bars.push(Bar { x, width: step - GAP, title: title(&name(at), tally), parts: parts(tally, top) });
            rows.push(row(name(at), tally));
            x += step;
        }
        rows.reverse();
        let starts: Vec<_> = period.starts().collect();
        let at = |n: usize| starts.get(n).map(|at| name(*at)).unwrap_or_default();
        Self {
            width: step * buckets,
            height: HEIGHT,
            top,
            label: format!("{}, {} of them refused", calls(all.total()), count(all.refused())),
            axis: [at(0), at(starts.len() / 2), at(starts.len().saturating_sub(1))],
            bars,
            legend: STACK.iter().map(|&(state, label, of)| Key { state, label, calls: of(&all) }).collect(),
            rows,
            unit: match period.grain() {
                Grain::Hour => "Hour",
                Grain::Day => "Day",
            },
        }
    }
}

fn parts(tally: &Tally, top: u64) -> Vec<Part> {
    let tall = heights(STACK.map(|(_, _, of)| of(tally)), top, HEIGHT);
    let mut y = HEIGHT;
    let mut parts = Vec::new();
    for ((state, ..), height) in STACK.into_iter().zip(tall) {
        y -= height;
        if height > 0 {
            parts.push(Part { state, y, height });
        }
    }
    parts
}

fn title(at: &str, tally: &Tally) -> String {
    let told: Vec<_> = STACK
        .iter()
        .map(|&(_, label, of)| (label, of(tally)))
        .filter(|(_, calls)| *calls > 0)
        .map(|(label, calls)| format!("{} {}", count(calls), label.to_lowercase()))
        .collect();
    format!("{at}: {}", if told.is_empty() { "no calls".to_owned() } else { told.join(", ") })
}

fn row(at: String, tally: &Tally) -> Row {
    let [accepted, failed, limited, refused] = STACK.map(|(_, _, of)| of(tally));
    Row { at, accepted, refused, limited, failed, total: tally.total() }
}

fn bucket_name(at: Timestamp, grain: Grain) -> String {
    let format = match grain {
        Grain::Hour => "%-d %b %H:00",
        Grain::Day => "%-d %b",
    };
    at.to_utc().format(format).to_string()
}

/// With a comma between thousands.
pub fn count(n: u64) -> String {
    render::count(i64::try_from(n).unwrap_or(i64::MAX))
}

/// `1 call`, `1,204 calls`.
pub fn calls(n: u64) -> String {
    format!("{} call{}", count(n), if n == 1 { "" } else { "s" })
}

/// How tall each part is where `highest` is `tall`. What is not nothing is seen, and together they are never taller.
fn heights<const N: usize>(parts: [u64; N], highest: u64, tall: u64) -> [u64; N] {
    let scaled = |part: u64| {
        let exact = u128::from(part) * u128::from(tall) / u128::from(highest.max(1));
        u64::try_from(exact).unwrap_or(tall).clamp(1, tall)
    };
    let mut heights = parts.map(|part| if part == 0 { 0 } else { scaled(part) });
    let over = heights.iter().sum::<u64>().saturating_sub(tall);
    if let Some(largest) = heights.iter_mut().max() {
        *largest -= over;
    }
    heights
}

/// The next of 1, 2, 5, 10, 20, 50, …: an upper edge that is easily read.
fn round_up(highest: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for digit in [1, 2, 5] {
            let edge = power.saturating_mul(digit);
            if edge >= highest {
                return edge;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_510_800);

    fn tally(ok: u64, forbidden: u64) -> Tally {
        Tally { ok, forbidden, ..Tally::default() }
    }

    #[test]
    fn what_is_not_nothing_is_seen_and_nothing_stands_out() {
        assert_eq!(heights([1_000, 1], 1_000, 20), [19, 1]);
        assert_eq!(heights([0, 0], 0, 20), [0, 0]);
        assert_eq!(heights([500, 250], 1_000, 20), [10, 5]);
        assert_eq!(heights([u64::MAX, u64::MAX], 1, 20).iter().sum::<u64>(), 20);
        for parts in [[997, 1, 1, 1], [1, 1, 1, 997], [250, 250, 250, 250]] {
            assert!(heights(parts, 1_000, 120).iter().sum::<u64>() <= 120);
        }
    }

    #[test]
    fn sparklines_of_one_list_have_one_scale() {
        let (busy, quiet) = (vec![tally(20, 0), tally(0, 20)], vec![tally(5, 0)]);
        let highest = Sparkline::highest([&busy, &quiet]);
        assert_eq!(highest, 20);
        let drawn = Sparkline::of(&busy, highest);
        assert_eq!((drawn.accepted.as_str(), drawn.refused.as_str()), ("M0 0h2v20h-2z", "M3 0h2v20h-2z"));
        assert_eq!(drawn.label, "40 calls in 30 days, 20 refused");
        assert_eq!(Sparkline::of(&quiet, highest).accepted, "M0 15h2v5h-2z");
        assert_eq!(Sparkline::of(&[], highest).label, "No calls in 30 days");
    }

    #[test]
    fn a_chart_has_a_bar_a_title_and_a_line_for_each_bucket() {
        for (grain, buckets, first) in [(Grain::Hour, 24, "23 Nov 10:00"), (Grain::Day, 90, "27 Aug")] {
            let period = Period::ending(NOW, grain, buckets);
            let mut tallies = vec![Tally::default(); usize::from(buckets)];
            tallies[1] = tally(1_203, 1);
            let chart = Bars::of(period, &tallies);
            assert_eq!((chart.bars.len(), chart.rows.len()), (usize::from(buckets), usize::from(buckets)));
            assert_eq!(chart.axis[0], first);
            assert_eq!(chart.top, 2_000);
            assert!(chart.bars[1].title.ends_with(": 1,203 accepted, 1 refused"), "{}", chart.bars[1].title);
            assert!(chart.bars[0].title.ends_with(": no calls"));
            assert_eq!(chart.bars[1].parts.len(), 2);
            assert!(chart.bars.iter().all(|bar| bar.x + bar.width <= chart.width));
            assert_eq!(chart.label, "1,204 calls, 1 of them refused");
        }
    }

    #[test]
    fn the_upper_edge_is_easily_read() {
        assert_eq!([0, 1, 3, 7, 11, 1_204, 5_001].map(round_up), [1, 1, 5, 10, 20, 2_000, 10_000]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }
}
