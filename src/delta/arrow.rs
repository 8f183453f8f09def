//! The bytes of a delta: one Arrow IPC stream, compressed with zstd.
//!
//! What there is once stands as JSON in the schema's metadata, under `driftd.delta`. What there may
//! be many of stands in rows of four columns, each row saying by `what` which number it is:
//!
//! ```text
//! what      key                                     count     text
//! arrivals  panes since the one before              records
//!   rejected                                        records
//! model     layout                                            model
//!   version                                                   version
//!   tenant, segment                                           only where not empty
//!   pane    panes since the one before              rows
//!     last event  ms after the start of the pane
//!     late, carried (by carrier)                    rows
//!     cell  cells since the one before              rows
//!     series  role                                            name
//!       outcome (overflow, true, ..)                rows
//!       number  grid bins since the one before      rows
//!       text                                        rows      the string
//! ```
//!
//! The first pane counts from `base_ms` of the header. A number that may be zero has a row only
//! where it is not. So there is one way to write a delta, small differences compress well, and any
//! Arrow reader can look into the log. All rows of a model stand together: when the log is spread
//! over shards, batches can be cut between models, and a reader that skips some of them loses
//! nothing else. This reader takes any number of batches for one.
//!
//! Bytes may come from anybody who can write to the topic. They are looked at in this order, and
//! each step allocates no more than the one before has allowed: framing and declared sizes,
//! columns, rows, then the same [`Flaw`]s that keep a wrong delta from being written.

use arrow::error::ArrowError;

use crate::delta::Delta;

mod check;
mod header;
mod rows;
mod stream;

#[cfg(test)]
pub(crate) mod tests;

pub use self::check::{COUNT_MAX, Flaw};
pub(crate) use self::header::{AccountingText, ChainText};

/// The most bytes that the columns of one delta may take in memory, about three million rows.
/// [`encode`] refuses more, which the caller answers by covering fewer records; [`decode`] reads no
/// further.
pub const DECODED_BYTES_MAX: usize = 64 << 20;

/// Why a delta cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It takes more than [`DECODED_BYTES_MAX`]: cover fewer records.
    #[error("the delta takes {bytes} bytes in memory, more than {max}")]
    TooLarge {
        /// What it takes.
        bytes: usize,
        /// What it may take.
        max: usize,
    },
    /// It breaks a rule that its readers rely on.
    #[error("the delta is inconsistent")]
    Flaw(#[from] Flaw),
    /// The header has no JSON form.
    #[error("the delta's header cannot be written")]
    Header(#[source] serde_json::Error),
    /// Arrow refused the columns.
    #[error("the delta's columns cannot be written")]
    Arrow(#[from] ArrowError),
}

/// Why bytes are no delta.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The framing is not that of one whole stream as [`encode`] writes it.
    #[error("the bytes are not one Arrow stream of a delta: {0}")]
    Stream(&'static str),
    /// The columns would take more than [`DECODED_BYTES_MAX`].
    #[error("the delta declares {bytes} bytes, more than {max}")]
    TooLarge {
        /// What it declares.
        bytes: usize,
        /// What it may take.
        max: usize,
    },
    /// The header is not a delta's.
    #[error("the delta's header cannot be read")]
    Header(#[source] serde_json::Error),
    /// Arrow cannot read the columns.
    #[error("the delta's columns cannot be read")]
    Arrow(#[from] ArrowError),
    /// A row that cannot stand where it stands, or lacks one that must follow.
    #[error("the rows of the delta do not fit together at row {0}")]
    Row(usize),
    /// What the rows say breaks a rule.
    #[error("the delta is inconsistent")]
    Flaw(#[from] Flaw),
}

/// The bytes of `delta`, always the same.
pub fn encode(delta: &Delta) -> Result<Vec<u8>, EncodeError> {
    check::check(delta)?;
    let base = rows::base(delta);
    let columns = rows::write(delta, base)?;
    let header = header::write(delta, base).map_err(EncodeError::Header)?;
    Ok(stream::write(&header, vec![columns])?)
}

/// The delta of bytes that [`encode`] made.
pub fn decode(bytes: &[u8]) -> Result<Delta, DecodeError> {
    let (header, batch) = stream::read(bytes)?;
    let (mut delta, base) = header::read(&header)?;
    if let Some(batch) = batch {
        rows::read(&batch, base, &mut delta)?;
    }
    check::check(&delta)?;
    Ok(delta)
}
