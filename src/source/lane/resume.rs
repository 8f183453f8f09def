//! Where a lane reads on, and which records it takes.
//!
//! ```text
//! begins at a head, begins again      at the last record before the head, if one is remembered
//! has let records go                  at the last record that was read
//! the group was rebalanced            where it is; if there is a gap, as above
//!
//! that record is there                it is dropped, and what follows is counted
//! another one                         counted for good before: not the partition that was counted
//!                                     only read: all that is not counted is read again
//! ```

use super::{Footing, Lane, Trouble};
use crate::source::place::{Below, judge_below};

impl Lane {
    /// The offset at which the client has to go on.
    pub(in crate::source) fn target(&self) -> i64 {
        self.remembered
            .map_or(self.writer.read(), |last| last.offset)
    }

    /// Whether the client has to be told where to go on.
    pub(in crate::source) fn is_misplaced(&self) -> bool {
        self.footing == Footing::Lost
    }

    /// Whether a record is to be counted. `hash` is asked for only where it is compared.
    pub(in crate::source) fn admits(&mut self, offset: i64, hash: impl FnOnce() -> u64) -> bool {
        if self.is_misplaced() || self.is_doubted() || self.stopped.is_some() {
            return false;
        }
        if self.skips(offset) {
            return false;
        }
        if offset >= self.writer.read() {
            self.remembered = None;
            return true;
        }
        let hash = if self.remembered.is_some() { hash() } else { 0 };
        match judge_below(self.remembered, offset, hash) {
            Below::Counted => {}
            Below::Known => self.remembered = None,
            Below::Changed if self.is_ahead() => {
                self.trouble = Some(Trouble::Ahead);
                self.footing = Footing::Lost;
            }
            Below::Changed => self.change(),
        }
        false
    }

    /// The client may have skipped what comes next.
    pub(in crate::source) fn doubt_place(&mut self) {
        if self.footing == Footing::Sure {
            self.footing = Footing::Unsure;
        }
    }

    /// Whether the client goes on at `offset` and may have skipped what is before it, where there
    /// may be nothing but markers. Then it is told where to go on.
    pub(super) fn skips(&mut self, offset: i64) -> bool {
        if self.footing != Footing::Unsure {
            return false;
        }
        self.footing = Footing::Sure;
        let skips = offset > self.writer.read();
        if skips {
            self.lose_place();
        }
        skips
    }

    /// What is remembered is not counted for good.
    fn is_ahead(&self) -> bool {
        let head = self.writer.head();
        self.remembered.is_some_and(|last| last.offset >= head)
    }

    /// The client has to go on at the last record that was read, which shows that nothing before it
    /// has changed meanwhile.
    pub(in crate::source) fn lose_place(&mut self) {
        self.footing = Footing::Lost;
        let last = self.tally.last_record().or(self.last_sealed);
        self.remembered = last.or(self.remembered);
    }

    /// The partition is not the one that was counted.
    pub(in crate::source) fn change(&mut self) {
        self.trouble = Some(Trouble::Changed);
        self.footing = Footing::Lost;
    }

    /// The record that is remembered is not there any more, so nothing can be compared with it.
    pub(in crate::source) fn forget(&mut self) {
        self.remembered = None;
        self.footing = Footing::Lost;
    }
}
