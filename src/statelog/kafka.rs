//! The state log in Kafka: a topic of one partition, for any number of instances.
//!
//! The broker orders appends and stamps them (`LogAppendTime`). What a producer cannot be sure of
//! (a lost acknowledgement, a retry after a timeout) does no harm: the fold takes a delta once,
//! wherever and however often it stands in the log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config;
use crate::source::admin::{client_config, log_line};
use crate::statelog::{AppendError, Entry, Failed, RECORD_BYTES_MAX, Read};
use crate::time::Timestamp;

pub use self::error::KafkaLogError;
pub(crate) use self::tail::{Came, Tail};
pub(crate) use self::topic::Wanted;

mod error;
mod tail;
mod topic;

/// How long one record is waited for before it is asked for again.
const POLL: Duration = Duration::from_millis(100);

/// How long one question to the brokers may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long an append is tried; a worker waits longer for the fate of it.
const DELIVERY_TIMEOUT_MS: &str = "30000";

/// Appends that may wait in the producer, in number and in KiB; further ones are refused.
const QUEUE_MAX: (&str, &str) = ("10000", "65536");

/// How long queued appends get at the end of the process.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the topic must be like.
const STATE_LOG: Wanted = Wanted {
    log: "the state log",
    settings: &[
        (
            "message.timestamp.type",
            "LogAppendTime",
            "the log's time is the only clock of the fold",
        ),
        (
            "cleanup.policy",
            "delete",
            "compaction would take records away",
        ),
        (
            "retention.ms",
            "-1",
            "driftd itself trims what its snapshots make needless",
        ),
    ],
    made_with: &[],
    may_be_trimmed: true,
};

/// Flags what could not be delivered.
struct Deliveries {
    errors: Arc<AtomicU64>,
}

/// A client whose troubles come out as results of what is asked of it. What librdkafka says
/// besides, such as that the end of the log was reached, is for those who look for it.
pub(crate) struct Mute;

impl ClientContext for Mute {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "a client of a log is in trouble");
    }
}

impl ConsumerContext for Mute {}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the producer of a log is in trouble");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Failed>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, failed: Box<Failed>) {
        if let Err((error, message)) = delivered {
            self.errors.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, topic = message.topic(), "append failed");
            failed.set();
        }
    }
}

/// How long brokers may take to say where the log ends, since somebody waits for a page.
const END_TIMEOUT: Duration = Duration::from_millis(300);

/// Where records are queued.
pub struct Appender {
    producer: ThreadedProducer<Deliveries>,
    kafka: config::Kafka,
    topic: String,
    errors: Arc<AtomicU64>,
}

impl fmt::Debug for Appender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl Appender {
    pub(crate) fn append(&self, bytes: &[u8], failed: Failed) -> Result<(), AppendError> {
        self.send(None, Some(bytes), failed)
    }

    /// Appends what replaces the record with this key; nothing takes that away.
    pub(crate) fn append_keyed(
        &self,
        key: &[u8],
        bytes: Option<&[u8]>,
        failed: Failed,
    ) -> Result<(), AppendError> {
        self.send(Some(key), bytes, failed)
    }

    fn send(
        &self,
        key: Option<&[u8]>,
        bytes: Option<&[u8]>,
        failed: Failed,
    ) -> Result<(), AppendError> {
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(failed));
        let mut record: BaseRecord<'_, [u8], [u8], Box<Failed>> = record.partition(0);
        (record.key, record.payload) = (key, bytes);
        self.producer
            .send(record)
            .map_err(|(refused, _)| match refused {
                KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    AppendError::TooLarge {
                        bytes: bytes.map_or(0, <[u8]>::len),
                        max: RECORD_BYTES_MAX,
                    }
                }
                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => AppendError::Full,
                _ => AppendError::Closed,
            })
    }

    /// Takes away the records before this position.
    pub(super) fn trim(&self, position: u64) -> Result<(), KafkaLogError> {
        let failed = |source| KafkaLogError::Kafka {
            topic: self.topic.clone(),
            source,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let admin: AdminClient<Mute> = client_config(&self.kafka)
            .create_with_context(Mute)
            .map_err(failed)?;
        let mut upto = TopicPartitionList::new();
        let offset = Offset::Offset(i64::try_from(position).unwrap_or(i64::MAX));
        upto.add_partition_offset(&self.topic, 0, offset)
            .map_err(failed)?;
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let trimmed = runtime.block_on(admin.delete_records(&upto, &options));
        let trimmed = trimmed.map_err(failed)?;
        let mut errors = trimmed
            .elements()
            .into_iter()
            .filter_map(|one| one.error().err());
        errors.next().map_or(Ok(()), |error| Err(failed(error)))
    }

    /// Waits until all that was appended is delivered or given up; whether that came to pass.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        self.producer.flush(timeout).is_ok()
    }

    /// The position after the last record; `None` where the brokers do not say so soon.
    pub(crate) fn end(&self) -> Option<u64> {
        let client = self.producer.client();
        let (_, end) = client.fetch_watermarks(&self.topic, 0, END_TIMEOUT).ok()?;
        u64::try_from(end).ok()
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        if let Err(error) = self.producer.flush(CLOSE_TIMEOUT) {
            tracing::warn!(%error, topic = self.topic, "appends were given up");
        }
    }
}

/// Where records come out.
#[derive(Debug)]
pub struct Reader {
    tail: Tail,
    append_time: Timestamp,
}

impl Reader {
    /// The position of the first record that is there.
    pub(super) fn first(&self) -> u64 {
        self.tail.low().unsigned_abs()
    }

    /// Goes on at this position.
    pub(super) fn start_at(&mut self, position: u64) -> Result<(), KafkaLogError> {
        self.tail.seek(i64::try_from(position).unwrap_or(i64::MAX))
    }

    /// Goes on at this position if the record before it has this digest, and was appended by then;
    /// whether that is so.
    pub(super) fn resume(
        &mut self,
        position: u64,
        (digest, log_time): (&[u8; 32], Timestamp),
    ) -> Result<bool, KafkaLogError> {
        let Some(before) = position.checked_sub(1) else {
            return Ok(false);
        };
        self.tail.look()?;
        let is_there = before >= self.first() && self.tail.ends_after(before);
        if is_there {
            self.start_at(before)?;
            let mut waited = Duration::ZERO;
            while waited < TIMEOUT {
                match self.next(POLL)? {
                    Read::Entry(entry)
                        if (entry.position, &entry.digest) == (before, digest)
                            && entry.append_time <= log_time =>
                    {
                        return Ok(true);
                    }
                    Read::Entry(_) | Read::End => break,
                    Read::Idle => waited += POLL,
                }
            }
        }
        self.append_time = Timestamp::MIN;
        self.start_at(self.first())?;
        Ok(false)
    }

    pub(super) fn next(&mut self, timeout: Duration) -> Result<Read, KafkaLogError> {
        let message = match self.tail.next(timeout)? {
            Came::Record(message) => message,
            Came::End => return Ok(Read::End),
            Came::Nothing => return Ok(Read::Idle),
        };
        let stamped = message.timestamp().to_millis().map(Timestamp::from_millis);
        self.append_time = self.append_time.max(stamped.unwrap_or(self.append_time));
        let position = message.offset().unsigned_abs();
        let bytes = message.payload().unwrap_or_default();
        Ok(Read::Entry(Entry::new(position, self.append_time, bytes)))
    }
}

/// Opens the topic of the state log, which is made if it is not there.
pub fn open(kafka: &config::Kafka, topic: &str) -> Result<(Appender, Reader), KafkaLogError> {
    let (appender, tail) = open_topic(kafka, topic, &STATE_LOG)?;
    let append_time = Timestamp::MIN;
    Ok((appender, Reader { tail, append_time }))
}

/// The topics that there are.
pub(super) fn topics(kafka: &config::Kafka) -> Result<Vec<String>, KafkaLogError> {
    let asked = |source| KafkaLogError::Kafka {
        topic: "*".to_owned(),
        source,
    };
    let client: BaseConsumer<Mute> = client_config(kafka)
        .create_with_context(Mute)
        .map_err(asked)?;
    let metadata = client.fetch_metadata(None, TIMEOUT).map_err(asked)?;
    let topics = metadata.topics().iter();
    Ok(topics.map(|topic| topic.name().to_owned()).collect())
}

/// Opens both ends of a topic, which is made if it is not there.
pub(crate) fn open_topic(
    kafka: &config::Kafka,
    topic: &str,
    wanted: &Wanted,
) -> Result<(Appender, Tail), KafkaLogError> {
    let tail = Tail::open(kafka, topic, wanted, true)?;
    let errors = Arc::new(AtomicU64::new(0));
    let mut config = client_config(kafka);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "none")
        .set("linger.ms", "5")
        .set("delivery.timeout.ms", DELIVERY_TIMEOUT_MS)
        .set("message.max.bytes", (RECORD_BYTES_MAX + 4_096).to_string())
        .set("queue.buffering.max.messages", QUEUE_MAX.0)
        .set("queue.buffering.max.kbytes", QUEUE_MAX.1);
    let deliveries = Deliveries {
        errors: Arc::clone(&errors),
    };
    let producer =
        config
            .create_with_context(deliveries)
            .map_err(|source| KafkaLogError::Kafka {
                topic: topic.to_owned(),
                source,
            })?;
    let appender = Appender {
        producer,
        kafka: kafka.clone(),
        topic: topic.to_owned(),
        errors,
    };
    Ok((appender, tail))
}
