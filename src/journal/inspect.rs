//! A journal looked at without a daemon: checked from its first entry on, or printed.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::config::{Home, Kafka, State};
use crate::journal::audit::{Audit, AuditError};
use crate::journal::entry::{Chain, Stored};
use crate::journal::file::{self, for_each_line};
use crate::journal::kafka;
use crate::journal::ledger::{Links, Seen};
use crate::statelog::kafka::KafkaLogError;

/// The name of a file that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Why a journal was not looked at to its end.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// Something is wrong with it.
    #[error("{place} is not an intact journal")]
    Audit {
        /// The file or topic.
        place: String,
        /// What.
        #[source]
        source: AuditError,
    },
    /// The file cannot be read.
    #[error("{place} cannot be read")]
    Read {
        /// The file.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The topic cannot be read.
    #[error("the journal cannot be read")]
    Kafka(#[from] KafkaLogError),
    /// Nothing can be printed.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

/// Checks a file of entries, as [`export`] writes them; what is to be said of it.
pub fn verify_file(path: &Path) -> Result<String, InspectError> {
    let place = path.display().to_string();
    let mut audit = Audit::default();
    let line = |line: &[u8]| audit.line(line);
    let read = if path.as_os_str() == STANDARD_INPUT {
        for_each_line(io::stdin().lock(), line)
    } else {
        File::open(path).and_then(|file| for_each_line(file, line))
    };
    match read {
        Ok(Ok(())) => Ok(audit.verdict()),
        Ok(Err(source)) => Err(InspectError::Audit { place, source }),
        Err(source) => Err(InspectError::Read { place, source }),
    }
}

/// Checks the journal of a configuration; what is to be said of it.
pub fn verify(state: &State, kafka: &Kafka) -> Result<String, InspectError> {
    let topic = match &state.home {
        Home::Embedded { dir } => return verify_file(&dir.join(file::FILE)),
        Home::Kafka { journal_topic, .. } => state.shard.topic(journal_topic),
    };
    let mut audit = Audit::default();
    kafka::read(kafka, &topic, |record| {
        let checked = audit.record(record);
        checked.map(drop).map_err(|source| InspectError::Audit {
            place: format!("the topic `{topic}`"),
            source,
        })
    })?;
    Ok(audit.verdict())
}

/// Prints the journal of a configuration, each entry a line, as it is stored.
pub fn export(state: &State, kafka: &Kafka, out: &mut impl Write) -> Result<(), InspectError> {
    let mut print = |entry: &[u8]| {
        out.write_all(entry)
            .and_then(|()| out.write_all(b"\n"))
            .map_err(InspectError::Output)
    };
    match &state.home {
        Home::Embedded { dir } => {
            let path = dir.join(file::FILE);
            let read = File::open(&path).and_then(|file| for_each_line(file, print));
            read.map_err(|source| InspectError::Read {
                place: path.display().to_string(),
                source,
            })?
        }
        Home::Kafka { journal_topic, .. } => {
            let mut links = Links::from(Chain::default());
            let topic = state.shard.topic(journal_topic);
            kafka::read(kafka, &topic, |record| match Stored::read(record) {
                Ok(stored) if links.take(&stored) == Seen::Next => print(record),
                // not of the chain: for `verify` to speak of
                Ok(_) | Err(_) => Ok(()),
            })
        }
    }
}
