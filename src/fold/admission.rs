//! Which model versions are let in and forgotten, and where the counts of a delta go.

use std::sync::Arc;

use globset::{Glob, GlobSet};

use super::learning::{Growth, Learning};
use super::model::{ModelState, SKEW_MAX};
use super::{Effect, Fold};
use crate::delta::Delta;
use crate::key::ModelKey;

/// Panes of arrivals kept per topic; the oldest go first.
const ARRIVALS_MAX: usize = 131_072;

impl Fold {
    pub(super) fn count_models(&mut self, delta: &Delta, effects: &mut Vec<Effect>) {
        let (mut unadmitted, mut beyond) = (0, 0);
        let (config, now) = (Arc::clone(&self.config), self.log_time);
        let loose_max = usize::try_from(config.loose_series_max).unwrap_or(usize::MAX);
        for counts in &delta.models {
            let is_full = self.is_full();
            let Some(model) = self.admit(&counts.key) else {
                unadmitted += counts.panes.iter().map(|pane| pane.rows).sum::<u64>();
                let hits = &mut self.limit_hits;
                let hit = if is_full {
                    &mut hits.state_bytes
                } else {
                    &mut hits.models
                };
                *hit += 1;
                continue;
            };
            let projected = model.projected(counts);
            let counts = projected.as_ref().unwrap_or(counts);
            let model = Arc::make_mut(model);
            let before = model.bytes().total();
            let known = if is_full {
                model.loose_series(counts.layout)
            } else {
                usize::MAX
            };
            let room = (&*config, known.min(loose_max));
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
            beyond += shortfall.beyond_horizon;
            self.grow(counts, effects);
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
    pub(super) fn admit(&mut self, key: &ModelKey) -> Option<&mut Arc<ModelState>> {
        if !self.models.contains_key(key) {
            let full = self.models.len() as u64 >= self.config.models_max;
            let model = key.model.as_str();
            let allowed = self
                .allow
                .as_ref()
                .is_none_or(|allow| allow.is_match(model));
            if !allowed || self.is_full() || full && !self.active.contains_key(key) {
                return None;
            }
            let mut model = ModelState::new(key.clone(), &self.config.windows, self.log_time);
            if let Some(active) = self.active.get(key) {
                model.take(active);
            } else if self.config.learn_rows > 0 {
                model.learning = true;
                let learning = Growth::Learning(Learning::default());
                self.growth.insert(key.clone(), learning);
            }
            self.models.insert(key.clone(), Arc::new(model));
        }
        self.models.get_mut(key)
    }

    /// Adds up what counts take.
    pub(super) fn weigh(&mut self) {
        let of = self.models.values().map(|model| model.bytes().total());
        self.state_bytes = of.sum();
    }

    /// Whether no more is let in than is already there.
    fn is_full(&self) -> bool {
        self.state_bytes >= self.config.state_bytes_max
    }

    /// Forgets model versions that fell silent, and with them what they learned: references from
    /// outside stay active.
    pub(super) fn forget_silent(&mut self, effects: &mut Vec<Effect>) {
        let (now, silent) = (self.log_time, self.config.silent_after.as_millis());
        self.models
            .retain(|_, model| now.millis_since(model.last_seen) <= silent);
        let (models, known) = (&self.models, self.active.len());
        self.growth.retain(|key, _| models.contains_key(key));
        self.active
            .retain(|key, active| !active.learned || models.contains_key(key));
        if self.active.len() < known {
            self.forget_layouts();
            effects.push(Effect::Layouts);
        }
    }

    pub(super) fn count_topic(&mut self, delta: &Delta) {
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
}

/// The set of these globs; `None` where there are none. The configuration was checked: what is not
/// a glob matches nothing.
pub(super) fn allowed(globs: &[String]) -> Option<GlobSet> {
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
