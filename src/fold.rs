//! The fold: the state log, record by record, becomes everything that driftd knows.
//!
//! ```text
//! genesis  chain known?  ignored            else the chain begins, head = start
//! delta    from == head? counted, head = to else superseded: no effect but a counter
//! activate the reference judges its model version from here on
//! anchor   of a place the fold remembers: must agree, or the log is not the one it was
//! ```
//!
//! It is a function of the log's prefix and nothing else. Its only clock is the append time, which
//! never goes back. Whatever a stranger can make grow (models, series, panes, texts) has a limit,
//! and what a limit keeps out is counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{Glob, GlobSet};

use crate::delta::{Accounting, Delta, LastRecord, LayoutId};
use crate::fold::model::{ModelState, References, SKEW_MAX, newest};
use crate::fold::watermark::Progress;
use crate::key::{ChainKey, ModelKey};
use crate::layout::{Digest, Layout};
use crate::reference::{Reference, ReferenceRole, artifact};
use crate::statelog::record::{Anchor, Configuration, Record};
use crate::tally::Layouts;
use crate::time::{Length, Timestamp};

pub mod model;
pub mod pane;
pub mod watermark;
pub mod window;

/// An anchor is taken before each multiple of this many records.
pub const ANCHOR_EVERY: u64 = 4096;

/// Anchors remembered, to be held against those that the log brings.
const ANCHORS_KEPT: usize = 4;

/// Panes of arrivals kept per topic; the oldest go first.
const ARRIVALS_MAX: usize = 131_072;

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

/// What a record changed that somebody outside must hear of.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A chain's next delta must start here.
    Head {
        /// The chain.
        chain: ChainKey,
        /// The head.
        position: i64,
        /// The last record counted.
        last_record: Option<LastRecord>,
    },
    /// What became of an attempt.
    Fate {
        /// The chain.
        chain: ChainKey,
        /// The worker.
        writer: u64,
        /// Its attempt.
        attempt: u64,
        /// Counted, or superseded.
        accepted: bool,
    },
    /// Layouts or pane lengths changed: workers count in new ones from now on.
    Layouts,
    /// A reference became active.
    Activated {
        /// The model version.
        key: ModelKey,
        /// What it is to the model version.
        role: ReferenceRole,
        /// Its digest.
        digest: Digest,
    },
    /// A reference did not become active.
    Refused {
        /// The model version.
        key: ModelKey,
        /// Its digest, where it could be read at all.
        digest: Option<Digest>,
        /// Why.
        reason: String,
    },
    /// This anchor should be in the log.
    Anchor(Anchor),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Where its next delta must start.
    pub head: i64,
    /// The last record counted.
    pub last_record: Option<LastRecord>,
    /// How far event time came on it.
    pub progress: Progress,
}

/// What became of the records of a topic, and when they arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic {
    /// Totals since the first genesis.
    pub totals: Accounting,
    /// Rows of model versions beyond the limit, or that are not let in.
    pub rows_unadmitted: u64,
    /// Rows whose pane is gone.
    pub rows_beyond_horizon: u64,
    /// Records and rejected records by the pane of their Kafka timestamp.
    pub arrivals: BTreeMap<Timestamp, (u64, u64)>,
}

/// How often a limit kept something out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitHits {
    /// Deltas with rows of a model version beyond `limits.models_max`.
    pub models: u64,
    /// Panes in which series beyond `limits.loose_series_max` were left out.
    pub loose_series: u64,
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
    /// Model versions; behind an [`Arc`] each, to be shared with readers.
    pub models: BTreeMap<ModelKey, Arc<ModelState>>,
    /// Deltas counted.
    pub accepted: u64,
    /// Deltas that lost the race, were repeated, or came from a zombie.
    pub superseded: u64,
    /// What limits kept out.
    pub limit_hits: LimitHits,
    /// How far event time has come; never goes back.
    pub watermark: Option<Timestamp>,
    /// Models that are let in; `None` lets all in.
    allow: Option<GlobSet>,
    active: BTreeMap<ModelKey, (LayoutId, References)>,
    layout_ids: BTreeMap<Digest, LayoutId>,
    last_row: Timestamp,
    last_digest: [u8; 32],
    anchors: Vec<Anchor>,
    swept: Timestamp,
}

impl Fold {
    /// Nothing folded yet; `config` holds until the log brings one.
    pub fn new(config: Configuration) -> Self {
        Self {
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
            watermark: None,
            active: BTreeMap::new(),
            layout_ids: BTreeMap::new(),
            last_row: Timestamp::MIN,
            last_digest: [0; 32],
            anchors: Vec::new(),
            swept: Timestamp::MIN,
        }
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
            Record::Activate { key, artifact } => self.activate(&key, &artifact, effects),
            Record::Configure(config) => self.configure(config, effects),
            Record::Anchor(anchor) => self.check(&anchor)?,
        }
        self.position = input.position + 1;
        self.last_digest = input.digest;
        self.pass_time();
        Ok(())
    }

    /// The length of the panes that workers count in: what all windows' panes are multiples of.
    pub fn base_pane(&self) -> Length {
        let panes = self.config.windows.iter();
        panes
            .filter_map(|window| window.divided_by(pane::PANES_PER_WINDOW))
            .reduce(Length::common_part)
            .unwrap_or(Length::MINUTE)
    }

    /// The layouts in force.
    pub fn layouts(&self) -> Layouts {
        let of = self.active.iter().filter_map(|(key, (id, references))| {
            let reference = references.iter().next()?;
            Some((key.clone(), (*id, Arc::clone(&reference.layout))))
        });
        Layouts {
            of: of.collect(),
            loose_series_max: usize::try_from(self.config.loose_series_max).unwrap_or(usize::MAX),
        }
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
        let chain = self
            .chains
            .get_mut(&delta.chain)
            .filter(|chain| chain.head == delta.from);
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
        self.count_models(delta);
        self.count_topic(delta);
    }

    fn count_models(&mut self, delta: &Delta) {
        let (mut unadmitted, mut beyond) = (0, 0);
        let (config, now) = (Arc::clone(&self.config), self.log_time);
        for counts in &delta.models {
            let Some(model) = self.admit(&counts.key) else {
                unadmitted += counts.panes.iter().map(|pane| pane.rows).sum::<u64>();
                self.limit_hits.models += 1;
                continue;
            };
            let shortfall = Arc::make_mut(model).add(counts, &delta.chain.topic, &config, now);
            self.limit_hits.loose_series += shortfall.loose;
            beyond += shortfall.beyond_horizon;
        }
        let topic = self
            .topics
            .entry(Arc::clone(&delta.chain.topic))
            .or_default();
        let topic = Arc::make_mut(topic);
        topic.rows_unadmitted += unadmitted;
        topic.rows_beyond_horizon += beyond;
    }

    /// The state of a model version, made while there is room.
    fn admit(&mut self, key: &ModelKey) -> Option<&mut Arc<ModelState>> {
        if !self.models.contains_key(key) {
            let full = self.models.len() as u64 >= self.config.models_max;
            let model = key.model.as_str();
            let allowed = self
                .allow
                .as_ref()
                .is_none_or(|allow| allow.is_match(model));
            if !allowed || full && !self.active.contains_key(key) {
                return None;
            }
            let mut model = ModelState::new(key.clone(), &self.config.windows, self.log_time);
            if let Some((layout, references)) = self.active.get(key) {
                model.layout = *layout;
                model.shape = references.iter().next().map(|one| Arc::clone(&one.layout));
                model.references = references.clone();
            }
            self.models.insert(key.clone(), Arc::new(model));
        }
        self.models.get_mut(key)
    }

    fn count_topic(&mut self, delta: &Delta) {
        let topic = self
            .topics
            .entry(Arc::clone(&delta.chain.topic))
            .or_default();
        let topic = Arc::make_mut(topic);
        topic.totals.merge(&delta.accounting);
        let latest = (self.log_time + SKEW_MAX).floor(delta.pane);
        for arrived in &delta.arrivals {
            let sum = topic.arrivals.entry(arrived.start.min(latest)).or_default();
            sum.0 += arrived.records;
            sum.1 += arrived.rejected;
        }
        while topic.arrivals.len() > ARRIVALS_MAX {
            topic.arrivals.pop_first();
        }
    }

    fn activate(&mut self, key: &ModelKey, bytes: &[u8], effects: &mut Vec<Effect>) {
        let refuse = |digest, reason: String| Effect::Refused {
            key: key.clone(),
            digest,
            reason,
        };
        let reference = match artifact::from_bytes(bytes) {
            Ok(reference) => Arc::new(reference),
            Err(error) => return effects.push(refuse(None, error.to_string())),
        };
        let (role, digest) = (reference.header.role, reference.digest());
        let none = || (LayoutId::UNIVERSAL, References::default());
        let (_, references) = self.active.entry(key.clone()).or_insert_with(none);
        if references
            .of(role)
            .is_some_and(|active| active.digest() == digest)
        {
            return effects.push(Effect::Activated {
                key: key.clone(),
                role,
                digest,
            });
        }
        let layout = reference.layout.digest();
        let differs = |other: &Arc<Reference>| other.layout.digest() != layout;
        match role {
            ReferenceRole::Training => {
                references.baseline.take_if(|baseline| differs(baseline));
                references.training = Some(reference);
            }
            ReferenceRole::Baseline if references.training.as_ref().is_some_and(differs) => {
                return effects.push(refuse(
                    Some(digest),
                    "its layout is not that of the training reference: build it with \
                     --layout-from the training reference"
                        .to_owned(),
                ));
            }
            ReferenceRole::Baseline => references.baseline = Some(reference),
        }
        self.use_layout(key, layout);
        effects.push(Effect::Activated {
            key: key.clone(),
            role,
            digest,
        });
        effects.push(Effect::Layouts);
    }

    /// Counts the rows of a model version in this layout from here on.
    fn use_layout(&mut self, key: &ModelKey, layout: Digest) {
        let next = u32::try_from(self.layout_ids.len() + 1).unwrap_or(u32::MAX);
        let id = *self.layout_ids.entry(layout).or_insert(LayoutId(next));
        if let Some((active, _)) = self.active.get_mut(key) {
            *active = id;
        }
        let references = self
            .active
            .get(key)
            .map(|(_, references)| references.clone());
        let (Some(model), Some(references)) = (self.admit(key), references) else {
            return;
        };
        let model = Arc::make_mut(model);
        model.layout = id;
        model.shape = references
            .iter()
            .next()
            .map(|one| Arc::<Layout>::clone(&one.layout));
        model.references = references;
    }

    fn configure(&mut self, config: Configuration, effects: &mut Vec<Effect>) {
        if *self.config == config {
            return;
        }
        for model in self.models.values_mut() {
            Arc::make_mut(model).reshape(&config.windows);
        }
        self.allow = allowed(&config.models_allow);
        self.config = Arc::new(config);
        effects.push(Effect::Layouts);
    }

    /// Moves the watermark, and forgets model versions that fell silent.
    fn pass_time(&mut self) {
        let chains = self.chains.values().map(|chain| &chain.progress);
        let (now, wait_max) = (self.log_time, self.config.wait_max);
        let frontier = watermark::frontier(chains, now, self.last_row, wait_max);
        let watermark = frontier.map(|frontier| frontier - self.config.lateness);
        self.watermark = self.watermark.max(watermark);
        if self.log_time.millis_since(self.swept) >= Length::MINUTE.as_millis() {
            self.swept = self.log_time;
            let silent = self.config.silent_after.as_millis();
            self.models
                .retain(|_, model| now.millis_since(model.last_seen) <= silent);
        }
    }

    fn anchor(&mut self, effects: &mut Vec<Effect>) {
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

    fn check(&self, anchor: &Anchor) -> Result<(), FoldError> {
        let mine = self
            .anchors
            .iter()
            .find(|mine| mine.position == anchor.position);
        if mine.is_some_and(|mine| mine != anchor) {
            return Err(FoldError::Diverged {
                position: anchor.position,
            });
        }
        Ok(())
    }
}

/// The set of these globs; `None` where there are none. The configuration was checked: what is not
/// a glob matches nothing.
fn allowed(globs: &[String]) -> Option<GlobSet> {
    let globs: Vec<Glob> = globs
        .iter()
        .filter_map(|glob| Glob::new(glob).ok())
        .collect();
    if globs.is_empty() {
        None
    } else {
        GlobSet::new(globs).ok()
    }
}

#[cfg(test)]
mod tests;
