//! What is known of one model version: its layout, references and panes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::delta::{LayoutId, ModelDelta, PaneDelta};
use crate::fold::activation::Active;
use crate::fold::hours::{self, Hours};
use crate::fold::pane::Panes;
use crate::key::ModelKey;
use crate::layout::Layout;
use crate::reference::{BLOCK, Reference, ReferenceRole};
use crate::spill::Spill;
use crate::statelog::record::Configuration;
use crate::time::{Length, Timestamp};

/// How far an event may carry time past the append time of its delta: what lies further ahead, up
/// to [`FUTURE_KEPT`], counts as lying here.
pub const SKEW_MAX: Length = Length::MINUTE.times(5);

/// How far after the append time events are believed. Rows beyond are counted as beyond the horizon
/// and move no time: one event from 2100 must not evict anything, nor open panes without end.
pub const FUTURE_KEPT: Length = Length::DAY;

/// The references of a model version and the layout that they share.
#[derive(Debug, Clone, Default)]
pub struct References {
    /// What the model was trained on.
    pub training: Option<Arc<Reference>>,
    /// A healthy serving period.
    pub baseline: Option<Arc<Reference>>,
}

impl References {
    /// The references there are, training first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Reference>> {
        self.training.iter().chain(&self.baseline)
    }

    /// The reference of a role.
    pub fn of(&self, role: ReferenceRole) -> Option<&Arc<Reference>> {
        match role {
            ReferenceRole::Training => self.training.as_ref(),
            ReferenceRole::Baseline => self.baseline.as_ref(),
        }
    }

    /// Whether these are the very references that `others` are.
    pub fn are(&self, others: &Self) -> bool {
        self.iter()
            .map(Arc::as_ptr)
            .eq(others.iter().map(Arc::as_ptr))
    }

    /// The one that alerts are judged against: the baseline if there is one.
    pub fn judge(&self) -> Option<&Arc<Reference>> {
        self.baseline.as_ref().or(self.training.as_ref())
    }
}

/// One model version.
#[derive(Debug, Clone)]
pub struct ModelState {
    /// Which one.
    pub key: ModelKey,
    /// The layout that new rows are counted in.
    pub layout: LayoutId,
    /// That layout; `None` where every series is loose.
    pub shape: Option<Arc<Layout>>,
    /// What live data is compared with.
    pub references: References,
    /// Whether its reference was learned from its own rows.
    pub learned: bool,
    /// Whether it has no reference yet and is learning one.
    pub learning: bool,
    /// Rows ever counted, those beyond the horizon included.
    pub rows: u64,
    /// Rows whose pane was gone, or too far ahead, for every window.
    pub rows_beyond_horizon: u64,
    /// The start of the first pane of an event time believed, at most append time + [`SKEW_MAX`]:
    /// deltas say no more of where a pane's events begin.
    pub first_event: Option<Timestamp>,
    /// The largest event time believed, at most append time + [`SKEW_MAX`].
    pub last_event: Option<Timestamp>,
    /// The log time of the last rows.
    pub last_seen: Timestamp,
    /// The topics that rows came from.
    pub topics: BTreeSet<Arc<str>>,
    /// Panes per window length, ascending.
    pub windows: Vec<Panes>,
    /// The hours of weeks, at the test bins of the layout in force.
    pub hours: Hours,
    /// Of each window length below an hour, the parts of hours that teach what is natural of it.
    pub parts: BTreeMap<Length, Hours>,
    /// Rows by the hour of their event time, whatever their layout; kept as long as the hours.
    pub volume: BTreeMap<Timestamp, u64>,
}

/// The bytes that counts take: the same on all replicas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateBytes {
    /// Of panes.
    pub panes: u64,
    /// Of hours, and of parts of hours.
    pub hours: u64,
}

impl StateBytes {
    /// All of them.
    pub const fn total(self) -> u64 {
        self.panes + self.hours
    }
}

/// What did not fit when a delta's counts were added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shortfall {
    /// Panes in which loose series had to be left out.
    pub(super) loose: u64,
    /// Rows whose pane is gone or too far ahead.
    pub(super) beyond_horizon: u64,
}

impl ModelState {
    /// A model version of which nothing is known yet.
    pub(super) fn new(key: ModelKey, windows: &[Length], now: Timestamp) -> Self {
        Self {
            key,
            layout: LayoutId::UNIVERSAL,
            shape: None,
            references: References::default(),
            learned: false,
            learning: false,
            rows: 0,
            rows_beyond_horizon: 0,
            first_event: None,
            last_event: None,
            last_seen: now,
            topics: BTreeSet::new(),
            windows: windows.iter().map(|window| Panes::new(*window)).collect(),
            hours: Hours::default(),
            parts: parts_of(windows, None, BTreeMap::new()),
            volume: BTreeMap::new(),
        }
    }

    /// Counts new rows in the layout of these references. Hours of another one are forgotten: their
    /// test bins are others.
    pub(super) fn take(&mut self, active: &Active) {
        let references = active.references.clone();
        let shape = references.iter().next().map(|one| Arc::clone(&one.layout));
        if self.layout != active.layout {
            self.hours = shape.clone().map_or_else(Hours::default, Hours::new);
            for (length, parts) in &mut self.parts {
                *parts = Hours::parts(shape.as_ref(), *length);
            }
        }
        self.layout = active.layout;
        self.shape = shape;
        self.references = references;
        self.learned = active.learned;
        self.learning = false;
    }

    /// Adds a delta's counts, which were appended at `now`, while there are no more than
    /// `loose_max` loose series in a pane, and forgets what falls behind.
    pub(super) fn add(
        &mut self,
        delta: &ModelDelta,
        topic: &Arc<str>,
        (config, loose_max, spill): (&Configuration, usize, &Spill),
        now: Timestamp,
    ) -> Shortfall {
        self.last_seen = now;
        if !self.topics.contains(topic) {
            self.topics.insert(Arc::clone(topic));
        }
        let oldest = oldest(delta, now + SKEW_MAX, now);
        self.first_event = self.first_event.into_iter().chain(oldest).min();
        self.last_event = self.last_event.max(newest(delta, now + SKEW_MAX, now));
        let mut shortfall = Shortfall::default();
        for pane in &delta.panes {
            self.rows += pane.rows;
            let is_believed = is_believed(pane, now);
            if is_believed {
                self.add_hour(delta.layout, pane);
            }
            let added = is_believed.then(|| self.add_pane(delta.layout, pane, (config, loose_max)));
            if let Some(left_out) = added.flatten() {
                shortfall.loose += left_out;
            } else {
                shortfall.beyond_horizon += pane.rows;
                self.rows_beyond_horizon += pane.rows;
            }
        }
        self.evict(config, spill);
        shortfall
    }

    /// Adds one pane to each window that still keeps it: in how many of them loose series were left
    /// out, or `None` when no window keeps it.
    fn add_pane(
        &mut self,
        layout: LayoutId,
        pane: &PaneDelta,
        (config, loose_max): (&Configuration, usize),
    ) -> Option<u64> {
        let mut left_out = None;
        for panes in &mut self.windows {
            let horizon = horizon(self.last_event, panes.window(), config);
            if horizon.is_none_or(|horizon| panes.keeps(pane.start, horizon)) {
                let all = panes.add(layout, pane, loose_max);
                *left_out.get_or_insert(0) += u64::from(!all);
            }
        }
        left_out
    }

    /// Adds one pane to its hour, if that is kept.
    fn add_hour(&mut self, layout: LayoutId, pane: &PaneDelta) {
        let Some(last_event) = self.last_event else {
            return;
        };
        if hours::keeps(pane.start, last_event) {
            *self.volume.entry(pane.start.floor(BLOCK)).or_default() += pane.rows;
        }
        if layout == self.layout {
            let parts = self.parts.values_mut();
            for hours in parts.chain([&mut self.hours]) {
                hours.add(pane, last_event);
            }
        }
    }

    /// Forgets panes behind the horizon of each window, and hours behind theirs.
    fn evict(&mut self, config: &Configuration, spill: &Spill) {
        if let Some(last_event) = self.last_event {
            let parts = self.parts.values_mut();
            for hours in parts.chain([&mut self.hours]) {
                hours.settle(last_event, spill);
            }
            while let Some(hour) = self.volume.first_entry()
                && !hours::keeps(*hour.key(), last_event)
            {
                hour.remove();
            }
        }
        for panes in &mut self.windows {
            if let Some(horizon) = horizon(self.last_event, panes.window(), config) {
                panes.evict(horizon);
            }
            if let Some(last_event) = self.last_event {
                panes.settle(last_event, spill);
            }
        }
    }

    /// The bytes that its counts take.
    pub fn bytes(&self) -> StateBytes {
        let panes = self.windows.iter().map(Panes::bytes);
        let hours = self.parts.values().chain([&self.hours]).map(Hours::bytes);
        StateBytes {
            panes: panes.sum::<usize>() as u64,
            hours: hours.sum::<usize>() as u64,
        }
    }

    /// How many loose series the newest panes have, at the most.
    pub(super) fn loose_series(&self, layout: LayoutId) -> usize {
        let newest = self.windows.iter().filter_map(Panes::newest);
        let loose = newest.filter_map(|pane| Some(pane.under(layout)?.loose.len()));
        loose.max().unwrap_or(0)
    }

    /// Takes other window lengths: those that stay keep their panes.
    pub(super) fn reshape(&mut self, windows: &[Length]) {
        let old = std::mem::take(&mut self.parts);
        self.parts = parts_of(windows, self.shape.as_ref(), old);
        let mut old = std::mem::take(&mut self.windows);
        self.windows = windows
            .iter()
            .map(
                |length| match old.iter().position(|panes| panes.window() == *length) {
                    Some(at) => old.swap_remove(at),
                    None => Panes::new(*length),
                },
            )
            .collect();
    }
}

/// The parts of hours for these windows: those that there are, and new ones.
fn parts_of(
    windows: &[Length],
    shape: Option<&Arc<Layout>>,
    mut old: BTreeMap<Length, Hours>,
) -> BTreeMap<Length, Hours> {
    let short = windows.iter().filter(|length| **length < BLOCK);
    let parts = short.map(|length| {
        let parts = old.remove(length);
        (
            *length,
            parts.unwrap_or_else(|| Hours::parts(shape, *length)),
        )
    });
    parts.collect()
}

/// The largest event time of a delta that is believed, at most `latest`.
pub(super) fn newest(delta: &ModelDelta, latest: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let believed = delta.panes.iter().filter(|pane| is_believed(pane, now));
    believed.map(|pane| pane.last_event.min(latest)).max()
}

/// The start of the first pane of a delta that is believed, at most `latest`.
pub(super) fn oldest(delta: &ModelDelta, latest: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let believed = delta.panes.iter().filter(|pane| is_believed(pane, now));
    believed.map(|pane| pane.start.min(latest)).min()
}

/// Whether the events of a pane move time and are counted by it.
pub(super) fn is_believed(pane: &PaneDelta, now: Timestamp) -> bool {
    pane.start <= now + FUTURE_KEPT
}

/// Panes that end by this point are gone.
fn horizon(
    last_event: Option<Timestamp>,
    window: Length,
    config: &Configuration,
) -> Option<Timestamp> {
    let keep = window.times(2).max(config.keep.unwrap_or(window));
    last_event.map(|last| last - keep)
}
