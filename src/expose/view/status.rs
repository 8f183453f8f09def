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
use crate::key::{ChainKey, Shard};
use crate::time::{Length, Timestamp};

/// The state of this instance.
#[derive(Debug, Serialize)]
pub(in crate::expose) struct StatusView<'a> {
    pub(in crate::expose) version: &'static str,
    /// The shard that this instance counts, where it is one of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) shard: Option<Shard>,
    pub(in crate::expose) ready: bool,
    /// The place after the last record of the state log that was folded.
    pub(in crate::expose) position: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) log_time: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) watermark: Option<Text<Timestamp>>,
    #[serde(flatten)]
    pub(in crate::expose) folded: Option<FoldedView<'a>>,
    pub(in crate::expose) partitions: Vec<LocalView<'a>>,
    pub(in crate::expose) state_append_errors: u64,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct FoldedView<'a> {
    pub(in crate::expose) accepted: u64,
    pub(in crate::expose) superseded: u64,
    pub(in crate::expose) limit_hits: LimitsView,
    pub(in crate::expose) topics: Vec<TopicView<'a>>,
    pub(in crate::expose) chains: Vec<ChainView<'a>>,
    /// All shards and what they need of the state log; empty where there is only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::expose) shards: Vec<ShardView>,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct ShardView {
    pub(in crate::expose) shard: Shard,
    /// The first position of the state log that it needs; absent where it did not say so within a
    /// day, and then nothing is trimmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) needs_from: Option<u64>,
    /// When it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) said: Option<Text<Timestamp>>,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct LimitsView {
    pub(in crate::expose) models: u64,
    pub(in crate::expose) loose_series: u64,
    pub(in crate::expose) state_bytes: u64,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct TopicView<'a> {
    pub(in crate::expose) topic: &'a str,
    pub(in crate::expose) records: u64,
    pub(in crate::expose) rows: u64,
    /// Records by why they gave no rows; reasons that did not occur are left out.
    pub(in crate::expose) rejected: BTreeMap<&'static str, u64>,
    pub(in crate::expose) lost: u64,
    pub(in crate::expose) late: u64,
    pub(in crate::expose) unnamed: u64,
    pub(in crate::expose) unadmitted: u64,
    pub(in crate::expose) beyond_horizon: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) first_event: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) last_event: Option<Text<Timestamp>>,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct ChainView<'a> {
    pub(in crate::expose) topic: &'a str,
    pub(in crate::expose) partition: i32,
    pub(in crate::expose) incarnation: u32,
    pub(in crate::expose) cluster: &'a str,
    pub(in crate::expose) head: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) watermark: Option<Text<Timestamp>>,
    pub(in crate::expose) at_end: bool,
    /// Whether it is no longer waited for: windows may lack its rows.
    pub(in crate::expose) left_out: bool,
}

#[derive(Debug, Serialize)]
pub(in crate::expose) struct LocalView<'a> {
    pub(in crate::expose) topic: &'a str,
    pub(in crate::expose) partition: i32,
    pub(in crate::expose) assigned: bool,
    pub(in crate::expose) position: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) high: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) lag: Option<i64>,
    pub(in crate::expose) at_end: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::expose) stopped: Option<&'a str>,
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
        shard: board.and_then(Board::part),
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
        shards: shards(board),
    }
}

fn shards(board: &Board) -> Vec<ShardView> {
    let all = board.part().into_iter().flat_map(Shard::all);
    let view = |shard| {
        let need = board.needs.get(&shard);
        ShardView {
            shard,
            needs_from: need.map(|need| need.from),
            said: need.map(|need| Text(need.at)),
        }
    };
    all.map(view).collect()
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
