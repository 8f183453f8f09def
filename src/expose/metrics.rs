//! The page of Prometheus: what there is, and how it is read off the board.
//!
//! The page is made from the board at each scrape, so a series that goes away is gone from it, and
//! nothing has to be unregistered. [`METRICS`] says of every metric its name, labels, type and
//! meaning; whoever adds a sample names an entry of it.
//!
//! ```text
//! scores    change when windows close    rendered once for each set of closed windows, then kept
//! the rest  changes all the time         a few lines a topic, partition and model version
//! ```
//!
//! A *score series* is one series in one window against one reference. While there are no more of
//! them than `limits.metric_series_max` all are exported, else the worst by adjusted PSI, over all
//! model versions; `driftd_series_omitted` says how many are left out. Each set of windows is
//! ranked afresh: a series near the limit may come and go, until ranking prefers those that
//! were shown.

use axum::body::Bytes;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;

use crate::board::Board;
use crate::config::SurfaceLimits;
use crate::expose::{Local, Shared};

mod alerts;
mod calls;
mod folded;
mod local;
mod scores;
mod table;
mod text;

use self::text::Text;

pub use self::table::{Join, Kind, METRICS, Metric};

/// The media type of the page: version 0.0.4 of the text format.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page: what changes all the time, and the scores, which scrapes share.
pub type Parts = [Bytes; 2];

/// The page, with what of it is kept between scrapes.
pub(super) struct Page {
    scores: scores::Rendered,
    process: ProcessCollector,
}

impl Page {
    pub(super) fn new(limits: SurfaceLimits) -> Self {
        Self {
            scores: scores::Rendered::new(limits.metric_series_max),
            process: ProcessCollector::for_self(),
        }
    }

    /// The page of now; `board` is the one to show, once the state log is folded.
    pub(super) fn render(&mut self, board: Option<&Board>, local: &Local) -> Parts {
        let mut page = Text::default();
        local::write(&mut page, local, board.is_some());
        page.families(&self.process.collect());
        let mut scores = Bytes::new();
        if let Some(board) = board {
            folded::write(&mut page, board);
            alerts::write(&mut page, board);
            calls::write(&mut page, board);
            scores = self.scores.of(board);
        }
        [page.0.into(), scores]
    }
}

impl Shared {
    /// The page of now, for those who do not ask over HTTP; not to be called from async code.
    pub fn metrics(&self) -> Parts {
        self.render(&mut self.page.blocking_lock())
    }

    /// The page of now, by whose turn it is: counters must not go back from one scrape to the next.
    pub(super) fn render(&self, page: &mut Page) -> Parts {
        let board = self.board().filter(|board| board.ready);
        page.render(board.as_deref(), &self.local())
    }
}

/// A count as a value.
#[expect(
    clippy::cast_precision_loss,
    reason = "values of metrics are floats: exact up to 2^53"
)]
const fn real(count: u64) -> f64 {
    count as f64
}

/// A flag as a value.
const fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests;
