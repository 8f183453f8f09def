//! One series over time: what its windows said, tick by tick.
//!
//! Windows overlap, so the panes of the series are taken out of the board once and then added up
//! for each tick, instead of adding up all series for each tick.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::{KsView, ReferenceView, Text, novel, ratio, shown};
use crate::board::Board;
use crate::fold::model::ModelState;
use crate::fold::pane::Panes;
use crate::key::Role;
use crate::layout::{Kind, Layout, LooseCounts, SeriesLayout};
use crate::reference::Reference;
use crate::score::{self, Insufficient, Scores, Tallied};
use crate::time::{Length, Timestamp};

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::expose) struct HistoryAsked<'a> {
    /// The window length.
    pub(in crate::expose) panes: &'a Panes,
    /// What to compare with.
    pub(in crate::expose) reference: Option<&'a Arc<Reference>>,
    /// The series.
    pub(in crate::expose) series: &'a str,
    /// The length between two points.
    pub(in crate::expose) step: Length,
}

/// A series over time.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct HistoryView<'a> {
    pub(in crate::expose) model: &'a str,
    pub(in crate::expose) version: &'a str,
    pub(in crate::expose) series: &'a str,
    pub(in crate::expose) role: &'static str,
    pub(in crate::expose) kind: &'static str,
    pub(in crate::expose) window: Text<Length>,
    pub(in crate::expose) step: Text<Length>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) reference: Option<ReferenceView>,
    pub(in crate::expose) history: Vec<Point>,
}

/// One window of it.
#[derive(Debug, Default, Serialize)]
pub(in crate::expose) struct Point {
    pub(in crate::expose) end: Text<Timestamp>,
    pub(in crate::expose) rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) missing_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) invalid_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) novel_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) psi: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) psi_adjusted: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) ks: Option<KsView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) js_distance_bits: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) wasserstein_sigma: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) auc: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) insufficient: Option<&'static str>,
    pub(in crate::expose) complete: bool,
}

/// The windows of a series that end at `ticks`; `None` where no pane knows the series.
pub(in crate::expose) fn history<'a>(
    board: &Board,
    model: &'a ModelState,
    asked: &HistoryAsked<'a>,
    ticks: &[Timestamp],
) -> Option<HistoryView<'a>> {
    let subject = Subject::find(model, asked, ticks)?;
    let points = ticks.iter().map(|tick| {
        let counts = subject.lane.sum(*tick - asked.panes.window(), *tick);
        let closed = board.watermark.is_some_and(|watermark| watermark >= *tick);
        let kept = asked.panes.reaches(*tick - asked.panes.window());
        let mut point = subject.point(&counts);
        point.end = Text(*tick);
        point.complete = closed && kept && board.left_out.is_empty();
        point
    });
    Some(HistoryView {
        model: model.key.model.as_str(),
        version: model.key.version.as_str(),
        series: subject.name,
        role: subject.role.as_str(),
        kind: subject.kind.as_str(),
        window: Text(asked.panes.window()),
        step: Text(asked.step),
        reference: subject
            .known
            .map(|(_, _, reference)| ReferenceView::of(reference)),
        history: points.collect(),
    })
}

/// A series and its counts.
struct Subject<'a> {
    name: &'a str,
    role: Role,
    kind: Kind,
    /// Its layout and place, and what it is compared with.
    known: Option<(&'a SeriesLayout, usize, &'a Reference)>,
    lane: Lane,
}

impl<'a> Subject<'a> {
    fn find(model: &'a ModelState, asked: &HistoryAsked<'a>, ticks: &[Timestamp]) -> Option<Self> {
        let from = ticks
            .first()
            .map_or(Timestamp::EPOCH, |tick| *tick - asked.panes.window());
        let range = from..ticks.last().copied().unwrap_or(Timestamp::EPOCH);
        let shape = model.shape.as_ref();
        let place = shape.and_then(|shape| Some((shape, shape.find(asked.series)?)));
        if let (Some((shape, place)), Some(reference)) = (place, asked.reference) {
            let layout = shape.series().get(place)?;
            return Some(Self {
                name: layout.name(),
                role: layout.role(),
                kind: layout.kind(),
                known: Some((layout, place, reference)),
                lane: Lane::known(model, asked.panes, (shape, place), range),
            });
        }
        Self::loose(model, asked, range)
    }

    /// A series that no layout knows: its rows, those without a value, the invalid ones.
    fn loose(
        model: &'a ModelState,
        asked: &HistoryAsked<'a>,
        range: Range<Timestamp>,
    ) -> Option<Self> {
        // the name is looked for in all panes, so that an empty range is not an unknown series
        let every = asked.panes.range(Timestamp::MIN, Timestamp::MAX);
        let mut under = every.filter_map(|(_, pane)| pane.under(model.layout));
        let named = |counts: &'a LooseOf| {
            let mut all = counts.iter();
            all.find(|((_, name), _)| **name == *asked.series)
                .map(|((role, name), _)| (*role, name))
        };
        let (role, name) = under.find_map(|counts| named(&counts.loose))?;
        let key = (role, name.clone());
        let mut sum = LooseCounts::default();
        let mut panes = Vec::new();
        for (start, pane) in asked.panes.range(range.start, range.end) {
            let counts = pane
                .under(model.layout)
                .and_then(|counts| counts.loose.get(&key));
            if let Some(counts) = counts {
                let cells = [counts.present(), counts.missing(), counts.invalid()];
                panes.push((start, cells.into_iter().enumerate().collect()));
                sum.merge(counts);
            }
        }
        let lane = Lane { cells: 3, panes };
        Some(Self {
            name,
            role,
            kind: sum.kind(),
            known: None,
            lane,
        })
    }

    /// What the counts of a window say.
    fn point(&self, counts: &[u64]) -> Point {
        let Some((layout, place, reference)) = self.known else {
            let at = |cell: usize| counts.get(cell).copied().unwrap_or(0);
            let rows = counts.iter().sum();
            let tallied = Tallied {
                rows,
                missing: at(1),
                invalid: at(2),
                novel: 0,
            };
            return Point::new(&tallied, None, Err(Insufficient::NoReference));
        };
        let tallied = score::tallied(layout, counts);
        let scores = match reference.series.get(place) {
            Some(reference) => score::score(layout, reference, counts),
            None => Err(Insufficient::NoReference),
        };
        Point::new(&tallied, novel(layout, &tallied), scores)
    }
}

/// The loose series of a pane.
type LooseOf = BTreeMap<(Role, Box<str>), LooseCounts>;

impl Point {
    fn new(tallied: &Tallied, novel: Option<u64>, scores: Result<Scores, Insufficient>) -> Self {
        let point = Self {
            rows: tallied.rows,
            missing_ratio: ratio(tallied.missing, tallied.rows),
            invalid_ratio: ratio(tallied.invalid, tallied.rows),
            novel_ratio: novel.and_then(|novel| ratio(novel, tallied.rows)),
            ..Self::default()
        };
        match scores {
            Err(why) => Self {
                insufficient: Some(why.as_str()),
                ..point
            },
            Ok(scores) => {
                let numeric = scores.numeric.as_ref();
                Self {
                    psi: Some(scores.psi),
                    psi_adjusted: Some(shown(scores.psi_adjusted)),
                    ks: numeric.map(|numeric| KsView::of(&numeric.ks)),
                    js_distance_bits: Some(scores.js_distance_bits),
                    wasserstein_sigma: numeric.and_then(|numeric| numeric.wasserstein_sigma),
                    auc: numeric.map(|numeric| numeric.auc),
                    ..point
                }
            }
        }
    }
}

impl Default for Text<Timestamp> {
    fn default() -> Self {
        Self(Timestamp::EPOCH)
    }
}

/// The counts of one series in each pane, in order of time.
struct Lane {
    cells: usize,
    panes: Vec<(Timestamp, Vec<(usize, u64)>)>,
}

impl Lane {
    /// Of a series of the layout.
    fn known(
        model: &ModelState,
        panes: &Panes,
        (shape, place): (&Layout, usize),
        range: Range<Timestamp>,
    ) -> Self {
        let (first, end) = (shape.offset(place), shape.offset(place + 1));
        let of = |(cell, count): (u32, u64)| {
            let cell = cell as usize;
            (first..end).contains(&cell).then(|| (cell - first, count))
        };
        let panes = panes
            .range(range.start, range.end)
            .filter_map(|(start, pane)| {
                let counts = pane.under(model.layout)?;
                Some((start, counts.cells.iter().filter_map(of).collect()))
            });
        Self {
            cells: end - first,
            panes: panes.collect(),
        }
    }

    /// The counts of the panes that start in `[from, to)`.
    fn sum(&self, from: Timestamp, to: Timestamp) -> Vec<u64> {
        let mut sum = vec![0; self.cells];
        let first = self.panes.partition_point(|(start, _)| *start < from);
        let panes = self
            .panes
            .iter()
            .skip(first)
            .take_while(|(start, _)| *start < to);
        for (cell, count) in panes.flat_map(|(_, cells)| cells) {
            if let Some(cell) = sum.get_mut(*cell) {
                *cell += count;
            }
        }
        sum
    }
}
