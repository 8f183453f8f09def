//! A reference out of the state log, as a file: how a learned one is looked at, kept and brought to
//! another driftd.

use std::time::Duration;

use crate::app::resume::{ResumeError, resume};
use crate::cli::Export;
use crate::clock::Clock;
use crate::config::{Config, Home};
use crate::fold::{self, Fold, FoldError};
use crate::journal::Journal;
use crate::key::{ModelKey, Shard};
use crate::reference::artifact;
use crate::source::{SourceError, admin};
use crate::spill::Spill;
use crate::statelog::embedded::{self, EmbeddedError};
use crate::statelog::record::RecordError;
use crate::statelog::snapshot::{self, SnapshotError};
use crate::statelog::{self, Entry, Read, StateLogError};

/// How long to wait for a record before it is an idle turn.
const READ_TIMEOUT: Duration = Duration::from_millis(50);

/// Idle turns before the log's end after which reading is given up: half a minute.
const IDLE_MAX: u32 = 600;

/// How long the first call to Kafka may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Why there is no reference to write.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The topic of the log is not there.
    #[error("the state log cannot be read")]
    Topic(#[from] SourceError),
    /// There is no log in the directory.
    #[error("there is no state log in {0}: state.dir says where it is")]
    NoLog(String),
    /// A running driftd has the log to itself.
    #[error(
        "a running driftd has the state log to itself; stop it, or take the reference from it: GET \
         /api/v1/models/MODEL/versions/VERSION/reference"
    )]
    InUse,
    /// The log.
    #[error("the state log cannot be read")]
    StateLog(#[source] StateLogError),
    /// The snapshots.
    #[error("the snapshots cannot be read")]
    Snapshots(#[from] SnapshotError),
    /// There is nowhere to begin.
    #[error("the state log cannot be read from where it was trimmed")]
    Resume(#[from] ResumeError),
    /// Nothing came for a long time before the end.
    #[error("the state log gave no more records after position {0}, before its end")]
    Stalled(u64),
    /// A record.
    #[error("the record at position {position} cannot be read")]
    Record {
        /// Its place.
        position: u64,
        /// Why.
        source: RecordError,
    },
    /// The fold.
    #[error("the state log cannot be folded")]
    Fold(#[from] FoldError),
    /// Rows of the model version never came, or not for long.
    #[error("the state log knows no model version `{0}`")]
    UnknownModel(ModelKey),
    /// Only another shard has counted them.
    #[error("model `{}` is in shard {}: set state.shard to that", .0.model, .1)]
    OtherShard(ModelKey, Shard),
    /// It has none.
    #[error("model version `{key}` has no {asked}reference{learning}")]
    NoReference {
        /// The model version.
        key: ModelKey,
        /// Which role was asked for, and a space.
        asked: String,
        /// That it learns one.
        learning: &'static str,
    },
}

/// The bytes of the artifact.
pub(super) fn export(
    export: &Export,
    config: &Config,
    clock: Clock,
) -> Result<Vec<u8>, ExportError> {
    let fold = fold(config, clock)?;
    let key = ModelKey::new(export.model.clone(), export.version.clone());
    if !fold.shard.owns(&key.model) {
        let home = fold.shard.home(&key.model);
        return Err(ExportError::OtherShard(key, home));
    }
    let model = fold
        .models
        .get(&key)
        .ok_or_else(|| ExportError::UnknownModel(key.clone()))?;
    let found = match export.role {
        Some(role) => model.references.of(role),
        None => model.references.judge(),
    };
    let reference = found.ok_or_else(|| ExportError::NoReference {
        key: key.clone(),
        asked: export
            .role
            .map_or(String::new(), |role| format!("{} ", role.as_str())),
        learning: if model.learning {
            " yet: it is learning one from its first rows"
        } else {
            ""
        },
    })?;
    Ok(artifact::to_bytes(reference))
}

/// All that the log says now.
fn fold(config: &Config, clock: Clock) -> Result<Fold, ExportError> {
    must_be_there(config)?;
    let (_appender, mut reader) =
        statelog::open(&config.state, &config.kafka, clock).map_err(|error| match error {
            StateLogError::Embedded(EmbeddedError::InUse { .. }) => ExportError::InUse,
            error => ExportError::StateLog(error),
        })?;
    let cluster = match &config.state.home {
        Home::Kafka { .. } => admin::cluster_id(&config.kafka, CONNECT_TIMEOUT)?,
        Home::Embedded { .. } => String::new(),
    };
    let log = config.state.home.log(&cluster);
    let spill = Spill::default();
    let mut snapshots = snapshot::open(&config.state, &config.kafka, log.clone(), &spill)?;
    let journal = Journal::default();
    let engine = resume(
        config,
        &log,
        &mut reader,
        &mut snapshots,
        (&journal, &spill),
    )?;
    let (mut fold, mut effects) = (engine.fold().clone(), Vec::new());
    let mut idle = 0;
    loop {
        match reader.next(READ_TIMEOUT).map_err(ExportError::StateLog)? {
            Read::Entry(entry) => {
                fold.apply(input(entry)?, &mut effects)?;
                effects.clear();
                idle = 0;
            }
            Read::End => return Ok(fold),
            Read::Idle if idle < IDLE_MAX => idle += 1,
            Read::Idle => return Err(ExportError::Stalled(fold.position)),
        }
    }
}

/// Opening would make the log where it is not, which is not for a command that reads.
fn must_be_there(config: &Config) -> Result<(), ExportError> {
    match &config.state.home {
        Home::Embedded { dir } if !dir.join(embedded::FILE).exists() => {
            Err(ExportError::NoLog(dir.display().to_string()))
        }
        Home::Embedded { .. } => Ok(()),
        Home::Kafka { topic, .. } => {
            let topics = std::slice::from_ref(topic);
            admin::check_topics(&config.kafka, topics, CONNECT_TIMEOUT)?;
            Ok(())
        }
    }
}

fn input(entry: Entry) -> Result<fold::Input, ExportError> {
    let position = entry.position;
    let record = entry.record;
    Ok(fold::Input {
        position,
        append_time: entry.append_time,
        digest: entry.digest,
        record: record.map_err(|source| ExportError::Record { position, source })?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::thread;

    use super::*;
    use crate::config::{self, Overrides};
    use crate::decode::Value;
    use crate::key::{Name, Role};
    use crate::layout::LooseCounts;
    use crate::reference::learn::{LooseSeries, learn};
    use crate::reference::{Header, Reference, ReferenceRole};
    use crate::statelog::Failed;
    use crate::statelog::record::Record;

    fn config(dir: &Path) -> Config {
        let overrides = Overrides {
            brokers: Some("localhost:1".to_owned()),
            topics: vec!["t".to_owned()],
            listen: None,
            state_dir: Some(dir.display().to_string()),
        };
        config::load(None, std::iter::empty(), &overrides).unwrap()
    }

    fn asked(model: &str, role: Option<ReferenceRole>) -> Export {
        Export {
            model: Name::new(model).unwrap(),
            version: Name::new("7").unwrap(),
            role,
            config: None,
            output: PathBuf::from("unused"),
        }
    }

    fn reference(key: &ModelKey) -> Reference {
        let mut counts = LooseCounts::default();
        counts.add(Value::Number(1.5), 9);
        let role = ReferenceRole::Training;
        let mut header = Header::new(key.model.clone(), key.version.clone(), role);
        header.rows = 9;
        let series = LooseSeries::from([((Role::Feature, "x".into()), counts)]);
        learn(header, [9, 0, 0, 0], &series).unwrap()
    }

    #[test]
    fn the_reference_in_force_comes_out_once_nobody_else_has_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let missing = export(&asked("fraud", None), &config, Clock).unwrap_err();
        assert!(matches!(missing, ExportError::NoLog(_)), "{missing}");

        let wanted = asked("fraud", None);
        let key = ModelKey::new(wanted.model.clone(), wanted.version.clone());
        let artifact = artifact::to_bytes(&reference(&key));
        let (appender, mut reader) = statelog::open(&config.state, &config.kafka, Clock).unwrap();
        let record = Record::Activate {
            key,
            artifact: artifact.clone(),
            natural: Vec::new(),
        };
        appender.append(&record, &Failed::default()).unwrap();
        while !matches!(reader.next(READ_TIMEOUT).unwrap(), Read::Entry(_)) {}
        let running = export(&wanted, &config, Clock).unwrap_err();
        assert!(matches!(running, ExportError::InUse), "{running}");
        drop((appender, reader));
        let export = |model, role| loop {
            // the writer of a log that was opened before ends a moment after its appender
            match export(&asked(model, role), &config, Clock) {
                Err(ExportError::InUse) => thread::yield_now(),
                ended => break ended,
            }
        };
        assert_eq!(export("fraud", None).unwrap(), artifact);
        assert_eq!(
            export("fraud", Some(ReferenceRole::Training)).unwrap(),
            artifact
        );
        let text = |model, role| export(model, role).unwrap_err().to_string();
        assert_eq!(
            text("fraud", Some(ReferenceRole::Baseline)),
            "model version `fraud@7` has no baseline reference"
        );
        assert_eq!(
            text("other", None),
            "the state log knows no model version `other@7`"
        );
    }
}
