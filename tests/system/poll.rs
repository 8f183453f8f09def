//! Waiting for something to become true.

#![expect(
    clippy::disallowed_methods,
    reason = "tests wait by the machine's clock"
)]

use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How often is asked again.
const PAUSE: Duration = Duration::from_millis(25);

/// Asks until there is an answer, or until `limit` has passed.
pub(crate) fn poll_until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        let late = begin.elapsed() > limit;
        match ask() {
            Some(answer) => return Some(answer),
            None if late => return None,
            None => thread::sleep(PAUSE),
        }
    }
}

/// Now, in whole seconds since 1970.
pub(crate) fn now_s() -> i64 {
    now_ms() / 1_000
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("it is after 1970");
    i64::try_from(since.as_millis()).expect("it is before the end of time")
}
