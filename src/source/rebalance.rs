//! The context of a worker's consumer: librdkafka calls it from within a poll, on the worker's own
//! thread, when the group gives or takes partitions, and when something is wrong.

use std::sync::Arc;

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::admin::{Place, log_line};
use super::given::Given;
use super::health::Health;
use crate::clock::Clock;

/// The context of a worker's consumer.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) given: Given,
    health: Arc<Health>,
    clock: Clock,
}

impl Group {
    pub(super) fn new(given: Given, health: Arc<Health>, clock: Clock) -> Self {
        Self {
            given,
            health,
            clock,
        }
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // the ends of partitions and resets are handed out by polls too, and dealt with there
        let dealt_with = [
            RDKafkaErrorCode::PartitionEOF,
            RDKafkaErrorCode::AutoOffsetReset,
        ];
        if let Some(code) = error
            .rdkafka_error_code()
            .filter(|code| !dealt_with.contains(code))
        {
            self.health.error(code, reason, self.clock.instant());
        }
    }
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
