//! What each shard needs of the log, so that none of them trims what another one starts from.
//!
//! A shard says so with each snapshot: all from the record before its second newest one on.
//!
//! ```text
//! 1/2 needs 700, 2/2 needs 400        trimmed to 400
//! 1/2 needs 700, 2/2 said nothing     not trimmed: it may be folding the log from its beginning
//! 1/3 needs 300, a year ago           of another number of shards: no longer heard
//! ```

use serde::{Deserialize, Serialize};

use super::Fold;
use crate::key::Shard;
use crate::time::{Length, Timestamp};

/// How long what a shard said holds, in log time. Of a shard that is still there nothing is taken
/// away afterwards: it is waited for.
const HEARD: Length = Length::DAY;

/// What a shard needs of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The first position that it needs.
    pub from: u64,
    /// When it said so.
    pub at: Timestamp,
}

impl Fold {
    pub(super) fn need(&mut self, shard: Shard, from: u64) {
        let at = self.log_time;
        self.needs.insert(shard, Need { from, at });
    }

    pub(super) fn forget_needs(&mut self) {
        let now = self.log_time;
        self.needs
            .retain(|_, need| now.millis_since(need.at) <= HEARD.as_millis());
    }

    /// The first position that any shard needs, where this one needs all from `own` on; or the
    /// first of the other shards that did not say what it needs.
    pub fn needed(&self, own: u64) -> Result<u64, Shard> {
        let mut others = self.shard.all().filter(|other| *other != self.shard);
        if let Some(silent) = others.find(|other| !self.needs.contains_key(other)) {
            return Err(silent);
        }
        let heard = self.needs.iter().filter(|(of, _)| **of != self.shard);
        Ok(heard.map(|(_, need)| need.from).fold(own, u64::min))
    }
}
