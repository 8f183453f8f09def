//! Topics and what stands in them.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::poll::poll_until;
use crate::rig::kafka;

/// How long Kafka may take for one thing that is asked of it.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The largest record that topics of tests take.
const RECORD_BYTES_MAX: &str = "4194304";

/// One record to be.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    /// Its timestamp in milliseconds.
    pub(crate) timestamp: i64,
    pub(crate) value: Option<Vec<u8>>,
}

/// Random numbers of a seed: splitmix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of these.
    pub(crate) fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let end = i64::try_from(from.len()).expect("there are few");
        from[usize::try_from(self.below(end)).expect("it is below the end")]
    }

    /// A whole number from 0 to `end`, excluded.
    pub(crate) fn below(&mut self, end: i64) -> i64 {
        let end = u64::try_from(end).expect("the end is not negative");
        i64::try_from(self.next() % end).expect("it is below the end")
    }
}

fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", kafka().bootstrap())
        .create()
        .expect("a client")
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// Makes a topic that keeps its records for ever, whatever their timestamps.
pub(crate) fn create_topic(name: &str, partitions: i32) {
    let admin = admin();
    let age_max = i64::MAX.to_string();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1))
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("max.message.bytes", RECORD_BYTES_MAX)
        .set("message.timestamp.type", "CreateTime")
        .set("message.timestamp.before.max.ms", &age_max)
        .set("message.timestamp.after.max.ms", &age_max);
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let results = runtime().block_on(admin.create_topics([&topic], &options));
    for result in results.expect("Kafka makes topics") {
        result.unwrap_or_else(|(name, code)| panic!("topic {name} was not made: {code}"));
    }
    // the controller has it; those who ask the broker must find it there too
    let known = poll_until(TIMEOUT, || {
        let metadata = admin.inner().fetch_metadata(Some(name), TIMEOUT).ok()?;
        let found = metadata.topics().first()?.partitions().len();
        (i32::try_from(found) == Ok(partitions)).then_some(())
    });
    known.unwrap_or_else(|| panic!("topic {name} is not known to the broker"));
}

/// A producer that compresses with `codec`.
pub(crate) fn producer(codec: &str) -> BaseProducer {
    ClientConfig::new()
        .set("bootstrap.servers", kafka().bootstrap())
        .set("compression.type", codec)
        .set("linger.ms", "20")
        .set("batch.num.messages", "10000")
        .set("message.max.bytes", RECORD_BYTES_MAX)
        .set("queue.buffering.max.messages", "200000")
        .set("enable.idempotence", "true")
        .create()
        .expect("a producer")
}

/// Sends records in their order, and returns when Kafka has all of them.
pub(crate) fn send<'a>(
    producer: &BaseProducer,
    topic: &str,
    records: impl IntoIterator<Item = &'a Record>,
) {
    for (sent, record) in records.into_iter().enumerate() {
        let mut message = BaseRecord::<(), [u8]>::to(topic)
            .partition(record.partition)
            .timestamp(record.timestamp);
        message.payload = record.value.as_deref();
        while let Err((error, back)) = producer.send(message) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert!(error == full, "a record was not sent: {error}");
            producer.poll(Duration::from_millis(10));
            message = back;
        }
        if sent % 1000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(TIMEOUT).expect("Kafka takes all records");
}

/// What driftd copied into a topic.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) value: Option<Vec<u8>>,
}

/// All records of a topic of one partition, once there are `count` of them.
pub(crate) fn read_all(topic: &str, count: u64) -> Vec<Copy> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka().bootstrap())
        .set("group.id", format!("read-{topic}"))
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let end = poll_until(TIMEOUT, || {
        let (_, end) = consumer.fetch_watermarks(topic, 0, TIMEOUT).ok()?;
        u64::try_from(end).ok().filter(|end| *end >= count)
    });
    let end = end.unwrap_or_else(|| panic!("{topic} does not get {count} records"));
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning)
        .expect("a partition");
    consumer.assign(&from).expect("an assignment");
    let mut copies = Vec::new();
    while (copies.len() as u64) < end {
        let message = consumer.poll(TIMEOUT).expect("a record").expect("no error");
        let headers = message
            .headers()
            .into_iter()
            .flat_map(|headers| headers.iter());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        copies.push(Copy {
            headers: headers
                .map(|header| {
                    (
                        header.key.to_owned(),
                        text(header.value.unwrap_or_default()),
                    )
                })
                .collect(),
            value: message.payload().map(<[u8]>::to_vec),
        });
    }
    copies
}

/// Takes a topic away.
pub(crate) fn delete_topic(name: &str) {
    let admin = admin();
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
    let results = runtime().block_on(admin.delete_topics(&[name], &options));
    for result in results.expect("Kafka deletes topics") {
        result.unwrap_or_else(|(name, code)| panic!("topic {name} was not deleted: {code}"));
    }
    let gone = poll_until(TIMEOUT, || {
        let metadata = admin.inner().fetch_metadata(None, TIMEOUT).ok()?;
        let is_there = metadata.topics().iter().any(|topic| topic.name() == name);
        (!is_there).then_some(())
    });
    gone.unwrap_or_else(|| panic!("topic {name} does not go away"));
}

/// The first offset that a topic of one partition still has.
pub(crate) fn low_watermark(topic: &str) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka().bootstrap())
        .create()
        .expect("a consumer");
    let (low, _) = consumer
        .fetch_watermarks(topic, 0, TIMEOUT)
        .expect("Kafka knows it");
    low
}
