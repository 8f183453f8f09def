//! Consumers against a real broker, with the smallest fold there can be behind them: `from ==
//! head`.
//!
//! What the daemon's own tests cannot see is looked at here: how often each record is counted while
//! partitions move between consumers, and what becomes of a partition whose records are gone, or
//! that is not the one that was counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use driftd::clock::Clock;
use driftd::config::{self, Home, Kafka, OnTruncation, Start, State};
use driftd::decode::{FieldPaths, Limits};
use driftd::delta::{Accounting, Delta, LastRecord};
use driftd::key::{ChainKey, Shard};
use driftd::source::admin::{check_topics, client_id, cluster_id, members};
use driftd::source::{Common, Door, Head, PartitionStatus, Source};
use driftd::statelog::record::Record;
use driftd::statelog::{self, Appender, Read, Reader};
use driftd::tally::Layouts;
use driftd::time::Length;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tempfile::TempDir;

use crate::poll::poll_until;
use crate::rig::kafka;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(90);

const TIMEOUT: Duration = Duration::from_secs(30);

/// Moves partitions between consumers while they read, and ends some of them without notice: every
/// record is counted exactly once, rejected ones included.
#[test]
fn every_record_is_counted_once() {
    let brokers = kafka().bootstrap();
    let (topic, records) = ("source.once", 200_000);
    let kafka = Cluster::new(brokers);
    kafka.create(topic, 8);
    kafka.produce(topic, 8, 0..records / 2);
    let rig = Rig::new(brokers);
    let first = rig.start(&source(topic));
    rig.until("some records are counted", |fold| {
        fold.sum(topic).records > 10_000
    });
    let second = rig.start(&source(topic));
    kafka.produce(topic, 8, records / 2..records * 3 / 4);
    rig.until("more is counted", |fold| fold.sum(topic).records > 60_000);
    drop(first);
    let third = rig.start(&source(topic));
    kafka.produce(topic, 8, records * 3 / 4..records);
    second.stop(Duration::from_secs(10));
    rig.until("all is counted", |fold| fold.sum(topic).records >= records);
    rig.until("all partitions are at the end", |fold| {
        fold.at_end(topic) == 8
    });
    let sum = rig.fold().sum(topic);
    let rejected: u64 = sum.rejected.iter().sum();
    assert_eq!((sum.records, rejected), (records, records / 10));
    assert_eq!(
        (sum.rows, sum.lost, sum.unnamed),
        (records - records / 10, 0, 0)
    );
    let rows: u64 = rig.fold().rows.values().sum();
    assert_eq!(rows, sum.rows, "accounting and counts agree");
    let seen = poll_until(LIMIT, || {
        let seen = third.status();
        let done = |one: &PartitionStatus| one.assigned && one.at_end && one.lag == Some(0);
        (seen.len() == 8 && seen.iter().all(done)).then_some(seen)
    });
    assert!(seen.is_some(), "{:#?}", third.status());
    third.stop(Duration::from_secs(10));
}

/// While partitions are read to the end of transactions that come all the time, others join the
/// group and leave it: a rebalance skips nothing in the partitions that stay where they are.
#[test]
fn a_rebalance_skips_nothing_that_is_in_transactions() {
    let brokers = kafka().bootstrap();
    let topic = "source.rebalanced";
    let kafka = Cluster::new(brokers);
    kafka.create(topic, 8);
    let rig = Rig::new(brokers);
    let first = rig.start(&source(topic));
    let stop = AtomicBool::new(false);
    let records = thread::scope(|scope| {
        let producing = scope.spawn(|| {
            let producer = kafka.transactional();
            let mut records = 0;
            while !stop.load(Ordering::Relaxed) {
                producer.begin_transaction().expect("a transaction");
                Cluster::send(&producer, topic, 8, records..records + 2_000);
                producer.commit_transaction(TIMEOUT).expect("a commit");
                records += 2_000;
            }
            records
        });
        for _ in 0..6 {
            let before = rig.fold().sum(topic).records;
            rig.until("more is counted", |fold| {
                fold.sum(topic).records > before + 10_000
            });
            let other = rig.start(&source(topic));
            let is_given = || other.status().iter().any(|one| one.assigned).then_some(());
            poll_until(LIMIT, is_given).expect("it is given partitions");
            other.stop(Duration::from_secs(10));
        }
        stop.store(true, Ordering::Relaxed);
        producing.join().expect("the producer goes on")
    });
    rig.until("all is read", |fold| {
        let ends = fold.heads.iter().filter(|(chain, head)| {
            let (topic, partition) = (&chain.topic, chain.partition);
            **head >= kafka.last(topic, partition)
        });
        ends.count() == 8
    });
    assert_eq!(rig.fold().sum(topic).records, records);
    first.stop(Duration::from_secs(10));
}

/// What stops with notice leaves nothing to be read again, and the next one goes on where it was,
/// also where transactions leave markers between records; those that are aborted do not count.
#[test]
fn a_stopped_source_goes_on_where_it_was() {
    let brokers = kafka().bootstrap();
    let topic = "source.again";
    let kafka = Cluster::new(brokers);
    kafka.create(topic, 2);
    let producer = kafka.transactional();
    let send = |range: std::ops::Range<u64>, commit: bool| {
        producer.begin_transaction().expect("a transaction");
        Cluster::send(&producer, topic, 2, range);
        if commit {
            producer.commit_transaction(TIMEOUT).expect("a commit");
        } else {
            producer.abort_transaction(TIMEOUT).expect("an abort");
        }
    };
    let rig = Rig::new(brokers);
    for round in 0..3 {
        send(round * 200..round * 200 + 100, true);
        send(0..50, false);
        let running = rig.start(&source(topic));
        let expected = (round + 1) * 100;
        rig.until("a round is counted", |fold| {
            fold.sum(topic).records >= expected
        });
        if round == 1 {
            send(round * 200 + 100..round * 200 + 200, true);
        }
        running.stop(Duration::from_secs(10));
    }
    let last = rig.start(&source(topic));
    rig.until("all is counted", |fold| fold.sum(topic).records >= 400);
    rig.until("both are at the end", |fold| fold.at_end(topic) == 2);
    assert_eq!(rig.fold().sum(topic).records, 400);
    assert_eq!(rig.fold().superseded, 0);
    assert!(
        poll_until(LIMIT, || last
            .status()
            .iter()
            .all(|one| one.lag == Some(0))
            .then_some(()))
        .is_some()
    );
    last.stop(Duration::from_secs(10));
}

/// Retention takes records that were not read: they are counted as lost.
#[test]
fn what_retention_took_is_counted_as_lost() {
    let brokers = kafka().bootstrap();
    let topic = "source.lost";
    let kafka = Cluster::new(brokers);
    kafka.create(topic, 1);
    kafka.produce(topic, 1, 0..100);
    let rig = Rig::new(brokers);
    let first = rig.start(&source(topic));
    rig.until("the first are counted", |fold| {
        fold.sum(topic).records >= 100
    });
    first.stop(Duration::from_secs(10));
    kafka.produce(topic, 1, 100..200);
    kafka.delete_before(topic, 0, 130);
    let second = rig.start(&source(topic));
    rig.until("the rest is counted", |fold| fold.sum(topic).records >= 170);
    let sum = rig.fold().sum(topic);
    assert_eq!((sum.records, sum.lost), (170, 30));
    // while it is read: faster than it is read is hard to do, so nothing is lost here
    kafka.produce(topic, 1, 200..300);
    rig.until("what came after too", |fold| fold.sum(topic).records >= 270);
    kafka.delete_before(topic, 0, 300);
    kafka.produce(topic, 1, 300..310);
    rig.until("and after that", |fold| fold.sum(topic).records >= 280);
    assert_eq!(rig.fold().sum(topic).lost, 30);
    second.stop(Duration::from_secs(10));
}

/// A topic that was recreated, shorter or longer than before, is not taken for the one that was
/// counted: it stops, or begins a new chain where the operator has said so.
#[test]
fn a_recreated_topic_is_noticed() {
    let brokers = kafka().bootstrap();
    for (topic, before, after) in [
        ("source.shorter", 100, 40),
        ("source.longer", 100, 300),
        ("source.empty", 100, 0),
    ] {
        let kafka = Cluster::new(brokers);
        kafka.create(topic, 1);
        kafka.produce(topic, 1, 0..before);
        let rig = Rig::new(brokers);
        let first = rig.start(&source(topic));
        rig.until("it is counted", |fold| fold.sum(topic).records >= before);
        first.stop(Duration::from_secs(10));
        kafka.delete(topic);
        kafka.create(topic, 1);
        kafka.produce(topic, 1, 1_000..1_000 + after);
        let second = rig.start(&source(topic));
        let stopped = poll_until(LIMIT, || {
            second.status().iter().find_map(|one| one.stopped.clone())
        });
        assert_eq!(stopped.as_deref(), Some("truncated"), "{topic}");
        second.stop(Duration::from_secs(10));
        assert_eq!(rig.fold().sum(topic).records, before);
        let restart = OnTruncation::Restart;
        let third = rig.start(&config::Source {
            on_truncation: restart,
            ..source(topic)
        });
        rig.until("the new one is counted", |fold| {
            fold.sum(topic).records >= before + after
        });
        rig.until("as a new chain", |fold| {
            fold.heads
                .keys()
                .any(|chain| &*chain.topic == topic && chain.incarnation == 1)
        });
        third.stop(Duration::from_secs(10));
        assert_eq!(rig.fold().sum(topic).records, before + after, "{topic}");
    }
}

/// `source.start` is where a chain begins that nobody has counted; what comes later begins at 0.
#[test]
fn start_is_where_unknown_chains_begin() {
    let brokers = kafka().bootstrap();
    let kafka = Cluster::new(brokers);
    for (topic, start, expected) in [
        ("source.latest", Start::Latest, 10),
        (
            "source.time",
            Start::At(driftd::time::Timestamp::from_millis(T0 + 60_000)),
            50,
        ),
        (
            "source.future",
            Start::At(driftd::time::Timestamp::from_millis(T0 * 2)),
            10,
        ),
    ] {
        kafka.create(topic, 1);
        kafka.produce(topic, 1, 0..100);
        let rig = Rig::new(brokers);
        let running = rig.start(&config::Source {
            start,
            ..source(topic)
        });
        rig.until("the chain begins", |fold| fold.at_end(topic) == 1);
        kafka.produce(topic, 1, 100..110);
        rig.until("it is counted", |fold| fold.sum(topic).records >= expected);
        assert_eq!(rig.fold().sum(topic).records, expected, "{topic}");
        running.stop(Duration::from_secs(10));
    }
}

/// Two topics have partitions of the same numbers: each is known to be at its end.
#[test]
fn partitions_of_the_same_number_are_told_apart() {
    let brokers = kafka().bootstrap();
    let kafka = Cluster::new(brokers);
    let topics = ["source.a", "source.b", "source.c"];
    for topic in topics {
        kafka.create(topic, 2);
    }
    kafka.produce("source.a", 2, 0..5_000);
    kafka.produce("source.b", 2, 0..50);
    let producer = kafka.transactional();
    producer.begin_transaction().expect("a transaction");
    Cluster::send(&producer, "source.c", 2, 0..50);
    producer.commit_transaction(TIMEOUT).expect("a commit");
    let rig = Rig::new(brokers);
    let names = topics.map(str::to_owned).to_vec();
    let running = rig.start(&config::Source {
        topics: names,
        workers: 1,
        ..source("")
    });
    for (topic, records) in [("source.a", 5_000), ("source.b", 50), ("source.c", 50)] {
        rig.until("both are at the end", |fold| fold.at_end(topic) == 2);
        assert_eq!(rig.fold().sum(topic).records, records, "{topic}");
    }
    let kafka = config_of(brokers);
    let found = members(&kafka, "driftd-test-", TIMEOUT).expect("Kafka answers");
    assert_eq!(found, [client_id()]);
    running.stop(Duration::from_secs(10));
}

/// What is wrong with a topic or the brokers is said in one sentence.
#[test]
fn what_is_wrong_is_named() {
    let brokers = kafka().bootstrap();
    let kafka = config_of(brokers);
    let check = |kafka: &Kafka, topic: &str| {
        let error = check_topics(kafka, &[topic.to_owned()], Duration::from_secs(5));
        error.expect_err("it must not pass").to_string()
    };
    assert!(
        !cluster_id(&kafka, TIMEOUT)
            .expect("Kafka answers")
            .is_empty()
    );
    let said = check(&kafka, "source.nowhere");
    assert!(
        said.contains("there is no topic `source.nowhere`"),
        "{said}"
    );
    let said = check(&config_of("127.0.0.1:9"), "any");
    assert!(
        said.contains("no broker of `127.0.0.1:9` answers"),
        "{said}"
    );
    let said = check(&config_of("no.such.host.invalid:9092"), "any");
    assert!(
        said.contains("no.such.host.invalid") && said.contains("kafka.brokers"),
        "{said}"
    );
    let mut tls = config_of(brokers);
    tls.properties
        .insert("security.protocol".into(), "ssl".into());
    let said = check(&tls, "any");
    assert!(said.contains("TLS") || said.contains("no broker"), "{said}");
    let mut wrong = config_of(brokers);
    wrong
        .properties
        .insert("no.such.property".into(), "1".into());
    let said = check(&wrong, "any");
    assert!(said.contains("`no.such.property`"), "{said}");
}

/// The time of the first record.
const T0: i64 = 1_700_000_000_000;

/// The value of a record: every tenth cannot be used.
fn value(number: u64) -> Vec<u8> {
    if number.is_multiple_of(10) {
        return format!("{{\"model\":\"m\",\"number\":{number}").into_bytes();
    }
    let millis = T0.unsigned_abs() + number % 7_000;
    format!(
        "{{\"model\":\"m{}\",\"version\":\"1\",\"ts\":{millis},\"features\":{{\"x\":{number},\
         \"kind\":\"k{}\"}},\"prediction\":0.5}}",
        number % 3,
        number % 7
    )
    .into_bytes()
}

fn config_of(brokers: &str) -> Kafka {
    Kafka {
        brokers: brokers.to_owned(),
        properties: BTreeMap::new(),
    }
}

fn source(topic: &str) -> config::Source {
    let fields = FieldPaths {
        timestamp_unit: "ms".parse().expect("a unit"),
        ..FieldPaths::default()
    };
    config::Source {
        topics: vec![topic.to_owned()],
        group: format!("driftd-test-{topic}"),
        workers: 2,
        fields,
        decode: Limits::default(),
        start: Start::Earliest,
        on_truncation: OnTruncation::Stop,
        dead_letter_topic: None,
    }
}

/// What is counted.
#[derive(Debug, Default)]
struct Fold {
    heads: BTreeMap<ChainKey, i64>,
    last: BTreeMap<ChainKey, Option<LastRecord>>,
    ends: BTreeMap<ChainKey, bool>,
    sums: BTreeMap<String, Accounting>,
    rows: BTreeMap<String, u64>,
    superseded: u64,
}

impl Fold {
    fn sum(&self, topic: &str) -> Accounting {
        self.sums.get(topic).cloned().unwrap_or_default()
    }

    /// Partitions of a topic that are at the end.
    fn at_end(&self, topic: &str) -> usize {
        let of_topic = |(chain, at_end): &(&ChainKey, &bool)| **at_end && &*chain.topic == topic;
        self.ends.iter().filter(of_topic).count()
    }

    fn take(&mut self, delta: &Delta, door: &Door) {
        let accepted = self.heads.get(&delta.chain) == Some(&delta.from);
        if accepted {
            self.heads.insert(delta.chain.clone(), delta.to);
            self.ends
                .insert(delta.chain.clone(), delta.accounting.at_end);
            let sum = self.sums.entry(delta.chain.topic.to_string()).or_default();
            sum.merge(&delta.accounting);
            for model in &delta.models {
                let rows: u64 = model.panes.iter().map(|pane| pane.rows).sum();
                *self.rows.entry(model.key.to_string()).or_default() += rows;
            }
            let last = self.last.entry(delta.chain.clone()).or_default();
            *last = delta.accounting.last_record.or(*last);
            door.set_head(
                &delta.chain,
                Head {
                    position: delta.to,
                    last_record: *last,
                },
            );
        } else {
            self.superseded += 1;
        }
        door.fate(delta.writer, delta.attempt, &delta.chain, accepted);
    }
}

/// A state log, its fold, and what sources share.
struct Rig {
    brokers: String,
    common: Common,
    fold: Arc<Mutex<Fold>>,
    _dir: TempDir,
}

impl Rig {
    fn new(brokers: &str) -> Self {
        let dir = TempDir::new().expect("a directory");
        let home = Home::Embedded {
            dir: dir.path().to_owned(),
        };
        let state = State {
            shard: Shard::ALL,
            home,
            flush_interval: Length::SECOND,
            snapshot_interval: Length::MINUTE,
            spill_dir: None,
        };
        let (appender, reader) =
            statelog::open(&state, &config_of(brokers), Clock).expect("a state log");
        let door = Arc::new(Door::new());
        let layouts = Layouts {
            loose_series_max: 1_000,
            ..Layouts::default()
        };
        door.set_layouts(Arc::new(layouts), Length::MINUTE.times(5), Length::MINUTE);
        let fold = Arc::<Mutex<Fold>>::default();
        let common = common(brokers, appender, &door);
        let kept = Arc::downgrade(&fold);
        thread::spawn(move || fold_all(reader, &door, || kept.upgrade()));
        Self {
            brokers: brokers.to_owned(),
            common,
            fold,
            _dir: dir,
        }
    }

    fn start(&self, source: &config::Source) -> Source {
        Source::start(source, &config_of(&self.brokers), self.common.clone()).expect("it starts")
    }

    fn fold(&self) -> std::sync::MutexGuard<'_, Fold> {
        self.fold.lock().expect("the fold goes on")
    }

    fn until(&self, what: &str, done: impl Fn(&Fold) -> bool) {
        let found = poll_until(LIMIT, || done(&self.fold()).then_some(()));
        assert!(found.is_some(), "{what}: {:#?}", self.fold());
    }
}

fn common(brokers: &str, appender: Appender, door: &Arc<Door>) -> Common {
    let cluster = cluster_id(&config_of(brokers), TIMEOUT).expect("Kafka answers");
    Common {
        cluster: cluster.into(),
        appender,
        door: Arc::clone(door),
        clock: Clock,
        flush_interval: Length::SECOND,
    }
}

/// Folds until nobody looks at it any more.
fn fold_all(mut reader: Reader, door: &Door, fold: impl Fn() -> Option<Arc<Mutex<Fold>>>) {
    while let Some(fold) = fold() {
        let Ok(Read::Entry(entry)) = reader.next(Duration::from_millis(20)) else {
            continue;
        };
        let mut fold = fold.lock().expect("nobody panics with it");
        match entry.record.expect("records can be read") {
            Record::Genesis { chain, start } => {
                let head = *fold.heads.entry(chain.clone()).or_insert(start);
                let last_record = fold.last.get(&chain).copied().flatten();
                door.set_head(
                    &chain,
                    Head {
                        position: head,
                        last_record,
                    },
                );
            }
            Record::Delta(delta) => fold.take(&delta, door),
            other => panic!("nobody appends {other:?}"),
        }
    }
}

/// What is done to a cluster.
struct Cluster {
    brokers: String,
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Cluster {
    fn new(brokers: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let admin = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .create();
        Self {
            brokers: brokers.to_owned(),
            admin: admin.expect("a client"),
            runtime: runtime.expect("a runtime"),
        }
    }

    fn create(&self, topic: &str, partitions: i32) {
        let age_max = i64::MAX.to_string();
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1))
            .set("retention.ms", "-1")
            .set("message.timestamp.before.max.ms", &age_max)
            .set("message.timestamp.after.max.ms", &age_max);
        // a topic that was deleted a moment ago may still be there
        let made = poll_until(LIMIT, || {
            let results = self.admin.create_topics([&new], &AdminOptions::new());
            let results = self.runtime.block_on(results).expect("Kafka answers");
            results.first().is_some_and(Result::is_ok).then_some(())
        });
        assert!(made.is_some(), "{topic} was not made");
        let there = poll_until(LIMIT, || {
            check_topics(&config_of(&self.brokers), &[topic.to_owned()], TIMEOUT).ok()
        });
        assert!(there.is_some(), "{topic} is not there");
    }

    fn delete(&self, topic: &str) {
        let results = self.admin.delete_topics(&[topic], &AdminOptions::new());
        self.runtime.block_on(results).expect("Kafka answers");
    }

    fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))
            .expect("an offset");
        let deleted = self.admin.delete_records(&list, &AdminOptions::new());
        self.runtime
            .block_on(deleted)
            .expect("Kafka deletes records");
    }

    /// The end of a partition but for the marker of its last transaction.
    fn last(&self, topic: &str, partition: i32) -> i64 {
        let marks = self
            .admin
            .inner()
            .fetch_watermarks(topic, partition, TIMEOUT);
        marks.expect("Kafka answers").1 - 1
    }

    fn producer(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("linger.ms", "5")
            .set("enable.idempotence", "true");
        config
    }

    fn transactional(&self) -> BaseProducer {
        let id = format!("test-{:p}", std::ptr::from_ref(self));
        let producer: BaseProducer = self
            .producer()
            .set("transactional.id", id)
            .create()
            .expect("a producer");
        producer.init_transactions(TIMEOUT).expect("transactions");
        producer
    }

    /// Writes records of these numbers to the partitions in turn.
    fn produce(&self, topic: &str, partitions: u64, numbers: std::ops::Range<u64>) {
        let producer: BaseProducer = self.producer().create().expect("a producer");
        Self::send(&producer, topic, partitions, numbers);
    }

    fn send(producer: &BaseProducer, topic: &str, partitions: u64, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let partition = i32::try_from(number % partitions).expect("there are few");
            let timestamp = T0 + i64::try_from(number).expect("there are few") * 1_000;
            let value = value(number);
            let mut record = BaseRecord::<(), [u8]>::to(topic)
                .partition(partition)
                .timestamp(timestamp)
                .payload(&value);
            while let Err((error, back)) = producer.send(record) {
                let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
                assert!(error == full, "{error}");
                producer.poll(Duration::from_millis(5));
                record = back;
            }
        }
        producer.flush(TIMEOUT).expect("Kafka takes all records");
    }
}
