//! Windows: the sum of the twelve panes that end at a tick.
//!
//! ```text
//! tick     t = k * step, step = w / 6
//! window   [t - w, t), the sum of its panes under the layout in force
//! closed   watermark >= t
//! ```

use std::collections::BTreeMap;

use crate::fold::cells::Cells;
use crate::fold::model::ModelState;
use crate::fold::pane::Panes;
use crate::key::{Carrier, Role};
use crate::layout::{Layout, LooseCounts, SeriesLayout};
use crate::reference::narrow::Narrow;
use crate::time::{Length, Timestamp};

/// The counts of a model version over one window, under the layout in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Its length.
    pub length: Length,
    /// Where it ends; the event times in it are before this.
    pub end: Timestamp,
    /// Rows.
    pub rows: u64,
    /// Rows that were late against their record's timestamp.
    pub late: u64,
    /// Rows that carry each [`Carrier`].
    pub carried: [u64; 4],
    /// Rows counted under another layout, which cannot be scored with this one.
    pub rows_elsewhere: u64,
    /// Per cell of the layout; empty without one.
    pub cells: Narrow,
    /// Series that the layout does not know.
    pub loose: BTreeMap<(Role, Box<str>), LooseCounts>,
    /// Whether all its panes are still kept.
    pub kept: bool,
}

impl Window {
    /// Where it starts.
    pub fn start(&self) -> Timestamp {
        self.end - self.length
    }

    /// The counts of one series of the layout.
    pub fn cells_of(&self, shape: &Layout, series: usize) -> Vec<u64> {
        self.cells
            .at(shape.offset(series)..shape.offset(series + 1))
    }

    /// Rows that carry the key of a series.
    pub fn carried(&self, series: &SeriesLayout) -> u64 {
        let carrier = Carrier::of(series.role(), series.name());
        self.carried.get(carrier as usize).copied().unwrap_or(0)
    }
}

impl Panes {
    /// The end of the last window that is closed at this watermark.
    pub fn last_tick(&self, watermark: Timestamp) -> Timestamp {
        watermark.floor(self.step())
    }
}

/// No counts yet of the cells of the layout in force.
pub fn no_cells(model: &ModelState) -> Vec<u64> {
    vec![0; model.shape.as_ref().map_or(0, |shape| shape.cells())]
}

/// Adds up the panes of `panes` in the window that ends at `end`, a multiple of its pane, without
/// its cells: those of each pane are given to `each`, in order of time, with the start of the pane.
pub fn sum(
    model: &ModelState,
    panes: &Panes,
    end: Timestamp,
    mut each: impl FnMut(Timestamp, &Cells),
) -> Window {
    let start = end - panes.window();
    let mut window = Window {
        length: panes.window(),
        end,
        rows: 0,
        late: 0,
        carried: [0; 4],
        rows_elsewhere: 0,
        cells: Narrow::default(),
        loose: BTreeMap::new(),
        kept: panes.reaches(start),
    };
    for (start, pane) in panes.range(start, end) {
        window.rows_elsewhere += pane.rows();
        let Some(counts) = pane.under(model.layout) else {
            continue;
        };
        window.rows_elsewhere -= counts.rows;
        window.rows += counts.rows;
        window.late += counts.late;
        for (sum, count) in window.carried.iter_mut().zip(&counts.carried) {
            *sum += count;
        }
        each(start, &counts.cells);
        for (series, counts) in &counts.loose {
            window
                .loose
                .entry(series.clone())
                .or_default()
                .merge(counts);
        }
    }
    window
}
