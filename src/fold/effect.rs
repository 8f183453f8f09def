//! What the fold tells those outside.

use crate::delta::LastRecord;
use crate::key::{ChainKey, ModelKey};
use crate::layout::Digest;
use crate::reference::ReferenceRole;
use crate::statelog::record::{Anchor, Command, CommandKind, Delivered};

/// What a record changed that somebody outside must hear of.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A chain's next delta must start here.
    Head {
        /// The chain.
        chain: ChainKey,
        /// The head.
        position: i64,
        /// The last record counted.
        last_record: Option<LastRecord>,
    },
    /// What became of an attempt.
    Fate {
        /// The chain.
        chain: ChainKey,
        /// The worker.
        writer: u64,
        /// Its attempt.
        attempt: u64,
        /// Counted, or superseded.
        accepted: bool,
    },
    /// Layouts or pane lengths changed: workers count in new ones from now on.
    Layouts,
    /// A reference became active.
    Activated {
        /// The model version.
        key: ModelKey,
        /// What it is to the model version.
        role: ReferenceRole,
        /// Its digest.
        digest: Digest,
        /// The digest of its layout.
        layout: Digest,
        /// Whether the model version learned it from its own rows.
        learned: bool,
        /// Whether it was not active before.
        is_new: bool,
    },
    /// A configuration came; perhaps the one in force.
    Configured,
    /// A reference did not become active.
    Refused {
        /// The model version.
        key: ModelKey,
        /// Its digest, where it could be read at all.
        digest: Option<Digest>,
        /// Why.
        reason: String,
    },
    /// An operator asked for this. What the fold itself does of it follows.
    Command(Command),
    /// The receiver of a webhook took events.
    Delivered(Delivered),
    /// A webhook gave up events.
    GivenUp(Delivered),
    /// This anchor should be in the log.
    Anchor(Anchor),
}

impl Effect {
    /// The model version that it is of, where it is of one.
    pub fn model(&self) -> Option<&ModelKey> {
        match self {
            Self::Activated { key, .. } | Self::Refused { key, .. } => Some(key),
            Self::Command(command) => match &command.kind {
                CommandKind::AcceptBaseline { key, .. } => Some(key),
                _ => None,
            },
            Self::Head { .. }
            | Self::Fate { .. }
            | Self::Layouts
            | Self::Configured
            | Self::Delivered(_)
            | Self::GivenUp(_)
            | Self::Anchor(_) => None,
        }
    }
}
