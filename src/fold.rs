//! The fold: the state log, record by record, becomes everything that driftd knows.
//!
//! ```text
//! genesis  chain known?  ignored            else the chain begins, head = start
//! delta    from == head? counted, head = to else superseded: no effect but a counter; likewise
//!          where a newer incarnation of its partition has begun
//! activate the reference judges its model version from here on
//!          none?    the model version learns one from its first rows
//! command  to accept what was served makes it the baseline; others are passed on
//! delivered  a webhook stands where it begins? its mark moves   else no effect
//! anchor   of a place the fold remembers: must agree, or the log is not the one it was
//! ```
//!
//! It is a function of the log's prefix and nothing else. Its only clock is the append time, which
//! never goes back. Whatever a stranger can make grow (models, series, panes, texts) has a limit,
//! and what a limit keeps out is counted.
//!
//! # Shards
//!
//! The fold of a [`Shard`] counts only the models that are in it. Deltas name layouts by short
//! names, and workers of every shard count the rows of all models, so all that names layouts must
//! be the same in all shards, whatever they count:
//!
//! ```text
//! of all models        chains, topics, watermark; who is let in and when it was last seen;
//!                      references, learning and learned ones; the names of layouts
//! of its own models    panes, hours, what is counted of rows that were not let in or came too late
//! ```
//!
//! What is of all models follows from nothing that is of its own ones. That decides three rules:
//! `state_bytes_max` bounds what a shard counts, and never who is let in or learns; what learning
//! takes is bounded by itself, the same in all shards; and a model version of which a baseline was
//! asked for keeps its layout when it falls silent, whether there was one or not, since only its
//! own shard knows that.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::GlobSet;
use serde::{Deserialize, Serialize};

use crate::delta::{Accounting, Delta, LastRecord};
use crate::fold::activation::{Active, Named};
use crate::fold::admission::allowed;
use crate::fold::learning::Growth;
use crate::fold::model::{ModelState, References, newest};
use crate::fold::watermark::Progress;
use crate::fold::webhooks::Marks;
use crate::key::{ChainKey, ModelKey, Shard};
use crate::layout::Digest;
use crate::spill::Spill;
use crate::statelog::record::{Anchor, Configuration, Record};
use crate::tally::Layouts;
use crate::time::{Length, Timestamp};

mod accept;
mod activation;
mod admission;
mod anchors;
pub mod cells;
mod effect;
pub mod hours;
mod image;
pub mod learning;
pub mod model;
mod needs;
mod packed;
pub mod pane;
mod projection;
pub mod watermark;
pub mod webhooks;
pub mod window;

pub use self::admission::LimitHits;
pub use self::anchors::ANCHOR_EVERY;
pub use self::effect::Effect;
pub use self::needs::Need;

/// A record of the log with its place, as the fold takes it.
#[derive(Debug)]
pub struct Input {
    /// Its place.
    pub position: u64,
    /// When it was appended.
    pub append_time: Timestamp,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// The record.
    pub record: Record,
}

/// Why the fold cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The log is not the one that was folded, or this driftd does not compute what others do.
    #[error(
        "the state log disagrees with itself before position {position}: an anchor says otherwise \
         than its records; the topic or file was changed by something else than driftd"
    )]
    Diverged {
        /// The position of the anchor.
        position: u64,
    },
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Where its next delta must start.
    pub head: i64,
    /// The last record counted.
    pub last_record: Option<LastRecord>,
    /// How far event time came on it.
    pub progress: Progress,
}

/// What became of the records of a topic, and when they arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// Totals since the first genesis.
    pub totals: Accounting,
    /// Rows of own model versions beyond the limit, or that are not let in.
    pub rows_unadmitted: u64,
    /// Rows of own model versions whose pane is gone.
    pub rows_beyond_horizon: u64,
    /// Records and rejected records by the pane of their Kafka timestamp.
    pub arrivals: BTreeMap<Timestamp, (u64, u64)>,
}

/// All that the log says, up to a place.
#[derive(Debug, Clone)]
pub struct Fold {
    /// The configuration in force.
    pub config: Arc<Configuration>,
    /// The place after the last record folded.
    pub position: u64,
    /// The append time of the last record.
    pub log_time: Timestamp,
    /// Chains.
    pub chains: BTreeMap<ChainKey, Chain>,
    /// Topics; behind an [`Arc`] each, to be shared with readers.
    pub topics: BTreeMap<Arc<str>, Arc<Topic>>,
    /// The models that are counted here.
    pub shard: Shard,
    /// Their versions; behind an [`Arc`] each, to be shared with readers.
    pub models: BTreeMap<ModelKey, Arc<ModelState>>,
    /// Deltas counted.
    pub accepted: u64,
    /// Deltas that lost the race, were repeated, or came from a zombie.
    pub superseded: u64,
    /// What limits kept out.
    pub limit_hits: LimitHits,
    /// How far webhooks have got.
    pub webhooks: Arc<Marks>,
    /// The bytes that counts take; exact to what changed this minute other than by counting.
    state_bytes: u64,
    /// How far event time has come; never goes back.
    pub watermark: Option<Timestamp>,
    /// Models that are let in; `None` lets all in.
    allow: Option<GlobSet>,
    /// What each shard needs of the log.
    pub needs: BTreeMap<Shard, Need>,
    /// Model versions that are let in and not counted here, and when rows of them last came: those
    /// of other shards, and those that `state_bytes_max` keeps out.
    elsewhere: BTreeMap<ModelKey, Timestamp>,
    active: BTreeMap<ModelKey, Active>,
    growth: BTreeMap<ModelKey, Growth>,
    /// The bytes that learning takes, as of this minute.
    growth_bytes: u64,
    layout_ids: BTreeMap<Digest, Named>,
    /// Layouts that ever got a short name: none is given twice.
    layouts_named: u32,
    last_row: Timestamp,
    last_digest: [u8; 32],
    anchors: Vec<Anchor>,
    swept: Timestamp,
    /// Where what is packed lies.
    spill: Spill,
}

impl Fold {
    /// Nothing folded yet, and all models are counted; `config` holds until the log brings one.
    pub fn new(config: Configuration) -> Self {
        Self::of_shard(Shard::ALL, config)
    }

    /// The same of the models of a shard.
    pub fn of_shard(shard: Shard, config: Configuration) -> Self {
        Self {
            shard,
            allow: allowed(&config.models_allow),
            config: Arc::new(config),
            position: 0,
            log_time: Timestamp::MIN,
            chains: BTreeMap::new(),
            topics: BTreeMap::new(),
            models: BTreeMap::new(),
            accepted: 0,
            superseded: 0,
            limit_hits: LimitHits::default(),
            webhooks: Arc::default(),
            state_bytes: 0,
            watermark: None,
            needs: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            active: BTreeMap::new(),
            growth: BTreeMap::new(),
            growth_bytes: 0,
            layout_ids: BTreeMap::new(),
            layouts_named: 0,
            last_row: Timestamp::MIN,
            last_digest: [0; 32],
            anchors: Vec::new(),
            swept: Timestamp::MIN,
            spill: Spill::default(),
        }
    }

    /// Packed counts are put there from here on.
    pub fn spill_to(&mut self, spill: Spill) {
        self.spill = spill;
    }

    /// Folds the next record.
    pub fn apply(&mut self, input: Input, effects: &mut Vec<Effect>) -> Result<(), FoldError> {
        if self.position / ANCHOR_EVERY < input.position / ANCHOR_EVERY {
            self.anchor(effects);
        }
        self.log_time = self.log_time.max(input.append_time);
        match input.record {
            Record::Genesis { chain, start } => self.begin(chain, start, effects),
            Record::Delta(delta) => self.count(&delta, effects),
            Record::Activate {
                key,
                artifact,
                natural,
            } => self.activate(&key, (&artifact, &natural), effects),
            Record::Configure(config) => self.configure(*config, effects),
            Record::Anchor(anchor) => self.check(&anchor)?,
            Record::Command(command) => self.command(command, effects),
            Record::Delivered(told) => self.deliver(told, effects),
            Record::Need { shard, from } => self.need(shard, from),
        }
        self.position = input.position + 1;
        self.last_digest = input.digest;
        self.pass_time(effects);
        Ok(())
    }

    /// The length of the panes that workers count in: what all windows' panes and the hour are
    /// multiples of.
    pub fn base_pane(&self) -> Length {
        let panes = self.config.windows.iter();
        panes
            .filter_map(|window| window.divided_by(pane::PANES_PER_WINDOW))
            .fold(Length::HOUR, Length::common_part)
    }

    /// The layouts in force.
    pub fn layouts(&self) -> Layouts {
        let of = self.active.iter().filter_map(|(key, active)| {
            let reference = active.references.iter().next()?;
            Some((key.clone(), (active.layout, Arc::clone(&reference.layout))))
        });
        Layouts {
            of: of.collect(),
            loose_series_max: usize::try_from(self.config.loose_series_max).unwrap_or(usize::MAX),
        }
    }

    /// The references in force of models of other shards.
    pub fn elsewhere(&self) -> BTreeMap<ModelKey, References> {
        let of = self.active.iter();
        of.filter(|(key, _)| !self.shard.owns(&key.model))
            .map(|(key, active)| (key.clone(), active.references.clone()))
            .collect()
    }

    /// How many model versions of this shard are let in and not counted: there is no room, or the
    /// fold goes on where another shard was.
    pub fn uncounted(&self) -> usize {
        let uncounted = self.elsewhere.keys();
        uncounted.filter(|key| self.shard.owns(&key.model)).count()
    }

    /// Chains that should be waited for and no longer are.
    pub fn left_out(&self) -> impl Iterator<Item = &ChainKey> {
        let (now, wait_max) = (self.log_time, self.config.wait_max);
        let late = move |chain: &Chain| chain.progress.is_left_out(now, wait_max);
        self.chains
            .iter()
            .filter(move |(_, chain)| late(chain))
            .map(|(key, _)| key)
    }

    fn begin(&mut self, key: ChainKey, start: i64, effects: &mut Vec<Effect>) {
        let moved = self.log_time;
        let chain = self.chains.entry(key.clone()).or_insert(Chain {
            head: start,
            last_record: None,
            progress: Progress {
                frontier: None,
                at_end: false,
                moved,
            },
        });
        effects.push(Effect::Head {
            chain: key,
            position: chain.head,
            last_record: chain.last_record,
        });
    }

    fn count(&mut self, delta: &Delta, effects: &mut Vec<Effect>) {
        // who still reads as an incarnation that is over may read the records of the next one
        let is_over = self.chains.contains_key(&delta.chain.next_incarnation());
        let chain = self
            .chains
            .get_mut(&delta.chain)
            .filter(|chain| chain.head == delta.from && !is_over);
        let fate = |accepted| Effect::Fate {
            chain: delta.chain.clone(),
            writer: delta.writer,
            attempt: delta.attempt,
            accepted,
        };
        let Some(chain) = chain else {
            self.superseded += 1;
            if let Some(chain) = self.chains.get(&delta.chain) {
                effects.push(Effect::Head {
                    chain: delta.chain.clone(),
                    position: chain.head,
                    last_record: chain.last_record,
                });
            }
            effects.push(fate(false));
            return;
        };
        self.accepted += 1;
        chain.head = delta.to;
        chain.last_record = delta.accounting.last_record.or(chain.last_record);
        chain.progress.at_end = delta.accounting.at_end;
        chain.progress.moved = self.log_time;
        let now = self.log_time;
        let newest = delta
            .models
            .iter()
            .filter_map(|counts| newest(counts, now, now))
            .max();
        chain.progress.frontier = chain.progress.frontier.max(newest);
        effects.push(Effect::Head {
            chain: delta.chain.clone(),
            position: chain.head,
            last_record: chain.last_record,
        });
        effects.push(fate(true));
        if delta.accounting.rows > 0 {
            self.last_row = self.log_time;
        }
        self.count_models(delta, effects);
        self.count_topic(delta);
    }

    fn configure(&mut self, config: Configuration, effects: &mut Vec<Effect>) {
        if *self.config == config {
            return effects.push(Effect::Configured);
        }
        for model in self.models.values_mut() {
            Arc::make_mut(model).reshape(&config.windows);
        }
        self.allow = allowed(&config.models_allow);
        self.config = Arc::new(config);
        self.start_learning();
        effects.extend([Effect::Configured, Effect::Layouts]);
    }

    /// Moves the watermark, and forgets model versions that fell silent.
    fn pass_time(&mut self, effects: &mut Vec<Effect>) {
        let chains = self.chains.values().map(|chain| &chain.progress);
        let (now, wait_max) = (self.log_time, self.config.wait_max);
        let frontier = watermark::frontier(chains, now, self.last_row, wait_max);
        let watermark = frontier.map(|frontier| frontier - self.config.lateness);
        self.watermark = self.watermark.max(watermark);
        if self.log_time.millis_since(self.swept) >= Length::MINUTE.as_millis() {
            self.swept = self.log_time;
            self.forget_silent(effects);
            self.forget_needs();
            self.weigh();
        }
    }
}

#[cfg(test)]
mod shard_tests;
#[cfg(test)]
mod tests;
