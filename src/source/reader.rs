//! What a worker knows and decides, without its thread, its clock and its client.
//!
//! ```text
//! record, reached_end, out_of_range    what the client delivers
//! keep                                 changes of the assignment, layouts, fates, deadlines,
//!                                      deltas, where to read on; once a second what asks the
//!                                      brokers a question
//! finish                               at the end: everything that is tallied becomes deltas
//! ```
//!
//! Between two calls of `keep` the client may be polled as often as the worker likes, but after a
//! poll that may have changed the assignment [`Reader::take_changes`] comes before the next record.
//! Milliseconds are those of the caller's monotonic clock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::care::{look_at_bounds, steer};
use super::client::{Client, Place};
use super::desk::{Arrived, Desk, DeskSize};
use super::door::Door;
use super::given::{Change, Given};
use super::place::Beginnings;
use super::status::PartitionStatus;
use super::tolls::Tolls;
use crate::config::OnTruncation;
use crate::decode::{Decoder, Reject};
use crate::key::ChainKey;
use crate::statelog::record::Record;
use crate::statelog::{AppendError, Failed};

/// How often questions are put to the brokers, at most.
const CARE_INTERVAL_MS: u64 = 1_000;

/// Appends a record to the state log, as [`crate::statelog::Appender::append`] does.
pub type Append = Arc<dyn Fn(&Record, &Failed) -> Result<usize, AppendError> + Send + Sync>;

/// What all readers of a source have in common.
pub struct ReaderCommon {
    /// The id of the Kafka cluster.
    pub cluster: Arc<str>,
    /// The state log: a function and not the appender, so that tests need none.
    pub append: Append,
    /// What the fold says.
    pub door: Arc<Door>,
    /// Where chains begin that the fold does not know.
    pub beginnings: Beginnings,
    /// What to do about a partition that is not the one that was counted.
    pub on_truncation: OnTruncation,
    /// What it costs to be exact.
    pub tolls: Tolls,
}

impl fmt::Debug for ReaderCommon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaderCommon")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

impl ReaderCommon {
    /// Appends a genesis. Whether it gets there is seen by the fate of the first delta.
    pub(super) fn genesis(&self, chain: &ChainKey, start: i64) -> bool {
        let record = Record::Genesis {
            chain: chain.clone(),
            start,
        };
        match (self.append)(&record, &Failed::default()) {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%chain, %error, "a chain cannot begin, retrying");
                false
            }
        }
    }
}

/// See the module header.
#[derive(Debug)]
pub struct Reader {
    common: Arc<ReaderCommon>,
    desk: Desk,
    writer: u64,
    /// What is to be committed, for lag tools.
    commits: BTreeMap<Place, i64>,
    /// Fetches that were out of range, of which partitions is not said.
    resets: usize,
    cared_ms: u64,
}

impl Reader {
    /// A reader that was given nothing yet; `writer` is unique to it. `None` before layouts were
    /// set.
    pub fn new(
        common: Arc<ReaderCommon>,
        decoder: Decoder,
        writer: u64,
        size: DeskSize,
    ) -> Option<Self> {
        let desk = Desk::new(decoder, &common.door, writer, size)?;
        common.door.open(writer);
        Some(Self {
            common,
            desk,
            writer,
            commits: BTreeMap::new(),
            resets: 0,
            cared_ms: 0,
        })
    }

    /// What it has in common with others.
    pub fn common(&self) -> &Arc<ReaderCommon> {
        &self.common
    }

    /// Counts a record. Returns the reason where it cannot be used.
    pub fn record(&mut self, arrived: &Arrived<'_>, now_ms: u64) -> Option<Reject> {
        self.desk.record(arrived, now_ms)
    }

    /// The end of a partition was reached, which is at `offset`.
    pub fn reached_end(&mut self, topic: &str, partition: i32, offset: i64) {
        self.desk.reached_end(topic, partition, offset);
    }

    /// A record of a partition was let go: it has to be delivered again.
    pub fn let_go(&mut self, topic: &str, partition: i32) {
        self.desk.let_go(topic, partition);
    }

    /// A fetch was out of range; of which partition is not said.
    pub fn out_of_range(&mut self) {
        self.resets += 1;
    }

    /// Takes what the group has given and taken away. Whether there was anything.
    pub fn take_changes(&mut self, given: &Given) -> bool {
        let changes = given.take_changes();
        let any = !changes.is_empty();
        for change in changes {
            match change {
                Change::Rebalanced => self.desk.rebalanced(),
                Change::Assigned(assigned) => {
                    let (chain, offset) = (&assigned.chain, assigned.offset());
                    tracing::info!(%chain, offset, "a partition is read");
                    self.desk.assigned(&assigned);
                }
                Change::Revoked(place) => {
                    let (topic, partition) = (&*place.0, place.1);
                    tracing::info!(topic, partition, "a partition is no longer read");
                    self.commits.remove(&place);
                    self.desk.revoked(&place);
                }
                Change::Replaced(topic) => {
                    tracing::warn!(topic = &*topic, "a topic was made again, it is compared");
                    self.desk.replaced(&topic);
                }
            }
        }
        any
    }

    /// The partitions that are read.
    pub fn places(&self) -> impl Iterator<Item = (&str, i32)> {
        let chains = self.desk.lanes.iter().map(|lane| &lane.chain);
        chains.map(|chain| (&*chain.topic, chain.partition))
    }

    /// Sees to everything but records. See the module header.
    pub fn keep(&mut self, client: &impl Client, given: &Given, now_ms: u64) {
        self.take_changes(given);
        self.desk.look_at_shape(&self.common.door, now_ms);
        self.hear();
        self.desk.keep(&self.common, now_ms);
        steer(client, &mut self.desk);
        if now_ms >= self.cared_ms + CARE_INTERVAL_MS {
            self.cared_ms = now_ms;
            self.care(client, given, now_ms);
        }
    }

    /// What asks the brokers a question.
    fn care(&mut self, client: &impl Client, given: &Given, now_ms: u64) {
        if given.has_unplaced() {
            given.place(client);
            self.take_changes(given);
        }
        if self.resets > 0 || self.desk.lanes.iter().any(|lane| lane.trouble.is_some()) {
            let resets = &mut self.resets;
            look_at_bounds(&self.common, client, &mut self.desk, resets, now_ms);
        }
    }

    /// Takes the fates of attempts.
    pub fn hear(&mut self) {
        let fates = self.common.door.take_fates(self.writer);
        self.commits.extend(self.desk.hear(fates, &self.common));
    }

    /// Finishes everything that is tallied, due or not. Returns whether all is counted for good;
    /// until then, [`Self::hear`] and come again.
    pub fn finish(&mut self, now_ms: u64) -> bool {
        self.desk.settle(&self.common, now_ms)
    }

    /// How far which partitions are counted for good, where that is news.
    pub fn take_commits(&mut self) -> BTreeMap<Place, i64> {
        std::mem::take(&mut self.commits)
    }

    /// Whether an attempt waits for its fate, or for being appended.
    pub fn is_busy(&self) -> bool {
        self.desk.lanes.iter().any(|lane| lane.writer.is_busy())
    }

    /// Whether the client should be replaced, since a topic was made again: see `rebalance`.
    pub fn is_outdated(&self) -> bool {
        self.desk.is_outdated()
    }

    /// The partitions that are read.
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.desk.lanes.iter().map(PartitionStatus::of).collect()
    }

    /// Forgets everything that was given, since the client is gone.
    pub fn clear(&mut self) {
        self.desk.clear();
        self.commits.clear();
        self.resets = 0;
    }
}

/// Its fates are kept no longer.
impl Drop for Reader {
    fn drop(&mut self) {
        self.common.door.close(self.writer);
    }
}
