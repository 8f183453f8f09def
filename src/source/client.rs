//! What a reader needs of a client of Kafka, and librdkafka's way of doing it.
//!
//! This is the edge between deciding and doing: all that a [`Reader`](super::Reader) wants goes
//! through [`Client`], so that a simulation can stand where the brokers are. Questions wait for
//! their answer, bounded in time; everything else returns at once.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::admin::ask_offsets;
use super::rebalance::Group;
use crate::config::Start;

pub use super::admin::Place;

/// How long one question to the brokers may take. Far below `max.poll.interval.ms` (5 min).
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a seek may take, which the client answers by itself.
const SEEK_TIMEOUT: Duration = Duration::from_millis(500);

/// A client that delivers records in order from where it was told to begin.
///
/// What it has fetched of a partition before [`Self::assign`], [`Self::unassign`] or [`Self::seek`]
/// it does not deliver after. When the group gives or takes some partitions, it may skip something
/// in the others: during a rebalance librdkafka holds all of them back, to go on behind what it
/// thinks was delivered last, and a control marker that waits in its queue, after records that the
/// rebalance has outdated, counts as that (2.12, `rd_kafka_op_handle_std`: markers are not looked
/// at for their version).
pub trait Client {
    /// Begins to deliver these partitions from these offsets; all of them or none. The call is made
    /// even where there are none, since the group waits for it. Whether that has worked.
    fn assign(&self, beginnings: &[(Place, i64)]) -> bool;

    /// Delivers no more of these partitions, where they were assigned.
    fn unassign(&self, places: &[Place]);

    /// Goes on at another offset of an assigned partition. Whether that has worked. A partition
    /// that is not being fetched (not yet, or since it was out of range) takes no seek, nor does
    /// any while a rebalance begins.
    fn seek(&self, place: &Place, offset: i64) -> bool;

    /// Goes on at another offset of an assigned partition that has refused to seek more than once,
    /// with polls between. Where the group waits for what its members say to a rebalance, this
    /// would be taken for it. Whether that has worked.
    fn reassign(&self, place: &Place, offset: i64) -> bool;

    /// Holds an assigned partition back, or delivers it again. Whether that has worked.
    fn set_paused(&self, place: &Place, paused: bool) -> bool;

    /// Where partitions begin, end, or reach a time: the end, where no record is as late. Those
    /// that have no answer are left out; `None` where nobody answers at all.
    fn ask(&self, questions: &[(Place, Start)]) -> Option<BTreeMap<Place, i64>>;

    /// Where partitions begin and end. Those that have no answer are left out.
    fn bounds(&self, places: &[Place]) -> Option<BTreeMap<Place, (i64, i64)>> {
        let ask = |start| {
            let questions = places.iter().map(|place| (place.clone(), start));
            self.ask(&questions.collect::<Vec<_>>())
        };
        let (lows, ends) = (ask(Start::Earliest)?, ask(Start::Latest)?);
        let both = |(place, low)| {
            let end = *ends.get(&place)?;
            Some((place, (low, end)))
        };
        Some(lows.into_iter().filter_map(both).collect())
    }
}

impl Client for BaseConsumer<Group> {
    fn assign(&self, beginnings: &[(Place, i64)]) -> bool {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in beginnings {
            let offset = Offset::Offset(*offset);
            if let Err(error) = list.add_partition_offset(topic, *partition, offset) {
                tracing::error!(topic = &**topic, partition, %error, "no such start offset");
            }
        }
        if let Err(error) = begin(self, &list) {
            tracing::warn!(%error, "partitions cannot be assigned, retrying");
            return false;
        }
        // a partition that was here before may have been paused then
        if let Err(error) = self.resume(&list) {
            tracing::warn!(%error, "partitions cannot be resumed");
        }
        true
    }

    fn unassign(&self, places: &[Place]) {
        // librdkafka refuses the whole list for one partition that it does not have
        let assigned = self.assignment().unwrap_or_default();
        let is_assigned = |place: &&Place| assigned.find_partition(&place.0, place.1).is_some();
        let list = list_of(places.iter().filter(is_assigned));
        if let Err(error) = self.incremental_unassign(&list) {
            tracing::warn!(%error, "partitions cannot be given up");
        }
    }

    /// After it has worked, the client delivers nothing of this partition that it has fetched
    /// before: a seek, and likewise giving back the partition, raises librdkafka's version barrier
    /// before it returns.
    fn seek(&self, place: &Place, offset: i64) -> bool {
        let (topic, partition) = (&*place.0, place.1);
        Consumer::seek(self, topic, partition, Offset::Offset(offset), SEEK_TIMEOUT)
            .inspect_err(|error| tracing::debug!(topic, partition, %error, "no seek"))
            .is_ok()
    }

    fn reassign(&self, place: &Place, offset: i64) -> bool {
        let (topic, partition) = (&*place.0, place.1);
        let again = || -> KafkaResult<()> {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
            // where this fails, the last attempt got no further than this
            if let Err(error) = self.incremental_unassign(&list) {
                tracing::debug!(topic, partition, %error, "a partition was not assigned");
            }
            begin(self, &list)
        };
        again()
            .inspect_err(|error| tracing::warn!(topic, partition, %error, "no way back, retrying"))
            .is_ok()
    }

    fn set_paused(&self, place: &Place, paused: bool) -> bool {
        let list = list_of([place]);
        let done = if paused {
            self.pause(&list)
        } else {
            self.resume(&list)
        };
        done.is_ok()
    }

    fn ask(&self, questions: &[(Place, Start)]) -> Option<BTreeMap<Place, i64>> {
        let asked = questions.iter().map(|(place, start)| {
            let question = match start {
                Start::Earliest => Offset::Beginning,
                Start::Latest => Offset::End,
                Start::At(time) => Offset::Offset(time.as_millis()),
            };
            (place.clone(), question)
        });
        let answers = ask_offsets(self, asked, ASK_TIMEOUT).and_then(|mut answers| {
            // no record is as late as the time asked for: begin at the end
            let late = answers.iter().filter(|(_, answer)| **answer == Offset::End);
            let ends: Vec<_> = late.map(|(place, end)| (place.clone(), *end)).collect();
            answers.extend(ask_offsets(self, ends, ASK_TIMEOUT)?);
            Ok(answers)
        });
        let answers = answers
            .inspect_err(|error| tracing::warn!(%error, "offsets cannot be found, retrying"))
            .ok()?;
        let known = answers
            .into_iter()
            .filter_map(|(place, answer)| match answer {
                Offset::Offset(offset) => Some((place, offset)),
                _ => None,
            });
        Some(known.collect())
    }
}

/// Begins to read partitions, whose records come through the queue of [`super::records`].
fn begin(consumer: &BaseConsumer<Group>, list: &TopicPartitionList) -> KafkaResult<()> {
    for partition in list.elements() {
        let line = &consumer.context().line;
        line.forward(consumer, partition.topic(), partition.partition());
    }
    consumer.incremental_assign(list)
}

fn list_of<'a>(places: impl IntoIterator<Item = &'a Place>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    list
}
