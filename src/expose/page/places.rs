//! From a path to a place on the board: model versions and their series.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};

use super::frame::{Frame, Section};
use super::{
    ALERTS_MAX, Pairs, Shown, fleet as fleet_page, model as model_page, series as series_page, text,
};
use crate::board::Board;
use crate::expose::Shared;
use crate::expose::auth::Visitor;
use crate::expose::find::{self, Default, Ends};
use crate::expose::problem::Problem;
use crate::expose::query::{Params, path_of, segment};
use crate::expose::view::{self, AlertsAsked, HistoryAsked, HistoryView, ScoresAsked, Sort};
use crate::expose::work::compute;
use crate::fold::model::ModelState;
use crate::fold::pane::Panes;
use crate::time::Length;

/// Series on one page of a model version.
const SERIES_MAX: usize = 100;

/// Model versions on the first page.
const MODELS_MAX: usize = 1_000;

/// Alerts of a series that its page tells of.
const ALERTS_OF_SERIES_MAX: usize = 20;

/// Points of a history that a chart can show.
const POINTS_MAX: usize = 300;

type Version = Result<Path<(String, String)>, PathRejection>;
type Series = Result<Path<(String, String, String)>, PathRejection>;

pub(super) async fn fleet(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Shown {
    let after = Params::new(pairs, &["after"])?.after_model()?;
    let work = move |board: &Board| {
        let models = view::models(board, after, MODELS_MAX);
        let frame = Frame {
            title: "Models".to_owned(),
            here: Section::Models,
            visitor: Some(&visitor),
            board: Some(board),
            json: Some("/api/v1/models".to_owned()),
            path: "/".to_owned(),
        };
        Ok(frame.page(&fleet_page::page(board, &models)?))
    };
    Ok(compute(&shared, work).await?)
}

pub(super) async fn model(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    at: Version,
    Query(pairs): Pairs,
) -> Shown {
    let Path((model, version)) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    let params = Params::new(pairs, &["window", "at", "names", "page"])?;
    let (window, at) = (params.parsed("window")?, params.parsed("at")?);
    let names = params.text("names").unwrap_or_default().to_owned();
    let part: usize = params.parsed("page")?.unwrap_or(1).max(1);
    let work = move |board: &Board| {
        let model = find::model(board, &model, &version)?;
        let panes = find::panes(model, window, Default::Longest)?;
        let end = Ends::of(board, model, panes)?.by(at, panes)?;
        let closed = board.window(model, panes, end);
        let reference = model.references.judge();
        let asked = ScoresAsked {
            sort: Sort::Impact,
            reference: reference.map(|reference| reference.header.role),
            limit: usize::MAX,
            after: None,
        };
        let scores = view::scores(model, &closed, &asked)?;
        let sought = names.to_lowercase();
        let found = scores.scores.iter().filter(|one| one.is_called(&sought));
        let found: Vec<_> = found.collect();
        let (total, parts) = (found.len(), found.len().div_ceil(SERIES_MAX).max(1));
        let part = part.min(parts);
        let series = found.into_iter().skip((part - 1) * SERIES_MAX);
        let series: Vec<_> = series
            .take(SERIES_MAX)
            .filter_map(|one| view::series(model, &closed, reference, one.name()))
            .collect();
        let alerts = view::alerts(board, &firing_of(model))?;
        let path = text::model_path(model.key.model.as_str(), model.key.version.as_str());
        let (api, window) = (path_of(&model.key), panes.window());
        let frame = Frame {
            title: model.key.to_string(),
            here: Section::Models,
            visitor: Some(&visitor),
            board: Some(board),
            json: Some(format!("{api}/scores?window={window}&at={end}")),
            path: format!("{path}?window={window}"),
        };
        Ok(frame.page(&model_page::page(&model_page::Shown {
            model: &view::model(board, model),
            alerts: &alerts.alerts,
            scores: &scores,
            series: &series,
            versions: &view::starts(board, &model.key.model),
            windows: &lengths(model),
            names: &names,
            part: (part, parts),
            total,
            now: board.log_time,
        })))
    };
    Ok(compute(&shared, work).await?)
}

fn lengths(model: &ModelState) -> Vec<Length> {
    model.windows.iter().map(Panes::window).collect()
}

fn firing_of(model: &ModelState) -> AlertsAsked {
    AlertsAsked {
        model: Some(model.key.model.clone()),
        version: Some(model.key.version.clone()),
        firing: Some(true),
        limit: ALERTS_MAX,
        after: None,
    }
}

pub(super) async fn series(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    at: Series,
    Query(pairs): Pairs,
) -> Shown {
    let Path((model, version, name)) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    let params = Params::new(pairs, &["window", "at", "reference"])?;
    let (window, at) = (params.parsed("window")?, params.parsed("at")?);
    let role = params.reference()?;
    let work = move |board: &Board| {
        let model = find::model(board, &model, &version)?;
        let panes = find::panes(model, window, Default::Longest)?;
        let ends = Ends::of(board, model, panes)?;
        let (end, last) = (ends.by(at, panes)?, ends.by(None, panes)?);
        let closed = board.window(model, panes, end);
        let reference = view::reference(model, role)?;
        let (api, window) = (path_of(&model.key), panes.window());
        let found = view::series(model, &closed, reference, &name);
        let found = found.ok_or_else(|| Problem::UnknownSeries {
            key: model.key.clone(),
            series: name.clone(),
            list: text::model_path(model.key.model.as_str(), model.key.version.as_str()),
        })?;
        let asked = HistoryAsked {
            panes,
            reference,
            series: &name,
            step: panes.step(),
        };
        let asked_alerts = AlertsAsked {
            firing: None,
            limit: usize::MAX,
            ..firing_of(model)
        };
        let mut alerts = view::alerts(board, &asked_alerts)?.alerts;
        alerts.retain(|alert| *alert.series == *name);
        alerts.truncate(ALERTS_OF_SERIES_MAX);
        let (of_model, of_version) = (model.key.model.as_str(), model.key.version.as_str());
        let frame = Frame {
            title: format!("{name} \u{b7} {}", model.key),
            here: Section::Models,
            visitor: Some(&visitor),
            board: Some(board),
            json: Some(format!(
                "{api}/series/{}?window={window}&at={end}",
                segment(&name)
            )),
            path: text::series_path(of_model, of_version, &name, window),
        };
        let roles = model.references.iter().map(|one| one.header.role.as_str());
        Ok(frame.page(&series_page::page(&series_page::Shown {
            series: &found,
            history: history(board, model, asked, &ends).as_ref(),
            alerts: &alerts,
            windows: &lengths(model),
            starts: &view::starts(board, &model.key.model),
            step: panes.step(),
            earlier: ends.by(Some(end - panes.step()), panes).is_ok(),
            latest: end >= last,
            references: &roles.collect::<Vec<_>>(),
            now: board.log_time,
        })))
    };
    Ok(compute(&shared, work).await?)
}

/// The history of a series, in steps that a chart can show.
fn history<'a>(
    board: &Board,
    model: &'a ModelState,
    asked: HistoryAsked<'a>,
    ends: &Ends,
) -> Option<HistoryView<'a>> {
    let (mut step, mut ticks) = (asked.step, ends.ticks(None, None, asked.step));
    if let Err(Problem::TooManyPoints { step: wide, .. }) = ticks {
        (step, ticks) = (wide, ends.ticks(None, None, wide));
    }
    let mut ticks = ticks.ok()?;
    if ticks.len() > POINTS_MAX {
        step = step.times(u32::try_from(ticks.len().div_ceil(POINTS_MAX)).ok()?);
        ticks = ends.ticks(None, None, step).ok()?;
    }
    view::history(board, model, &HistoryAsked { step, ..asked }, &ticks)
}
