//! What the client of a worker has to be told and asked: where to read on, what to hold back, and
//! where partitions begin and end.
//!
//! librdkafka says of some events only that they happened, to none of the partitions in particular:
//! a fetch out of range, or the end of "partition 3" of whichever topic. What they mean is found by
//! asking where all partitions begin and end, which are two requests a broker.

use super::client::{Client, Place};
use super::desk::{Desk, restart};
use super::door::Head;
use super::given::Assigned;
use super::lane::{Lane, Stopped, Trouble};
use super::place::{Bounds, judge_bounds};
use super::reader::ReaderCommon;
use super::tolls::Tolls;
use crate::config::{OnTruncation, Start};

/// Makes the client deliver what the lanes want, and nothing to lanes that are full.
pub(super) fn steer(client: &impl Client, desk: &mut Desk, now_ms: u64) {
    let pace = desk.pace();
    for lane in desk.lanes.iter_mut().filter(|lane| lane.stopped.is_none()) {
        let lost_place = lane.misplaced && lane.trouble.is_none();
        // while a delta waits its turn, what comes could not be finished
        if lost_place && lane.writer.may_seal() {
            lane.misplaced = !client.seek(&lane.place(), lane.target());
            lane.sought_ms = Some(now_ms);
        } else if lane.is_unheard(now_ms) {
            let chain = &lane.chain;
            tracing::warn!(%chain, "nothing comes of a partition, it is assigned again");
            client.unassign(&[lane.place()]);
            lane.misplaced = !client.assign(&[(lane.place(), lane.target())]);
            lane.sought_ms = Some(now_ms);
        }
        let blocked = lane.is_blocked(pace);
        if blocked != lane.paused && client.set_paused(&lane.place(), blocked) {
            lane.paused = blocked;
        }
    }
}

/// A fetch was out of range, of which partition is not said, or a partition has changed.
pub(super) fn look_at_bounds(
    common: &ReaderCommon,
    client: &impl Client,
    desk: &mut Desk,
    resets: &mut usize,
    now_ms: u64,
) {
    let read = |lane: &&Lane| lane.stopped.is_none();
    let places: Vec<Place> = desk.lanes.iter().filter(read).map(Lane::place).collect();
    let bounds = client.bounds(&places).unwrap_or_default();
    if bounds.len() < places.len() {
        return;
    }
    let resets = std::mem::take(resets);
    let mut explained = 0;
    for lane in &mut desk.lanes {
        let Some((low, end)) = bounds.get(&lane.place()) else {
            continue;
        };
        explained += usize::from(lane.target() < *low || lane.target() > *end);
        match judge_bounds(lane.writer.read(), *low, *end) {
            _ if lane.trouble == Some(Trouble::Changed) => {
                truncated(common, client, lane, *low);
            }
            // nothing is gone but what was read ahead of the counts
            Bounds::Truncated if counted(common, lane) <= *end => restart(lane, common),
            Bounds::Truncated => truncated(common, client, lane, *low),
            Bounds::Lost(lost) => {
                let chain = &lane.chain;
                tracing::warn!(%chain, lost, low, "retention took records not yet read");
                lane.lost(lost, *low, now_ms);
            }
            // all that was counted is gone, the record that is remembered too
            Bounds::Within if lane.target() < *low => lane.forget(),
            Bounds::Within => {}
        }
        lane.trouble.take_if(|trouble| *trouble == Trouble::Short);
    }
    if explained < resets {
        tracing::warn!(
            resets,
            explained,
            "a fetch was out of range, counts are read again"
        );
        // a fetch was out of range for another reason, such as a log that was cut behind this
        // position and has grown again: what was counted is compared from the head on
        let whole = |lane: &&mut Lane| lane.stopped.is_none() && lane.trouble.is_none();
        for lane in desk.lanes.iter_mut().filter(whole) {
            restart(lane, common);
        }
    }
}

/// Everything of a lane's partition below is counted, as far as the fold has come.
fn counted(common: &ReaderCommon, lane: &Lane) -> i64 {
    let head = common.door.head(&lane.chain);
    head.map_or(lane.start(), |head| head.position)
}

/// Finds out which lanes are at the end where only the number of a partition was said.
pub(super) fn look_at_ends(client: &impl Client, desk: &mut Desk) {
    let maybe = desk.lanes.iter().filter(|lane| lane.maybe_end.is_some());
    let questions: Vec<(Place, Start)> = maybe.map(|lane| (lane.place(), Start::Latest)).collect();
    if questions.is_empty() {
        return;
    }
    let Some(ends) = client.ask(&questions) else {
        return;
    };
    for lane in &mut desk.lanes {
        if let Some(end) = ends.get(&lane.place()) {
            lane.ask_end(*end);
        }
    }
}

/// The partition is not the one that was counted.
fn truncated(common: &ReaderCommon, client: &impl Client, lane: &mut Lane, low: i64) {
    if common.on_truncation == OnTruncation::Stop {
        lane.stop(Stopped::Truncated);
        Tolls::stopped(lane, Stopped::Truncated);
        client.set_paused(&lane.place(), true);
        return;
    }
    let chain = lane.chain.next_incarnation();
    if common.genesis(&chain, low) {
        let old = &lane.chain;
        tracing::warn!(%old, %chain, low, "a topic was recreated or truncated, a new chain begins");
        let head = Head {
            position: low,
            last_record: None,
        };
        lane.change_chain(&Assigned { chain, head });
    } else {
        lane.change();
    }
}

#[cfg(test)]
mod tests;
