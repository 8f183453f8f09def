//! Commands as JSON.
//!
//! ```text
//! request --token, body--> order --> 202 with the command
//! ```
//!
//! The answer says that the command is on its way.

use std::sync::Arc;

use axum::Json;
use axum::body::{self, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;

use super::{Pairs, Version};
use crate::expose::Shared;
use crate::expose::auth::Operator;
use crate::expose::order::{self, Ordered};
use crate::expose::problem::Problem;
use crate::expose::query::Params;
use crate::expose::view;
use crate::expose::work::Answer;

/// The longest body in bytes: the names of a mute and a reason, all of them escaped.
const BODY_BYTES_MAX: usize = 32 * 1024;

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
    Operator(name): Operator,
    at: Id,
    Query(pairs): Pairs,
    body: Body,
) -> Answer {
    let Path(alert) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    Params::new(pairs, &[])?;
    told(order::acknowledge(
        &shared,
        &name,
        alert,
        view::body(&body.0)?,
    ))
}

pub(super) async fn mute(
    State(shared): State<Arc<Shared>>,
    Operator(name): Operator,
    Query(pairs): Pairs,
    body: Body,
) -> Answer {
    Params::new(pairs, &[])?;
    told(order::mute(&shared, &name, view::body(&body.0)?))
}

pub(super) async fn unmute(
    State(shared): State<Arc<Shared>>,
    Operator(name): Operator,
    at: Id,
    Query(pairs): Pairs,
    body: Body,
) -> Answer {
    let Path(id) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    Params::new(pairs, &[])?;
    told(order::unmute(&shared, &name, id, view::body(&body.0)?))
}

pub(super) async fn baseline(
    State(shared): State<Arc<Shared>>,
    Operator(name): Operator,
    at: Version,
    Query(pairs): Pairs,
    body: Body,
) -> Answer {
    let Path((model, version)) = at.map_err(|_not_utf8| Problem::PathEncoding)?;
    Params::new(pairs, &[])?;
    let asked = view::body(&body.0)?;
    told(order::baseline(&shared, &name, (&model, &version), asked))
}

/// The answer is the command.
fn told(ordered: Ordered) -> Answer {
    let command = ordered?;
    Ok((StatusCode::ACCEPTED, Json(view::command(&command))).into_response())
}
