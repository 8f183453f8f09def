//! What is monitored: model versions, what they are compared with, and the worst score of each.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::Serialize;

use super::{ReferenceView, Text, shown};
use crate::board::{Board, ClosedWindow};
use crate::expose::query::cursor_of;
use crate::fold::model::ModelState;
use crate::key::ModelKey;
use crate::score::calls;
use crate::stats::Rate;
use crate::time::{Length, Timestamp};

/// A page of model versions.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct ModelsPage<'a> {
    windows: Vec<Text<Length>>,
    models: Vec<ModelView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct ModelView<'a> {
    model: &'a str,
    version: &'a str,
    state: &'static str,
    rows: u64,
    rows_beyond_horizon: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event: Option<Text<Timestamp>>,
    topics: Vec<&'a str>,
    references: Vec<ReferenceView>,
    /// The last closed windows.
    windows: Vec<ClosedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worst: Option<WorstView<'a>>,
}

#[derive(Debug, Serialize)]
struct ClosedView {
    window: Text<Length>,
    end: Text<Timestamp>,
    rows: u64,
    complete: bool,
    /// Bounds of quantiles of the latency that events told, in milliseconds: above the first, at
    /// most the second.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    latency_ms: BTreeMap<&'static str, (f64, f64)>,
    /// The share of events with a status that says that the call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_ratio: Option<f64>,
}

/// The series that moved most, over the last closed window of each length.
#[derive(Debug, Serialize)]
struct WorstView<'a> {
    series: &'a str,
    psi_adjusted: f64,
    window: Text<Length>,
    reference: &'static str,
}

/// Model versions in the order of their names, from the one after `after` on.
pub(in crate::expose) fn models(
    board: &Board,
    after: Option<ModelKey>,
    limit: usize,
) -> ModelsPage<'_> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = board.models.range((from, Bound::Unbounded));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let last = page.last().filter(|_| rest.next().is_some());
    ModelsPage {
        windows: board
            .config
            .windows
            .iter()
            .map(|length| Text(*length))
            .collect(),
        next: last.map(|(key, _)| cursor_of(key)),
        models: page
            .into_iter()
            .map(|(key, model)| model_view(board, key, model))
            .collect(),
    }
}

fn model_view<'a>(board: &'a Board, key: &'a ModelKey, model: &'a ModelState) -> ModelView<'a> {
    let closed = board.closed.get(key).map_or(&[][..], Vec::as_slice);
    let windows = closed.iter().map(|closed| ClosedView {
        window: Text(closed.window.length),
        end: Text(closed.window.end),
        rows: closed.window.rows,
        complete: closed.complete,
        latency_ms: calls::latencies(closed.shape(), &closed.window)
            .into_iter()
            .map(|(q, latency)| (q, (latency.lower, latency.upper)))
            .collect(),
        error_ratio: calls::errors(closed.shape(), &closed.window).map(Rate::value),
    });
    ModelView {
        model: key.model.as_str(),
        version: key.version.as_str(),
        state: state(model),
        rows: model.rows,
        rows_beyond_horizon: model.rows_beyond_horizon,
        last_event: model.last_event.map(Text),
        topics: model.topics.iter().map(|topic| &**topic).collect(),
        references: model
            .references
            .iter()
            .map(|one| ReferenceView::of(one))
            .collect(),
        windows: windows.collect(),
        worst: closed
            .iter()
            .filter_map(|closed| worst(model, closed))
            .max_by(|a, b| a.psi_adjusted.total_cmp(&b.psi_adjusted)),
    }
}

/// What driftd can say of a model version.
fn state(model: &ModelState) -> &'static str {
    match (model.references.judge(), model.learned) {
        (Some(_), true) => "learned",
        (Some(_), false) => "monitored",
        (None, _) if model.learning => "learning",
        (None, _) => "no reference",
    }
}

/// The series that moved most against the reference that the model version is judged by.
fn worst<'a>(model: &'a ModelState, closed: &ClosedWindow) -> Option<WorstView<'a>> {
    let against = closed.references.judge()?.header.role;
    let judged = closed
        .scores
        .iter()
        .filter(|scored| scored.against == against);
    let scored = judged.filter_map(|scored| Some((scored, scored.scores.as_ref().ok()?)));
    let (scored, scores) =
        scored.max_by(|(_, a), (_, b)| a.psi_adjusted.total_cmp(&b.psi_adjusted))?;
    Some(WorstView {
        series: model.shape.as_ref()?.series().get(scored.series)?.name(),
        psi_adjusted: shown(scores.psi_adjusted),
        window: Text(closed.window.length),
        reference: against.as_str(),
    })
}
