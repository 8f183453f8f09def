//! When a lane has to finish a delta, and when it may count no more until it has.
//!
//! ```text
//! counts       after flush_ms, or when they are many; at the end of the partition after a second,
//!              if their records are ten times as long as the last delta was
//! none, at end every minute, so that time passes for the fold
//! none         never
//! ```

use super::Lane;
use crate::tally::ROWS_MAX;

/// How often a lane with nothing to say appends that it is at the end, so that time passes.
const AT_END_INTERVAL_MS: u64 = 60_000;

/// How long counts wait in a lane that is at the end, so that windows close soon.
const AT_END_FLUSH_MS: u64 = 1_000;

/// The input is so many times as long as the state log, where that is up to us: where little comes,
/// counts wait as long as they may.
const INPUT_SHARE: usize = 10;

/// When a lane has to finish a delta.
#[derive(Debug, Clone, Copy)]
pub(in crate::source) struct Pace {
    pub(in crate::source) flush_ms: u64,
    /// Bytes of the counts of one lane; at the bound its delta is finished early.
    pub(in crate::source) bytes_max: usize,
}

impl Lane {
    /// Whether it is time to finish a delta, an empty one included.
    fn is_due(&self, pace: Pace, now_ms: u64) -> bool {
        let at_end_ms = pace.flush_ms.min(AT_END_FLUSH_MS);
        let waited_ms = |since: u64| now_ms.saturating_sub(since);
        match self.since_ms {
            Some(since) => {
                let is_worth = self.input_bytes >= INPUT_SHARE * self.delta_bytes;
                let wait_ms = if self.at_end && is_worth {
                    at_end_ms
                } else {
                    pace.flush_ms
                };
                waited_ms(since) >= wait_ms || self.is_over(pace) || self.is_doubted()
            }
            None if self.at_end && !self.writer.is_busy() => self
                .said_end_ms
                .is_none_or(|said| waited_ms(said) >= AT_END_INTERVAL_MS),
            None => false,
        }
    }

    /// Whether the tally is as large as a delta may be.
    pub(in crate::source) fn is_over(&self, pace: Pace) -> bool {
        self.tally.bytes() >= pace.bytes_max
            || self.tally.records() >= self.bound.get()
            // a record is counted whole, and may have many
            || self.tally.rows() >= ROWS_MAX / 2
    }

    /// Whether nothing more may be counted now, since what is counted cannot be finished.
    pub(in crate::source) fn is_blocked(&self, pace: Pace) -> bool {
        self.is_over(pace) && !self.writer.may_seal()
    }

    /// Whether [`Self::seal`] is to be called now.
    pub(in crate::source) fn wants_seal(&self, pace: Pace, now_ms: u64) -> bool {
        self.writer.may_seal() && self.stopped.is_none() && self.is_due(pace, now_ms)
    }
}
