//! A broker of our own, and topics of it that are full.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use driftd::time::Timestamp;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::events::{Random, Shape, event};
use crate::{Case, Outcome};

pub const PARTITIONS: i32 = 8;

/// Stopped when dropped.
pub struct Kafka {
    script: PathBuf,
    dir: tempfile::TempDir,
    pub bootstrap: String,
}

impl Kafka {
    pub fn start() -> Outcome<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = root.join("tests/system/kafka/kafka.sh");
        let dir = tempfile::tempdir()?;
        let run = |what: &[&str]| {
            let mut command = Command::new("bash");
            command
                .arg(&script)
                .args(what)
                .env("KAFKA_DIR", dir.path())
                .stderr(Stdio::inherit());
            command.output()
        };
        run(&["fetch"])?;
        let started = String::from_utf8(run(&["start", "1"])?.stdout)?;
        let found = started
            .lines()
            .find_map(|line| line.strip_prefix("KAFKA_BOOTSTRAP="));
        let bootstrap = found.ok_or("Kafka did not start")?.to_owned();
        Ok(Self {
            script,
            dir,
            bootstrap,
        })
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn create(&self, topic: &str) -> Outcome<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
        let new = new.set("retention.ms", "-1");
        let made = admin.create_topics([&new], &AdminOptions::new());
        runtime()?.block_on(made)?;
        Ok(())
    }

    /// Creates a topic and fills it with events; returns the bytes of all values.
    pub fn fill(&self, topic: &str, events: u64, case: &Case) -> Outcome<u64> {
        self.create(topic)?;
        self.add(topic, events, case, 21_600)
    }

    /// Adds events from a second of the stream on; returns the bytes of all values.
    pub fn add(&self, topic: &str, events: u64, case: &Case, from: u64) -> Outcome<u64> {
        let mut load = Load::new(self, topic, case.shape, case.codec)?;
        for count in 0..events {
            // models come in turns as well, and are to be in each partition
            let at = from + count * case.span / events.max(1);
            load.send(count, at, count / 64 % 8)?;
        }
        load.finish()
    }

    /// Sends so many events a second for so many seconds; returns the bytes of all values.
    pub fn produce(&self, topic: &str, (rate, seconds): (u64, u64), shape: Shape) -> Outcome<u64> {
        let mut load = Load::new(self, topic, shape, "lz4")?;
        let begun = Instant::now();
        for count in 0..rate * seconds {
            load.send(count, count / rate, count % 8)?;
            let due = Duration::from_micros(count * 1_000_000 / rate);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        load.finish()
    }

    /// Takes away all events of a topic.
    pub fn empty(&self, topic: &str) -> Outcome<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(topic, partition, Offset::End)?;
        }
        let emptied = runtime()?.block_on(admin.delete_records(&all, &AdminOptions::new()))?;
        for partition in emptied.elements() {
            partition.error()?;
        }
        Ok(())
    }

    /// Makes room for the next topic.
    pub fn forget(&self, topic: &str) -> Outcome<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        runtime()?.block_on(admin.delete_topics(&[topic], &AdminOptions::new()))?;
        Ok(())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let mut stop = Command::new("bash");
        let stopped = stop
            .arg(&self.script)
            .arg("kill9")
            .env("KAFKA_DIR", self.dir.path())
            .status();
        if stopped.is_err() {
            eprintln!("Kafka is still running in {}", self.dir.path().display());
        }
    }
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}

/// Sends events to a topic.
struct Load {
    producer: BaseProducer,
    topic: String,
    shape: Shape,
    random: Random,
    line: String,
    start: i64,
    bytes: u64,
}

impl Load {
    fn new(kafka: &Kafka, topic: &str, shape: Shape, codec: &str) -> Outcome<Self> {
        Ok(Self {
            producer: kafka
                .config()
                .set("compression.type", codec)
                .set("linger.ms", "50")
                .set("batch.size", "1000000")
                .set("queue.buffering.max.messages", "500000")
                .create()?,
            topic: topic.to_owned(),
            shape,
            random: Random(7),
            line: String::new(),
            start: "2026-03-01T00:00:00Z".parse::<Timestamp>()?.as_millis(),
            bytes: 0,
        })
    }

    /// The `count`th event, at second `at` of the stream.
    fn send(&mut self, count: u64, at: u64, partition: u64) -> Outcome<()> {
        event(&mut self.line, self.shape, (count, at), &mut self.random);
        self.bytes += self.line.len() as u64;
        // the record is as old as its event, or it would be rejected as expired
        let mut record = BaseRecord::<(), str>::to(&self.topic)
            .payload(&self.line)
            .partition(i32::try_from(partition)? % PARTITIONS)
            .timestamp(self.start + at.cast_signed() * 1_000);
        while let Err((error, back)) = self.producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            self.producer.poll(Duration::from_millis(5));
            record = back;
        }
        if count.is_multiple_of(1_000) {
            self.producer.poll(Duration::ZERO);
        }
        Ok(())
    }

    fn finish(self) -> Outcome<u64> {
        self.producer.flush(Duration::from_mins(2))?;
        Ok(self.bytes)
    }
}
