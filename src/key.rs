//! What things are called: names from the data, model versions, series roles and chains.
//!
//! Names are data from strangers. A [`Name`] is at most [`NAME_BYTES_MAX`] bytes, has no control
//! characters and is never empty, `.` or `..`, so that it can stand in a path or URL once encoded.
//! Keys carry a tenant and a segment part that nothing sets yet: they are empty, and part of every
//! comparison and encoding, so that segments and tenants can come without a new state log.

use std::fmt;
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

pub use self::shard::{SHARDS_MAX, Shard, ShardError};

mod shard;

/// The longest name in bytes; a record that bears a longer one is rejected as `bad_name`.
pub const NAME_BYTES_MAX: usize = 128;

/// The version of events that name none.
pub const UNVERSIONED: &str = "unversioned";

/// The set of these globs of names. What is not a glob matches nothing: the configuration, where
/// globs come from, was checked.
pub fn globs(globs: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in globs.iter().filter_map(|glob| Glob::new(glob).ok()) {
        set.add(glob);
    }
    set.build().unwrap_or_default()
}

/// A checked name of a model, version or series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(Arc<str>);

/// Why a text cannot be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No text at all.
    #[error("a name is empty")]
    Empty,
    /// More than [`NAME_BYTES_MAX`] bytes.
    #[error("a name has {0} bytes, more than {NAME_BYTES_MAX}")]
    TooLong(usize),
    /// A control character, or one of the path steps `.` and `..`.
    #[error("a name has control characters or is a path step")]
    Unprintable,
}

impl Name {
    /// Checks `text` by the rule of the module header.
    pub fn new(text: &str) -> Result<Self, NameError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// As [`Self::new`], without keeping the text.
    pub fn check(text: &str) -> Result<(), NameError> {
        match text {
            "" => Err(NameError::Empty),
            "." | ".." => Err(NameError::Unprintable),
            _ if text.len() > NAME_BYTES_MAX => Err(NameError::TooLong(text.len())),
            _ if text.chars().any(char::is_control) => Err(NameError::Unprintable),
            _ => Ok(()),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(&text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A version of a model, the unit that has a layout, references and panes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelKey {
    /// Reserved: empty.
    pub tenant: Arc<str>,
    /// The model.
    pub model: Name,
    /// Its version; [`UNVERSIONED`] for events without one.
    pub version: Name,
    /// Reserved: empty.
    pub segment: Arc<str>,
}

impl ModelKey {
    /// A version of a model of the only tenant, over all segments.
    pub fn new(model: Name, version: Name) -> Self {
        Self {
            tenant: Arc::from(""),
            model,
            version,
            segment: Arc::from(""),
        }
    }
}

impl fmt::Display for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.model, self.version)
    }
}

/// What a series is to its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An input of the model.
    Feature,
    /// An output of the model.
    Prediction,
    /// How the call went: latency and status.
    Operational,
}

impl Role {
    /// All roles, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Feature, Self::Prediction, Self::Operational];

    /// The name used in files, the log and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Prediction => "prediction",
            Self::Operational => "operational",
        }
    }

    /// The role of a name used in files, the log and the API.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// The keys of an event that carry series. A row is said to carry one when the key exists, whatever
/// its value: only then are absent series of it missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// `features`
    Features,
    /// `prediction`
    Prediction,
    /// `latency_ms`
    Latency,
    /// `status`
    Status,
}

impl Carrier {
    /// All carriers, in the order of their codes.
    pub const ALL: [Self; 4] = [
        Self::Features,
        Self::Prediction,
        Self::Latency,
        Self::Status,
    ];

    /// The key itself, as it is called in the native event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::Prediction => PREDICTION,
            Self::Latency => LATENCY,
            Self::Status => STATUS,
        }
    }

    /// The carrier of a series by its role and name.
    pub fn of(role: Role, series: &str) -> Self {
        match role {
            Role::Feature => Self::Features,
            Role::Prediction => Self::Prediction,
            Role::Operational if series == LATENCY => Self::Latency,
            Role::Operational => Self::Status,
        }
    }
}

/// A set of [`Carrier`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Carried(u8);

impl Carried {
    /// No carrier.
    pub const NONE: Self = Self(0);
    /// All carriers, as in a flat table that has all the columns.
    pub const ALL: Self = Self(0b1111);

    /// This set and `carrier`.
    #[must_use]
    pub const fn with(self, carrier: Carrier) -> Self {
        Self(self.0 | 1 << carrier as u8)
    }

    /// Whether `carrier` is in the set.
    pub const fn has(self, carrier: Carrier) -> bool {
        self.0 & (1 << carrier as u8) != 0
    }
}

/// The series of the prediction, or the prefix of the series of its outputs.
pub const PREDICTION: &str = "prediction";
/// The series of the latency in milliseconds.
pub const LATENCY: &str = "latency_ms";
/// The series of the status.
pub const STATUS: &str = "status";
/// The prefix that a feature gets when its own name is reserved.
pub const FEATURE_PREFIX: &str = "features.";

/// Whether a feature of this name would be taken for something else, and so is renamed to
/// `features.<name>`: the columns of a flat table that are not features, and the prefix itself (or
/// two features could get one name).
pub fn is_reserved(feature: &str) -> bool {
    matches!(feature, PREDICTION | LATENCY | STATUS | "request_id" | "ts")
        || feature.starts_with("prediction.")
        || feature.starts_with(FEATURE_PREFIX)
}

/// A chain: one incarnation of one partition of one topic of one cluster.
///
/// Its records are counted in one unbroken sequence of deltas that starts with a genesis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainKey {
    /// The state log that this chain belongs to, when there is more than one.
    pub shard: u16,
    /// The id of the Kafka cluster.
    pub cluster: Arc<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// Counts up when a topic is recreated or truncated and the operator chose to go on.
    pub incarnation: u32,
    /// The partition.
    pub partition: i32,
}

impl ChainKey {
    /// What its partition is once this chain is over.
    #[must_use]
    pub fn next_incarnation(&self) -> Self {
        Self {
            incarnation: self.incarnation.saturating_add(1),
            ..self.clone()
        }
    }
}

impl fmt::Display for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)?;
        if self.incarnation > 0 {
            write!(f, " (incarnation {})", self.incarnation)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_printable_and_never_a_path_step() {
        for good in ["a", "...", "\u{e9}", "a b", "<script>", "a/b", "%2e%2e"] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for (bad, error) in [
            ("", NameError::Empty),
            (".", NameError::Unprintable),
            ("..", NameError::Unprintable),
            ("a\nb", NameError::Unprintable),
            ("\u{85}", NameError::Unprintable),
            (long.as_str(), NameError::TooLong(NAME_BYTES_MAX + 1)),
        ] {
            assert_eq!(Name::new(bad), Err(error));
        }
    }

    #[test]
    fn a_set_of_carriers_has_what_was_put_in() {
        let mut set = Carried::NONE;
        for carrier in Carrier::ALL {
            assert!(!set.has(carrier));
            set = set.with(carrier);
            assert!(set.has(carrier));
        }
        assert_eq!(set, Carried::ALL);
    }
}
