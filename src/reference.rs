//! What live data is compared with: the counts of a snapshot, in the bins that it owns.
//!
//! A [`Reference`] is of one model version and in one role: `training`, what the model was trained
//! on (live data against it is skew), or `baseline`, a healthy period of serving (against it is
//! drift). It has a [`Layout`], for each series of it the count in each cell, and where its rows
//! have times the counts of each hour, which teach how much the data varies by nature:
//!
//! ```text
//! series  reference  cells of the layout                      exact, all scores are from these
//! hour    block      test bins, then missing and invalid      coarser, in all hours together the
//! same
//! ```
//!
//! - [`build`] makes one from files, in bounded memory; [`learn`] from the counts of live rows.
//! - [`artifact`] is its one file, [`store`] where such files are found.
//! - [`show`] tells people what is in it.
//!
//! Two references of the same digest are the same for every score: the digest covers layout, counts
//! and statistics, and neither names, nor times, nor hours, nor where the rows came from. The same
//! rows in another order, from more files or from another format give the same digest.

pub mod artifact;
pub mod build;
mod check;
pub mod exact;
pub mod learn;
mod moments;
pub mod narrow;
pub mod natural;
pub mod progress;
pub mod show;
pub mod store;
pub mod zone;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::key::{Carrier, Name};
use crate::layout::{CONVENTION, Digest, Layout, SeriesLayout};
use crate::reference::narrow::Narrow;
use crate::reference::natural::Natural;
use crate::time::{Length, Timestamp};

pub use self::check::ReferenceError;

/// The most rows of a reference, so that every count is exact as a float.
pub const ROWS_MAX: u64 = 1 << 53;

/// The length of a block.
pub const BLOCK: Length = Length::HOUR;

/// What the rows of a reference are to the model. In the order of activation: a training reference
/// owns the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceRole {
    /// What it was trained on: live data against it is skew.
    Training,
    /// A healthy period of serving: live data against it is drift.
    Baseline,
}

impl ReferenceRole {
    /// Both roles.
    pub const ALL: [Self; 2] = [Self::Training, Self::Baseline];

    /// The name used in files, the log and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Baseline => "baseline",
        }
    }

    /// The role of a name used in files, the log and the API.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// What a reference is of and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// What the rows are to the model.
    pub role: ReferenceRole,
    /// The way to bin and to smooth, [`CONVENTION`].
    pub convention: Arc<str>,
    /// Rows.
    pub rows: u64,
    /// The smallest event time, where rows have times.
    pub first_event: Option<Timestamp>,
    /// The largest event time, where rows have times.
    pub last_event: Option<Timestamp>,
    /// The time zone of hours of the day, an IANA name; UTC where there is none.
    pub timezone: Option<String>,
    /// Whether driftd learned it from live rows by itself, so that its edges are points of the grid
    /// that rows without a layout are counted on.
    pub learned: bool,
    /// How much series matter to the model, by name, numbers from 0 on; others count as 1.
    pub importances: BTreeMap<String, f64>,
    /// Where the rows come from.
    pub provenance: Provenance,
}

impl Header {
    /// A header of a reference without rows, from nowhere, by this version of driftd.
    pub fn new(model: Name, version: Name, role: ReferenceRole) -> Self {
        Self {
            model,
            version,
            role,
            convention: CONVENTION.into(),
            rows: 0,
            first_event: None,
            last_event: None,
            timezone: None,
            learned: false,
            importances: BTreeMap::new(),
            provenance: Provenance {
                inputs: Vec::new(),
                created_at: None,
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            },
        }
    }
}

/// Where the rows of a reference come from, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The files read; none for a reference that comes from live rows.
    pub inputs: Vec<Input>,
    /// When the reference was made, where somebody said so.
    pub created_at: Option<Timestamp>,
    /// The version of driftd that made it.
    pub tool_version: String,
}

/// A file that rows were read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The name of the file, without its directory.
    pub name: String,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
}

/// The counts of one series, and of numbers also what bins lose.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeriesReference {
    /// The count of each cell of the series.
    pub counts: Narrow,
    /// Of numbers, the mean of the reference's values in each value bin. An empty bin has the edge
    /// that is nearest to the mean of all, and below and above all values their minimum and
    /// maximum. Empty for categories.
    pub means: Vec<f64>,
    /// The mean of present numbers; 0 where there are none, as below.
    pub mean: f64,
    /// Their standard deviation, that of a population.
    pub sd: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// The rows of one hour, where the reference has times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourBlock {
    /// The start of the hour, UTC.
    pub start: Timestamp,
    /// Its rows.
    pub rows: u64,
    /// Those that carry each [`Carrier`].
    pub carried: [u64; 4],
    /// `(cell, count)` in ascending order of the cells of [`BlockCells`], counts above 0.
    pub cells: Vec<(u32, u64)>,
}

/// The cells of blocks: of each series of a layout in turn its test bins, then missing and invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockCells {
    /// The first cell of each series, and at the end the number of all cells.
    offsets: Vec<usize>,
}

impl BlockCells {
    /// The cells of blocks counted in `layout`.
    pub fn new(layout: &Layout) -> Self {
        let mut offsets = vec![0];
        let mut cells = 0;
        for series in layout.series() {
            cells += Self::of(series);
            offsets.push(cells);
        }
        Self { offsets }
    }

    /// The block cells of one series.
    pub fn of(series: &SeriesLayout) -> usize {
        series.test_bins() + 2
    }

    /// The number of cells of all series.
    pub fn cells(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// The first cell of a series, by its place in the layout.
    pub fn offset(&self, series: usize) -> usize {
        self.offsets.get(series).copied().unwrap_or(self.cells())
    }

    /// The counts of one series in a block: its test bins, then missing and invalid.
    pub fn counts(&self, block: &HourBlock, series: usize) -> Vec<u64> {
        let (from, to) = (self.offset(series), self.offset(series + 1));
        let mut counts = vec![0; to - from];
        let start = block
            .cells
            .partition_point(|(cell, _)| (*cell as usize) < from);
        for (cell, count) in block.cells.iter().skip(start) {
            match counts.get_mut(*cell as usize - from) {
                Some(sum) => *sum = *count,
                None => break,
            }
        }
        counts
    }
}

/// The block cell, within its series, of a cell of a series.
#[inline]
pub fn block_cell(series: &SeriesLayout, cell: usize) -> usize {
    match series.tests().get(cell) {
        Some(bin) => usize::from(*bin),
        None => series.test_bins() + (cell - series.value_cells()).min(1),
    }
}

/// A reference. Made and checked by [`Reference::new`]; not to be changed afterwards, or its digest
/// is that of another one.
#[derive(Debug, Clone)]
pub struct Reference {
    /// What it is of.
    pub header: Header,
    /// Its bins.
    pub layout: Arc<Layout>,
    /// Its counts, in the order of the layout's series.
    pub series: Vec<SeriesReference>,
    /// Rows that carry each [`Carrier`].
    pub carried: [u64; 4],
    /// Its hours, ascending; none where rows have no times.
    pub blocks: Vec<HourBlock>,
    /// What hours taught, where somebody learned from them.
    pub natural: Option<Arc<Natural>>,
    digest: Digest,
}

/// References are equal when everything in them is, provenance and hours included.
impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        (self.digest, &self.header, &self.blocks) == (other.digest, &other.header, &other.blocks)
    }
}

impl Reference {
    /// A reference of these parts, if they agree with each other: in every series each row that
    /// carries it is in one cell, and so in every hour; statistics are such as numbers in these
    /// bins can have; all hours together have no more than the whole.
    pub fn new(
        header: Header,
        layout: Arc<Layout>,
        series: Vec<SeriesReference>,
        carried: [u64; 4],
        blocks: Vec<HourBlock>,
    ) -> Result<Self, ReferenceError> {
        let digest = check::digest(&header, &layout, &series, carried);
        let reference = Self {
            header,
            layout,
            series,
            carried,
            blocks,
            natural: None,
            digest,
        };
        check::check(&reference)?;
        Ok(reference)
    }

    /// The SHA-256 of layout, counts and statistics: never of names, times, hours or provenance.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The same reference without its hours, which the state log has no use for.
    #[must_use]
    pub fn without_blocks(&self) -> Self {
        Self {
            header: self.header.clone(),
            layout: Arc::clone(&self.layout),
            series: self.series.clone(),
            carried: self.carried,
            blocks: Vec::new(),
            natural: self.natural.clone(),
            digest: self.digest,
        }
    }

    /// Whether windows are judged by `other` as by this one, and what moved stands in the same
    /// order: the same digest, the same taught by hours, the same importances.
    pub fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.natural == other.natural
            && self.header.importances == other.header.importances
    }

    /// A series of the reference by name, with its layout.
    pub fn find(&self, name: &str) -> Option<(&SeriesLayout, &SeriesReference)> {
        let at = self.layout.find(name)?;
        Some((self.layout.series().get(at)?, self.series.get(at)?))
    }

    /// Rows that carry a series: the sum of its counts.
    pub fn rows_of(&self, series: &SeriesLayout) -> u64 {
        let carrier = Carrier::of(series.role(), series.name());
        self.carried.get(carrier as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
