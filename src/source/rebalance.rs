//! The worker's side of the consumer group: where to begin what it is given.
//!
//! librdkafka calls [`Group::rebalance`] from within a poll, on the worker's own thread. Partitions
//! that the fold knows are assigned with their heads as start offsets, in one call, without a
//! question to the brokers. For the others that question is asked once, bounded in time, and their
//! genesis is appended; nobody waits for it to be folded, since the log keeps the order:
//!
//! ```text
//! Genesis{chain, 17}  Delta[17, 90)      this worker's: accepted
//! Genesis{chain, 21}  Delta[21, 90)      of another that asked later: no effect, superseded
//! ```
//!
//! Partitions that got no answer stay unplaced, and the worker tries again. What happened is handed
//! to the worker as [`Change`]s, which it takes before it looks at the next record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::admin::{Place, ask_offsets, log_line};
use super::door::{Door, Head, lock};
use super::health::Health;
use super::place::Beginnings;
use crate::clock::Clock;
use crate::config::Start;
use crate::key::ChainKey;
use crate::statelog::record::Record;
use crate::statelog::{AppendError, Failed};

/// How long the question for start offsets may take. Far below `max.poll.interval.ms` (5 min).
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// What happened to the assignment, in order.
#[derive(Debug)]
pub(super) enum Change {
    /// A partition is read from now on.
    Assigned(Assigned),
    /// A partition is no longer read.
    Revoked(Place),
}

/// A partition and where its chain stands.
#[derive(Debug, Clone)]
pub(super) struct Assigned {
    /// Its newest chain.
    pub(super) chain: ChainKey,
    /// How far that is counted.
    pub(super) head: Head,
}

impl Assigned {
    /// The offset to begin at: the record before the head, where it is remembered.
    pub(super) fn offset(&self) -> i64 {
        self.head
            .last_record
            .map_or(self.head.position, |last| last.offset)
    }
}

/// Appends a record to the state log, as [`crate::statelog::Appender::append`] does.
pub(super) type Append = Arc<dyn Fn(&Record, &Failed) -> Result<(), AppendError> + Send + Sync>;

/// What is the same for all workers of a source.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) cluster: Arc<str>,
    /// A function and not the appender, so that tests need no state log.
    pub(super) append: Append,
    pub(super) door: Arc<Door>,
    pub(super) clock: Clock,
    pub(super) health: Arc<Health>,
    pub(super) beginnings: Arc<Beginnings>,
}

/// The context of a worker's consumer.
pub(super) struct Group {
    common: Common,
    /// Bounded by what can happen between two polls: one rebalance.
    changes: Mutex<Vec<Change>>,
    /// Given by the group, but not placed yet.
    unplaced: Mutex<BTreeSet<Place>>,
}

impl Group {
    pub(super) fn new(common: Common) -> Self {
        Self {
            common,
            changes: Mutex::default(),
            unplaced: Mutex::default(),
        }
    }

    /// Takes what happened to the assignment.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *lock(&self.changes))
    }

    /// Whether there are partitions to call [`Self::place`] for.
    pub(super) fn has_unplaced(&self) -> bool {
        !lock(&self.unplaced).is_empty()
    }

    /// Finds out where to begin the partitions that have no place yet, and begins them, in one
    /// call. The call is made even where there is none, since the group waits for it.
    pub(super) fn place(&self, consumer: &BaseConsumer<Self>) {
        let given: Vec<Place> = lock(&self.unplaced).iter().cloned().collect();
        let found = self.find(consumer, given);
        let mut list = TopicPartitionList::new();
        for assigned in &found {
            let (topic, partition) = (&assigned.chain.topic, assigned.chain.partition);
            let offset = Offset::Offset(assigned.offset());
            if let Err(error) = list.add_partition_offset(topic, partition, offset) {
                tracing::error!(topic = &**topic, partition, %error, "no such start offset");
            }
        }
        if let Err(error) = consumer.incremental_assign(&list) {
            tracing::warn!(%error, "partitions cannot be assigned, retrying");
            return;
        }
        // a partition that was here before may have been paused then
        if let Err(error) = consumer.resume(&list) {
            tracing::warn!(%error, "partitions cannot be resumed");
        }
        for assigned in found {
            let place = (Arc::clone(&assigned.chain.topic), assigned.chain.partition);
            lock(&self.unplaced).remove(&place);
            lock(&self.changes).push(Change::Assigned(assigned));
        }
    }

    /// Those of `given` that are known, or whose beginning could be found.
    fn find(&self, consumer: &BaseConsumer<Self>, given: Vec<Place>) -> Vec<Assigned> {
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for (topic, partition) in given {
            match self
                .common
                .door
                .newest(&self.common.cluster, &topic, partition)
            {
                Some((chain, head)) => found.push(Assigned { chain, head }),
                None => unknown.push((topic, partition)),
            }
        }
        if !unknown.is_empty() {
            let begun = self.ask_starts(consumer, &unknown).unwrap_or_else(|error| {
                tracing::warn!(%error, "start offsets cannot be found, retrying");
                BTreeMap::new()
            });
            found.extend(
                begun
                    .into_iter()
                    .filter_map(|(place, start)| self.begin(place, start)),
            );
        }
        found
    }

    /// Where the chains of unknown partitions begin.
    fn ask_starts(
        &self,
        consumer: &BaseConsumer<Self>,
        unknown: &[Place],
    ) -> KafkaResult<BTreeMap<Place, i64>> {
        let question =
            |(topic, partition): &Place| match self.common.beginnings.of(topic, *partition) {
                Start::Earliest => Offset::Beginning,
                Start::Latest => Offset::End,
                Start::At(time) => Offset::Offset(time.as_millis()),
            };
        let questions = unknown.iter().map(|place| (place.clone(), question(place)));
        let mut answers = ask_offsets(consumer, questions, START_TIMEOUT)?;
        // no record is as late as the time asked for: begin at the end
        let at_end: Vec<Place> = answers
            .iter()
            .filter(|(_, offset)| **offset == Offset::End)
            .map(|(place, _)| place.clone())
            .collect();
        let ends = at_end.into_iter().map(|place| (place, Offset::End));
        answers.extend(ask_offsets(consumer, ends, START_TIMEOUT)?);
        let known = answers
            .into_iter()
            .filter_map(|(place, offset)| match offset {
                Offset::Offset(start) => Some((place, start)),
                _ => None,
            });
        Ok(known.collect())
    }

    /// Appends the genesis of a chain; `None` where the state log does not take it now.
    fn begin(&self, (topic, partition): Place, start: i64) -> Option<Assigned> {
        let cluster = Arc::clone(&self.common.cluster);
        let chain = ChainKey {
            shard: 0,
            cluster,
            topic,
            incarnation: 0,
            partition,
        };
        self.common.genesis(&chain, start).then(|| {
            tracing::info!(%chain, start, "a chain begins");
            Assigned {
                chain,
                head: Head {
                    position: start,
                    last_record: None,
                },
            }
        })
    }
}

impl std::fmt::Debug for Common {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Common")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

impl Common {
    /// Appends a genesis. Whether it gets there is seen by the fate of the first delta.
    pub(super) fn genesis(&self, chain: &ChainKey, start: i64) -> bool {
        let record = Record::Genesis {
            chain: chain.clone(),
            start,
        };
        match (self.append)(&record, &Failed::default()) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%chain, %error, "a chain cannot begin, retrying");
                false
            }
        }
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // the ends of partitions and resets are handed out by polls too, and dealt with there
        let dealt_with = [
            RDKafkaErrorCode::PartitionEOF,
            RDKafkaErrorCode::AutoOffsetReset,
        ];
        if let Some(code) = error
            .rdkafka_error_code()
            .filter(|code| !dealt_with.contains(code))
        {
            self.common
                .health
                .error(code, reason, self.common.clock.instant());
        }
    }
}

impl ConsumerContext for Group {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        cause: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let mut changed: Vec<Place> = Vec::with_capacity(partitions.count());
        for partition in partitions.elements() {
            changed.push((Arc::from(partition.topic()), partition.partition()));
        }
        if cause == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            lock(&self.unplaced).extend(changed);
            self.place(consumer);
        } else {
            self.give_up(consumer, changed);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        // for lag tools only; the next one makes up for it
        if let Err(error) = result {
            tracing::debug!(%error, "group offsets were not committed");
        }
    }
}

impl Group {
    /// Takes partitions away from librdkafka and, by a [`Change`], from the worker.
    fn give_up(&self, consumer: &BaseConsumer<Self>, revoked: Vec<Place>) {
        // librdkafka refuses the whole list for one partition that it does not have
        let assigned = consumer.assignment().unwrap_or_default();
        let mut list = TopicPartitionList::new();
        for place in revoked {
            if assigned.find_partition(&place.0, place.1).is_some() {
                list.add_partition(&place.0, place.1);
            }
            lock(&self.unplaced).remove(&place);
            lock(&self.changes).push(Change::Revoked(place));
        }
        if let Err(error) = consumer.incremental_unassign(&list) {
            tracing::warn!(%error, "partitions cannot be given up");
        }
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("unplaced", &*lock(&self.unplaced))
            .finish_non_exhaustive()
    }
}
