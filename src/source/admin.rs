//! How clients are configured, and the questions that are asked before and beside reading.
//!
//! A client's properties come in three layers, the later ones win:
//!
//! ```text
//! what suits driftd < kafka.properties, the operator's < what driftd's exactness rests on
//! ```
//!
//! The last layer is [`REQUIRED`], with `bootstrap.servers`, `client.id`, `group.id` and the bound
//! of the prefetch.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::groups::GroupInfo;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};

use super::door::lock;
use super::error::SourceError;
use crate::clock::Clock;
use crate::config::Kafka;

/// What suits driftd, unless the operator says otherwise.
const PREFERRED: [(&str, &str); 3] = [
    // or a connection that a firewall has forgotten is noticed after two hours
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.max.ms", "5000"),
    // how soon new partitions are noticed
    ("topic.metadata.refresh.interval.ms", "60000"),
];

/// As [`PREFERRED`], of consumers.
const PREFERRED_OF_CONSUMERS: [(&str, &str); 2] = [
    // a full prefetch queue is looked at again soon, or a fast worker waits a second for more
    ("fetch.queue.backoff.ms", "20"),
    // members learn from the answers that partitions move: nobody reads those until all have
    ("heartbeat.interval.ms", "1000"),
];

/// What the exactness of the counts, or the bound of memory, rests on; `kafka.properties` cannot
/// change it.
///
/// Positions come from the fold alone (no committed offsets, no reset that would skip records), a
/// missing topic stays missing, aborted transactions are not counted, the end of a partition is
/// said, and a change of members moves only the partitions that it has to.
pub const REQUIRED: [(&str, &str); 9] = [
    ("auto.offset.reset", "error"),
    ("allow.auto.create.topics", "false"),
    ("isolation.level", "read_committed"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
    ("group.protocol", "classic"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("statistics.interval.ms", "0"),
];

/// Records that wait in the clients of one source to be read, in KiB, over all of its workers. At
/// the bound a client stops fetching.
pub const PREFETCH_KIB_MAX: usize = 131_072;

/// The least part of [`PREFETCH_KIB_MAX`] that a worker gets.
const PREFETCH_KIB_MIN: usize = 2_048;

/// How long one question to the brokers may take before its errors are looked at.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);

/// A topic as the brokers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: i32,
}

/// Properties of a client that belongs to no group.
pub(crate) fn client_config(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (property, value) in PREFERRED {
        config.set(property, value);
    }
    for (property, value) in &kafka.properties {
        config.set(property, value);
    }
    config.set("bootstrap.servers", &kafka.brokers);
    config.set("client.id", client_id());
    config
}

/// Properties of one of `workers` consumers of a group.
pub(super) fn consumer_config(kafka: &Kafka, group: &str, workers: usize) -> ClientConfig {
    let mut config = asking_config(kafka);
    // while as much as waits at the most is handed out, as much again may be fetched
    let prefetch = (PREFETCH_KIB_MAX / 2 / workers.max(1)).max(PREFETCH_KIB_MIN);
    config.set("queued.max.messages.kbytes", prefetch.to_string());
    config.set("group.id", group);
    // where librdkafka tells of topics that were deleted and made again, see `rebalance`
    let debug = match config.get("debug") {
        Some(more) => format!("{more},metadata"),
        None => "metadata".to_owned(),
    };
    config.set("debug", debug);
    config.set_log_level(RDKafkaLogLevel::Debug);
    config
}

/// A consumer that only asks.
pub(super) fn asking(kafka: &Kafka) -> Result<BaseConsumer<Listener>, SourceError> {
    asking_config(kafka)
        .create_with_context(Listener::default())
        .map_err(|error| SourceError::of_client(&error))
}

/// Properties of a consumer that only asks; without a group, so that its errors can be polled.
fn asking_config(kafka: &Kafka) -> ClientConfig {
    let mut config = client_config(kafka);
    config.remove("group.id");
    for (property, value) in PREFERRED_OF_CONSUMERS {
        if config.get(property).is_none() {
            config.set(property, value);
        }
    }
    for (property, value) in REQUIRED {
        config.set(property, value);
    }
    config
}

/// The topics, or the first thing that is wrong with the brokers or with one of them.
pub fn check_topics(
    kafka: &Kafka,
    topics: &[String],
    timeout: Duration,
) -> Result<Vec<TopicInfo>, SourceError> {
    let mut desk = Desk::new(kafka, timeout)?;
    topics.iter().map(|topic| desk.topic(topic)).collect()
}

/// The id of the cluster: part of the name of every chain.
pub fn cluster_id(kafka: &Kafka, timeout: Duration) -> Result<String, SourceError> {
    let mut desk = Desk::new(kafka, timeout)?;
    loop {
        if let Some(id) = desk.consumer.client().fetch_cluster_id(desk.slice()) {
            return Ok(id);
        }
        desk.go_on(None)?;
    }
}

/// The client ids of the members of a consumer group; none where there is no such group.
pub fn members(kafka: &Kafka, group: &str, timeout: Duration) -> Result<Vec<String>, SourceError> {
    let mut desk = Desk::new(kafka, timeout)?;
    loop {
        if let Ok(groups) = desk.consumer.fetch_group_list(Some(group), desk.slice()) {
            let members = groups.groups().iter().flat_map(GroupInfo::members);
            return Ok(members
                .map(|member| member.client_id().to_owned())
                .collect());
        }
        desk.go_on(None)?;
    }
}

/// What the clients of this process are called, and those of no other.
pub fn client_id() -> String {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| format!("driftd-{:016x}", RandomState::new().build_hasher().finish()))
        .clone()
}

/// A client that asks one question after the other until a deadline.
struct Desk {
    consumer: BaseConsumer<Listener>,
    brokers: String,
    clock: Clock,
    deadline: std::time::Instant,
}

impl Desk {
    fn new(kafka: &Kafka, timeout: Duration) -> Result<Self, SourceError> {
        let consumer = asking(kafka)?;
        let (brokers, clock) = (kafka.brokers.clone(), Clock);
        Ok(Self {
            consumer,
            brokers,
            clock,
            deadline: clock.instant() + timeout,
        })
    }

    /// How long the next question may take.
    fn slice(&self) -> Duration {
        self.deadline
            .saturating_duration_since(self.clock.instant())
            .min(QUESTION_TIMEOUT)
    }

    fn topic(&mut self, topic: &str) -> Result<TopicInfo, SourceError> {
        loop {
            let passing = match self.consumer.fetch_metadata(Some(topic), self.slice()) {
                Ok(metadata) => {
                    let found = metadata.topics().iter().find(|found| found.name() == topic);
                    let code = found
                        .and_then(MetadataTopic::error)
                        .map(RDKafkaErrorCode::from);
                    let count = found.map_or(0, |found| found.partitions().len());
                    match code {
                        None if count > 0 => {
                            let partitions = i32::try_from(count).unwrap_or(i32::MAX);
                            return Ok(TopicInfo {
                                topic: topic.to_owned(),
                                partitions,
                            });
                        }
                        None => None,
                        Some(code) => match SourceError::of_topic(code, topic, &self.brokers) {
                            (error, true) => return Err(error),
                            (error, false) => Some(error),
                        },
                    }
                }
                Err(_explained_by_errors_of_the_connection) => None,
            };
            self.go_on(passing)?;
        }
    }

    /// After a question without an answer: `Err` when the errors of the connection say that there
    /// will be none, or when time is up.
    fn go_on(&mut self, passing: Option<SourceError>) -> Result<(), SourceError> {
        // each poll serves one event; the first waits, so that errors can arrive
        for wait_ms in [50, 0, 0, 0, 0, 0, 0, 0] {
            drop(self.consumer.poll(Duration::from_millis(wait_ms)));
        }
        let heard = lock(&self.consumer.context().0).clone();
        let (code, reason) = heard.unwrap_or((
            RDKafkaErrorCode::OperationTimedOut,
            "no answer in time".to_owned(),
        ));
        let (error, stays) = SourceError::of_connection(code, &self.brokers, &reason);
        if stays || self.slice().is_zero() {
            return Err(passing.unwrap_or(error));
        }
        Ok(())
    }
}

/// Keeps the error of the connection that says most about why there is no answer.
#[derive(Default)]
pub(super) struct Listener(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else {
            return;
        };
        let mut heard = lock(&self.0);
        // "all brokers are down" only sums up what was said before
        if heard.is_none() || code != RDKafkaErrorCode::AllBrokersDown {
            *heard = Some((code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Listener {}

/// Passes on a line of librdkafka's own log. It repeats itself at every retry of an outage, so it
/// is for those who look for it; outages themselves are reported by [`super::health::Health`].
pub(crate) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    if matches!(level, RDKafkaLogLevel::Debug) {
        tracing::trace!(target: "librdkafka", facility, message);
    } else {
        tracing::debug!(target: "librdkafka", facility, message);
    }
}

/// A partition of a topic.
pub type Place = (Arc<str>, i32);

/// Asks for an offset of each partition in one call that takes no longer than `timeout`: of
/// `Offset::Beginning`, of `Offset::End` (in a client that reads committed records, the end of
/// those), or, for `Offset::Offset(t)`, of the first record with timestamp `t` ms or later, which
/// has the answer `Offset::End` where there is none.
///
/// Partitions that have no answer are left out.
pub(super) fn ask_offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    questions: impl IntoIterator<Item = (Place, Offset)>,
    timeout: Duration,
) -> KafkaResult<BTreeMap<Place, Offset>> {
    let mut list = TopicPartitionList::new();
    let mut topics = BTreeSet::new();
    for ((topic, partition), question) in questions {
        list.add_partition_offset(&topic, partition, question)?;
        topics.insert(topic);
    }
    if list.count() == 0 {
        return Ok(BTreeMap::new());
    }
    let answers = consumer.offsets_for_times(list, timeout)?;
    let answers = answers.elements();
    let answered = answers.iter().filter(|answer| answer.error().is_ok());
    Ok(answered
        .filter_map(|answer| {
            let topic = topics.get(answer.topic())?;
            Some(((Arc::clone(topic), answer.partition()), answer.offset()))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_overrides_what_is_preferred_but_not_what_is_required() {
        let properties = [
            ("session.timeout.ms", "30000"),
            ("auto.offset.reset", "latest"),
            ("group.id", "other"),
            ("fetch.wait.max.ms", "7"),
        ];
        let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let kafka = Kafka {
            brokers: "b:1".to_owned(),
            properties: properties.into(),
        };
        let config = consumer_config(&kafka, "driftd", 4);
        for (property, value) in [
            ("session.timeout.ms", "30000"),
            ("fetch.wait.max.ms", "7"),
            ("client.id", &client_id()),
            ("auto.offset.reset", "error"),
            ("group.id", "driftd"),
            ("bootstrap.servers", "b:1"),
            ("queued.max.messages.kbytes", "16384"),
        ] {
            assert_eq!(config.get(property), Some(value), "{property}");
        }
        assert_eq!(asking_config(&kafka).get("group.id"), None);
        assert!(
            config.create_native_config().is_ok(),
            "librdkafka knows all of them"
        );
    }

    #[test]
    fn a_broker_that_does_not_answer_is_named() {
        let kafka = Kafka {
            brokers: "127.0.0.1:1".to_owned(),
            properties: BTreeMap::new(),
        };
        let timeout = Duration::from_millis(300);
        let error = check_topics(&kafka, &["t".to_owned()], timeout)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("no broker of `127.0.0.1:1` answers"),
            "{error}"
        );
        assert!(error.contains("Connection refused"), "{error}");
    }
}
