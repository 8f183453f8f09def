//! Producers that never stop, and count what they have produced.
//!
//! ```text
//! Steady        events to all partitions of a topic, in a thread
//! Transactions  the same in transactions, of which some are aborted, in another one
//! Bursts        events that somebody asks for, to one partition; it remembers each
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use super::events::{Event, Events};
use super::truth::Truth;
use crate::poll::poll_until;
use crate::produce::Random;

/// How long brokers may take to store what was sent.
const PATIENCE: Duration = Duration::from_mins(3);

/// Events sent at a time, and how long after that the next ones are.
const BATCH: usize = 100;
const PACE: Duration = Duration::from_millis(80);

/// When the first event happens: 2026-01-01.
const T0: i64 = 1_767_225_600_000;

/// How far event time goes with each event of the steady load.
const TICK_MS: i64 = 40;

/// What all producers share.
#[derive(Debug)]
pub(super) struct Pulse {
    stop: AtomicBool,
    /// Events of the steady load so far.
    sent: AtomicU64,
    /// Event time.
    now: AtomicI64,
    /// Partitions of the steady load.
    partitions: AtomicUsize,
}

impl Pulse {
    pub(super) fn new(partitions: usize) -> Arc<Self> {
        Arc::new(Self {
            stop: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            now: AtomicI64::new(T0),
            partitions: AtomicUsize::new(partitions),
        })
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.load(Ordering::Relaxed)
    }

    pub(super) fn set_partitions(&self, partitions: usize) {
        self.partitions.store(partitions, Ordering::Relaxed);
    }

    fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Asks the threads to end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Counts records that brokers did not take: the truth would be unknown.
#[derive(Debug, Default)]
struct Deliveries(AtomicU64);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        self.0
            .fetch_add(u64::from(delivered.is_err()), Ordering::Relaxed);
    }
}

/// It has a thread of its own, since an abort waits for what that does.
fn producer(config: &mut ClientConfig) -> ThreadedProducer<Deliveries> {
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("message.timeout.ms", "170000")
        .set("queue.buffering.max.messages", "1000000");
    config
        .create_with_context(Deliveries::default())
        .expect("a producer")
}

/// Queues one event.
fn send(producer: &ThreadedProducer<Deliveries>, topic: &str, partition: usize, event: &Event) {
    let partition = i32::try_from(partition).expect("there are few");
    let mut record = BaseRecord::<(), str>::to(topic)
        .partition(partition)
        .timestamp(event.timestamp)
        .payload(event.value.as_str());
    while let Err((error, back)) = producer.send(record) {
        let passing = [
            RDKafkaErrorCode::QueueFull,
            // a partition that was just made
            RDKafkaErrorCode::UnknownPartition,
        ];
        let code = error.rdkafka_error_code();
        assert!(
            code.is_some_and(|code| passing.contains(&code)),
            "a record was not sent: {error}"
        );
        producer.poll(Duration::from_millis(10));
        record = back;
    }
}

fn flush(producer: &ThreadedProducer<Deliveries>) {
    producer.flush(PATIENCE).expect("Kafka takes all records");
    let failed = producer.context().0.load(Ordering::Relaxed);
    assert_eq!(failed, 0, "brokers did not take all records");
}

/// Lets a moment pass, so that there are so many events a second and no more.
fn pace() {
    poll_until(PACE, || None::<()>);
}

/// Starts the steady load; its truth when it was stopped.
pub(super) fn steady(
    pulse: &Arc<Pulse>,
    mut config: ClientConfig,
    topic: &'static str,
    seed: u64,
) -> JoinHandle<Truth> {
    let pulse = Arc::clone(pulse);
    thread::spawn(move || {
        let producer = producer(&mut config);
        let (mut events, mut truth) = (Events::new(seed), Truth::default());
        while !pulse.stops() {
            for at in 0..BATCH {
                let event = events.next(pulse.now());
                send(&producer, topic, at % pulse.partitions(), &event);
                truth.add(topic, &event);
                pulse.now.fetch_add(TICK_MS, Ordering::Relaxed);
            }
            pulse.sent.fetch_add(BATCH as u64, Ordering::Relaxed);
            pace();
        }
        flush(&producer);
        truth
    })
}

/// What transactions came to.
#[derive(Debug, Default)]
pub(super) struct Transacted {
    pub(super) truth: Truth,
    pub(super) committed: u64,
    pub(super) aborted: u64,
}

/// Starts the load in transactions; its truth when it was stopped.
pub(super) fn transactions(
    pulse: &Arc<Pulse>,
    mut config: ClientConfig,
    (topic, partitions): (&'static str, usize),
    seed: u64,
) -> JoinHandle<Transacted> {
    let pulse = Arc::clone(pulse);
    thread::spawn(move || {
        config
            .set("transactional.id", topic)
            .set("transaction.timeout.ms", "180000");
        let producer = producer(&mut config);
        until_done("transactions begin", || {
            producer.init_transactions(PATIENCE)
        });
        let (mut events, mut random) = (Events::new(seed), Random::new(!seed));
        let mut transacted = Transacted::default();
        while !pulse.stops() {
            producer.begin_transaction().expect("a transaction");
            let mut truth = Truth::default();
            for at in 0..5 + random.below(60) {
                let event = events.next(pulse.now());
                let partition = usize::try_from(at).expect("it is small") % partitions;
                send(&producer, topic, partition, &event);
                truth.add(topic, &event);
            }
            // what is aborted is in the log too: nobody may read it
            producer.flush(PATIENCE).expect("Kafka takes all records");
            if random.below(10) < 6 && commits(&producer) {
                transacted.truth.merge(&truth);
                transacted.committed += 1;
            } else {
                until_done("a transaction is aborted", || {
                    producer.abort_transaction(PATIENCE)
                });
                transacted.aborted += 1;
            }
            pace();
        }
        transacted
    })
}

/// Commits; `false` where the transaction can only be aborted.
fn commits(producer: &ThreadedProducer<Deliveries>) -> bool {
    let done = poll_until(PATIENCE, || match producer.commit_transaction(PATIENCE) {
        Ok(()) => Some(true),
        Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => Some(false),
        Err(KafkaError::Transaction(error)) if error.is_retriable() => None,
        Err(error) => panic!("nobody knows what became of a transaction: {error:?}"),
    });
    done.expect("Kafka commits")
}

/// Repeats what may be repeated.
fn until_done(what: &str, ask: impl Fn() -> KafkaResult<()>) {
    let done = poll_until(PATIENCE, || match ask() {
        Ok(()) => Some(()),
        Err(KafkaError::Transaction(error)) if error.is_retriable() => None,
        Err(error) => panic!("it cannot be that {what}: {error:?}"),
    });
    done.unwrap_or_else(|| panic!("it never came that {what}"));
}

/// Events to partition 0 of a topic, a burst at a time.
pub(super) struct Bursts {
    topic: &'static str,
    pulse: Arc<Pulse>,
    config: ClientConfig,
    events: Events,
    /// What the partition was given, by offset.
    pub(super) sent: Vec<Event>,
}

impl Bursts {
    pub(super) fn new(
        pulse: &Arc<Pulse>,
        config: ClientConfig,
        topic: &'static str,
        seed: u64,
    ) -> Self {
        Self {
            topic,
            pulse: Arc::clone(pulse),
            config,
            events: Events::new(seed),
            sent: Vec::new(),
        }
    }

    /// Sends so many events, and returns when Kafka has them.
    pub(super) fn send(&mut self, count: usize) {
        let producer = producer(&mut self.config);
        for _ in 0..count {
            let event = self.events.next(self.pulse.now());
            send(&producer, self.topic, 0, &event);
            self.sent.push(event);
        }
        flush(&producer);
    }
}
