//! A broker of our own, and topics of it that are full.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use driftd::time::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

use crate::Outcome;
use crate::events::{Random, Shape, event};

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

    /// Creates a topic and fills it; returns the bytes of all values.
    pub fn fill(&self, topic: &str, events: u64, shape: Shape, codec: &str) -> Outcome<u64> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
        let new = new.set("retention.ms", "-1");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(admin.create_topics([&new], &AdminOptions::new()))?;
        let producer: BaseProducer = self
            .config()
            .set("compression.type", codec)
            .set("linger.ms", "50")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "500000")
            .create()?;
        let (mut line, mut random) = (String::new(), Random(7));
        let start = "2026-03-01T00:00:00Z".parse::<Timestamp>()?.as_millis();
        let mut bytes = 0;
        for count in 0..events {
            // a day of event time over the whole stream
            let at = count * 86_400 / events.max(1);
            event(&mut line, shape, (count, at), &mut random);
            bytes += line.len() as u64;
            // not that of the model, which comes in turns too
            let partition = i32::try_from(count / 64 % 8)?;
            // the record is as old as its event, or it would be rejected as expired
            let mut record = BaseRecord::<(), str>::to(topic)
                .payload(&line)
                .partition(partition)
                .timestamp(start + at.cast_signed() * 1_000);
            while let Err((error, back)) = producer.send(record) {
                if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                    return Err(error.into());
                }
                producer.poll(Duration::from_millis(5));
                record = back;
            }
            if count % 1_000 == 0 {
                producer.poll(Duration::ZERO);
            }
        }
        producer.flush(Duration::from_mins(2))?;
        Ok(bytes)
    }

    /// Makes room for the next topic.
    pub fn forget(&self, topic: &str) -> Outcome<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(admin.delete_topics(&[topic], &AdminOptions::new()))?;
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
