//! What is wrong with a request, and what to do: one document of RFC 9457 each.
//!
//! ```text
//! {"type":"urn:driftd:problem:unknown-window","title":"No such window","status":400,
//!  "detail":"there are no windows of 2h; there are: 1h, 6h, 24h"}
//! ```
//!
//! `type` is for programs and never changes, `detail` is for people. Whoever asks an instance of
//! the wrong shard is told in `shard` which one it is.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::expose::view;
use crate::fold::model::{ModelState, References};
use crate::key::{ModelKey, Name, Shard};
use crate::statelog::AppendError;
use crate::time::{Length, Timestamp};

/// The media type of a problem document.
const MEDIA_TYPE: &str = "application/problem+json";

/// After how many seconds to come back where that may help.
const RETRY_AFTER_SECONDS: u16 = 5;

/// What is wrong; the text is the `detail`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("there is nothing at `{0}`; see /api/v1/models, /api/v1/status and /metrics")]
    UnknownPath(String),
    #[error("{0} is not possible here; the header `Allow` says what is")]
    Method(String),
    #[error("a part of the path is not UTF-8 once percent-decoded; encode names as UTF-8")]
    PathEncoding,
    #[error("`{name}` is not a parameter of this path; {known}")]
    UnknownParameter { name: String, known: String },
    #[error("parameter `{0}` is there twice; give it once")]
    TwiceParameter(String),
    #[error("parameter `{name}`: {reason}")]
    Parameter { name: &'static str, reason: String },
    #[error("there are no windows of {asked}; there are: {known}")]
    UnknownWindow { asked: Length, known: String },
    #[error(
        "model `{model}` has no version `{version}` here; see /api/v1/models: one that is silent \
         for limits.silent_after is forgotten"
    )]
    UnknownModel { model: String, version: String },
    #[error(
        "model `{model}` is in shard {shard}, and this instance counts shard {own}; ask an \
         instance of that one"
    )]
    OtherShard {
        model: Name,
        shard: Shard,
        own: Shard,
    },
    #[error("model version `{key}` has no series `{series}` in this window; see {list}")]
    UnknownSeries {
        key: ModelKey,
        series: String,
        list: String,
    },
    #[error("model version `{key}` has no {asked} reference; it has {known}")]
    UnknownReference {
        key: ModelKey,
        asked: &'static str,
        known: &'static str,
    },
    #[error("no window of {window} that ends by {at} is kept; they end from {first} to {last}")]
    NotKept {
        at: Timestamp,
        window: Length,
        first: Timestamp,
        last: Timestamp,
    },
    #[error(
        "entries up to {kept} are not kept in memory, but in the journal's home; ask with \
         after={kept}, or print all of them with `driftd journal export`"
    )]
    JournalNotKept { after: u64, kept: u64 },
    #[error("event time has not begun for model version `{0}`; come back when rows have arrived")]
    NoTime(ModelKey),
    #[error("{points} points, more than {max}; ask for a shorter range, or a step of {step}")]
    TooManyPoints { points: u64, max: u64, step: Length },
    #[error("the state log is not folded yet{}; come back soon", so_far(*.0))]
    NotReady(Option<u64>),
    #[error("too many requests are being computed; come back soon, or ask for less at once")]
    Busy,
    #[error("no answer within {0} s; ask for less at once")]
    Slow(u64),
    #[error("path and query have more than {0} bytes")]
    LongUri(usize),
    #[error("the header fields have more than {0} bytes")]
    LargeHeaders(usize),
    #[error("the body has more than {0} bytes")]
    LargeBody(usize),
    #[error("a command is JSON; say so with `Content-Type: application/json`")]
    MediaType,
    #[error("the body: {0}")]
    Body(String),
    #[error(
        "no alert with the id `{0}` fires, nor is it one of the last that did; see /api/v1/alerts"
    )]
    UnknownAlert(String),
    #[error("no mute with the id `{0}` is in force; see /api/v1/mutes")]
    UnknownMute(String),
    #[error("{0} mutes are in force, which is all there may be; end some of /api/v1/mutes")]
    ManyMutes(usize),
    #[error("model version `{0}` has no reference yet, whose bins a baseline could have")]
    NoBins(ModelKey),
    #[error("a token is needed; send one of `http.tokens_file` as `Authorization: Bearer TOKEN`")]
    NoToken,
    #[error("the header `Authorization` is not `Bearer TOKEN` with a token of `http.tokens_file`")]
    WrongToken,
    #[error("the token of `{0}` has the role `read`; commands need the role `operate`")]
    ReadOnly(Name),
    #[error(
        "commands need to know who gives them: configure `http.tokens_file` with a line \
         `operate NAME TOKEN`"
    )]
    NoTokensFile,
    #[error(
        "the form was not sent from a page of this session; open the page again, and send it from \
         there"
    )]
    ForeignForm,
    #[error("a form is `application/x-www-form-urlencoded`")]
    FormType,
    #[error("{0}; the command has no effect, come back soon")]
    NotAppended(AppendError),
    #[error("driftd has a fault; see its log")]
    Fault,
}

impl Problem {
    /// That a parameter cannot be read, and why.
    pub(super) fn parameter(name: &'static str, reason: impl Into<String>) -> Self {
        Self::Parameter {
            name,
            reason: reason.into(),
        }
    }

    /// What is wrong with a body.
    pub(super) fn body(what: impl Into<String>) -> Self {
        Self::Body(what.into())
    }

    /// That a model version has no such reference.
    pub(super) fn reference(model: &ModelState, asked: &'static str) -> Self {
        let known = references(&model.references);
        Self::UnknownReference {
            key: model.key.clone(),
            asked,
            known,
        }
    }

    /// The status of the answer.
    pub(super) const fn status(&self) -> StatusCode {
        self.class().0
    }

    /// What it is, in few words.
    pub(super) const fn title(&self) -> &'static str {
        self.class().2
    }

    /// Status, the end of the type, and the title.
    const fn class(&self) -> (StatusCode, &'static str, &'static str) {
        let (bad, none) = (StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND);
        let later = StatusCode::SERVICE_UNAVAILABLE;
        match self {
            Self::UnknownPath(_) => (none, "unknown-path", "No such path"),
            Self::Method(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "wrong-method",
                "Method not allowed",
            ),
            Self::PathEncoding => (bad, "bad-path", "Path not readable"),
            Self::UnknownParameter { .. } | Self::TwiceParameter(_) | Self::Parameter { .. } => {
                (bad, "bad-parameter", "Bad parameter")
            }
            Self::UnknownWindow { .. } => (bad, "unknown-window", "No such window"),
            Self::UnknownModel { .. } => (none, "unknown-model", "No such model version"),
            Self::OtherShard { .. } => (
                StatusCode::MISDIRECTED_REQUEST,
                "other-shard",
                "Model of another shard",
            ),
            Self::UnknownSeries { .. } => (none, "unknown-series", "No such series"),
            Self::UnknownReference { .. } => (none, "unknown-reference", "No such reference"),
            Self::NotKept { .. } => (bad, "not-kept", "Time not kept"),
            Self::JournalNotKept { .. } => {
                (StatusCode::GONE, "journal-not-kept", "Entries not kept")
            }
            Self::NoTime(_) => (none, "no-time", "No window yet"),
            Self::TooManyPoints { .. } => (bad, "too-many-points", "Too many points"),
            Self::NotReady(_) => (later, "not-ready", "Not ready"),
            Self::Busy => (later, "busy", "Busy"),
            Self::Slow(_) => (later, "too-slow", "Took too long"),
            Self::LongUri(_) => (StatusCode::URI_TOO_LONG, "uri-too-long", "URI too long"),
            Self::LargeHeaders(_) => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers-too-large",
                "Header fields too large",
            ),
            Self::LargeBody(_) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                "Body too large",
            ),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Not JSON"),
            Self::Body(_) => (bad, "bad-body", "Bad body"),
            Self::UnknownAlert(_) => (none, "unknown-alert", "No such alert"),
            Self::UnknownMute(_) => (none, "unknown-mute", "No such mute"),
            Self::ManyMutes(_) => (StatusCode::CONFLICT, "too-many-mutes", "Too many mutes"),
            Self::NoBins(_) => (StatusCode::CONFLICT, "no-bins", "No reference yet"),
            Self::NoToken => (StatusCode::UNAUTHORIZED, "no-token", "No token"),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, "wrong-token", "Wrong token"),
            Self::ReadOnly(_) => (StatusCode::FORBIDDEN, "read-only", "Not allowed"),
            Self::NoTokensFile => (StatusCode::FORBIDDEN, "no-tokens-file", "Not allowed"),
            Self::ForeignForm => (StatusCode::FORBIDDEN, "foreign-form", "Not our form"),
            Self::FormType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "Not a form",
            ),
            Self::NotAppended(_) => (later, "not-appended", "Not appended"),
            Self::Fault => (StatusCode::INTERNAL_SERVER_ERROR, "fault", "Internal fault"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, kind, title) = self.class();
        let document = view::Problem {
            kind: format!("urn:driftd:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            shard: match &self {
                Self::OtherShard { shard, .. } => Some(*shard),
                _ => None,
            },
        };
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            let asked = HeaderValue::from_static("Bearer realm=\"driftd\"");
            headers.insert(header::WWW_AUTHENTICATE, asked);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}

/// Which references there are, for people and as a label.
pub(super) fn references(references: &References) -> &'static str {
    match (references.training.is_some(), references.baseline.is_some()) {
        (true, true) => "both",
        (true, false) => "training",
        (false, true) => "baseline",
        (false, false) => "none",
    }
}

fn so_far(position: Option<u64>) -> String {
    position.map_or(String::new(), |position| {
        format!(", position {position} so far")
    })
}
