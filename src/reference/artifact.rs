//! The one file of a reference: Arrow IPC with a JSON header in the metadata of its schema.
//!
//! ```text
//! metadata  driftd.reference   the header: format, model, version, role, digests, provenance
//! row 0     the reference      its layout, and all counts above 0 by cell of the layout
//! row 1..   an hour each       counts above 0 by cell of the hour's blocks
//!
//! column    hour rows carried cells counts means moments layout
//!           ms   u64  [u64]   [u32] [u64]  [f64] [f64]   bytes
//! ```
//!
//! `means` are those of all numeric series in turn, a number for each value bin, `moments` their
//! mean, sd, minimum and maximum; both, and the layout, are empty in the rows of hours. Any tool
//! that reads Arrow can open the file; this reader takes only what [`to_bytes`] could have written.
//!
//! The bytes may come from anybody. Before Arrow's decoder sees them, every length that it would
//! trust is checked (see `envelope`), then every part by the constructors of what it becomes, and
//! in the end the digest. No input panics or takes memory out of proportion to
//! [`ARTIFACT_BYTES_MAX`].

mod envelope;
mod header;
mod natural;
mod table;

use std::sync::Arc;

use arrow::error::ArrowError;

pub use self::natural::{natural_from_bytes, natural_to_bytes};

use super::{Reference, ReferenceError};
use crate::key::NameError;
use crate::layout::{Digest, LayoutError};

/// The largest artifact, as a file and unpacked; larger ones are refused.
pub const ARTIFACT_BYTES_MAX: u64 = 256 << 20;

/// The format that is written, and the only one that is read.
pub const FORMAT: u32 = 1;

/// Why bytes are not a reference.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// More than [`ARTIFACT_BYTES_MAX`], packed or unpacked.
    #[error("it has {0} bytes, more than {ARTIFACT_BYTES_MAX}")]
    TooLarge(u64),
    /// Bytes that are not an Arrow file, or one that is cut off or damaged.
    #[error("it is not an Arrow file, or a damaged one: {0}")]
    Envelope(&'static str),
    /// An Arrow file without the header of a reference.
    #[error("it is an Arrow file, but not a driftd reference")]
    NoHeader,
    /// A header that does not say what it must.
    #[error("its header cannot be read")]
    Header(#[source] serde_json::Error),
    /// A format of another version of driftd.
    #[error("it has format {0}; this version of driftd reads format {FORMAT}")]
    Format(u32),
    /// A name in the header that cannot be one.
    #[error("its header names no model or version")]
    Name(#[source] NameError),
    /// A field of the header that does not mean anything.
    #[error("its header has an unusable {0}")]
    Field(&'static str),
    /// Data that Arrow cannot decode.
    #[error("its data cannot be decoded")]
    Arrow(#[source] ArrowError),
    /// Data that is not in the form of a reference.
    #[error("its data is not that of a reference: {0}")]
    Table(&'static str),
    /// A layout that is none.
    #[error("its layout is unusable")]
    Layout(#[source] LayoutError),
    /// Parts that disagree.
    #[error("its parts do not agree")]
    Reference(#[source] ReferenceError),
    /// Content that is not what the header says.
    #[error("its {what} has digest {found}, its header says {said}")]
    Digest {
        /// What has the digest: layout or content.
        what: &'static str,
        /// The digest of what was read.
        found: Digest,
        /// The digest in the header.
        said: Digest,
    },
}

/// The file of a reference.
///
/// # Panics
///
/// Never, unless Arrow has a fault: the columns are made for the schema and written to memory.
pub fn to_bytes(reference: &Reference) -> Vec<u8> {
    let header = header::write(reference);
    let batches = table::write(reference);
    #[expect(
        clippy::expect_used,
        reason = "columns of the one schema, written to memory"
    )]
    envelope::write(&table::schema(header), &batches).expect("a reference can be written")
}

/// Reads [`to_bytes`]; any other bytes are an error.
pub fn from_bytes(bytes: &[u8]) -> Result<Reference, ArtifactError> {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > ARTIFACT_BYTES_MAX {
        return Err(ArtifactError::TooLarge(size));
    }
    let envelope = envelope::open(bytes)?;
    let (header, said) = header::read(envelope.header())?;
    let parts = table::read(&envelope.batches(&table::schema(String::new()))?)?;
    if parts.rows != header.rows {
        return Err(ArtifactError::Table(
            "it has another number of rows than its header",
        ));
    }
    if parts.layout.digest() != said.layout {
        let found = parts.layout.digest();
        return Err(ArtifactError::Digest {
            what: "layout",
            found,
            said: said.layout,
        });
    }
    let layout = Arc::new(parts.layout);
    let reference = Reference::new(header, layout, parts.series, parts.carried, parts.blocks)
        .map_err(ArtifactError::Reference)?;
    if reference.digest() != said.content {
        let found = reference.digest();
        return Err(ArtifactError::Digest {
            what: "content",
            found,
            said: said.content,
        });
    }
    Ok(reference)
}

/// Reads an artifact, and what its hours taught where that is not empty.
pub fn with_natural(artifact: &[u8], natural: &[u8]) -> Result<Reference, ArtifactError> {
    let mut reference = from_bytes(artifact)?;
    if !natural.is_empty() {
        let natural = natural_from_bytes(natural)?;
        if !natural.fits(&reference.layout) {
            return Err(ArtifactError::Field("natural variation"));
        }
        reference.natural = Some(Arc::new(natural));
    }
    Ok(reference)
}

#[cfg(test)]
mod tests;
