//! A thread that reads: a consumer and a [`Reader`], in turns.
//!
//! ```text
//! loop  read    the records that were fetched
//!       keep    everything that the reader decides; while there are many records, amid them
//! ```
//!
//! Nothing here waits for the fold or for other workers, and questions to the brokers are bounded
//! in time, so that a worker polls again long before `max.poll.interval.ms` (5 min) has passed.

use std::ops::ControlFlow;
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
use super::records::{Fetched, Intake};
use super::reject::{DeadLetters, RejectLog};
use super::status::PartitionStatus;
use crate::clock::Clock;
use crate::config::Kafka;

/// Records read between two looks at everything else, at most; some milliseconds' worth.
const RECORDS_MAX: usize = 4_096;

/// How long a worker waits for a record while a delta is on its way, whose fate comes by another
/// road.
const WAIT_BUSY: Duration = Duration::from_millis(5);

/// How long it waits for a record otherwise. Records end the wait, what the group says does not.
const WAIT_IDLE: Duration = Duration::from_millis(50);

/// How often partitions are forwarded anew, see [`super::records`].
const FORWARD_INTERVAL_MS: u64 = 100;

/// How often group offsets are committed.
const COMMIT_INTERVAL_MS: u64 = 1_000;

/// How often the state of the partitions is shown.
const STATUS_INTERVAL_MS: u64 = 250;

/// How long a worker is without a client when one has failed for good.
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
    forwarded_ms: u64,
    committed_ms: u64,
    shown_ms: u64,
}

/// Why a client is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    /// It has failed for good.
    Failed,
    /// A topic was made again.
    Outdated,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, reader: Reader) -> Self {
        let started = shared.clock.instant();
        Self {
            shared,
            reader,
            status: Arc::default(),
            rejects: RejectLog::default(),
            started,
            forwarded_ms: 0,
            committed_ms: 0,
            shown_ms: 0,
        }
    }

    /// Reads until the source stops.
    pub(super) fn run(mut self, mut intake: Intake) {
        while !self.shared.stops() {
            let Err(broken) = self.read(&intake).and_then(|()| self.keep(&intake)) else {
                continue;
            };
            match self.renew(broken) {
                Some(renewed) => intake = renewed,
                None => break,
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

    /// Counts what was fetched.
    fn read(&mut self, intake: &Intake) -> Result<(), Broken> {
        // where there can be no records, only the group has news
        let is_empty = self.reader.places().next().is_none();
        poll(intake, if is_empty { WAIT_IDLE } else { Duration::ZERO })?;
        self.reader.take_changes(&intake.context().given);
        if self.reader.places().next().is_none() {
            return Ok(());
        }
        let wait = if self.reader.is_busy() {
            WAIT_BUSY
        } else {
            WAIT_IDLE
        };
        let (mut taken, mut now_ms, mut polled) = (0, 0, Ok(()));
        intake.take(wait, |fetched| {
            if taken == 0 {
                now_ms = self.now_ms();
                // what is handed out was fetched before this poll: a topic that was made again
                // before any of it is known from here on
                polled = poll(intake, Duration::ZERO);
                if self.reader.take_changes(&intake.context().given) {
                    self.reader.let_go(fetched.topic(), fetched.partition());
                }
            }
            taken += 1;
            self.take(fetched, now_ms);
            if taken % RECORDS_MAX == 0 && polled.is_ok() {
                polled = poll(intake, Duration::ZERO).and_then(|()| self.keep(intake));
                now_ms = self.now_ms();
            }
            if polled.is_ok() && !self.shared.stops() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        if taken > 0 {
            self.shared.health.well();
        }
        polled
    }

    fn take(&mut self, fetched: Fetched<'_>, now_ms: u64) {
        match fetched.error() {
            None => self.count(fetched, now_ms),
            Some(RDKafkaErrorCode::PartitionEOF) => {
                let (topic, partition) = (fetched.topic(), fetched.partition());
                self.reader.reached_end(topic, partition, fetched.offset());
            }
            Some(RDKafkaErrorCode::AutoOffsetReset) => self.reader.out_of_range(),
            Some(code) => self.shared.health.error(
                code,
                "a partition cannot be read",
                self.shared.clock.instant(),
            ),
        }
    }

    fn count(&mut self, fetched: Fetched<'_>, now_ms: u64) {
        let arrived = Arrived {
            topic: fetched.topic(),
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

    fn keep(&mut self, consumer: &BaseConsumer<Group>) -> Result<(), Broken> {
        let now_ms = self.now_ms();
        if now_ms >= self.forwarded_ms + FORWARD_INTERVAL_MS {
            self.forwarded_ms = now_ms;
            for (topic, partition) in self.reader.places() {
                let line = &consumer.context().line;
                line.forward(consumer, topic, partition);
            }
        }
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
        if self.reader.is_outdated() {
            tracing::warn!("a topic was made again, the kafka client is replaced");
            return Err(Broken::Outdated);
        }
        Ok(())
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
    fn renew(&mut self, broken: Broken) -> Option<Intake> {
        self.reader.clear();
        let mut pause = match broken {
            Broken::Failed => RENEW_PAUSE,
            Broken::Outdated => Duration::ZERO,
        };
        loop {
            let until = self.shared.clock.instant() + pause;
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
            pause = RENEW_PAUSE;
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

/// Lets the client do what is due: its group, its errors and its log. Waits for that up to `wait`.
fn poll(consumer: &BaseConsumer<Group>, mut wait: Duration) -> Result<(), Broken> {
    while let Some(result) = consumer.poll(wait) {
        wait = Duration::ZERO;
        match result {
            Ok(_) => {
                tracing::error!("a record came out of turn, the kafka client is replaced");
                return Err(Broken::Failed);
            }
            Err(KafkaError::MessageConsumptionFatal(code)) => {
                tracing::error!(error = %code, "the kafka client has failed and is replaced");
                return Err(Broken::Failed);
            }
            // reported by the context of the client
            Err(_) => {}
        }
    }
    Ok(())
}
