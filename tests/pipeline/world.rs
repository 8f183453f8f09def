//! The scheduler: in which order what happens, and what goes wrong, as a seed decides.
//!
//! A run is some hundred steps of chaos and then peace: nothing fails any more, everybody is
//! started again, and what the group took away is given up. In peace all must be counted soon.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex};

use driftd::config::{OnTruncation, Start};
use driftd::decode::Value;
use driftd::key::{ModelKey, Name, Role, Shard, UNVERSIONED};
use driftd::layout::LooseCounts;
use driftd::reference::artifact::to_bytes;
use driftd::reference::learn::{LooseSeries, learn};
use driftd::reference::{Header, ReferenceRole};
use driftd::statelog::Failed;
use driftd::statelog::record::{Alerting, Configuration, Record};
use driftd::time::{Length, Timestamp};

use crate::client::index;
use crate::log::Log;
use crate::random::Random;
use crate::replica::{Broken, Ended, Process, Snapshot, Surroundings};
use crate::topic::{PANE, Topic};

const PARTITIONS_MAX: usize = 4;

/// Append times begin here, behind all events.
const LOG_BEGINS: i64 = 1_701_000_000_000;

/// Records that the log may lose at its end twice in a row.
const CUT_MAX: usize = 12;

/// Rounds that peace may take; a lost attempt is waited for in some of them, and where deltas are
/// too large they are cut until there is a record in each.
const ROUNDS_MAX: usize = 400;

/// Rounds of peace after all is counted for the first time.
const LOOK_ROUNDS: usize = 4;

/// What went on in a run, to see that runs are wild enough.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wildness {
    pub(crate) records: u64,
    pub(crate) superseded: u64,
    pub(crate) crashes: u64,
    pub(crate) zombies: u64,
    pub(crate) restores: u64,
    pub(crate) trims: u64,
    pub(crate) log_cuts: u64,
    pub(crate) lost: u64,
    pub(crate) topic_cuts: u64,
    pub(crate) stopped: u64,
    pub(crate) anchors: u64,
    pub(crate) shards: u64,
    pub(crate) splits: u64,
    pub(crate) learned: u64,
}

impl Wildness {
    fn fields(&mut self) -> [&mut u64; 14] {
        [
            &mut self.records,
            &mut self.superseded,
            &mut self.crashes,
            &mut self.zombies,
            &mut self.restores,
            &mut self.trims,
            &mut self.log_cuts,
            &mut self.lost,
            &mut self.topic_cuts,
            &mut self.stopped,
            &mut self.anchors,
            &mut self.shards,
            &mut self.splits,
            &mut self.learned,
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let mut other = *other;
        for (mine, theirs) in self.fields().into_iter().zip(other.fields()) {
            *mine += *theirs;
        }
    }

    /// Runs in which nothing goes wrong show nothing.
    pub(crate) fn assert_wild(mut self, seeds: u64) {
        let text = format!("{self:?}");
        for field in self.fields() {
            assert!(*field * 200 >= seeds, "too tame: {seeds} seeds, {text}");
        }
    }
}

/// See the module header.
#[derive(Debug)]
pub(crate) struct World {
    random: Random,
    pub(crate) around: Surroundings,
    pub(crate) config: Configuration,
    now_ms: u64,
    /// Places for processes; empty ones are dead.
    pub(crate) processes: Vec<Option<Process>>,
    started: u64,
    /// By partition, the place and the worker that the group has given it to.
    owners: BTreeMap<i32, (usize, usize)>,
    /// Taken away by the group, but the worker does not know.
    zombies: Vec<(usize, usize, i32)>,
    snapshots: Vec<Snapshot>,
    /// Into how many shards the models are divided; processes have the shard of their place from
    /// their start on.
    shards: u32,
    /// Whether each shard is divided once more in this run.
    splits: bool,
    /// Rows that a model learns from in this run; 0 where none does.
    learn_rows: u64,
    /// Whether the topic may be cut and made anew in this run.
    topic_is_cut: bool,
    /// Whether references are activated in this run.
    activates: bool,
    pub(crate) wildness: Wildness,
}

impl World {
    pub(crate) fn new(seed: u64, broken: Option<Broken>) -> Self {
        let mut random = Random::new(seed);
        let mut topic = Topic::default();
        for partition in 0..=random.index(3) {
            topic.add_partition();
            topic.produce(partition, &mut random);
        }
        let on_truncation = if random.one_in(2) {
            OnTruncation::Stop
        } else {
            OnTruncation::Restart
        };
        let around = Surroundings {
            broken,
            topic: Rc::new(RefCell::new(topic)),
            log: Arc::new(Mutex::new(Log::new(Random::new(random.next())))),
            start: if random.one_in(5) {
                Start::Latest
            } else {
                Start::Earliest
            },
            on_truncation,
            workers: 1 + random.index(2),
            names_max: 8 + random.index(60),
            flush_ms: random.below(3_000),
        };
        let places = 1 + random.index(3);
        let (topic_is_cut, activates) = (random.one_in(4), random.one_in(6));
        let shards = if random.one_in(3) {
            1 + random.below(3)
        } else {
            1
        };
        let shards = u32::try_from(shards).expect("a few");
        let splits = random.one_in(6);
        // of each shard there is somebody
        let least = index(i32::try_from(if splits { 2 * shards } else { shards }).expect("a few"));
        let places = least.max(places);
        let learn_rows = if random.one_in(3) { 20 } else { 0 };
        Self {
            shards,
            splits,
            learn_rows,
            topic_is_cut,
            activates,
            random,
            around,
            config: Configuration {
                learn_rows,
                ..configuration(0)
            },
            now_ms: 0,
            processes: (0..places).map(|_| None).collect(),
            started: 0,
            owners: BTreeMap::new(),
            zombies: Vec::new(),
            snapshots: Vec::new(),
            wildness: Wildness::default(),
        }
    }

    /// The chaos and the peace of a run.
    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.now_ms += self.random.below(400);
            if self.random.one_in(50) {
                self.now_ms += self.random.below(50_000);
            }
            self.step();
        }
        self.settle();
    }

    fn at(&self) -> Timestamp {
        let since = i64::try_from(self.now_ms).expect("a run is short");
        Timestamp::from_millis(LOG_BEGINS + since)
    }

    fn step(&mut self) {
        let place = self.random.index(self.processes.len());
        match self.random.below(100) {
            0..34 => self.turn(place),
            34..55 => self.fold(place),
            55..70 => self.deliver(),
            70..77 => self.produce(),
            77..82 => self.rebalance(),
            82..84 => self.tell_zombie(),
            84..91 => self.boot(place),
            91 => self.suspend(place),
            92 => self.crash(place),
            93 => self.stop(place),
            94 | 95 => self.snapshot(place),
            96 => self.trim(place),
            97 => self.disturb_topic(),
            98 => self.disturb_log(),
            _ if self.random.one_in(4) => self.split(),
            _ => self.configure(place),
        }
    }

    /// From now on there are twice as many shards, for whoever starts.
    fn split(&mut self) {
        if std::mem::take(&mut self.splits) {
            self.shards *= 2;
            self.wildness.splits += 1;
        }
    }

    /// The shard of whoever starts at a place.
    fn shard(&self, place: usize) -> Shard {
        let first: Shard = format!("1/{}", self.shards).parse().expect("a shard");
        let all: Vec<Shard> = first.all().collect();
        all[place % all.len()]
    }

    /// The process at `place`, where it lives and is awake.
    fn awake(&mut self, place: usize) -> Option<&mut Process> {
        let now_ms = self.now_ms;
        let process = self.processes.get_mut(place)?.as_mut();
        process.filter(|process| process.asleep_until_ms <= now_ms)
    }

    fn turn(&mut self, place: usize) {
        let (polls, worker, now_ms) = (
            self.random.index(12),
            self.random.index(self.around.workers),
            self.now_ms,
        );
        if let Some(process) = self.awake(place)
            && let Some(worker) = process.workers.get_mut(worker)
        {
            worker.turn(polls, now_ms);
        }
    }

    fn fold(&mut self, place: usize) {
        let mut random = Random::new(self.random.next());
        let records = 1 + random.index(12);
        let Some(process) = self.awake(place) else {
            return;
        };
        for _ in 0..records {
            match process.fold_next(&mut random) {
                Ok(true) => {}
                Ok(false) => return,
                Err(Ended::Cut) => return self.crash(place),
                Err(Ended::Fold(error)) => panic!("the fold stops: {error}"),
            }
        }
    }

    fn deliver(&mut self) {
        let at = self.at();
        for _ in 0..=self.random.below(3) {
            self.around.log().deliver(at);
        }
    }

    fn produce(&mut self) {
        let mut topic = self.around.topic.borrow_mut();
        if topic.partitions.len() < PARTITIONS_MAX && self.random.one_in(20) {
            topic.add_partition();
        }
        let partition = self.random.index(topic.partitions.len());
        topic.produce(partition, &mut self.random);
    }

    /// The group gives a partition to somebody else; who had it may not hear of it for long.
    fn rebalance(&mut self) {
        let partitions = self.around.topic.borrow().partitions.len();
        let partition = i32::try_from(self.random.index(partitions)).expect("few partitions");
        let polite = self.random.one_in(2);
        self.take_away(partition, polite);
        let place = self.random.index(self.processes.len());
        let worker = self.random.index(self.around.workers);
        self.give(partition, place, worker);
    }

    fn take_away(&mut self, partition: i32, polite: bool) {
        let Some((place, worker)) = self.owners.remove(&partition) else {
            return;
        };
        if polite && let Some(process) = self.awake(place) {
            process.workers[worker].rebalance(partition, false);
        } else {
            self.wildness.zombies += 1;
            self.zombies.push((place, worker, partition));
        }
    }

    fn give(&mut self, partition: i32, place: usize, worker: usize) {
        let is_zombie = |zombie: &(usize, usize, i32)| *zombie == (place, worker, partition);
        let was_zombie = self.zombies.iter().any(is_zombie);
        let Some(process) = self.awake(place).filter(|process| process.is_ready()) else {
            return;
        };
        if was_zombie {
            process.workers[worker].rebalance(partition, false);
        }
        process.workers[worker].rebalance(partition, true);
        self.owners.insert(partition, (place, worker));
        self.zombies.retain(|zombie| !is_zombie(zombie));
    }

    fn tell_zombie(&mut self) {
        if self.zombies.is_empty() {
            return;
        }
        let at = self.random.index(self.zombies.len());
        let (place, worker, partition) = self.zombies[at];
        if let Some(process) = self.awake(place) {
            process.workers[worker].rebalance(partition, false);
            self.zombies.swap_remove(at);
        }
    }

    fn boot(&mut self, place: usize) {
        if self.processes[place].is_some() {
            return;
        }
        self.started += 1;
        let who = (self.started, self.shard(place));
        let process = Process::boot(who, &self.around, &self.config, &self.snapshots);
        self.wildness.restores += u64::from(process.next > 0);
        self.processes[place] = Some(process);
    }

    /// Stopped for a while and going on as if nothing had been.
    fn suspend(&mut self, place: usize) {
        let until = self.now_ms + self.random.below(60_000);
        if let Some(process) = self.awake(place) {
            process.asleep_until_ms = until;
        }
    }

    fn crash(&mut self, place: usize) {
        let Some(process) = self.processes[place].take() else {
            return;
        };
        self.wildness.crashes += 1;
        self.around.log().crash(process.id);
        self.owners.retain(|_, owner| owner.0 != place);
        self.zombies.retain(|zombie| zombie.0 != place);
    }

    /// Asked to end: what is tallied is appended, and its fate not waited for.
    fn stop(&mut self, place: usize) {
        let now_ms = self.now_ms;
        if !self.random.one_in(4) {
            return;
        }
        if let Some(process) = self.awake(place) {
            for worker in &mut process.workers {
                worker.reader.finish(now_ms);
            }
            self.crash(place);
        }
    }

    fn snapshot(&mut self, place: usize) {
        let Some(process) = self.awake(place).filter(|process| process.is_ready()) else {
            return;
        };
        let (snapshot, id) = (process.snapshot(), process.id);
        let (shard, speaks) = (snapshot.shard, !process.fold.needs.is_empty());
        self.snapshots.push(snapshot);
        self.snapshots.sort_by_key(|one| one.position);
        let low = self.around.log().low;
        self.snapshots.retain(|one| one.position >= low);
        let needed = self.needed(shard);
        if let Some(from) = needed.filter(|_| speaks || !shard.is_all()) {
            let record = Record::Need { shard, from };
            // one that is not appended is said again with the next snapshot
            drop(self.around.log().send(id, &record, &Failed::default()));
        }
    }

    /// What lies below the second-newest snapshot of a shard is not needed by it any more, but for
    /// the record before it, by which it is known.
    fn needed(&self, shard: Shard) -> Option<u64> {
        let log = self.around.log();
        let own = self.snapshots.iter().rev().filter(|one| one.shard == shard);
        let own = own.filter(|one| one.is_of(&log, self.around.broken));
        // see `statelog::snapshot::Written::before`
        let after = |at: u64| {
            log.history
                .iter()
                .rev()
                .take_while(move |of| of.position >= at)
        };
        let is_old = |one: &&Snapshot| after(one.position).count() >= CUT_MAX;
        let second = own.skip(1).find(is_old)?;
        let below = |entry: &&crate::log::Entry| entry.position < second.position;
        let before = log.history.iter().rev().find(below);
        before.map(|entry| entry.position)
    }

    /// A shard takes away what no shard needs any more.
    fn trim(&mut self, place: usize) {
        let Some(process) = self.processes[place].as_ref().filter(|one| one.is_ready()) else {
            return;
        };
        let own = self.needed(process.fold.shard);
        let needed = own.and_then(|own| {
            if self.around.broken == Some(Broken::Need) {
                return Some(own);
            }
            process.fold.needed(own).ok()
        });
        let mut log = self.around.log();
        if let Some(low) = needed
            && low > log.low
        {
            log.low = low;
            self.wildness.trims += 1;
        }
    }

    fn disturb_topic(&mut self) {
        let partitions = self.around.topic.borrow().partitions.len();
        let partition = self.random.index(partitions);
        let (low, end) = {
            let topic = self.around.topic.borrow();
            let home = &topic.partitions[partition];
            (home.low, home.end)
        };
        match self.random.below(4) {
            0 | 1 => {
                let to = low + self.random.offset(end - low + 1);
                self.around.topic.borrow_mut().retain(partition, to);
            }
            2 => {
                let mut topic = self.around.topic.borrow_mut();
                topic.compact(partition, &mut self.random);
            }
            _ if self.topic_is_cut => self.cut_topic(partition, low, end),
            _ => {}
        }
    }

    fn cut_topic(&mut self, partition: usize, low: i64, end: i64) {
        self.wildness.topic_cuts += 1;
        let mut topic = self.around.topic.borrow_mut();
        if self.random.one_in(2) {
            topic.truncate(partition, low + self.random.offset(end - low + 1));
        } else {
            topic.recreate();
            let partitions = topic.partitions.len();
            drop(topic);
            for number in 0..i32::try_from(partitions).expect("few partitions") {
                // the group may have seen that it was gone, or not
                if self.random.one_in(2) {
                    self.take_away(number, true);
                }
            }
            topic = self.around.topic.borrow_mut();
        }
        if self.random.one_in(2) {
            topic.produce(partition, &mut self.random);
        }
    }

    fn disturb_log(&mut self) {
        if self.random.one_in(2) {
            let records = 1 + self.random.index(CUT_MAX / 2);
            self.around.log().truncate(records);
        }
    }

    /// Another configuration, or another reference: layouts are set anew everywhere.
    fn configure(&mut self, place: usize) {
        let (id, pick) = (self.started, self.random.below(5));
        if self.awake(place).is_some_and(|process| process.is_ready()) {
            let record = if self.activates && pick < 3 {
                ARTIFACTS[usize::from(pick > 0)].clone()
            } else {
                Record::Configure(Box::new(Configuration {
                    learn_rows: self.learn_rows,
                    ..configuration(pick)
                }))
            };
            // one that is not appended changes nothing
            drop(self.around.log().send(id, &record, &Failed::default()));
        }
    }

    /// Peace. All must be counted.
    fn settle(&mut self) {
        self.around.log().peace = true;
        // who still is of a shard that was divided makes room for those that it became
        for place in 0..self.processes.len() {
            let shard = self.shard(place);
            let process = self.processes[place].as_ref();
            if process.is_some_and(|process| process.fold.shard != shard) {
                self.crash(place);
            }
        }
        for process in self.processes.iter_mut().flatten() {
            process.asleep_until_ms = 0;
        }
        let mut settled: Option<usize> = None;
        for round in 0..ROUNDS_MAX {
            self.now_ms += 5_000;
            let at = self.at();
            while !self.around.log().is_quiet() {
                self.around.log().deliver(at);
            }
            for place in 0..self.processes.len() {
                self.boot(place);
                self.peaceful_turn(place);
            }
            while !self.zombies.is_empty() {
                self.tell_zombie();
            }
            self.give_all();
            // where all is counted, somebody may yet find that it was of another topic
            if self.unsettled().is_none() && round >= *settled.get_or_insert(round) + LOOK_ROUNDS {
                return;
            }
        }
        panic!("no progress in peace: {:?}", self.unsettled());
    }

    fn peaceful_turn(&mut self, place: usize) {
        let mut random = Random::new(self.random.next());
        let now_ms = self.now_ms;
        let Some(process) = &mut self.processes[place] else {
            return;
        };
        for worker in &mut process.workers {
            worker.client.peace = true;
            worker.turn(64, now_ms);
        }
        loop {
            match process.fold_next(&mut random) {
                Ok(true) => {}
                Ok(false) => return,
                Err(Ended::Cut) => return self.crash(place),
                Err(Ended::Fold(error)) => panic!("the fold stops: {error}"),
            }
        }
    }

    fn give_all(&mut self) {
        let partitions = self.around.topic.borrow().partitions.len();
        for partition in 0..partitions {
            let number = i32::try_from(partition).expect("few partitions");
            if !self.owners.contains_key(&number) {
                let place = partition % self.processes.len();
                self.give(number, place, partition % self.around.workers);
            }
        }
    }

    /// The partitions that are read no more.
    pub(crate) fn stopped(&self) -> BTreeSet<usize> {
        let owners = self
            .owners
            .iter()
            .filter_map(|(partition, (place, worker))| {
                let process = self.processes[*place].as_ref()?;
                let stopped = process.workers[*worker].stopped();
                stopped.contains_key(partition).then_some(index(*partition))
            });
        owners.collect()
    }

    /// Something that can be read and is not counted everywhere.
    fn unsettled(&self) -> Option<Unsettled> {
        let (topic, log) = (self.around.topic.borrow(), self.around.log());
        if !log.is_quiet() || self.owners.len() < topic.partitions.len() {
            return Some(Unsettled::Quiet);
        }
        let behind = |process: &Process| !process.is_ready() || log.read(process.next).is_some();
        if self.processes.iter().flatten().any(behind) {
            return Some(Unsettled::Replica);
        }
        let is_open = |(partition, (place, worker)): (&i32, &(usize, usize))| {
            let process = self.processes[*place].as_ref()?;
            let worker = &process.workers[*worker];
            let of_partition = process.fold.chains.iter();
            let of_partition = of_partition.filter(|(key, _)| key.partition == *partition);
            let newest = of_partition.max_by_key(|(key, _)| key.incarnation);
            let head = newest.map(|(_, chain)| chain.head);
            let is_left = |head| {
                let home = index(*partition);
                !topic.fetch(home, head, 1).is_empty() || topic.partitions[home].end < head
            };
            let is_open = head.is_none_or(is_left)
                || worker.reader.is_busy()
                || !worker.client.reads(*partition);
            (is_open && !worker.stopped().contains_key(partition))
                .then_some(Unsettled::Partition(*partition, head))
        };
        self.owners.iter().find_map(is_open)
    }
}

/// What peace waits for.
#[derive(Debug)]
#[expect(dead_code, reason = "shown where there is no progress")]
enum Unsettled {
    /// Something is on its way, or a partition without an owner.
    Quiet,
    /// A replica is behind.
    Replica,
    /// A partition, and how far it is counted.
    Partition(i32, Option<i64>),
}

/// Two references of the model `m0`, of different layouts.
static ARTIFACTS: LazyLock<[Record; 2]> = LazyLock::new(|| [artifact(13), artifact(40)]);

fn artifact(numbers: u32) -> Record {
    let name = |name| Name::new(name).expect("it is a name");
    let (model, version) = (name("m0"), name(UNVERSIONED));
    let header = Header::new(model.clone(), version.clone(), ReferenceRole::Training);
    let (mut x, mut c) = (LooseCounts::default(), LooseCounts::default());
    for number in 0..numbers {
        x.add(Value::Number(number.into()), 50);
        c.add(Value::Text(["k0", "k1"][usize::from(number % 3 == 0)]), 50);
    }
    let rows = u64::from(numbers) * 50;
    let of = |series: &str| (Role::Feature, Box::from(series));
    let series = LooseSeries::from([(of("x"), x), (of("c"), c)]);
    let reference = learn(Header { rows, ..header }, [rows, 0, 0, 0], &series);
    Record::Activate {
        key: ModelKey::new(model, version),
        artifact: to_bytes(&reference.expect("it is a reference")),
        natural: Vec::new(),
    }
}

/// What differs between the configurations of a run is how late rows may be.
pub(crate) fn configuration(late_minutes: u64) -> Configuration {
    let minutes = u32::try_from(late_minutes).expect("a few");
    Configuration {
        windows: vec![PANE.times(12)],
        keep: Some(Length::DAY.times(28)),
        lateness: Length::MINUTE.times(1 + minutes),
        wait_max: Length::MINUTE.times(10),
        silent_after: Length::DAY.times(28),
        models_max: 8,
        models_allow: Vec::new(),
        loose_series_max: 16,
        state_bytes_max: 1 << 40,
        alerts: Alerting::default(),
        learn_rows: 0,
    }
}
