//! Who asks, and what for.
//!
//! ```text
//!                         without http.tokens_file    with it
//! /-/healthy, /-/ready    all                         all
//! what is read            all                         any token
//! commands                nobody                      a token with the role operate
//! ```
//!
//! A token comes as `Authorization: Bearer TOKEN`. It is never logged or repeated; what a command
//! tells is the name that stands beside it in the file.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::{Token, TokenRole};
use crate::expose::Shared;
use crate::expose::problem::Problem;
use crate::key::Name;

/// Paths that orchestrators ask, which have no token.
const OPEN: [&str; 2] = ["/-/healthy", "/-/ready"];

/// Lets a request in that may read, and remembers whose it is.
pub(super) async fn admit(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    match token_of(&shared, &request) {
        Ok(token) => {
            if let Some(token) = token {
                request.extensions_mut().insert(token);
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The token of a request; none where it needs none.
fn token_of(shared: &Shared, request: &Request) -> Result<Option<Token>, Problem> {
    let Some(tokens) = shared.local().tokens else {
        return Ok(None);
    };
    if OPEN.contains(&request.uri().path()) {
        return Ok(None);
    }
    let field = request.headers().get(header::AUTHORIZATION);
    let field = field.ok_or(Problem::NoToken)?;
    let presented = field.to_str().ok().and_then(bearer);
    let token = presented.and_then(|presented| tokens.find(presented));
    token.cloned().map(Some).ok_or(Problem::WrongToken)
}

fn bearer(field: &str) -> Option<&str> {
    let (scheme, token) = field.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim())
}

/// The name of somebody who may give commands.
#[derive(Debug)]
pub(super) struct Operator(pub(super) Name);

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // a request without one would not be here if there were any
        let token = parts.extensions.get::<Token>();
        let token = token.ok_or(Problem::NoTokensFile)?;
        match token.role {
            TokenRole::Operate => Ok(Self(token.name.clone())),
            TokenRole::Read => Err(Problem::ReadOnly(token.name.clone())),
        }
    }
}
