//! The state log in Kafka: a topic of one partition, for any number of instances.
//!
//! The broker orders appends and stamps them (`LogAppendTime`). What a producer cannot be sure of
//! (a lost acknowledgement, a retry after a timeout) does no harm: the fold takes a delta once,
//! wherever and however often it stands in the log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::config;
use crate::source::admin::{client_config, log_line};
use crate::statelog::{AppendError, Entry, Failed, RECORD_BYTES_MAX, Read};
use crate::time::Timestamp;

pub(crate) use self::tail::{Came, Tail};
pub(crate) use self::topic::Wanted;

mod tail;
mod topic;

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
            "driftd must be able to read all of it",
        ),
    ],
};

/// Why the topic cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KafkaLogError {
    /// Kafka refuses something, or does not answer.
    #[error("the topic `{topic}` cannot be used")]
    Kafka {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// The topic cannot be made.
    #[error(
        "the topic `{topic}` does not exist and cannot be made ({reason}): make it with one \
         partition and {settings}, or allow driftd to"
    )]
    NotMade {
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
        /// What it must be like.
        settings: String,
    },
    /// The topic has more than one partition.
    #[error(
        "the topic `{topic}` has {partitions} partitions, but {log} has one order: use a topic \
         with one partition"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// What is kept in it.
        log: &'static str,
        /// How many it has.
        partitions: usize,
    },
    /// The topic has a setting that breaks the log.
    #[error(
        "the topic `{topic}` has {setting}={found}, but it must be {wanted}: {why}; change it \
         with kafka-configs"
    )]
    Setting {
        /// The topic.
        topic: String,
        /// Which setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        wanted: &'static str,
        /// Why.
        why: &'static str,
    },
    /// The start of the log is gone.
    #[error(
        "the topic `{topic}` begins at offset {low}: records before it are gone, and {log} makes \
         no sense without them; delete the topic to begin anew"
    )]
    Trimmed {
        /// The topic.
        topic: String,
        /// What is kept in it.
        log: &'static str,
        /// Its first offset.
        low: i64,
    },
    /// The log became shorter, or another one.
    #[error(
        "the topic `{topic}` was deleted or truncated while it was read: start driftd again to \
         read it from its beginning"
    )]
    Replaced {
        /// The topic.
        topic: String,
    },
    /// The client's runtime cannot be made.
    #[error("no runtime for the Kafka administration client")]
    Runtime(#[from] std::io::Error),
}

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
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(failed));
        let record: BaseRecord<'_, (), [u8], Box<Failed>> = record.payload(bytes).partition(0);
        self.producer
            .send(record)
            .map_err(|(refused, _)| match refused {
                KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    AppendError::TooLarge {
                        bytes: bytes.len(),
                        max: RECORD_BYTES_MAX,
                    }
                }
                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => AppendError::Full,
                _ => AppendError::Closed,
            })
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
        topic: topic.to_owned(),
        errors,
    };
    Ok((appender, tail))
}
