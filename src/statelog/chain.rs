//! The writer's side of one chain: when to append, when to go on, when to begin again.
//!
//! A worker reads a partition and counts; what it has counted becomes deltas `[from, to)` of the
//! state log, and the fold takes one only where `from` is the head of the chain. So the ranges of a
//! writer join without a gap, and each may be in one of three stages:
//!
//! ```text
//!   head            tail            read
//!    | in flight      | tallied       |        sealed is empty
//!    | in flight | sealed | tallied   |        head <= in flight.to <= sealed.to <= read
//! ```
//!
//! *In flight*: appended, its fate not known; at most one. *Sealed*: a finished delta that waits
//! for its turn; at most one. *Tallied*: counted, still growing. The rules:
//!
//! 1. The writer reacts only to the fate of the attempt in flight; any other fate is of the past.
//! 2. Accepted: the head is the attempt's `to`, and what is sealed may be appended.
//! 3. Superseded, failed, or no fate by the deadline: all three stages are thrown away, and the
//!    worker reads again from the head that the fold knows. That head may be old: then the next
//!    attempt is superseded, which costs a lost race and counts nothing twice.
//! 4. What is tallied belongs to the worker alone, and may be thrown away and read again at any
//!    time.
//! 5. Where the state log does not take a delta at all (its queue is full), the delta stays sealed:
//!    nothing was said, so nothing is in doubt.
//!
//! After a failure the attempt may yet be in the log: a broker's answer can get lost on the way
//! back. Rule 3 is right in both cases, for the fold decides by `from` and not by who asks.
//!
//! Pure: no clock, no IO. Milliseconds are those of the caller's monotonic clock. What comes of
//! these rules when everything goes wrong is tried in `tests/pipeline`.

/// How long an attempt may be without a fate before it counts as failed.
///
/// Longer than a delivery report needs in the worst ordinary case (a broker restarts, the leader
/// changes), shorter than the patience of the people who look at the lag.
pub const FATE_DEADLINE_MS: u64 = 45_000;

/// What happened to a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// All records below `to` are read: tallied, or known not to be there.
    Read {
        /// The position that is read next.
        to: i64,
    },
    /// What was tallied is now the delta of this attempt, and the tally is empty.
    Sealed {
        /// Unique among all attempts of the worker.
        attempt: u64,
    },
    /// The sealed delta was handed to the state log.
    Appended {
        /// When.
        now_ms: u64,
    },
    /// The fold met an attempt of this worker on this chain.
    Fate {
        /// Which.
        attempt: u64,
        /// Whether its range was counted; else it was superseded.
        accepted: bool,
    },
    /// The state log says that an attempt will not be in it.
    Failed {
        /// Which.
        attempt: u64,
    },
    /// Time has passed.
    Tick {
        /// The time now.
        now_ms: u64,
    },
    /// The worker has thrown away what was tallied, and reads it again.
    Rewound,
    /// The worker has thrown everything away and reads again from here.
    Restarted {
        /// The head that the fold knows.
        head: i64,
    },
}

/// What a writer has to do about an [`Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Note that everything below `to` is counted for good.
    Advance {
        /// The new head.
        to: i64,
    },
    /// Throw away what is in flight, sealed and tallied, and say [`Event::Restarted`].
    Restart(Cause),
}

/// Why a writer begins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Another delta was first.
    Superseded,
    /// The state log did not take the attempt.
    Failed,
    /// The fold did not meet the attempt by the deadline.
    Unseen,
}

impl Cause {
    /// The name used in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Unseen => "unseen",
        }
    }
}

/// A range that is a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attempt {
    id: u64,
    to: i64,
}

/// The state of one chain's writer.
#[derive(Debug, Clone)]
pub struct ChainWriter {
    head: i64,
    in_flight: Option<Attempt>,
    /// Of the attempt in flight.
    deadline_ms: u64,
    sealed: Option<Attempt>,
    read: i64,
}

impl ChainWriter {
    /// A writer of a chain whose head is `head` as far as the fold knows.
    pub const fn new(head: i64) -> Self {
        Self {
            head,
            in_flight: None,
            deadline_ms: 0,
            sealed: None,
            read: head,
        }
    }

    /// The position from which records are read next.
    pub const fn read(&self) -> i64 {
        self.read
    }

    /// Everything below is counted for good, as far as this writer knows.
    pub const fn head(&self) -> i64 {
        self.head
    }

    /// Where the tallied range begins.
    pub fn tail(&self) -> i64 {
        let attempt = self.sealed.or(self.in_flight);
        attempt.map_or(self.head, |attempt| attempt.to)
    }

    /// Whether what is tallied can become a delta now.
    pub const fn may_seal(&self) -> bool {
        self.sealed.is_none()
    }

    /// Whether there is a sealed delta whose turn it is.
    pub const fn may_append(&self) -> bool {
        self.sealed.is_some() && self.in_flight.is_none()
    }

    /// Whether everything that was read is counted for good.
    pub const fn is_settled(&self) -> bool {
        self.in_flight.is_none() && self.sealed.is_none() && self.head == self.read
    }

    /// Whether an attempt waits for its fate, or for being appended.
    pub const fn is_busy(&self) -> bool {
        self.in_flight.is_some() || self.sealed.is_some()
    }

    /// The attempt whose fate is awaited.
    pub fn in_flight(&self) -> Option<u64> {
        self.in_flight.map(|attempt| attempt.id)
    }

    /// Takes notice of `event` by the rules of the module header.
    pub fn handle(&mut self, event: Event) -> Action {
        match event {
            Event::Read { to } => {
                debug_assert!(to >= self.read, "read backwards without a restart");
                self.read = self.read.max(to);
                Action::None
            }
            Event::Sealed { attempt } => {
                debug_assert!(self.may_seal(), "a second sealed delta");
                self.sealed = Some(Attempt {
                    id: attempt,
                    to: self.read,
                });
                Action::None
            }
            Event::Appended { now_ms } => {
                debug_assert!(self.may_append(), "appended out of turn");
                self.in_flight = self.sealed.take();
                self.deadline_ms = now_ms.saturating_add(FATE_DEADLINE_MS);
                Action::None
            }
            Event::Fate { attempt, accepted } => self.fate(attempt, accepted),
            Event::Failed { attempt } if self.in_flight() == Some(attempt) => {
                Action::Restart(Cause::Failed)
            }
            Event::Tick { now_ms } if self.in_flight.is_some() && now_ms >= self.deadline_ms => {
                Action::Restart(Cause::Unseen)
            }
            Event::Failed { .. } | Event::Tick { .. } => Action::None,
            Event::Rewound => {
                self.read = self.tail();
                Action::None
            }
            Event::Restarted { head } => {
                *self = Self::new(head);
                Action::None
            }
        }
    }

    fn fate(&mut self, attempt: u64, accepted: bool) -> Action {
        match self.in_flight {
            Some(current) if current.id == attempt && accepted => {
                self.head = current.to;
                self.in_flight = None;
                Action::Advance { to: current.to }
            }
            Some(current) if current.id == attempt => Action::Restart(Cause::Superseded),
            _ => Action::None,
        }
    }
}

/// How many records a delta may have: halved when one was too large for the state log, and grown
/// back by a sixteenth with each one that was not, so that a topic whose records are worth a lot of
/// counters settles near what fits instead of being read twice for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordBound {
    now: u64,
    max: u64,
}

impl RecordBound {
    /// At most `max` records, at least one.
    pub fn new(max: u64) -> Self {
        let max = max.max(1);
        Self { now: max, max }
    }

    /// Records that a delta may have.
    pub const fn get(self) -> u64 {
        self.now
    }

    /// A delta of `records` was too large. `false` where that was a single record: it cannot be
    /// cut.
    #[must_use]
    pub fn halve(&mut self, records: u64) -> bool {
        self.now = (records.min(self.now) / 2).max(1);
        records > 1
    }

    /// A delta was accepted.
    pub fn grow(&mut self) {
        self.now = self.now.saturating_add(self.now / 16 + 1).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer at head 10 that has read to 20, with attempt 1 of `[10, 20)` in flight since 100
    /// ms, attempt 2 of `[20, 25)` sealed, and `[25, 30)` tallied.
    fn busy() -> ChainWriter {
        let mut writer = ChainWriter::new(10);
        for event in [
            Event::Read { to: 20 },
            Event::Sealed { attempt: 1 },
            Event::Appended { now_ms: 100 },
            Event::Read { to: 25 },
            Event::Sealed { attempt: 2 },
            Event::Read { to: 30 },
        ] {
            assert_eq!(writer.handle(event), Action::None);
        }
        writer
    }

    #[test]
    fn ranges_join_without_a_gap() {
        let writer = busy();
        assert_eq!((writer.head(), writer.tail(), writer.read()), (10, 25, 30));
        assert!(!writer.may_seal() && !writer.may_append() && writer.is_busy());
        let idle = ChainWriter::new(10);
        assert_eq!((idle.head(), idle.tail(), idle.read()), (10, 10, 10));
        assert!(idle.may_seal() && !idle.may_append() && idle.is_settled() && !idle.is_busy());
    }

    /// The table of rules 1 to 3.
    #[test]
    fn only_the_fate_of_the_attempt_in_flight_counts() {
        let deadline = 100 + FATE_DEADLINE_MS;
        let restart = Action::Restart;
        for (event, action) in [
            (
                Event::Fate {
                    attempt: 1,
                    accepted: true,
                },
                Action::Advance { to: 20 },
            ),
            (
                Event::Fate {
                    attempt: 1,
                    accepted: false,
                },
                restart(Cause::Superseded),
            ),
            (
                Event::Fate {
                    attempt: 0,
                    accepted: false,
                },
                Action::None,
            ),
            (
                Event::Fate {
                    attempt: 0,
                    accepted: true,
                },
                Action::None,
            ),
            (
                Event::Fate {
                    attempt: 2,
                    accepted: false,
                },
                Action::None,
            ),
            (Event::Failed { attempt: 1 }, restart(Cause::Failed)),
            (Event::Failed { attempt: 0 }, Action::None),
            (Event::Failed { attempt: 2 }, Action::None),
            (
                Event::Tick {
                    now_ms: deadline - 1,
                },
                Action::None,
            ),
            (Event::Tick { now_ms: deadline }, restart(Cause::Unseen)),
        ] {
            assert_eq!(busy().handle(event), action, "{event:?}");
        }
        let mut idle = ChainWriter::new(10);
        assert_eq!(idle.handle(Event::Tick { now_ms: u64::MAX }), Action::None);
        assert_eq!(
            idle.handle(Event::Fate {
                attempt: 1,
                accepted: false
            }),
            Action::None
        );
    }

    #[test]
    fn after_acceptance_the_sealed_delta_starts_at_the_new_head() {
        let mut writer = busy();
        writer.handle(Event::Fate {
            attempt: 1,
            accepted: true,
        });
        assert!(writer.may_append());
        assert_eq!((writer.head(), writer.tail()), (20, 25));
        writer.handle(Event::Appended { now_ms: 200 });
        assert_eq!(writer.in_flight(), Some(2));
        assert_eq!(
            writer.handle(Event::Fate {
                attempt: 1,
                accepted: true
            }),
            Action::None
        );
        let accepted = Event::Fate {
            attempt: 2,
            accepted: true,
        };
        assert_eq!(writer.handle(accepted), Action::Advance { to: 25 });
        assert_eq!((writer.head(), writer.tail(), writer.read()), (25, 25, 30));
    }

    #[test]
    fn a_rewind_forgets_the_tally_only() {
        let mut writer = busy();
        writer.handle(Event::Rewound);
        assert_eq!((writer.head(), writer.tail(), writer.read()), (10, 25, 25));
        assert_eq!(writer.in_flight(), Some(1));
    }

    #[test]
    fn a_restart_forgets_all_stages() {
        let mut writer = busy();
        writer.handle(Event::Restarted { head: 15 });
        assert!(writer.is_settled());
        assert_eq!((writer.head(), writer.tail(), writer.read()), (15, 15, 15));
        assert_eq!(
            writer.handle(Event::Fate {
                attempt: 1,
                accepted: true
            }),
            Action::None
        );
    }

    #[test]
    fn an_attempt_without_a_fate_holds_a_chain_up_for_no_longer_than_the_deadline() {
        let mut chain = ChainWriter::new(0);
        chain.handle(Event::Read { to: 5 });
        chain.handle(Event::Sealed { attempt: 1 });
        chain.handle(Event::Appended { now_ms: 0 });
        let restarted = (0..=FATE_DEADLINE_MS)
            .find(|now_ms| chain.handle(Event::Tick { now_ms: *now_ms }) != Action::None);
        assert_eq!(restarted, Some(FATE_DEADLINE_MS));
    }

    #[test]
    fn an_empty_range_is_a_delta_too() {
        let mut writer = ChainWriter::new(10);
        writer.handle(Event::Sealed { attempt: 7 });
        writer.handle(Event::Appended { now_ms: 0 });
        assert!(!writer.is_settled());
        let accepted = Event::Fate {
            attempt: 7,
            accepted: true,
        };
        assert_eq!(writer.handle(accepted), Action::Advance { to: 10 });
        assert!(writer.is_settled());
    }

    #[test]
    fn a_bound_is_halved_to_one_and_grows_back() {
        let mut bound = RecordBound::new(1_000);
        assert!(bound.halve(400));
        assert_eq!(bound.get(), 200);
        assert!(bound.halve(3));
        assert_eq!(bound.get(), 1);
        assert!(!bound.halve(1));
        assert_eq!(bound.get(), 1);
        for _ in 0..200 {
            bound.grow();
        }
        assert_eq!(bound.get(), 1_000);
        assert_eq!(RecordBound::new(0).get(), 1);
    }
}
