//! What one worker has on its desk: its lanes, and the decoder and router that they share.
//!
//! No client in here: records, fates and times come in as values, and what the client has to do is
//! left as marks on the lanes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::client::Place;
use super::door::{Door, Fate, Shape};
use super::given::Assigned;
use super::lane::{Author, Handed, Lane, Pace, Stopped, Trouble};
use super::reader::ReaderCommon;
use super::tolls::Tolls;
use crate::decode::{Decoder, Record, Reject};
use crate::key::ChainKey;
use crate::statelog::chain::Action;
use crate::tally::{Router, Seen};
use crate::time::Timestamp;

/// Bytes of the counts that the lanes of one source hold together, over all of its workers. Where a
/// lane has its part of them, its delta is finished early: with a thousand models in turns, deltas
/// have to hold rows of all of them, or each is of few rows.
const TALLY_BYTES_MAX: usize = 256 << 20;

/// The least part of [`TALLY_BYTES_MAX`] that a lane gets.
const TALLY_BYTES_MIN: usize = 400_000;

/// A record as it comes from the client.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, if it has one.
    pub timestamp: Option<Timestamp>,
    /// Its value, if it has one.
    pub value: Option<&'a [u8]>,
}

/// See the module header.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) lanes: Vec<Lane>,
    /// Topics that were made again since the client is there.
    made_again: BTreeSet<Arc<str>>,
    /// The lane of the record before: records come in runs of one partition.
    last: usize,
    decoder: Decoder,
    names_max: usize,
    router: Router,
    shape: Shape,
    generation: u64,
    writer: u64,
    attempts: u64,
    flush_ms: u64,
    workers: usize,
}

/// What makes a desk.
#[derive(Debug, Clone, Copy)]
pub struct DeskSize {
    /// Names of series that the decoder keeps.
    pub names_max: usize,
    /// How long counts may wait.
    pub flush_ms: u64,
    /// Over how many workers the bound of bytes is divided.
    pub workers: usize,
}

impl Desk {
    /// An empty desk of `writer`; `None` before layouts were set.
    pub(super) fn new(decoder: Decoder, door: &Door, writer: u64, size: DeskSize) -> Option<Self> {
        let generation = door.generation();
        let shape = door.shape()?;
        let router = Router::new(shape.layouts.clone(), shape.pane, shape.lateness);
        let DeskSize {
            names_max,
            flush_ms,
            workers,
        } = size;
        Some(Self {
            lanes: Vec::new(),
            made_again: BTreeSet::new(),
            last: 0,
            decoder,
            names_max,
            router,
            shape,
            generation,
            writer,
            attempts: 0,
            flush_ms,
            workers,
        })
    }

    /// How large deltas may be now.
    pub(super) fn pace(&self) -> Pace {
        let lanes = self.workers * self.lanes.len().max(1);
        Pace {
            flush_ms: self.flush_ms,
            bytes_max: (TALLY_BYTES_MAX / lanes).max(TALLY_BYTES_MIN),
        }
    }

    /// The client may have skipped something in the partitions that are read.
    pub(super) fn rebalanced(&mut self) {
        for lane in &mut self.lanes {
            lane.doubt_place();
        }
    }

    /// A partition is read from now on.
    pub(super) fn assigned(&mut self, assigned: &Assigned) {
        self.revoked(&(assigned.chain.topic.clone(), assigned.chain.partition));
        self.lanes.push(Lane::new(assigned));
    }

    /// A partition is no longer read: what is not appended is thrown away.
    pub(super) fn revoked(&mut self, (topic, partition): &Place) {
        self.lanes.retain(|lane| !lane.is(topic, *partition));
    }

    /// The topic is another one now: what comes next is compared with what was counted, once all
    /// that was read before is counted for good.
    pub(super) fn replaced(&mut self, topic: &str) {
        self.made_again.insert(topic.into());
        let of_topic = |lane: &&mut Lane| &*lane.chain.topic == topic;
        for lane in self.lanes.iter_mut().filter(of_topic) {
            lane.doubt();
        }
    }

    /// A topic was made again, and all that was read before is counted for good and compared.
    pub(super) fn is_outdated(&self) -> bool {
        let is_done = |lane: &Lane| {
            lane.trouble.is_none()
                || lane.stopped.is_some()
                || !self.made_again.contains(&lane.chain.topic)
        };
        !self.made_again.is_empty() && self.lanes.iter().all(is_done)
    }

    /// Forgets what was assigned, and what is known of the client.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
        self.made_again.clear();
    }

    /// Counts a record. Returns the reason where it cannot be used.
    pub(super) fn record(&mut self, arrived: &Arrived<'_>, now_ms: u64) -> Option<Reject> {
        // half of the names are for a single record, so that what is counted of it hardly ever
        // depends on what came before
        if self.decoder.names().len() * 2 > self.names_max || self.router.is_full() {
            self.change_over(now_ms);
        }
        let at = self.find(arrived.topic, arrived.partition)?;
        let pace = self.pace();
        let lane = self.lanes.get_mut(at)?;
        let bytes = arrived.value.unwrap_or_default();
        if !lane.admits(arrived.offset, || xxh3_64(bytes)) {
            return None;
        }
        if lane.is_blocked(pace) {
            // it is read again when there is room for it
            lane.lose_place();
            return None;
        }
        let (router, tally) = (&mut self.router, lane.tally());
        let record = Record {
            value: arrived.value,
            timestamp: arrived.timestamp,
        };
        let outcome = self.decoder.decode(record, |names, row| {
            tally.add(router, names, row, arrived.timestamp);
        });
        let seen = Seen {
            offset: arrived.offset,
            timestamp: arrived.timestamp,
            value: bytes,
        };
        lane.counted(seen, outcome, self.shape.pane, now_ms);
        if lane.is_over(pace) && lane.writer.may_seal() {
            self.attempts += 1;
            let author = Author {
                writer: self.writer,
                attempt: self.attempts,
            };
            lane.seal(&self.router, author, now_ms);
        }
        outcome.err()
    }

    fn find(&mut self, topic: &str, partition: i32) -> Option<usize> {
        if self
            .lanes
            .get(self.last)
            .is_some_and(|lane| lane.is(topic, partition))
        {
            return Some(self.last);
        }
        self.last = self
            .lanes
            .iter()
            .position(|lane| lane.is(topic, partition))?;
        Some(self.last)
    }

    /// The end of a partition was reached.
    pub(super) fn reached_end(&mut self, topic: &str, partition: i32, offset: i64) {
        let lane = self.find(topic, partition);
        let lane = lane.and_then(|at| self.lanes.get_mut(at));
        if let Some(lane) = lane.filter(|lane| !lane.is_misplaced()) {
            lane.ended(offset);
        }
    }

    /// A record of a partition was let go: it has to be delivered again.
    pub(super) fn let_go(&mut self, topic: &str, partition: i32) {
        let lane = self.find(topic, partition);
        if let Some(lane) = lane.and_then(|at| self.lanes.get_mut(at)) {
            lane.lose_place();
        }
    }

    /// Takes a new shape, if there is one.
    pub(super) fn look_at_shape(&mut self, door: &Door, now_ms: u64) {
        let generation = door.generation();
        if generation == self.generation {
            return;
        }
        if let Some(shape) = door.shape() {
            self.generation = generation;
            // what was counted by the old shape is finished by it
            self.finish(now_ms);
            self.shape = shape;
            self.forget();
        }
    }

    /// Makes room for names.
    fn change_over(&mut self, now_ms: u64) {
        self.finish(now_ms);
        self.forget();
    }

    /// Empties all tallies. Where a delta cannot be finished, since one waits already, what is
    /// tallied is read again.
    fn finish(&mut self, now_ms: u64) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.has_counts()) {
            if lane.writer.may_seal() {
                self.attempts += 1;
                let author = Author {
                    writer: self.writer,
                    attempt: self.attempts,
                };
                lane.seal(&self.router, author, now_ms);
            } else {
                lane.rewind();
            }
        }
    }

    fn forget(&mut self) {
        let Shape {
            layouts,
            pane,
            lateness,
        } = self.shape.clone();
        self.decoder.clear_names();
        self.router.reset(layouts, pane, lateness);
    }

    /// Takes the fates of attempts. Returns how far which lanes are now counted for good.
    pub(super) fn hear(
        &mut self,
        fates: VecDeque<Fate>,
        common: &ReaderCommon,
    ) -> Vec<(Place, i64)> {
        let mut advanced = Vec::new();
        for fate in fates {
            let lane = self.lanes.iter_mut().find(|lane| lane.chain == fate.chain);
            let Some(lane) = lane.filter(|lane| lane.stopped.is_none()) else {
                continue;
            };
            match lane.fate(&fate) {
                Action::Advance { to } => advanced.push((lane.place(), to)),
                Action::Restart(cause) => {
                    restart(lane, common);
                    common.tolls.restarted(lane, cause);
                }
                Action::None => {}
            }
        }
        advanced
    }

    /// Sees to deadlines, finishes what is due and hands it to the state log.
    pub(super) fn keep(&mut self, common: &ReaderCommon, now_ms: u64) {
        let pace = self.pace();
        for lane in self.lanes.iter_mut().filter(|lane| lane.stopped.is_none()) {
            if let Some(cause) = lane.tick(now_ms) {
                restart(lane, common);
                common.tolls.restarted(lane, cause);
            }
            if lane.trouble == Some(Trouble::Ahead) {
                restart(lane, common);
            }
            if lane.is_doubted() && !lane.is_open() {
                restart(lane, common);
                lane.compare();
            }
            hand_over(lane, common, now_ms);
            if lane.wants_seal(pace, now_ms) {
                self.attempts += 1;
                let author = Author {
                    writer: self.writer,
                    attempt: self.attempts,
                };
                lane.seal(&self.router, author, now_ms);
                hand_over(lane, common, now_ms);
            }
        }
    }

    /// Finishes everything that can be, due or not. Returns whether all is counted for good.
    pub(super) fn settle(&mut self, common: &ReaderCommon, now_ms: u64) -> bool {
        for lane in self.lanes.iter_mut().filter(|lane| lane.stopped.is_none()) {
            if lane.has_counts() && lane.writer.may_seal() {
                self.attempts += 1;
                let author = Author {
                    writer: self.writer,
                    attempt: self.attempts,
                };
                lane.seal(&self.router, author, now_ms);
            }
            hand_over(lane, common, now_ms);
        }
        !self.lanes.iter().any(Lane::is_open)
    }
}

/// Begins a lane again from the head that the fold knows, or from its start where the fold has not
/// met the genesis. Where its partition has begun anew meanwhile, it begins as that.
pub(super) fn restart(lane: &mut Lane, common: &ReaderCommon) {
    let ChainKey {
        topic, partition, ..
    } = &lane.chain;
    let newest = common.door.newest(&common.cluster, topic, *partition);
    if let Some((chain, head)) = newest
        && chain.incarnation > lane.chain.incarnation
    {
        return lane.change_chain(&Assigned { chain, head });
    }
    let head = common.door.head(&lane.chain);
    lane.restart(head);
    if head.is_none() {
        common.genesis(&lane.chain, lane.writer.head());
    }
}

fn hand_over(lane: &mut Lane, common: &ReaderCommon, now_ms: u64) {
    let stopped = match lane.hand_over(&common.append, now_ms) {
        Handed::TooLarge if lane.cut() => {
            restart(lane, common);
            common.tolls.too_large(lane);
            return;
        }
        Handed::TooLarge => Stopped::TooLarge,
        Handed::Unwritable => Stopped::Unwritable,
        Handed::Not | Handed::Over => return,
    };
    lane.stop(stopped);
    Tolls::stopped(lane, stopped);
}

#[cfg(test)]
mod tests;
