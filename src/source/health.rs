//! What goes wrong between driftd and Kafka, said once and not at each retry.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use super::door::lock;

/// An error that was not met again for this long is over.
const QUIET: Duration = Duration::from_mins(1);

/// The errors of one source that are not over, over all of its clients. There are as many as Kafka
/// has error codes, about 200.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<BTreeMap<i32, Instant>>);

impl Health {
    /// An error was met. Logged where it is new.
    pub(super) fn error(&self, code: RDKafkaErrorCode, reason: &str, now: Instant) {
        if self.is_new(code as i32, now) {
            tracing::warn!(error = %code, reason, "kafka is in trouble, retrying");
        }
    }

    /// Records or the end of a partition were read: if no broker could be reached before, that is
    /// over. Where single brokers are away, what they cause ends by [`QUIET`].
    pub(super) fn well(&self) {
        let mut errors = lock(&self.0);
        if errors.contains_key(&(RDKafkaErrorCode::AllBrokersDown as i32)) {
            // negative codes are of the client, the others are what a broker said
            errors.retain(|code, _| *code >= 0);
            tracing::info!("kafka answers again");
        }
    }

    fn is_new(&self, code: i32, now: Instant) -> bool {
        let before = lock(&self.0).insert(code, now);
        before.is_none_or(|before| now.saturating_duration_since(before) > QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn an_error_is_new_once_until_it_is_over() {
        let (health, start) = (Health::default(), Clock.instant());
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(health.is_new(1, start) && health.is_new(2, start));
        assert!(!health.is_new(1, later(60)) && !health.is_new(1, later(120)));
        assert!(health.is_new(1, later(181)));
        health.well();
        assert!(!health.is_new(1, later(182)), "not an outage");
    }

    #[test]
    fn after_an_outage_its_errors_are_new_again() {
        let (health, start) = (Health::default(), Clock.instant());
        let down = RDKafkaErrorCode::AllBrokersDown as i32;
        assert!(health.is_new(down, start) && health.is_new(29, start));
        health.well();
        assert!(health.is_new(down, start) && !health.is_new(29, start));
    }
}
