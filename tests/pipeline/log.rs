//! The state log: appends are on their way for a while, and may be lost, doubled, reordered,
//! reported as failed although they are not, or be in a tail that an unclean election cuts off.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use driftd::statelog::record::Record;
use driftd::statelog::{AppendError, Failed, RECORD_BYTES_MAX};
use driftd::time::Timestamp;

use crate::random::Random;

/// Appends that wait, at most.
const WAITING_MAX: usize = 24;

/// A record in the log.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) position: u64,
    pub(crate) at: Timestamp,
    pub(crate) digest: [u8; 32],
    pub(crate) record: Arc<Record>,
}

/// How a place of the log is known again: by the record before it.
///
/// The bytes of that record are not enough. A doubled append, or an anchor that two replicas write,
/// has the same bytes, and after the tail was cut off the second one may come to stand where the
/// first one stood, behind other records. It is stamped with another time then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) digest: [u8; 32],
    pub(crate) at: Timestamp,
}

/// A record on its way.
#[derive(Debug)]
struct Sent {
    process: u64,
    digest: [u8; 32],
    record: Arc<Record>,
    failed: Failed,
    lost: bool,
    reported: bool,
}

/// See the module header.
#[derive(Debug)]
pub(crate) struct Log {
    random: Random,
    /// All that was ever appended and not cut off.
    pub(crate) history: Vec<Entry>,
    /// What is below was trimmed, and cannot be read.
    pub(crate) low: u64,
    pub(crate) end: u64,
    /// The ends that elections left.
    pub(crate) cuts: Vec<u64>,
    sent: VecDeque<Sent>,
    appends: u64,
    records_max: u64,
    /// Whether records go through their bytes.
    is_coded: bool,
    pub(crate) peace: bool,
}

impl Log {
    pub(crate) fn new(mut random: Random) -> Self {
        let records_max = if random.one_in(3) {
            1 + random.below(8)
        } else {
            u64::MAX
        };
        let is_coded = random.one_in(16);
        Self {
            random,
            history: Vec::new(),
            low: 0,
            end: 0,
            cuts: Vec::new(),
            sent: VecDeque::new(),
            appends: 0,
            records_max,
            is_coded,
            peace: false,
        }
    }

    /// What a process does to append.
    pub(crate) fn send(
        &mut self,
        process: u64,
        record: &Record,
        failed: &Failed,
    ) -> Result<(), AppendError> {
        let full = self.sent.len() >= WAITING_MAX || self.chance(12);
        let (bytes, max) = (RECORD_BYTES_MAX + 1, RECORD_BYTES_MAX);
        match record {
            Record::Delta(delta) if delta.accounting.records > self.records_max.max(1) => {
                return Err(AppendError::TooLarge { bytes, max });
            }
            _ if full => return Err(AppendError::Full),
            _ => {}
        }
        let digest = self.digest(record);
        let record = Arc::new(self.coded(record));
        let lost = self.chance(8);
        let reported = self.chance(if lost { 2 } else { 10 });
        for _ in 0..=u64::from(self.chance(8)) {
            self.sent.push_back(Sent {
                process,
                digest,
                record: Arc::clone(&record),
                failed: failed.clone(),
                lost,
                reported,
            });
        }
        Ok(())
    }

    /// The same for the same bytes: no two deltas are alike, other records may be.
    fn digest(&mut self, record: &Record) -> [u8; 32] {
        self.appends += 1;
        let mut hasher = DefaultHasher::new();
        match record {
            Record::Delta(_) => self.appends.hash(&mut hasher),
            other => other.to_bytes().expect("it has bytes").hash(&mut hasher),
        }
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&hasher.finish().to_le_bytes());
        digest
    }

    fn coded(&self, record: &Record) -> Record {
        if !self.is_coded {
            return record.clone();
        }
        let bytes = record.to_bytes().expect("it has bytes");
        Record::from_bytes(&bytes).expect("its bytes are a record")
    }

    fn chance(&mut self, one_in: u64) -> bool {
        !self.peace && self.random.one_in(one_in)
    }

    /// One append arrives, or turns out to be lost.
    pub(crate) fn deliver(&mut self, at: Timestamp) {
        let next = if self.peace {
            0
        } else {
            self.random.index(self.sent.len())
        };
        let Some(sent) = self.sent.remove(next) else {
            return;
        };
        if sent.reported {
            sent.failed.set();
        }
        if sent.lost {
            return;
        }
        // positions ascend with holes; some are large, so that anchors come
        if self.chance(4) {
            self.end += self.random.below(5_000);
        }
        self.history.push(Entry {
            position: self.end,
            at,
            digest: sent.digest,
            record: sent.record,
        });
        self.end += 1;
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.sent.is_empty()
    }

    /// A process is gone: what it sent may be on its way still.
    pub(crate) fn crash(&mut self, process: u64) {
        let random = &mut self.random;
        self.sent
            .retain(|sent| sent.process != process || random.one_in(2));
    }

    /// The first record from `position` on, of those that can be read.
    pub(crate) fn read(&self, position: u64) -> Option<&Entry> {
        let at = self
            .history
            .partition_point(|entry| entry.position < position.max(self.low));
        self.history.get(at)
    }

    /// The record right before `position`, where that can be read.
    pub(crate) fn before(&self, position: u64) -> Option<Before> {
        let before = position.checked_sub(1)?;
        let entry = self.read(before)?;
        (entry.position == before).then_some(Before {
            digest: entry.digest,
            at: entry.at,
        })
    }

    /// An unclean election: the last records are gone.
    pub(crate) fn truncate(&mut self, records: usize) {
        let keep = self.history.len().saturating_sub(records);
        let Some(first) = self.history.get(keep) else {
            return;
        };
        // what was trimmed was so for the sake of snapshots that stay
        if self.low > 0 && first.position <= self.low {
            return;
        }
        self.end = first.position;
        self.history.truncate(keep);
        self.cuts.push(self.end);
    }

    /// Whether a reader at `next`, who knows of `cuts` cuts, has read what is gone, or has not read
    /// what was trimmed.
    pub(crate) fn is_lost(&self, next: u64, cuts: usize) -> bool {
        let cuts = self.cuts.get(cuts..).unwrap_or_default();
        next < self.low || cuts.iter().any(|end| next > *end)
    }
}
