//! Sends requests on many connections from one thread and times the answers.
//!
//! The thread waits on readiness and asks again and again rather than sleep: a timer would be coarser than what is
//! measured, and it has a processor of its own. What it is late by itself is told apart.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use mio::{Events, Poll, Token};

use crate::connection::{Answer, Connection};
use crate::latencies::Latencies;
use crate::sign_ins::SignIns;

/// How long answers may take in the end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many answers are read before requests that are due go out: what one of them costs comes upon the others.
const AT_ONCE: usize = 16;

/// When requests go out, and how many.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// At a rate, each counted from when it was due, so that a server that stalls is not spared.
    Rate {
        /// From one to the next.
        every: Duration,
        /// How many.
        count: usize,
    },
    /// This many, as fast as they are answered.
    Count(usize),
    /// For so long, as fast as they are answered.
    Span(Duration),
}

/// What a run gave.
#[derive(Debug, Default)]
pub struct Run {
    /// From when a request was due to its answer.
    pub latencies: Latencies,
    /// By how much requests went out late although a connection was free: the driver's own part of the latencies.
    pub late: Latencies,
    /// Until the last answer.
    pub span: Duration,
}

/// Sends `requests` in turn, each with the next free connection, and hands every answer to `each`.
///
/// # Errors
/// When the server does not answer, or `each` finds fault.
pub fn run(
    address: SocketAddr,
    connections: usize,
    requests: &[Vec<u8>],
    pace: Pace,
    people: &mut Option<SignIns>,
    mut each: impl FnMut(&Answer<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Run> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(AT_ONCE);
    let mut open = (0..connections.max(1))
        .map(|at| Connection::open(address, poll.registry(), Token(at)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut coming = requests.iter().cycle();
    let mut run = Run::default();
    let began = Instant::now();
    let mut free: VecDeque<_> = (0..open.len()).map(|at| (at, began)).collect();
    let (mut now, mut last, mut sent) = (began, began, 0_usize);
    loop {
        while let Some((at, since)) = free.front().copied() {
            now = Instant::now();
            let Some(due) = pace.due(sent, began, since).filter(|due| *due <= now) else { break };
            free.pop_front();
            let connection = open.get_mut(at).context("no such connection")?;
            connection.send(coming.next().context("no request")?, due)?;
            run.late.add(now.duration_since(due.max(since)));
            sent += 1;
        }
        if run.latencies.len() == sent && pace.due(sent, began, now).is_none() {
            break;
        }
        if let Some(people) = people {
            people.go_on(now, poll.registry())?;
        }
        poll.poll(&mut events, Some(Duration::ZERO))?;
        now = Instant::now();
        for event in &events {
            let Token(at) = event.token();
            if let Some(connection) = open.get_mut(at) {
                if let Some((answer, due)) = connection.answer()? {
                    last = Instant::now();
                    run.latencies.add(last.duration_since(due));
                    free.push_back((at, last));
                    each(&answer)?;
                }
            } else if let Some(people) = people {
                people.ready(event.token())?;
            }
        }
        ensure!(now.saturating_duration_since(last) < PATIENCE, "no answer for {} s", PATIENCE.as_secs());
    }
    run.span = last.duration_since(began);
    Ok(run)
}

impl Pace {
    /// When the next request is due, after so many, on a connection that has been free for a while; `None` when there
    /// is none any more.
    fn due(self, sent: usize, began: Instant, free_since: Instant) -> Option<Instant> {
        match self {
            Self::Rate { every, count } => (sent < count).then(|| began + every.mul_f64(sent as f64)),
            Self::Count(count) => (sent < count).then_some(free_since),
            Self::Span(span) => (free_since.duration_since(began) < span).then_some(free_since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_their_rate_or_when_a_connection_is_free() {
        let began = Instant::now();
        let later = began + Duration::from_millis(5);
        let rate = Pace::Rate { every: Duration::from_micros(10), count: 3 };
        assert_eq!(rate.due(2, began, later), Some(began + Duration::from_micros(20)));
        assert_eq!(rate.due(3, began, later), None);
        assert_eq!(Pace::Count(3).due(2, began, later), Some(later));
        assert_eq!(Pace::Count(3).due(3, began, later), None);
        assert_eq!(Pace::Span(Duration::from_millis(6)).due(9, began, later), Some(later));
        assert_eq!(Pace::Span(Duration::from_millis(5)).due(9, began, later), None);
    }
}
