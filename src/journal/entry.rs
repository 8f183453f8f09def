//! Entries, their lines, and the chain that they are.
//!
//! The hash of an entry is the SHA-256 of its line without the line feed, so that a shell can check
//! a chain:
//!
//! ```text
//! sed -n 17p journal.jsonl | tr -d '\n' | sha256sum     is the "prev" of line 18
//! ```
//!
//! Whoever checks a chain needs of an entry no more than its number, the hash before it and its
//! time; what a newer driftd tells besides does not matter to that ([`Stored`]).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::journal::event::Event;
use crate::journal::json::Json;
use crate::journal::text::Text;
use crate::layout::Digest;
use crate::time::Timestamp;

/// The longest line in bytes: far beyond what the bounds of its texts let an entry be.
pub const ENTRY_BYTES_MAX: usize = 1 << 19;

/// Who acts where nobody did.
pub const DRIFTD: &str = "driftd";

/// An entry to be: all but its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// When it happened, by the state log's clock.
    pub at: Timestamp,
    /// The position of the record of the state log that it follows from.
    pub position: u64,
    /// By whose hand: [`DRIFTD`] or an operator.
    pub actor: Text,
    /// Why, where somebody said so.
    pub reason: Option<Text>,
    /// What happened.
    pub event: Event,
}

/// The text of an entry with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// The SHA-256 of `json`.
    pub hash: Digest,
    /// The entry as it is stored, without a line feed.
    pub json: Arc<str>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it says.
    pub draft: Draft,
    /// How it is stored.
    pub line: Line,
}

/// How far a chain goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The number of the last entry; 0 before the first.
    pub seq: u64,
    /// The hash of the last entry; zeros before the first.
    pub head: Digest,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            seq: 0,
            head: Digest([0; 32]),
        }
    }
}

impl Chain {
    /// The next entry, which is the chain's last one from here on.
    pub fn next(&mut self, draft: Draft) -> Entry {
        let seq = self.seq + 1;
        let mut json = Json::new();
        json.put("seq", seq);
        json.shown("prev", &self.head);
        json.shown("at", &draft.at);
        json.put("position", draft.position);
        json.put("actor", draft.actor.as_str());
        json.maybe("reason", draft.reason.as_ref());
        draft.event.write(&mut json);
        let line = Line::new(seq, json.end());
        self.append(&line);
        Entry { draft, line }
    }

    /// Follows the chain by an entry that was stored.
    pub fn take(&mut self, stored: &Stored) -> Result<(), LinkError> {
        let (seq, found) = (self.seq + 1, stored.line.seq);
        if found != seq {
            return Err(LinkError::Seq { seq, found });
        }
        if stored.prev != self.head {
            return Err(LinkError::Prev { seq });
        }
        self.append(&stored.line);
        Ok(())
    }

    pub(super) fn append(&mut self, line: &Line) {
        self.seq = line.seq;
        self.head = line.hash;
    }
}

/// The place of an entry's cause.
#[derive(Deserialize)]
struct Cause {
    position: u64,
}

impl Line {
    /// The position of the record of the state log that the entry follows from; `None` where it
    /// does not say.
    pub fn position(&self) -> Option<u64> {
        let cause: Result<Cause, _> = serde_json::from_str(&self.json);
        cause.ok().map(|cause| cause.position)
    }

    /// The chain that ends with it.
    pub const fn chain(&self) -> Chain {
        Chain {
            seq: self.seq,
            head: self.hash,
        }
    }

    fn new(seq: u64, json: String) -> Self {
        Self {
            seq,
            hash: Digest::of(json.as_bytes()),
            json: json.into(),
        }
    }
}

/// Why an entry is not the next one of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Its number is not the next one.
    #[error("entry {seq} is missing: entry {found} stands in its place")]
    Seq {
        /// The number that should come.
        seq: u64,
        /// The one that came.
        found: u64,
    },
    /// It follows another entry than the one before it.
    #[error("entry {seq} does not follow from the one before it: one of the two was changed")]
    Prev {
        /// Its number.
        seq: u64,
    },
}

/// An entry as somebody stored it: read as far as a chain needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How it is stored.
    pub line: Line,
    /// The hash of the one before.
    pub prev: Digest,
    /// When it happened.
    pub at: Timestamp,
    /// What happened; perhaps a kind that only a newer driftd knows.
    pub kind: Text,
}

/// Why bytes are no entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// More bytes than an entry has.
    #[error("it has more than {ENTRY_BYTES_MAX} bytes")]
    TooLong,
    /// Not one line of text.
    #[error("it is not one line of UTF-8")]
    Text,
    /// Not the JSON of an entry.
    #[error("it is not the JSON of an entry")]
    Json(#[from] serde_json::Error),
    /// A field that cannot be.
    #[error("its field `{0}` is none")]
    Field(&'static str),
    /// What happened is of a kind that this driftd does not know.
    #[error(
        "entry {seq} is of kind `{kind}`, which this driftd does not know: a newer driftd wrote \
         it, upgrade this one"
    )]
    Kind {
        /// Its number.
        seq: u64,
        /// Its kind.
        kind: Text,
    },
}

/// The fields that every entry has; all others are the business of its kind.
#[derive(Deserialize)]
struct Fields<'a> {
    seq: u64,
    prev: &'a str,
    at: &'a str,
    kind: &'a str,
}

impl Stored {
    /// Reads a line without its line feed.
    pub fn read(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong);
        }
        let text = str::from_utf8(bytes).ok();
        let json = text
            .filter(|text| !text.contains('\n'))
            .ok_or(EntryError::Text)?;
        let fields: Fields<'_> = serde_json::from_str(json)?;
        let prev = fields.prev.parse();
        let at = fields.at.parse();
        Ok(Self {
            line: Line::new(fields.seq, json.to_owned()),
            prev: prev.map_err(|_no_digest| EntryError::Field("prev"))?,
            at: at.map_err(|_no_time| EntryError::Field("at"))?,
            kind: Text::new(fields.kind),
        })
    }

    /// The chain that ends with it.
    pub const fn chain(&self) -> Chain {
        self.line.chain()
    }

    /// That this driftd knows what happened.
    pub fn known(&self) -> Result<(), EntryError> {
        if Event::KINDS.contains(&self.kind.as_str()) {
            return Ok(());
        }
        Err(EntryError::Kind {
            seq: self.line.seq,
            kind: self.kind.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
