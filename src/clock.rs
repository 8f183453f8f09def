//! The one door to the machine's clock: everything else takes [`Timestamp`] as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// Reads the machine's clock. Handed to the parts at the edge, never to a pure module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// The time of day by this machine's clock. It may jump; nothing is decided by its order.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn now(self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        };
        Timestamp::from_millis(millis)
    }

    /// A monotonic instant, for deadlines and rates.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn instant(self) -> Instant {
        Instant::now()
    }
}
