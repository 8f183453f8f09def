//! What can be seen of a source from outside: each partition, how far it is read, and how far there
//! is to read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::admin::Place;
use super::door::{Door, lock};
use super::lane::Lane;

/// One partition of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Whether a worker of this process reads it.
    pub assigned: bool,
    /// The position that is read next; where another process reads it, how far it is counted.
    pub position: i64,
    /// The position after the last record that can be read, as of the last look some seconds ago.
    pub high: Option<i64>,
    /// Records between the two. Control markers count as records, but not behind the last one.
    pub lag: Option<i64>,
    /// Whether everything that can be read was read.
    pub at_end: bool,
    /// Why it is no longer read: the name of a [`Stopped`](super::Stopped).
    pub stopped: Option<Arc<str>>,
}

impl PartitionStatus {
    pub(super) fn of(lane: &Lane) -> Self {
        let (topic, partition) = lane.place();
        Self {
            topic,
            partition,
            assigned: true,
            position: lane.writer.read(),
            high: None,
            lag: None,
            at_end: lane.at_end,
            stopped: lane.stopped.map(|why| why.as_str().into()),
        }
    }

    /// A partition that no worker of this process reads.
    fn elsewhere((topic, partition): Place, position: i64) -> Self {
        Self {
            topic,
            partition,
            assigned: false,
            position,
            high: None,
            lag: None,
            at_end: false,
            stopped: None,
        }
    }

    /// With the end of the partition, if that is known.
    fn with_high(self, high: Option<i64>) -> Self {
        let lag = match high {
            _ if self.at_end => Some(0),
            Some(high) => Some(high.saturating_sub(self.position).max(0)),
            None => None,
        };
        // what was read since the last look is no longer ahead
        let high = high.map(|high| high.max(self.position));
        Self { high, lag, ..self }
    }
}

/// What the workers show, one list each.
pub(super) type Slots = Vec<Arc<Mutex<Vec<PartitionStatus>>>>;

/// Shows the partitions of a source; it outlives the source and shows nothing read then.
#[derive(Debug, Clone)]
pub struct Watch {
    pub(super) cluster: Arc<str>,
    pub(super) door: Arc<Door>,
    /// The partitions that were there when the source was started.
    pub(super) known: Arc<[Place]>,
    pub(super) slots: Slots,
    pub(super) highs: Arc<Mutex<BTreeMap<Place, i64>>>,
}

impl Watch {
    /// Each partition, in order of topic and number.
    pub fn read(&self) -> Vec<PartitionStatus> {
        let read: Vec<PartitionStatus> = self
            .slots
            .iter()
            .flat_map(|slot| lock(slot).clone())
            .collect();
        let known = self.known.iter().map(|place| {
            let head = self.door.newest(&self.cluster, &place.0, place.1);
            (place.clone(), head.map_or(0, |(_, head)| head.position))
        });
        join(read, known, &lock(&self.highs))
    }
}

/// All partitions in order: those of the workers with their ends, and those that are known besides.
fn join(
    read: impl IntoIterator<Item = PartitionStatus>,
    known: impl IntoIterator<Item = (Place, i64)>,
    highs: &BTreeMap<Place, i64>,
) -> Vec<PartitionStatus> {
    let mut all: BTreeMap<Place, PartitionStatus> = known
        .into_iter()
        .map(|(place, head)| (place.clone(), PartitionStatus::elsewhere(place, head)))
        .collect();
    for status in read {
        let place = (Arc::clone(&status.topic), status.partition);
        let high = highs.get(&place).copied();
        all.insert(place, status.with_high(high));
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32) -> Place {
        ("t".into(), partition)
    }

    fn read(partition: i32, position: i64, at_end: bool) -> PartitionStatus {
        let assigned = true;
        let elsewhere = PartitionStatus::elsewhere(place(partition), position);
        PartitionStatus {
            assigned,
            at_end,
            ..elsewhere
        }
    }

    #[test]
    fn partitions_are_joined_in_order_with_their_ends() {
        let highs = [(place(0), 5), (place(1), 10)].into();
        let known = [(place(2), 4), (place(1), 3), (place(0), 0)];
        let all = join([read(1, 7, false)], known, &highs);
        let seen: Vec<_> = all
            .iter()
            .map(|one| (one.partition, one.assigned, one.position, one.high, one.lag))
            .collect();
        let expected = [
            (0, false, 0, None, None),
            (1, true, 7, Some(10), Some(3)),
            (2, false, 4, None, None),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn there_is_no_lag_at_the_end_and_never_a_negative_one() {
        for (position, high, at_end, shown, lag) in [
            (5, Some(9), false, Some(9), Some(4)),
            (5, Some(6), true, Some(6), Some(0)),
            (5, None, true, None, Some(0)),
            (9, Some(5), false, Some(9), Some(0)),
            (5, None, false, None, None),
        ] {
            let status = read(0, position, at_end).with_high(high);
            assert_eq!(
                (status.high, status.lag),
                (shown, lag),
                "{position} {high:?} {at_end}"
            );
        }
    }
}
