//! What can be wrong with the way to Kafka, each said once with what to do about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why a source cannot start, or a check of it fails.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A property that librdkafka does not take. The value may be a secret and is not shown.
    #[error("kafka.properties: librdkafka does not take `{property}`: {reason}")]
    Property {
        /// The property.
        property: String,
        /// What librdkafka says.
        reason: String,
    },
    /// A client cannot be made, for example since a certificate cannot be read.
    #[error("a Kafka client cannot be made of `kafka.properties`: {0}")]
    Client(String),
    /// No broker answers.
    #[error(
        "no broker of `{brokers}` answers ({reason}): check `kafka.brokers`, that Kafka runs, and \
         that its port can be reached from here"
    )]
    Unreachable {
        /// The brokers as configured.
        brokers: String,
        /// What librdkafka says.
        reason: String,
    },
    /// A host name is not known.
    #[error("a host of `{brokers}` is not known ({reason}): check the names in `kafka.brokers`")]
    UnknownHost {
        /// The brokers as configured.
        brokers: String,
        /// What librdkafka says.
        reason: String,
    },
    /// The brokers refuse the login.
    #[error(
        "`{brokers}` refuses the login ({reason}): check `security.protocol`, `sasl.mechanism`, \
         `sasl.username` and `sasl.password` under `kafka.properties`"
    )]
    Login {
        /// The brokers as configured.
        brokers: String,
        /// What librdkafka says.
        reason: String,
    },
    /// TLS fails.
    #[error(
        "no TLS connection to `{brokers}` ({reason}): check `security.protocol`, \
         `ssl.ca.location` and the names in the brokers' certificates"
    )]
    Tls {
        /// The brokers as configured.
        brokers: String,
        /// What librdkafka says.
        reason: String,
    },
    /// A topic does not exist.
    #[error("there is no topic `{topic}` on `{brokers}`: create it, or correct its name")]
    NoTopic {
        /// The topic.
        topic: String,
        /// The brokers as configured.
        brokers: String,
    },
    /// This user may not read a topic, or not know of it.
    #[error("this user may not read the topic `{topic}`: allow it to Describe and Read it")]
    NotAllowed {
        /// The topic.
        topic: String,
    },
    /// A topic or its leader is in trouble.
    #[error("the topic `{topic}` cannot be used now ({reason})")]
    Topic {
        /// The topic.
        topic: String,
        /// What Kafka says.
        reason: String,
    },
    /// Layouts were not set.
    #[error("a source was started before the fold has said by which layouts to count")]
    NoLayouts,
    /// The field pointers make no plan.
    #[error("the fields of the source cannot be used")]
    Fields(#[from] crate::decode::PlanError),
    /// No thread.
    #[error("a thread for a source cannot be started")]
    Thread(#[source] std::io::Error),
}

impl SourceError {
    /// The error of making a client or setting one of its properties.
    pub(super) fn of_client(error: &KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, reason, property, _) => Self::Property {
                property: property.clone(),
                reason: reason.trim().to_owned(),
            },
            KafkaError::ClientCreation(reason) => Self::Client(reason.clone()),
            other => Self::Client(other.to_string()),
        }
    }

    /// What an error code of the connection to `brokers` means; the second part is whether it will
    /// not go away by itself.
    pub(super) fn of_connection(
        code: RDKafkaErrorCode,
        brokers: &str,
        reason: &str,
    ) -> (Self, bool) {
        let (brokers, reason) = (brokers.to_owned(), plain(reason));
        match code {
            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
                (Self::Login { brokers, reason }, true)
            }
            RDKafkaErrorCode::SSL => (Self::Tls { brokers, reason }, true),
            RDKafkaErrorCode::Resolve => (Self::UnknownHost { brokers, reason }, false),
            _ => (Self::Unreachable { brokers, reason }, false),
        }
    }

    /// What the answer to a question about `topic` means, if it is an error that stays.
    pub(super) fn of_topic(code: RDKafkaErrorCode, topic: &str, brokers: &str) -> (Self, bool) {
        let (topic, brokers) = (topic.to_owned(), brokers.to_owned());
        match code {
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
                (Self::NoTopic { topic, brokers }, true)
            }
            RDKafkaErrorCode::TopicAuthorizationFailed => (Self::NotAllowed { topic }, true),
            RDKafkaErrorCode::InvalidTopic => (Self::NoTopic { topic, brokers }, true),
            other => (
                Self::Topic {
                    topic,
                    reason: other.to_string(),
                },
                false,
            ),
        }
    }
}

/// librdkafka's reasons end in notes for its own developers: `(after 3ms in state CONNECT, ..)`.
fn plain(reason: &str) -> String {
    let end = reason.find(" (after ").unwrap_or(reason.len());
    reason
        .get(..end)
        .unwrap_or(reason)
        .trim_end_matches([':', ' ', '.'])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_without_notes_for_developers() {
        for (reason, text) in [
            (
                "localhost:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused \
                 (after 0ms in state CONNECT)",
                "localhost:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused",
            ),
            ("1/1 brokers are down", "1/1 brokers are down"),
            ("", ""),
        ] {
            assert_eq!(plain(reason), text);
        }
    }

    #[test]
    fn errors_that_stay_are_told_from_those_that_pass() {
        let stays = |code| SourceError::of_connection(code, "b:1", "r").1;
        assert!(stays(RDKafkaErrorCode::Authentication) && stays(RDKafkaErrorCode::SSL));
        assert!(!stays(RDKafkaErrorCode::AllBrokersDown) && !stays(RDKafkaErrorCode::Resolve));
        let (error, stays) =
            SourceError::of_topic(RDKafkaErrorCode::UnknownTopicOrPartition, "t", "b:1");
        assert!(stays);
        assert_eq!(
            error.to_string(),
            "there is no topic `t` on `b:1`: create it, or correct its name"
        );
        assert!(!SourceError::of_topic(RDKafkaErrorCode::LeaderNotAvailable, "t", "b").1);
    }

    #[test]
    fn the_value_of_a_property_is_not_shown() {
        let mut config = rdkafka::ClientConfig::new();
        config.set("sasl.mechanism.secret", "hunter2");
        let error = config.create_native_config().err().unwrap();
        let text = SourceError::of_client(&error).to_string();
        assert!(
            text.contains("sasl.mechanism.secret") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
