//! Why the file of the state log cannot be used.

use std::io;
use std::path::PathBuf;

use redb::DatabaseError;

use super::FORMAT;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The directory.
    #[error("the directory {} cannot be made: check state.dir and its permissions", .dir.display())]
    Directory {
        /// Which one.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has the file.
    #[error("another driftd uses {}: stop it, or give this one another state.dir", .file.display())]
    InUse {
        /// Which one.
        file: PathBuf,
    },
    /// The file cannot be opened.
    #[error("{} cannot be opened", .file.display())]
    Open {
        /// Which one.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<DatabaseError>,
    },
    /// Reading or writing failed.
    #[error("{} cannot be read", .file.display())]
    Read {
        /// Which one.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// A newer driftd wrote it.
    #[error(
        "{} has format {found}, and this driftd knows up to {FORMAT}: a newer driftd wrote it, use \
         that one", .file.display()
    )]
    Newer {
        /// Which one.
        file: PathBuf,
        /// Its format.
        found: u64,
    },
    /// No thread.
    #[error("the thread that writes the state log cannot be started")]
    Thread(#[source] io::Error),
}
