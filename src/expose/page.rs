//! The web view: for the minute after the page, read by people, without scripts.
//!
//! ```text
//! path --query, find--> a place on the board --view--> the shapes of the API --maud--> HTML
//!
//! /                                                    what fires; model versions, the worst first
//! /models/{model}/versions/{version}                   its alerts and series, by impact
//! /models/{model}/versions/{version}/series/{series}   histograms, bins, scores over time
//! /alerts  /alerts/{id}                                and what can be done about one
//! /journal  /status                                    what happened; how driftd does
//! ```
//!
//! Everything shown is of the shapes that the API answers with: no number is computed a second time
//! here, only drawn. Names are data from strangers, so templates escape whatever they are given,
//! and names in paths are percent-encoded ([`text`]).
//!
//! - [`places`] finds what a path means; [`frame`] is what all pages share; [`fleet`], [`model`],
//!   [`series`], [`history`], [`alerts`], [`journal`] and [`status`] are their contents.
//! - [`shape`] and [`chart`] draw, [`text`] writes numbers and times.
//! - [`act`] takes forms.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub(super) use self::frame::failure;
use self::frame::{Frame, Section};
use crate::board::Board;
use crate::expose::Shared;
use crate::expose::auth::Visitor;
use crate::expose::problem::Problem;
use crate::expose::query::{Params, segment};
use crate::expose::view::{self, AlertsAsked};
use crate::expose::work::{blocking, compute, folded, room};
use crate::key::Name;

mod act;
mod alerts;
mod chart;
mod fleet;
mod frame;
mod history;
mod journal;
mod model;
mod places;
mod series;
mod shape;
mod status;
mod text;

/// Where a token is entered, and where that is forgotten.
pub(super) const SIGN_IN: &str = "/sign-in";
const SIGN_OUT: &str = "/sign-out";

/// The longest form in bytes: a reason, a name or two, all of them percent-encoded.
const FORM_BYTES_MAX: usize = 32 * 1024;

/// Alerts on one page.
const ALERTS_MAX: usize = 100;

/// Entries of the journal on one page.
const ENTRIES_MAX: u64 = 50;

type Pairs = Query<Vec<(String, String)>>;
type Shown = Result<Response, Failure>;

/// A problem that is told as a page.
#[derive(Debug)]
struct Failure(Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        failure(&self.0)
    }
}

/// The paths of pages and forms.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(places::fleet))
        .route("/models/{model}/versions/{version}", get(places::model))
        .route(
            "/models/{model}/versions/{version}/series/{series}",
            get(places::series),
        )
        .route("/alerts", get(alerts))
        .route("/alerts/{id}", get(alert))
        .route("/alerts/{id}/acknowledge", post(act::acknowledge))
        .route("/alerts/{id}/mute", post(act::mute))
        .route("/alerts/{id}/baseline", post(act::baseline))
        .route("/mutes/{id}/end", post(act::unmute))
        .route("/journal", get(journal))
        .route("/status", get(status))
        .route(SIGN_IN, get(act::sign_in_page).post(act::sign_in))
        .route(SIGN_OUT, post(act::sign_out))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

/// Whether a path is one of a page or a form.
pub(super) fn is_page(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    let pages = ["", "models", "alerts", "mutes", "journal", "status"];
    pages.contains(&first) || [SIGN_IN, SIGN_OUT].contains(&path)
}

/// Sends a browser to where a token is entered, to come back afterwards.
pub(super) fn ask_in(request: &Request) -> Response {
    let path = request.uri().path_and_query();
    let path = path.map_or("/", |path| path.as_str());
    // what a form would have said is lost; its page is where it came from
    let to = if request.method().is_safe() {
        path
    } else {
        "/"
    };
    go(&format!("{SIGN_IN}?to={}", segment(to)), None)
}

/// Sends a browser on to a path of ours, with a cookie.
fn go(path: &str, cookie: Option<&str>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    for (name, value) in [(header::LOCATION, Some(path)), (header::SET_COOKIE, cookie)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

async fn alerts(State(shared): State<Arc<Shared>>, visitor: Visitor, Query(pairs): Pairs) -> Shown {
    let state = pairs.iter().find(|(name, _)| name == "state");
    let given = state.is_some();
    let params = Params::new(pairs, &["model", "state", "after"])?;
    let asked = AlertsAsked {
        model: params.name("model")?,
        version: None,
        // what fires, unless somebody asked for all of them by an empty state
        firing: if given { params.firing()? } else { Some(true) },
        limit: ALERTS_MAX,
        after: params.text("after").map(str::to_owned),
    };
    let work = move |board: &Board| {
        let page = view::alerts(board, &asked)?;
        let mutes = view::mutes(board);
        let state = match asked.firing {
            Some(true) => "firing",
            Some(false) => "resolved",
            None => "",
        };
        let shown = alerts::Asked {
            state,
            model: asked.model.as_ref().map_or("", Name::as_str),
        };
        let frame = Frame {
            title: "Alerts".to_owned(),
            here: Section::Alerts,
            visitor: Some(&visitor),
            board: Some(board),
            json: Some("/api/v1/alerts".to_owned()),
            path: format!("/alerts?state={state}"),
        };
        let by = (&visitor, board.log_time);
        Ok(frame.page(&alerts::page(&page, &mutes.mutes, &shown, by)))
    };
    Ok(compute(&shared, work).await?)
}

async fn alert(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    at: act::Id,
    Query(pairs): Pairs,
) -> Shown {
    let Path(id) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    let done = Params::new(pairs, &["done"])?
        .text("done")
        .and_then(act::done);
    let work = move |board: &Board| {
        let found = view::alert(board, &id).ok_or_else(|| Problem::UnknownAlert(id.clone()))?;
        let frame = Frame {
            title: format!("{} \u{b7} {} {}", found.series, found.model, found.version),
            here: Section::Alerts,
            visitor: Some(&visitor),
            board: Some(board),
            json: Some("/api/v1/alerts".to_owned()),
            path: text::alert_path(&id),
        };
        let longest = board.config.windows.last().copied();
        let by = (&visitor, board.log_time);
        Ok(frame.page(&alerts::one(&found, by, longest, done)))
    };
    Ok(compute(&shared, work).await?)
}

async fn journal(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Query(pairs): Pairs,
) -> Shown {
    let before: Option<u64> = Params::new(pairs, &["before"])?.parsed("before")?;
    // before that, an entry that is not there yet and one that never will be look the same
    folded(&shared)?;
    let permit = room(&shared).await?;
    let work = move || {
        let _held = permit;
        let (board, journal) = (folded(&shared)?, shared.local().journal);
        let newest = journal.newest().unwrap_or(0);
        let end = before.unwrap_or(u64::MAX).min(newest + 1).max(1);
        let from = end.saturating_sub(ENTRIES_MAX + 1);
        let most = usize::try_from(end - 1 - from).unwrap_or(0);
        let page = journal.after(from, most);
        let entries = view::entries(&page.lines);
        let first = page.lines.first().map(|line| line.seq);
        let place = journal::Place {
            newer: (end <= newest).then(|| end.saturating_add(ENTRIES_MAX)),
            older: first.filter(|first| page.oldest.is_some_and(|oldest| oldest < *first)),
            oldest: page.oldest,
        };
        let frame = Frame {
            title: "Journal".to_owned(),
            here: Section::Journal,
            visitor: Some(&visitor),
            board: Some(&board),
            json: Some(format!("/api/v1/journal?after={from}&limit={ENTRIES_MAX}")),
            path: "/journal".to_owned(),
        };
        Ok(frame.page(&journal::page(&entries, place)))
    };
    Ok(blocking(work).await?)
}

async fn status(State(shared): State<Arc<Shared>>, visitor: Visitor, Query(pairs): Pairs) -> Shown {
    Params::new(pairs, &[])?;
    let permit = room(&shared).await?;
    let work = move || {
        let _held = permit;
        let (board, local) = (shared.board(), shared.local());
        let partitions = (local.partitions)();
        let errors = (local.append_errors)();
        let status = view::status(board.as_deref(), &partitions, errors);
        let frame = Frame {
            title: "Status".to_owned(),
            here: Section::Status,
            visitor: Some(&visitor),
            board: board.as_deref().filter(|board| board.ready),
            json: Some("/api/v1/status".to_owned()),
            path: "/status".to_owned(),
        };
        Ok(frame.page(&status::page(&status)))
    };
    Ok(blocking(work).await?)
}
