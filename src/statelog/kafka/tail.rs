//! The end of a topic where records come out, in order, from the first on.
//!
//! A client is told once where to read, when it is first asked what comes. Where it is told twice
//! before it has stopped to read at the place before, librdkafka 2.12 aborts the process
//! (`rd_kafka_assignment_partition_stopped`), so whoever goes elsewhere gets another client.

use std::fmt;
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::topic::{Wanted, provide};
use super::{KafkaLogError, Mute, TIMEOUT};
use crate::config;
use crate::source::admin::client_config;

/// How long to wait before brokers are asked again for a topic that was just made.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads a topic of one partition.
pub(crate) struct Tail {
    config: ClientConfig,
    consumer: BaseConsumer<Mute>,
    /// Whether the client was told where to read.
    is_reading: bool,
    topic: String,
    /// The first offset that is there.
    low: i64,
    /// The next offset that can come.
    next: i64,
    /// The end of the topic when it was opened; `None` once it was told.
    end: Option<i64>,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Came<'a> {
    /// The next record.
    Record(BorrowedMessage<'a>),
    /// All came that was there when the topic was opened. Once.
    End,
    /// Nothing within the time.
    Nothing,
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("topic", &self.topic)
            .field("next", &self.next)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Tail {
    /// Opens a topic; it is made if it is not there and `makes` it.
    pub(crate) fn open(
        kafka: &config::Kafka,
        topic: &str,
        wanted: &Wanted,
        makes: bool,
    ) -> Result<Self, KafkaLogError> {
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
        if makes {
            provide(kafka, &consumer, topic, wanted)?;
        }
        let (low, end) = watermarks(&consumer, topic, makes).map_err(failed)?;
        if low > 0 && !wanted.may_be_trimmed {
            return Err(KafkaLogError::Trimmed {
                topic: topic.to_owned(),
                log: wanted.log,
                low,
            });
        }
        Ok(Self {
            config,
            consumer,
            is_reading: false,
            topic: topic.to_owned(),
            low,
            next: low,
            end: Some(end),
        })
    }

    /// The first offset that was there when the topic was opened.
    pub(super) fn low(&self) -> i64 {
        self.low
    }

    /// Whether there was a record with this offset or a later one when the topic was opened.
    pub(super) fn ends_after(&self, offset: u64) -> bool {
        self.end
            .is_some_and(|end| i64::try_from(offset).is_ok_and(|offset| offset < end))
    }

    /// Takes note of how far the topic goes now, before it is read.
    pub(super) fn look(&mut self) -> Result<(), KafkaLogError> {
        let found = watermarks(&self.consumer, &self.topic, false);
        let (low, end) = found.map_err(|source| self.failed(source))?;
        (self.low, self.end) = (low, Some(end));
        Ok(())
    }

    /// Goes on at this offset.
    pub(super) fn seek(&mut self, offset: i64) -> Result<(), KafkaLogError> {
        if self.is_reading {
            let client = self.config.create_with_context(Mute);
            self.consumer = client.map_err(|source| self.failed(source))?;
            self.is_reading = false;
        }
        self.next = offset;
        Ok(())
    }

    fn read(&mut self) -> Result<(), KafkaLogError> {
        let mut start = TopicPartitionList::new();
        let added = start.add_partition_offset(&self.topic, 0, Offset::Offset(self.next));
        let told = added.and_then(|()| self.consumer.assign(&start));
        told.map_err(|source| self.failed(source))?;
        self.is_reading = true;
        Ok(())
    }

    fn failed(&self, source: KafkaError) -> KafkaLogError {
        KafkaLogError::Kafka {
            topic: self.topic.clone(),
            source,
        }
    }

    /// What comes next, waiting for it at most this long.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Came<'_>, KafkaLogError> {
        if self.end.take_if(|end| *end <= self.next).is_some() {
            return Ok(Came::End);
        }
        if !self.is_reading {
            self.read()?;
        }
        let message = match self.consumer.poll(timeout) {
            None => return Ok(Came::Nothing),
            Some(Ok(message)) => message,
            Some(Err(KafkaError::PartitionEOF(_))) => {
                // what is left before the end is no record
                return Ok(if self.end.take().is_some() {
                    Came::End
                } else {
                    Came::Nothing
                });
            }
            Some(Err(error)) => return trouble(&self.topic, error).map(|()| Came::Nothing),
        };
        if message.offset() < self.next {
            return Err(KafkaLogError::Replaced {
                topic: self.topic.clone(),
            });
        }
        self.next = message.offset() + 1;
        Ok(Came::Record(message))
    }
}

/// The first offset and the end; waits for a topic that was just made until all brokers know it.
fn watermarks(
    consumer: &BaseConsumer<Mute>,
    topic: &str,
    is_there: bool,
) -> KafkaResult<(i64, i64)> {
    let mut waited = Duration::ZERO;
    loop {
        let error = match consumer.fetch_watermarks(topic, 0, TIMEOUT) {
            Ok(watermarks) => return Ok(watermarks),
            Err(error) => error,
        };
        let is_unknown = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopicOrPartition)
        );
        if !(is_there && is_unknown) || waited >= TIMEOUT {
            return Err(error);
        }
        waited += PAUSE;
        thread::sleep(PAUSE);
        consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    }
}

/// What passes is logged, what does not is an error.
fn trouble(topic: &str, error: KafkaError) -> Result<(), KafkaLogError> {
    let lasting = [
        RDKafkaErrorCode::OffsetOutOfRange,
        RDKafkaErrorCode::AutoOffsetReset,
        RDKafkaErrorCode::UnknownTopicOrPartition,
        RDKafkaErrorCode::UnknownTopic,
        RDKafkaErrorCode::UnknownPartition,
    ];
    let topic = topic.to_owned();
    match error.rdkafka_error_code() {
        Some(code) if lasting.contains(&code) => Err(KafkaLogError::Replaced { topic }),
        Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::Fatal) => {
            Err(KafkaLogError::Kafka {
                topic,
                source: error,
            })
        }
        _ => {
            tracing::warn!(topic, %error, "the topic cannot be read for now");
            Ok(())
        }
    }
}
