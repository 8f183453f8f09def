//! A thread that reads: a consumer and a desk, in turns.
//!
//! ```text
//! loop  read    up to POLLS_MAX records, or until there are none
//!       keep    changes of the assignment, layouts, fates, deadlines, deltas, where to read on
//!       care    once a second: what asks the brokers a question
//! ```
//!
//! Nothing here waits for the fold or for other workers, and questions to the brokers are bounded
//! in time, so that a worker polls again long before `max.poll.interval.ms` (5 min) has passed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::admin::Place;
use super::care::{look_at_bounds, look_at_ends, steer};
use super::desk::{Arrived, Desk};
use super::door::lock;
use super::error::SourceError;
use super::rebalance::{Change, Common, Group};
use super::reject::{DeadLetters, RejectLog};
use super::status::PartitionStatus;
use super::tolls::Tolls;
use crate::config::{Kafka, OnTruncation};
use crate::time::Timestamp;

/// Records read between two looks at everything else; some milliseconds' worth.
const POLLS_MAX: usize = 4_096;

/// How long a poll waits for a record while a delta is on its way, whose fate comes by another
/// road.
const WAIT_BUSY: Duration = Duration::from_millis(5);

/// How long a poll waits for a record otherwise. Records end the wait.
const WAIT_IDLE: Duration = Duration::from_millis(50);

/// How often questions are put to the brokers, at most.
const CARE_INTERVAL_MS: u64 = 1_000;

/// How often the state of the partitions is shown.
const STATUS_INTERVAL_MS: u64 = 250;

/// How long a client that has failed for good is left alone before there is a new one.
const RENEW_PAUSE: Duration = Duration::from_secs(10);

/// What all workers of a source have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) common: Common,
    pub(super) kafka: Kafka,
    pub(super) topics: Vec<String>,
    pub(super) group: String,
    pub(super) workers: usize,
    pub(super) on_truncation: OnTruncation,
    pub(super) dead_letters: Option<DeadLetters>,
    pub(super) tolls: Tolls,
    /// Asks the workers to end.
    pub(super) stop: AtomicBool,
    /// By when they shall have ended; read after `stop`.
    pub(super) stop_by: Mutex<Option<Instant>>,
}

impl Shared {
    /// A consumer that has asked to become a member of the group.
    pub(super) fn consumer(&self) -> Result<BaseConsumer<Group>, SourceError> {
        let group = Group::new(self.common.clone());
        let consumer: BaseConsumer<Group> =
            super::admin::consumer_config(&self.kafka, &self.group, self.workers)
                .create_with_context(group)
                .map_err(|error| SourceError::of_client(&error))?;
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|error| SourceError::of_client(&error))?;
        Ok(consumer)
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// See the module header.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) desk: Desk,
    pub(super) writer: u64,
    pub(super) status: Arc<Mutex<Vec<PartitionStatus>>>,
    rejects: RejectLog,
    /// What is to be committed, for lag tools.
    commits: BTreeMap<Place, i64>,
    /// Fetches that were out of range, of which partitions is not said.
    resets: usize,
    started: Instant,
    cared_ms: u64,
    shown_ms: u64,
}

/// The client has failed for good.
struct Fatal;

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        desk: Desk,
        writer: u64,
        status: Arc<Mutex<Vec<PartitionStatus>>>,
    ) -> Self {
        let started = shared.common.clock.instant();
        Self {
            shared,
            desk,
            writer,
            status,
            rejects: RejectLog::default(),
            commits: BTreeMap::new(),
            resets: 0,
            started,
            cared_ms: 0,
            shown_ms: 0,
        }
    }

    /// Reads until the source stops.
    pub(super) fn run(mut self, mut consumer: BaseConsumer<Group>) {
        while !self.shared.stops() {
            match self.read(&consumer) {
                Ok(()) => self.keep(&consumer),
                Err(Fatal) => match self.renew() {
                    Some(renewed) => consumer = renewed,
                    None => break,
                },
            }
        }
        self.finish(&consumer);
        self.shared.common.door.close(self.writer);
        lock(&self.status).clear();
        // leaves the group
        drop(consumer);
    }

    fn now_ms(&self) -> u64 {
        let since = self
            .shared
            .common
            .clock
            .instant()
            .saturating_duration_since(self.started);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts records until there are none, or enough.
    fn read(&mut self, consumer: &BaseConsumer<Group>) -> Result<(), Fatal> {
        let now_ms = self.now_ms();
        for polled in 0..POLLS_MAX {
            // a rebalance ends in `None` as well: what changed is then taken before the next poll
            let Some(result) = consumer.poll(Duration::ZERO) else {
                if polled == 0 {
                    return self.wait(consumer);
                }
                self.shared.common.health.well();
                return Ok(());
            };
            self.take(result, now_ms)?;
        }
        Ok(())
    }

    /// Waits a little for a record.
    fn wait(&mut self, consumer: &BaseConsumer<Group>) -> Result<(), Fatal> {
        // what a poll without a wait has changed comes first
        self.take_changes(consumer);
        let busy = self.desk.lanes.iter().any(|lane| lane.writer.is_busy());
        match consumer.poll(if busy { WAIT_BUSY } else { WAIT_IDLE }) {
            Some(result) => self.take(result, self.now_ms()),
            None => Ok(()),
        }
    }

    fn take(&mut self, result: KafkaResult<BorrowedMessage<'_>>, now_ms: u64) -> Result<(), Fatal> {
        match result {
            Ok(message) => self.count(&message, now_ms),
            Err(KafkaError::PartitionEOF(partition)) => self.desk.reached_end(partition),
            Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)) => {
                self.resets += 1;
            }
            Err(KafkaError::MessageConsumptionFatal(code)) => {
                tracing::error!(error = %code, "the kafka client has failed and is replaced");
                return Err(Fatal);
            }
            // reported by the context of the client
            Err(_) => {}
        }
        Ok(())
    }

    fn count(&mut self, message: &BorrowedMessage<'_>, now_ms: u64) {
        let arrived = Arrived {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().map(Timestamp::from_millis),
            value: message.payload(),
        };
        let Some(reject) = self.desk.record(&arrived, now_ms) else {
            return;
        };
        if let Some(unsaid) = self.rejects.note(reject, now_ms) {
            let Arrived {
                topic,
                partition,
                offset,
                ..
            } = arrived;
            let reason = reject.as_str();
            tracing::warn!(
                topic,
                partition,
                offset,
                reason,
                unsaid,
                "a record is rejected"
            );
        }
        if let Some(dead_letters) = &self.shared.dead_letters {
            dead_letters.copy(message, reject);
        }
    }

    fn keep(&mut self, consumer: &BaseConsumer<Group>) {
        let now_ms = self.now_ms();
        let shared = Arc::clone(&self.shared);
        let common = &shared.common;
        self.take_changes(consumer);
        self.desk.look_at_shape(&common.door, now_ms);
        let fates = common.door.take_fates(self.writer);
        self.commits
            .extend(self.desk.hear(fates, common, &shared.tolls));
        self.desk.keep(common, &shared.tolls, now_ms);
        steer(consumer, &mut self.desk);
        if now_ms >= self.cared_ms + CARE_INTERVAL_MS {
            self.cared_ms = now_ms;
            self.care(consumer, now_ms);
        }
        if now_ms >= self.shown_ms + STATUS_INTERVAL_MS {
            self.shown_ms = now_ms;
            *lock(&self.status) = self.desk.lanes.iter().map(PartitionStatus::of).collect();
        }
    }

    /// Takes what the group has given and taken away.
    fn take_changes(&mut self, consumer: &BaseConsumer<Group>) {
        for change in consumer.context().take_changes() {
            match change {
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
            }
        }
    }

    /// What asks the brokers a question.
    fn care(&mut self, consumer: &BaseConsumer<Group>, now_ms: u64) {
        if consumer.context().has_unplaced() {
            consumer.context().place(consumer);
            self.take_changes(consumer);
        }
        if self.resets > 0 || self.desk.lanes.iter().any(|lane| lane.trouble.is_some()) {
            let shared = Arc::clone(&self.shared);
            look_at_bounds(&shared, consumer, &mut self.desk, &mut self.resets, now_ms);
        }
        look_at_ends(consumer, &mut self.desk);
        self.commit(consumer);
    }

    fn commit(&mut self, consumer: &BaseConsumer<Group>) {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), to) in std::mem::take(&mut self.commits) {
            if let Err(error) = list.add_partition_offset(&topic, partition, Offset::Offset(to)) {
                tracing::debug!(%error, "no such offset to commit");
            }
        }
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "group offsets cannot be committed");
        }
    }

    /// A new client, after a pause; `None` when the source stops first.
    fn renew(&mut self) -> Option<BaseConsumer<Group>> {
        self.desk.lanes.clear();
        self.commits.clear();
        self.resets = 0;
        loop {
            let until = self.shared.common.clock.instant() + RENEW_PAUSE;
            while self.shared.common.clock.instant() < until {
                if self.shared.stops() {
                    return None;
                }
                std::thread::sleep(WAIT_IDLE);
            }
            match self.shared.consumer() {
                Ok(consumer) => return Some(consumer),
                Err(error) => tracing::error!(%error, "no new kafka client can be made, retrying"),
            }
        }
    }

    /// Finishes what is tallied and waits for its fate, as long as there is time.
    fn finish(&mut self, consumer: &BaseConsumer<Group>) {
        let shared = Arc::clone(&self.shared);
        let common = &shared.common;
        let until = lock(&shared.stop_by).unwrap_or(self.started);
        loop {
            let settled = self.desk.settle(common, &shared.tolls, self.now_ms());
            if settled || common.clock.instant() >= until {
                break;
            }
            std::thread::sleep(WAIT_BUSY);
            let fates = common.door.take_fates(self.writer);
            self.commits
                .extend(self.desk.hear(fates, common, &shared.tolls));
        }
        self.commit(consumer);
    }
}
