//! Where the rows of a replay are cut into deltas.
//!
//! ```text
//! before the first row of a later pane than that of the delta's first row
//! before a row more than DELTA_ROWS_MAX
//! ```
//!
//! Rows of earlier panes, out of order, stay in the delta that they come in. Whether rows come one
//! by one or as columns, the deltas are the same.

use std::ops::Range;
use std::sync::Arc;

use super::bins::Binned;
use crate::decode::{Names, Row};
use crate::delta::Delta;
use crate::key::{ChainKey, ModelKey};
use crate::layout::Layout;
use crate::tally::{self, Columns, Router, Seen, Tally, Values};
use crate::time::{Length, Timestamp};

/// Rows of a delta at most.
pub(super) const DELTA_ROWS_MAX: u64 = 65_536;

/// Counts rows and cuts them into the deltas of one chain.
#[derive(Debug)]
pub(super) struct Cutter {
    router: Router,
    tally: Tally,
    key: ModelKey,
    chain: ChainKey,
    pane: Length,
    /// The next position of the chain.
    head: i64,
    /// Event time from which on a delta must be cut first.
    tick: Option<Timestamp>,
}

impl Cutter {
    /// Counts rows of tables as those of `key`, in panes of the router's.
    pub(super) fn new(router: Router, pane: Length, key: ModelKey, chain: ChainKey) -> Self {
        Self {
            router,
            tally: Tally::default(),
            key,
            chain,
            pane,
            head: 0,
            tick: None,
        }
    }

    /// The layout that rows of tables are counted in.
    pub(super) fn layout(&self) -> Option<Arc<Layout>> {
        self.router.layout_of(&self.key).cloned()
    }

    /// Counts a row, after the delta that had to be cut before it.
    pub(super) fn row(&mut self, names: &Names, row: &Row<'_>) -> Option<Delta> {
        let cut = self.pass(row.at);
        self.tally.add(&mut self.router, names, row, None);
        let seen = Seen {
            offset: self.head,
            timestamp: None,
            value: &[],
        };
        self.tally.record(seen, Ok(1), self.pane);
        cut
    }

    /// Counts rows from `from` on, up to where the next delta must be cut: the delta that had to be
    /// cut before them, and how far that was.
    pub(super) fn columns(
        &mut self,
        (rows, values): (&Binned, &[Values<'_>]),
        from: usize,
    ) -> (Option<Delta>, usize) {
        let at = rows.at.get(from..).unwrap_or(&[]);
        let Some(first) = at.first() else {
            return (None, from);
        };
        let cut = self.pass(*first);
        let room = DELTA_ROWS_MAX.saturating_sub(self.tally.records());
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let is_before = |at: &&Timestamp| self.tick.is_none_or(|tick| **at < tick);
        let fits = at.iter().take(room).take_while(is_before).count();
        // a row at the end of time is at its tick already
        let to = from + fits.max(1);
        self.add((rows, values), from..to);
        (cut, to)
    }

    fn add(&mut self, (rows, values): (&Binned, &[Values<'_>]), part: Range<usize>) {
        let columns = Columns {
            model: self.key.model.as_str(),
            version: self.key.version.as_str(),
            at: &rows.at,
            carried: rows.carried,
            values,
        };
        let (router, head) = (&mut self.router, self.head);
        self.tally.add_columns(router, &columns, part, head);
    }

    /// Cuts a delta if a row of this time must not be in it.
    fn pass(&mut self, at: Timestamp) -> Option<Delta> {
        let is_past = self.tick.is_some_and(|tick| at >= tick);
        let is_full = self.tally.records() >= DELTA_ROWS_MAX;
        let cut = (is_past || is_full).then(|| self.cut(false));
        if is_past || self.tick.is_none() {
            self.tick = Some(at.floor(self.pane) + self.pane);
        }
        cut
    }

    /// The delta of all rows since the last one.
    pub(super) fn cut(&mut self, at_end: bool) -> Delta {
        let from = self.head;
        let to = from + i64::try_from(self.tally.records()).unwrap_or(i64::MAX);
        self.head = to;
        let range = tally::Range {
            chain: self.chain.clone(),
            from,
            to,
            writer: 0,
            attempt: 0,
        };
        self.tally.take(&self.router, range, at_end)
    }
}

#[cfg(test)]
mod tests;
