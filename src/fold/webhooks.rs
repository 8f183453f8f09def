//! How far webhooks have got, as the log says it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fold::{Effect, Fold};
use crate::statelog::record::Delivered;
use crate::time::Timestamp;

/// Webhooks that are remembered; a further one takes the place of the one that was heard of least
/// recently, which begins anew if it comes back.
const WEBHOOKS_MAX: usize = 64;

/// How far a webhook has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The last entry of the journal that is done with.
    pub to: u64,
    /// Events that the receiver has taken, ever.
    pub delivered: u64,
    /// Events that were given up, ever.
    pub given_up: u64,
    /// When this was last heard, by the log's clock.
    pub at: Timestamp,
}

/// Marks by the names of webhooks.
pub type Marks = BTreeMap<Arc<str>, Mark>;

impl Fold {
    /// Moves a mark from where it stands; what starts elsewhere lost a race and has no effect.
    pub(super) fn deliver(&mut self, told: Delivered, effects: &mut Vec<Effect>) {
        let marks = Arc::make_mut(&mut self.webhooks);
        let before = marks.get(told.webhook.as_str()).copied();
        if before.map(|mark| mark.to) != told.from {
            return;
        }
        if before.is_none() && marks.len() >= WEBHOOKS_MAX {
            let oldest = marks.iter().min_by_key(|(_, mark)| mark.at);
            if let Some(oldest) = oldest.map(|(name, _)| Arc::clone(name)) {
                marks.remove(&oldest);
            }
        }
        let (delivered, given_up) = before.map_or((0, 0), |mark| (mark.delivered, mark.given_up));
        let mark = Mark {
            to: told.to,
            delivered: delivered.saturating_add(told.delivered),
            given_up: given_up.saturating_add(told.given_up),
            at: self.log_time,
        };
        marks.insert(told.webhook.as_str().into(), mark);
        if told.delivered > 0 {
            effects.push(Effect::Delivered(told.clone()));
        }
        if told.given_up > 0 {
            effects.push(Effect::GivenUp(told));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statelog::record::Record;
    use crate::testing::{self, Log};

    fn told(webhook: &str, from: Option<u64>, to: u64, counts: (u64, u64)) -> Delivered {
        Delivered {
            webhook: webhook.to_owned(),
            from,
            to,
            delivered: counts.0,
            given_up: counts.1,
            cause: None,
        }
    }

    fn append(log: &mut Log, minute: i64, told: Delivered) {
        let at = Timestamp::from_millis(minute * 60_000);
        log.append(at, Record::Delivered(told));
    }

    fn mark(log: &Log, webhook: &str) -> Option<(u64, u64, u64)> {
        let mark = log.engine.fold().webhooks.get(webhook)?;
        Some((mark.to, mark.delivered, mark.given_up))
    }

    #[test]
    fn a_mark_moves_from_where_it_stands() {
        let mut log = Log::new(testing::config());
        append(&mut log, 0, told("a", Some(0), 9, (9, 0)));
        assert_eq!(mark(&log, "a"), None);
        append(&mut log, 1, told("a", None, 17, (0, 0)));
        // two instances that found it new: the first one wins
        append(&mut log, 2, told("a", None, 19, (0, 0)));
        append(&mut log, 3, told("a", Some(17), 21, (3, 1)));
        // the same again, as after an append whose fate was not seen
        append(&mut log, 4, told("a", Some(17), 21, (3, 1)));
        assert_eq!(mark(&log, "a"), Some((21, 3, 1)));
        append(&mut log, 5, told("a", Some(21), 22, (1, 0)));
        append(&mut log, 5, told("b", None, 22, (0, 0)));
        assert_eq!(mark(&log, "a"), Some((22, 4, 1)));
        assert_eq!(mark(&log, "b"), Some((22, 0, 0)));
        let told = |kind: &str| {
            let lines = log.journal.iter().map(|entry| &entry.line.json);
            lines.filter(|line| line.contains(kind)).count()
        };
        // each move once, and nothing where nothing was taken
        assert_eq!((told("webhook_delivered"), told("webhook_gave_up")), (2, 1));
    }

    #[test]
    fn the_one_heard_of_least_recently_makes_room() {
        let mut log = Log::new(testing::config());
        for minute in 0..64 {
            append(
                &mut log,
                minute,
                told(&format!("w{minute}"), None, 5, (0, 0)),
            );
        }
        append(&mut log, 70, told("w0", Some(5), 6, (1, 0)));
        append(&mut log, 71, told("more", None, 6, (0, 0)));
        assert_eq!(mark(&log, "w1"), None);
        assert_eq!(mark(&log, "w0"), Some((6, 1, 0)));
        assert_eq!(log.engine.fold().webhooks.len(), 64);
    }
}
