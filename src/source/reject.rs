//! What becomes of records that cannot be used, besides being counted: a line in the log now and
//! then, and a copy to the dead-letter topic where there is one.
//!
//! The copies are made when a record is read, so one that is read again is copied again: at least
//! once, and never in the way of counting. A copy that cannot be made is counted and let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use super::admin::{client_config, log_line};
use super::desk::Arrived;
use super::error::SourceError;
use crate::config::Kafka;
use crate::decode::Reject;
use crate::time::Timestamp;

/// A line for a reason is followed by silence about it for this long, in each worker.
const SILENCE_MS: u64 = 60_000;

/// Copies that wait for the brokers; further ones are not made.
const COPIES_MAX: usize = 10_000;

/// KiB of copies that wait for the brokers; further ones are not made. So much may be one record
/// too: more than the 100 MB (`receive.message.max.bytes`) that a consumer reads at once.
const COPIES_KIB_MAX: usize = 131_072;

/// What suits copies, unless the operator says otherwise. Records are rejected for their size too,
/// and few topics take those that were compressed when they came in any other form.
const PREFERRED: (&str, &str) = ("compression.type", "zstd");

/// How long the last copies may take when the source stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// What one worker says about rejected records: the first of each reason, then one a minute with
/// the number of those in between.
#[derive(Debug, Default)]
pub(super) struct RejectLog {
    quiet: [Option<Quiet>; Reject::ALL.len()],
}

#[derive(Debug, Clone, Copy)]
struct Quiet {
    until_ms: u64,
    unsaid: u64,
}

impl RejectLog {
    /// A record was rejected. `Some(n)` where it is time for a line about it and `n` before it.
    pub(super) fn note(&mut self, reject: Reject, now_ms: u64) -> Option<u64> {
        let quiet = self.quiet.get_mut(reject.index())?;
        match quiet {
            Some(quiet) if now_ms < quiet.until_ms => {
                quiet.unsaid += 1;
                None
            }
            quiet => {
                let unsaid = quiet.map_or(0, |quiet| quiet.unsaid);
                *quiet = Some(Quiet {
                    until_ms: now_ms + SILENCE_MS,
                    unsaid: 0,
                });
                Some(unsaid)
            }
        }
    }
}

/// Copies rejected records to a topic.
pub(super) struct DeadLetters {
    topic: String,
    producer: ThreadedProducer<Copies>,
}

impl DeadLetters {
    /// A producer for `topic`; copies that are not made are added to `failed`.
    pub(super) fn new(
        kafka: &Kafka,
        topic: &str,
        failed: Arc<AtomicU64>,
    ) -> Result<Self, SourceError> {
        let mut config = client_config(kafka);
        config.set("acks", "all").set("statistics.interval.ms", "0");
        config.set("queue.buffering.max.messages", COPIES_MAX.to_string());
        config.set("queue.buffering.max.kbytes", COPIES_KIB_MAX.to_string());
        // the topic says what is too large for it; what is not asked cannot say yes
        config.set("message.max.bytes", (COPIES_KIB_MAX * 1024).to_string());
        if config.get(PREFERRED.0).is_none() {
            config.set(PREFERRED.0, PREFERRED.1);
        }
        let producer = config
            .create_with_context(Copies { failed })
            .map_err(|error| SourceError::of_client(&error))?;
        Ok(Self {
            topic: topic.to_owned(),
            producer,
        })
    }

    /// Copies a record, if there is room.
    pub(super) fn copy(&self, record: &Arrived<'_>, key: Option<&[u8]>, reject: Reject) {
        let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
        let header = |key, value| Header {
            key,
            value: Some(value),
        };
        let headers = OwnedHeaders::new_with_capacity(4)
            .insert(header("reason", reject.as_str()))
            .insert(header("topic", record.topic))
            .insert(header("partition", &partition))
            .insert(header("offset", &offset));
        let mut copy: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic).headers(headers);
        copy.key = key;
        copy.payload = record.value;
        copy.timestamp = record.timestamp.map(Timestamp::as_millis);
        if let Err((error, _)) = self.producer.send(copy) {
            self.producer.context().failed(&error);
        }
    }
}

impl Drop for DeadLetters {
    fn drop(&mut self) {
        if let Err(error) = self.producer.flush(FLUSH_TIMEOUT) {
            tracing::warn!(topic = self.topic, %error, "copies of rejected records are lost");
        }
    }
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

/// Counts the copies that did not arrive.
struct Copies {
    failed: Arc<AtomicU64>,
}

impl Copies {
    /// A copy did not arrive: counted, and said at the first, second, fourth, eighth..
    fn failed(&self, error: &KafkaError) {
        let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
        if failed.is_power_of_two() {
            tracing::warn!(failed, %error, "a rejected record is not copied");
        }
    }
}

impl ClientContext for Copies {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the producer of dead letters is in trouble");
    }
}

impl ProducerContext for Copies {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_gets_a_line_and_then_one_a_minute() {
        let mut log = RejectLog::default();
        for (reject, now_ms, said) in [
            (Reject::Malformed, 0, Some(0)),
            (Reject::Malformed, 1, None),
            (Reject::Expired, 1, Some(0)),
            (Reject::Malformed, SILENCE_MS - 1, None),
            (Reject::Malformed, SILENCE_MS, Some(2)),
            (Reject::Malformed, SILENCE_MS + 1, None),
        ] {
            assert_eq!(log.note(reject, now_ms), said, "{reject} at {now_ms}");
        }
    }
}
