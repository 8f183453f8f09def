//! The topic that is counted: partitions with holes, retention, compaction, truncation, and other
//! partitions of the same name after them.
//!
//! Each record ever written has a minute-of-five of event and Kafka time to itself, so that the
//! fold's panes say of each record how often it was counted, and one that was skipped never makes
//! up for one that was counted twice.
//!
//! A partition that was cut has no holes from then on. What was counted is known by the last record
//! of it, and a hole in its place, which in another log may be one of compaction, says nothing.

use std::sync::Arc;

use driftd::time::{Length, Timestamp};

use crate::random::Random;

pub(crate) const TOPIC: &str = "t";

/// The pane of the workers and of the only window.
pub(crate) const PANE: Length = Length::MINUTE.times(5);

/// Records that one partition may ever have; the panes of the next one lie behind.
const RECORDS_MAX: i64 = 400;

/// The time of the first record.
const FIRST_MS: i64 = 1_700_000_100_000;

/// A record, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) at: Timestamp,
    pub(crate) value: Arc<[u8]>,
    pub(crate) rows: u64,
    /// How often its partition had been cut when it was written.
    pub(crate) epoch: usize,
    pub(crate) gone: Option<Gone>,
}

/// Why a record cannot be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Retention,
    Compaction,
    /// Its partition was cut or made anew.
    Cut,
}

/// One partition.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) low: i64,
    pub(crate) end: i64,
    /// In order of offset: those that can be read, as places of [`Topic::written`].
    readable: Vec<usize>,
    count: i64,
    /// Each cut with the end that it left: clients that had read beyond notice it.
    cuts: Vec<i64>,
}

/// See the module header.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    pub(crate) partitions: Vec<Partition>,
    /// All records ever.
    pub(crate) written: Vec<Written>,
    /// How often it was made anew. Clients are told of that, and go on where they were.
    pub(crate) made: usize,
}

impl Partition {
    /// How often its log was cut.
    pub(crate) fn epoch(&self) -> usize {
        self.cuts.len()
    }

    /// Whether a client at `position` since `epoch` has lost its place.
    pub(crate) fn is_out_of_range(&self, position: i64, epoch: usize) -> bool {
        let cut = self.cuts.get(epoch..).unwrap_or_default().iter().min();
        position < self.low || position > self.end || cut.is_some_and(|cut| position > *cut)
    }
}

impl Topic {
    pub(crate) fn add_partition(&mut self) {
        self.partitions.push(Partition::default());
    }

    /// Appends some records, with holes between and behind them: control markers, records of
    /// aborted transactions.
    pub(crate) fn produce(&mut self, partition: usize, random: &mut Random) {
        for _ in 0..=random.below(6) {
            let epoch = self.partitions[partition].epoch();
            let count = self.partitions[partition].count;
            if count >= RECORDS_MAX {
                return;
            }
            if epoch == 0 && random.one_in(5) {
                self.partitions[partition].end += 1 + random.offset(2);
            }
            let number = i32::try_from(partition).expect("few partitions");
            let at = i64::from(number) * RECORDS_MAX + count;
            let at = Timestamp::from_millis(FIRST_MS + at * PANE.as_millis());
            let (value, rows) = value_of(count, at);
            let home = &mut self.partitions[partition];
            self.written.push(Written {
                partition: number,
                offset: home.end,
                at,
                value,
                rows,
                epoch,
                gone: None,
            });
            home.readable.push(self.written.len() - 1);
            (home.end, home.count) = (home.end + 1, count + 1);
        }
    }

    /// The first records from `position` on.
    pub(crate) fn fetch(&self, partition: usize, position: i64, max: usize) -> Vec<Written> {
        let home = &self.partitions[partition];
        let from = home
            .readable
            .partition_point(|at| self.written[*at].offset < position);
        let found = home.readable[from..].iter().take(max);
        found.map(|at| self.written[*at].clone()).collect()
    }

    /// Retention takes what is below `low`.
    pub(crate) fn retain(&mut self, partition: usize, low: i64) {
        let home = &mut self.partitions[partition];
        home.low = home.low.max(low.min(home.end));
        let low = home.low;
        self.take(partition, Gone::Retention, |offset| offset < low);
    }

    /// Compaction takes single records.
    pub(crate) fn compact(&mut self, partition: usize, random: &mut Random) {
        if self.partitions[partition].epoch() == 0 {
            self.take(partition, Gone::Compaction, |_| random.one_in(8));
        }
    }

    /// An unclean election: what is not below `end` is gone, and other records take its place.
    pub(crate) fn truncate(&mut self, partition: usize, end: i64) {
        let home = &mut self.partitions[partition];
        home.end = end.max(home.low);
        let end = home.end;
        home.cuts.push(end);
        self.take(partition, Gone::Cut, |offset| offset >= end);
    }

    /// The topic was deleted and made again, with as many partitions.
    pub(crate) fn recreate(&mut self) {
        self.made += 1;
        for partition in 0..self.partitions.len() {
            self.take(partition, Gone::Cut, |_| true);
            let home = &mut self.partitions[partition];
            (home.low, home.end) = (0, 0);
            home.cuts.push(i64::MAX);
        }
    }

    fn take(&mut self, partition: usize, why: Gone, mut which: impl FnMut(i64) -> bool) {
        let written = &mut self.written;
        self.partitions[partition].readable.retain(|at| {
            let record = &mut written[*at];
            let takes = which(record.offset);
            record.gone = takes.then_some(why);
            !takes
        });
    }
}

/// The value of the record number `count` of a partition, and how many rows it has.
fn value_of(count: i64, at: Timestamp) -> (Arc<[u8]>, u64) {
    let event = format!(
        r#"{{"model":"m{}","ts":{},"features":{{"x":{},"c":"k{}"}}}}"#,
        count % 5,
        at.as_millis(),
        count % 13,
        count % 3
    );
    match count % 11 {
        // no two records are alike, or one could stand for another after a cut
        4 => (format!("{event},").into_bytes().into(), 0),
        7 => (format!("[{event},{event}]").into_bytes().into(), 2),
        _ => (event.into_bytes().into(), 1),
    }
}
