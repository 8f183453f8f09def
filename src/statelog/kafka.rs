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
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use self::topic::provide;
use crate::config;
use crate::source::admin::{client_config, log_line};
use crate::statelog::{AppendError, Entry, Failed, RECORD_BYTES_MAX, Read};
use crate::time::Timestamp;

mod topic;

/// How long one question to the brokers may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How long an append is tried; a worker waits longer for the fate of it.
const DELIVERY_TIMEOUT_MS: &str = "30000";

/// Appends that may wait in the producer, in number and in KiB; further ones are refused.
const QUEUE_MAX: (&str, &str) = ("10000", "65536");

/// How long queued appends get at the end of the process.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

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
         partition, message.timestamp.type=LogAppendTime and retention.ms=-1, or allow driftd to"
    )]
    NotMade {
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
    },
    /// The topic has more than one partition.
    #[error(
        "the topic `{topic}` has {partitions} partitions, but a state log has one order: use a \
         topic with one partition"
    )]
    Partitions {
        /// The topic.
        topic: String,
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
        "the topic `{topic}` begins at offset {low}: records before it are gone, and the counts \
         with them; delete the topic to begin anew"
    )]
    Trimmed {
        /// The topic.
        topic: String,
        /// Its first offset.
        low: i64,
    },
    /// The log became shorter, or another one.
    #[error(
        "the topic `{topic}` was deleted or truncated while it was read: start driftd again to \
         fold it from its beginning"
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
struct Mute;

impl ClientContext for Mute {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "a client of the state log is in trouble");
    }
}

impl ConsumerContext for Mute {}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the producer of the state log is in trouble");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Failed>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, failed: Box<Failed>) {
        if let Err((error, _)) = delivered {
            self.errors.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, "append to the state log failed");
            failed.set();
        }
    }
}

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
    pub(super) fn append(&self, bytes: &[u8], failed: Failed) -> Result<(), AppendError> {
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

    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        if let Err(error) = self.producer.flush(CLOSE_TIMEOUT) {
            tracing::warn!(%error, "appends to the state log were given up");
        }
    }
}

/// Where records come out.
pub struct Reader {
    consumer: BaseConsumer<Mute>,
    topic: String,
    /// The next offset that can come.
    next: i64,
    /// The end of the log when it was opened; `None` once it was told.
    end: Option<i64>,
    append_time: Timestamp,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("topic", &self.topic)
            .field("next", &self.next)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn next(&mut self, timeout: Duration) -> Result<Read, KafkaLogError> {
        if self.end.take_if(|end| *end <= self.next).is_some() {
            return Ok(Read::End);
        }
        let message = match self.consumer.poll(timeout) {
            None => return Ok(Read::Idle),
            Some(Ok(message)) => message,
            Some(Err(KafkaError::PartitionEOF(_))) => {
                // what is left before the end is no record
                return Ok(if self.end.take().is_some() {
                    Read::End
                } else {
                    Read::Idle
                });
            }
            Some(Err(error)) => return self.trouble(error),
        };
        if message.offset() < self.next {
            return Err(KafkaLogError::Replaced {
                topic: self.topic.clone(),
            });
        }
        self.next = message.offset() + 1;
        let stamped = message.timestamp().to_millis().map(Timestamp::from_millis);
        self.append_time = self.append_time.max(stamped.unwrap_or(self.append_time));
        let position = message.offset().unsigned_abs();
        let bytes = message.payload().unwrap_or_default();
        Ok(Read::Entry(Entry::new(position, self.append_time, bytes)))
    }

    /// What passes is logged, what does not is an error.
    fn trouble(&self, error: KafkaError) -> Result<Read, KafkaLogError> {
        let lasting = [
            RDKafkaErrorCode::OffsetOutOfRange,
            RDKafkaErrorCode::AutoOffsetReset,
            RDKafkaErrorCode::UnknownTopicOrPartition,
            RDKafkaErrorCode::UnknownTopic,
            RDKafkaErrorCode::UnknownPartition,
        ];
        match error.rdkafka_error_code() {
            Some(code) if lasting.contains(&code) => Err(KafkaLogError::Replaced {
                topic: self.topic.clone(),
            }),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::Fatal) => {
                Err(KafkaLogError::Kafka {
                    topic: self.topic.clone(),
                    source: error,
                })
            }
            _ => {
                tracing::warn!(%error, "the state log cannot be read for now");
                Ok(Read::Idle)
            }
        }
    }
}

/// Opens the topic, which is made if it is not there.
pub fn open(kafka: &config::Kafka, topic: &str) -> Result<(Appender, Reader), KafkaLogError> {
    let failed = |source| KafkaLogError::Kafka {
        topic: topic.to_owned(),
        source,
    };
    let mut config = client_config(kafka);
    config
        .set("group.id", "driftd-state")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("fetch.wait.max.ms", "100")
        .set("queued.max.messages.kbytes", "65536");
    let consumer: BaseConsumer<Mute> = config.create_with_context(Mute).map_err(failed)?;
    provide(kafka, &consumer, topic)?;
    let (low, end) = consumer
        .fetch_watermarks(topic, 0, TIMEOUT)
        .map_err(failed)?;
    if low > 0 {
        return Err(KafkaLogError::Trimmed {
            topic: topic.to_owned(),
            low,
        });
    }
    let mut start = TopicPartitionList::new();
    start
        .add_partition_offset(topic, 0, Offset::Offset(0))
        .map_err(failed)?;
    consumer.assign(&start).map_err(failed)?;

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
    let producer = config.create_with_context(deliveries).map_err(failed)?;
    let appender = Appender {
        producer,
        topic: topic.to_owned(),
        errors,
    };
    let append_time = Timestamp::MIN;
    let topic = topic.to_owned();
    Ok((
        appender,
        Reader {
            consumer,
            topic,
            next: 0,
            end: Some(end),
            append_time,
        },
    ))
}
