//! A desk between a topic in memory and a fold in a list.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::config::{OnTruncation, Start};
use crate::decode::{FieldPaths, Limits, Plan};
use crate::delta::{Delta, LastRecord};
use crate::key::ChainKey;
use crate::source::door::Head;
use crate::source::lane::Footing;
use crate::source::place::Beginnings;
use crate::source::tolls::Tolls;
use crate::statelog::record::Record as LogRecord;
use crate::statelog::{AppendError, Failed};
use crate::tally::Layouts;
use crate::time::Length;

const TOPIC: &str = "t";
const PARTITIONS: i32 = 3;
const OFFSETS: i64 = 120;
const WRITER: u64 = 5;

fn chain(partition: i32) -> ChainKey {
    let (cluster, topic) = (Arc::from("c"), Arc::from(TOPIC));
    ChainKey {
        shard: 0,
        cluster,
        topic,
        incarnation: 0,
        partition,
    }
}

/// A record: most are events of one of a few models with a feature of one of many names.
fn value(partition: i32, offset: i64) -> Vec<u8> {
    match offset % 11 {
        0 => b"{\"model\":".to_vec(),
        _ => format!(
            "{{\"model\":\"m{}\",\"ts\":{},\"features\":{{\"f{}\":1.5,\"p{partition}\":\"x\"}}}}",
            offset % 3,
            1_700_000_000_000 + offset * 1_000,
            offset % 40
        )
        .into_bytes(),
    }
}

fn desk(door: &Door, names_max: usize) -> Desk {
    let plan = Plan::new(&FieldPaths::default()).unwrap();
    let decoder = Decoder::new(
        plan,
        Limits {
            names_max,
            ..Limits::default()
        },
    );
    door.open(WRITER);
    let size = DeskSize {
        names_max,
        flush_ms: 50,
        workers: 1,
    };
    Desk::new(decoder, door, WRITER, size).unwrap()
}

fn shaped_door(loose_series_max: usize) -> Arc<Door> {
    let door = Arc::new(Door::new());
    shape(&door, loose_series_max);
    door
}

fn shape(door: &Door, loose_series_max: usize) {
    let layouts = Layouts {
        loose_series_max,
        ..Layouts::default()
    };
    door.set_layouts(Arc::new(layouts), Length::MINUTE, Length::MINUTE);
}

/// A log in a list and its fold: the heads, and the sum of what was accepted.
#[derive(Default)]
struct Fold {
    log: Vec<LogRecord>,
    folded: usize,
    heads: BTreeMap<ChainKey, i64>,
    rows: BTreeMap<(i32, String), u64>,
    values: BTreeMap<String, u64>,
    records: u64,
    rejected: u64,
    unnamed: u64,
    superseded: u64,
}

impl Fold {
    /// Folds up to `count` further records.
    fn fold(&mut self, door: &Door, count: usize) {
        let end = self.log.len().min(self.folded + count);
        let records = self.log[self.folded..end].to_vec();
        for record in records {
            match record {
                LogRecord::Genesis { chain, start } => {
                    self.heads.entry(chain.clone()).or_insert(start);
                    door.set_head(
                        &chain,
                        Head {
                            position: start,
                            last_record: None,
                        },
                    );
                }
                LogRecord::Delta(delta) => self.take(door, &delta),
                other => panic!("{other:?}"),
            }
        }
        self.folded = end;
    }

    fn take(&mut self, door: &Door, delta: &Delta) {
        let accepted = self.heads.get(&delta.chain) == Some(&delta.from);
        if accepted {
            self.heads.insert(delta.chain.clone(), delta.to);
            let last_record = delta.accounting.last_record;
            door.set_head(
                &delta.chain,
                Head {
                    position: delta.to,
                    last_record,
                },
            );
            self.records += delta.accounting.records;
            self.rejected += delta.accounting.rejected.iter().sum::<u64>();
            self.unnamed += delta.accounting.unnamed;
            for model in &delta.models {
                let model_name = model.key.model.to_string();
                for pane in &model.panes {
                    let key = (delta.chain.partition, model_name.clone());
                    *self.rows.entry(key).or_default() += pane.rows;
                    for ((_, series), counts) in &pane.loose {
                        *self.values.entry(series.to_string()).or_default() += counts.total();
                    }
                }
            }
        } else {
            self.superseded += 1;
        }
        door.fate(delta.writer, delta.attempt, &delta.chain, accepted);
    }
}

fn common(door: &Arc<Door>, fold: &Arc<Mutex<Fold>>) -> ReaderCommon {
    let log = Arc::clone(fold);
    ReaderCommon {
        cluster: "c".into(),
        append: Arc::new(move |record: &LogRecord, _: &Failed| {
            let mut fold = log.lock().unwrap();
            // a small queue, so that it is full now and then
            if fold.log.len() > fold.folded + 4 {
                return Err(AppendError::Full);
            }
            fold.log.push(record.clone());
            Ok(0)
        }),
        door: Arc::clone(door),
        beginnings: Beginnings::new(Start::Earliest, []),
        on_truncation: OnTruncation::Stop,
        tolls: Tolls::default(),
    }
}

/// Reads a record of each lane in turn, as a client that follows the lanes' targets would.
struct Client {
    next: BTreeMap<i32, i64>,
}

impl Client {
    fn deliver(&mut self, desk: &mut Desk, partition: i32, now_ms: u64) {
        let next = self.next.entry(partition).or_default();
        if *next >= OFFSETS {
            desk.reached_end(TOPIC, partition, *next);
            return;
        }
        let value = value(partition, *next);
        let arrived = Arrived {
            topic: TOPIC,
            partition,
            offset: *next,
            timestamp: Some(Timestamp::from_millis(1_700_000_000_000)),
            value: Some(&value),
        };
        desk.record(&arrived, now_ms);
        *next += 1;
    }

    fn steer(&mut self, desk: &mut Desk) {
        for lane in desk
            .lanes
            .iter_mut()
            .filter(|lane| lane.is_misplaced() && lane.writer.may_seal())
        {
            assert_eq!(lane.trouble, None);
            self.next.insert(lane.chain.partition, lane.target());
            lane.footing = Footing::Sure;
        }
    }
}

/// Rows by partition and model, values by series, records rejected.
type Counts = (BTreeMap<(i32, String), u64>, BTreeMap<String, u64>, u64);

/// What a naive count of the whole topic says.
fn naive() -> Counts {
    let (mut rows, mut values, mut rejected) = (BTreeMap::new(), BTreeMap::new(), 0);
    for partition in 0..PARTITIONS {
        for offset in 0..OFFSETS {
            if offset % 11 == 0 {
                rejected += 1;
                continue;
            }
            *rows
                .entry((partition, format!("m{}", offset % 3)))
                .or_default() += 1;
            for name in [format!("f{}", offset % 40), format!("p{partition}")] {
                *values.entry(name).or_default() += 1;
            }
        }
    }
    (rows, values, rejected)
}

/// A run: records, folds, house-keeping, new layouts, revocations and zombies in the order that a
/// seed gives. Few names fit, so that they run out all the time.
fn run(seed: u64) -> Fold {
    let door = shaped_door(100);
    let fold = Arc::new(Mutex::new(Fold::default()));
    let common = common(&door, &fold);
    let mut desk = desk(&door, 30);
    let mut client = Client {
        next: BTreeMap::new(),
    };
    for partition in 0..PARTITIONS {
        assert!(common.genesis(&chain(partition), 0));
        let head = Head {
            position: 0,
            last_record: None,
        };
        desk.assigned(&Assigned {
            chain: chain(partition),
            head,
        });
    }
    let mut state = seed;
    let mut random = |n: u32| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((state >> 33) % u64::from(n)).unwrap()
    };
    for step in 0..200_000 {
        let now_ms = step * 3;
        match random(40) {
            0 => shape(&door, 100),
            1 => {
                let partition = random(3).cast_signed();
                if let Some(head) = door.head(&chain(partition)) {
                    desk.revoked(&(TOPIC.into(), partition));
                    let assigned = Assigned {
                        chain: chain(partition),
                        head,
                    };
                    client.next.insert(partition, assigned.offset());
                    desk.assigned(&assigned);
                }
            }
            2 => zombie(
                &fold,
                random(3).cast_signed(),
                random(u32::try_from(OFFSETS).unwrap()).into(),
            ),
            3..=9 => {
                fold.lock().unwrap().fold(&door, 2);
                let fates = door.take_fates(WRITER);
                desk.hear(fates, &common);
            }
            10..=14 => {
                desk.look_at_shape(&door, now_ms);
                desk.keep(&common, now_ms);
                client.steer(&mut desk);
            }
            _ => client.deliver(&mut desk, random(3).cast_signed(), now_ms),
        }
        let fold = fold.lock().unwrap();
        if fold.heads.values().filter(|head| **head >= OFFSETS).count() == 3 {
            break;
        }
    }
    drop((common, door));
    let mut fold = fold.lock().unwrap();
    std::mem::take(&mut *fold)
}

/// A delta of somebody who was believed dead, from a place that may or may not be the head.
fn zombie(fold: &Mutex<Fold>, partition: i32, from: i64) {
    let range = crate::tally::Range {
        chain: chain(partition),
        from,
        to: from,
        writer: 77,
        attempt: 1,
    };
    let router = Router::new(Arc::default(), Length::MINUTE, Length::MINUTE);
    let delta = crate::tally::Tally::default().take(&router, range, false);
    fold.lock()
        .unwrap()
        .log
        .push(LogRecord::Delta(Box::new(delta)));
}

#[test]
fn whatever_happens_each_record_is_counted_once() {
    let (rows, values, rejected) = naive();
    for seed in 0..40 {
        let fold = run(seed);
        assert_eq!(
            fold.records,
            u64::from(PARTITIONS.unsigned_abs()) * OFFSETS.unsigned_abs()
        );
        assert_eq!((fold.rejected, fold.unnamed), (rejected, 0), "seed {seed}");
        assert_eq!((&fold.rows, &fold.values), (&rows, &values), "seed {seed}");
        assert!(fold.superseded > 0);
    }
}

#[test]
fn a_known_partition_that_was_recreated_is_trouble() {
    let door = shaped_door(10);
    let mut desk = desk(&door, 100);
    let last_record = Some(LastRecord {
        offset: 9,
        hash: xxh3_64(b"before"),
    });
    desk.assigned(&Assigned {
        chain: chain(0),
        head: Head {
            position: 10,
            last_record,
        },
    });
    let arrived = |value: &'static [u8]| Arrived {
        topic: TOPIC,
        partition: 0,
        offset: 9,
        timestamp: None,
        value: Some(value),
    };
    assert_eq!(desk.record(&arrived(b"after"), 0), None);
    assert_eq!(desk.lanes[0].trouble, Some(Trouble::Changed));
    desk.assigned(&Assigned {
        chain: chain(0),
        head: Head {
            position: 10,
            last_record,
        },
    });
    assert_eq!(desk.record(&arrived(b"before"), 0), None);
    assert_eq!((desk.lanes.len(), desk.lanes[0].trouble), (1, None));
}

/// What was read of the old topic is counted first; of the new one nothing is, and the record
/// before the head shows that it is another.
#[test]
fn a_topic_that_was_made_again_while_it_was_read_is_compared() {
    let (door, fold) = (shaped_door(10), Arc::<Mutex<Fold>>::default());
    let (mut desk, common) = (desk(&door, 100), common(&door, &fold));
    common.genesis(&chain(0), 0);
    fold.lock().unwrap().fold(&door, 1);
    let head = door.head(&chain(0)).unwrap();
    desk.assigned(&Assigned {
        chain: chain(0),
        head,
    });
    let mut client = Client {
        next: BTreeMap::new(),
    };
    client.deliver(&mut desk, 0, 0);
    client.deliver(&mut desk, 0, 0);
    assert!(!desk.is_outdated());
    desk.replaced("another");
    assert!(!desk.lanes[0].is_doubted());
    assert!(desk.is_outdated(), "nothing of it has to be finished");
    desk.replaced(TOPIC);
    // of the new one, where the old one had got to
    client.deliver(&mut desk, 0, 0);
    assert_eq!(desk.lanes[0].writer.read(), 2);
    desk.keep(&common, 0);
    assert!(desk.lanes[0].is_doubted() && desk.lanes[0].is_open());
    assert!(!desk.is_outdated(), "what was read is not counted yet");
    fold.lock().unwrap().fold(&door, 1);
    desk.hear(door.take_fates(WRITER), &common);
    desk.keep(&common, 0);
    let lane = &desk.lanes[0];
    assert_eq!(
        (fold.lock().unwrap().records, lane.is_doubted()),
        (2, false)
    );
    assert_eq!(
        (lane.is_misplaced(), lane.target(), lane.trouble),
        (true, 1, None)
    );
    assert!(desk.is_outdated());
    // without a record to compare there is nothing that would show it
    let position = Head {
        position: 7,
        last_record: None,
    };
    door.set_head(&chain(0), position);
    desk.replaced(TOPIC);
    desk.keep(&common, 0);
    assert_eq!(desk.lanes[0].trouble, Some(Trouble::Changed));
    assert!(!desk.is_outdated(), "that is seen to first");
    desk.clear();
    assert!(!desk.is_outdated(), "the next client knows nothing of it");
}

/// A partition is read from its first record on.
fn begin(desk: &mut Desk, chain: ChainKey) {
    let head = Head {
        position: 0,
        last_record: None,
    };
    desk.assigned(&Assigned { chain, head });
}

#[test]
fn an_end_is_that_of_the_partition_of_its_topic() {
    let door = shaped_door(10);
    let mut desk = desk(&door, 100);
    let other = ChainKey {
        topic: "u".into(),
        ..chain(1)
    };
    for chain in [chain(0), chain(1), other] {
        begin(&mut desk, chain);
    }
    desk.reached_end(TOPIC, 1, 0);
    let ended: Vec<bool> = desk.lanes.iter().map(|lane| lane.at_end).collect();
    assert_eq!(ended, [false, true, false]);
    desk.lanes[0].footing = Footing::Lost;
    desk.reached_end(TOPIC, 0, 0);
    assert!(!desk.lanes[0].at_end, "it was said of another place");
}

/// What was let go is read again, and nothing behind it is counted before.
#[test]
fn a_record_that_was_let_go_comes_again() {
    let door = shaped_door(10);
    let mut desk = desk(&door, 100);
    begin(&mut desk, chain(0));
    desk.let_go(TOPIC, 0);
    let value = value(0, 5);
    let arrived = Arrived {
        topic: TOPIC,
        partition: 0,
        offset: 5,
        timestamp: None,
        value: Some(&value),
    };
    desk.record(&arrived, 0);
    let lane = &desk.lanes[0];
    assert_eq!((lane.writer.read(), lane.target()), (0, 0));
    assert!(lane.is_misplaced());
}

/// However many records come between two looks at everything else: a state log that takes one
/// record at a time gets one at a time, and what cannot be finished is read again.
#[test]
fn a_delta_ends_at_its_bound_between_two_looks() {
    let door = shaped_door(10);
    let mut desk = desk(&door, 100);
    begin(&mut desk, chain(0));
    let read = |desk: &mut Desk, offsets: std::ops::Range<i64>| {
        for offset in offsets {
            let value = value(0, offset);
            let arrived = Arrived {
                topic: TOPIC,
                partition: 0,
                offset,
                timestamp: None,
                value: Some(&value),
            };
            desk.record(&arrived, 0);
        }
        let lane = &desk.lanes[0];
        (lane.writer.tail(), lane.writer.read(), lane.is_misplaced())
    };
    assert_eq!(read(&mut desk, 0..2), (0, 2, false), "far from its bound");
    desk.finish(0);
    assert!(desk.lanes[0].cut(), "two records were too large");
    desk.lanes[0].restart(None);
    desk.lanes[0].footing = Footing::Sure;
    // [0, 1) is sealed, [1, 2) is tallied, and the rest is left to be read again, after a look at
    // the last of these
    assert_eq!(read(&mut desk, 0..9), (1, 2, true));
    assert_eq!(desk.lanes[0].target(), 1);
}
