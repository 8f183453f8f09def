//! References: what the store has is brought into the log, where it becomes active.
//!
//! A file is fetched when it is new or changed, checked completely, and appended only if the board
//! does not have it yet, so that any number of replicas may watch one store. A file that is wrong
//! is named in the log once, and the reference before it stays in use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{self, MissedTickBehavior};

use crate::alert::learn;
use crate::app::folding::Event;
use crate::config;
use crate::expose::Shared;
use crate::key::ModelKey;
use crate::layout::Digest;
use crate::reference::store::{Found, Store, StoreError};
use crate::reference::{Reference, artifact, zone};
use crate::statelog::record::Record;
use crate::statelog::{AppendError, Appender, Failed};

/// How long the start waits for references to come back through the log.
const ACTIVATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Why references cannot be looked for at all.
#[derive(Debug, thiserror::Error)]
pub enum ReferencesError {
    /// The store cannot be opened, or listed at the start.
    #[error("reference.url cannot be used")]
    Store(#[from] StoreError),
    /// The fold has ended.
    #[error("the fold has ended")]
    FoldEnded,
}

/// Whether the store can be listed.
pub(super) async fn check(config: Option<&config::Reference>) -> Result<(), ReferencesError> {
    if let Some(config) = config {
        Store::open(&config.url, config::environment())?
            .scan()
            .await?;
    }
    Ok(())
}

/// The watched store.
pub(super) struct References {
    store: Option<(Store, Duration)>,
    appender: Appender,
    shared: Arc<Shared>,
    /// The version of each file that was last looked at.
    seen: BTreeMap<String, String>,
}

impl References {
    /// Opens the store, if one is configured.
    pub(super) fn open(
        config: Option<&config::Reference>,
        appender: Appender,
        shared: &Arc<Shared>,
    ) -> Result<Self, ReferencesError> {
        let store = match config {
            Some(config) => {
                let store = Store::open(&config.url, config::environment())?;
                Some((store, config.watch_interval.as_duration()))
            }
            None => None,
        };
        Ok(Self {
            store,
            appender,
            shared: Arc::clone(shared),
            seen: BTreeMap::new(),
        })
    }

    /// Brings in what is there and waits until it is active, so that the first row is counted in
    /// the right layout.
    pub(super) async fn bring_in(
        &mut self,
        heard: &mut mpsc::Receiver<Event>,
    ) -> Result<(), ReferencesError> {
        let mut awaited = self.look().await?;
        let deadline = time::sleep(ACTIVATION_TIMEOUT);
        tokio::pin!(deadline);
        while !awaited.is_empty() {
            tokio::select! {
                event = heard.recv() => match event {
                    Some(Event::Reference { digest: Some(digest) }) => {
                        awaited.remove(&digest);
                    }
                    Some(_) => {}
                    None => return Err(ReferencesError::FoldEnded),
                },
                () = &mut deadline => {
                    tracing::warn!(
                        waiting = awaited.len(),
                        "references did not come back through the state log in time; going on"
                    );
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Looks for changes until the fold ends.
    pub(super) async fn watch(
        &mut self,
        heard: &mut mpsc::Receiver<Event>,
    ) -> Result<(), ReferencesError> {
        let interval = self
            .store
            .as_ref()
            .map_or(Duration::MAX / 4, |(_, interval)| *interval);
        let mut ticks = time::interval_at(time::Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = heard.recv() => {
                    event.ok_or(ReferencesError::FoldEnded)?;
                }
                _ = ticks.tick(), if self.store.is_some() => {
                    if let Err(error) = self.look().await {
                        let cause = crate::telemetry::error_chain(&error);
                        tracing::warn!(cause, "references cannot be listed; the ones active stay");
                    }
                }
            }
        }
    }

    /// Fetches what is new or changed and appends what the board does not have.
    async fn look(&mut self) -> Result<BTreeSet<Digest>, ReferencesError> {
        let Some((store, _)) = &self.store else {
            return Ok(BTreeSet::new());
        };
        let mut found = store.scan().await?;
        // a training reference owns the layout, so it goes first
        found.sort_by(|a, b| (&a.model, &a.version, a.role).cmp(&(&b.model, &b.version, b.role)));
        let mut appended = BTreeSet::new();
        for found in found {
            if self.seen.get(&found.path) == Some(&found.revision) {
                continue;
            }
            match store.fetch(&found).await {
                Ok(reference) => match self.append(&found, reference) {
                    Ok(Some(digest)) => {
                        appended.insert(digest);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let path = found.path;
                        tracing::warn!(path, %error, "reference not appended, trying again");
                        continue;
                    }
                },
                Err(error) => {
                    let cause = crate::telemetry::error_chain(&error);
                    tracing::error!(
                        path = found.path,
                        cause,
                        "reference refused, the one before stays"
                    );
                }
            }
            self.seen.insert(found.path, found.revision);
        }
        Ok(appended)
    }

    /// Appends a reference that the board does not have; its digest.
    fn append(
        &self,
        found: &Found,
        mut reference: Reference,
    ) -> Result<Option<Digest>, AppendError> {
        let key = ModelKey::new(found.model.clone(), found.version.clone());
        let digest = reference.digest();
        let board = self.shared.board();
        if let Some(board) = &board {
            let windows = &board.config.windows;
            let baseline = board.config.alerts.baseline;
            let natural = learn::of_reference(&reference, windows, baseline, zone::offsets);
            reference.natural = natural.map(Arc::new);
        }
        let references = board.as_ref().and_then(|board| board.references(&key));
        let active = references.and_then(|references| references.of(found.role));
        if active.is_some_and(|active| active.is_same(&reference)) {
            return Ok(None);
        }
        // the log needs what the hours taught, and not the hours
        reference.blocks.clear();
        let artifact = artifact::to_bytes(&reference);
        let natural = reference.natural.as_deref();
        let natural = natural.map_or_else(Vec::new, artifact::natural_to_bytes);
        self.appender.append(
            &Record::Activate {
                key,
                artifact,
                natural,
            },
            &Failed::default(),
        )?;
        Ok(Some(digest))
    }
}
