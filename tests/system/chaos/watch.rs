//! Reads the state log beside the daemons and folds it as simply as can be: `from == head`.
//!
//! What it sees is when which partition was counted, by the log's own clock: a *pause* of a
//! partition is the time between two deltas that were accepted and have records.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use driftd::delta::Delta;
use driftd::key::ChainKey;
use driftd::statelog::record::Record;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Shorter pauses are not remembered: they are what lies between two flushes.
const PAUSE_MIN_MS: i64 = 400;

/// A time in which a partition was not counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

impl Pause {
    pub(super) const fn length_ms(&self) -> i64 {
        self.to_ms - self.from_ms
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    heads: BTreeMap<ChainKey, i64>,
    /// The place after the last record of the log that was read.
    pub(super) position: u64,
    /// When which partition of the watched topic was counted last.
    last_ms: BTreeMap<i32, i64>,
    pub(super) pauses: Vec<Pause>,
    /// Records and lost offsets of accepted deltas, by topic.
    pub(super) counted: BTreeMap<String, (u64, u64)>,
    pub(super) accepted: u64,
    pub(super) superseded: u64,
    /// How often the log was trimmed before it was read here.
    pub(super) overtaken: u64,
}

impl Seen {
    /// How far a partition is counted, in its newest incarnation.
    pub(super) fn head(&self, topic: &str, partition: i32) -> Option<i64> {
        let is_of = |chain: &ChainKey| &*chain.topic == topic && chain.partition == partition;
        let of_partition = self.heads.iter().filter(|(chain, _)| is_of(chain));
        let newest = of_partition.max_by_key(|(chain, _)| chain.incarnation);
        newest.map(|(_, head)| *head)
    }

    /// Whether each of so many partitions was counted after a time.
    pub(super) fn all_counted_since(&self, partitions: usize, since_ms: i64) -> bool {
        let since = self.last_ms.values().filter(|last| **last > since_ms);
        since.count() >= partitions
    }

    fn take(&mut self, record: Record, topic: &str, at_ms: i64) {
        match record {
            Record::Genesis { chain, start } => {
                self.heads.entry(chain).or_insert(start);
            }
            Record::Delta(delta) => self.delta(&delta, topic, at_ms),
            _ => {}
        }
    }

    fn delta(&mut self, delta: &Delta, topic: &str, at_ms: i64) {
        // after a gap the first delta is believed, or nothing would be taken any more
        let is_unknown = self.overtaken > 0 && !self.heads.contains_key(&delta.chain);
        if !is_unknown && self.heads.get(&delta.chain) != Some(&delta.from) {
            self.superseded += 1;
            return;
        }
        self.accepted += 1;
        self.heads.insert(delta.chain.clone(), delta.to);
        let of_topic = self
            .counted
            .entry(delta.chain.topic.to_string())
            .or_default();
        of_topic.0 += delta.accounting.records;
        of_topic.1 += delta.accounting.lost;
        if &*delta.chain.topic != topic || delta.accounting.records == 0 {
            return;
        }
        let partition = delta.chain.partition;
        let from_ms = self.last_ms.insert(partition, at_ms).unwrap_or(at_ms);
        if at_ms - from_ms >= PAUSE_MIN_MS {
            let to_ms = at_ms;
            self.pauses.push(Pause { from_ms, to_ms });
        }
    }
}

/// See the module header.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to read a state log, for the pauses of a topic.
    pub(super) fn start(mut config: ClientConfig, state: &str, topic: &'static str) -> Self {
        let consumer: BaseConsumer = config
            .set("group.id", "watch")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "50")
            .create()
            .expect("a consumer");
        assign(&consumer, state);
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let (to, until, state) = (Arc::clone(&seen), Arc::clone(&stop), state.to_owned());
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                match consumer.poll(Duration::from_millis(50)) {
                    Some(Ok(message)) => {
                        let record = Record::from_bytes(message.payload().expect("it has bytes"));
                        let record = record.expect("records can be read");
                        let at_ms = message.timestamp().to_millis().expect("the log has times");
                        let mut seen = lock(&to);
                        seen.take(record, topic, at_ms);
                        seen.position = message.offset().unsigned_abs() + 1;
                    }
                    Some(Err(error)) if is_overtaken(&error) => {
                        let mut seen = lock(&to);
                        seen.overtaken += 1;
                        seen.heads.clear();
                        assign(&consumer, &state);
                    }
                    // brokers come and go
                    None | Some(Err(_)) => {}
                }
            }
        });
        Self {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // what it stopped at was said then
            drop(thread.join());
        }
    }
}

/// The log was trimmed before it was read.
fn is_overtaken(error: &KafkaError) -> bool {
    let codes = [
        RDKafkaErrorCode::AutoOffsetReset,
        RDKafkaErrorCode::OffsetOutOfRange,
    ];
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| codes.contains(&code))
}

fn assign(consumer: &BaseConsumer, state: &str) {
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(state, 0, Offset::Beginning)
        .expect("a partition");
    consumer.assign(&from).expect("an assignment");
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("the watch goes on")
}
