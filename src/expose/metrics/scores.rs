//! The scores of the last closed windows: most of the page, and what changes least.

use std::sync::{Arc, Weak};

use axum::body::Bytes;

use super::real;
use super::table::{
    ALERT_EVIDENCE, ALERT_LINE_PSI, INVALID_RATIO, JS_DISTANCE, KS_DISTANCE, MISSING_RATIO, Metric,
    NOVEL_RATIO, PSI, PSI_ADJUSTED, SERIES_OMITTED, WASSERSTEIN_SIGMA,
};
use super::text::{Sample, Text};
use crate::alert::judge::Verdicts;
use crate::board::{Board, ClosedWindow};
use crate::expose::view::{novel, ratio, shown};
use crate::key::ModelKey;
use crate::layout::SeriesLayout;
use crate::score::{NumericScores, Scored, Scores};

/// Series that have an alert line at most; the worst go first.
const LINES_MAX: usize = 1_000;

/// A score, where it exists.
type Value = (Metric, fn(&Entry<'_>) -> Option<f64>);

const VALUES: [Value; 8] = [
    (PSI, |entry| Some(entry.scores()?.psi)),
    (PSI_ADJUSTED, |entry| {
        Some(shown(entry.scores()?.psi_adjusted))
    }),
    (KS_DISTANCE, |entry| Some(entry.numeric()?.ks.lo)),
    (JS_DISTANCE, |entry| Some(entry.scores()?.js_distance_bits)),
    (WASSERSTEIN_SIGMA, |entry| {
        entry.numeric()?.wasserstein_sigma
    }),
    (MISSING_RATIO, |entry| {
        ratio(entry.scored.tallied.missing, entry.scored.tallied.rows)
    }),
    (INVALID_RATIO, |entry| {
        ratio(entry.scored.tallied.invalid, entry.scored.tallied.rows)
    }),
    (NOVEL_RATIO, |entry| {
        ratio(
            novel(entry.layout, &entry.scored.tallied)?,
            entry.scored.tallied.rows,
        )
    }),
];

/// The text of the scores, and the windows that it is of.
pub(super) struct Rendered {
    series_max: usize,
    of: Vec<Weak<ClosedWindow>>,
    text: Bytes,
}

impl Rendered {
    pub(super) fn new(series_max: usize) -> Self {
        Self {
            series_max,
            of: Vec::new(),
            text: Bytes::new(),
        }
    }

    /// The text of the windows of `board`.
    pub(super) fn of(&mut self, board: &Board) -> Bytes {
        let windows = || board.closed.values().flatten();
        // they are immutable, and an address that is weakly held is not given to another one
        let same = windows()
            .map(Arc::as_ptr)
            .eq(self.of.iter().map(Weak::as_ptr));
        if self.text.is_empty() || !same {
            let before = std::mem::take(&mut self.text).len();
            // of a little more: texts change in length, and what grows is copied
            let page = Text(String::with_capacity(before + before / 16));
            let text = write(page, board, self.series_max);
            self.text = text.into_boxed_str().into_boxed_bytes().into();
            self.of = windows().map(Arc::downgrade).collect();
        }
        self.text.clone()
    }
}

/// A series in a window against a reference.
struct Entry<'a> {
    key: &'a ModelKey,
    layout: &'a SeriesLayout,
    /// As it is written.
    window: &'a str,
    scored: &'a Scored,
    closed: &'a ClosedWindow,
    /// What it was judged, against the reference that alerts are judged by.
    verdicts: Option<&'a Verdicts>,
}

impl Entry<'_> {
    /// The labels of its scores, as they are written: all scores have the same.
    fn labels(&self) -> String {
        PSI.labelled(&[
            self.key.model.as_str(),
            self.key.version.as_str(),
            self.layout.name(),
            self.window,
            self.scored.against.as_str(),
        ])
    }

    fn scores(&self) -> Option<&Scores> {
        self.scored.scores.as_ref().ok()
    }

    fn numeric(&self) -> Option<&NumericScores> {
        self.scores()?.numeric.as_ref()
    }

    /// The adjusted PSI, and below all of them where there is none.
    fn impact(&self) -> f64 {
        self.scores()
            .map_or(f64::NEG_INFINITY, |scores| scores.psi_adjusted)
    }
}

fn write(mut page: Text, board: &Board, series_max: usize) -> String {
    let windows: Vec<_> = board
        .closed
        .iter()
        .flat_map(|(key, windows)| windows.iter().map(move |closed| (key, closed)))
        .map(|(key, closed)| (key, closed, closed.window.length.to_string()))
        .collect();
    let all = windows.iter().flat_map(|(key, closed, window)| {
        closed.scores.iter().filter_map(move |scored| {
            // the layout is that of the references that the window was scored against
            let layout = closed
                .references
                .iter()
                .next()?
                .layout
                .series()
                .get(scored.series)?;
            Some(Entry {
                key,
                layout,
                window,
                scored,
                closed,
                verdicts: verdicts(closed, scored),
            })
        })
    });
    let (entries, omitted) = worst(all.collect(), series_max);
    let labelled: Vec<_> = entries
        .iter()
        .map(|entry| (entry, entry.labels()))
        .collect();
    for (metric, value) in &VALUES {
        let samples = labelled
            .iter()
            .filter_map(|(entry, labels)| Some(Sample::labelled(labels.as_str(), value(entry)?)));
        page.metric(metric, samples);
    }
    page.metric(&SERIES_OMITTED, [SERIES_OMITTED.sample(&[], real(omitted))]);
    evidence(&mut page, &entries);
    lines(&mut page, entries);
    page.0
}

/// The verdicts of a series, if alerts are judged by the reference that it was scored against.
fn verdicts<'a>(closed: &'a ClosedWindow, scored: &Scored) -> Option<&'a Verdicts> {
    let judge = closed.judge.as_ref()?;
    if judge.reference.header.role != scored.against {
        return None;
    }
    let series = |one: &Verdicts| one.series;
    let place = closed.verdicts.binary_search_by_key(&scored.series, series);
    closed.verdicts.get(place.ok()?)
}

/// What each test says.
fn evidence(page: &mut Text, entries: &[Entry<'_>]) {
    let samples = entries.iter().flat_map(|entry| {
        let tests = entry.verdicts.map_or(&[][..], |verdicts| &verdicts.tests);
        tests.iter().map(|judged| {
            let labels = [
                entry.key.model.as_str(),
                entry.key.version.as_str(),
                entry.layout.name(),
                entry.window,
                judged.compared.test.as_str(),
                entry.scored.against.as_str(),
            ];
            ALERT_EVIDENCE.sample(&labels, judged.evidence())
        })
    });
    page.metric(&ALERT_EVIDENCE, samples);
}

/// Where each series would fire: of the worst ones only, for it takes a search.
fn lines(page: &mut Text, entries: Vec<Entry<'_>>) {
    let (entries, _) = worst(entries, LINES_MAX);
    let samples = entries.iter().filter_map(|entry| {
        let length = entry.closed.window.length;
        let line = entry.closed.judge.as_ref()?.line(entry.verdicts?, length)?;
        Some(Sample::labelled(entry.labels(), line))
    });
    page.metric(&ALERT_LINE_PSI, samples);
}

/// The `max` worst entries, in the order in which they came, and how many others there are.
fn worst(entries: Vec<Entry<'_>>, max: usize) -> (Vec<Entry<'_>>, u64) {
    let omitted = entries.len().saturating_sub(max);
    if omitted == 0 {
        return (entries, 0);
    }
    let mut ranked: Vec<_> = entries.into_iter().enumerate().collect();
    ranked.sort_by(|(m, a), (n, b)| b.impact().total_cmp(&a.impact()).then(m.cmp(n)));
    ranked.truncate(max);
    ranked.sort_by_key(|(place, _)| *place);
    (
        ranked.into_iter().map(|(_, entry)| entry).collect(),
        omitted as u64,
    )
}
