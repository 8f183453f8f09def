//! What each part of driftd costs alone, beside the simple way to do the same.
//!
//! ```text
//! decode   1,000 events to rows                beside a serde_json::Value of the same bytes
//! tally    the same, and counted               beside a search for the cell of each value
//! fold     their delta into panes and hours    beside adding its cells to one array
//! score    a window of a model version         beside PSI alone
//! render   /metrics of 100 model versions      beside formatting the same samples
//! ```
//!
//! Whoever wants ns for each event divides by [`EVENTS`].

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_wrap,
    reason = "a bench fails loudly where it is wrong"
)]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

mod counting;
mod decoding;
mod events;
#[path = "../common/log.rs"]
mod log;
mod reading;
mod scene;

/// Events in one iteration: more than the first-level cache holds.
const EVENTS: usize = 1_000;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = decoding::decode, counting::tally, counting::fold, reading::score, reading::render
}
criterion_main!(benches);
