//! driftd: streaming drift monitoring, from raw Kafka inference logs to scores and alerts.
//!
//! # Layout
//!
//! The modules are best read in the order that data takes:
//!
//! ```text
//! Kafka records --source--> batches --decode--> rows --layout--> bins --tally--> Delta(chain,
//! from, to)
//!   --statelog--> fold --panes--> windows --score(reference, stats)--> Board
//!   --expose--> pages  /metrics  /api/v1
//! ```
//!
//! - [`app`] is the wiring: every thread and channel, once. [`cli`], [`config`], [`telemetry`] and
//!   [`clock`] are the edge around it.
//! - [`source`] reads Kafka; [`decode`], [`layout`], [`tally`] and [`delta`] turn records into
//!   counts.
//! - [`statelog`] puts deltas into one order; [`fold`] is what that order means; [`engine`] drives
//!   it; what is seldom looked at is in files ([`spill`]).
//! - [`mod@reference`] is what live data is compared with, [`stats`] how, [`score`] for whom.
//! - [`board`] is what readers see, [`expose`] how; [`journal`] is what they read a year later, and
//!   [`webhook`] what it tells other programs.
//! - [`replay`] runs the same fold over files, [`demo`] the same daemon over made-up traffic;
//!   [`power`] says how small a change would be found.
//!
//! # Invariants
//!
//! - Pure modules (`key`, `time`, `decode`, `layout`, `tally`, `delta`, `statelog::record`,
//!   `statelog::chain`, `fold`, `stats`, `score`, `engine`, `board`, what the journal says) never
//!   wait, read a clock, do IO or log. `stats` names nothing of this crate; to `fold`, [`spill`] is
//!   memory.
//! - Counts are added as integers, so their order never matters; the state log's order decides the
//!   rest.
//! - No queue, map, retry or label set is without a named bound.

pub mod alert;
pub mod app;
pub mod board;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod decode;
pub mod delta;
pub mod demo;
pub mod engine;
pub mod expose;
pub mod files;
pub mod fold;
pub mod image;
pub mod journal;
pub mod key;
pub mod layout;
pub mod power;
pub mod reference;
pub mod replay;
pub mod score;
pub mod source;
pub mod spill;
pub mod statelog;
pub mod stats;
pub mod tally;
pub mod telemetry;
pub mod time;
pub mod webhook;

#[cfg(test)]
mod testing;
