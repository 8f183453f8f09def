//! References that model versions learn from their own rows.
//!
//! A model version without a reference is counted without a layout, and all its rows are kept
//! together by the hour, until there are enough of them:
//!
//! ```text
//! enough   <=>  rows >= learn_rows,  or rows >= LEARN_ROWS_MIN over a day of event time
//! ```
//!
//! Then a reference is made of them, which becomes active at this place of the log, and what was
//! counted before is counted in its layout (see `projection`). The first hours of a model
//! version are not its week: for [`RENEWED_AFTER`] of event time the counts go on, then the
//! reference takes the sum of all of them, in the same bins.
//!
//! All of it is a function of the log, and of all shards alike: a learned layout has one short name
//! everywhere. A reference from outside ends it, whenever it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::activation::Active;
use super::model::{ModelState, References, SKEW_MAX, is_believed, newest, oldest};
use super::{Effect, Fold, projection};
use crate::delta::{LayoutId, ModelDelta, PaneDelta};
use crate::key::{ModelKey, Role};
use crate::layout::SERIES_MAX;
use crate::reference::learn::{LooseSeries, Recounted, learn, recount};
use crate::reference::{BLOCK, Header, Reference, ReferenceRole};
use crate::spill::Spill;
use crate::time::{Length, Timestamp};

/// The fewest rows that a reference is made of when a day has passed.
pub const LEARN_ROWS_MIN: u64 = 500;

/// The event time after which that many rows are enough.
const LEARN_SPAN: Length = Length::DAY;

/// The event time after learning at which the reference takes the counts of all of it.
pub const RENEWED_AFTER: Length = Length::DAY.times(8);

/// What a model version still learns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Growth {
    /// Rows for its first reference.
    Learning(Learning),
    /// Rows for the sum that the learned reference takes on.
    Renewing(Renewing),
}

impl Growth {
    /// About how many bytes it takes: the same in all shards.
    pub(super) fn bytes(&self) -> u64 {
        let bytes: usize = match self {
            Self::Learning(learning) => learning.hours.values().map(bytes_of).sum(),
            Self::Renewing(renewing) => size_of_val(&*renewing.cells),
        };
        bytes as u64
    }

    /// Whether it is for a first reference.
    pub(super) const fn is_first(&self) -> bool {
        matches!(self, Self::Learning(_))
    }
}

/// About how many bytes an hour without a layout takes.
fn bytes_of(hour: &PaneDelta) -> usize {
    let loose = hour.loose.iter();
    let loose = loose.map(|((_, name), counts)| size_of_val(name) + name.len() + counts.bytes());
    size_of::<PaneDelta>() + loose.sum::<usize>()
}

/// The rows of a model version without a layout. Fewer than `learn_rows`, but for the last delta,
/// which bounds the hours too.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Learning {
    sums: Sums,
    /// Counts by the start of the hour; nothing is forgotten before there are enough.
    hours: BTreeMap<Timestamp, PaneDelta>,
    /// The series admitted, at most `loose_series_max`.
    series: BTreeSet<(Role, Box<str>)>,
}

/// The rows of a model version with a learned reference, those that it was learned from included.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Renewing {
    due: Timestamp,
    layout: LayoutId,
    sums: Sums,
    cells: Vec<u64>,
}

/// What adds up over all rows.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sums {
    rows: u64,
    carried: [u64; 4],
    first_event: Option<Timestamp>,
    last_event: Option<Timestamp>,
}

impl Sums {
    /// Adds the panes of a delta that are believed, and gives them back.
    fn add<'a>(
        &mut self,
        delta: &'a ModelDelta,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a PaneDelta> {
        let latest = now + SKEW_MAX;
        let oldest = oldest(delta, latest, now);
        self.first_event = self.first_event.into_iter().chain(oldest).min();
        self.last_event = self.last_event.max(newest(delta, latest, now));
        let believed = delta
            .panes
            .iter()
            .filter(move |pane| is_believed(pane, now));
        for pane in believed.clone() {
            self.rows += pane.rows;
            for (sum, count) in self.carried.iter_mut().zip(&pane.carried) {
                *sum += count;
            }
        }
        believed
    }

    /// The header of a learned reference of these rows.
    fn header(&self, key: &ModelKey, now: Timestamp) -> Header {
        let role = ReferenceRole::Baseline;
        let mut header = Header::new(key.model.clone(), key.version.clone(), role);
        header.rows = self.rows;
        header.first_event = self.first_event;
        header.last_event = self.last_event;
        header.learned = true;
        header.provenance.created_at = Some(now);
        header
    }
}

impl Learning {
    fn add(&mut self, delta: &ModelDelta, now: Timestamp, series_max: usize) {
        for pane in self.sums.add(delta, now) {
            let start = pane.start.floor(BLOCK);
            let hour = self.hours.entry(start).or_insert_with(|| PaneDelta {
                start,
                rows: 0,
                late: 0,
                last_event: start,
                carried: [0; 4],
                cells: Vec::new(),
                loose: LooseSeries::new(),
            });
            hour.rows += pane.rows;
            for (sum, count) in hour.carried.iter_mut().zip(&pane.carried) {
                *sum += count;
            }
            for (series, counts) in &pane.loose {
                if !self.series.contains(series) {
                    if self.series.len() >= series_max {
                        continue;
                    }
                    self.series.insert(series.clone());
                }
                let sum = hour.loose.entry(series.clone()).or_default();
                sum.merge(counts);
            }
        }
    }

    fn is_enough(&self, learn_rows: u64) -> bool {
        let Sums {
            first_event,
            last_event,
            ..
        } = self.sums;
        let spanned = first_event
            .zip(last_event)
            .is_some_and(|(first, last)| last.millis_since(first) >= LEARN_SPAN.as_millis());
        self.sums.rows >= learn_rows || (spanned && self.sums.rows >= LEARN_ROWS_MIN)
    }

    /// The counts of all hours, a series under its first role where it has two.
    fn all(&self) -> LooseSeries {
        let mut all = LooseSeries::new();
        for (series, counts) in self.hours.values().flat_map(|hour| &hour.loose) {
            all.entry(series.clone()).or_default().merge(counts);
        }
        let mut names = BTreeSet::new();
        all.retain(|(_, name), _| names.insert(name.clone()));
        all
    }
}

impl Renewing {
    fn new(learned: &Reference, layout: LayoutId, sums: Sums) -> Option<Self> {
        let counts = learned
            .series
            .iter()
            .flat_map(|series| series.counts.iter());
        Some(Self {
            due: sums.last_event? + RENEWED_AFTER,
            layout,
            sums,
            cells: counts.collect(),
        })
    }

    fn add(&mut self, delta: &ModelDelta, now: Timestamp) {
        if delta.layout != self.layout {
            return;
        }
        for pane in self.sums.add(delta, now) {
            for (cell, count) in &pane.cells {
                if let Some(sum) = self.cells.get_mut(*cell as usize) {
                    *sum += count;
                }
            }
        }
    }

    fn is_due(&self) -> bool {
        self.sums.last_event >= Some(self.due)
    }
}

impl Fold {
    /// Lets model versions without a reference learn one, or no longer.
    pub(super) fn start_learning(&mut self) {
        if self.config.learn_rows > 0 {
            let enrolled = self.models.keys().chain(self.elsewhere.keys());
            for key in enrolled.filter(|key| !self.active.contains_key(*key)) {
                let growth = self.growth.entry(key.clone());
                growth.or_insert_with(|| Growth::Learning(Learning::default()));
            }
        } else {
            self.growth.retain(|_, growth| !growth.is_first());
        }
        for (key, model) in &mut self.models {
            let learning = self.growth.get(key).is_some_and(Growth::is_first);
            if model.learning != learning {
                Arc::make_mut(model).learning = learning;
            }
        }
    }

    /// Lets a model version learn from what a delta says of it.
    pub(super) fn grow(&mut self, delta: &ModelDelta, effects: &mut Vec<Effect>) {
        let now = self.log_time;
        match self.growth.get_mut(&delta.key) {
            Some(Growth::Learning(learning)) if delta.layout == LayoutId::UNIVERSAL => {
                let series_max = usize::try_from(self.config.loose_series_max);
                learning.add(delta, now, series_max.unwrap_or(SERIES_MAX).min(SERIES_MAX));
                if learning.is_enough(self.config.learn_rows) {
                    self.learn(&delta.key, effects);
                }
            }
            Some(Growth::Renewing(renewing)) => {
                renewing.add(delta, now);
                if renewing.is_due() {
                    self.renew(&delta.key, effects);
                }
            }
            _ => {}
        }
    }

    /// Makes the first reference of a model version, and counts in its layout from here on.
    fn learn(&mut self, key: &ModelKey, effects: &mut Vec<Effect>) {
        let Some(Growth::Learning(learning)) = self.growth.remove(key) else {
            return;
        };
        let header = learning.sums.header(key, self.log_time);
        let reference = match learn(header, learning.sums.carried, &learning.all()) {
            Ok(reference) => Arc::new(reference),
            Err(error) => {
                if let Some(model) = self.models.get_mut(key) {
                    Arc::make_mut(model).learning = false;
                }
                return effects.push(Effect::Refused {
                    key: key.clone(),
                    digest: None,
                    reason: format!("its first rows make no reference: {error}"),
                });
            }
        };
        let layout = self.layout_id(reference.layout.digest(), true);
        let active = Active {
            layout,
            references: References {
                training: None,
                baseline: Some(Arc::clone(&reference)),
            },
            learned: true,
            projects: true,
            asked: false,
        };
        if let Some(model) = self.models.get_mut(key) {
            let model = Arc::make_mut(model);
            model.take(&active);
            model.project(learning.hours.values(), &self.spill);
        }
        self.active.insert(key.clone(), active);
        if let Some(renewing) = Renewing::new(&reference, layout, learning.sums) {
            self.growth.insert(key.clone(), Growth::Renewing(renewing));
        }
        effects.push(self.activated(key, &reference, true));
        effects.push(Effect::Layouts);
    }

    /// Gives the learned reference the counts of all rows so far.
    fn renew(&mut self, key: &ModelKey, effects: &mut Vec<Effect>) {
        let Some(Growth::Renewing(renewing)) = self.growth.remove(key) else {
            return;
        };
        let Some(active) = self.active.get_mut(key) else {
            return;
        };
        let Some(learned) = active.references.baseline.as_ref() else {
            return;
        };
        let counted = Recounted {
            carried: renewing.sums.carried,
            cells: renewing.cells,
            blocks: Vec::new(),
        };
        match recount(learned, renewing.sums.header(key, self.log_time), counted) {
            Ok(renewed) => {
                let renewed = Arc::new(renewed);
                active.references.baseline = Some(Arc::clone(&renewed));
                if let Some(model) = self.models.get_mut(key) {
                    Arc::make_mut(model).take(active);
                }
                effects.push(self.activated(key, &renewed, true));
            }
            Err(error) => effects.push(Effect::Refused {
                key: key.clone(),
                digest: None,
                reason: format!("its first days make no reference: {error}"),
            }),
        }
    }
}

impl ModelState {
    /// Counts in the layout in force what was counted without one.
    fn project<'a>(&mut self, hours: impl Iterator<Item = &'a PaneDelta>, spill: &Spill) {
        let (Some(layout), Some(last_event)) = (self.shape.clone(), self.last_event) else {
            return;
        };
        for panes in &mut self.windows {
            panes.project(self.layout, &layout);
        }
        for hour in hours {
            let hour = projection::project_pane(hour, &layout);
            self.hours.add(&hour, last_event);
        }
        self.hours.settle(last_event, spill);
    }
}

#[cfg(test)]
pub(super) mod tests;
