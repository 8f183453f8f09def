//! One model version: what it is judged by, which ticks it has been judged at, and what fires.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::counts::SeriesCounts;
use super::episode::{Alert, Change, SILENCE, id_of};
use super::finding::{Episodes, Seen, Told, take};
use super::judge::{HourRows, Judge, Nature, Verdicts, moved_together, whole_of};
use super::lessons::Lessons;
use super::rule::Judged;
use super::sentence::{Subject, sentence};
use super::settings::Settings;
use super::{Test, budget, presence, schema};
use crate::fold::model::ModelState;
use crate::fold::pane::Panes;
use crate::fold::window::{self, Window};
use crate::layout::{Layout, SeriesLayout};
use crate::reference::BLOCK;
use crate::score;
use crate::statelog::record::Configuration;
use crate::time::{Length, Timestamp};

/// The most series named as having moved with another.
const PEERS_MAX: usize = 8;

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
        self.judge = Some(Arc::new(Judge {
            nature: match &based {
                (Some(own), Some(before)) => Some(own.clone().after(before)),
                (own, before) => own.as_ref().or(before.as_ref()).cloned(),
            },
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
        judge: &Judge,
        told: &mut Vec<Told>,
    ) {
        let window = window::sum(model, panes, tick);
        if !is_whole(model, &window) {
            return;
        }
        let verdicts = judge.window(&window, &hours_of(model, panes, &window, judge));
        let moved = moved_together(&verdicts, window.length, judge);
        for verdict in &verdicts {
            let rule = judge.rule(verdict.series, window.length);
            let layout = judge.reference.layout.series().get(verdict.series);
            let Some(name) = layout.map(SeriesLayout::name) else {
                continue;
            };
            for judged in &verdict.tests {
                let place = (Arc::clone(name), window.length, judged.compared.test);
                let seen = Seen {
                    judged: *judged,
                    rule,
                    learned: judge.learned(verdict.series, window.length, &judged.compared),
                };
                let subject = (judge, &window, &moved[..]);
                let alert = || alert_of(model, subject, (verdict, judged));
                told.extend(take(&mut self.episodes, place, tick, seen, alert));
            }
        }
        if let Some(config) = &self.config {
            let settings = Settings::new(&config.alerts, &model.key);
            let of = (&model.key, judge, &settings);
            presence::see(&mut self.episodes, of, &window, told);
        }
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

/// The rows of a window by the hour, where the judge tells hours apart.
pub fn hours_of(
    model: &ModelState,
    panes: &Panes,
    window: &Window,
    judge: &Judge,
) -> Vec<HourRows> {
    if !judge.needs_hours() {
        return Vec::new();
    }
    let layout = &judge.reference.layout;
    let mut hours: BTreeMap<Timestamp, Vec<(u64, u64)>> = BTreeMap::new();
    let none = || vec![(0, 0); layout.series().len()];
    if panes.pane() > BLOCK {
        let Some(cells) = model.hours.cells() else {
            return Vec::new();
        };
        for block in model.hours.range(window.start(), window.end) {
            let rows = |(place, series)| {
                let counts = SeriesCounts::of_block(series, &cells.counts(&block, place));
                (counts.present(), counts.rows())
            };
            let rows = layout.series().iter().enumerate().map(rows).collect();
            hours.insert(block.start, rows);
        }
    } else {
        for (start, pane) in panes.range(window.start(), window.end) {
            if let Some(counts) = pane.under(model.layout) {
                let sums = hours.entry(start.floor(BLOCK)).or_insert_with(none);
                add_rows(layout, counts.cells.iter(), sums);
            }
        }
    }
    hours
        .into_iter()
        .map(|(start, series)| HourRows { start, series })
        .collect()
}

/// Adds cells of a layout, ascending, to the present and all rows of each series.
fn add_rows(layout: &Layout, cells: impl Iterator<Item = (u32, u64)>, sums: &mut [(u64, u64)]) {
    let mut place = 0;
    for (cell, count) in cells {
        let cell = cell as usize;
        while cell >= layout.offset(place + 1) && place + 1 < layout.series().len() {
            place += 1;
        }
        let values = layout
            .series()
            .get(place)
            .map_or(0, SeriesLayout::value_cells);
        if let Some((present, rows)) = sums.get_mut(place) {
            *rows += count;
            if cell < layout.offset(place) + values {
                *present += count;
            }
        }
    }
}

fn alert_of(
    model: &ModelState,
    (judge, window, moved): (&Judge, &Window, &[usize]),
    (verdicts, judged): (&Verdicts, &Judged),
) -> Option<Alert> {
    let reference = &judge.reference;
    let layout = reference.layout.series().get(verdicts.series)?;
    let name_of = |place: usize| Some(Arc::clone(reference.layout.series().get(place)?.name()));
    let others = moved.iter().filter(|place| **place != verdicts.series);
    let peers: Vec<Arc<str>> = others
        .filter_map(|place| name_of(*place))
        .take(PEERS_MAX)
        .collect();
    let test = judged.compared.test;
    let subject = Subject {
        layout,
        reference: reference.series.get(verdicts.series)?,
        cells: score::cells_of(&reference.layout, verdicts.series, &window.cells),
        verdicts,
        length: window.length,
    };
    let names: Vec<&str> = peers.iter().map(|peer| &**peer).collect();
    let role = Some(reference.header.role);
    let place = (&**layout.name(), window.length, test);
    Some(Alert {
        id: id_of(&model.key, place, role, window.end),
        key: model.key.clone(),
        series: Arc::clone(layout.name()),
        window: window.length,
        test,
        reference: role,
        since: window.end,
        severity: judged.severity(),
        p: judged.p,
        alpha: judged.alpha,
        psi: judged.psi.unwrap_or(0.0),
        sentence: sentence(test, subject, &names).into(),
        peers,
        resolved: None,
        acknowledged: None,
    })
}
