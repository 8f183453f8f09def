//! What the texts of some keys become.

use std::fmt;

use serde::Deserialize;

use crate::time::{Length, LengthError};

/// A length of time; its text is one of those that [`Length`] reads.
#[derive(Deserialize, Clone, Copy)]
#[serde(try_from = "String")]
pub(in crate::config) struct Span(pub(in crate::config) Length);

impl TryFrom<String> for Span {
    type Error = LengthError;
    fn try_from(text: String) -> Result<Self, LengthError> {
        text.parse().map(Self)
    }
}

/// A text that may be a secret: it has no `Display`, and `Debug` does not show it.
#[derive(Deserialize, Clone, PartialEq, Eq)]
#[serde(transparent)]
pub(in crate::config) struct Hidden(pub(in crate::config) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
