//! Routes: what is at which path, and how a request becomes an answer.
//!
//! ```text
//! path and parameters --query--> checked --find--> a place on the board --view--> JSON
//! ```
//!
//! Health is answered at once, all else where [`crate::expose::work`] has room for it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use crate::expose::find::{self, Default, Ends};
use crate::expose::problem::Problem;
use crate::expose::query::{Params, path_of};
use crate::expose::view::{self, AlertsAsked, HistoryAsked, ScoresAsked};
use crate::expose::work::{Answer, blocking, compute, folded, room};
use crate::expose::{Shared, auth, guard, metrics, page};
use crate::reference::{ReferenceRole, artifact};
use crate::time::{Length, Timestamp};

mod orders;

/// The media type of an artifact, which is an Arrow file.
const ARTIFACT_TYPE: &str = "application/vnd.apache.arrow.file";

/// What is answered at which path, for programs; tests hold it against the answers.
const OPENAPI: &str = include_str!("api/openapi.json");

type Pairs = Query<Vec<(String, String)>>;
type Version = Result<Path<(String, String)>, PathRejection>;
type Series = Result<Path<(String, String, String)>, PathRejection>;

/// All paths.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/api/v1/models", get(models))
        .route(
            "/api/v1/models/{model}/versions/{version}/scores",
            get(scores),
        )
        .route(
            "/api/v1/models/{model}/versions/{version}/series/{series}",
            get(series),
        )
        .route(
            "/api/v1/models/{model}/versions/{version}/series/{series}/history",
            get(history),
        )
        .route(
            "/api/v1/models/{model}/versions/{version}/reference",
            get(reference),
        )
        .route(
            "/api/v1/models/{model}/versions/{version}/baseline",
            post(orders::baseline),
        )
        .route("/api/v1/alerts", get(alerts))
        .route("/api/v1/alerts/{id}/acknowledge", post(orders::acknowledge))
        .route("/api/v1/mutes", get(mutes).post(orders::mute))
        .route("/api/v1/mutes/{id}", delete(orders::unmute))
        .route("/api/v1/journal", get(journal))
        .route("/api/v1/status", get(status))
        .merge(page::router())
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            auth::admit,
        ))
        .layer(middleware::from_fn(guard::guard))
        .with_state(shared)
}

async fn unknown_path(uri: Uri, headers: HeaderMap) -> Response {
    let problem = Problem::UnknownPath(uri.path().to_owned());
    let accepted = headers.get(header::ACCEPT);
    let browser = accepted.and_then(|kinds| kinds.to_str().ok());
    if browser.is_some_and(|kinds| kinds.contains("text/html")) {
        return page::failure(&problem);
    }
    problem.into_response()
}

async fn wrong_method(method: Method) -> Problem {
    Problem::Method(method.to_string())
}

async fn healthy() -> &'static str {
    "driftd is running\n"
}

async fn ready(State(shared): State<Arc<Shared>>) -> Result<&'static str, Problem> {
    folded(&shared).map(|_board| "driftd is ready\n")
}

async fn openapi() -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], OPENAPI).into_response()
}

async fn scrape(State(shared): State<Arc<Shared>>) -> Answer {
    let mut page = Arc::clone(&shared.page).lock_owned().await;
    let parts = blocking(move || Ok(shared.render(&mut page))).await?;
    let length: usize = parts.iter().map(Bytes::len).sum();
    let kind = HeaderValue::from_static(metrics::MEDIA_TYPE);
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_LENGTH, length.into()),
    ];
    let parts = parts.map(Ok::<Bytes, Infallible>);
    let body = Body::from_stream(futures_util::stream::iter(parts));
    Ok((headers, body).into_response())
}

async fn status(State(shared): State<Arc<Shared>>, Query(pairs): Pairs) -> Answer {
    Params::new(pairs, &[])?;
    let permit = room(&shared).await?;
    blocking(move || {
        let _held = permit;
        let (board, local) = (shared.board(), shared.local());
        let partitions = (local.partitions)();
        let status = view::status(board.as_deref(), &partitions, (local.append_errors)());
        Ok(Json(status).into_response())
    })
    .await
}

async fn models(State(shared): State<Arc<Shared>>, Query(pairs): Pairs) -> Answer {
    let params = Params::new(pairs, &["limit", "after"])?;
    let (limit, after) = (params.limit()?, params.after_model()?);
    compute(&shared, move |board| {
        Ok(Json(view::models(board, after, limit)).into_response())
    })
    .await
}

async fn alerts(State(shared): State<Arc<Shared>>, Query(pairs): Pairs) -> Answer {
    let params = Params::new(pairs, &["model", "version", "state", "limit", "after"])?;
    let asked = AlertsAsked {
        model: params.name("model")?,
        version: params.name("version")?,
        firing: params.firing()?,
        limit: params.limit()?,
        after: params.text("after").map(str::to_owned),
    };
    compute(&shared, move |board| {
        Ok(Json(view::alerts(board, &asked)?).into_response())
    })
    .await
}

async fn mutes(State(shared): State<Arc<Shared>>, Query(pairs): Pairs) -> Answer {
    Params::new(pairs, &[])?;
    compute(
        &shared,
        |board| Ok(Json(view::mutes(board)).into_response()),
    )
    .await
}

async fn scores(State(shared): State<Arc<Shared>>, at: Version, Query(pairs): Pairs) -> Answer {
    let Path((model, version)) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    let known = ["window", "at", "sort", "reference", "limit", "after"];
    let params = Params::new(pairs, &known)?;
    let (window, at) = (params.parsed("window")?, params.parsed("at")?);
    let asked = ScoresAsked {
        sort: params.sort()?,
        reference: params.reference()?,
        limit: params.limit()?,
        after: params.after_entry()?,
    };
    compute(&shared, move |board| {
        let model = find::model(board, &model, &version)?;
        if let Some(role) = asked.reference
            && model.references.of(role).is_none()
        {
            return Err(Problem::reference(model, role.as_str()));
        }
        let panes = find::panes(model, window, Default::Longest)?;
        // the pages of a list are all of the window of the first one
        let at: Option<Timestamp> = at.or(asked.after.as_ref().map(|cursor| cursor.end));
        let end = Ends::of(board, model, panes)?.by(at, panes)?;
        let closed = board.window(model, panes, end);
        Ok(Json(view::scores(model, &closed, &asked)?).into_response())
    })
    .await
}

async fn series(State(shared): State<Arc<Shared>>, at: Series, Query(pairs): Pairs) -> Answer {
    let Path((model, version, series)) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    let params = Params::new(pairs, &["window", "at", "reference"])?;
    let (window, at) = (params.parsed("window")?, params.parsed("at")?);
    let role = params.reference()?;
    compute(&shared, move |board| {
        let model = find::model(board, &model, &version)?;
        let panes = find::panes(model, window, Default::Longest)?;
        let end = Ends::of(board, model, panes)?.by(at, panes)?;
        let closed = board.window(model, panes, end);
        let reference = view::reference(model, role)?;
        let found = view::series(model, &closed, reference, &series);
        let found = found.ok_or_else(|| Problem::UnknownSeries {
            key: model.key.clone(),
            series,
            list: format!(
                "{}/scores?window={}&at={end}",
                path_of(&model.key),
                panes.window()
            ),
        })?;
        Ok(Json(found).into_response())
    })
    .await
}

async fn history(State(shared): State<Arc<Shared>>, at: Series, Query(pairs): Pairs) -> Answer {
    let Path((model, version, series)) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    let params = Params::new(pairs, &["window", "from", "to", "step", "reference"])?;
    let (from, to) = (params.parsed("from")?, params.parsed("to")?);
    let (window, step) = (params.parsed("window")?, params.parsed::<Length>("step")?);
    let role = params.reference()?;
    compute(&shared, move |board| {
        let model = find::model(board, &model, &version)?;
        let panes = find::panes(model, window, Default::Shortest)?;
        let step = step.unwrap_or(panes.step());
        if !step.is_multiple_of(panes.step()) {
            let (least, window) = (panes.step(), panes.window());
            let reason = format!("{step} is not a multiple of {least}, the step of {window}");
            return Err(Problem::parameter("step", reason));
        }
        let reference = view::reference(model, role)?;
        let ticks = Ends::of(board, model, panes)?.ticks(from, to, step)?;
        let asked = HistoryAsked {
            panes,
            reference,
            series: &series,
            step,
        };
        let found = view::history(board, model, &asked, &ticks);
        let found = found.ok_or_else(|| Problem::UnknownSeries {
            key: model.key.clone(),
            series: series.clone(),
            list: format!("{}/scores?window={}", path_of(&model.key), panes.window()),
        })?;
        Ok(Json(found).into_response())
    })
    .await
}

async fn reference(State(shared): State<Arc<Shared>>, at: Version, Query(pairs): Pairs) -> Answer {
    let Path((model, version)) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    let role = Params::new(pairs, &["role"])?.role("role")?;
    compute(&shared, move |board| {
        let model = find::model(board, &model, &version)?;
        let found = match role {
            Some(role) => model.references.of(role),
            None => model.references.judge(),
        };
        let asked = role.map_or("such", ReferenceRole::as_str);
        let reference = found.ok_or_else(|| Problem::reference(model, asked))?;
        let kind = HeaderValue::from_static(ARTIFACT_TYPE);
        Ok((
            [(header::CONTENT_TYPE, kind)],
            artifact::to_bytes(reference),
        )
            .into_response())
    })
    .await
}

async fn journal(State(shared): State<Arc<Shared>>, Query(pairs): Pairs) -> Answer {
    let params = Params::new(pairs, &["limit", "after"])?;
    let (limit, after) = (params.limit()?, params.parsed("after")?);
    // before that, an entry that is not there yet and one that never will be look the same
    folded(&shared)?;
    let permit = room(&shared).await?;
    blocking(move || {
        let _held = permit;
        let page = shared.local().journal.after(after.unwrap_or(0), limit);
        let kept = page.oldest.map_or(0, |oldest| oldest - 1);
        if let Some(after) = after.filter(|after| *after < kept) {
            return Err(Problem::JournalNotKept { after, kept });
        }
        let kind = (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Ok(([kind], view::journal(&page)).into_response())
    })
    .await
}

#[cfg(test)]
mod tests;
