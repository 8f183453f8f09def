//! Two writers of one chain, one of them a zombie now and then, over a log in a list: the rules of
//! the writers and the rule `from == head` of the fold together count every record exactly once.
//!
//! Appends may be delayed, reordered, doubled or lost, with or without a failure report; fates may
//! be lost; writers may be cut off for a while, read old heads, or be replaced. Each schedule is a
//! function of its seed.

use std::collections::BTreeMap;

use super::{Action, ChainWriter, Event, FATE_DEADLINE_MS};

const END: i64 = 60;

/// What the fold sees of a delta.
#[derive(Clone)]
struct Delta {
    from: i64,
    to: i64,
    writer: usize,
    attempt: u64,
    offsets: Vec<i64>,
}

#[derive(Default)]
struct Fold {
    head: i64,
    counted: BTreeMap<i64, u32>,
    superseded: u32,
}

impl Fold {
    fn take(&mut self, delta: &Delta) -> bool {
        if delta.from != self.head {
            self.superseded += 1;
            return false;
        }
        self.head = delta.to;
        for offset in &delta.offsets {
            *self.counted.entry(*offset).or_default() += 1;
        }
        true
    }
}

struct Worker {
    chain: ChainWriter,
    tally: Vec<i64>,
    sealed: Option<Delta>,
    /// The head that it was last told.
    told: i64,
    /// While this is in the future, it neither hears nor reads, but what it sent may arrive.
    asleep_until_ms: u64,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    /// An index below `n`.
    fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap()
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

struct World {
    random: Random,
    /// The offsets that exist: control markers and compaction leave holes.
    offsets: Vec<i64>,
    now_ms: u64,
    attempts: u64,
    workers: [Worker; 2],
    /// Appended, not in the log yet.
    network: Vec<Delta>,
    fold: Fold,
    /// What the fold says to the workers.
    fates: Vec<(usize, u64, bool)>,
    failures: Vec<(usize, u64)>,
    chaos: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let offsets = (0..END).filter(|_| !random.one_in(5)).collect();
        let worker = || Worker {
            chain: ChainWriter::new(0),
            tally: Vec::new(),
            sealed: None,
            told: 0,
            asleep_until_ms: 0,
        };
        Self {
            random,
            offsets,
            now_ms: 0,
            attempts: 0,
            workers: [worker(), worker()],
            network: Vec::new(),
            fold: Fold::default(),
            fates: Vec::new(),
            failures: Vec::new(),
            chaos: true,
        }
    }

    fn step(&mut self) {
        self.now_ms += self.random.below(3_000);
        let who = if self.chaos { self.random.index(2) } else { 0 };
        match self.random.below(if self.chaos { 9 } else { 5 }) {
            0 | 1 => self.read(who),
            2 => self.flush(who),
            3 => self.deliver(),
            4 => self.hear(who),
            5 => self.workers[who].asleep_until_ms = self.now_ms + self.random.below(100_000),
            6 => self.workers[who].told = self.fold.head,
            7 => {
                self.workers[who].tally.clear();
                self.workers[who].chain.handle(Event::Rewound);
            }
            _ => self.restart(who),
        }
    }

    fn awake(&self, who: usize) -> bool {
        self.workers[who].asleep_until_ms <= self.now_ms
    }

    fn read(&mut self, who: usize) {
        let (awake, count) = (self.awake(who), self.random.index(6));
        let worker = &mut self.workers[who];
        if !awake {
            return;
        }
        let from = self
            .offsets
            .partition_point(|offset| *offset < worker.chain.read());
        for offset in self.offsets[from..].iter().take(count) {
            worker.tally.push(*offset);
            worker.chain.handle(Event::Read { to: offset + 1 });
        }
    }

    fn flush(&mut self, who: usize) {
        if !self.awake(who) {
            return;
        }
        let worker = &mut self.workers[who];
        if worker.chain.may_seal() {
            self.attempts += 1;
            let (from, to) = (worker.chain.tail(), worker.chain.read());
            let (attempt, offsets) = (self.attempts, std::mem::take(&mut worker.tally));
            worker.sealed = Some(Delta {
                from,
                to,
                writer: who,
                attempt,
                offsets,
            });
            worker.chain.handle(Event::Sealed { attempt });
        }
        let full = self.chaos && self.random.one_in(6);
        if worker.chain.may_append() && !full {
            let delta = worker.sealed.take().unwrap();
            worker.chain.handle(Event::Appended {
                now_ms: self.now_ms,
            });
            self.send(delta);
        }
    }

    /// An append may be in the log or not, whatever the report says.
    fn send(&mut self, delta: Delta) {
        let (lost, doubled, reported) = if self.chaos {
            (
                self.random.one_in(5),
                self.random.one_in(5),
                self.random.one_in(6),
            )
        } else {
            (false, false, false)
        };
        if reported || (lost && self.random.one_in(2)) {
            self.failures.push((delta.writer, delta.attempt));
        }
        if doubled {
            self.network.push(delta.clone());
        }
        if !lost {
            self.network.push(delta);
        }
    }

    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let next = self.random.index(self.network.len());
        let delta = self.network.swap_remove(next);
        let accepted = self.fold.take(&delta);
        if !(self.chaos && self.random.one_in(6)) {
            self.fates.push((delta.writer, delta.attempt, accepted));
        }
    }

    fn hear(&mut self, who: usize) {
        if !self.awake(who) {
            return;
        }
        if !(self.chaos && self.random.one_in(4)) {
            self.workers[who].told = self.fold.head;
        }
        let fates: Vec<_> = self.fates.extract_if(.., |fate| fate.0 == who).collect();
        let failures: Vec<_> = self
            .failures
            .extract_if(.., |failed| failed.0 == who)
            .collect();
        let events = fates
            .into_iter()
            .map(|(_, attempt, accepted)| Event::Fate { attempt, accepted })
            .chain(
                failures
                    .into_iter()
                    .map(|(_, attempt)| Event::Failed { attempt }),
            )
            .chain([Event::Tick {
                now_ms: self.now_ms,
            }]);
        for event in events {
            if let Action::Restart(_) = self.workers[who].chain.handle(event) {
                self.restart(who);
            }
        }
    }

    fn restart(&mut self, who: usize) {
        let worker = &mut self.workers[who];
        worker.tally.clear();
        worker.sealed = None;
        worker.chain.handle(Event::Restarted { head: worker.told });
    }

    /// Peace: one writer, nothing is lost any more. It must get to the end.
    fn settle(&mut self) {
        self.chaos = false;
        self.workers[0].asleep_until_ms = 0;
        for _ in 0..3_000 {
            self.step();
            if self.fold.head >= self.offsets.last().map_or(0, |last| last + 1) {
                return;
            }
        }
        panic!("no progress in peace: head {}", self.fold.head);
    }
}

#[test]
fn every_record_is_counted_exactly_once() {
    let mut lost_races = 0;
    for seed in 0..2_000 {
        let mut world = World::new(seed);
        for _ in 0..400 {
            world.step();
            assert!(
                world.fold.counted.values().all(|count| *count == 1),
                "twice, seed {seed}"
            );
            let gap = world.offsets.iter().find(|offset| {
                **offset < world.fold.head && !world.fold.counted.contains_key(*offset)
            });
            assert_eq!(gap, None, "skipped, seed {seed}");
        }
        world.settle();
        let counted: Vec<_> = world.fold.counted.into_keys().collect();
        assert_eq!(counted, world.offsets, "seed {seed}");
        lost_races += world.fold.superseded;
    }
    assert!(
        lost_races > 2_000,
        "the schedules are too tame: {lost_races} lost races"
    );
}

#[test]
fn an_attempt_without_a_fate_holds_a_chain_up_for_no_longer_than_the_deadline() {
    let mut chain = ChainWriter::new(0);
    chain.handle(Event::Read { to: 5 });
    chain.handle(Event::Sealed { attempt: 1 });
    chain.handle(Event::Appended { now_ms: 0 });
    let restarted = (0..=FATE_DEADLINE_MS)
        .find(|now_ms| chain.handle(Event::Tick { now_ms: *now_ms }) != Action::None);
    assert_eq!(restarted, Some(FATE_DEADLINE_MS));
}
