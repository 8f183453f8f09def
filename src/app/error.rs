//! Why the daemon could not start, or had to stop.

use std::io;
use std::path::PathBuf;

use super::folding::FoldingError;
use super::references::ReferencesError;
use super::resume::ResumeError;
use crate::expose::ExposeError;
use crate::journal::JournalError;
use crate::source::SourceError;
use crate::statelog::StateLogError;
use crate::statelog::snapshot::SnapshotError;
use crate::telemetry::Exit;

/// Why the daemon could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Kafka, a topic or the consumer group.
    #[error("cannot consume")]
    Source(#[from] SourceError),
    /// The state log.
    #[error("the state log cannot be used")]
    StateLog(#[from] StateLogError),
    /// Where packed counts are to lie.
    #[error(
        "files cannot be made in {} (state.spill_dir, or state.dir where the state log is \
         embedded)",
        .dir.display()
    )]
    Spill {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal.
    #[error("the journal cannot be used")]
    Journal(#[from] JournalError),
    /// What was known before this start.
    #[error("cannot go on where the last run ended")]
    Resume(#[from] ResumeError),
    /// The snapshots.
    #[error("the snapshots cannot be used")]
    Snapshots(#[from] SnapshotError),
    /// The HTTP surface.
    #[error("cannot serve HTTP")]
    Expose(#[from] ExposeError),
    /// The fold.
    #[error("the state log cannot be folded")]
    Fold(#[from] FoldingError),
    /// References.
    #[error("references cannot be looked for")]
    References(#[from] ReferencesError),
    /// What sends webhooks.
    #[error("webhooks cannot be sent")]
    Webhooks(#[from] reqwest::Error),
    /// The group has members with a state of their own.
    #[error(
        "the consumer group {group} has another member ({other}), but state.home = \"embedded\" is \
         for one instance: each would see a part of the data only; use state.home = \"kafka\""
    )]
    SecondMember {
        /// The group.
        group: String,
        /// The client id of the other member.
        other: String,
    },
    /// A thread could not be started, or ended without a reason.
    #[error("a part of driftd stopped: {0}")]
    Thread(&'static str),
}

impl AppError {
    /// What the error means to the shell.
    pub fn exit(&self) -> Exit {
        match self {
            Self::SecondMember { .. } => Exit::Usage,
            Self::Thread(_) | Self::Fold(FoldingError::Panicked) => Exit::Fault,
            Self::Source(_)
            | Self::StateLog(_)
            | Self::Spill { .. }
            | Self::Journal(_)
            | Self::Resume(_)
            | Self::Snapshots(_)
            | Self::Expose(_)
            | Self::Fold(_)
            | Self::References(_)
            | Self::Webhooks(_) => Exit::Unavailable,
        }
    }
}
