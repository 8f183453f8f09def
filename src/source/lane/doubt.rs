//! What a lane does when its topic may be another one of the same name.
//!
//! ```text
//! told that the topic was made again    doubt: nothing is counted, what is tallied is finished
//! all of it is counted for good         compare: read again from the record before the head
//! that record is there                  the same records: go on
//! another one, or none                  not the partition that was counted, see `place`
//! ```
//!
//! Once that is settled for all its lanes the client is replaced, see `rebalance`.

use super::{Lane, Trouble};

impl Lane {
    /// The client may deliver another topic from now on: nothing is counted until
    /// [`Self::compare`].
    pub(in crate::source) fn doubt(&mut self) {
        if self.stopped.is_none() && self.trouble != Some(Trouble::Changed) {
            self.trouble = Some(Trouble::Doubted);
        }
    }

    pub(in crate::source) fn is_doubted(&self) -> bool {
        self.trouble == Some(Trouble::Doubted)
    }

    /// Reads on at the head, to which the lane was restarted. The record before it shows whose
    /// partition it is; where none is remembered, it is not the one that was counted.
    pub(in crate::source) fn compare(&mut self) {
        self.trouble = None;
        if self.remembered.is_none() && self.writer.head() > 0 {
            self.change();
        }
    }
}
