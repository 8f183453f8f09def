//! A thread that looks at where the partitions end, for the lag that people see. It has a client of
//! its own, so that its questions hold up no worker.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::BaseConsumer;

use super::admin::{Listener, Place, ask_offsets};
use super::door::lock;
use super::status::Watch;
use super::worker::Shared;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long a look may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often it asks whether to end.
const NAP: Duration = Duration::from_millis(50);

/// Looks until the source stops. Partitions that no worker reads are forgotten.
pub(super) fn look(shared: &Shared, consumer: &BaseConsumer<Listener>, watch: &Watch) {
    let mut next = shared.clock.instant();
    while !shared.stop.load(Ordering::Acquire) {
        if shared.clock.instant() >= next {
            let read = watch.slots.iter().flat_map(|slot| lock(slot).clone());
            let questions: Vec<(Place, Offset)> = read
                .map(|status| ((status.topic, status.partition), Offset::End))
                .collect();
            // right after the start there is nothing to ask yet, and soon there is
            let wait = if questions.is_empty() {
                NAP * 10
            } else {
                INTERVAL
            };
            if let Ok(found) = ask_offsets(consumer, questions, TIMEOUT) {
                let found = found
                    .into_iter()
                    .filter_map(|(place, offset)| match offset {
                        Offset::Offset(end) => Some((place, end)),
                        _ => None,
                    });
                *lock(&watch.highs) = found.collect();
            }
            next = shared.clock.instant() + wait;
        }
        std::thread::sleep(NAP);
    }
}
