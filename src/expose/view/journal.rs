//! `GET /api/v1/journal`: entries as they are stored.

use serde::Deserialize;

use crate::journal::{Line, Page};
use crate::time::Timestamp;

/// An entry as it was stored; a member that its kind does not have is absent. What a newer driftd
/// told besides is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::expose) struct EntryView {
    pub(in crate::expose) seq: u64,
    at: String,
    pub(in crate::expose) actor: String,
    pub(in crate::expose) reason: Option<String>,
    pub(in crate::expose) kind: String,
    pub(in crate::expose) alert: Option<String>,
    pub(in crate::expose) model: Option<String>,
    pub(in crate::expose) version: Option<String>,
    pub(in crate::expose) series: Option<String>,
    pub(in crate::expose) window: Option<String>,
    pub(in crate::expose) severity: Option<String>,
    pub(in crate::expose) sentence: Option<String>,
    pub(in crate::expose) role: Option<String>,
    pub(in crate::expose) learned: bool,
    pub(in crate::expose) refusal: Option<String>,
    pub(in crate::expose) summary: Option<String>,
    pub(in crate::expose) id: Option<String>,
    pub(in crate::expose) until: Option<String>,
    pub(in crate::expose) from: Option<String>,
    pub(in crate::expose) to: Option<String>,
    pub(in crate::expose) before: Option<String>,
    pub(in crate::expose) added: Vec<String>,
    pub(in crate::expose) removed: Vec<String>,
    pub(in crate::expose) retyped: Vec<String>,
    pub(in crate::expose) webhook: Option<String>,
    pub(in crate::expose) events: u64,
    pub(in crate::expose) entry: u64,
    pub(in crate::expose) cause: Option<String>,
}

impl EntryView {
    /// When it happened, by the state log's clock.
    pub(in crate::expose) fn at(&self) -> Timestamp {
        self.at.parse().unwrap_or(Timestamp::EPOCH)
    }
}

/// Entries to be read by people; one that cannot be read has its number only.
pub(in crate::expose) fn entries(lines: &[Line]) -> Vec<EntryView> {
    let read = |line: &Line| {
        let seq = line.seq;
        let unread = EntryView {
            seq,
            ..EntryView::default()
        };
        serde_json::from_str(&line.json).unwrap_or(unread)
    };
    lines.iter().map(read).collect()
}

/// Entries in order; `next` where there are more of them, and `oldest`, the number of the first one
/// that is kept for the API. An entry is put in as it is stored, so that its hash can be checked.
pub(in crate::expose) fn journal(page: &Page) -> String {
    let entries: Vec<&str> = page.lines.iter().map(|line| &*line.json).collect();
    let mut text = format!("{{\"journal\":[{}]", entries.join(","));
    let next = page.lines.last().filter(|_| page.more);
    for (name, seq) in [("next", next.map(|line| line.seq)), ("oldest", page.oldest)] {
        if let Some(seq) = seq {
            text.extend([",\"", name, "\":", &seq.to_string()]);
        }
    }
    text.push('}');
    text
}
