//! One model version: what it is judged by, which ticks it has been judged at, and what fires.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::episode::{Change, SILENCE};
use super::finding::{Episodes, Told};
use super::hourly::{self, Summed};
use super::judge::{Judge, Nature, whole_of};
use super::lessons::Lessons;
use super::screen::Screens;
use super::settings::Settings;
use super::tick::Tick;
use super::{Test, budget, presence, schema};
use crate::fold::model::ModelState;
use crate::fold::pane::Panes;
use crate::fold::window::Window;
use crate::reference::{BLOCK, BlockCells};
use crate::statelog::record::Configuration;
use crate::time::{Length, Timestamp};

/// A model version under watch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    /// What it is judged by; none where there is no reference.
    #[serde(skip)]
    pub(super) judge: Option<Arc<Judge>>,
    /// What fires, in the order in which it is shown.
    pub(super) episodes: Episodes,
    /// The last tick judged of each window length.
    ticked: BTreeMap<Length, Timestamp>,
    /// What it was taught is natural.
    pub(super) lessons: Lessons,
    #[serde(skip)]
    config: Option<Arc<Configuration>>,
    /// What is natural of it, and of the version before, as the judge has it.
    #[serde(skip)]
    based: (Option<Nature>, Option<Nature>),
    /// The last change of fields that was told of.
    pub(super) schema: Option<schema::Change>,
    /// How many tests are charged to the budget of the model.
    #[serde(skip)]
    tests: usize,
    /// What can fire at all.
    #[serde(skip)]
    screens: Screens,
    /// What the last window of each length came to.
    #[serde(skip)]
    pub(super) summed: BTreeMap<Length, Summed>,
}

/// Whether these are the very same.
fn is_same(mine: Option<&Nature>, other: Option<&Nature>) -> bool {
    match (mine, other) {
        (None, None) => true,
        (Some(mine), Some(other)) => mine.is(other),
        _ => false,
    }
}

impl Watch {
    /// How many tests are charged to the budget of the model.
    pub(super) fn tests(&self) -> usize {
        self.judge.as_ref().map_or(0, |_| self.tests)
    }

    /// Takes what the fold says now: reference, configuration, and what hours have taught.
    /// `before` is what was natural of the version before.
    pub(super) fn prepare(
        &mut self,
        model: &ModelState,
        config: &Arc<Configuration>,
        before: Option<&Nature>,
    ) {
        let Some(reference) = model.references.judge() else {
            self.judge = None;
            return;
        };
        let based = (self.lessons.nature().cloned(), before.cloned());
        let is_current = self.judge.as_ref().is_some_and(|judge| {
            Arc::ptr_eq(&judge.reference, reference)
                && self
                    .config
                    .as_ref()
                    .is_some_and(|old| Arc::ptr_eq(old, config))
                && is_same(self.based.0.as_ref(), based.0.as_ref())
                && is_same(self.based.1.as_ref(), based.1.as_ref())
        });
        if is_current {
            return;
        }
        let settings = Settings::new(&config.alerts, &model.key);
        self.config = Some(Arc::clone(config));
        self.tests = budget::tests_of_version(reference, &settings);
        let nature = match &based {
            (Some(own), Some(before)) => Some(own.clone().after(before)),
            (own, before) => own.as_ref().or(before.as_ref()).cloned(),
        };
        self.judge = Some(Arc::new(Judge {
            cells: BlockCells::new(&reference.layout),
            nature,
            false_alarms_per_month: settings.false_alarms_per_month(),
            tests: 1,
            windows: config.windows.len(),
            settings: settings.of_layout(&reference.layout),
            importances: settings.importances(reference),
            owner: settings.owner(),
            whole: whole_of(reference),
            reference: Arc::clone(reference),
        }));
        self.based = based;
    }

    /// Shares the budget among so many tests.
    pub(super) fn share(&mut self, tests: usize) {
        if let Some(judge) = self.judge.as_mut().filter(|judge| judge.tests != tests) {
            Arc::make_mut(judge).tests = tests;
        }
    }

    /// Judges every tick of every window that the watermark has passed and that was not judged yet,
    /// in order of time, short windows first.
    pub(super) fn judge(&mut self, model: &ModelState, watermark: Timestamp, told: &mut Vec<Told>) {
        for (tick, index) in self.due(model, watermark) {
            let (Some(panes), Some(judge)) = (model.windows.get(index), self.judge.clone()) else {
                continue;
            };
            self.judge_tick(model, (panes, tick), &judge, told);
        }
        self.end_silent(model, watermark, told);
    }

    /// The ticks to judge, and of which windows. Those whose window has no pane are passed over.
    fn due(&mut self, model: &ModelState, watermark: Timestamp) -> Vec<(Timestamp, usize)> {
        let mut due = Vec::new();
        for (index, panes) in model.windows.iter().enumerate() {
            let every = budget::every(panes.window(), panes.step());
            let last = watermark.floor(every);
            let before = self.ticked.insert(panes.window(), last);
            let Some((first, end)) = panes.span() else {
                continue;
            };
            let from = before.map_or(first, |before| before.max(first));
            let to = last.min(end + panes.window());
            let mut tick = from.floor(every) + every;
            while tick <= to {
                due.push((tick, index));
                tick = tick + every;
            }
        }
        due.sort_unstable();
        due
    }

    fn judge_tick(
        &mut self,
        model: &ModelState,
        (panes, tick): (&Panes, Timestamp),
        judge: &Arc<Judge>,
        told: &mut Vec<Told>,
    ) {
        let before = self.summed.get(&panes.window());
        let sum = hourly::sum(model, panes, tick, Some(judge), before);
        let (window, hours) = (&sum.window, &sum.hours);
        if !is_whole(model, window) {
            return;
        }
        let screen = self.screens.of(judge, window.length);
        let series = Tick::new(&model.key, (judge, screen), window, hours);
        series.see(&mut self.episodes, told);
        if let Some(config) = &self.config {
            let settings = Settings::new(&config.alerts, &model.key);
            let of = (&model.key, &**judge, &settings);
            presence::see(&mut self.episodes, of, window, told);
        }
        let length = window.length;
        match sum.keep(model.layout) {
            Some(summed) => self.summed.insert(length, summed),
            None => self.summed.remove(&length),
        };
    }

    /// Ends what fires of a model version without rows, and of series that are judged no more.
    fn end_silent(&mut self, model: &ModelState, watermark: Timestamp, told: &mut Vec<Told>) {
        let judge = self.judge.as_ref();
        let alerts = self.config.as_ref().map(|config| &config.alerts);
        let said = alerts.map(|alerts| Settings::new(alerts, &model.key));
        let is_judged = |series: &str, test: Test, reference| {
            judge.is_some_and(|judge| {
                let place = judge.reference.layout.find(series);
                let settings = place.and_then(|place| judge.settings.get(place));
                let is_made = match (test.part(), &said) {
                    (Some(_), _) => settings.is_some_and(|settings| !settings.is_off),
                    (None, Some(said)) => presence::is_made(&judge.reference, said, (series, test)),
                    (None, None) => false,
                };
                Some(judge.reference.header.role) == reference && is_made
            })
        };
        let last = model.last_event.unwrap_or(watermark);
        self.episodes.retain(|(series, window, test), episode| {
            let silent = watermark.millis_since(last);
            let is_silent = silent > SILENCE.max(*window).as_millis();
            let is_kept = if *test == Test::Schema {
                watermark.millis_since(episode.alert.since) < window.as_millis()
            } else {
                !is_silent && is_judged(series, *test, episode.alert.reference)
            };
            if !is_kept {
                told.push((Change::Resolved, episode.end(watermark)));
            }
            is_kept
        });
    }
}

/// Whether a window lies within what was counted: one that begins before the first event, or has
/// lost panes, is not like the blocks that taught what is natural.
pub fn is_whole(model: &ModelState, window: &Window) -> bool {
    let first = model.first_event.map(|first| first.floor(BLOCK));
    window.kept && window.rows > 0 && first.is_some_and(|first| first <= window.start())
}
