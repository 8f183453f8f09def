//! Who asks, and what for.
//!
//! ```text
//!                         no http.tokens_file   with it            with it, http.reads = "all"
//! /-/healthy, /-/ready    all                   all                all
//! signing in              -                     all                all
//! what is read            all                   any token          all
//! commands                nobody                the role operate   the role operate
//! ```
//!
//! A token comes as `Authorization: Bearer TOKEN`, or was entered in a browser, see
//! [`crate::expose::session`]. It is never logged or repeated; what a command tells is the name
//! that stands beside it in the file. A browser's cookie is no leave to command by JSON: only forms
//! that our pages gave it are.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::{Token, TokenRole};
use crate::expose::Shared;
use crate::expose::page;
use crate::expose::problem::Problem;
use crate::expose::session::{self, Session};
use crate::key::Name;

/// Paths that orchestrators ask, which have no token, and the one where a token is entered.
const OPEN: [&str; 3] = ["/-/healthy", "/-/ready", page::SIGN_IN];

/// How somebody showed who they are.
#[derive(Debug, Clone)]
enum Proof {
    /// Not at all.
    Nothing,
    /// With each request.
    Token(Token),
    /// By signing in.
    Session(Session),
}

/// Whoever asks.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    proof: Proof,
    /// Whether there are tokens to sign in with.
    pub(super) can_sign_in: bool,
    /// Whether what is sent goes over TLS.
    pub(super) tls: bool,
}

impl Visitor {
    /// The session of a browser that is signed in.
    pub(super) const fn session(&self) -> Option<&Session> {
        match &self.proof {
            Proof::Session(session) => Some(session),
            Proof::Nothing | Proof::Token(_) => None,
        }
    }

    /// The session of a browser in which an operator is signed in.
    pub(super) fn operator(&self) -> Result<(&Session, &Name), Problem> {
        let session = self.session().ok_or(if self.can_sign_in {
            Problem::NoToken
        } else {
            Problem::NoTokensFile
        })?;
        operator(&session.token).map(|name| (session, name))
    }
}

/// Lets a request in that may read, and remembers whose it is.
pub(super) async fn admit(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    match visitor(&shared, &request) {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(Problem::NoToken) if page::is_page(request.uri().path()) => page::ask_in(&request),
        Err(problem) => problem.into_response(),
    }
}

/// Who asks; an error where they may not read what they ask for.
fn visitor(shared: &Shared, request: &Request) -> Result<Visitor, Problem> {
    let local = shared.local();
    let by = |proof| Visitor {
        proof,
        can_sign_in: local.tokens.is_some(),
        tls: session::is_tls(request),
    };
    let Some(tokens) = &local.tokens else {
        return Ok(by(Proof::Nothing));
    };
    let open = local.open_reads || OPEN.contains(&request.uri().path());
    if let Some(field) = request.headers().get(header::AUTHORIZATION) {
        let presented = field.to_str().ok().and_then(bearer);
        return match presented.and_then(|presented| tokens.find(presented)) {
            Some(token) => Ok(by(Proof::Token(token.clone()))),
            None if OPEN.contains(&request.uri().path()) => Ok(by(Proof::Nothing)),
            None => Err(Problem::WrongToken),
        };
    }
    let now = local.commands.as_ref().map(|commands| commands.clock.now());
    match now.and_then(|now| Session::of(request.headers(), tokens, now)) {
        Some(session) => Ok(by(Proof::Session(session))),
        None if open => Ok(by(Proof::Nothing)),
        None => Err(Problem::NoToken),
    }
}

fn bearer(field: &str) -> Option<&str> {
    let (scheme, token) = field.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim())
}

fn operator(token: &Token) -> Result<&Name, Problem> {
    match token.role {
        TokenRole::Operate => Ok(&token.name),
        TokenRole::Read => Err(Problem::ReadOnly(token.name.clone())),
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(Problem::Fault)
    }
}

/// The name of somebody who may give commands, and sent their token with this one.
#[derive(Debug)]
pub(super) struct Operator(pub(super) Name);

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        match &visitor.proof {
            Proof::Token(token) => operator(token).cloned().map(Self),
            _ if visitor.can_sign_in => Err(Problem::NoToken),
            _ => Err(Problem::NoTokensFile),
        }
    }
}
