//! How the values of a model version's series become cells to count in.
//!
//! The reference owns the bins: a layout is computed once from a reference and never from live
//! data, so counts of any two windows can be added and compared. A [`Layout`] is a list of series
//! in the order of their names; each has cells, numbered from 0:
//!
//! ```text
//! numeric       value bins 0..B, missing, invalid              B = edges + 1
//! categorical   categories 0..C, other, new, missing, invalid  also booleans: `false`, `true`
//! ```
//!
//! `other` holds the categories that the reference knows beyond the cap, `new` what it never saw,
//! `missing` a null or an absent value, `invalid` one of another type: numbers are never read from
//! strings, nor strings from numbers. A value falls into exactly one cell, and every value into
//! some.
//!
//! The cells of all series are numbered through: cell `c` of series `s` is `offset(s) + c`.
//!
//! ```text
//! series  amount (3 value bins)    vip (`false`, `true`)
//! cells   0 1 2   3       4        5     6    7     8   9       10
//!         values  missing invalid  false true other new missing invalid
//! ```
//!
//! A layout is known by the SHA-256 of its canonical bytes (see [`Layout::to_bytes`]), the same on
//! every machine. Two merges of the value cells are part of it, since they come from the
//! reference's counts: the bins that people see ([`SeriesLayout::display`]) and those that tests
//! use ([`SeriesLayout::tests`]).

mod canonical;
mod categories;
mod digest;
mod edges;
mod merge;
mod series;
mod universal;

use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::image::run;
use crate::key::{NAME_BYTES_MAX, NameError};

pub use self::categories::{
    CATEGORIES_MAX, CATEGORY_BYTES_MAX, Category, CategoryBins, CategoryError, CategoryHash,
    OTHERS_MAX, PRIVATE_COUNT_MIN, ShortText,
};
pub use self::digest::{Digest, DigestError};
pub use self::edges::{
    EDGES_MAX, EdgeCollector, Edges, EdgesError, NumericBins, QUANTILE_BINS, Quantiles,
};
pub use self::merge::{TEST_BINS, TEST_BINS_MAX};
pub use self::series::{Bins, Cell, SeriesLayout, text_of};
pub use self::universal::{
    GRID_CELLS, LooseCounts, TEXT_BYTES_MAX, TEXTS_MAX, grid_bounds, grid_of,
};

/// The name of this way to bin and to smooth, as it stands in the header of a reference: deciles by
/// the inverted CDF, and Jeffreys' half a count in each of them.
pub const CONVENTION: &str = "deciles-inverted-cdf-jeffreys";

/// The most series in one layout; more are refused.
pub const SERIES_MAX: usize = 10_000;

/// The most canonical bytes of a layout, which go into the state log; more are refused. Only
/// columns of very many categories, of which there are also very many, come near it.
pub const LAYOUT_BYTES_MAX: usize = 64 << 20;

/// The longest name of a series: a name and the prefix that a reserved or nested one gets.
pub const SERIES_NAME_BYTES_MAX: usize = NAME_BYTES_MAX + "prediction.".len();

/// What the values of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers.
    Numeric,
    /// Strings.
    Categorical,
    /// `true` and `false`.
    Boolean,
}

impl Kind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Numeric, Self::Categorical, Self::Boolean];

    /// The name used in files, the log and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Numeric => "numeric",
            Self::Categorical => "categorical",
            Self::Boolean => "boolean",
        }
    }

    /// The kind of a name used in files, the log and the API.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Why a layout cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// More than [`SERIES_MAX`] series.
    #[error("a layout of {0} series, more than {SERIES_MAX}")]
    TooManySeries(usize),
    /// More than [`LAYOUT_BYTES_MAX`] canonical bytes.
    #[error(
        "a layout of {0} bytes, more than {LAYOUT_BYTES_MAX}: leave out columns of many categories"
    )]
    TooLarge(usize),
    /// Two series of one name.
    #[error("two series are named `{0}`")]
    TwoSeries(Arc<str>),
    /// A series whose name is longer than [`SERIES_NAME_BYTES_MAX`].
    #[error("a series name has {0} bytes, more than {SERIES_NAME_BYTES_MAX}")]
    LongName(usize),
    /// A series whose name breaks another rule for names.
    #[error("a series has no usable name")]
    Name(#[source] NameError),
    /// Bins that do not belong to the kind of the series.
    #[error("series `{0}` has bins of another kind")]
    Kind(Arc<str>),
    /// Edges that are none.
    #[error("series has unusable edges")]
    Edges(#[from] EdgesError),
    /// Categories that are none.
    #[error("series has unusable categories")]
    Categories(#[from] CategoryError),
    /// Bytes that end too early.
    #[error("the layout's bytes end too early")]
    Truncated,
    /// Bytes that are no layout, or one of a format that this version does not know.
    #[error("these bytes are not a layout that this version can read")]
    Format,
    /// Bytes that mean a layout, but not in the one form that it has.
    #[error("the layout's bytes are not in canonical form")]
    NotCanonical,
}

/// The series of a model version and their cells.
#[derive(Debug, Clone)]
pub struct Layout {
    series: Vec<SeriesLayout>,
    /// The first cell of each series, and at the end the number of all cells.
    offsets: Vec<usize>,
    digest: Digest,
}

/// Layouts are equal when their canonical bytes are.
impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Layout {}

impl Layout {
    /// A layout of these series, in any order.
    pub fn new(mut series: Vec<SeriesLayout>) -> Result<Self, LayoutError> {
        if series.len() > SERIES_MAX {
            return Err(LayoutError::TooManySeries(series.len()));
        }
        series.shrink_to_fit();
        series.sort_by(|a, b| a.name().cmp(b.name()));
        let mut pairs = series.iter().zip(series.iter().skip(1));
        if let Some((twice, _)) = pairs.find(|(a, b)| a.name() == b.name()) {
            return Err(LayoutError::TwoSeries(Arc::clone(twice.name())));
        }
        let mut offsets = vec![0];
        let mut cells = 0;
        for series in &series {
            cells += series.cells();
            offsets.push(cells);
        }
        let bytes = canonical::encode(&series);
        if bytes.len() > LAYOUT_BYTES_MAX {
            return Err(LayoutError::TooLarge(bytes.len()));
        }
        let digest = Digest::of(&bytes);
        Ok(Self {
            series,
            offsets,
            digest,
        })
    }

    /// The series in the order of the bytes of their names.
    pub fn series(&self) -> &[SeriesLayout] {
        &self.series
    }

    /// The place of a series in [`Self::series`].
    pub fn find(&self, name: &str) -> Option<usize> {
        self.series
            .binary_search_by(|series| series.name().as_ref().cmp(name))
            .ok()
    }

    /// The SHA-256 of [`Self::to_bytes`].
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The number of cells of all series.
    pub fn cells(&self) -> usize {
        self.offset(self.series.len())
    }

    /// The first cell of a series; beyond the last series, the number of all cells.
    pub fn offset(&self, series: usize) -> usize {
        self.offsets
            .get(series)
            .or(self.offsets.last())
            .copied()
            .unwrap_or(0)
    }

    /// The one canonical form, independent of the machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::encode(&self.series)
    }

    /// Reads [`Self::to_bytes`]; never panics, whatever the bytes, nor takes more memory than they
    /// have room for.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let layout = Self::new(canonical::decode(bytes)?)?;
        if layout.digest != Digest::of(bytes) {
            return Err(LayoutError::NotCanonical);
        }
        Ok(layout)
    }
}

/// The digest of a layout in a snapshot, where first versions wrote all of the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayoutName(pub(crate) Digest);

impl Serialize for LayoutName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.0)
    }
}

impl<'de> Deserialize<'de> for LayoutName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = run::deserialize(deserializer)?;
        if bytes.starts_with(canonical::MAGIC) {
            return Ok(Self(Digest::of(&bytes)));
        }
        let digest = bytes.try_into();
        let digest = digest.map_err(|_other| D::Error::custom("not the digest of a layout"));
        Ok(Self(Digest(digest?)))
    }
}

#[cfg(test)]
mod tests;
