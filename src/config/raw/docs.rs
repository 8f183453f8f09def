//! The reference documentation of the keys, from their table.

use std::fmt;

use super::Kind::{Section, Sections};
use super::{Fallback, Key, Kind, Raw};

/// What the reference documentation says of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDoc {
    /// The dotted key; `source[]` stands for each source.
    pub key: String,
    /// What may be written.
    pub allowed: String,
    /// What it is when it is not written.
    pub default: String,
    /// What it means.
    pub meaning: String,
}

/// All keys but the tables, in the order of the file.
pub fn keys() -> Vec<KeyDoc> {
    let mut docs = Vec::new();
    document("", Raw::KEYS, &mut docs);
    docs
}

fn document(above: &str, keys: &[Key], docs: &mut Vec<KeyDoc>) {
    for key in keys {
        let path = format!("{above}{}", key.name);
        match key.kind {
            Section(keys) => document(&format!("{path}."), keys, docs),
            Sections(keys) => document(&format!("{path}[]."), keys, docs),
            _ => docs.push(KeyDoc {
                key: path,
                allowed: key.kind.to_string(),
                default: key.fallback.to_string(),
                meaning: key.doc.trim().to_owned(),
            }),
        }
    }
}

/// What may be written, so that "must be" can stand before it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text | Self::Secret => f.write_str("a text"),
            Self::Field => f.write_str("a JSON pointer such as `/features`"),
            Self::Choice(texts) => {
                for (i, text) in texts.iter().enumerate() {
                    let before = match i {
                        0 => "",
                        _ if i + 1 == texts.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{before}`{text}`")?;
                }
                Ok(())
            }
            Self::Integer(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::Number(min, max) => write!(f, "a number from {min} to {max}"),
            Self::Flag => f.write_str("`true` or `false`"),
            Self::Numbers => f.write_str("a table of numbers from 0 on"),
            Self::Length(min, max) => write!(f, "a length of time from {min} to {max}"),
            Self::List(0, max) => write!(f, "a list of at most {max} texts"),
            Self::List(min, max) => write!(f, "a list of {min} to {max} texts"),
            Self::Properties => f.write_str("a table of texts, numbers and booleans"),
            Self::Section(_) => f.write_str("a table"),
            Self::Sections(_) => f.write_str("an array of tables"),
        }
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is("") => f.write_str("empty"),
            Self::Is(text) => write!(f, "`{text}`"),
            Self::Cores => f.write_str("the number of cores"),
            Self::Unset => f.write_str("none"),
            Self::Required => f.write_str("required"),
        }
    }
}
