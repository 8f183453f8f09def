//! The records of the state log and their bytes.
//!
//! ```text
//! byte 0     format version, 1
//! byte 1     kind: 1 genesis, 2 delta, 3 activate, 4 configure, 5 anchor, 6 command,
//!            7 delivered, 8 need
//! byte 2..   delta and activate: binary forms of their own; the rest: JSON
//! ```
//!
//! An unknown version or kind is an error that stops the fold: a record is never skipped, since
//! what it would have changed is unknown. For the same reason a field that this version does not
//! know is an error, and a new one takes a new format version or is left out where it says nothing
//! new.
//!
//! A record has one form: [`Record::to_bytes`] always gives the same bytes, so that anchors can
//! name a record by its digest.

use std::collections::BTreeMap;

use crate::delta::{self, Accounting, DecodeError, Delta, EncodeError, Flaw};
use crate::key::{ChainKey, ModelKey, Shard};
use crate::time::{Length, Timestamp};

mod alerting;
mod command;
mod delivered;
mod json;

pub use self::command::{Command, CommandError, CommandKind, ID_BYTES_MAX, Mute, REASON_BYTES_MAX};
pub use self::delivered::{Delivered, WEBHOOK_NAME_BYTES_MAX};

pub use self::alerting::{About, AlertRule, Alerting, BaselineChoice};

/// The version in the first byte of every record.
pub const FORMAT_VERSION: u8 = 1;

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A chain begins; the first one of a chain wins.
    Genesis {
        /// The chain.
        chain: ChainKey,
        /// The position of its first record.
        start: i64,
    },
    /// Counts of a range of a chain.
    Delta(Box<Delta>),
    /// A reference becomes active for a model version, at this place of the log.
    Activate {
        /// The model version.
        key: ModelKey,
        /// The artifact, without its hour blocks.
        artifact: Vec<u8>,
        /// What its hours taught; empty where they taught nothing.
        natural: Vec<u8>,
    },
    /// What the board depends on besides the data.
    Configure(Box<Configuration>),
    /// The state of the fold before `position`, as some replica found it.
    Anchor(Anchor),
    /// An operator asks for something.
    Command(Command),
    /// A webhook has got this far in the journal.
    Delivered(Delivered),
    /// A shard needs the log from here on, and not what was before; only where there are several.
    Need {
        /// The shard.
        shard: Shard,
        /// The first position that it needs.
        from: u64,
    },
}

/// What the board depends on besides the data: kept in the log so that replicas and replays agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Window lengths, ascending.
    pub windows: Vec<Length>,
    /// How long panes are kept behind a model version's largest event time, when longer than twice
    /// their window.
    pub keep: Option<Length>,
    /// How far the watermark stays behind the frontier.
    pub lateness: Length,
    /// A chain that is not at its end and makes no progress for this long no longer holds back
    /// time.
    pub wait_max: Length,
    /// A model version that is silent for this long is forgotten.
    pub silent_after: Length,
    /// Model versions kept; rows of further ones are counted as not admitted.
    pub models_max: u64,
    /// Globs of models that are let in; empty lets all in.
    pub models_allow: Vec<String>,
    /// Series of a model version without a layout, and unknown fields of one with a layout.
    pub loose_series_max: u64,
    /// Bytes of panes and hours from which on no further model version, and no further series that
    /// a layout does not know, is let in.
    pub state_bytes_max: u64,
    /// Budgets, what matters, and whose model it is.
    pub alerts: Alerting,
    /// Rows that a model version without a reference learns one from; 0 where none is learned.
    pub learn_rows: u64,
}

/// [`Configuration::state_bytes_max`] of a record that does not say.
pub const STATE_BYTES_MAX: u64 = 4 << 30;

/// [`Configuration::learn_rows`] of a record that does not say.
pub const LEARN_ROWS: u64 = 10_000;

/// The state of the fold before a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// All records before this position are folded.
    pub position: u64,
    /// SHA-256 of the bytes of the record before this position.
    pub digest: [u8; 32],
    /// The head of each chain.
    pub heads: BTreeMap<ChainKey, i64>,
    /// What became of the records of each topic.
    pub totals: BTreeMap<String, Accounting>,
    /// The append time of the record before this position, at the latest so far.
    pub log_time: Timestamp,
}

/// Why a record cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum UnwritableError {
    /// The delta has no bytes.
    #[error("the delta has no bytes")]
    Delta(#[from] EncodeError),
    /// A value has no JSON form.
    #[error("the record has no JSON form")]
    Json(#[from] serde_json::Error),
}

/// Why bytes are no record that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Bytes that end within what each record has.
    #[error("a record of {0} bytes ends too early")]
    Short(usize),
    /// Another format version.
    #[error(
        "a record has format version {0}, this driftd knows {FORMAT_VERSION} only: a newer driftd \
         wrote it, upgrade this one"
    )]
    Version(u8),
    /// Another kind.
    #[error(
        "a record is of kind {0}, which this driftd does not know: a newer driftd wrote it, \
         upgrade this one"
    )]
    Kind(u8),
    /// A delta that is none.
    #[error("a delta in the log cannot be read")]
    Delta(#[source] DecodeError),
    /// JSON that is not that of the kind of record.
    #[error(
        "a record {kind} cannot be read: it is damaged, or a newer driftd wrote it, then upgrade \
         this one"
    )]
    Json {
        /// The kind of record.
        kind: Kind,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A value that cannot be.
    #[error("a record {kind} has an impossible {what}")]
    Value {
        /// The kind of record.
        kind: Kind,
        /// Which value.
        what: &'static str,
    },
    /// Sums that cannot be.
    #[error("a record {kind} has impossible sums")]
    Sums {
        /// The kind of record.
        kind: Kind,
        /// Which rule they break.
        source: Flaw,
    },
}

/// The kinds of records, by the code in their second byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`Record::Genesis`]
    Genesis = 1,
    /// [`Record::Delta`]
    Delta = 2,
    /// [`Record::Activate`]
    Activate = 3,
    /// [`Record::Configure`]
    Configure = 4,
    /// [`Record::Anchor`]
    Anchor = 5,
    /// [`Record::Command`]
    Command = 6,
    /// [`Record::Delivered`]
    Delivered = 7,
    /// [`Record::Need`]
    Need = 8,
}

impl Kind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Genesis,
        Self::Delta,
        Self::Activate,
        Self::Configure,
        Self::Anchor,
        Self::Command,
        Self::Delivered,
        Self::Need,
    ];

    /// The name used in errors and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Delta => "delta",
            Self::Activate => "activate",
            Self::Configure => "configure",
            Self::Anchor => "anchor",
            Self::Command => "command",
            Self::Delivered => "delivered",
            Self::Need => "need",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.as_str())
    }
}

impl Record {
    /// The kind of record.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Genesis { .. } => Kind::Genesis,
            Self::Delta(_) => Kind::Delta,
            Self::Activate { .. } => Kind::Activate,
            Self::Configure(_) => Kind::Configure,
            Self::Anchor(_) => Kind::Anchor,
            Self::Command(_) => Kind::Command,
            Self::Delivered(_) => Kind::Delivered,
            Self::Need { .. } => Kind::Need,
        }
    }

    /// The bytes of the record, version and kind first.
    pub fn to_bytes(&self) -> Result<Vec<u8>, UnwritableError> {
        let body = match self {
            Self::Genesis { chain, start } => json::write_genesis(chain, *start)?,
            Self::Delta(delta) => delta::encode(delta)?,
            Self::Activate {
                key,
                artifact,
                natural,
            } => json::write_activate(key, artifact, natural)?,
            Self::Configure(configuration) => json::write_configuration(configuration)?,
            Self::Anchor(anchor) => json::write_anchor(anchor)?,
            Self::Command(command) => command::write(command)?,
            Self::Delivered(told) => delivered::write(told)?,
            Self::Need { shard, from } => json::write_need(*shard, *from)?,
        };
        let mut bytes = Vec::with_capacity(2 + body.len());
        bytes.extend([FORMAT_VERSION, self.kind() as u8]);
        bytes.extend(body);
        Ok(bytes)
    }

    /// The record of bytes that [`Self::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let [version, code, body @ ..] = bytes else {
            return Err(RecordError::Short(bytes.len()));
        };
        if *version != FORMAT_VERSION {
            return Err(RecordError::Version(*version));
        }
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == *code);
        match kind.ok_or(RecordError::Kind(*code))? {
            Kind::Genesis => json::read_genesis(body),
            Kind::Delta => delta::decode(body)
                .map(|delta| Self::Delta(Box::new(delta)))
                .map_err(RecordError::Delta),
            Kind::Activate => json::read_activate(body),
            Kind::Configure => json::read_configuration(body)
                .map(|configuration| Self::Configure(Box::new(configuration))),
            Kind::Anchor => json::read_anchor(body).map(Self::Anchor),
            Kind::Command => command::read(body).map(Self::Command),
            Kind::Delivered => delivered::read(body).map(Self::Delivered),
            Kind::Need => json::read_need(body),
        }
    }
}

#[cfg(test)]
mod tests;
