//! A thread that reads: a consumer and a desk, in turns.
//!
//! ```text
//! loop  read    up to POLLS_MAX records, or until there are none
//!       keep    changes of the assignment, layouts, fates, deadlines, deltas, where to read on
//!       care    once a second: what asks the brokers a question
//! ```
//!
//! Nothing here waits for the fold or for other workers, and questions to the brokers are bounded in
//! time, so that a worker polls again long before `max.poll.interval.ms` (5 min) has passed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::admin::{Place, ask_bounds, ask_offsets};
use super::desk::{Arrived, Desk};
use super::door::{Head, lock};
use super::error::SourceError;
use super::lane::{Lane, Stopped, Trouble};
use super::place::{Bounds, judge_bounds};
use super::rebalance::{Assigned, Change, Common, Group};
use super::reject::{DeadLetters, RejectLog};
use super::status::PartitionStatus;
use super::tolls::Tolls;
use crate::config::{Kafka, OnTruncation};
use crate::key::ChainKey;
use crate::time::Timestamp;

/// Records read between two looks at everything else; some milliseconds' worth.
const POLLS_MAX: usize = 4_096;

/// How long a poll waits for a record while a delta is on its way, whose fate comes by another road.
const WAIT_BUSY: Duration = Duration::from_millis(5);

/// How long a poll waits for a record otherwise. Records end the wait.
const WAIT_IDLE: Duration = Duration::from_millis(50);

/// How often questions are put to the brokers, at most.
const CARE_INTERVAL_MS: u64 = 1_000;

/// How often the state of the partitions is shown.
const STATUS_INTERVAL_MS: u64 = 250;

/// How long one question to the brokers may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// Partitions that wait for a decision, since a fetch of one of them was out of range.
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
        self.steer(consumer);
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

    /// Makes the client deliver what the lanes want, and nothing to lanes that are full.
    fn steer(&mut self, consumer: &BaseConsumer<Group>) {
        let pace = self.desk.pace();
        for lane in self
            .desk
            .lanes
            .iter_mut()
            .filter(|lane| lane.stopped.is_none())
        {
            let lost_place = lane.misplaced && lane.trouble.is_none();
            // while a delta waits its turn, what comes could not be finished
            if lost_place && lane.writer.may_seal() {
                lane.misplaced = !reposition(consumer, lane);
            }
            let blocked = lane.is_blocked(pace);
            if blocked != lane.paused && set_paused(consumer, lane, blocked) {
                lane.paused = blocked;
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
            self.look_at_bounds(consumer, now_ms);
        }
        self.look_at_ends(consumer);
        self.commit(consumer);
    }

    /// A fetch was out of range, of which partition is not said, or a partition has changed.
    fn look_at_bounds(&mut self, consumer: &BaseConsumer<Group>, now_ms: u64) {
        let read = |lane: &&Lane| lane.stopped.is_none();
        let places: Vec<Place> = self
            .desk
            .lanes
            .iter()
            .filter(read)
            .map(Lane::place)
            .collect();
        let bounds = match ask_bounds(consumer, &places, ASK_TIMEOUT) {
            Ok(bounds) => bounds,
            Err(error) => {
                tracing::warn!(%error, "the bounds of partitions cannot be found, retrying");
                return;
            }
        };
        let resets = std::mem::take(&mut self.resets);
        let mut explained = 0;
        let shared = Arc::clone(&self.shared);
        for lane in &mut self.desk.lanes {
            let Some((low, end)) = bounds.get(&lane.place()) else {
                continue;
            };
            let changed = lane.trouble == Some(Trouble::Changed);
            match judge_bounds(lane.writer.read(), *low, *end) {
                Bounds::Within if !changed => continue,
                Bounds::Lost(lost) if !changed => {
                    let chain = &lane.chain;
                    tracing::warn!(%chain, lost, low, "retention took records not yet read");
                    lane.lost(lost, *low, now_ms);
                }
                _ => truncated(&shared, consumer, lane, *low),
            }
            explained += 1;
        }
        if explained < resets {
            // a fetch was out of range for another reason, such as a log that was cut behind this
            // position and has grown again: what was counted is compared from the head on
            let whole = |lane: &&mut Lane| lane.stopped.is_none() && lane.trouble.is_none();
            for lane in self.desk.lanes.iter_mut().filter(whole) {
                lane.restart(shared.common.door.head(&lane.chain));
            }
        }
    }

    /// Finds out which lanes are at the end where only the number of a partition was said.
    fn look_at_ends(&mut self, consumer: &BaseConsumer<Group>) {
        let maybe: Vec<Place> = self
            .desk
            .lanes
            .iter()
            .filter(|lane| lane.maybe_end.is_some())
            .map(Lane::place)
            .collect();
        let questions = maybe.into_iter().map(|place| (place, Offset::End));
        let Ok(ends) = ask_offsets(consumer, questions, ASK_TIMEOUT) else {
            return;
        };
        for lane in &mut self.desk.lanes {
            if let Some(Offset::Offset(end)) = ends.get(&lane.place()) {
                lane.ask_end(*end);
            }
        }
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

    /// A new client, after a pause; `None` when the source stops first, or there can be none.
    fn renew(&mut self) -> Option<BaseConsumer<Group>> {
        self.desk.lanes.clear();
        self.resets = 0;
        let until = self.shared.common.clock.instant() + RENEW_PAUSE;
        while self.shared.common.clock.instant() < until {
            if self.shared.stops() {
                return None;
            }
            std::thread::sleep(WAIT_IDLE);
        }
        self.shared
            .consumer()
            .inspect_err(|error| tracing::error!(%error, "no new kafka client can be made"))
            .ok()
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

/// The partition is not the one that was counted.
fn truncated(shared: &Shared, consumer: &BaseConsumer<Group>, lane: &mut Lane, low: i64) {
    if shared.on_truncation == OnTruncation::Stop {
        lane.stop(Stopped::Truncated);
        Tolls::stopped(lane, Stopped::Truncated);
        set_paused(consumer, lane, true);
        return;
    }
    let incarnation = lane.chain.incarnation + 1;
    let chain = ChainKey {
        incarnation,
        ..lane.chain.clone()
    };
    if shared.common.genesis(&chain, low) {
        let old = &lane.chain;
        tracing::warn!(%old, %chain, low, "a topic was recreated or truncated, a new chain begins");
        let head = Head {
            position: low,
            last_record: None,
        };
        *lane = Lane::new(&Assigned { chain, head });
        lane.misplaced = true;
    }
}

/// Makes the client go on at the target of a lane. Whether that has worked.
///
/// After it has, the client delivers nothing of this partition that it has fetched before: a seek,
/// and likewise giving back the partition, raises librdkafka's version barrier before it returns.
fn reposition(consumer: &BaseConsumer<Group>, lane: &Lane) -> bool {
    let (topic, partition) = (&*lane.chain.topic, lane.chain.partition);
    let target = Offset::Offset(lane.target());
    if consumer.seek(topic, partition, target, ASK_TIMEOUT).is_ok() {
        return true;
    }
    // a partition that is not being fetched (not yet, or since it was out of range) takes no seek
    let again = || -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, target)?;
        consumer.incremental_unassign(&list)?;
        consumer.incremental_assign(&list)
    };
    again()
        .inspect_err(|error| tracing::warn!(topic, partition, %error, "no way back, retrying"))
        .is_ok()
}

fn set_paused(consumer: &BaseConsumer<Group>, lane: &Lane, paused: bool) -> bool {
    let mut list = TopicPartitionList::new();
    list.add_partition(&lane.chain.topic, lane.chain.partition);
    let done = if paused {
        consumer.pause(&list)
    } else {
        consumer.resume(&list)
    };
    done.is_ok()
}
