//! Which model versions are let in and forgotten, and where the counts of a delta go.
//!
//! ```text
//! enrolled   let in by `models_max` and `models_allow`, in all shards alike: it may learn
//! counted    enrolled, in a model of this shard, while there is room by `state_bytes_max`
//! ```

use std::sync::Arc;

use globset::GlobSet;
use serde::{Deserialize, Serialize};

use super::learning::{Growth, Learning};
use super::model::{ModelState, SKEW_MAX};
use super::{Effect, Fold, Topic};
use crate::delta::{Delta, ModelDelta};
use crate::key::{ModelKey, globs};

/// Panes of arrivals kept per topic; the oldest go first.
const ARRIVALS_MAX: usize = 131_072;

/// How often a limit kept something out of own models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHits {
    /// Deltas with rows of a model version beyond `limits.models_max`.
    pub models: u64,
    /// Panes in which series beyond `limits.loose_series_max` were left out.
    pub loose_series: u64,
    /// Deltas with rows of a model version, and panes with series, that were left out because of
    /// `limits.state_bytes_max`.
    pub state_bytes: u64,
}

impl Fold {
    pub(super) fn count_models(&mut self, delta: &Delta, effects: &mut Vec<Effect>) {
        let (mut unadmitted, mut beyond) = (0, 0);
        for counts in &delta.models {
            let is_own = self.shard.owns(&counts.key.model);
            let is_enrolled = self.enroll(&counts.key);
            if is_enrolled {
                let active = self.active.get(&counts.key);
                let projected = active.and_then(|active| active.projected(counts));
                let counts = projected.as_ref().unwrap_or(counts);
                match self.add(counts, delta) {
                    Some(rows) => beyond += rows,
                    None if is_own => unadmitted += self.refuse(counts, true),
                    None => {}
                }
                self.grow(counts, effects);
            } else if is_own {
                unadmitted += self.refuse(counts, self.is_full() || self.is_growth_full());
            }
        }
        let topic = self.topic(delta);
        topic.rows_unadmitted += unadmitted;
        topic.rows_beyond_horizon += beyond;
    }

    /// Adds the counts of a model version that is counted here: its rows that are beyond the
    /// horizon.
    fn add(&mut self, counts: &ModelDelta, delta: &Delta) -> Option<u64> {
        let (config, now) = (Arc::clone(&self.config), self.log_time);
        let loose_max = usize::try_from(config.loose_series_max).unwrap_or(usize::MAX);
        let (is_full, spill) = (self.is_full(), self.spill.clone());
        let Some(model) = self.counted(&counts.key) else {
            self.elsewhere.insert(counts.key.clone(), now);
            return None;
        };
        let model = Arc::make_mut(model);
        let before = model.bytes().total();
        let known = if is_full {
            model.loose_series(counts.layout)
        } else {
            usize::MAX
        };
        let room = (&*config, known.min(loose_max), &spill);
        let shortfall = model.add(counts, &delta.chain.topic, room, now);
        let after = model.bytes().total();
        self.state_bytes = (self.state_bytes + after).saturating_sub(before);
        let hits = &mut self.limit_hits;
        let hit = if is_full {
            &mut hits.state_bytes
        } else {
            &mut hits.loose_series
        };
        *hit += shortfall.loose;
        Some(shortfall.beyond_horizon)
    }

    /// Notes what a limit keeps out, that of bytes or that of models: the rows.
    fn refuse(&mut self, counts: &ModelDelta, by_bytes: bool) -> u64 {
        let hits = &mut self.limit_hits;
        let hit = if by_bytes {
            &mut hits.state_bytes
        } else {
            &mut hits.models
        };
        *hit += 1;
        counts.panes.iter().map(|pane| pane.rows).sum()
    }

    /// Whether a model version is let in; one that is new learns, unless it has a reference.
    pub(super) fn enroll(&mut self, key: &ModelKey) -> bool {
        if self.is_enrolled(key) {
            return true;
        }
        let allow = self.allow.as_ref();
        let is_allowed = allow.is_none_or(|allow| allow.is_match(key.model.as_str()));
        let learns = self.config.learn_rows > 0;
        let is_active = self.active.contains_key(key);
        let enrolled = self.models.len() + self.elsewhere.len();
        let has_room =
            (enrolled as u64) < self.config.models_max && !(learns && self.is_growth_full());
        if !is_allowed || !is_active && !has_room {
            return false;
        }
        self.elsewhere.insert(key.clone(), self.log_time);
        if learns && !is_active {
            let learning = Growth::Learning(Learning::default());
            self.growth.insert(key.clone(), learning);
        }
        true
    }

    fn is_enrolled(&self, key: &ModelKey) -> bool {
        self.models.contains_key(key) || self.elsewhere.contains_key(key)
    }

    /// The state of a model version that is enrolled and counted here, made while there is room.
    pub(super) fn counted(&mut self, key: &ModelKey) -> Option<&mut Arc<ModelState>> {
        if !self.models.contains_key(key) {
            if self.is_full() || !self.shard.owns(&key.model) {
                return None;
            }
            self.elsewhere.remove(key)?;
            let mut model = ModelState::new(key.clone(), &self.config.windows, self.log_time);
            if let Some(active) = self.active.get(key) {
                model.take(active);
            }
            model.learning = self.growth.get(key).is_some_and(Growth::is_first);
            self.models.insert(key.clone(), Arc::new(model));
        }
        self.models.get_mut(key)
    }

    /// Adds up what counts take, and what learning takes.
    pub(super) fn weigh(&mut self) {
        let of = self.models.values().map(|model| model.bytes().total());
        self.state_bytes = of.sum();
        self.growth_bytes = self.growth.values().map(Growth::bytes).sum();
    }

    /// Whether no more is let in than is already there.
    fn is_full(&self) -> bool {
        self.state_bytes >= self.config.state_bytes_max
    }

    /// Whether no more model versions begin to learn than already do.
    fn is_growth_full(&self) -> bool {
        self.growth_bytes >= self.config.state_bytes_max
    }

    /// Forgets model versions that fell silent, and with them what they learned: references from
    /// outside stay active, and those that operators asked for a baseline of.
    pub(super) fn forget_silent(&mut self, effects: &mut Vec<Effect>) {
        let (now, silent) = (self.log_time, self.config.silent_after.as_millis());
        self.models
            .retain(|_, model| now.millis_since(model.last_seen) <= silent);
        self.elsewhere
            .retain(|_, last_seen| now.millis_since(*last_seen) <= silent);
        let (models, elsewhere) = (&self.models, &self.elsewhere);
        let is_enrolled = |key: &_| models.contains_key(key) || elsewhere.contains_key(key);
        let known = self.active.len();
        self.growth.retain(|key, _| is_enrolled(key));
        self.active
            .retain(|key, active| !active.learned || active.asked || is_enrolled(key));
        if self.active.len() < known {
            self.forget_layouts();
            effects.push(Effect::Layouts);
        }
    }

    fn topic(&mut self, delta: &Delta) -> &mut Topic {
        let name = Arc::clone(&delta.chain.topic);
        Arc::make_mut(self.topics.entry(name).or_default())
    }

    pub(super) fn count_topic(&mut self, delta: &Delta) {
        let latest = (self.log_time + SKEW_MAX).floor(delta.pane);
        let topic = self.topic(delta);
        topic.totals.merge(&delta.accounting);
        for arrived in &delta.arrivals {
            let sum = topic.arrivals.entry(arrived.start.min(latest)).or_default();
            sum.0 += arrived.records;
            sum.1 += arrived.rejected;
        }
        while topic.arrivals.len() > ARRIVALS_MAX {
            topic.arrivals.pop_first();
        }
    }
}

/// The models that are let in; `None` lets all in.
pub(super) fn allowed(models: &[String]) -> Option<GlobSet> {
    (!models.is_empty()).then(|| globs(models))
}
