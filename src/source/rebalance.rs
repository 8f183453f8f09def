//! The context of a worker's consumer: librdkafka calls it from within a poll, on the worker's own
//! thread, when the group gives or takes partitions, and when something is wrong.

use std::sync::Arc;

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;

use super::admin::{Place, log_line};
use super::given::Given;
use super::health::Health;
use super::records::Line;
use crate::clock::Clock;

/// The context of a worker's consumer.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) given: Given,
    pub(super) line: Line,
    health: Arc<Health>,
    clock: Clock,
}

impl Group {
    pub(super) fn new(given: Given, health: Arc<Health>, clock: Clock) -> Self {
        Self {
            given,
            line: Line::default(),
            health,
            clock,
        }
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
        if let Some(topic) = replaced(message) {
            self.given.replace(topic);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.health.error(code, reason, self.clock.instant());
        }
    }
}

/// The topic that was deleted and made again, if this line of librdkafka's log tells of one.
///
/// Such a topic has another id. librdkafka sees it, goes on at the old position in the new topic,
/// and tells nobody but its log (2.12, `rd_kafka_topic_metadata_update`), at the level that
/// [`super::admin`] turns on for this line. It stands in the client's queue before any record of
/// the new topic, since those are fetched by the new id. A topic that had no id before is only
/// met for the first time.
///
/// The client is then replaced: where the leader of a partition has a lower epoch than in the topic
/// before, it takes all news of it for old (`rd_kafka_toppar_leader_update`), and never reads it.
fn replaced(message: &str) -> Option<&str> {
    let (before, ids) = message.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (old, _) = ids.split_once(" to ")?;
    let is_none = old.bytes().all(|byte| matches!(byte, b'A' | b'='));
    (!is_none).then_some(topic)
}

impl ConsumerContext for Group {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        cause: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let mut changed: Vec<Place> = Vec::with_capacity(partitions.count());
        for partition in partitions.elements() {
            changed.push((Arc::from(partition.topic()), partition.partition()));
        }
        if cause == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.given.give(consumer, changed);
        } else {
            self.given.take(consumer, changed);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        // for lag tools only; the next one makes up for it
        if let Err(error) = result {
            tracing::debug!(%error, "group offsets were not committed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_was_made_again_is_read_off_the_log() {
        let changed = |old: &str| {
            format!("[thrd:main]: Topic a.b-c changed id from {old} to cZTjmQwRQkOUHYtD5rWF8w")
        };
        let of = |message: &str| replaced(message).map(str::to_owned);
        assert_eq!(of(&changed("AAAAAAAAAAAAAAAAAAAAAA")), None);
        assert_eq!(
            of(&changed("Zq4Ij2VeTbCNGZbnHZ0jGg")),
            Some("a.b-c".to_owned())
        );
        assert_eq!(of("[thrd:main]: Topic a.b-c [0] Leader 1 Epoch 0"), None);
    }
}
