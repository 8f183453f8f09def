//! The configuration: read once, checked once, then plain values that are right.
//!
//! ```text
//! defaults < file (TOML) < environment (DRIFTD__SECTION__KEY) --raw--> Raw --check--> Config
//! ```
//!
//! `raw` knows every key (an unknown one is an error), `load` reads the places where they are
//! written, `check` finds every problem at once, each with its dotted key and where the value came
//! from. The types here are what the rest of the daemon sees.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::decode::{FieldPaths, Limits};
use crate::key::Shard;
use crate::statelog::record::Configuration;
use crate::time::{Length, Timestamp};

mod certificate;
mod check;
mod load;
mod raw;
mod secret;
mod tokens;

pub use self::certificate::{Certificate, CertificateError, CertificateFiles};
pub(crate) use self::check::window_length;
pub use self::check::{Problem, Problems};
pub use self::load::{Overrides, environment, load};
pub use self::raw::{KeyDoc, keys};
pub use self::secret::Secret;
pub use self::tokens::{Token, TokenRole, Tokens};

/// A configuration without problems.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How to reach Kafka.
    pub kafka: Kafka,
    /// What to consume.
    pub sources: Vec<Source>,
    /// Where the state log lives.
    pub state: State,
    /// Where references are found; `None` looks nowhere.
    pub reference: Option<Reference>,
    /// What the board depends on: windows, lateness, limits.
    pub fold: Configuration,
    /// Who hears of what the journal tells.
    pub webhooks: Vec<Webhook>,
    /// The HTTP surface.
    pub http: Http,
    /// Bounds outside the fold.
    pub limits: SurfaceLimits,
    /// Logging.
    pub log: Log,
}

/// How to reach Kafka, for consumers, producers and administration alike.
#[derive(Clone, PartialEq, Eq)]
pub struct Kafka {
    /// `host:port,host:port`
    pub brokers: String,
    /// librdkafka properties, the operator's own last word.
    pub properties: BTreeMap<String, String>,
}

/// The values of properties may be secrets, so only their names are shown.
impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys())
            .finish()
    }
}

/// A set of topics read by one consumer group in one format.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The topics, at least one.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// Threads, each with its own consumer.
    pub workers: usize,
    /// Where the fields of an event stand.
    pub fields: FieldPaths,
    /// What a record may be.
    pub decode: Limits,
    /// Where a chain begins that is not known yet.
    pub start: Start,
    /// What to do when a topic was recreated or truncated.
    pub on_truncation: OnTruncation,
    /// Where rejected records are copied to.
    pub dead_letter_topic: Option<String>,
}

/// Where a chain begins that is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first record there is.
    Earliest,
    /// At the end.
    Latest,
    /// At the first record with this timestamp or a later one.
    At(Timestamp),
}

/// What to do with a partition that is shorter than what was already counted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTruncation {
    /// Stop reading the partition and say so.
    Stop,
    /// Begin a new incarnation of it.
    Restart,
}

/// Where the state log lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// In Kafka or in a directory.
    pub home: Home,
    /// Where packed counts lie; in memory where there is no directory.
    pub spill_dir: Option<PathBuf>,
    /// The models that this instance counts.
    pub shard: Shard,
    /// How long counts may wait in a worker.
    pub flush_interval: Length,
    /// How long after a snapshot the next one is written.
    pub snapshot_interval: Length,
}

/// The home of the state log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// In this topic of the same cluster: any number of instances.
    Kafka {
        /// The topic, one partition.
        topic: String,
        /// The topic of the journal, one partition; each shard has its own, see
        /// [`Shard::topic`].
        journal_topic: String,
        /// The topic of the snapshots, one partition, compacted; each shard has its own.
        snapshot_topic: String,
    },
    /// In a redb file in this directory: one instance.
    Embedded {
        /// The directory; made when it is not there.
        dir: PathBuf,
    },
}

impl Home {
    /// The directory, where it is in one.
    pub fn dir(&self) -> Option<&Path> {
        match self {
            Self::Kafka { .. } => None,
            Self::Embedded { dir } => Some(dir),
        }
    }

    /// What the state log is known as in its snapshots.
    pub fn log(&self, cluster: &str) -> String {
        match self {
            Self::Kafka { topic, .. } => format!("{cluster}/{topic}"),
            Self::Embedded { .. } => "embedded".to_owned(),
        }
    }
}

/// Where references are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// A path or the URL of an object store.
    pub url: String,
    /// How often to look for changes.
    pub watch_interval: Length,
}

/// Who hears of what the journal tells.
#[derive(Clone, PartialEq)]
pub struct Webhook {
    /// What names it in the state log, metrics and logs.
    pub name: String,
    /// Where events are sent.
    pub url: Url,
    /// What they are signed with.
    pub secret: Secret,
    /// Globs of models; all where there is none.
    pub models: Vec<String>,
    /// Severities of alerts.
    pub severities: Vec<String>,
    /// Events: kinds of entries of the journal, with dots.
    pub events: Vec<String>,
}

/// The URL may hold a secret.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("models", &self.models)
            .field("severities", &self.severities)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// The HTTP surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where to listen; port 0 takes a free one and the log says which.
    pub listen: SocketAddr,
    /// Who may read and who may give commands; `None` lets all read and nobody command.
    pub tokens: Option<Tokens>,
    /// Whether all may read where there are tokens.
    pub open_reads: bool,
    /// Where people find the web view; without a slash at its end.
    pub external_url: Option<String>,
    /// What is served over TLS is signed with; `None` speaks plain HTTP.
    pub certificate: Option<CertificateFiles>,
}

/// Bounds of what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurfaceLimits {
    /// Series with score metrics at most; the worst go first.
    pub metric_series_max: usize,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives as of `RUST_LOG`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
