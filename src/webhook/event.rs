//! Events: which entries of the journal are some, for whom, and what they say.
//!
//! ```text
//! {"specversion":"1.0","id":"17-3f2a90c1d4e5b607","source":"https://driftd.example/models/fraud",
//!  "type":"driftd.alert.firing","subject":"fraud/7/amount","time":"2026-11-23T10:05:00Z",
//!  "datacontenttype":"application/json","data":{"id":"9f86d081","model":"fraud",..,"link":..}}
//! ```
//!
//! An event is a function of its entry, so it is the same whoever sends it and however often. `id`
//! is the number of the entry and the beginning of its hash; `time` is when it happened by the
//! state log's clock. The data of alerts have the names that the API gives them.

use std::fmt::Display;

use globset::GlobSet;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::journal::Line;
use crate::time::Timestamp;

/// The media type of an event.
pub const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// All but what RFC 3986 reserves nothing for.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Hexadecimal digits of an entry's hash in an event's id.
const HASH_DIGITS: usize = 16;

/// What a webhook is to hear of.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Of these models; of all where it is empty.
    pub models: GlobSet,
    /// Of alerts of these severities.
    pub severities: Vec<String>,
    /// Of these events: the kinds of their entries, with dots.
    pub events: Vec<String>,
}

/// An entry that is an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The number of the entry.
    pub seq: u64,
    /// Its model.
    pub model: String,
    /// When it happened, by the state log's clock.
    pub at: Timestamp,
    /// What names it at the receiver.
    pub id: String,
    kind: String,
    fields: Map<String, Value>,
}

impl Event {
    /// The event that an entry is; `None` of one that cannot be read.
    pub fn of(line: &Line) -> Option<Self> {
        let mut fields: Map<String, Value> = serde_json::from_str(&line.json).ok()?;
        let kind = take(&mut fields, "kind")?.replace('_', ".");
        let hash: String = line.hash.to_string().chars().take(HASH_DIGITS).collect();
        let at = take(&mut fields, "at")?.parse().ok()?;
        for place in ["seq", "prev", "position"] {
            fields.remove(place);
        }
        if fields.get("actor").is_some_and(|actor| actor == "driftd") {
            fields.remove("actor");
        }
        Some(Self {
            seq: line.seq,
            model: text(&fields, "model").to_owned(),
            at,
            id: format!("{}-{hash}", line.seq),
            kind,
            fields,
        })
    }

    /// Whether a webhook is to hear of it.
    pub fn passes(&self, filter: &Filter) -> bool {
        let severity = text(&self.fields, "severity");
        let is_of = |texts: &[String], text: &str| texts.iter().any(|one| one == text);
        is_of(&filter.events, &self.kind)
            && (filter.models.is_empty() || filter.models.is_match(&self.model))
            && (severity.is_empty() || is_of(&filter.severities, severity))
    }

    /// Its JSON; `external_url` is where people find the web view.
    pub fn body(&self, external_url: Option<&str>) -> String {
        let (model, version) = (segment(&self.model), segment(text(&self.fields, "version")));
        let subject = match text(&self.fields, "series") {
            "" => format!("{model}/{version}"),
            series => format!("{model}/{version}/{}", segment(series)),
        };
        let base = external_url.unwrap_or_default().trim_end_matches('/');
        let mut data = self.data();
        if external_url.is_some() {
            let alert = text(&self.fields, "alert");
            let page = if alert.is_empty() {
                format!("models/{model}/versions/{version}")
            } else {
                format!("alerts/{}", segment(alert))
            };
            data.insert("link".to_owned(), format!("{base}/{page}").into());
        }
        let event = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": format!("{base}/models/{model}"),
            "type": format!("driftd.{}", self.kind),
            "subject": subject,
            "time": self.at.to_string(),
            "datacontenttype": "application/json",
            "data": data,
        });
        event.to_string()
    }

    /// What the entry says, of an alert by the names of the API.
    fn data(&self) -> Map<String, Value> {
        let mut data = self.fields.clone();
        if let Some(alert) = data.remove("alert") {
            let is_over = self.kind == "alert.resolved";
            let end = data.remove("end").filter(|_| is_over);
            let state = if is_over { "resolved" } else { "firing" };
            data.insert("id".to_owned(), alert);
            data.insert("state".to_owned(), state.into());
            data.extend(end.map(|end| ("resolved".to_owned(), end)));
        }
        data
    }
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.remove(name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn segment(name: &str) -> impl Display + '_ {
    utf8_percent_encode(name, SEGMENT)
}

#[cfg(test)]
mod tests;
