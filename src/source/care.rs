//! What the client of a worker has to be told and asked: where to read on, what to hold back, and
//! where partitions begin and end.
//!
//! That a fetch was out of range is taken as said of no partition in particular: what it means is
//! found by asking where all partitions begin and end, which are two requests a broker.

use super::client::{Client, Place};
use super::desk::{Desk, restart};
use super::door::Head;
use super::given::Assigned;
use super::lane::{Footing, Lane, Stopped, Trouble};
use super::place::{Bounds, judge_bounds};
use super::reader::ReaderCommon;
use super::tolls::Tolls;
use crate::config::OnTruncation;

/// Seeks in a row that may be refused before a partition is assigned anew.
const REFUSALS_MAX: u32 = 2;

/// Makes the client deliver what the lanes want, and nothing to lanes that are full.
pub(super) fn steer(client: &impl Client, desk: &mut Desk) {
    let pace = desk.pace();
    for lane in desk.lanes.iter_mut().filter(|lane| lane.stopped.is_none()) {
        let lost_place = lane.is_misplaced() && lane.trouble.is_none();
        // while a delta waits its turn, what comes could not be finished
        if lost_place && lane.writer.may_seal() {
            go_on(client, lane);
        }
        let blocked = lane.is_blocked(pace);
        if blocked != lane.paused && client.set_paused(&lane.place(), blocked) {
            lane.paused = blocked;
        }
    }
}

/// Has the client go on at what a lane has to read next.
fn go_on(client: &impl Client, lane: &mut Lane) {
    let (place, target) = (lane.place(), lane.target());
    let done = client.seek(&place, target)
        || (lane.refused >= REFUSALS_MAX && client.reassign(&place, target));
    lane.refused = if done { 0 } else { lane.refused + 1 };
    if done {
        lane.footing = Footing::Sure;
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
