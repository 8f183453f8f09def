//! A journal checked from its first entry on, by nothing but itself.
//!
//! ```text
//! file    line n is entry n and bears the hash of line n - 1
//! topic   the same of the records that are of the chain; lost races between replicas are passed
//!         over, a record that disagrees with the chain is not
//! ```
//!
//! Whatever is changed, put in or taken out is found, but for two things that no chain can tell of
//! itself: entries taken off its end, and its last entry rewritten. Both change the head, so that
//! an old verdict, kept elsewhere, shows them.

use crate::journal::entry::{Chain, EntryError, LinkError, Stored};
use crate::journal::ledger::{Links, Seen};
use crate::layout::Digest;
use crate::time::Timestamp;

/// The first thing that is wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// What should be an entry is none.
    #[error("entry {seq} cannot be read")]
    Entry {
        /// The number of the entry that should come.
        seq: u64,
        /// Why.
        #[source]
        source: EntryError,
    },
    /// An entry is not the next one.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A record is not of this chain.
    #[error(
        "a second entry {seq} disagrees with the chain: two replicas compute different journals, \
         or something else than driftd wrote to the topic"
    )]
    Diverged {
        /// The number that it bears.
        seq: u64,
    },
}

/// What was checked so far.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    links: Links,
    span: Option<(Timestamp, Timestamp)>,
}

impl Audit {
    /// Checks the next line of a file, without its line feed.
    pub fn line(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let stored = self.entry(bytes)?;
        // as it stands in a file, there is nothing to pass over
        self.links.chain().take(&stored)?;
        self.links.take(&stored);
        self.extend(&stored);
        Ok(())
    }

    /// Checks the next record of a topic; whether it is the next entry.
    pub fn record(&mut self, bytes: &[u8]) -> Result<bool, AuditError> {
        let stored = self.entry(bytes)?;
        match self.links.take(&stored) {
            Seen::Next => {
                self.extend(&stored);
                Ok(true)
            }
            Seen::Idle => Ok(false),
            Seen::Other { seq } => Err(AuditError::Diverged { seq }),
        }
    }

    /// What is said of a journal in which all is right, in one line.
    pub fn verdict(&self) -> String {
        let Chain { seq, head } = self.links.chain();
        match self.span {
            None => "0 entries, nothing to check".to_owned(),
            Some((from, to)) => {
                let entries = if seq == 1 { "entry" } else { "entries" };
                let count = grouped(seq);
                format!("{count} {entries}, from {from} to {to}, chain intact, head sha256 {head}")
            }
        }
    }

    /// The hash of the last entry.
    pub const fn head(&self) -> Digest {
        self.links.chain().head
    }

    fn entry(&self, bytes: &[u8]) -> Result<Stored, AuditError> {
        Stored::read(bytes).map_err(|source| AuditError::Entry {
            seq: self.links.chain().seq + 1,
            source,
        })
    }

    fn extend(&mut self, stored: &Stored) {
        let from = self.span.map_or(stored.at, |(from, _)| from);
        self.span = Some((from, stored.at));
    }
}

/// A number with a comma for each thousand.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
