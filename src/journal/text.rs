//! Texts of an entry, bounded by their type: most of them come from strangers.

use std::fmt;
use std::sync::Arc;

use crate::key::Name;

/// The longest text in bytes; what is longer is cut at the character that reaches beyond.
pub const TEXT_BYTES_MAX: usize = 512;

/// The most names of one list; further ones are counted only.
pub const NAMES_MAX: usize = 50;

/// A text of at most [`TEXT_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// This text, cut where it is too long.
    pub fn new(text: &str) -> Self {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        Self(text.get(..end).unwrap_or_default().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&Name> for Text {
    fn from(name: &Name) -> Self {
        Self::new(name.as_str())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names, of which the first [`NAMES_MAX`] are kept and the rest is counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    kept: Vec<Text>,
    left_out: u64,
}

impl Names {
    /// The names that are kept.
    pub fn kept(&self) -> &[Text] {
        &self.kept
    }

    /// How many there were besides.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl<T: Into<Text>> FromIterator<T> for Names {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut names = names.into_iter();
        let kept = names.by_ref().take(NAMES_MAX).map(T::into).collect();
        Self {
            kept,
            left_out: names.count() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(Text::new("a\u{e9}").as_str(), "a\u{e9}");
        let long = "x".to_owned() + &"\u{e9}".repeat(TEXT_BYTES_MAX / 2);
        let cut = Text::new(&long);
        assert_eq!(cut.as_str().len(), TEXT_BYTES_MAX - 1);
        assert!(long.starts_with(cut.as_str()));
    }

    #[test]
    fn names_beyond_the_bound_are_counted() {
        let names: Vec<String> = (0..NAMES_MAX + 7).map(|i| format!("f{i}")).collect();
        let kept: Names = names.iter().map(String::as_str).collect();
        assert_eq!((kept.kept().len(), kept.left_out()), (NAMES_MAX, 7));
        assert_eq!(kept.kept()[NAMES_MAX - 1].as_str(), names[NAMES_MAX - 1]);
    }
}
