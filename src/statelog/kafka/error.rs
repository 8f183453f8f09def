//! Why the topic of a log cannot be used.

use rdkafka::error::KafkaError;

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
