//! The engine: fold and scores behind one synchronous call.
//!
//! Inputs are the log's records in order and the shell's wish for a new board; outputs are what the
//! rest of the daemon must hear of. It has no clock, thread or channel of its own: `app` gives it a
//! thread, `replay` and tests call it directly, so that all of them are the same code.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::desk::Desk;
use crate::alert::episode::{Alert, Change};
use crate::board::{Board, ClosedWindow};
use crate::engine::scribe::Scribe;
use crate::fold::{self, Effect, Fold, FoldError};
use crate::journal::{self, Chain};
use crate::key::{ModelKey, Shard};
use crate::spill::Spill;
use crate::statelog::record::{Anchor, Configuration};
use crate::tally::Layouts;
use crate::time::{Length, Timestamp};

mod image;
mod scribe;

/// What the engine is given.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and most are the large one"
)]
#[derive(Debug)]
pub enum Input {
    /// The next record of the log.
    Record(fold::Input),
    /// The end of the log was reached, as it was when reading began.
    End,
    /// Somebody wants a board of what is known now.
    Publish,
}

/// What the engine gives back.
#[derive(Debug)]
pub enum Output {
    /// What a record changed outside.
    Effect(Effect),
    /// Layouts, base pane and lateness that workers count with from now on.
    Layouts(Arc<Layouts>, Length, Length),
    /// What became of an alert.
    Alert(Change, Arc<Alert>),
    /// The next entry of the journal.
    Journal(journal::Entry),
    /// A board.
    Board(Arc<Board>),
}

/// Fold and scores.
#[derive(Debug, Clone)]
pub struct Engine {
    fold: Fold,
    ready: bool,
    desk: Desk,
    effects: Vec<Effect>,
    told: Vec<(Change, Arc<Alert>)>,
    scribe: Scribe,
    /// Whether judges may follow from another reference or configuration than that in force.
    is_stale: bool,
    closed: BTreeMap<ModelKey, Vec<Arc<ClosedWindow>>>,
}

impl Engine {
    /// An engine at the start of a log; `config` holds until the log brings one.
    pub fn new(config: Configuration) -> Self {
        Self::of(Fold::new(config))
    }

    /// The same of the models of a shard.
    pub fn of_shard(shard: Shard, config: Configuration) -> Self {
        Self::of(Fold::of_shard(shard, config))
    }

    /// An engine of a shard at the place of an anchor, whose journal goes on after `journal`.
    pub fn at_anchor(
        (shard, journal): (Shard, Chain),
        config: Configuration,
        anchor: &Anchor,
    ) -> Self {
        let mut engine = Self::of(Fold::at_anchor(shard, config, anchor));
        engine.scribe = Scribe::after(journal);
        engine
    }

    fn of(fold: Fold) -> Self {
        Self {
            fold,
            ready: false,
            desk: Desk::default(),
            effects: Vec::new(),
            told: Vec::new(),
            scribe: Scribe::default(),
            is_stale: false,
            closed: BTreeMap::new(),
        }
    }

    /// Packed counts are put there from here on.
    pub fn spill_to(&mut self, spill: Spill) {
        self.fold.spill_to(spill);
    }

    /// What is folded.
    pub fn fold(&self) -> &Fold {
        &self.fold
    }

    /// Takes one input; outputs are pushed in the order in which they must take effect.
    pub fn handle(&mut self, input: Input, outputs: &mut Vec<Output>) -> Result<(), FoldError> {
        match input {
            Input::Record(record) => {
                self.fold.apply(record, &mut self.effects)?;
                for effect in std::mem::take(&mut self.effects) {
                    self.effect(effect, outputs);
                }
                self.desk.look(&self.fold, &mut self.told);
                for (change, alert) in self.told.drain(..) {
                    let entry = self.scribe.alert(change, &alert, &self.fold);
                    outputs.extend([Output::Journal(entry), Output::Alert(change, alert)]);
                }
            }
            Input::End => self.ready = true,
            Input::Publish => outputs.push(Output::Board(Arc::new(self.publish()))),
        }
        Ok(())
    }

    /// Takes what a record changed. What is of models of other shards is theirs to judge and to
    /// write down.
    fn effect(&mut self, effect: Effect, outputs: &mut Vec<Output>) {
        let is_own = effect
            .model()
            .is_none_or(|key| self.fold.shard.owns(&key.model));
        let is_active = matches!(effect, Effect::Activated { is_new: true, .. });
        self.is_stale |= is_active || effect == Effect::Configured;
        if is_own {
            self.write_down(&effect, outputs);
        }
        if effect == Effect::Layouts {
            let layouts = Arc::new(self.fold.layouts());
            let lateness = self.fold.config.lateness;
            outputs.push(Output::Layouts(layouts, self.fold.base_pane(), lateness));
        } else {
            outputs.push(Output::Effect(effect));
        }
    }

    fn write_down(&mut self, effect: &Effect, outputs: &mut Vec<Output>) {
        if let Effect::Command(command) = effect
            && self.desk.command(command, self.fold.log_time)
        {
            let entry = self.scribe.command(command, &self.fold);
            outputs.extend(entry.map(Output::Journal));
        }
        let entries = self.scribe.effect(effect, &self.fold);
        outputs.extend(entries.into_iter().map(Output::Journal));
        if let Effect::Activated {
            key, is_new: true, ..
        } = effect
            && let Some(change) = self.desk.activated(&self.fold, key, &mut self.told)
        {
            let entry = self.scribe.schema(&change, &self.fold);
            outputs.push(Output::Journal(entry));
        }
    }

    /// A board with the windows scored that closed since the last one.
    fn publish(&mut self) -> Board {
        if std::mem::take(&mut self.is_stale) {
            self.desk.prepare(&self.fold);
        }
        let mut board = self.board();
        if let Some(watermark) = board.watermark.filter(|_| board.ready) {
            board.closed = self.rescore(&board, watermark);
            self.closed.clone_from(&board.closed);
        }
        board
    }

    /// A board without scores of closed windows.
    pub fn board(&self) -> Board {
        let (firing, resolved) = self.desk.alerts();
        let (mutes, muted) = self.desk.mutes();
        Board {
            position: self.fold.position,
            log_time: self.fold.log_time,
            ready: self.ready,
            watermark: self.fold.watermark,
            config: Arc::clone(&self.fold.config),
            shard: self.fold.shard,
            needs: self.fold.needs.clone(),
            elsewhere: self.fold.elsewhere(),
            models: self.fold.models.clone(),
            closed: BTreeMap::new(),
            judges: self.desk.judges(),
            firing,
            resolved,
            mutes,
            muted,
            alert_totals: self.desk.totals().clone(),
            topics: self.fold.topics.clone(),
            chains: self.fold.chains.clone(),
            left_out: self.fold.left_out().cloned().collect(),
            accepted: self.fold.accepted,
            superseded: self.fold.superseded,
            limit_hits: self.fold.limit_hits,
            webhooks: Arc::clone(&self.fold.webhooks),
        }
    }

    /// The last closed window of each length of each model version: scored again only where it is
    /// another one, or has other counts.
    fn rescore(
        &self,
        board: &Board,
        watermark: Timestamp,
    ) -> BTreeMap<ModelKey, Vec<Arc<ClosedWindow>>> {
        let mut closed = BTreeMap::new();
        for (key, model) in &board.models {
            let before = self.closed.get(key).map_or(&[][..], Vec::as_slice);
            let windows = model.windows.iter().map(|panes| {
                let end = panes.last_tick(watermark);
                let old = before
                    .iter()
                    .find(|old| old.window.length == panes.window());
                let summed = self.desk.summed(key, panes.window());
                board.window_again((old, summed), model, panes, end)
            });
            closed.insert(key.clone(), windows.collect());
        }
        closed
    }
}

#[cfg(test)]
mod life_tests;
#[cfg(test)]
mod tests;
