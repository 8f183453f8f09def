//! A thread that reads: a consumer and a [`Reader`], in turns.
//!
//! ```text
//! loop  read    up to ROUNDS_MAX batches of records, or until there are none
//!       keep    everything that the reader decides
//! ```
//!
//! Nothing here waits for the fold or for other workers, and questions to the brokers are bounded
//! in time, so that a worker polls again long before `max.poll.interval.ms` (5 min) has passed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::desk::Arrived;
use super::door::lock;
use super::error::SourceError;
use super::given::Given;
use super::health::Health;
use super::reader::{Reader, ReaderCommon};
use super::rebalance::Group;
use super::records::{BATCH_MAX, Fetched, Intake};
use super::reject::{DeadLetters, RejectLog};
use super::status::PartitionStatus;
use crate::clock::Clock;
use crate::config::Kafka;

/// Batches read between two looks at everything else; some milliseconds' worth.
const ROUNDS_MAX: usize = 8;

/// How long a worker waits for a record while a delta is on its way, whose fate comes by another
/// road.
const WAIT_BUSY: Duration = Duration::from_millis(5);

/// How long it waits for a record otherwise. Records end the wait, what the group says does not.
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
    pub(super) fn intake(&self) -> Result<Intake, SourceError> {
        let given = Given::new(Arc::clone(&self.common));
        let group = Group::new(given, Arc::clone(&self.health), self.clock);
        let consumer: BaseConsumer<Group> =
            super::admin::consumer_config(&self.kafka, &self.group, self.workers)
                .create_with_context(group)
                .map_err(|error| SourceError::of_client(&error))?;
        let intake = Intake::new(consumer);
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        intake
            .subscribe(&topics)
            .map_err(|error| SourceError::of_client(&error))?;
        Ok(intake)
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
    pub(super) fn run(mut self, mut intake: Intake) {
        while !self.shared.stops() {
            match self.read(&mut intake) {
                Ok(()) => self.keep(&intake),
                Err(Fatal) => match self.renew() {
                    Some(renewed) => intake = renewed,
                    None => break,
                },
            }
        }
        self.finish(&intake);
        lock(&self.status).clear();
        // leaves the group: a member without partitions that is only closed does not, as of
        // librdkafka 2.12, and whoever comes next waits until its session has expired
        intake.unsubscribe();
        drop(intake);
    }

    fn now_ms(&self) -> u64 {
        let since = self.shared.clock.instant();
        let since = since.saturating_duration_since(self.started);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts records until there are none, or enough.
    fn read(&mut self, intake: &mut Intake) -> Result<(), Fatal> {
        let now_ms = self.now_ms();
        for round in 0..ROUNDS_MAX {
            // what the last poll has changed comes before further records
            self.reader.take_changes(&intake.context().given);
            intake.take();
            if round == 0 && intake.len() == 0 {
                let busy = self.reader.is_busy();
                intake.wait(if busy { WAIT_BUSY } else { WAIT_IDLE });
            }
            self.take(intake, now_ms)?;
            if intake.len() < BATCH_MAX {
                break;
            }
        }
        Ok(())
    }

    /// Counts what was taken, after the client was polled: what that has changed does not concern
    /// records that were taken before, but for topics that were made again.
    fn take(&mut self, intake: &Intake, now_ms: u64) -> Result<(), Fatal> {
        poll(intake)?;
        if intake.context().given.take_replaced() {
            for fetched in intake.fetched() {
                self.reader.let_go(fetched.topic, fetched.partition());
            }
            return Ok(());
        }
        for fetched in intake.fetched() {
            match fetched.error() {
                None => self.count(&fetched, now_ms),
                Some(RDKafkaErrorCode::PartitionEOF) => {
                    self.reader.reached_end(fetched.topic, fetched.partition());
                }
                Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    self.reader.out_of_range();
                }
                Some(code) => self.shared.health.error(
                    code,
                    "a partition cannot be read",
                    self.shared.clock.instant(),
                ),
            }
        }
        if intake.len() > 0 {
            self.shared.health.well();
        }
        Ok(())
    }

    fn count(&mut self, fetched: &Fetched<'_>, now_ms: u64) {
        let arrived = Arrived {
            topic: fetched.topic,
            partition: fetched.partition(),
            offset: fetched.offset(),
            timestamp: fetched.timestamp(),
            value: fetched.value(),
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
            dead_letters.copy(&arrived, fetched.key(), reject);
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
    fn renew(&mut self) -> Option<Intake> {
        self.reader.clear();
        loop {
            let until = self.shared.clock.instant() + RENEW_PAUSE;
            while self.shared.clock.instant() < until {
                if self.shared.stops() {
                    return None;
                }
                std::thread::sleep(WAIT_IDLE);
            }
            match self.shared.intake() {
                Ok(intake) => return Some(intake),
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

/// Lets the client do what is due: its group, its errors and its log.
fn poll(consumer: &BaseConsumer<Group>) -> Result<(), Fatal> {
    while let Some(result) = consumer.poll(Duration::ZERO) {
        match result {
            Ok(_) => {
                tracing::error!("a record came out of turn, the kafka client is replaced");
                return Err(Fatal);
            }
            Err(KafkaError::MessageConsumptionFatal(code)) => {
                tracing::error!(error = %code, "the kafka client has failed and is replaced");
                return Err(Fatal);
            }
            // reported by the context of the client
            Err(_) => {}
        }
    }
    Ok(())
}
