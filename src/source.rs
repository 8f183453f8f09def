//! From Kafka to deltas: the workers that read the topics, and the door through which the fold
//! tells them how far the counts are.
//!
//! ```text
//! Kafka --poll--> worker --decode, tally--> Delta(chain, from, to) --appender--> state log -->
//! fold
//!   ^                ^  reads on at a head, after a lost race              heads, fates, layouts |
//!   +--- seek -------+------------------------------ Door <-------------------------------------+
//! ```
//!
//! A [`Source`] is one consumer group over some topics: threads of this process, and of others,
//! that Kafka hands the partitions to. Exactness does not depend on who reads what. A worker that
//! was believed dead, or two that read the same partition for a while, append deltas from the same
//! head, and the fold counts one of them; the other worker reads again. The rules are in
//! [`crate::statelog::chain`], where reading begins in `given` and `place`, what a partition needs
//! in `lane`. All that is decided is in a [`Reader`], which knows nothing of threads, clocks and
//! librdkafka: those are in `worker`, `records`, `rebalance` and behind [`Client`].

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::clock::Clock;
use crate::config;
use crate::decode::{Decoder, Plan};
use crate::statelog::Appender;
use crate::time::Length;

pub mod admin;
mod care;
mod client;
mod desk;
mod door;
mod ends;
mod error;
mod given;
mod health;
mod lane;
mod place;
mod reader;
mod rebalance;
mod records;
mod reject;
mod status;
mod tolls;
mod worker;

pub use self::client::{Client, Place};
pub use self::desk::{Arrived, DeskSize};
pub use self::door::{Door, FATES_MAX, Head};
pub use self::error::SourceError;
pub use self::given::Given;
pub use self::lane::Stopped;
pub use self::place::Beginnings;
pub use self::reader::{Append, Reader, ReaderCommon};
pub use self::status::{PartitionStatus, Watch};
pub use self::tolls::{Counters, Tolls};

use self::admin::{TopicInfo, asking, check_topics};
use self::door::lock;
use self::ends::look;
use self::health::Health;
use self::reject::DeadLetters;
use self::worker::{Shared, Worker};

/// How long the brokers may take to say that the topics are there when a source starts.
const CHECK_TIMEOUT: Duration = Duration::from_secs(15);

/// What a source shares with the rest of the daemon.
#[derive(Debug, Clone)]
pub struct Common {
    /// The id of the Kafka cluster, see [`admin::cluster_id`].
    pub cluster: Arc<str>,
    /// Where deltas go.
    pub appender: Appender,
    /// What the fold says.
    pub door: Arc<Door>,
    /// The machine's clock.
    pub clock: Clock,
    /// How long counts may wait in a worker.
    pub flush_interval: Length,
}

/// One consumer group over some topics. See the module header.
#[derive(Debug)]
pub struct Source {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    watch: Watch,
}

impl Source {
    /// Checks the topics and starts the workers. To be called when the fold has reached the end of
    /// the state log for the first time, and has called [`Door::set_layouts`].
    pub fn start(
        source: &config::Source,
        kafka: &config::Kafka,
        common: Common,
    ) -> Result<Self, SourceError> {
        let mut names = source.topics.clone();
        names.extend(source.dead_letter_topic.clone());
        let mut topics = check_topics(kafka, &names, CHECK_TIMEOUT)?;
        topics.truncate(source.topics.len());
        let flush_ms = common.flush_interval.as_millis().unsigned_abs();
        let shared = Arc::new(share(source, kafka, common, &topics)?);
        let workers = (0..source.workers.max(1))
            .map(|_| prepare(source, &shared, flush_ms))
            .collect::<Result<Vec<_>, _>>()?;
        let watch = watch(&shared, &topics, &workers);
        // members join one by one: better before any of them has begun to read
        let intakes = workers
            .iter()
            .map(|_| shared.intake())
            .collect::<Result<Vec<_>, _>>()?;
        let asking = asking(kafka)?;
        let mut started = Self {
            shared,
            threads: Vec::new(),
            watch,
        };
        for (index, (worker, intake)) in workers.into_iter().zip(intakes).enumerate() {
            started.spawn(&format!("source-{index}"), move || worker.run(intake))?;
        }
        let (shared, watch) = (Arc::clone(&started.shared), started.watch());
        started.spawn("source-ends", move || look(&shared, &asking, &watch))?;
        Ok(started)
    }

    fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), SourceError> {
        let thread = Builder::new().name(name.to_owned()).spawn(work);
        self.threads.push(thread.map_err(SourceError::Thread)?);
        Ok(())
    }

    /// Finishes what is tallied, waits for its fate for up to `timeout`, and leaves the group. The
    /// fold has to go on meanwhile, or there is no fate to wait for.
    pub fn stop(mut self, timeout: Duration) {
        let until = self.shared.clock.instant() + timeout;
        *lock(&self.shared.stop_by) = Some(until);
        self.shared.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of a source has panicked");
            }
        }
    }

    /// Each partition, in order of topic and number.
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.watch.read()
    }

    /// What shows the partitions to others.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// How many rejected records could not be copied so far; to be read at any time.
    pub fn dead_letters_failed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.common.tolls.dead_letters_failed)
    }

    /// What it has cost so far to be exact.
    pub fn counters(&self) -> Counters {
        self.shared.common.tolls.read()
    }
}

/// A source that is not stopped but dropped ends its threads without waiting for them.
impl Drop for Source {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}

fn watch(shared: &Shared, topics: &[TopicInfo], workers: &[Worker]) -> Watch {
    let places = |info: &TopicInfo| {
        let topic: Arc<str> = info.topic.as_str().into();
        (0..info.partitions).map(move |partition| (Arc::clone(&topic), partition))
    };
    Watch {
        cluster: Arc::clone(&shared.common.cluster),
        door: Arc::clone(&shared.common.door),
        known: topics.iter().flat_map(places).collect(),
        slots: workers
            .iter()
            .map(|worker| Arc::clone(&worker.status))
            .collect(),
        highs: Arc::default(),
    }
}

/// What the workers have in common.
fn share(
    source: &config::Source,
    kafka: &config::Kafka,
    common: Common,
    topics: &[TopicInfo],
) -> Result<Shared, SourceError> {
    let Common {
        cluster,
        appender,
        door,
        clock,
        ..
    } = common;
    let of = |info: &TopicInfo| {
        (
            info.topic.clone(),
            info.partitions,
            door.knows(&cluster, &info.topic),
        )
    };
    let beginnings = Beginnings::new(source.start, topics.iter().map(of));
    let health = Arc::<Health>::default();
    let tolls = Tolls::default();
    let dead_letters = source
        .dead_letter_topic
        .as_ref()
        .map(|topic| DeadLetters::new(kafka, topic, Arc::clone(&tolls.dead_letters_failed)))
        .transpose()?;
    Ok(Shared {
        common: Arc::new(ReaderCommon {
            cluster,
            append: Arc::new(move |record, failed| appender.append(record, failed)),
            door,
            beginnings,
            on_truncation: source.on_truncation,
            tolls,
        }),
        clock,
        health,
        kafka: kafka.clone(),
        topics: source.topics.clone(),
        group: source.group.clone(),
        workers: source.workers.max(1),
        dead_letters,
        stop: AtomicBool::new(false),
        stop_by: Mutex::new(None),
    })
}

/// A worker that has read nothing.
fn prepare(
    source: &config::Source,
    shared: &Arc<Shared>,
    flush_ms: u64,
) -> Result<Worker, SourceError> {
    let decoder = Decoder::new(Plan::new(&source.fields)?, source.decode.clone());
    let size = DeskSize {
        names_max: source.decode.names_max,
        flush_ms,
        workers: shared.workers,
    };
    let reader = Reader::new(Arc::clone(&shared.common), decoder, new_writer(), size)
        .ok_or(SourceError::NoLayouts)?;
    Ok(Worker::new(Arc::clone(shared), reader))
}

/// A number that no other start of any worker has: 64 random bits.
fn new_writer() -> u64 {
    RandomState::new().build_hasher().finish()
}
