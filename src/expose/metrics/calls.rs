//! How calls went: latency and errors, as events told them, from the last closed windows.

use super::Text;
use super::table::{ERROR_RATIO, LATENCY};
use crate::board::Board;
use crate::score::calls;

/// Writes latencies and errors of every model version that tells them.
pub(super) fn write(page: &mut Text, board: &Board) {
    let windows = || {
        board
            .closed
            .iter()
            .flat_map(|(key, windows)| windows.iter().map(move |closed| (key, closed)))
    };
    let latencies = windows().flat_map(|(key, closed)| {
        let window = closed.window.length.to_string();
        let found = calls::latencies(closed.shape(), &closed.window);
        found.into_iter().map(move |(q, latency)| {
            let labels = [key.model.as_str(), key.version.as_str(), q, &window];
            LATENCY.sample(&labels, latency.upper / 1000.0)
        })
    });
    page.metric(&LATENCY, latencies);
    let errors = windows().filter_map(|(key, closed)| {
        let window = closed.window.length.to_string();
        let labels = [key.model.as_str(), key.version.as_str(), &window];
        let ratio = calls::errors(closed.shape(), &closed.window)?;
        Some(ERROR_RATIO.sample(&labels, ratio.value()))
    });
    page.metric(&ERROR_RATIO, errors);
}
