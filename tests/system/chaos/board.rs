//! Whether all instances say the same: the API, and the metrics that come from the state log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driftd::expose::metrics::{Join, METRICS};
use serde_json::Value;

use super::events::{KEYS, SERIES};
use super::truth::WINDOW;
use crate::driftd::Driftd;
use crate::poll::poll_until;

/// How long it may take until all instances are asked at the same place of the state log.
const PATIENCE: Duration = Duration::from_mins(2);

/// What an instance says, by what it was asked.
type Board = BTreeMap<String, String>;

/// Asks all instances at the same place of the state log; which answers differ. The number of
/// answers stands with it.
pub(super) fn compare(instances: &[Driftd]) -> (usize, BTreeSet<String>) {
    let boards = poll_until(PATIENCE, || {
        let boards: Vec<(u64, Board)> = instances.iter().map(board).collect::<Option<_>>()?;
        let is_same = boards.iter().all(|(position, _)| *position == boards[0].0);
        is_same.then_some(boards)
    });
    let boards = boards.expect("they come to the same place");
    let mut differing = BTreeSet::new();
    let first = &boards[0].1;
    for (_, board) in &boards[1..] {
        for what in first.keys().chain(board.keys()) {
            if first.get(what) != board.get(what) {
                differing.insert(format!(
                    "{what}: {:?} and {:?}",
                    first.get(what),
                    board.get(what)
                ));
            }
        }
    }
    (first.len(), differing)
}

/// What an instance says, if it stood at one place of the state log meanwhile.
fn board(driftd: &Driftd) -> Option<(u64, Board)> {
    let before = driftd.json("/api/v1/status")["position"].as_u64();
    let mut paths: Vec<String> = ["models", "alerts", "mutes", "journal?limit=10000"]
        .iter()
        .map(|name| format!("/api/v1/{name}"))
        .collect();
    for (model, version) in KEYS {
        let of = format!("/api/v1/models/{model}/versions/{version}");
        paths.push(format!("{of}/scores?window={WINDOW}"));
        for series in SERIES {
            paths.push(format!("{of}/series/{series}?window={WINDOW}"));
            paths.push(format!("{of}/series/{series}/history?window={WINDOW}"));
        }
    }
    let mut board: Board = paths
        .into_iter()
        .map(|path| {
            let body = driftd.get(&path).body;
            (path, body)
        })
        .collect();
    board.extend(metrics(&driftd.get("/metrics").body));
    let mut status = driftd.json("/api/v1/status");
    let after = status["position"].as_u64();
    // what is this instance's own
    for own in ["partitions", "state_append_errors"] {
        status[own] = Value::Null;
    }
    board.insert("/api/v1/status".to_owned(), status.to_string());
    (before == after).then_some((after?, board))
}

/// The samples of the metrics that come from the state log.
fn metrics(page: &str) -> impl Iterator<Item = (String, String)> {
    let is_of_log = |line: &&str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let metric = METRICS.iter().find(|metric| metric.name == name);
        metric.is_some_and(|metric| metric.join() == Join::Same)
    };
    page.lines().filter(is_of_log).map(|line| {
        let (sample, value) = line.rsplit_once(' ').expect("a sample has a value");
        (sample.to_owned(), value.to_owned())
    })
}
