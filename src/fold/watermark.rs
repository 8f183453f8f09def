//! How far event time has come, as a function of the log alone.
//!
//! ```text
//! watermark = frontier - lateness
//! frontier  = min over the chains that hold time back                     if there are any
//!           = max over all chains + log time since the last row            if there are none
//! ```
//!
//! A chain's frontier is the largest event time it has folded, at most the append time of its
//! delta. A chain holds time back while it is not at its end, unless it made no progress for
//! `wait_max` of log time: then it is left out, and what it may lack is marked incomplete. A chain
//! that said `at_end` holds nothing back, so a quiet partition does not stop the clock. When all
//! are at the end, log time carries the frontier on, so that a quiet topic's windows close, and a
//! stream whose event time is not now (a backfill, the demo) works the same.

use serde::{Deserialize, Serialize};

use crate::time::{Length, Timestamp};

/// What time needs to know of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The largest event time folded, clamped to append time; `None` before the first row.
    pub frontier: Option<Timestamp>,
    /// Whether the chain's last delta had read everything.
    pub at_end: bool,
    /// The log time of the last delta that moved the head or said `at_end`.
    pub moved: Timestamp,
}

impl Progress {
    /// Whether this chain is waited for.
    pub fn holds(&self, now: Timestamp, wait_max: Length) -> bool {
        !self.at_end && now.millis_since(self.moved) <= wait_max.as_millis()
    }

    /// Whether this chain should be waited for and no longer is.
    pub fn is_left_out(&self, now: Timestamp, wait_max: Length) -> bool {
        !self.at_end && !self.holds(now, wait_max)
    }
}

/// How far event time has come over all chains, before lateness; `None` while nothing is known.
///
/// `now` is the log time, `last_row` the log time of the last delta that had rows.
pub fn frontier<'a>(
    chains: impl Iterator<Item = &'a Progress> + Clone,
    now: Timestamp,
    last_row: Timestamp,
    wait_max: Length,
) -> Option<Timestamp> {
    let mut holding = chains
        .clone()
        .filter(|chain| chain.holds(now, wait_max))
        .peekable();
    if holding.peek().is_some() {
        // one that has no row yet holds back everything
        return holding.map(|chain| chain.frontier).min().flatten();
    }
    let latest = chains.filter_map(|chain| chain.frontier).max()?;
    let passed = Length::from_millis(now.millis_since(last_row));
    Some(passed.map_or(latest, |passed| latest + passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(frontier: i64, at_end: bool, moved: i64) -> Progress {
        Progress {
            frontier: (frontier >= 0).then(|| Timestamp::from_millis(frontier)),
            at_end,
            moved: Timestamp::from_millis(moved),
        }
    }

    #[test]
    fn the_slowest_chain_that_is_not_at_its_end_decides() {
        let at = |chains: &[Progress], now| {
            let now = Timestamp::from_millis(now);
            frontier(
                chains.iter(),
                now,
                Timestamp::from_millis(90),
                Length::from_millis(50).unwrap(),
            )
            .map(Timestamp::as_millis)
        };
        let cases: [(&[Progress], i64, Option<i64>); 7] = [
            (&[], 100, None),
            // both behind: the slower one
            (
                &[chain(10, false, 100), chain(20, false, 100)],
                100,
                Some(10),
            ),
            // the slower one is at its end: it holds nothing back
            (
                &[chain(10, true, 100), chain(20, false, 100)],
                100,
                Some(20),
            ),
            // all at the end: the largest, carried on by log time
            (&[chain(10, true, 100), chain(20, true, 100)], 100, Some(30)),
            // begun, nothing read yet: holds back everything
            (&[chain(-1, false, 100), chain(20, false, 100)], 100, None),
            // silent for wait_max: still waited for; a moment later left out
            (
                &[chain(10, false, 100), chain(20, false, 140)],
                150,
                Some(10),
            ),
            (
                &[chain(10, false, 100), chain(20, false, 140)],
                151,
                Some(20),
            ),
        ];
        for (chains, now, expected) in cases {
            assert_eq!(at(chains, now), expected, "{chains:?} at {now}");
        }
    }
}
