//! The journal, newest entries first: what happened, by whose hand and why.

use maud::{Markup, html};

use super::frame::severity;
use super::text;
use crate::expose::view::EntryView;
use crate::journal::entry::DRIFTD;
use crate::key::Name;

/// Where the page stands in the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The number of the entry after the newest one that is shown, where there are newer ones.
    pub(super) newer: Option<u64>,
    /// That of the oldest one that is shown, where there are older ones.
    pub(super) older: Option<u64>,
    /// That of the oldest one that is kept for readers.
    pub(super) oldest: Option<u64>,
}

/// The page of the journal; `entries` stand in their order.
pub(super) fn page(entries: &[EntryView], place: Place) -> Markup {
    html! {
        h1 { "Journal" }
        p.lead {
            "What happened to whom, by whose hand and why. Each entry names the SHA-256 of the one \
             before it, so that none can be changed unseen."
        }
        @if entries.is_empty() { p.empty { "Nothing has happened yet." } }
        ol.journal reversed { @for entry in entries.iter().rev() { li { (item(entry)) } } }
        nav.pager aria-label="Pages of the journal" {
            @if let Some(newer) = place.newer {
                a rel="prev" href=(format!("/journal?before={newer}")) { "Newer" }
            }
            @if let Some(older) = place.older {
                a rel="next" href=(format!("/journal?before={older}")) { "Older" }
            } @else if place.oldest.is_some_and(|oldest| oldest > 1) {
                span.quiet { "Older ones: " code { "driftd journal export" } }
            }
        }
    }
}

fn item(entry: &EntryView) -> Markup {
    html! {
        div.when { (text::when(entry.at())) span.sub { "#" (entry.seq) } }
        div.what {
            p { (said(entry)) }
            @if entry.actor != DRIFTD || entry.reason.is_some() {
                p.quiet {
                    strong { (entry.actor) } @if let Some(reason) = &entry.reason { ": " (reason) }
                }
            }
        }
    }
}

/// What an entry says, in words.
fn said(entry: &EntryView) -> Markup {
    let alert = |id: &Option<String>| {
        let id = id.clone().unwrap_or_default();
        html! { a href=(text::alert_path(&id)) { "alert " code { (id) } } }
    };
    let none = String::new();
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    html! {
        @match entry.kind.as_str() {
            "alert_firing" | "alert_escalated" | "alert_resolved" => {
                (severity(entry.severity.as_deref().unwrap_or_default())) " "
                @match entry.kind.as_str() {
                    "alert_firing" => "fires",
                    "alert_escalated" => "got worse",
                    _ => "is over",
                }
                ", " (version(entry)) ": "
                a href=(text::alert_path(entry.alert.as_ref().unwrap_or(&none))) {
                    (text::sentence(entry.sentence.as_ref().unwrap_or(&none)))
                }
            }
            "reference_activated" => {
                "The " (part(&entry.role)) " reference of " (version(entry)) " is in force"
                @if entry.learned { ", learned from live rows" }
            }
            "reference_refused" => {
                "A reference of " (version(entry)) " is refused: " (part(&entry.refusal))
            }
            "configured" => { "Another configuration is in force: " (part(&entry.summary)) }
            "acknowledged" => { "Acknowledged " (alert(&entry.alert)) }
            "muted" => {
                "Muted " (part(&entry.model))
                @if let Some(version) = &entry.version { " " (version) }
                @if let Some(series) = &entry.series { " " code { (series) } }
                " until " (part(&entry.until))
            }
            "unmuted" => { "Ended mute " code { (part(&entry.id)) } }
            "baseline_accepted" => {
                "Accepted " (part(&entry.from)) " to " (part(&entry.to))
                " as the new baseline of " (version(entry))
            }
            "schema_changed" => {
                (version(entry)) " has other series than version " (part(&entry.before))
                (names("added", &entry.added)) (names("removed", &entry.removed))
                (names("of another type", &entry.retyped))
            }
            "webhook_delivered" => {
                "Webhook " (part(&entry.webhook)) " delivered " (events(entry.events))
                " of the entries up to " (entry.entry)
            }
            "webhook_gave_up" => {
                "Webhook " (part(&entry.webhook)) " gave up " (events(entry.events))
                @if let Some(cause) = &entry.cause { ": " (cause) }
            }
            "" => { "This entry cannot be read; the API has it as it is stored." }
            other => { (other) }
        }
    }
}

fn events(count: u64) -> Markup {
    html! { (count) @if count == 1 { " event" } @else { " events" } }
}

fn version(entry: &EntryView) -> Markup {
    let model = entry.model.as_deref().unwrap_or_default();
    let version = entry.version.as_deref().unwrap_or_default();
    // an entry may be of something that was never admitted
    let known = Name::check(model).is_ok() && Name::check(version).is_ok();
    html! {
        @if known { a href=(text::model_path(model, version)) { (model) " " (version) } }
        @else { (model) " " (version) }
    }
}

fn names(what: &str, names: &[String]) -> Markup {
    html! {
        @if !names.is_empty() {
            "; " (what) ": "
            @for (place, name) in names.iter().enumerate() {
                @if place > 0 { ", " } code { (name) }
            }
        }
    }
}
