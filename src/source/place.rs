//! Where reading begins, and what a record or a watermark that was not expected means.
//!
//! A chain that the fold knows goes on at its head `h`. Where the fold remembers the last record
//! below, reading begins at that record, which is compared and not counted again:
//!
//! ```text
//! remembered (offset 41, hash a), h = 44        42 and 43 are control markers
//! reads 41 hash a, 44, ..  the same topic: 41 is dropped, 44 is counted
//! reads 44, ..             41 is gone (retention, compaction): 44 is counted
//! reads 41 hash b, ..      another record in its place: the topic was recreated or truncated
//! reads 43, ..             a record where none was: likewise
//! ```
//!
//! Pure, so that each case is a line of a table.

use std::collections::BTreeMap;

use crate::config::Start;
use crate::delta::LastRecord;

/// What a record below the position that is read next means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Below {
    /// It was counted before: drop it.
    Counted,
    /// It is the one remembered: drop it, and the topic is the one that was counted.
    Known,
    /// It should not be there.
    Changed,
}

/// Judges a record below the position that is read next, while `remembered` is looked for.
pub(super) fn judge_below(remembered: Option<LastRecord>, offset: i64, hash: u64) -> Below {
    match remembered {
        None => Below::Counted,
        Some(last) if offset < last.offset => Below::Counted,
        Some(last) if offset == last.offset && hash == last.hash => Below::Known,
        Some(_) => Below::Changed,
    }
}

/// Where a position stands against what a partition has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounds {
    /// It can be read from there.
    Within,
    /// Retention took this many offsets before they were read.
    Lost(u64),
    /// The partition ends before it.
    Truncated,
}

/// Judges the position that is read next against the low watermark and the end of its partition.
pub(super) fn judge_bounds(position: i64, low: i64, end: i64) -> Bounds {
    match u64::try_from(low.saturating_sub(position)) {
        _ if end < position => Bounds::Truncated,
        Ok(lost) if lost > 0 => Bounds::Lost(lost),
        _ => Bounds::Within,
    }
}

/// Where chains begin that the fold does not know.
///
/// `source.start` is for the partitions that a topic has when driftd first meets it. A partition
/// that appears later begins at its first record, or what was written to it before it was noticed
/// would never be counted.
#[derive(Debug, Clone)]
pub struct Beginnings {
    start: Start,
    /// By topic, how many partitions were there first; they have the lowest numbers.
    first: BTreeMap<String, i32>,
}

impl Beginnings {
    /// Of `(topic, partitions, known)`, where a topic is known when any partition has a chain.
    pub fn new(start: Start, topics: impl IntoIterator<Item = (String, i32, bool)>) -> Self {
        let first = topics
            .into_iter()
            .map(|(topic, count, known)| (topic, if known { 0 } else { count }));
        Self {
            start,
            first: first.collect(),
        }
    }

    /// Where the chain of a partition begins.
    pub(super) fn of(&self, topic: &str, partition: i32) -> Start {
        match self.first.get(topic) {
            Some(first) if partition < *first => self.start,
            _ => Start::Earliest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_record_below_the_head_is_known_counted_or_changed() {
        let last = Some(LastRecord {
            offset: 41,
            hash: 0xa,
        });
        for (remembered, offset, hash, verdict) in [
            (last, 41, 0xa, Below::Known),
            (last, 41, 0xb, Below::Changed),
            (last, 43, 0xa, Below::Changed),
            (last, 40, 0xb, Below::Counted),
            (None, 43, 0xb, Below::Counted),
        ] {
            assert_eq!(
                judge_below(remembered, offset, hash),
                verdict,
                "{offset} {hash}"
            );
        }
    }

    #[test]
    fn a_position_is_within_or_lost_or_beyond() {
        for (position, low, end, verdict) in [
            (10, 0, 20, Bounds::Within),
            (10, 10, 10, Bounds::Within),
            (10, 15, 20, Bounds::Lost(5)),
            (10, 15, 15, Bounds::Lost(5)),
            (10, 0, 9, Bounds::Truncated),
            (10, 0, 0, Bounds::Truncated),
            (0, 0, 0, Bounds::Within),
            (
                i64::MIN,
                i64::MAX,
                i64::MAX,
                Bounds::Lost(i64::MAX.unsigned_abs()),
            ),
        ] {
            assert_eq!(
                judge_bounds(position, low, end),
                verdict,
                "{position} {low} {end}"
            );
        }
    }

    #[test]
    fn start_is_for_partitions_that_were_there_first() {
        let start = Start::At(Timestamp::EPOCH);
        let topics = [("new".to_owned(), 4, false), ("known".to_owned(), 6, true)];
        let beginnings = Beginnings::new(start, topics);
        for (topic, partition, begins) in [
            ("new", 0, start),
            ("new", 3, start),
            ("new", 4, Start::Earliest),
            ("known", 3, Start::Earliest),
            ("known", 4, Start::Earliest),
            ("matched later", 0, Start::Earliest),
        ] {
            assert_eq!(
                beginnings.of(topic, partition),
                begins,
                "{topic} {partition}"
            );
        }
    }
}
