//! What it costs to be exact: reading again, giving up, copies that were not made. Each event
//! writes its log line and its counter here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::lane::{Lane, Stopped};
use crate::statelog::chain::Cause;

/// How often something had to be done again, since the source was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Deltas that lost the race: another one was first.
    pub superseded: u64,
    /// Deltas that the state log did not take.
    pub failed: u64,
    /// Deltas that the fold did not meet in time.
    pub unseen: u64,
    /// Deltas that were too large and were cut.
    pub too_large: u64,
    /// Copies of rejected records that could not be made.
    pub dead_letters_failed: u64,
}

/// The counters while they count, shared by the workers of a source.
#[derive(Debug, Default)]
pub struct Tolls {
    superseded: AtomicU64,
    failed: AtomicU64,
    unseen: AtomicU64,
    too_large: AtomicU64,
    pub(super) dead_letters_failed: Arc<AtomicU64>,
}

impl Tolls {
    /// How often what has happened so far.
    pub fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            superseded: read(&self.superseded),
            failed: read(&self.failed),
            unseen: read(&self.unseen),
            too_large: read(&self.too_large),
            dead_letters_failed: read(&self.dead_letters_failed),
        }
    }

    /// A lane reads again from its head.
    pub(super) fn restarted(&self, lane: &Lane, cause: Cause) {
        let counter = match cause {
            Cause::Superseded => &self.superseded,
            Cause::Failed => &self.failed,
            Cause::Unseen => &self.unseen,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let (cause, head) = (cause.as_str(), lane.writer.head());
        if cause == Cause::Superseded.as_str() {
            tracing::info!(chain = %lane.chain, cause, head, "counts are read again");
        } else {
            tracing::warn!(chain = %lane.chain, cause, head, "counts are read again");
        }
    }

    /// A delta was too large: the lane reads again from its head and makes smaller ones.
    pub(super) fn too_large(&self, lane: &Lane) {
        self.too_large.fetch_add(1, Ordering::Relaxed);
        tracing::info!(chain = %lane.chain, head = lane.writer.head(), "a delta is cut");
    }

    /// A partition is not read any more.
    pub(super) fn stopped(lane: &Lane, why: Stopped) {
        let todo = match why {
            Stopped::Truncated => {
                "the topic was recreated or truncated: set source.on_truncation = \"restart\" to \
                 count what it holds now"
            }
            Stopped::TooLarge => {
                "the counts of one record are larger than a record of the state log may be: raise \
                 max.message.bytes of its topic"
            }
            Stopped::Unwritable => "this is a fault of driftd: please report it",
        };
        let (reason, head) = (why.as_str(), lane.writer.head());
        tracing::error!(chain = %lane.chain, reason, head, todo, "a partition is stopped");
    }
}
