//! Anchors: what the fold remembers of places of the log, held against what the log says of them.

use std::sync::Arc;

use super::watermark::Progress;
use super::{Chain, Effect, Fold, FoldError, Topic};
use crate::key::Shard;
use crate::statelog::record::{Anchor, Configuration};

/// An anchor is taken before each multiple of this many records.
pub const ANCHOR_EVERY: u64 = 4096;

/// Anchors remembered, to be held against those that the log brings.
const ANCHORS_KEPT: usize = 4;

impl Fold {
    /// The fold at the place of an anchor: heads and totals are what they were, panes are gone.
    pub fn at_anchor(shard: Shard, config: Configuration, anchor: &Anchor) -> Self {
        let mut fold = Self::of_shard(shard, config);
        fold.position = anchor.position;
        fold.log_time = anchor.log_time;
        fold.swept = anchor.log_time;
        fold.last_digest = anchor.digest;
        let chains = anchor.heads.iter().map(|(key, head)| {
            let progress = Progress {
                frontier: None,
                at_end: false,
                moved: anchor.log_time,
            };
            let chain = Chain {
                head: *head,
                last_record: None,
                progress,
            };
            (key.clone(), chain)
        });
        fold.chains = chains.collect();
        let topics = anchor.totals.iter().map(|(name, totals)| {
            let topic = Topic {
                totals: totals.clone(),
                ..Topic::default()
            };
            (Arc::from(name.as_str()), Arc::new(topic))
        });
        fold.topics = topics.collect();
        fold.anchors = vec![anchor.clone()];
        fold
    }

    /// SHA-256 of the last record folded.
    pub fn last_digest(&self) -> [u8; 32] {
        self.last_digest
    }

    /// The anchor of this place.
    pub fn anchor_here(&self) -> Anchor {
        let heads = self
            .chains
            .iter()
            .map(|(key, chain)| (key.clone(), chain.head));
        let totals = self.topics.iter();
        Anchor {
            position: self.position,
            digest: self.last_digest,
            heads: heads.collect(),
            totals: totals
                .map(|(name, topic)| (name.to_string(), topic.totals.clone()))
                .collect(),
            log_time: self.log_time,
        }
    }

    pub(super) fn anchor(&mut self, effects: &mut Vec<Effect>) {
        let anchor = self.anchor_here();
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
