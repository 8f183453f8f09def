//! What the client of a worker has to be told and asked: where to read on, what to hold back, and
//! where partitions begin and end.
//!
//! librdkafka says of some events only that they happened, to none of the partitions in particular:
//! a fetch out of range, or the end of "partition 3" of whichever topic. What they mean is found by
//! asking where all partitions begin and end, which are two requests a broker.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::admin::{Place, ask_bounds, ask_offsets};
use super::desk::Desk;
use super::door::Head;
use super::lane::{Lane, Stopped, Trouble};
use super::place::{Bounds, judge_bounds};
use super::rebalance::{Assigned, Group};
use super::tolls::Tolls;
use super::worker::Shared;
use crate::config::OnTruncation;
use crate::key::ChainKey;

/// How long one question to the brokers may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the client deliver what the lanes want, and nothing to lanes that are full.
pub(super) fn steer(consumer: &BaseConsumer<Group>, desk: &mut Desk) {
    let pace = desk.pace();
    for lane in desk.lanes.iter_mut().filter(|lane| lane.stopped.is_none()) {
        let lost_place = lane.misplaced && lane.trouble.is_none();
        // while a delta waits its turn, what comes could not be finished
        if lost_place && lane.writer.may_seal() {
            lane.misplaced = !reposition(consumer, lane);
        }
        let blocked = lane.is_blocked(pace);
        if blocked != lane.paused && set_paused(consumer, lane, blocked) {
            lane.paused = blocked;
        }
    }
}

/// A fetch was out of range, of which partition is not said, or a partition has changed.
pub(super) fn look_at_bounds(
    shared: &Shared,
    consumer: &BaseConsumer<Group>,
    desk: &mut Desk,
    resets: &mut usize,
    now_ms: u64,
) {
    let read = |lane: &&Lane| lane.stopped.is_none();
    let places: Vec<Place> = desk.lanes.iter().filter(read).map(Lane::place).collect();
    let bounds = match ask_bounds(consumer, &places, ASK_TIMEOUT) {
        Ok(bounds) if bounds.len() == places.len() => bounds,
        Ok(_) => return,
        Err(error) => {
            tracing::warn!(%error, "the bounds of partitions cannot be found, retrying");
            return;
        }
    };
    let resets = std::mem::take(resets);
    let mut explained = 0;
    for lane in &mut desk.lanes {
        let Some((low, end)) = bounds.get(&lane.place()) else {
            continue;
        };
        explained += usize::from(lane.target() < *low || lane.target() > *end);
        match judge_bounds(lane.writer.read(), *low, *end) {
            _ if lane.trouble == Some(Trouble::Changed) => {
                truncated(shared, consumer, lane, *low);
            }
            Bounds::Truncated => truncated(shared, consumer, lane, *low),
            Bounds::Lost(lost) => {
                let chain = &lane.chain;
                tracing::warn!(%chain, lost, low, "retention took records not yet read");
                lane.lost(lost, *low, now_ms);
            }
            // all that was counted is gone, the record that is remembered too
            Bounds::Within if lane.target() < *low => lane.forget(),
            Bounds::Within => {}
        }
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
            lane.restart(shared.common.door.head(&lane.chain));
        }
    }
}

/// Finds out which lanes are at the end where only the number of a partition was said.
pub(super) fn look_at_ends(consumer: &BaseConsumer<Group>, desk: &mut Desk) {
    let maybe: Vec<Place> = desk
        .lanes
        .iter()
        .filter(|lane| lane.maybe_end.is_some())
        .map(Lane::place)
        .collect();
    let questions = maybe.into_iter().map(|place| (place, Offset::End));
    let Ok(ends) = ask_offsets(consumer, questions, ASK_TIMEOUT) else {
        return;
    };
    for lane in &mut desk.lanes {
        if let Some(Offset::Offset(end)) = ends.get(&lane.place()) {
            lane.ask_end(*end);
        }
    }
}

/// The partition is not the one that was counted.
fn truncated(shared: &Shared, consumer: &BaseConsumer<Group>, lane: &mut Lane, low: i64) {
    if shared.on_truncation == OnTruncation::Stop {
        lane.stop(Stopped::Truncated);
        Tolls::stopped(lane, Stopped::Truncated);
        set_paused(consumer, lane, true);
        return;
    }
    let incarnation = lane.chain.incarnation + 1;
    let chain = ChainKey {
        incarnation,
        ..lane.chain.clone()
    };
    if shared.common.genesis(&chain, low) {
        let old = &lane.chain;
        tracing::warn!(%old, %chain, low, "a topic was recreated or truncated, a new chain begins");
        let head = Head {
            position: low,
            last_record: None,
        };
        *lane = Lane::new(&Assigned { chain, head });
        lane.misplaced = true;
    } else {
        lane.change();
    }
}

/// Makes the client go on at the target of a lane. Whether that has worked.
///
/// After it has, the client delivers nothing of this partition that it has fetched before: a seek,
/// and likewise giving back the partition, raises librdkafka's version barrier before it returns.
fn reposition(consumer: &BaseConsumer<Group>, lane: &Lane) -> bool {
    let (topic, partition) = (&*lane.chain.topic, lane.chain.partition);
    let target = Offset::Offset(lane.target());
    if consumer.seek(topic, partition, target, ASK_TIMEOUT).is_ok() {
        return true;
    }
    // a partition that is not being fetched (not yet, or since it was out of range) takes no seek
    let again = || -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, target)?;
        // where this fails, the last attempt got no further than this
        if let Err(error) = consumer.incremental_unassign(&list) {
            tracing::debug!(topic, partition, %error, "a partition was not assigned");
        }
        consumer.incremental_assign(&list)
    };
    again()
        .inspect_err(|error| tracing::warn!(topic, partition, %error, "no way back, retrying"))
        .is_ok()
}

fn set_paused(consumer: &BaseConsumer<Group>, lane: &Lane, paused: bool) -> bool {
    let mut list = TopicPartitionList::new();
    list.add_partition(&lane.chain.topic, lane.chain.partition);
    let done = if paused {
        consumer.pause(&list)
    } else {
        consumer.resume(&list)
    };
    done.is_ok()
}
