//! What a worker writes to the state log: the counts of one offset range of one chain.
//!
//! A delta is a pure function of the records in its range. The range is half-open in consumer
//! positions, `from` is the `to` of the delta before it, and the fold takes a delta only where
//! `from` is the head of the chain:
//!
//! ```text
//! head 100   delta [100, 250) accepted, head 250   delta [100, 240) superseded, no effect
//! ```
//!
//! so a range is counted once, whoever read it and however often. Positions and not offsets, since
//! control markers and compaction leave holes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decode::Reject;
use crate::key::{ChainKey, ModelKey, Role};
use crate::layout::LooseCounts;
use crate::time::{Length, Timestamp};

mod arrow;

#[cfg(test)]
pub(crate) use self::arrow::tests;
pub(crate) use self::arrow::{AccountingText, ChainText};
pub use self::arrow::{
    COUNT_MAX, DECODED_BYTES_MAX, DecodeError, EncodeError, Flaw, decode, encode,
};

/// The short name of a layout in the log, given by the fold in log order when a reference brings a
/// layout that it has not seen. [`LayoutId::UNIVERSAL`] counts everything as loose series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LayoutId(pub u32);

impl LayoutId {
    /// No layout: every series is loose.
    pub const UNIVERSAL: Self = Self(0);
}

/// The counts of the records of one chain from one position to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    /// The chain.
    pub chain: ChainKey,
    /// The position of the first record counted: the head of the chain, if this is to count.
    pub from: i64,
    /// The position after the last record counted; equal to `from` where time alone passes.
    pub to: i64,
    /// The worker, unique for each start of each worker.
    pub writer: u64,
    /// Counts up for each append of this worker, so that it can tell the fates of its own.
    pub attempt: u64,
    /// The length of the panes below; their starts are multiples of it.
    pub pane: Length,
    /// What became of the records of the range.
    pub accounting: Accounting,
    /// Records by the pane of their Kafka timestamp, in order of time.
    pub arrivals: Vec<Arrivals>,
    /// Counts per model version, in order of key and layout.
    pub models: Vec<ModelDelta>,
}

/// What became of the records of a range.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "AccountingText", into = "AccountingText")]
pub struct Accounting {
    /// Records read, the rejected ones included.
    pub records: u64,
    /// Rows decoded from them.
    pub rows: u64,
    /// Records rejected, by [`Reject::index`].
    pub rejected: [u64; Reject::ALL.len()],
    /// Offsets that retention took before they were read.
    pub lost: u64,
    /// Rows that were late against their record's timestamp.
    pub late: u64,
    /// Values of series whose name could not be kept.
    pub unnamed: u64,
    /// The smallest event time of the rows.
    pub first_event: Option<Timestamp>,
    /// The largest event time of the rows.
    pub last_event: Option<Timestamp>,
    /// Whether the worker had then read everything that could be read.
    pub at_end: bool,
    /// The last record of the range, to be known again after a restart.
    pub last_record: Option<LastRecord>,
}

impl Accounting {
    /// Adds what happened in the range that follows this one.
    pub fn merge(&mut self, later: &Self) {
        self.records += later.records;
        self.rows += later.rows;
        for (mine, theirs) in self.rejected.iter_mut().zip(&later.rejected) {
            *mine += theirs;
        }
        self.lost += later.lost;
        self.late += later.late;
        self.unnamed += later.unnamed;
        self.first_event = self.first_event.into_iter().chain(later.first_event).min();
        self.last_event = self.last_event.into_iter().chain(later.last_event).max();
        self.at_end = later.at_end;
        self.last_record = later.last_record.or(self.last_record);
    }
}

/// A record by its offset and the hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRecord {
    /// Its offset.
    pub offset: i64,
    /// XXH3 of its value.
    pub hash: u64,
}

/// Records by the pane of their Kafka timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrivals {
    /// The start of the pane.
    pub start: Timestamp,
    /// Records with a timestamp in the pane.
    pub records: u64,
    /// Those of them that were rejected.
    pub rejected: u64,
}

/// The counts of one model version under one layout.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDelta {
    /// The model version.
    pub key: ModelKey,
    /// The layout that [`PaneDelta::cells`] are cells of.
    pub layout: LayoutId,
    /// Panes in order of time.
    pub panes: Vec<PaneDelta>,
}

/// The counts of one pane of event time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaneDelta {
    /// The start of the pane.
    pub start: Timestamp,
    /// Rows with an event time in the pane.
    pub rows: u64,
    /// Rows that were late against their record's timestamp.
    pub late: u64,
    /// The largest event time in the pane.
    pub last_event: Timestamp,
    /// Rows that carry each [`crate::key::Carrier`].
    pub carried: [u64; 4],
    /// `(cell, count)` in ascending order of the layout's cells, counts above 0.
    pub cells: Vec<(u32, u64)>,
    /// Series that the layout does not know.
    pub loose: BTreeMap<(Role, Box<str>), LooseCounts>,
}
