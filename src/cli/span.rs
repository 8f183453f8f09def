//! Stretches of time as people write them.

use std::str::FromStr;

use crate::time::{Timestamp, TimestampError};

/// The points `from <= t < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first point.
    pub from: Timestamp,
    /// The first point after it.
    pub to: Timestamp,
}

/// Why a text is no [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// There are no two ends.
    #[error("it is not FROM..TO")]
    Ends,
    /// An end is not a time.
    #[error(transparent)]
    Time(#[from] TimestampError),
    /// Nothing lies between the ends.
    #[error("FROM is not before TO")]
    Empty,
}

impl FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let (from, to) = text.split_once("..").ok_or(SpanError::Ends)?;
        let (from, to) = (from.parse()?, to.parse()?);
        if from < to {
            Ok(Self { from, to })
        } else {
            Err(SpanError::Empty)
        }
    }
}
