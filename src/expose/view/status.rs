//! What became of the records, how far everything has come, and what is in the way.
//!
//! What comes from the state log is the same on every instance and is shown once it is folded;
//! `partitions` and `state_append_errors` are this instance's own.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Text;
use crate::board::Board;
use crate::decode::Reject;
use crate::expose::PartitionView;
use crate::fold::{Chain, Topic};
use crate::key::ChainKey;
use crate::time::{Length, Timestamp};

/// The state of this instance.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct StatusView<'a> {
    version: &'static str,
    ready: bool,
    /// The place after the last record of the state log that was folded.
    position: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_time: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    watermark: Option<Text<Timestamp>>,
    #[serde(flatten)]
    folded: Option<FoldedView<'a>>,
    partitions: Vec<LocalView<'a>>,
    state_append_errors: u64,
}

#[derive(Debug, Serialize)]
struct FoldedView<'a> {
    accepted: u64,
    superseded: u64,
    limit_hits: LimitsView,
    topics: Vec<TopicView<'a>>,
    chains: Vec<ChainView<'a>>,
}

#[derive(Debug, Serialize)]
struct LimitsView {
    models: u64,
    loose_series: u64,
    state_bytes: u64,
}

#[derive(Debug, Serialize)]
struct TopicView<'a> {
    topic: &'a str,
    records: u64,
    rows: u64,
    /// Records by why they gave no rows; reasons that did not occur are left out.
    rejected: BTreeMap<&'static str, u64>,
    lost: u64,
    late: u64,
    unnamed: u64,
    unadmitted: u64,
    beyond_horizon: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event: Option<Text<Timestamp>>,
}

#[derive(Debug, Serialize)]
struct ChainView<'a> {
    topic: &'a str,
    partition: i32,
    incarnation: u32,
    cluster: &'a str,
    head: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    watermark: Option<Text<Timestamp>>,
    at_end: bool,
    /// Whether it is no longer waited for: windows may lack its rows.
    left_out: bool,
}

#[derive(Debug, Serialize)]
struct LocalView<'a> {
    topic: &'a str,
    partition: i32,
    assigned: bool,
    position: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<i64>,
    at_end: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<&'a str>,
}

/// The state of this instance; `board` is there from the first one on, ready or not.
pub(in crate::expose) fn status<'a>(
    board: Option<&'a Board>,
    partitions: &'a [PartitionView],
    state_append_errors: u64,
) -> StatusView<'a> {
    let folded = board.filter(|board| board.ready);
    let begun = board.filter(|board| board.position > 0);
    StatusView {
        version: env!("CARGO_PKG_VERSION"),
        ready: folded.is_some(),
        position: board.map_or(0, |board| board.position),
        log_time: begun.map(|board| Text(board.log_time)),
        watermark: folded.and_then(|board| board.watermark).map(Text),
        folded: folded.map(folded_view),
        partitions: partitions.iter().map(local_view).collect(),
        state_append_errors,
    }
}

fn folded_view(board: &Board) -> FoldedView<'_> {
    let chains = board.chains.iter();
    FoldedView {
        accepted: board.accepted,
        superseded: board.superseded,
        limit_hits: LimitsView {
            models: board.limit_hits.models,
            loose_series: board.limit_hits.loose_series,
            state_bytes: board.limit_hits.state_bytes,
        },
        topics: board
            .topics
            .iter()
            .map(|(name, topic)| topic_view(name, topic))
            .collect(),
        chains: chains
            .map(|(key, chain)| {
                let left_out = board.left_out.contains(key);
                chain_view((key, chain), board.config.lateness, left_out)
            })
            .collect(),
    }
}

fn topic_view<'a>(name: &'a str, topic: &Topic) -> TopicView<'a> {
    let totals = &topic.totals;
    let rejected = Reject::ALL.iter().zip(&totals.rejected);
    TopicView {
        topic: name,
        records: totals.records,
        rows: totals.rows,
        rejected: rejected
            .filter(|(_, count)| **count > 0)
            .map(|(reason, count)| (reason.as_str(), *count))
            .collect(),
        lost: totals.lost,
        late: totals.late,
        unnamed: totals.unnamed,
        unadmitted: topic.rows_unadmitted,
        beyond_horizon: topic.rows_beyond_horizon,
        first_event: totals.first_event.map(Text),
        last_event: totals.last_event.map(Text),
    }
}

fn chain_view<'a>(
    (key, chain): (&'a ChainKey, &Chain),
    lateness: Length,
    left_out: bool,
) -> ChainView<'a> {
    let frontier = chain.progress.frontier;
    ChainView {
        topic: &key.topic,
        partition: key.partition,
        incarnation: key.incarnation,
        cluster: &key.cluster,
        head: chain.head,
        watermark: frontier.map(|frontier| Text(frontier - lateness)),
        at_end: chain.progress.at_end,
        left_out,
    }
}

fn local_view(partition: &PartitionView) -> LocalView<'_> {
    LocalView {
        topic: &partition.topic,
        partition: partition.partition,
        assigned: partition.assigned,
        position: partition.position,
        high: partition.high,
        lag: partition.lag,
        at_end: partition.at_end,
        stopped: partition.stopped.as_deref(),
    }
}
