//! The journal: what happened to whom, when, by whose hand and why, for whoever asks a year later.
//!
//! It is a projection of the state log: entry `n` is the `n`-th draft that the log implies, so each
//! replica and each restart computes the same entries with the same bytes. An entry is one line of
//! JSON, and names the one before it by its SHA-256:
//!
//! ```text
//! {"seq":1,"prev":"0000..","at":"2026-11-23T10:00:00Z","position":0,"actor":"driftd","kind":..}
//! {"seq":2,"prev":"<SHA-256 of the line above, without its line feed>","at":..}
//! ```
//!
//! What is computed is kept in a home of its own, because the state log may be trimmed one day and
//! the journal never is: a topic of one partition, or a file beside the embedded state log. There
//! an entry is written at the next sequence number only, by whichever replica is first.
//!
//! ```text
//! engine --Entry--> Ledger --lines not yet there--> Writer --> home
//!                      ^ ----what the home has-------/
//! ```
//!
//! - [`event`] is what can happen, [`entry`] its line and the chain; [`text`] bounds what strangers
//!   wrote.
//! - [`ledger`] holds what is computed against what is stored.
//! - [`mod@file`], [`kafka`] and [`writer`] are the homes and the thread that fills them; all else
//!   is pure.
//! - [`audit`] is what makes a journal intact, [`inspect`] asks that of one without a daemon.

pub mod audit;
pub mod entry;
pub mod event;
pub mod file;
pub mod inspect;
mod json;
pub mod kafka;
pub mod ledger;
pub mod text;
pub mod writer;

#[cfg(test)]
pub(crate) mod fixture;

pub use self::entry::{Chain, Draft, ENTRY_BYTES_MAX, Entry, Line};
pub use self::event::{Alert, Deliveries, Event, SchemaChange};
pub use self::text::{Names, Text};
pub use self::writer::{Journal, JournalError, Page, Standing, Writer};
