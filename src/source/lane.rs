//! One partition in the hands of a worker: its chain, what is counted of it, and what is due.
//!
//! A lane knows nothing of clients. Where reading has to go on elsewhere it says so
//! ([`Lane::footing`]), takes no record until the worker has seen to that, and so cannot mistake
//! a record that was fetched before for one behind a gap.

use std::sync::Arc;

use super::client::Place;
use super::door::{Fate, Head};
use super::given::Assigned;
use super::reader::Append;
use crate::decode::Reject;
use crate::delta::LastRecord;
use crate::key::ChainKey;
use crate::statelog::chain::{Action, Cause, ChainWriter, Event, RecordBound};
use crate::statelog::record::Record;
use crate::statelog::{AppendError, Failed};
use crate::tally::{Range, Router, Seen, Tally};
use crate::time::Length;

mod doubt;
mod pace;
mod resume;

pub(super) use self::pace::Pace;

/// Records of one delta; at the bound it is finished early.
const RECORDS_MAX: u64 = 500_000;

/// How long a delta waits when the state log had no room for it.
const RETRY_MS: u64 = 50;

/// Why a partition is not read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It is shorter than what was counted of it, or holds other records.
    Truncated,
    /// The counts of one of its records are too large for the state log.
    TooLarge,
    /// Its counts have no form in the state log: a fault of driftd.
    Unwritable,
}

impl Stopped {
    /// The name used in metrics and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TooLarge => "too_large",
            Self::Unwritable => "unwritable",
        }
    }
}

/// Who writes: part of every delta.
#[derive(Debug, Clone, Copy)]
pub(super) struct Author {
    pub(super) writer: u64,
    pub(super) attempt: u64,
}

/// Whether the client of a lane delivers what it has to read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Footing {
    /// It does.
    Sure,
    /// It may have skipped something.
    Unsure,
    /// It does not.
    Lost,
}

/// What has to be done with a lane by somebody who can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A record was met that should not be there.
    Changed,
    /// The end was reached before the record that is remembered: it may be gone, or the partition
    /// is shorter than what was counted of it.
    Short,
    /// What the client delivers may be of another topic of the same name.
    Doubted,
    /// Something else is where records were read that are not counted for good.
    Ahead,
}

/// What was learned from handing a delta to the state log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handed {
    /// Nothing to hand over, or no room for it now.
    Not,
    /// It is on its way.
    Over,
    /// It is larger than the state log takes.
    TooLarge,
    /// The state log can never take it.
    Unwritable,
}

/// See the module header.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) chain: ChainKey,
    pub(super) writer: ChainWriter,
    tally: Tally,
    /// The delta of the sealed range.
    sealed: Option<Record>,
    /// When the state log is asked again, after it had no room.
    retry_ms: u64,
    /// Says that the attempt in flight will not be in the log.
    failed: Failed,
    /// The last record below what is read next, or below the head, until it or a later one is met.
    remembered: Option<LastRecord>,
    /// The last record of the last delta since the lane began at the head.
    last_sealed: Option<LastRecord>,
    /// Where the chain begins while the fold does not know it.
    start: i64,
    bound: RecordBound,
    /// The bytes of the values in the tally, and those of the last delta: what it costs to say
    /// something.
    pub(super) input_bytes: usize,
    delta_bytes: usize,
    /// When the tally got its first count.
    since_ms: Option<u64>,
    /// Everything that can be read was read.
    pub(super) at_end: bool,
    /// When that was last said with nothing read since.
    said_end_ms: Option<u64>,
    /// Whether the client delivers what this lane has to read next.
    pub(super) footing: Footing,
    /// How often in a row the client has refused to go on elsewhere.
    pub(super) refused: u32,
    /// The client was asked to deliver nothing.
    pub(super) paused: bool,
    pub(super) trouble: Option<Trouble>,
    pub(super) stopped: Option<Stopped>,
}

impl Lane {
    pub(super) fn new(assigned: &Assigned) -> Self {
        let Head {
            position,
            last_record,
        } = assigned.head;
        Self {
            chain: assigned.chain.clone(),
            writer: ChainWriter::new(position),
            tally: Tally::default(),
            sealed: None,
            retry_ms: 0,
            failed: Failed::default(),
            remembered: last_record,
            last_sealed: None,
            start: position,
            bound: RecordBound::new(RECORDS_MAX),
            input_bytes: 0,
            delta_bytes: 0,
            since_ms: None,
            at_end: false,
            said_end_ms: None,
            footing: Footing::Sure,
            refused: 0,
            paused: false,
            trouble: None,
            stopped: None,
        }
    }

    pub(super) fn place(&self) -> Place {
        (Arc::clone(&self.chain.topic), self.chain.partition)
    }

    pub(super) fn is(&self, topic: &str, partition: i32) -> bool {
        self.chain.partition == partition && &*self.chain.topic == topic
    }

    /// Where the chain begins while the fold does not know it.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// The tally that a record's rows go to.
    pub(super) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// A record was counted.
    pub(super) fn counted(
        &mut self,
        seen: Seen<'_>,
        outcome: Result<u32, Reject>,
        pane: Length,
        now_ms: u64,
    ) {
        self.tally.record(seen, outcome, pane);
        self.input_bytes += seen.value.len();
        self.moved(seen.offset + 1, now_ms);
    }

    /// Retention took what was to be read next, up to `low`.
    pub(super) fn lost(&mut self, offsets: u64, low: i64, now_ms: u64) {
        self.tally.lose(offsets);
        self.remembered = None;
        self.footing = Footing::Lost;
        self.moved(low, now_ms);
    }

    fn moved(&mut self, to: i64, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
        self.at_end = false;
        self.said_end_ms = None;
        self.writer.handle(Event::Read { to });
    }

    /// The end was reached, which is at `offset`.
    pub(super) fn ended(&mut self, offset: i64) {
        if self.skips(offset) {
            return;
        }
        self.at_end = true;
        if self.remembered.is_some() {
            self.trouble.get_or_insert(Trouble::Short);
        }
    }

    /// Whether anything that was read is not counted for good.
    pub(super) fn is_open(&self) -> bool {
        self.writer.is_busy() || self.has_counts()
    }

    /// Whether there are counts that are not in a delta yet.
    pub(super) fn has_counts(&self) -> bool {
        self.since_ms.is_some()
    }

    /// Finishes the delta of what is tallied.
    pub(super) fn seal(&mut self, router: &Router, author: Author, now_ms: u64) {
        let Author { writer, attempt } = author;
        let (from, to) = (self.writer.tail(), self.writer.read());
        let range = Range {
            chain: self.chain.clone(),
            from,
            to,
            writer,
            attempt,
        };
        let delta = self.tally.take(router, range, self.at_end);
        self.last_sealed = delta.accounting.last_record.or(self.last_sealed);
        self.sealed = Some(Record::Delta(Box::new(delta)));
        (self.since_ms, self.input_bytes) = (None, 0);
        self.said_end_ms = self.at_end.then_some(now_ms);
        self.writer.handle(Event::Sealed { attempt });
    }

    /// Hands the sealed delta to the state log, when it is its turn.
    pub(super) fn hand_over(&mut self, append: &Append, now_ms: u64) -> Handed {
        let Some(record) = self.sealed.as_ref().filter(|_| self.writer.may_append()) else {
            return Handed::Not;
        };
        if now_ms < self.retry_ms {
            return Handed::Not;
        }
        let failed = Failed::default();
        match append(record, &failed) {
            Ok(bytes) => {
                self.delta_bytes = bytes;
                (self.sealed, self.failed) = (None, failed);
                self.writer.handle(Event::Appended { now_ms });
                Handed::Over
            }
            Err(AppendError::TooLarge { .. }) => Handed::TooLarge,
            // it stays sealed: nothing was said, so nothing is in doubt
            Err(AppendError::Full | AppendError::Closed) => {
                self.retry_ms = now_ms + RETRY_MS;
                Handed::Not
            }
            Err(error) => {
                tracing::error!(chain = %self.chain, %error, "a delta cannot be written");
                Handed::Unwritable
            }
        }
    }

    /// The sealed delta was too large: `false` where it cannot be cut.
    pub(super) fn cut(&mut self) -> bool {
        let records = match &self.sealed {
            Some(Record::Delta(delta)) => delta.accounting.records,
            _ => 0,
        };
        self.bound.halve(records)
    }

    /// The fold met an attempt of this chain.
    pub(super) fn fate(&mut self, fate: &Fate) -> Action {
        let (attempt, accepted) = (fate.attempt, fate.accepted);
        let action = self.writer.handle(Event::Fate { attempt, accepted });
        if matches!(action, Action::Advance { .. }) {
            self.bound.grow();
        }
        action
    }

    /// Looks at the failure report and the deadline of what is in flight.
    pub(super) fn tick(&mut self, now_ms: u64) -> Option<Cause> {
        let reported = match self.writer.in_flight() {
            Some(attempt) if self.failed.is_set() => self.writer.handle(Event::Failed { attempt }),
            _ => Action::None,
        };
        match (reported, self.writer.handle(Event::Tick { now_ms })) {
            (Action::Restart(cause), _) | (_, Action::Restart(cause)) => Some(cause),
            _ => None,
        }
    }

    /// Throws everything away, to read again from the head that the fold knows, or from the start
    /// where it knows none.
    pub(super) fn restart(&mut self, head: Option<Head>) {
        let head = head.unwrap_or(Head {
            position: self.start,
            last_record: None,
        });
        self.discard();
        (self.sealed, self.last_sealed) = (None, None);
        self.trouble.take_if(|trouble| *trouble == Trouble::Ahead);
        self.remembered = head.last_record;
        self.writer.handle(Event::Restarted {
            head: head.position,
        });
    }

    /// Begins another chain of the same partition.
    pub(super) fn change_chain(&mut self, assigned: &Assigned) {
        let paused = self.paused;
        *self = Self::new(assigned);
        // what the client was asked for still holds
        (self.paused, self.footing) = (paused, Footing::Lost);
    }

    /// Throws away what is tallied, to read it again.
    pub(super) fn rewind(&mut self) {
        self.discard();
        self.lose_place();
        self.writer.handle(Event::Rewound);
    }

    fn discard(&mut self) {
        self.tally = Tally::default();
        self.input_bytes = 0;
        (self.since_ms, self.said_end_ms) = (None, None);
        self.at_end = false;
        self.footing = Footing::Lost;
    }

    /// Reads no more, and forgets what is not counted for good.
    pub(super) fn stop(&mut self, why: Stopped) {
        self.restart(None);
        self.trouble = None;
        self.stopped = Some(why);
    }
}

#[cfg(test)]
mod tests;
