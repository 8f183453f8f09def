//! What the state log says, apart from scores: the same on every instance that has folded it.

use std::collections::BTreeMap;

use super::table::{
    EVENT_TIME, LIMIT_HITS, MEMORY, MODEL_INFO, MODEL_LAST_EVENT, MODEL_LEARNING, Metric,
    PARTITIONS_LEFT_OUT, RECORDS, RECORDS_LOST, RECORDS_REJECTED, ROWS, ROWS_BEYOND_HORIZON,
    ROWS_LATE, ROWS_UNADMITTED, SHARD_INFO, STATE_RECORDS, STATE_TIME, WATERMARK, WEBHOOK_EVENTS,
    WINDOW_COMPLETE, WINDOW_END, WINDOW_ROWS,
};
use super::{Text, flag, real};
use crate::board::{Board, ClosedWindow};
use crate::decode::Reject;
use crate::expose::problem::references;
use crate::fold::model::StateBytes;
use crate::fold::{Chain, Topic};
use crate::key::ChainKey;

/// A counter per topic.
type Total = (Metric, fn(&Topic) -> u64);

const TOTALS: [Total; 6] = [
    (RECORDS, |topic| topic.totals.records),
    (ROWS, |topic| topic.totals.rows),
    (ROWS_LATE, |topic| topic.totals.late),
    (RECORDS_LOST, |topic| topic.totals.lost),
    (ROWS_UNADMITTED, |topic| topic.rows_unadmitted),
    (ROWS_BEYOND_HORIZON, |topic| topic.rows_beyond_horizon),
];

/// What is said of a closed window.
type Standing = (Metric, fn(&ClosedWindow) -> f64);

const STANDINGS: [Standing; 3] = [
    (WINDOW_ROWS, |closed| real(closed.window.rows)),
    (WINDOW_END, |closed| closed.window.end.as_seconds()),
    (WINDOW_COMPLETE, |closed| flag(closed.complete)),
];

/// Writes what the state log says.
pub(super) fn write(page: &mut Text, board: &Board) {
    topics(page, board);
    models(page, board);
    watermarks(page, board);
    clocks(page, board);
    let hits = board.limit_hits;
    let hits = [
        ("models", hits.models),
        ("loose_series", hits.loose_series),
        ("state_bytes", hits.state_bytes),
    ];
    page.metric(
        &LIMIT_HITS,
        hits.map(|(limit, count)| LIMIT_HITS.sample(&[limit], real(count))),
    );
    memory(page, board);
    let shard = board.shard.to_string();
    page.metric(&SHARD_INFO, [SHARD_INFO.sample(&[&shard], 1.0)]);
    let fates = [
        ("accepted", board.accepted),
        ("superseded", board.superseded),
    ];
    let fates = fates.map(|(fate, count)| STATE_RECORDS.sample(&[fate], real(count)));
    page.metric(&STATE_RECORDS, fates);
    let events = board.webhooks.iter().flat_map(|(name, mark)| {
        let results = [("delivered", mark.delivered), ("given_up", mark.given_up)];
        results.map(|(result, count)| WEBHOOK_EVENTS.sample(&[name, result], real(count)))
    });
    page.metric(&WEBHOOK_EVENTS, events);
}

fn topics(page: &mut Text, board: &Board) {
    for (metric, total) in &TOTALS {
        let topics = board.topics.iter();
        page.metric(
            metric,
            topics.map(|(name, topic)| metric.sample(&[name], real(total(topic)))),
        );
    }
    let rejected = board.topics.iter().flat_map(|(name, topic)| {
        let reasons = Reject::ALL.iter().zip(&topic.totals.rejected);
        // zeros too: an increase from nothing is no increase to Prometheus
        reasons
            .map(|(reason, count)| RECORDS_REJECTED.sample(&[name, reason.as_str()], real(*count)))
    });
    page.metric(&RECORDS_REJECTED, rejected);
}

fn models(page: &mut Text, board: &Board) {
    let last = board.models.iter().filter_map(|(key, model)| {
        let labels = [key.model.as_str(), key.version.as_str()];
        Some(MODEL_LAST_EVENT.sample(&labels, model.last_event?.as_seconds()))
    });
    page.metric(&MODEL_LAST_EVENT, last);
    let info = board.models.iter().map(|(key, model)| {
        let judge = board.judges.get(key);
        let owner = judge.and_then(|judge| judge.owner.as_deref());
        let labels = [
            key.model.as_str(),
            key.version.as_str(),
            owner.unwrap_or_default(),
            if model.learned {
                "learned"
            } else {
                references(&model.references)
            },
        ];
        MODEL_INFO.sample(&labels, 1.0)
    });
    page.metric(&MODEL_INFO, info);
    let learning = board.models.iter().map(|(key, model)| {
        let labels = [key.model.as_str(), key.version.as_str()];
        MODEL_LEARNING.sample(&labels, flag(model.learning))
    });
    page.metric(&MODEL_LEARNING, learning);
    for (metric, standing) in &STANDINGS {
        let samples = board.closed.iter().flat_map(|(key, windows)| {
            windows.iter().map(|closed| {
                let length = closed.window.length.to_string();
                let labels = [key.model.as_str(), key.version.as_str(), &length];
                metric.sample(&labels, standing(closed))
            })
        });
        page.metric(metric, samples);
    }
}

/// What counts take, as the limit in bytes counts it.
fn memory(page: &mut Text, board: &Board) {
    let mut sums = [("panes", 0), ("hours", 0)];
    for model in board.models.values() {
        let StateBytes { panes, hours } = model.bytes();
        for ((_, sum), bytes) in sums.iter_mut().zip([panes, hours]) {
            *sum += bytes;
        }
    }
    page.metric(
        &MEMORY,
        sums.map(|(of, bytes)| MEMORY.sample(&[of], real(bytes))),
    );
}

/// How far time has come: that of events, and that of the state log.
fn clocks(page: &mut Text, board: &Board) {
    let watermark = board
        .watermark
        .map(|watermark| EVENT_TIME.sample(&[], watermark.as_seconds()));
    page.metric(&EVENT_TIME, watermark);
    let left_out = real(board.left_out.len() as u64);
    page.metric(
        &PARTITIONS_LEFT_OUT,
        [PARTITIONS_LEFT_OUT.sample(&[], left_out)],
    );
    // an empty log has no time
    let appended = (board.position > 0).then(|| board.log_time.as_seconds());
    page.metric(
        &STATE_TIME,
        appended.map(|appended| STATE_TIME.sample(&[], appended)),
    );
}

/// The watermark of each partition: that of its youngest chain where a topic was recreated.
fn watermarks(page: &mut Text, board: &Board) {
    let mut youngest: BTreeMap<(&str, i32), (&ChainKey, &Chain)> = BTreeMap::new();
    for (key, chain) in &board.chains {
        let age = |key: &ChainKey, chain: &Chain| (key.incarnation, chain.progress.moved);
        let place = youngest
            .entry((&key.topic, key.partition))
            .or_insert((key, chain));
        if age(place.0, place.1) < age(key, chain) {
            *place = (key, chain);
        }
    }
    let samples = youngest
        .into_iter()
        .filter_map(|((topic, partition), (_, chain))| {
            let watermark = chain.progress.frontier? - board.config.lateness;
            Some(WATERMARK.sample(&[topic, &partition.to_string()], watermark.as_seconds()))
        });
    page.metric(&WATERMARK, samples);
}
