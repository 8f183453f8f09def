//! What is wrong with a configuration, said so that it can be put right.
//!
//! ```text
//! source[0].topic: unknown key; did you mean `topics`? (driftd.toml)
//! key              what         hint                   source
//! ```

use std::fmt;

/// The longest part of a value that a message shows, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The dotted key, such as `source[0].topics`; empty when the whole file is meant.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it, where that is not obvious.
    pub hint: Option<String>,
    /// Where the value came from: the path of the file, the name of an environment variable or of a
    /// flag, `default`; `None` when it came from nowhere.
    pub source: Option<String>,
}

impl Problem {
    /// A problem of a key without a value.
    pub(in crate::config) fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            what: what.into(),
            hint: None,
            source: None,
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub(in crate::config) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says where the value came from.
    #[must_use]
    pub(in crate::config) fn from(mut self, source: &str) -> Self {
        self.source = Some(source.to_owned());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key.escape_debug())?;
        }
        f.write_str(&self.what)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        if let Some(source) = &self.source {
            write!(f, " ({})", source.escape_debug())?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, by key; at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// These problems, of which there is at least one.
    pub(in crate::config) fn of(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }

    /// The problems in the order of their keys.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One problem a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let line_feed = if i == 0 { "" } else { "\n" };
            write!(f, "{line_feed}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Whether `problems` say something of `key` or of a table that it is in: then that it is absent
/// is no news.
pub(in crate::config) fn know(problems: &[Problem], key: &str) -> bool {
    problems
        .iter()
        .filter(|problem| !problem.key.is_empty())
        .any(|problem| {
            let below = key.strip_prefix(&problem.key);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
}

/// A value as a message shows it: bounded, and without control characters.
pub(in crate::config) fn shown(value: &str) -> String {
    let mut text: String = value
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(visible)
        .collect();
    if value.chars().nth(SHOWN_CHARS_MAX).is_some() {
        text.push_str("...");
    }
    format!("`{text}`")
}

fn visible(char: char) -> Vec<char> {
    if char.is_control() {
        char.escape_default().collect()
    } else {
        vec![char]
    }
}

/// The one of `known` that was most likely meant by `text`, if any is near.
pub(in crate::config) fn nearest<'a>(
    text: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let far = text.chars().count().max(3) / 3;
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(text, candidate), candidate))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, candidate)| candidate)
}
