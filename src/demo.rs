//! `driftd demo`: the whole daemon over an embedded broker and traffic that drifts.
//!
//! One process, no other software: librdkafka's mock cluster is the broker, the state log and the
//! references live in a temporary directory, and what runs is [`crate::app::serve`] as it always
//! runs. The traffic begins a day ago and goes 720 times as fast as the clock, until it has
//! caught up after two minutes; from there on it goes at the pace of the clock.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

use crate::app::{self, AppError, Running};
use crate::clock::Clock;
use crate::config::{Config, Overrides, Problems};
use crate::demo::story::Narrator;
use crate::demo::traffic::{Model, Random, busyness};
use crate::key::{Name, NameError};
use crate::reference::ReferenceRole;
use crate::reference::artifact;
use crate::reference::build::{self, BuildError, BuildRequest};
use crate::time::{Length, Timestamp};

mod story;
mod traffic;

/// How much faster than the clock the traffic goes until it has caught up: a day in two minutes.
const SPEED: i32 = 720;

/// The topic of the demo.
const TOPIC: &str = "inference";

/// Its partitions.
const PARTITIONS: i32 = 4;

/// Rows of training data for each model version.
const TRAINING_ROWS: u32 = 60_000;

/// The token of the demo's operator: whoever runs it can try acknowledging and muting.
const TOKEN: &str = "drift-demo-operator";

/// How often events are made.
const TICK: Duration = Duration::from_millis(50);

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Files of the demo.
    #[error("the demo's directory {} cannot be used", .path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The embedded broker.
    #[error("the embedded broker failed")]
    Broker(#[from] KafkaError),
    /// A reference.
    #[error("the demo's references cannot be built")]
    Reference(#[from] BuildError),
    /// A name, which is a fault of the demo.
    #[error("a name of the demo is wrong")]
    Name(#[from] NameError),
    /// The configuration, which can only be the address.
    #[error("the configuration is wrong")]
    Config(#[from] Problems),
    /// The daemon.
    #[error(transparent)]
    App(#[from] AppError),
    /// A thread ended.
    #[error("a part of the demo stopped: {0}")]
    Thread(&'static str),
}

/// Runs the demo until `stop` is done.
pub async fn run(
    listen: Option<String>,
    clock: Clock,
    stop: impl Future<Output = ()>,
) -> Result<(), DemoError> {
    let dir = tempfile::Builder::new()
        .prefix("driftd-demo-")
        .tempdir()
        .map_err(|source| DemoError::Directory {
            path: std::env::temp_dir(),
            source,
        })?;
    story::introduce();
    let start = clock.now().floor(Length::MINUTE) - Length::DAY;
    let root = dir.path().to_owned();
    let references = tokio::task::spawn_blocking(move || train(&root, start));
    references
        .await
        .map_err(|_panicked| DemoError::Thread("training"))??;

    let (ended, ending) = channel();
    let (bootstrap, broker) = start_broker(ending)?;
    let config = configure(&bootstrap, dir.path(), listen)?;
    let quiet = Arc::new(AtomicBool::new(false));
    let (told, traffic) = (Arc::clone(&quiet), bootstrap.clone());
    let mut generator = None;
    let served = app::serve(config, clock, stop, |running: Running| {
        story::point(&running, TOKEN);
        let teller = Narrator::new(running.shared, start);
        let produce = move || produce(&traffic, clock, start, teller, &told);
        generator = thread::Builder::new()
            .name("traffic".to_owned())
            .spawn(produce)
            .ok();
    })
    .await;
    quiet.store(true, Ordering::Relaxed);
    let produced = generator.map_or(Ok(Ok(())), thread::JoinHandle::join);
    drop(ended);
    let broken = broker.join().is_err();
    served?;
    produced.map_err(|_panicked| DemoError::Thread("traffic"))??;
    if broken {
        Err(DemoError::Thread("broker"))
    } else {
        Ok(())
    }
}

/// Starts the broker on a thread of its own, since it cannot be moved between threads; it lives
/// until the other end of `ending` is dropped.
fn start_broker(ending: Receiver<()>) -> Result<(String, thread::JoinHandle<()>), DemoError> {
    let (up, started) = channel();
    let serve = move || {
        let cluster = MockCluster::new(1);
        let bootstrap = cluster.as_ref().map_err(Clone::clone).and_then(|cluster| {
            cluster.create_topic(TOPIC, PARTITIONS, 1)?;
            Ok(cluster.bootstrap_servers())
        });
        let _the_demo_has_given_up = Sender::send(&up, bootstrap);
        while ending.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {}
        drop(cluster);
    };
    let spawned = thread::Builder::new()
        .name("broker".to_owned())
        .spawn(serve);
    let broker = spawned.map_err(|_no_room| DemoError::Thread("broker"))?;
    let bootstrap = started
        .recv()
        .map_err(|_gone| DemoError::Thread("broker"))??;
    Ok((bootstrap, broker))
}

/// The configuration: what `serve` takes, with everything in the demo's directory.
fn configure(bootstrap: &str, dir: &Path, listen: Option<String>) -> Result<Config, DemoError> {
    let tokens = dir.join("tokens");
    let failed = |source| DemoError::Directory {
        path: tokens.clone(),
        source,
    };
    std::fs::write(&tokens, format!("operate demo {TOKEN}\n")).map_err(failed)?;
    let dir = dir.display();
    let settings = [
        ("DRIFTD__STATE__HOME", "embedded".to_owned()),
        ("DRIFTD__STATE__DIR", format!("{dir}/state")),
        ("DRIFTD__STATE__FLUSH_INTERVAL", "1s".to_owned()),
        // or whoever looks at its metrics and dashboards would wait for ten minutes to see one
        ("DRIFTD__STATE__SNAPSHOT_INTERVAL", "30s".to_owned()),
        ("DRIFTD__REFERENCE__URL", format!("{dir}/references")),
        ("DRIFTD__HTTP__TOKENS_FILE", tokens.display().to_string()),
        ("DRIFTD__HTTP__READS", "all".to_owned()),
        ("DRIFTD__LOG__LEVEL", "warn".to_owned()),
    ];
    let overrides = Overrides {
        brokers: Some(bootstrap.to_owned()),
        topics: vec![TOPIC.to_owned()],
        listen,
        ..Overrides::default()
    };
    let settings = settings
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    Ok(crate::config::load(None, settings, &overrides)?)
}

/// Writes training data and builds the references of all model versions from it.
fn train(dir: &Path, start: Timestamp) -> Result<(), DemoError> {
    // by the hour of the story that the training data is like
    for (model, version, hour) in [
        (Model::Fraud, "7", -1.0),
        (Model::Fraud, "8", 20.0),
        (Model::Churn, "3", -1.0),
    ] {
        let name = match model {
            Model::Fraud => "fraud",
            Model::Churn => "churn",
        };
        let input = dir.join(format!("{name}-{version}.jsonl"));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DemoError::Directory { path, source }
        };
        let lines = training(model, start, hour);
        std::fs::write(&input, lines).map_err(failed(&input))?;
        let request = BuildRequest {
            inputs: vec![input.clone()],
            ..BuildRequest::new(
                Name::new(name)?,
                Name::new(version)?,
                ReferenceRole::Training,
            )
        };
        let reference = build::build(&request, &build::Quiet)?;
        let place = dir.join("references").join(name).join(version);
        std::fs::create_dir_all(&place).map_err(failed(&place))?;
        let file = place.join("training.ref");
        std::fs::write(&file, artifact::to_bytes(&reference)).map_err(failed(&file))?;
        std::fs::remove_file(&input).map_err(failed(&input))?;
    }
    Ok(())
}

/// Four weeks of a model before the demo starts.
fn training(model: Model, start: Timestamp, hour: f64) -> String {
    let step = Length::from_millis(28 * Length::DAY.as_millis() / i64::from(TRAINING_ROWS));
    let step = step.unwrap_or(Length::MINUTE);
    let mut random = Random::new(if hour < 0.0 { 1 } else { 2 });
    let mut lines = String::new();
    for row in 1..=TRAINING_ROWS {
        let at = start - step.times(row);
        if random.unit() < busyness(at) / 2.0 {
            traffic::event(model, at, hour, &mut random, &mut lines);
            lines.push('\n');
        }
    }
    lines
}

/// Sends events until told to be quiet.
fn produce(
    bootstrap: &str,
    clock: Clock,
    start: Timestamp,
    mut narrator: Narrator,
    quiet: &AtomicBool,
) -> Result<(), DemoError> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", "20")
        .set("compression.type", "lz4")
        .create()?;
    let mut random = Random::new(42);
    let began = clock.instant();
    let mut sent_to = start;
    let mut payload = String::new();
    while !quiet.load(Ordering::Relaxed) {
        let elapsed = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let fast = start
            .as_millis()
            .saturating_add(elapsed.saturating_mul(i64::from(SPEED)));
        let to = Timestamp::from_millis(fast).min(clock.now());
        narrator.tell(to);
        for model in Model::ALL {
            for at in times(model, sent_to, to, &mut random) {
                let hour = story_hour(start, at);
                payload.clear();
                traffic::event(model, at, hour, &mut random, &mut payload);
                send(&producer, &payload, at)?;
            }
        }
        sent_to = to.max(sent_to);
        producer.poll(Duration::ZERO);
        thread::sleep(TICK);
    }
    producer.flush(Duration::from_secs(1)).or(Ok(()))
}

/// When the events of a model happen in `[from, to)`: as many as the hour is busy, spread at
/// random.
fn times(model: Model, from: Timestamp, to: Timestamp, random: &mut Random) -> Vec<Timestamp> {
    let Some(span) = Length::from_millis(to.millis_since(from)) else {
        return Vec::new();
    };
    let expected = f64::from(model.per_minute()) * span.as_seconds() / 60.0 * busyness(from);
    let mut at: Vec<Timestamp> = Vec::new();
    let mut left = expected;
    while left >= 1.0 || random.unit() < left {
        let offset = random.unit() * span.as_seconds() * 1e3;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a part of the span in milliseconds"
        )]
        at.push(Timestamp::from_millis(from.as_millis() + offset as i64));
        left -= 1.0;
    }
    at.sort_unstable();
    at
}

/// Hours of event time since the story began.
fn story_hour(start: Timestamp, at: Timestamp) -> f64 {
    Length::from_millis(at.millis_since(start)).map_or(0.0, Length::as_seconds) / 3_600.0
}

fn send(producer: &BaseProducer, payload: &str, at: Timestamp) -> Result<(), KafkaError> {
    let mut record = BaseRecord::<(), str>::to(TOPIC)
        .payload(payload)
        .timestamp(at.as_millis());
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(5));
                record = back;
            }
            Err((error, _)) => return Err(error),
        }
    }
}
