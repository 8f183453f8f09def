//! Three brokers with topics of three replicas, and what is done to both.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::driftd::PATIENCE;
use crate::poll::poll_until;
use crate::rig::{Kafka, temp_dir, text};

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The ids of the brokers.
pub(super) const BROKERS: [&str; 3] = ["1", "2", "3"];

/// Three controllers on two cores, beside everything else, need longer than usual to agree on one.
const PATIENT: &str = "controller.quorum.election.timeout.ms=4000\n\
                       controller.quorum.fetch.timeout.ms=5000\n\
                       controller.quorum.request.timeout.ms=5000\n\
                       broker.session.timeout.ms=9000";

/// See the module header.
pub(super) struct Cluster {
    kafka: Kafka,
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
}

impl Cluster {
    pub(super) fn start() -> Self {
        let settings = [("KAFKA_HEAP", "320m"), ("KAFKA_EXTRA", PATIENT)];
        let kafka = Kafka::start("-chaos", "3", &settings);
        let admin = client(&kafka).create().expect("a client");
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        Self {
            kafka,
            admin,
            runtime: runtime.enable_all().build().expect("a runtime"),
        }
    }

    /// What every client of the cluster begins with.
    pub(super) fn client(&self) -> ClientConfig {
        client(&self.kafka)
    }

    /// A daemon's `[kafka]` table without its header.
    pub(super) fn to_toml(&self, session_ms: u32) -> String {
        let brokers: Vec<&str> = self.kafka.bootstrap().split(',').collect();
        format!(
            "brokers = {brokers:?}\nproperties = {{ \"session.timeout.ms\" = \"{session_ms}\", \
             \"topic.metadata.refresh.interval.ms\" = \"2000\" }}"
        )
    }

    /// Makes a topic that keeps its records for ever, whatever their timestamps.
    pub(super) fn create(&self, topic: &str, partitions: usize) {
        let age_max = i64::MAX.to_string();
        let count = i32::try_from(partitions).expect("there are few");
        let new = NewTopic::new(topic, count, TopicReplication::Fixed(3))
            .set("retention.ms", "-1")
            .set("min.insync.replicas", "2")
            .set("message.timestamp.before.max.ms", &age_max)
            .set("message.timestamp.after.max.ms", &age_max);
        // one that was deleted a moment ago may still be there
        self.until(&format!("{topic} is made"), || {
            let made = self.admin.create_topics([&new], &AdminOptions::new());
            let made = self.runtime.block_on(made).ok()?;
            made.first()?.is_ok().then_some(())
        });
        self.until_partitions(topic, partitions);
    }

    pub(super) fn delete(&self, topic: &str) {
        self.until(&format!("{topic} is deleted"), || {
            let deleted = self.admin.delete_topics(&[topic], &AdminOptions::new());
            let deleted = self.runtime.block_on(deleted).ok()?;
            deleted.first()?.is_ok().then_some(())
        });
    }

    /// Gives a topic more partitions, so that it has so many.
    pub(super) fn add_partitions(&self, topic: &str, partitions: usize) {
        let new = NewPartitions::new(topic, partitions);
        let made = self.admin.create_partitions([&new], &AdminOptions::new());
        let made = self.runtime.block_on(made).expect("Kafka answers");
        for made in made {
            made.expect("Kafka makes partitions");
        }
        self.until_partitions(topic, partitions);
    }

    fn until_partitions(&self, topic: &str, partitions: usize) {
        self.until(&format!("{topic} has {partitions} partitions"), || {
            let metadata = self.metadata(Some(topic))?;
            let topic = metadata.topics().first()?;
            let led = topic.partitions().iter().filter(|one| one.leader() >= 0);
            (led.count() == partitions).then_some(())
        });
    }

    /// Takes the records before this offset away, as retention does.
    pub(super) fn delete_before(&self, topic: &str, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(offset))
            .expect("an offset");
        self.until(&format!("{topic} begins at {offset}"), || {
            let deleted = self.admin.delete_records(&list, &AdminOptions::new());
            let deleted = self.runtime.block_on(deleted).ok()?;
            let is_done = deleted.elements().iter().all(|one| one.error().is_ok());
            is_done.then_some(())
        });
    }

    /// The end of a partition.
    pub(super) fn end(&self, topic: &str, partition: usize) -> u64 {
        let consumer: BaseConsumer = self.client().create().expect("a consumer");
        let partition = i32::try_from(partition).expect("there are few");
        self.until(&format!("{topic} says where it ends"), || {
            let (_, end) = consumer.fetch_watermarks(topic, partition, TIMEOUT).ok()?;
            u64::try_from(end).ok()
        })
    }

    /// How many records of a topic are given to whoever reads it from its beginning to its end:
    /// what is there, but for markers and what was aborted.
    pub(super) fn readable(&self, topic: &str, partitions: usize) -> u64 {
        let consumer = self.read_whole(topic, partitions);
        let (mut records, mut ended) = (0, BTreeSet::new());
        while ended.len() < partitions {
            match consumer.poll(PATIENCE).expect("there is more to read") {
                Ok(_) => records += 1,
                Err(KafkaError::PartitionEOF(partition)) => {
                    ended.insert(partition);
                }
                Err(_) => {}
            }
        }
        records
    }

    /// `kill -9` of a broker.
    pub(super) fn kill(&self, broker: &str) {
        self.kafka.run(&["kill9", broker], &[]);
    }

    /// A controlled shutdown of a broker: it hands over what it leads.
    pub(super) fn stop(&self, broker: &str) {
        self.kafka.run(&["stop", broker], &[]);
    }

    /// Starts a broker that is down, and waits until it has caught up with everything.
    pub(super) fn restart(&self, broker: &str) {
        self.kafka
            .run(&["restart", broker], &[("KAFKA_HEAP", "320m")]);
        self.until("all replicas are in sync", || {
            let metadata = self.metadata(None)?;
            let topics = metadata.topics().iter();
            let mut partitions = topics.flat_map(MetadataTopic::partitions);
            let is_whole = partitions.all(|one| one.isr().len() == one.replicas().len());
            (metadata.brokers().len() == BROKERS.len() && is_whole).then_some(())
        });
    }

    /// Has all partitions of these topics led by the next one of their replicas.
    pub(super) fn move_leaders(&self, topics: &[&str]) {
        let (mut moved, mut elected) = (Vec::new(), Vec::new());
        for topic in topics {
            let metadata = self.until(&format!("{topic} is known"), || self.metadata(Some(topic)));
            for one in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
                let mut replicas = one.replicas().to_vec();
                replicas.sort_unstable();
                let leader = replicas.iter().position(|broker| *broker == one.leader());
                let next = leader.map_or(0, |at| at + 1) % replicas.len();
                replicas.rotate_left(next);
                let id = one.id();
                elected.push(json!({"topic": topic, "partition": id}));
                moved.push(json!({"topic": topic, "partition": id, "replicas": replicas}));
            }
        }
        let dir = temp_dir("leaders-");
        let file = dir.path().join("moved.json");
        let moved = json!({"version": 1, "partitions": moved});
        std::fs::write(&file, moved.to_string()).expect("its directory can be written");
        let at = ["--bootstrap-server", self.kafka.bootstrap()];
        let class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
        let what = ["--reassignment-json-file", text(&file), "--execute"];
        self.kafka
            .run(&[&["tool", class][..], &at, &what].concat(), &[]);
        let elected = json!({"partitions": elected});
        std::fs::write(&file, elected.to_string()).expect("its directory can be written");
        let class = "org.apache.kafka.tools.LeaderElectionCommand";
        let what = [
            "--election-type",
            "preferred",
            "--path-to-json-file",
            text(&file),
        ];
        self.kafka
            .run(&[&["tool", class][..], &at, &what].concat(), &[]);
    }

    /// Puts half of the newest manifest of the snapshots in its place.
    pub(super) fn tear_snapshot(&self, topic: &str) {
        let consumer = self.read_whole(topic, 1);
        let mut newest: Option<(Vec<u8>, Vec<u8>)> = None;
        self.until("the snapshots are read", || {
            match consumer.poll(TIMEOUT)? {
                Ok(message) => {
                    let key = message.key().unwrap_or_default().to_vec();
                    let is_manifest = key.first() == Some(&b'm');
                    let is_newest = newest.as_ref().is_none_or(|(known, _)| *known <= key);
                    let value = message.payload().unwrap_or_default().to_vec();
                    if is_manifest && is_newest && !value.is_empty() {
                        newest = Some((key, value));
                    }
                    None
                }
                Err(KafkaError::PartitionEOF(_)) => Some(()),
                Err(_) => None,
            }
        });
        let (key, value) = newest.expect("there is a snapshot");
        let producer: BaseProducer = self.client().create().expect("a producer");
        let torn = BaseRecord::to(topic)
            .partition(0)
            .key(&key)
            .payload(&value[..value.len() / 2]);
        assert!(producer.send(torn).is_ok(), "it can be queued");
        producer.flush(PATIENCE).expect("Kafka takes it");
    }

    /// A consumer of a topic from its beginning on, which tells of the ends.
    fn read_whole(&self, topic: &str, partitions: usize) -> BaseConsumer {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "look")
            .set("enable.partition.eof", "true")
            .create()
            .expect("a consumer");
        let mut from = TopicPartitionList::new();
        for partition in 0..partitions {
            let partition = i32::try_from(partition).expect("there are few");
            from.add_partition_offset(topic, partition, Offset::Beginning)
                .expect("a partition");
        }
        consumer.assign(&from).expect("an assignment");
        consumer
    }

    fn metadata(&self, topic: Option<&str>) -> Option<Metadata> {
        self.admin.inner().fetch_metadata(topic, TIMEOUT).ok()
    }

    #[expect(clippy::unused_self, reason = "what is waited for is of the cluster")]
    fn until<T>(&self, what: &str, ask: impl FnMut() -> Option<T>) -> T {
        poll_until(PATIENCE, ask).unwrap_or_else(|| panic!("it never came that {what}"))
    }
}

fn client(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", kafka.bootstrap())
        .set("topic.metadata.refresh.interval.ms", "1000")
        .set("reconnect.backoff.max.ms", "1000");
    config
}
