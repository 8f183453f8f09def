//! What the consumer group gives to a worker and takes away, and where reading begins then.
//!
//! Partitions that the fold knows are assigned with their heads as start offsets, in one call,
//! without a question to the brokers. For the others that question is asked once, bounded in time,
//! and their genesis is appended; nobody waits for it to be folded, since the log keeps the order:
//!
//! ```text
//! Genesis{chain, 17}  Delta[17, 90)      this worker's: accepted
//! Genesis{chain, 21}  Delta[21, 90)      of another that asked later: no effect, superseded
//! ```
//!
//! Partitions that got no answer stay unplaced, and the worker tries again. What happened is handed
//! to the worker as [`Change`]s, which it takes before it looks at the next record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::client::{Client, Place};
use super::door::{Head, lock};
use super::reader::ReaderCommon;
use crate::config::Start;
use crate::key::ChainKey;

/// What happened to the assignment, in order.
#[derive(Debug)]
pub(super) enum Change {
    /// The group has given or taken partitions: the client may have skipped something in those that
    /// it has had before.
    Rebalanced,
    /// A partition is read from now on.
    Assigned(Assigned),
    /// A partition is no longer read.
    Revoked(Place),
    /// A topic was deleted and made again.
    Replaced(Arc<str>),
}

/// A partition and where its chain stands.
#[derive(Debug, Clone)]
pub(super) struct Assigned {
    /// Its newest chain.
    pub(super) chain: ChainKey,
    /// How far that is counted.
    pub(super) head: Head,
}

impl Assigned {
    pub(super) fn place(&self) -> Place {
        (Arc::clone(&self.chain.topic), self.chain.partition)
    }

    /// The offset to begin at: the record before the head, where it is remembered.
    pub(super) fn offset(&self) -> i64 {
        self.head
            .last_record
            .map_or(self.head.position, |last| last.offset)
    }
}

/// What a worker was given. Locked, since clients call from their own context; see the header.
#[derive(Debug)]
pub struct Given {
    common: Arc<ReaderCommon>,
    /// Bounded by what can happen between two polls: one rebalance, and topics made again.
    changes: Mutex<Vec<Change>>,
    /// Given by the group, but not placed yet.
    unplaced: Mutex<BTreeSet<Place>>,
}

impl Given {
    /// Nothing was given yet.
    pub fn new(common: Arc<ReaderCommon>) -> Self {
        Self {
            common,
            changes: Mutex::default(),
            unplaced: Mutex::default(),
        }
    }

    /// The group gives these partitions: to be called from within the client's rebalance.
    pub fn give(&self, client: &impl Client, places: Vec<Place>) {
        lock(&self.changes).push(Change::Rebalanced);
        lock(&self.unplaced).extend(places);
        self.place(client);
    }

    /// The group takes these partitions away.
    pub fn take(&self, client: &impl Client, places: Vec<Place>) {
        client.unassign(&places);
        lock(&self.changes).push(Change::Rebalanced);
        for place in places {
            lock(&self.unplaced).remove(&place);
            lock(&self.changes).push(Change::Revoked(place));
        }
    }

    /// A topic of this name was deleted and made again, and what the client delivers next may be
    /// of the new one, at the position that was reached in the old one.
    pub fn replace(&self, topic: &str) {
        lock(&self.changes).push(Change::Replaced(topic.into()));
    }

    /// Takes what happened to the assignment.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *lock(&self.changes))
    }

    /// Whether there are partitions to call [`Self::place`] for.
    pub(super) fn has_unplaced(&self) -> bool {
        !lock(&self.unplaced).is_empty()
    }

    /// Finds out where to begin the partitions that have no place yet, and begins them, in one
    /// call. The call is made even where there is none, since the group waits for it.
    pub(super) fn place(&self, client: &impl Client) {
        let given: Vec<Place> = lock(&self.unplaced).iter().cloned().collect();
        let found = self.find(client, given);
        let beginnings = found.iter().map(|one| (one.place(), one.offset()));
        if !client.assign(&beginnings.collect::<Vec<_>>()) {
            return;
        }
        for assigned in found {
            lock(&self.unplaced).remove(&assigned.place());
            lock(&self.changes).push(Change::Assigned(assigned));
        }
    }

    /// Those of `given` that are known, or whose beginning could be found.
    fn find(&self, client: &impl Client, given: Vec<Place>) -> Vec<Assigned> {
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        let ReaderCommon {
            cluster,
            door,
            beginnings,
            ..
        } = &*self.common;
        for (topic, partition) in given {
            if let Some((chain, head)) = door.newest(cluster, &topic, partition) {
                found.push(Assigned { chain, head });
            } else {
                let start = beginnings.of(&topic, partition);
                unknown.push(((topic, partition), start));
            }
        }
        found.extend(self.begin(client, &unknown));
        found
    }

    /// Begins the chains of partitions that have none.
    fn begin(&self, client: &impl Client, unknown: &[(Place, Start)]) -> Vec<Assigned> {
        let starts = if unknown.is_empty() {
            BTreeMap::new()
        } else {
            client.ask(unknown).unwrap_or_default()
        };
        let begun = starts
            .into_iter()
            .filter_map(|((topic, partition), start)| {
                let chain = ChainKey {
                    shard: 0,
                    cluster: Arc::clone(&self.common.cluster),
                    topic,
                    incarnation: 0,
                    partition,
                };
                self.common.genesis(&chain, start).then(|| {
                    tracing::info!(%chain, start, "a chain begins");
                    let head = Head {
                        position: start,
                        last_record: None,
                    };
                    Assigned { chain, head }
                })
            });
        begun.collect()
    }
}
