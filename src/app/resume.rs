//! Where a start goes on: at a snapshot of the state log, at its beginning, or at an anchor.
//!
//! ```text
//! newest snapshot whose place the log still has    all that was known
//! the next older one                               likewise
//! the beginning, where nothing was taken away      all that was known
//! the first anchor                                 heads and totals; panes and alerts are gone
//! ```

use std::thread;
use std::time::Duration;

use crate::engine::Engine;
use crate::journal::{Chain, Journal};
use crate::statelog::record::Configuration;
use crate::statelog::snapshot::{Manifest, SnapshotError, Snapshots};
use crate::statelog::{Reader, StateLogError};
use crate::telemetry::error_chain;

/// How long the journal may take to tell of entries that another instance just wrote.
const JOURNAL_TIMEOUT: Duration = Duration::from_secs(15);

/// How long to wait before it is looked at again.
const PAUSE: Duration = Duration::from_millis(50);

/// Why there is nowhere to go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The state log.
    #[error("the state log cannot be read")]
    Log(#[from] StateLogError),
    /// The snapshots.
    #[error("the snapshots cannot be read")]
    Snapshots(#[from] SnapshotError),
    /// Only a newer driftd can.
    #[error(
        "the snapshots were written by a newer driftd, and the state log before them was trimmed: \
         use that driftd"
    )]
    Newer,
    /// Everything is gone.
    #[error(
        "the state log begins at position {first}, and neither a snapshot nor an anchor says what \
         was before: delete it, with its snapshots and its journal, to begin anew"
    )]
    Nowhere {
        /// The position of its first record.
        first: u64,
    },
}

/// The engine to go on with, and the reader at its place. At an anchor the journal goes on after
/// `stored`.
pub fn resume(
    config: &Configuration,
    reader: &mut Reader,
    snapshots: &mut Snapshots,
    stored: Chain,
) -> Result<Engine, ResumeError> {
    let newest_first: Vec<Manifest> = snapshots.newest_first().cloned().collect();
    for manifest in newest_first {
        let position = manifest.position;
        if !reader.resume(position, &manifest.digest.0, manifest.log_time)? {
            tracing::warn!(
                position,
                "a snapshot is of a place that the state log does not have"
            );
            continue;
        }
        match snapshots.read(&manifest, Engine::read) {
            Ok(engine) => {
                tracing::info!(position, at = %manifest.log_time, "going on at a snapshot");
                snapshots.begin(Some(position));
                return Ok(engine);
            }
            Err(error) => {
                let cause = error_chain(&error);
                tracing::error!(cause, position, "a snapshot is not used");
            }
        }
    }
    snapshots.begin(None);
    let first = reader.restart()?;
    if first == 0 {
        return Ok(Engine::new(config.clone()));
    }
    if snapshots.are_newer() {
        return Err(ResumeError::Newer);
    }
    let anchor = reader.resume_at_anchor()?;
    let anchor = anchor.ok_or(ResumeError::Nowhere { first })?;
    tracing::error!(
        position = anchor.position,
        "no snapshot is usable: going on at an anchor, what windows held before it is gone"
    );
    Ok(Engine::at_anchor(config.clone(), &anchor, stored))
}

/// Lets the journal go on after what the engine knows.
pub(super) fn begin(journal: &Journal, engine: &Engine) {
    let after = engine.journal();
    let mut waited = Duration::ZERO;
    // a snapshot may be younger than what was read of the journal
    while journal.stored().seq < after.seq && waited < JOURNAL_TIMEOUT {
        thread::sleep(PAUSE);
        waited += PAUSE;
    }
    journal.begin(after);
}
