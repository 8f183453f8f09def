//! The topic of a state log: made as it must be, or checked where it is there already.

use rdkafka::admin::TopicReplication;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::{KafkaLogError, Mute, TIMEOUT};
use crate::config;
use crate::source::admin::client_config;
use crate::statelog::RECORD_BYTES_MAX;

/// What the topic must be like, and why it matters.
const MUST_BE: [(&str, &str, &str); 3] = [
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
];

/// Makes the topic where it is not there, and checks it where it is.
pub(super) fn provide(
    kafka: &config::Kafka,
    consumer: &BaseConsumer<Mute>,
    topic: &str,
) -> Result<(), KafkaLogError> {
    let failed = |source| KafkaLogError::Kafka {
        topic: topic.to_owned(),
        source,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let admin: AdminClient<Mute> = client_config(kafka)
        .create_with_context(Mute)
        .map_err(failed)?;
    let metadata = consumer.fetch_metadata(None, TIMEOUT).map_err(failed)?;
    let is_there = metadata.topics().iter().any(|known| known.name() == topic);
    if !is_there {
        runtime.block_on(make(&admin, topic, metadata.brokers().len()))?;
    }
    let metadata = consumer
        .fetch_metadata(Some(topic), TIMEOUT)
        .map_err(failed)?;
    let partitions = metadata
        .topics()
        .first()
        .map_or(0, |topic| topic.partitions().len());
    if partitions > 1 {
        return Err(KafkaLogError::Partitions {
            topic: topic.to_owned(),
            partitions,
        });
    }
    if is_there {
        runtime.block_on(verify(&admin, topic))
    } else {
        Ok(())
    }
}

async fn make(admin: &AdminClient<Mute>, topic: &str, brokers: usize) -> Result<(), KafkaLogError> {
    let not_made = |reason: String| KafkaLogError::NotMade {
        topic: topic.to_owned(),
        reason,
    };
    let (replicas, in_sync) = if brokers >= 3 { (3, "2") } else { (1, "1") };
    let bytes_max = (RECORD_BYTES_MAX + 4_096).to_string();
    let mut new = NewTopic::new(topic, 1, TopicReplication::Fixed(replicas))
        .set("min.insync.replicas", in_sync)
        .set("unclean.leader.election.enable", "false")
        .set("retention.bytes", "-1")
        .set("max.message.bytes", &bytes_max);
    for (setting, value, _) in MUST_BE {
        new = new.set(setting, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let made = admin.create_topics([&new], &options).await;
    match made
        .map_err(|error| not_made(error.to_string()))?
        .into_iter()
        .next()
    {
        // another instance was faster
        Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
            tracing::info!(topic, replicas, "state log made");
            Ok(())
        }
        Some(Err((_, code))) => Err(not_made(code.to_string())),
        None => Err(not_made("no answer".to_owned())),
    }
}

/// Checks the settings of a topic that is there. A user who may not see them has to know.
async fn verify(admin: &AdminClient<Mute>, topic: &str) -> Result<(), KafkaLogError> {
    let resource = ResourceSpecifier::Topic(topic);
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let described = admin.describe_configs([&resource], &options).await;
    let described: Option<ConfigResource> = described
        .ok()
        .and_then(|mut described| described.pop())
        .and_then(Result::ok);
    let Some(described) = described else {
        tracing::warn!(
            topic,
            "the settings of the state log's topic cannot be seen"
        );
        return Ok(());
    };
    for (setting, wanted, why) in MUST_BE {
        let found = described.get(setting).and_then(|entry| entry.value.clone());
        if let Some(found) = found.filter(|found| found != wanted) {
            let topic = topic.to_owned();
            return Err(KafkaLogError::Setting {
                topic,
                setting,
                found,
                wanted,
                why,
            });
        }
    }
    Ok(())
}
