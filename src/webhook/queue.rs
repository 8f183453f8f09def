//! What of the journal is sent next, when again, and how far all is done.
//!
//! ```text
//! mark      up to here the state log says that all is done
//! settled   done beyond the mark, while something before is not
//! lanes     what waits, a lane for each model: only the first of a lane is sent
//! cursor    up to here the journal was read
//! ```
//!
//! A lane whose event was not taken waits, longer each time: `BACKOFF_MIN` doubled up to
//! `BACKOFF_MAX`, with a part of it left to chance. When the receiver itself seems to be down (no
//! answer, 408, 425, 429, 5xx), all lanes wait as well, by the number of such failures without a
//! success between. Of the lanes that are due the one that has failed least goes first, so one
//! event that breaks a receiver is in nobody's way for long.
//!
//! An event is given up when it is older than `AGE_MAX`, or the receiver has refused it (any other
//! answer that is not 2xx) for `REFUSED_MAX`. All of this is a function of what it is told: time
//! and chance are arguments.

use std::collections::{BTreeMap, VecDeque};

use crate::statelog::record::Delivered;
use crate::time::{Length, Timestamp};
use crate::webhook::event::Event;

/// Events that wait or are settled beyond the mark; further ones stay in the journal.
pub const HELD_MAX: usize = 10_000;

/// How long after a failure the same is tried again, at first.
pub const BACKOFF_MIN: Length = Length::SECOND;

/// The longest pause between attempts.
pub const BACKOFF_MAX: Length = Length::MINUTE.times(5);

/// The longest pause that a receiver can ask for with `Retry-After`.
pub const RETRY_AFTER_MAX: Length = Length::MINUTE.times(15);

/// An event of an entry older than this is given up.
pub const AGE_MAX: Length = Length::DAY.times(3);

/// An event that is refused for this long is given up.
pub const REFUSED_MAX: Length = Length::HOUR;

/// The state log is told at most this often.
const MARK_INTERVAL: Length = Length::SECOND.times(2);

/// How long to wait until the state log shows what it was told; then it is told again.
const MARK_TIMEOUT: Length = Length::SECOND.times(30);

/// Entries that are no events move the mark only when there are so many of them.
const QUIET_ENTRIES: u64 = 1_000;

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver has it.
    Taken,
    /// It does not want it, and says so by this status.
    Refused(u16),
    /// It cannot take anything now; why, and after which pause it may.
    Down(String, Option<Length>),
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This event is to be sent.
    Send(Event),
    /// Nothing until then.
    Wait(Timestamp),
    /// Nothing.
    Idle,
}

/// Events of one model.
#[derive(Debug, Default)]
struct Lane {
    events: VecDeque<Event>,
    /// Failures of the first one.
    failures: u32,
    not_before: Option<Timestamp>,
    refused_since: Option<Timestamp>,
}

/// What became of entries.
#[derive(Debug, Clone, Copy, Default)]
struct Settled {
    delivered: u64,
    given_up: u64,
}

/// The queue of one webhook.
#[derive(Debug)]
pub struct Queue {
    webhook: String,
    mark: u64,
    cursor: u64,
    lanes: BTreeMap<String, Lane>,
    waiting: usize,
    settled: BTreeMap<u64, Settled>,
    /// Why the last event was given up.
    cause: Option<String>,
    /// Failures of the receiver since it last took something.
    down: u32,
    paused_until: Option<Timestamp>,
    /// What the state log was told and does not show yet.
    told: Option<Delivered>,
    /// When it was told last.
    told_at: Option<Timestamp>,
}

impl Queue {
    /// Nothing yet of a webhook that is done up to this entry.
    pub fn new(webhook: &str, mark: u64) -> Self {
        Self {
            webhook: webhook.to_owned(),
            mark,
            cursor: mark,
            lanes: BTreeMap::new(),
            waiting: 0,
            settled: BTreeMap::new(),
            cause: None,
            down: 0,
            paused_until: None,
            told: None,
            told_at: None,
        }
    }

    /// The last entry that was read.
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// How many more events there is room for.
    pub fn room(&self) -> usize {
        HELD_MAX.saturating_sub(self.waiting + self.settled.len())
    }

    /// Takes the next entry of the journal, where it is an event to be sent as one. Entries between
    /// that are no longer kept are given up.
    pub fn read(&mut self, seq: u64, event: Option<Event>) {
        let missing = seq.saturating_sub(self.cursor + 1);
        if missing > 0 {
            self.settle(seq - 1, false, missing);
            self.cause = Some("the journal no longer has them at hand".to_owned());
        }
        self.cursor = self.cursor.max(seq);
        if let Some(event) = event {
            self.waiting += 1;
            let lane = self.lanes.entry(event.model.clone()).or_default();
            lane.events.push_back(event);
        }
    }

    /// What is to be done at this time.
    pub fn next(&mut self, now: Timestamp) -> Next {
        self.give_up_old(now);
        let due = |lane: &Lane| lane.not_before.max(self.paused_until);
        let lanes = self.lanes.values();
        let first = lanes.filter(|lane| due(lane).is_none_or(|due| due <= now));
        let first = first
            .filter_map(|lane| Some((lane.failures, lane.events.front()?)))
            .min_by_key(|(failures, event)| (*failures, event.seq));
        if let Some((_, event)) = first {
            return Next::Send(event.clone());
        }
        let soonest = self.lanes.values().filter_map(due).min();
        soonest.map_or(Next::Idle, Next::Wait)
    }

    /// Takes what came of an attempt to send this event; `chance` is from 0 to 1.
    pub fn answered(&mut self, event: &Event, answer: &Answer, now: Timestamp, chance: f64) {
        let lane = self.lanes.get_mut(&event.model);
        let Some(lane) = lane.filter(|lane| lane.events.front() == Some(event)) else {
            return;
        };
        match answer {
            Answer::Taken => {
                (self.down, self.paused_until) = (0, None);
                self.done(&event.model, true);
            }
            Answer::Refused(status) => {
                // it is there
                (self.down, self.paused_until) = (0, None);
                let since = *lane.refused_since.get_or_insert(now);
                lane.failures = lane.failures.saturating_add(1);
                lane.not_before = Some(now + backoff(lane.failures, chance));
                if now.millis_since(since) >= REFUSED_MAX.as_millis() {
                    self.cause = Some(format!("HTTP {status}"));
                    self.done(&event.model, false);
                }
            }
            Answer::Down(_, retry_after) => {
                let asked = retry_after.map(|asked| asked.min(RETRY_AFTER_MAX));
                lane.failures = lane.failures.saturating_add(1);
                lane.not_before = Some(now + backoff(lane.failures, chance));
                self.down = self.down.saturating_add(1);
                let pause = Some(backoff(self.down, chance)).max(asked);
                self.paused_until = pause.map(|pause| now + pause);
            }
        }
    }

    /// What the state log is to be told now, if anything.
    pub fn mark(&mut self, now: Timestamp) -> Option<Delivered> {
        let wait = match &self.told {
            Some(_) => MARK_TIMEOUT,
            None => MARK_INTERVAL,
        };
        let is_due = |at| now.millis_since(at) >= wait.as_millis();
        if !self.told_at.is_none_or(is_due) {
            return None;
        }
        // the same again, or the first one that comes late would look like somebody else's
        let told = self.told.take().or_else(|| self.progress())?;
        self.told_at = Some(now);
        self.told = Some(told.clone());
        Some(told)
    }

    /// What is done and the state log does not say yet, if it is worth a record.
    fn progress(&self) -> Option<Delivered> {
        let waiting = self.lanes.values().filter_map(|lane| lane.events.front());
        let first = waiting.map(|event| event.seq).min();
        let to = first.map_or(self.cursor, |first| first - 1);
        let (mut delivered, mut given_up) = (0, 0);
        for settled in self.settled.range(..=to).map(|(_, settled)| settled) {
            delivered += settled.delivered;
            given_up += settled.given_up;
        }
        let is_news = delivered + given_up > 0 || to >= self.mark + QUIET_ENTRIES;
        is_news.then(|| Delivered {
            webhook: self.webhook.clone(),
            from: Some(self.mark),
            to,
            delivered,
            given_up,
            cause: self.cause.clone().filter(|_| given_up > 0),
        })
    }

    /// Takes what the state log says; false where somebody else has delivered, so that all begins
    /// anew from there.
    pub fn folded(&mut self, mark: u64) -> bool {
        if mark == self.mark {
            return true;
        }
        if self.told.take_if(|told| told.to == mark).is_none() {
            return false;
        }
        self.mark = mark;
        self.settled = self.settled.split_off(&(mark + 1));
        true
    }

    /// When the oldest event happened that waits.
    pub fn oldest(&self) -> Option<Timestamp> {
        let first = self.lanes.values().filter_map(|lane| lane.events.front());
        first.map(|event| event.at).min()
    }

    fn give_up_old(&mut self, now: Timestamp) {
        let is_old = |lane: &Lane| {
            let first = lane.events.front();
            first.is_some_and(|event| now.millis_since(event.at) > AGE_MAX.as_millis())
        };
        loop {
            let old = self.lanes.iter().filter(|(_, lane)| is_old(lane));
            let old: Vec<String> = old.map(|(model, _)| model.clone()).collect();
            if old.is_empty() {
                return;
            }
            self.cause = Some(format!("older than {AGE_MAX}"));
            for model in old {
                self.done(&model, false);
            }
        }
    }

    /// The first event of a model is done with.
    fn done(&mut self, model: &str, is_delivered: bool) {
        let Some(mut lane) = self.lanes.remove(model) else {
            return;
        };
        if let Some(event) = lane.events.pop_front() {
            self.waiting -= 1;
            self.settle(event.seq, is_delivered, 1);
        }
        if !lane.events.is_empty() {
            let events = lane.events;
            let lane = Lane {
                events,
                ..Lane::default()
            };
            self.lanes.insert(model.to_owned(), lane);
        }
    }

    fn settle(&mut self, seq: u64, is_delivered: bool, events: u64) {
        let settled = self.settled.entry(seq).or_default();
        if is_delivered {
            settled.delivered += events;
        } else {
            settled.given_up += events;
        }
    }
}

/// The pause after so many failures, of which chance may take away a half.
fn backoff(failures: u32, chance: f64) -> Length {
    let doublings = failures.saturating_sub(1).min(20);
    let whole = BACKOFF_MIN.as_millis().saturating_mul(1 << doublings);
    let whole = whole.min(BACKOFF_MAX.as_millis());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "minutes in milliseconds"
    )]
    let part = (whole as f64 * chance.clamp(0.0, 1.0) / 2.0) as i64;
    Length::from_millis(whole - part).unwrap_or(BACKOFF_MIN)
}

#[cfg(test)]
mod tests;
