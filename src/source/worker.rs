//! A thread that reads: a consumer and a [`Reader`], in turns.
//!
//! ```text
//! loop  read    up to POLLS_MAX records, or until there are none
//!       keep    everything that the reader decides
//! ```
//!
//! Nothing here waits for the fold or for other workers, and questions to the brokers are bounded
//! in time, so that a worker polls again long before `max.poll.interval.ms` (5 min) has passed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::desk::Arrived;
use super::door::lock;
use super::error::SourceError;
use super::given::Given;
use super::health::Health;
use super::reader::{Reader, ReaderCommon};
use super::rebalance::Group;
use super::reject::{DeadLetters, RejectLog};
use super::status::PartitionStatus;
use crate::clock::Clock;
use crate::config::Kafka;
use crate::time::Timestamp;

/// Records read between two looks at everything else; some milliseconds' worth.
const POLLS_MAX: usize = 4_096;

/// How long a poll waits for a record while a delta is on its way, whose fate comes by another
/// road.
const WAIT_BUSY: Duration = Duration::from_millis(5);

/// How long a poll waits for a record otherwise. Records end the wait.
const WAIT_IDLE: Duration = Duration::from_millis(50);

/// How often group offsets are committed.
const COMMIT_INTERVAL_MS: u64 = 1_000;

/// How often the state of the partitions is shown.
const STATUS_INTERVAL_MS: u64 = 250;

/// How long a client that has failed for good is left alone before there is a new one.
const RENEW_PAUSE: Duration = Duration::from_secs(10);

/// What all workers of a source have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) common: Arc<ReaderCommon>,
    pub(super) clock: Clock,
    pub(super) health: Arc<Health>,
    pub(super) kafka: Kafka,
    pub(super) topics: Vec<String>,
    pub(super) group: String,
    pub(super) workers: usize,
    pub(super) dead_letters: Option<DeadLetters>,
    /// Asks the workers to end.
    pub(super) stop: AtomicBool,
    /// By when they shall have ended; read after `stop`.
    pub(super) stop_by: Mutex<Option<Instant>>,
}

impl Shared {
    /// A consumer that has asked to become a member of the group.
    pub(super) fn consumer(&self) -> Result<BaseConsumer<Group>, SourceError> {
        let given = Given::new(Arc::clone(&self.common));
        let group = Group::new(given, Arc::clone(&self.health), self.clock);
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
    reader: Reader,
    pub(super) status: Arc<Mutex<Vec<PartitionStatus>>>,
    rejects: RejectLog,
    started: Instant,
    committed_ms: u64,
    shown_ms: u64,
}

/// The client has failed for good.
struct Fatal;

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, reader: Reader) -> Self {
        let started = shared.clock.instant();
        Self {
            shared,
            reader,
            status: Arc::default(),
            rejects: RejectLog::default(),
            started,
            committed_ms: 0,
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
        lock(&self.status).clear();
        // leaves the group: a member without partitions that is only closed does not, as of
        // librdkafka 2.12, and whoever comes next waits until its session has expired
        consumer.unsubscribe();
        drop(consumer);
    }

    fn now_ms(&self) -> u64 {
        let since = self.shared.clock.instant();
        let since = since.saturating_duration_since(self.started);
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
                self.shared.health.well();
                return Ok(());
            };
            self.take(consumer, result, now_ms)?;
        }
        Ok(())
    }

    /// Waits a little for a record.
    fn wait(&mut self, consumer: &BaseConsumer<Group>) -> Result<(), Fatal> {
        // what a poll without a wait has changed comes first
        self.reader.take_changes(&consumer.context().given);
        let busy = self.reader.is_busy();
        match consumer.poll(if busy { WAIT_BUSY } else { WAIT_IDLE }) {
            Some(result) => self.take(consumer, result, self.now_ms()),
            None => Ok(()),
        }
    }

    fn take(
        &mut self,
        consumer: &BaseConsumer<Group>,
        result: KafkaResult<BorrowedMessage<'_>>,
        now_ms: u64,
    ) -> Result<(), Fatal> {
        // the poll that gives a record may have said before that its topic is another one
        if consumer.context().given.take_replaced() {
            self.reader.take_changes(&consumer.context().given);
        }
        match result {
            Ok(message) => self.count(&message, now_ms),
            Err(KafkaError::PartitionEOF(partition)) => self.reader.reached_end(partition),
            Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)) => {
                self.reader.out_of_range();
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
        let Some(reject) = self.reader.record(&arrived, now_ms) else {
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
        self.reader
            .keep(consumer, &consumer.context().given, now_ms);
        if now_ms >= self.committed_ms + COMMIT_INTERVAL_MS {
            self.committed_ms = now_ms;
            self.commit(consumer);
        }
        if now_ms >= self.shown_ms + STATUS_INTERVAL_MS {
            self.shown_ms = now_ms;
            *lock(&self.status) = self.reader.status();
        }
    }

    fn commit(&mut self, consumer: &BaseConsumer<Group>) {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), to) in self.reader.take_commits() {
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
        self.reader.clear();
        loop {
            let until = self.shared.clock.instant() + RENEW_PAUSE;
            while self.shared.clock.instant() < until {
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
        let until = lock(&self.shared.stop_by).unwrap_or(self.started);
        while !self.reader.finish(self.now_ms()) && self.shared.clock.instant() < until {
            std::thread::sleep(WAIT_BUSY);
            self.reader.hear();
        }
        self.commit(consumer);
    }
}
