//! Anchors: what the fold remembers of places of the log, held against what the log says of them.

use super::{Effect, Fold, FoldError};
use crate::statelog::record::Anchor;

/// An anchor is taken before each multiple of this many records.
pub const ANCHOR_EVERY: u64 = 4096;

/// Anchors remembered, to be held against those that the log brings.
const ANCHORS_KEPT: usize = 4;

impl Fold {
    pub(super) fn anchor(&mut self, effects: &mut Vec<Effect>) {
        let heads = self
            .chains
            .iter()
            .map(|(key, chain)| (key.clone(), chain.head));
        let totals = self.topics.iter();
        let anchor = Anchor {
            position: self.position,
            digest: self.last_digest,
            heads: heads.collect(),
            totals: totals
                .map(|(name, topic)| (name.to_string(), topic.totals.clone()))
                .collect(),
            log_time: self.log_time,
        };
        if self.anchors.len() >= ANCHORS_KEPT {
            self.anchors.remove(0);
        }
        self.anchors.push(anchor.clone());
        effects.push(Effect::Anchor(anchor));
    }

    /// An anchor of the place that the fold remembers must agree with it.
    ///
    /// One that has another record there is of a tail that an unclean election cut off before
    /// others read it, and says nothing of this log. The time belongs to that comparison: a record
    /// appended again has the same bytes, but is stamped anew.
    pub(super) fn check(&self, anchor: &Anchor) -> Result<(), FoldError> {
        let place = |anchor: &Anchor| (anchor.position, anchor.digest, anchor.log_time);
        let mine = self
            .anchors
            .iter()
            .find(|mine| place(mine) == place(anchor));
        if mine.is_some_and(|mine| mine != anchor) {
            return Err(FoldError::Diverged {
                position: anchor.position,
            });
        }
        Ok(())
    }
}
