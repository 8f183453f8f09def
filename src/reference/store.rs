//! Where references are found: a directory, or a bucket of an object store.
//!
//! ```text
//! <url>/<model>/<version>/training.ref
//! <url>/<model>/<version>/baseline.ref
//! ```
//!
//! The url is a path, a `file://` URL, or one that [`object_store`] knows (`s3://`, `gs://`,
//! `az://`, `https://`), whose credentials come from the usual variables, handed in by the caller.
//! In the path a name is percent-encoded except for letters, digits and `-_.~`, so that one with
//! `/` or `%` in it names one directory: `a/b` is `a%2Fb`. Other files are none of our business and
//! passed over.
//!
//! What is found is only a promise: [`Store::fetch`] checks the file completely, and that it is of
//! the model, version and role that its path says. Whoever watches a store keeps what it had before
//! when that fails.

use std::path::Path as FilePath;

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, parse_url_opts};
use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode,
};

use super::artifact::{self, ARTIFACT_BYTES_MAX, ArtifactError};
use super::{Reference, ReferenceRole};
use crate::key::Name;

/// What is encoded in a name: all but the characters that are plain in every URL and file system.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What a reference's file name ends with.
const EXTENSION: &str = ".ref";

/// Why references cannot be found or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A url that is none, or of a kind that is not known.
    #[error("`{0}` is neither a directory nor a URL of an object store")]
    Url(String),
    /// A store that cannot be opened.
    #[error("the store of references `{url}` cannot be opened")]
    Open {
        /// The url.
        url: String,
        /// Why.
        source: object_store::Error,
    },
    /// A store that does not answer.
    #[error("references cannot be listed at `{path}`")]
    List {
        /// The place in the store.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// A file that cannot be read.
    #[error("{path}: cannot be read")]
    Read {
        /// The place in the store.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// A file that is not a usable reference.
    #[error("{path}: is not a usable reference")]
    Artifact {
        /// The place in the store.
        path: String,
        /// Why.
        source: ArtifactError,
    },
    /// A reference of another model, version or role than its path says.
    #[error("{path}: is a reference of {found}, not of what its path says")]
    Misplaced {
        /// The place in the store.
        path: String,
        /// What it is of.
        found: String,
    },
}

/// A place for references.
#[derive(Debug)]
pub struct Store {
    store: Box<dyn ObjectStore>,
    base: Path,
}

/// A file that by its path is a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// What the rows are to the model.
    pub role: ReferenceRole,
    /// The place in the store.
    pub path: String,
    /// Differs when the file does: its entity tag, or time and size.
    pub revision: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The path, below the url of a store, of the reference of a model version.
pub fn path_of(model: &Name, version: &Name, role: ReferenceRole) -> String {
    let (model, version) = (encoded(model.as_str()), encoded(version.as_str()));
    format!("{model}/{version}/{}{EXTENSION}", role.as_str())
}

fn encoded(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, ENCODED)
}

impl Store {
    /// Opens the store at `url`; `environment` has the variables that its credentials are in, such
    /// as `AWS_ACCESS_KEY_ID`; others do no harm.
    pub fn open(
        url: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let fail = |source| StoreError::Open {
            url: url.to_owned(),
            source,
        };
        let directory = url
            .strip_prefix("file://")
            .or((!url.contains("://")).then_some(url));
        if let Some(directory) = directory {
            let directory = percent_decode_str(directory).decode_utf8_lossy();
            let directory = if url.contains("://") {
                &*directory
            } else {
                url
            };
            let store = LocalFileSystem::new_with_prefix(FilePath::new(directory)).map_err(fail)?;
            return Ok(Self {
                store: Box::new(store),
                base: Path::default(),
            });
        }
        let options = environment
            .into_iter()
            .map(|(key, value)| (key.to_ascii_lowercase(), value));
        let parsed = url
            .parse()
            .map_err(|_no_url| StoreError::Url(url.to_owned()))?;
        let (store, base) = parse_url_opts(&parsed, options).map_err(fail)?;
        Ok(Self { store, base })
    }

    /// What is there, in order of path. Takes a request for each model and version.
    pub async fn scan(&self) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::new();
        for model in self.list(&self.base).await?.common_prefixes {
            for version in self.list(&model).await?.common_prefixes {
                let files = self.list(&version).await?.objects;
                found.extend(files.iter().filter_map(|file| recognize(&self.base, file)));
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    async fn list(&self, path: &Path) -> Result<object_store::ListResult, StoreError> {
        let list = self.store.list_with_delimiter(Some(path)).await;
        list.map_err(|source| StoreError::List {
            path: path.to_string(),
            source,
        })
    }

    /// Reads and checks a reference that was found.
    pub async fn fetch(&self, found: &Found) -> Result<Reference, StoreError> {
        let path = || found.path.clone();
        let read = |source| StoreError::Read {
            path: path(),
            source,
        };
        let place = Path::parse(&found.path).map_err(|error| read(error.into()))?;
        let file = self.store.get(&place).await.map_err(read)?;
        if file.meta.size > ARTIFACT_BYTES_MAX {
            let source = ArtifactError::TooLarge(file.meta.size);
            return Err(StoreError::Artifact {
                path: path(),
                source,
            });
        }
        let bytes = file.bytes().await.map_err(read)?;
        // a large file takes longer to check than the threads that serve others may be kept
        let reading = tokio::task::spawn_blocking(move || artifact::from_bytes(&bytes));
        let reference = match reading.await {
            Ok(reference) => reference,
            Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        };
        let reference = reference.map_err(|source| StoreError::Artifact {
            path: path(),
            source,
        })?;
        let header = &reference.header;
        let is = (&header.model, &header.version, header.role);
        if is != (&found.model, &found.version, found.role) {
            let found = format!(
                "{}@{} ({})",
                header.model,
                header.version,
                header.role.as_str()
            );
            return Err(StoreError::Misplaced {
                path: path(),
                found,
            });
        }
        Ok(reference)
    }
}

/// What a file is by its path.
fn recognize(base: &Path, file: &ObjectMeta) -> Option<Found> {
    let mut parts = file.location.prefix_match(base)?;
    let (model, version, name) = (parts.next()?, parts.next()?, parts.next()?);
    let decoded = |part: &str| Name::new(&percent_decode_str(part).decode_utf8().ok()?).ok();
    let role = ReferenceRole::from_text(name.as_ref().strip_suffix(EXTENSION)?)?;
    let tag = || format!("{} {}", file.last_modified.timestamp_millis(), file.size);
    Some(Found {
        model: decoded(model.as_ref())?,
        version: decoded(version.as_ref())?,
        role,
        path: file.location.to_string(),
        revision: file.e_tag.clone().unwrap_or_else(tag),
        size: file.size,
    })
}

#[cfg(test)]
mod tests;
