//! A process of driftd: a replica that folds the state log, and workers that read the topic.
//!
//! What is real in here is the [`Fold`], the [`Door`] and the [`Reader`]; the process around them
//! is what `app` and the threads of a source are in the daemon.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};

use driftd::config::{OnTruncation, Start};
use driftd::decode::{Decoder, FieldPaths, Limits, Plan};
use driftd::fold::{Effect, Fold, FoldError, Input};
use driftd::image::{self, Album, BlockId};
use driftd::key::Shard;
use driftd::source::{
    Arrived, Beginnings, DeskSize, Door, Given, Head, Reader, ReaderCommon, Tolls,
};
use driftd::spill::Spill;
use driftd::statelog::Failed;
use driftd::statelog::record::{Configuration, Record};
use driftd::time::Timestamp;

use crate::client::{Polled, SimClient};
use crate::log::{Entry, Log};
use crate::random::Random;
use crate::topic::{TOPIC, Topic};

/// What a delta is said to take: now more than a tenth of its records, now less.
const SENT_BYTES: usize = 100;

/// What a replica was at a place of the log, as blocks of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The place after the last record folded.
    pub(crate) position: u64,
    /// The models that were counted.
    pub(crate) shard: Shard,
    /// SHA-256 of that record: a snapshot of another log is not used.
    digest: [u8; 32],
    /// When that was appended, or one before it by another clock.
    log_time: Timestamp,
    blocks: Rc<BTreeMap<BlockId, Vec<u8>>>,
    root: BlockId,
}

impl Snapshot {
    pub(crate) fn is_of(&self, log: &Log, broken: Option<Broken>) -> bool {
        let before = log.before(self.position);
        match broken {
            Some(Broken::Snapshot) => self.position <= log.end && self.position > log.low,
            Some(Broken::Before) => before.is_some_and(|before| before.digest == self.digest),
            // see `statelog::Reader::resume`
            _ => before
                .is_some_and(|before| before.digest == self.digest && before.at <= self.log_time),
        }
    }

    fn of(fold: &Fold) -> Self {
        let mut blocks = BTreeMap::new();
        let mut put = |id, bytes: &[u8]| {
            blocks.insert(id, bytes.to_vec());
            Ok(())
        };
        let album = Album::default();
        let mut writer = album.begin(&mut put);
        let root = fold.write(&mut writer).expect("a fold has bytes");
        drop(writer);
        Self {
            position: fold.position,
            shard: fold.shard,
            digest: fold.last_digest(),
            log_time: fold.log_time,
            blocks: Rc::new(blocks),
            root,
        }
    }

    fn read(&self, shard: Shard) -> Fold {
        let get = |id| Ok(self.blocks.get(&id).cloned());
        let read = Fold::read(self.root, &image::Reader(&get), shard, &Spill::default());
        let (fold, was_here) = read.expect("its bytes are a fold's");
        assert_eq!(was_here, shard == self.shard);
        fold
    }
}

/// A rule that this run does not keep, so that it must be seen to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A delta counts wherever it starts.
    From,
    /// A worker is told that all its attempts were accepted.
    Fate,
    /// A replica goes on although the log was cut or trimmed under it.
    Reader,
    /// A snapshot is used whatever log it is of.
    Snapshot,
    /// A snapshot is known by the bytes of the record before it, whenever that was appended.
    Before,
    /// A client delivers after a seek what it had fetched before.
    Seek,
    /// A topic that was made anew is read on without a word.
    Made,
    /// A shard trims the log by what it needs itself.
    Need,
}

/// What all processes of a run share.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) broken: Option<Broken>,
    pub(crate) topic: Rc<RefCell<Topic>>,
    pub(crate) log: Arc<Mutex<Log>>,
    pub(crate) start: Start,
    pub(crate) on_truncation: OnTruncation,
    pub(crate) workers: usize,
    pub(crate) names_max: usize,
    pub(crate) flush_ms: u64,
}

impl Surroundings {
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nobody panics with the log")
    }
}

/// A thread of a source.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) reader: Reader,
    pub(crate) client: SimClient,
    given: Given,
}

/// See the module header.
#[derive(Debug)]
pub(crate) struct Process {
    /// No other process ever has it.
    pub(crate) id: u64,
    pub(crate) fold: Fold,
    /// The first position not read yet.
    pub(crate) next: u64,
    cuts: usize,
    /// The end of the log when it was opened.
    end: u64,
    common: Arc<ReaderCommon>,
    /// None before the end was reached.
    pub(crate) workers: Vec<Worker>,
    pub(crate) asleep_until_ms: u64,
    around: Surroundings,
    effects: Vec<Effect>,
}

/// Why a process ends by itself.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The log was cut behind what it has read, or trimmed before it was read.
    Cut,
    Fold(FoldError),
}

impl Process {
    /// Starts at the newest snapshot of this log that its shard has, at the beginning where that is
    /// not trimmed, or at the newest snapshot of a shard that covers its own.
    pub(crate) fn boot(
        (id, shard): (u64, Shard),
        around: &Surroundings,
        config: &Configuration,
        snapshots: &[Snapshot],
    ) -> Self {
        let log = around.log();
        let newest = |is_meant: &dyn Fn(&Snapshot) -> bool| {
            let mut newest = snapshots.iter().rev();
            newest.find(|one| is_meant(one) && one.is_of(&log, around.broken))
        };
        let own = newest(&|one| one.shard == shard);
        let newest = own.or_else(|| {
            let wider = newest(&|one| one.shard.covers(shard));
            wider.filter(|_| log.low > 0)
        });
        assert!(
            newest.is_some() || log.low == 0,
            "trimmed below every snapshot that can be used"
        );
        let begin = || Fold::of_shard(shard, config.clone());
        let fold = newest.map_or_else(begin, |newest| newest.read(shard));
        let sender = Arc::clone(&around.log);
        let topic = around.topic.borrow();
        let partitions = i32::try_from(topic.partitions.len()).expect("few partitions");
        let door = Arc::<Door>::default();
        let known = !fold.chains.is_empty();
        let common = ReaderCommon {
            cluster: "c".into(),
            append: Arc::new(move |record: &Record, failed: &Failed| {
                let mut log = sender.lock().expect("nobody panics with the log");
                log.send(id, record, failed).map(|()| SENT_BYTES)
            }),
            door: Arc::clone(&door),
            beginnings: Beginnings::new(around.start, [(TOPIC.to_owned(), partitions, known)]),
            on_truncation: around.on_truncation,
            tolls: Tolls::default(),
        };
        for (key, chain) in &fold.chains {
            door.set_head(key, Head::of(chain));
        }
        Self {
            id,
            next: fold.position,
            fold,
            cuts: log.cuts.len(),
            end: log.end,
            common: Arc::new(common),
            workers: Vec::new(),
            asleep_until_ms: 0,
            around: around.clone(),
            effects: Vec::new(),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.workers.is_empty()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.fold)
    }

    /// Reads the next record of the log. Whether there was one.
    pub(crate) fn fold_next(&mut self, random: &mut Random) -> Result<bool, Ended> {
        let read = {
            let log = self.around.log();
            let is_blind = self.around.broken == Some(Broken::Reader);
            if !is_blind && log.is_lost(self.next, self.cuts) {
                return Err(Ended::Cut);
            }
            self.cuts = log.cuts.len();
            log.read(self.next).cloned()
        };
        let found = read.is_some();
        if let Some(entry) = read {
            self.fold_one(&entry).map_err(Ended::Fold)?;
        }
        if !self.is_ready() && (!found || self.next >= self.end) {
            self.get_ready(random);
        }
        Ok(found)
    }

    fn fold_one(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let mut effects = std::mem::take(&mut self.effects);
        let mut record = (*entry.record).clone();
        if self.around.broken == Some(Broken::From)
            && let Record::Delta(delta) = &mut record
            && let Some(chain) = self.fold.chains.get(&delta.chain)
        {
            delta.from = chain.head;
        }
        self.fold.apply(
            Input {
                position: entry.position,
                append_time: entry.at,
                digest: entry.digest,
                record,
            },
            &mut effects,
        )?;
        self.next = entry.position + 1;
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        self.effects = effects;
        Ok(())
    }

    /// As the thread of the fold does it in the daemon.
    fn carry_out(&self, effect: Effect) {
        let door = &self.common.door;
        match effect {
            Effect::Head {
                chain,
                position,
                last_record,
            } => {
                let head = Head {
                    position,
                    last_record,
                };
                door.set_head(&chain, head);
            }
            Effect::Fate {
                chain,
                writer,
                attempt,
                accepted,
            } => {
                let accepted = accepted || self.around.broken == Some(Broken::Fate);
                door.fate(writer, attempt, &chain, accepted);
            }
            Effect::Layouts => self.set_layouts(),
            Effect::Anchor(anchor) if self.is_ready() => {
                let record = Record::Anchor(anchor);
                // one that is not appended is made up for by the next
                drop((self.common.append)(&record, &Failed::default()));
            }
            _ => {}
        }
    }

    fn set_layouts(&self) {
        let fold = &self.fold;
        let layouts = Arc::new(fold.layouts());
        self.common
            .door
            .set_layouts(layouts, fold.base_pane(), fold.config.lateness);
    }

    /// The end of the log is reached: the workers may begin.
    fn get_ready(&mut self, random: &mut Random) {
        self.set_layouts();
        let size = DeskSize {
            names_max: self.around.names_max,
            flush_ms: self.around.flush_ms,
            workers: self.around.workers,
        };
        for _ in 0..self.around.workers {
            let limits = Limits {
                names_max: self.around.names_max,
                ..Limits::default()
            };
            let plan = Plan::new(&FieldPaths::default()).expect("the default can be planned");
            let decoder = Decoder::new(plan, limits);
            let common = Arc::clone(&self.common);
            let writer = random.next();
            let reader = Reader::new(common, decoder, writer, size).expect("layouts are set");
            let topic = Rc::clone(&self.around.topic);
            let mut client = SimClient::new(topic, Random::new(random.next()));
            client.forgets = self.around.broken != Some(Broken::Seek);
            client.tells = self.around.broken != Some(Broken::Made);
            self.workers.push(Worker {
                reader,
                client,
                given: Given::new(Arc::clone(&self.common)),
            });
        }
    }
}

impl Worker {
    /// The group gives it a partition, or takes it away.
    pub(crate) fn rebalance(&mut self, partition: i32, gives: bool) {
        self.client.rebalance();
        let places = vec![(TOPIC.into(), partition)];
        if gives {
            self.given.give(&self.client, places);
        } else {
            self.given.take(&self.client, places);
        }
        self.reader.take_changes(&self.given);
    }

    /// One turn of its loop, as the worker of the daemon takes it.
    pub(crate) fn turn(&mut self, polls: usize, now_ms: u64) {
        for _ in 0..polls {
            match self.client.poll() {
                Polled::Record(record) => {
                    let arrived = Arrived {
                        topic: TOPIC,
                        partition: record.partition,
                        offset: record.offset,
                        timestamp: Some(record.at),
                        value: Some(&record.value),
                    };
                    self.reader.record(&arrived, now_ms);
                }
                Polled::End(partition, offset) => {
                    self.reader.reached_end(TOPIC, partition, offset);
                }
                Polled::OutOfRange => self.reader.out_of_range(),
                Polled::Replaced => {
                    self.given.replace(TOPIC);
                    self.reader.take_changes(&self.given);
                }
                Polled::Nothing => break,
            }
        }
        self.reader.keep(&self.client, &self.given, now_ms);
    }

    /// The partitions that it has stopped, and why.
    pub(crate) fn stopped(&self) -> BTreeMap<i32, Arc<str>> {
        let status = self.reader.status().into_iter();
        status
            .filter_map(|one| Some((one.partition, one.stopped?)))
            .collect()
    }
}
