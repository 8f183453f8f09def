//! What operators ask for: commands that are appended to the state log.
//!
//! ```text
//! request --token, body, board--> Command --append--> 202 with the command
//! ```
//!
//! The answer says that the command is on its way. What it does is decided where it stands in the
//! log, the same for all instances, and told by the journal; what can be said before (there is no
//! such alert, the time is over) is said here.

use std::fmt::Write;
use std::sync::Arc;

use axum::Json;
use axum::body::{self, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use sha2::{Digest as _, Sha256};

use super::{Answer, Pairs, Version, folded};
use crate::alert::mutes::MUTES_MAX;
use crate::expose::auth::Operator;
use crate::expose::find::{self, Default, Ends};
use crate::expose::problem::Problem;
use crate::expose::query::Params;
use crate::expose::view::{self, BaselineAsked, MuteAsked, Reason};
use crate::expose::{Commands, Shared};
use crate::key::ModelKey;
use crate::statelog::AppendError;
use crate::statelog::record::{Command, CommandError, CommandKind, Mute, Record};
use crate::time::Timestamp;

/// The longest body in bytes: the names of a mute and a reason, all of them escaped.
const BODY_BYTES_MAX: usize = 32 * 1024;

/// Bytes of the hash of a mute that are its id.
const ID_BYTES: usize = 6;

type Id = Result<Path<String>, PathRejection>;

/// A body that says that it is JSON, of at most [`BODY_BYTES_MAX`].
pub(super) struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::MediaType);
        }
        let bytes = body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
        // or its connection broke, and then nobody reads this
        let bytes = bytes.map_err(|_too_long| Problem::LargeBody(BODY_BYTES_MAX))?;
        Ok(Self(bytes))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

pub(super) async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    operator: Operator,
    at: Id,
    Query(pairs): Pairs,
    body: Body,
) -> Answer {
    let Path(alert) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    Params::new(pairs, &[])?;
    let Reason { reason } = view::body(&body.0)?;
    let board = folded(&shared)?;
    let mut alerts = board.firing.iter().chain(&board.resolved);
    if !alerts.any(|one| *one.id == *alert) {
        return Err(Problem::UnknownAlert(alert));
    }
    let kind = |_now| CommandKind::Acknowledge { alert };
    order(&shared, operator, reason, kind)
}

pub(super) async fn mute(
    State(shared): State<Arc<Shared>>,
    operator: Operator,
    Query(pairs): Pairs,
    body: Body,
) -> Answer {
    Params::new(pairs, &[])?;
    let asked: MuteAsked = view::body(&body.0)?;
    let until = view::time("until", &asked.until)?;
    let board = folded(&shared)?;
    if until <= board.log_time {
        let now = board.log_time;
        return Err(Problem::body(format!("`until` is over: it is {now}")));
    }
    if board.mutes.len() >= MUTES_MAX {
        return Err(Problem::ManyMutes(MUTES_MAX));
    }
    let reason = asked.reason;
    let mute = Mute {
        id: String::new(),
        model: asked.model,
        version: asked.version,
        series: asked.series,
        until,
    };
    let kind = |now| {
        let id = id_of(&mute, now);
        CommandKind::Mute(Mute { id, ..mute })
    };
    order(&shared, operator, reason, kind)
}

pub(super) async fn unmute(
    State(shared): State<Arc<Shared>>,
    operator: Operator,
    at: Id,
    Query(pairs): Pairs,
    body: Body,
) -> Answer {
    let Path(id) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    Params::new(pairs, &[])?;
    let Reason { reason } = view::body(&body.0)?;
    let board = folded(&shared)?;
    if !board.mutes.iter().any(|one| one.mute.id == id) {
        return Err(Problem::UnknownMute(id));
    }
    order(&shared, operator, reason, |_now| CommandKind::Unmute { id })
}

pub(super) async fn baseline(
    State(shared): State<Arc<Shared>>,
    operator: Operator,
    at: Version,
    Query(pairs): Pairs,
    body: Body,
) -> Answer {
    let Path((model, version)) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    Params::new(pairs, &[])?;
    let asked: BaselineAsked = view::body(&body.0)?;
    let time = |name, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| view::time(name, text)).transpose()
    };
    let (from, to) = (time("from", &asked.from)?, time("to", &asked.to)?);
    let board = folded(&shared)?;
    let model = find::model(&board, &model, &version)?;
    if model.references.judge().is_none() {
        return Err(Problem::NoBins(model.key.clone()));
    }
    let panes = find::panes(model, None, Default::Longest)?;
    let to = match to {
        Some(to) => to,
        None => Ends::of(&board, model, panes)?.by(None, panes)?,
    };
    let from = from.unwrap_or(to - panes.window());
    let key: ModelKey = model.key.clone();
    let kind = |_now| CommandKind::AcceptBaseline { key, from, to };
    order(&shared, operator, asked.reason, kind)
}

/// Appends a command; the answer is the command.
fn order(
    shared: &Shared,
    Operator(name): Operator,
    reason: String,
    kind: impl FnOnce(Timestamp) -> CommandKind,
) -> Answer {
    if reason.trim().is_empty() {
        let what = "`reason` is empty; say why, the journal keeps it";
        return Err(Problem::body(what));
    }
    let commands = shared.local().commands;
    let Commands { clock, append } = commands.ok_or(Problem::NotReady(None))?;
    let at = clock.now();
    let command = Command {
        actor: name.to_string(),
        reason,
        at,
        kind: kind(at),
    };
    let unusable = |CommandError(what)| Problem::body(format!("it has an unusable {what}"));
    command.check().map_err(unusable)?;
    let answer = (StatusCode::ACCEPTED, Json(view::command(&command))).into_response();
    append(&Record::Command(command)).map_err(|error| match error {
        AppendError::Full | AppendError::Closed => Problem::NotAppended(error),
        AppendError::TooLarge { .. } | AppendError::Unwritable(_) => Problem::Fault,
    })?;
    Ok(answer)
}

/// The id of a mute: a short hash of what it is and when it was asked for.
fn id_of(mute: &Mute, now: Timestamp) -> String {
    let mut hash = Sha256::new();
    let times = [mute.until, now].map(|time| time.as_millis().to_string());
    let version = mute.version.as_deref().unwrap_or_default();
    let series = mute.series.as_deref().unwrap_or_default();
    for part in [&mute.model, version, series, &times[0], &times[1]] {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digits = hash.finalize();
    let bytes = digits.iter().take(ID_BYTES);
    bytes.fold(String::new(), |mut id, byte| {
        let _a_text_takes_all = write!(id, "{byte:02x}");
        id
    })
}
