//! The topic of a log: made where it is not there, checked where it is.

use rdkafka::admin::TopicReplication;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::{KafkaLogError, Mute, TIMEOUT};
use crate::config;
use crate::source::admin::client_config;
use crate::statelog::RECORD_BYTES_MAX;

/// What a topic must be like: settings, their values, and why they matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// What is kept in it, for people.
    pub(crate) log: &'static str,
    pub(crate) settings: &'static [(&'static str, &'static str, &'static str)],
    /// What it is made with besides; another driftd or the operator may have chosen otherwise.
    pub(crate) made_with: &'static [(&'static str, &'static str)],
    /// Whether records at its start may be gone.
    pub(crate) may_be_trimmed: bool,
}

/// Makes the topic where it is not there, and checks it where it is.
pub(super) fn provide(
    kafka: &config::Kafka,
    consumer: &BaseConsumer<Mute>,
    topic: &str,
    wanted: &Wanted,
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
        runtime.block_on(make(&admin, topic, wanted, metadata.brokers().len()))?;
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
            log: wanted.log,
            partitions,
        });
    }
    if is_there {
        runtime.block_on(verify(&admin, topic, wanted))
    } else {
        Ok(())
    }
}

async fn make(
    admin: &AdminClient<Mute>,
    topic: &str,
    wanted: &Wanted,
    brokers: usize,
) -> Result<(), KafkaLogError> {
    let not_made = |reason: String| KafkaLogError::NotMade {
        topic: topic.to_owned(),
        reason,
        settings: settings(wanted),
    };
    let (replicas, in_sync) = if brokers >= 3 { (3, "2") } else { (1, "1") };
    let bytes_max = (RECORD_BYTES_MAX + 4_096).to_string();
    let mut new = NewTopic::new(topic, 1, TopicReplication::Fixed(replicas))
        .set("min.insync.replicas", in_sync)
        .set("unclean.leader.election.enable", "false")
        .set("retention.bytes", "-1")
        .set("max.message.bytes", &bytes_max);
    for (setting, value, _) in wanted.settings {
        new = new.set(setting, value);
    }
    for (setting, value) in wanted.made_with {
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
            tracing::info!(topic, replicas, log = wanted.log, "topic made");
            Ok(())
        }
        Some(Err((_, code))) => Err(not_made(code.to_string())),
        None => Err(not_made("no answer".to_owned())),
    }
}

fn settings(wanted: &Wanted) -> String {
    let settings = wanted.settings.iter();
    let texts: Vec<String> = settings
        .map(|(setting, value, _)| format!("{setting}={value}"))
        .collect();
    texts.join(", ")
}

/// Checks the settings of a topic that is there. A user who may not see them has to know.
async fn verify(
    admin: &AdminClient<Mute>,
    topic: &str,
    wanted: &Wanted,
) -> Result<(), KafkaLogError> {
    let resource = ResourceSpecifier::Topic(topic);
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let described = admin.describe_configs([&resource], &options).await;
    let described: Option<ConfigResource> = described
        .ok()
        .and_then(|mut described| described.pop())
        .and_then(Result::ok);
    let Some(described) = described else {
        let log = wanted.log;
        tracing::warn!(topic, log, "the settings of a topic cannot be seen");
        return Ok(());
    };
    for (setting, wanted, why) in wanted.settings {
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
