//! Where a start goes on: at a snapshot of the state log, at its beginning, or at an anchor.
//!
//! ```text
//! newest snapshot whose place the log still has    all that was known
//! the next older one                               likewise
//! the beginning, where nothing was taken away      all that was known
//! the newest snapshot of a shard that covers this  all that was known
//! that of any other shard                          as at an anchor, of the models that it had not
//! the first anchor                                 heads and totals; panes and alerts are gone
//! ```

use std::thread;
use std::time::Duration;

use crate::config::{Config, State};
use crate::engine::Engine;
use crate::journal::{Chain, Journal};
use crate::key::Shard;
use crate::spill::Spill;
use crate::statelog::snapshot::{self, Manifest, SnapshotError, Snapshots};
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

/// The engine to go on with, and the reader at its place of the log, which is known as `log`. Where
/// it is no own snapshot, the journal goes on after what its home has. Packed counts are put in
/// `spill`.
pub fn resume(
    config: &Config,
    log: &str,
    reader: &mut Reader,
    snapshots: &mut Snapshots,
    (journal, spill): (&Journal, &Spill),
) -> Result<Engine, ResumeError> {
    let shard = config.state.shard;
    let newest_first: Vec<Manifest> = snapshots.newest_first().cloned().collect();
    for manifest in newest_first {
        let own = (shard, Chain::default());
        if let Some(engine) = go_on(reader, snapshots, &manifest, (own, spill))? {
            let position = manifest.position;
            tracing::info!(position, at = %manifest.log_time, "going on at a snapshot");
            snapshots.begin(Some(position));
            return Ok(engine);
        }
    }
    snapshots.begin(None);
    let first = reader.restart()?;
    if first == 0 {
        let mut engine = Engine::of_shard(shard, config.fold.clone());
        engine.spill_to(spill.clone());
        return Ok(engine);
    }
    if snapshots.are_newer() {
        return Err(ResumeError::Newer);
    }
    if let Some(engine) = of_others(config, log, reader, (journal, spill))? {
        return Ok(engine);
    }
    reader.restart()?;
    let anchor = reader.resume_at_anchor()?;
    let anchor = anchor.ok_or(ResumeError::Nowhere { first })?;
    tracing::error!(
        position = anchor.position,
        "no snapshot is usable: going on at an anchor, what windows held before it is gone"
    );
    let own = (shard, journal.stored());
    let mut engine = Engine::at_anchor(own, config.fold.clone(), &anchor);
    engine.spill_to(spill.clone());
    Ok(engine)
}

/// The engine of a snapshot, if the log has its place and it can be read.
fn go_on(
    reader: &mut Reader,
    snapshots: &Snapshots,
    manifest: &Manifest,
    (own, spill): ((Shard, Chain), &Spill),
) -> Result<Option<Engine>, ResumeError> {
    let position = manifest.position;
    if !reader.resume(position, &manifest.digest.0, manifest.log_time)? {
        tracing::warn!(
            position,
            "a snapshot is of a place that the state log does not have"
        );
        return Ok(None);
    }
    let read = snapshots.read(manifest, |id, blocks| Engine::read(id, blocks, own, spill));
    Ok(read
        .inspect_err(|error| {
            let cause = error_chain(error);
            tracing::error!(cause, position, "a snapshot is not used");
        })
        .ok())
}

/// The engine of a snapshot of another shard. It knows all that names layouts; of the models of
/// this shard it has counted those that are in it too, which are all where it covers this one.
fn of_others(
    config: &Config,
    log: &str,
    reader: &mut Reader,
    (journal, spill): (&Journal, &Spill),
) -> Result<Option<Engine>, ResumeError> {
    for of in snapshot::others(&config.state, &config.kafka)? {
        let state = State {
            shard: of,
            ..config.state.clone()
        };
        let snapshots = match snapshot::open(&state, &config.kafka, log.to_owned(), spill) {
            Ok(snapshots) => snapshots,
            Err(error) => {
                let cause = error_chain(&error);
                tracing::error!(cause, %of, "the snapshots of another shard cannot be read");
                continue;
            }
        };
        for manifest in snapshots.newest_first() {
            let own = (config.state.shard, journal.before(manifest.position));
            let Some(engine) = go_on(reader, &snapshots, manifest, (own, spill))? else {
                continue;
            };
            let (position, models) = (manifest.position, engine.fold().uncounted());
            if of.covers(config.state.shard) {
                tracing::warn!(position, %of, "going on at a snapshot of another shard");
            } else {
                tracing::error!(
                    position,
                    %of,
                    models,
                    "going on at a snapshot of another shard, which has not counted these model \
                     versions: what their windows held before it is gone"
                );
            }
            return Ok(Some(engine));
        }
    }
    Ok(None)
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
