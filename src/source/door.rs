//! What the fold tells the workers, against the current: heads, fates and layouts.
//!
//! ```text
//! fold --set_head------> heads by chain            read when a partition is assigned or begun
//! again
//!      --fate----------> mailbox of the writer     read by its worker between two batches
//!      --set_layouts---> shape, a generation       noticed by all workers, who then change over
//! ```
//!
//! Every method takes a lock for a few instructions and never waits for a worker. Nothing here is
//! needed for exact counts: a head that is old or a fate that gets lost only costs a lost race.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::delta::LastRecord;
use crate::fold::Chain;
use crate::key::ChainKey;
use crate::tally::Layouts;
use crate::time::Length;

/// Fates that wait for one writer. A writer has one attempt in flight on each chain, so this is
/// more than enough for one that listens; to one that does not, further fates are not kept, and its
/// attempts end at their deadline.
pub const FATES_MAX: usize = 4_096;

/// How far a chain is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The position that the next delta has to start from.
    pub position: i64,
    /// The last record below it, if the fold has met one.
    pub last_record: Option<LastRecord>,
}

impl Head {
    /// That of a chain as the fold has it.
    pub fn of(chain: &Chain) -> Self {
        Self {
            position: chain.head,
            last_record: chain.last_record,
        }
    }
}

/// What the fold said about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) chain: ChainKey,
    pub(super) attempt: u64,
    pub(super) accepted: bool,
}

/// What events are counted by.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) layouts: Arc<Layouts>,
    pub(super) pane: Length,
    pub(super) lateness: Length,
}

#[derive(Debug, Default)]
struct Mailbox(Mutex<VecDeque<Fate>>);

/// The way from the fold to the workers, shared by both. See the module header.
#[derive(Debug, Default)]
pub struct Door {
    heads: Mutex<BTreeMap<ChainKey, Head>>,
    /// By writer. A writer takes its mailbox away when it ends.
    mailboxes: Mutex<BTreeMap<u64, Arc<Mailbox>>>,
    shape: Mutex<Option<Shape>>,
    /// Counts up with each shape, so that workers need no lock to see that nothing changed.
    generation: AtomicU64,
}

impl Door {
    /// A door through which nothing has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the head of a chain, after its genesis or a delta was accepted.
    pub fn set_head(&self, chain: &ChainKey, head: Head) {
        let mut heads = lock(&self.heads);
        if let Some(known) = heads.get_mut(chain) {
            *known = head;
        } else {
            heads.insert(chain.clone(), head);
        }
    }

    /// Tells `writer` what became of one of its attempts, if it lives in this process. To be called
    /// after [`Self::set_head`].
    pub fn fate(&self, writer: u64, attempt: u64, chain: &ChainKey, accepted: bool) {
        let Some(mailbox) = lock(&self.mailboxes).get(&writer).map(Arc::clone) else {
            return;
        };
        let mut fates = lock(&mailbox.0);
        if fates.len() < FATES_MAX {
            fates.push_back(Fate {
                chain: chain.clone(),
                attempt,
                accepted,
            });
        }
    }

    /// Sets the layouts, the length of panes and what counts as late. The workers finish what they
    /// have counted by the old ones first.
    pub fn set_layouts(&self, layouts: Arc<Layouts>, pane: Length, lateness: Length) {
        *lock(&self.shape) = Some(Shape {
            layouts,
            pane,
            lateness,
        });
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// How often the shape was set.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The shape, if it was set. Ask for [`Self::generation`] before: a shape that is newer than
    /// the generation that goes with it is only taken twice.
    pub(super) fn shape(&self) -> Option<Shape> {
        lock(&self.shape).clone()
    }

    /// The head of a chain, if the fold has met its genesis.
    pub(super) fn head(&self, chain: &ChainKey) -> Option<Head> {
        lock(&self.heads).get(chain).copied()
    }

    /// The newest incarnation of a partition, and its head.
    pub(super) fn newest(
        &self,
        cluster: &str,
        topic: &str,
        partition: i32,
    ) -> Option<(ChainKey, Head)> {
        let heads = lock(&self.heads);
        let of_partition = |chain: &ChainKey| {
            chain.partition == partition && &*chain.topic == topic && &*chain.cluster == cluster
        };
        heads
            .iter()
            .filter(|(chain, _)| of_partition(chain))
            .max_by_key(|(chain, _)| chain.incarnation)
            .map(|(chain, head)| (chain.clone(), *head))
    }

    /// Whether any partition of a topic has a chain.
    pub(super) fn knows(&self, cluster: &str, topic: &str) -> bool {
        let is_of = |chain: &ChainKey| &*chain.topic == topic && &*chain.cluster == cluster;
        lock(&self.heads).keys().any(is_of)
    }

    /// Begins to keep the fates of `writer`.
    pub(super) fn open(&self, writer: u64) {
        lock(&self.mailboxes).insert(writer, Arc::default());
    }

    /// Stops keeping the fates of `writer`.
    pub(super) fn close(&self, writer: u64) {
        lock(&self.mailboxes).remove(&writer);
    }

    /// Takes the fates that came for `writer`.
    pub(super) fn take_fates(&self, writer: u64) -> VecDeque<Fate> {
        let mailbox = lock(&self.mailboxes).get(&writer).map(Arc::clone);
        mailbox.map_or_else(VecDeque::new, |mailbox| {
            std::mem::take(&mut *lock(&mailbox.0))
        })
    }
}

/// A panic elsewhere does not make what is behind these locks wrong: each change is one assignment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(topic: &str, partition: i32, incarnation: u32) -> ChainKey {
        let (cluster, topic) = (Arc::from("c"), Arc::from(topic));
        ChainKey {
            shard: 0,
            cluster,
            topic,
            incarnation,
            partition,
        }
    }

    fn at(position: i64) -> Head {
        Head {
            position,
            last_record: None,
        }
    }

    #[test]
    fn the_newest_incarnation_of_a_partition_is_found() {
        let door = Door::new();
        assert_eq!(door.newest("c", "t", 1), None);
        for (key, position) in [
            (chain("t", 1, 0), 5),
            (chain("t", 1, 2), 7),
            (chain("t", 1, 1), 6),
            (chain("u", 1, 9), 8),
        ] {
            door.set_head(&key, at(position));
        }
        assert_eq!(door.newest("c", "t", 1), Some((chain("t", 1, 2), at(7))));
        assert_eq!(door.newest("c", "t", 2), None);
        assert_eq!(door.newest("other", "t", 1), None);
        door.set_head(&chain("t", 1, 2), at(9));
        assert_eq!(door.head(&chain("t", 1, 2)), Some(at(9)));
        assert!(door.knows("c", "t") && !door.knows("c", "v") && !door.knows("d", "t"));
    }

    #[test]
    fn a_mailbox_is_bounded_and_of_one_writer() {
        let (door, key) = (Door::new(), chain("t", 0, 0));
        door.fate(1, 0, &key, true);
        door.open(1);
        assert!(
            door.take_fates(1).is_empty(),
            "fates from before are not kept"
        );
        for attempt in 0..FATES_MAX as u64 + 5 {
            door.fate(1, attempt, &key, false);
            door.fate(2, attempt, &key, false);
        }
        let fates = door.take_fates(1);
        assert_eq!(
            (fates.len(), fates[0].attempt, fates[0].accepted),
            (FATES_MAX, 0, false)
        );
        assert!(door.take_fates(1).is_empty() && door.take_fates(2).is_empty());
        door.close(1);
        door.fate(1, 0, &key, true);
        assert!(door.take_fates(1).is_empty());
    }

    #[test]
    fn a_generation_counts_shapes() {
        let door = Door::new();
        assert!(door.shape().is_none());
        door.set_layouts(Arc::default(), Length::MINUTE, Length::SECOND);
        assert_eq!(door.generation(), 1);
        assert_eq!(door.shape().unwrap().pane, Length::MINUTE);
    }
}
