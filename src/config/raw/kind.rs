//! What a key of the configuration is: what may be written, and what it is when nobody does.

/// A key of a table.
#[derive(Debug)]
pub(in crate::config) struct Key {
    pub(in crate::config) name: &'static str,
    pub(in crate::config) doc: &'static str,
    pub(in crate::config) kind: Kind,
    pub(in crate::config) fallback: Fallback,
}

/// What may be written.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Kind {
    /// A text that is not empty.
    Text,
    /// As `Text`, but never shown.
    Secret,
    /// Where a field of an event comes from.
    Field,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A whole number between these, both included.
    Integer(i64, i64),
    /// A number between these, both included.
    Number(&'static str, &'static str),
    /// `true` or `false`.
    Flag,
    /// A length of time between these, both included.
    Length(&'static str, &'static str),
    /// So many texts: an array of them, or one text with commas.
    List(usize, usize),
    /// The librdkafka properties: texts, numbers and booleans by name.
    Properties,
    /// Numbers from 0 on by name.
    Numbers,
    /// A table.
    Section(&'static [Key]),
    /// An array of tables; where it is required there is at least one.
    Sections(&'static [Key]),
}

/// What a key is that nobody wrote.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Fallback {
    /// This, as it would stand in an environment variable.
    Is(&'static str),
    /// The number of cores.
    Cores,
    /// Absent, which is fine.
    Unset,
    /// Absent, which is a problem. A table of this kind is always there, for its own keys to be.
    Required,
}
