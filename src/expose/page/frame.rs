//! What all pages share: head, navigation, foot, and what a browser must know of them.
//!
//! A page is one document: its stylesheet is in it, there is no script, and nothing is asked of
//! anybody else. The policy that says so to the browser is as strict as can be, so that even a name
//! that was not escaped could do nothing.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::{SIGN_IN, SIGN_OUT, text};
use crate::board::Board;
use crate::expose::auth::Visitor;
use crate::expose::problem::Problem;
use crate::expose::query::segment;

/// The stylesheet of all pages.
const STYLE: &str = include_str!("style.css");

/// A small mark for the tab, so that browsers need not ask for one.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 \
    16 16'%3E%3Crect width='16' height='16' rx='3' fill='%231f5fbf'/%3E%3Cpath \
    d='M2 12h3V7h3V4h3v5h3v3' \
    fill='none' stroke='white' stroke-width='1.6'/%3E%3C/svg%3E";

/// What browsers may do with a page.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The parts of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Models,
    Alerts,
    Journal,
    Status,
    /// Signing in, and what went wrong.
    Other,
}

/// What stands around the content of a page.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) title: String,
    pub(super) here: Section,
    pub(super) visitor: Option<&'a Visitor>,
    pub(super) board: Option<&'a Board>,
    /// The same as JSON.
    pub(super) json: Option<String>,
    /// The page itself, to come back to.
    pub(super) path: String,
}

impl Frame<'_> {
    /// The page as it is sent.
    pub(super) fn page(&self, content: &Markup) -> Response {
        respond(StatusCode::OK, self.document(content))
    }

    fn document(&self, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " \u{b7} driftd" }
                    link rel="icon" href=(ICON);
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top { (self.navigation()) }
                    main #main tabindex="-1" { (content) }
                    footer { (self.foot()) }
                }
            }
        }
    }

    fn navigation(&self) -> Markup {
        let firing = self.board.map_or(0, |board| board.firing.len());
        let current = |section| (self.here == section).then_some("page");
        html! {
            a.brand href="/" { span.mark aria-hidden="true" {} "driftd" }
            nav aria-label="Main" {
                a href="/" aria-current=[current(Section::Models)] { "Models" }
                a href="/alerts" aria-current=[current(Section::Alerts)] {
                    "Alerts"
                    @if firing > 0 {
                        " " span.count { (firing) span.hidden { " firing" } }
                    }
                }
                a href="/journal" aria-current=[current(Section::Journal)] { "Journal" }
                a href="/status" aria-current=[current(Section::Status)] { "Status" }
            }
            (self.who())
        }
    }

    fn who(&self) -> Markup {
        let Some(visitor) = self.visitor.filter(|visitor| visitor.can_sign_in) else {
            return html! {};
        };
        html! {
            div.who {
                @if let Some(session) = visitor.session() {
                    form method="post" action=(SIGN_OUT) {
                        input type="hidden" name="csrf" value=(session.form_token());
                        span.name { (session.token.name) }
                        button.plain type="submit" { "Sign out" }
                    }
                } @else if self.path != SIGN_IN {
                    a href=(format!("{SIGN_IN}?to={}", segment(&self.path))) { "Sign in" }
                }
            }
        }
    }

    fn foot(&self) -> Markup {
        html! {
            @if let Some(board) = self.board {
                p {
                    "Event time has come to "
                    @if let Some(watermark) = board.watermark { (text::when(watermark)) }
                    @else { "nowhere yet" }
                    ", the state log to position " (text::count(board.position)) " at "
                    (text::when(board.log_time)) ". All times are UTC."
                }
            }
            p {
                @if let Some(json) = &self.json { a href=(json) { "This page as JSON" } " \u{b7} " }
                a href="/api/v1/openapi.json" { "API" } " \u{b7} "
                a href="/metrics" { "Metrics" } " \u{b7} driftd " (env!("CARGO_PKG_VERSION"))
            }
        }
    }
}

/// A page that says what is wrong.
pub(in crate::expose) fn failure(problem: &Problem) -> Response {
    let (status, title) = (problem.status(), problem.title());
    let frame = Frame {
        title: title.to_owned(),
        here: Section::Other,
        visitor: None,
        board: None,
        json: None,
        path: String::new(),
    };
    let content = html! {
        h1 { (title) }
        p.lead { (problem) "." }
        p { a href="/" { "To the models" } }
    };
    respond(status, frame.document(&content))
}

fn respond(status: StatusCode, document: Markup) -> Response {
    let mut response = (status, Html(document.into_string())).into_response();
    let policy = POLICY.clone();
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// Where a page stands among the others.
pub(super) fn crumbs(links: &[(&str, String)]) -> Markup {
    html! {
        nav.crumbs aria-label="Breadcrumb" {
            ol { @for (name, path) in links { li { a href=(path) { (name) } } } }
        }
    }
}

/// A severity, as a word with a mark of its own.
pub(super) fn severity(severity: &str) -> Markup {
    let (class, mark) = match severity {
        "critical" => ("sev critical", "\u{25b2}"),
        "warning" => ("sev warning", "\u{25c6}"),
        _ => ("sev info", "\u{25cf}"),
    };
    html! { span class=(class) { span aria-hidden="true" { (mark) } " " (severity) } }
}

/// A state, as a word.
pub(super) fn state(state: &str) -> Markup {
    let class = match state {
        "ok" | "monitored" | "resolved" => "state good",
        "firing" => "state bad",
        _ => "state mute",
    };
    html! { span class=(class) { (state) } }
}

/// A fact: a name and its value.
pub(super) fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A table that scrolls by itself where it is wider than the page.
pub(super) fn scroll(label: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}
