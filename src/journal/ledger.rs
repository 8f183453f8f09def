//! What is computed against what is stored, line by line.
//!
//! ```text
//! stored     s   as far as the home was read: number and hash of its last entry
//! computed   c   entries 1 to c follow from the state log, as far as it is folded
//! waiting        computed and not stored: s + 1 up to c
//! newest         the last ones computed, for readers
//! ```
//!
//! A home may hold more than the chain, since replicas race. In its order, a record
//!
//! ```text
//! with number s + 1 and the hash of s     is entry s + 1, whoever wrote it
//! with a greater number                   came before its turn: ignored, its writer repeats it
//! with a number up to s, the same bytes   lost a race: ignored
//! any other                               is of a replica that computes something else
//! ```
//!
//! An entry that is stored and computed must be the same; if it is not, this ledger has *diverged*
//! and gives nothing more to write. Entries agree with all before them, so it does not matter that
//! only those are compared of which both are at hand.
//!
//! Nothing here waits and nothing is lost: what finds no room in `waiting` still follows from the
//! state log, and is computed again at the next start, which goes on where the home ends.

use std::collections::VecDeque;

use crate::journal::entry::{Chain, Line, LinkError, Stored};
use crate::layout::Digest;

/// Entries kept for readers; older ones are in the home only.
pub const NEWEST_MAX: usize = 10_000;

/// Bytes of entries kept for readers; the oldest go first.
pub const NEWEST_BYTES_MAX: usize = 16 << 20;

/// Entries that may wait to be stored; further ones are stored after the next start.
pub const WAITING_MAX: usize = 100_000;

/// Bytes of entries that may wait to be stored; further ones are stored after the next start.
pub const WAITING_BYTES_MAX: usize = 64 << 20;

/// Stored entries of which the hashes are kept, to compare others with.
pub const HASHES_MAX: usize = 65_536;

/// Where computed and stored entries part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divergence {
    /// The first entry known to be another one.
    pub seq: u64,
    /// Its hash in the home.
    pub stored: Digest,
    /// Its hash as computed; `None` where the state log implies no such entry.
    pub computed: Option<Digest>,
}

/// What a record of the home is to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Its next entry.
    Next,
    /// Of no consequence: lost a race, or came before its turn.
    Idle,
    /// Not of this chain: another replica computes something else.
    Other {
        /// The number that it bears.
        seq: u64,
    },
}

/// The chain in a home, of which the order of records is known and their number is not.
#[derive(Debug, Clone, Default)]
pub struct Links {
    chain: Chain,
    /// Hashes of the last entries, that of the head last.
    hashes: VecDeque<Digest>,
    /// The newest ones that the home had when it was opened.
    recent: Queue,
}

impl Links {
    /// Those of a home whose newest entries, one after the other, are these.
    pub fn of_tail(tail: &[Stored]) -> Self {
        let mut links = Self::default();
        if let Some(first) = tail.first() {
            links.chain = Chain {
                seq: first.line.seq.saturating_sub(1),
                head: first.prev,
            };
        }
        for stored in tail {
            links.load(stored);
        }
        links
    }

    /// Takes an entry that the home had when it was opened.
    pub fn load(&mut self, stored: &Stored) -> Seen {
        let seen = self.take(stored);
        if seen == Seen::Next {
            self.recent.renew(stored.line.clone());
        }
        seen
    }

    /// A chain up to here; what was before is not compared with anything.
    pub fn from(chain: Chain) -> Self {
        let hashes = (chain.seq > 0).then_some(chain.head);
        Self {
            chain,
            hashes: hashes.into_iter().collect(),
            recent: Queue::default(),
        }
    }

    /// How far it goes.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// Takes the next record of the home.
    pub fn take(&mut self, stored: &Stored) -> Seen {
        let seq = stored.line.seq;
        match self.chain.take(stored) {
            Ok(()) => {
                self.keep(stored.line.hash);
                Seen::Next
            }
            Err(LinkError::Prev { seq }) => Seen::Other { seq },
            Err(LinkError::Seq { .. }) => match self.hash(seq) {
                Some(hash) if hash != stored.line.hash => Seen::Other { seq },
                _ => Seen::Idle,
            },
        }
    }

    fn append(&mut self, line: &Line) {
        self.chain.append(line);
        self.keep(line.hash);
    }

    fn keep(&mut self, hash: Digest) {
        if self.hashes.len() >= HASHES_MAX {
            self.hashes.pop_front();
        }
        self.hashes.push_back(hash);
    }

    /// The hash of an entry, if it is one of the last.
    fn hash(&self, seq: u64) -> Option<Digest> {
        let back = usize::try_from(self.chain.seq.checked_sub(seq)?).ok()?;
        let at = self.hashes.len().checked_sub(back + 1)?;
        self.hashes.get(at).copied()
    }
}

/// Both sides of the journal.
#[derive(Debug, Default)]
pub struct Ledger {
    stored: Links,
    /// How far the home went before the first entry was computed.
    opened: Chain,
    computed: u64,
    waiting: Queue,
    newest: Queue,
    diverged: Option<Divergence>,
}

impl Ledger {
    /// The ledger of a home that was read to its end.
    pub fn new(mut stored: Links) -> Self {
        Self {
            opened: stored.chain,
            newest: std::mem::take(&mut stored.recent),
            stored,
            ..Self::default()
        }
    }

    /// How far the home went, when it was opened, of what follows from records of the state log
    /// before this position; all of it where that is further back than what is kept.
    pub fn before(&self, position: u64) -> Chain {
        let lines = &self.newest.lines;
        let earlier = |line: &Line| line.position().is_some_and(|of| of < position);
        let later = lines.partition_point(earlier);
        let last = later.checked_sub(1).and_then(|last| lines.get(last));
        match (last, lines.front()) {
            _ if later == lines.len() => self.opened,
            (Some(last), _) => last.chain(),
            (None, Some(first)) if first.seq == 1 => Chain::default(),
            (None, _) => self.opened,
        }
    }

    /// Says after which entry the ones that are computed go on: that of a snapshot, or none.
    pub fn begin(&mut self, after: Chain) {
        self.computed = after.seq;
        self.newest.cut(after.seq);
        if self.stored.chain.seq < after.seq {
            // snapshots are written when their entries are stored
            self.diverge(Divergence {
                seq: after.seq,
                stored: self.stored.chain.head,
                computed: Some(after.head),
            });
        } else if let Some(stored) = self.stored.hash(after.seq) {
            self.compare(after.seq, stored, after.head);
        }
    }

    /// Takes the next entry that follows from the state log.
    pub fn compute(&mut self, line: Line) {
        debug_assert_eq!(line.seq, self.computed + 1, "entries come in order");
        self.computed = line.seq;
        self.newest.renew(line.clone());
        if line.seq <= self.stored.chain.seq {
            if let Some(stored) = self.stored.hash(line.seq) {
                self.compare(line.seq, stored, line.hash);
            }
            return;
        }
        let next = self.stored.chain.seq + self.waiting.lines.len() as u64 + 1;
        let has_room = self.waiting.has_room(&line, WAITING_MAX, WAITING_BYTES_MAX);
        if self.diverged.is_none() && line.seq == next && has_room {
            self.waiting.push(line);
        }
    }

    /// Says that the state log was folded as far as it went when the home was read: all that was in
    /// the home then must have been computed.
    pub fn catch_up(&mut self) {
        if self.computed < self.opened.seq {
            self.diverge(Divergence {
                seq: self.opened.seq,
                stored: self.opened.head,
                computed: None,
            });
        }
    }

    /// Takes the next record of the home.
    pub fn read(&mut self, stored: &Stored) -> Seen {
        let seen = self.stored.take(stored);
        if seen == Seen::Next
            && let Some(line) = self.waiting.pop()
        {
            self.compare(line.seq, stored.line.hash, line.hash);
        }
        seen
    }

    /// Says that the next of the entries to write is in the home, where nobody else writes.
    pub fn wrote(&mut self, line: &Line) {
        debug_assert_eq!(
            line.seq,
            self.stored.chain.seq + 1,
            "entries are stored in order"
        );
        self.stored.append(line);
        self.waiting.pop();
    }

    /// The first of the entries that are to be stored next.
    pub fn to_write(&self, max: usize) -> Vec<Line> {
        self.waiting.lines.iter().take(max).cloned().collect()
    }

    /// Entries kept after entry `after`, at most `limit`; whether there are more.
    pub fn after(&self, after: u64, limit: usize) -> (Vec<Line>, bool) {
        let skip = self.newest.lines.partition_point(|line| line.seq <= after);
        let lines: Vec<Line> = self
            .newest
            .lines
            .range(skip..)
            .take(limit)
            .cloned()
            .collect();
        let more = self.newest.lines.len() > skip + lines.len();
        (lines, more)
    }

    /// The number of the first entry that is kept.
    pub fn oldest(&self) -> Option<u64> {
        self.newest.lines.front().map(|line| line.seq)
    }

    /// The number of the last entry that is known.
    pub fn newest(&self) -> Option<u64> {
        self.newest.lines.back().map(|line| line.seq)
    }

    /// The last entry stored.
    pub const fn end(&self) -> Chain {
        self.stored.chain
    }

    /// How many entries are stored.
    pub const fn stored(&self) -> u64 {
        self.stored.chain.seq
    }

    /// How many entries are computed and not stored.
    pub const fn unwritten(&self) -> u64 {
        self.computed.saturating_sub(self.stored.chain.seq)
    }

    /// Where the two sides part, if they do.
    pub const fn diverged(&self) -> Option<Divergence> {
        self.diverged
    }

    fn compare(&mut self, seq: u64, stored: Digest, computed: Digest) {
        if stored != computed {
            self.diverge(Divergence {
                seq,
                stored,
                computed: Some(computed),
            });
        }
    }

    /// The first divergence stays: all after it follow from it.
    fn diverge(&mut self, divergence: Divergence) {
        self.diverged.get_or_insert(divergence);
        self.waiting = Queue::default();
    }
}

/// Lines in order, and their bytes together.
#[derive(Debug, Clone, Default)]
struct Queue {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Queue {
    /// Whether a line fits; an empty queue takes any.
    fn has_room(&self, line: &Line, lines_max: usize, bytes_max: usize) -> bool {
        let fits = self.bytes + line.json.len() <= bytes_max;
        self.lines.is_empty() || self.lines.len() < lines_max && fits
    }

    /// Pushes one of the newest; the oldest ones make room.
    fn renew(&mut self, line: Line) {
        while !self.has_room(&line, NEWEST_MAX, NEWEST_BYTES_MAX) {
            self.pop();
        }
        self.push(line);
    }

    /// Takes away all after this one.
    fn cut(&mut self, seq: u64) {
        while let Some(line) = self.lines.pop_back_if(|line| line.seq > seq) {
            self.bytes -= line.json.len();
        }
    }

    fn push(&mut self, line: Line) {
        self.bytes += line.json.len();
        self.lines.push_back(line);
    }

    fn pop(&mut self) -> Option<Line> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.json.len();
        Some(line)
    }
}

#[cfg(test)]
mod tests;
