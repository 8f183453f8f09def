//! What is monitored: model versions, what they are compared with, and the worst score of each.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::Serialize;

use super::{ReferenceView, Text, shown};
use crate::board::{Board, ClosedWindow};
use crate::expose::query::cursor_of;
use crate::fold::model::ModelState;
use crate::key::{ModelKey, Name, Shard};
use crate::score::calls;
use crate::stats::Rate;
use crate::time::{Length, Timestamp};

/// A page of model versions.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct ModelsPage<'a> {
    /// The shard whose models these are, where it is one of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) shard: Option<Shard>,
    pub(in crate::expose) windows: Vec<Text<Length>>,
    pub(in crate::expose) models: Vec<ModelView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) next: Option<String>,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct ModelView<'a> {
    pub(in crate::expose) model: &'a str,
    pub(in crate::expose) version: &'a str,
    pub(in crate::expose) state: &'static str,
    pub(in crate::expose) rows: u64,
    pub(in crate::expose) rows_beyond_horizon: u64,
    /// When it was rolled out, as far as its events tell: to the length of the shortest pane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) first_event: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) last_event: Option<Text<Timestamp>>,
    pub(in crate::expose) topics: Vec<&'a str>,
    pub(in crate::expose) references: Vec<ReferenceView>,
    /// How many alerts fire, by severity; severities without any are left out.
    pub(in crate::expose) firing: BTreeMap<&'static str, u64>,
    /// The last closed windows.
    pub(in crate::expose) windows: Vec<ClosedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) worst: Option<WorstView<'a>>,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct ClosedView {
    pub(in crate::expose) window: Text<Length>,
    pub(in crate::expose) end: Text<Timestamp>,
    pub(in crate::expose) rows: u64,
    pub(in crate::expose) complete: bool,
    /// Bounds of quantiles of the latency that events told, in milliseconds: above the first, at
    /// most the second.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::expose) latency_ms: BTreeMap<&'static str, (f64, f64)>,
    /// The share of events with a status that says that the call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) error_ratio: Option<f64>,
}

/// The series that moved most, over the last closed window of each length.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct WorstView<'a> {
    pub(in crate::expose) series: &'a str,
    pub(in crate::expose) psi_adjusted: f64,
    pub(in crate::expose) window: Text<Length>,
    pub(in crate::expose) reference: &'static str,
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
        shard: board.part(),
        windows: board
            .config
            .windows
            .iter()
            .map(|length| Text(*length))
            .collect(),
        next: last.map(|(key, _)| cursor_of(key)),
        models: page
            .into_iter()
            .map(|(_, state)| model(board, state))
            .collect(),
    }
}

/// One model version.
pub(in crate::expose) fn model<'a>(board: &'a Board, model: &'a ModelState) -> ModelView<'a> {
    let key = &model.key;
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
        first_event: model.first_event.map(Text),
        last_event: model.last_event.map(Text),
        topics: model.topics.iter().map(|topic| &**topic).collect(),
        references: model
            .references
            .iter()
            .map(|one| ReferenceView::of(one))
            .collect(),
        firing: firing(board, key),
        windows: windows.collect(),
        worst: closed
            .iter()
            .filter_map(|closed| worst(model, closed))
            .max_by(|a, b| a.psi_adjusted.total_cmp(&b.psi_adjusted)),
    }
}

fn firing(board: &Board, key: &ModelKey) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    // they stand in the order of their model versions
    let from = board.firing.partition_point(|alert| alert.key < *key);
    let of_key = board.firing.iter().skip(from);
    for alert in of_key.take_while(|alert| alert.key == *key) {
        *counts.entry(alert.severity.as_str()).or_default() += 1;
    }
    counts
}

/// When a version of a model began.
#[derive(Debug, Clone, Copy)]
pub(in crate::expose) struct Start<'a> {
    pub(in crate::expose) version: &'a str,
    pub(in crate::expose) at: Timestamp,
}

/// When the versions of a model began, in the order of their names.
pub(in crate::expose) fn starts<'a>(board: &'a Board, model: &Name) -> Vec<Start<'a>> {
    let versions = board.models.iter().filter(|(key, _)| key.model == *model);
    let began = versions.filter_map(|(key, state)| {
        let (version, at) = (key.version.as_str(), state.first_event?);
        Some(Start { version, at })
    });
    began.collect()
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
