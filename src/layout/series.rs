//! One series of a layout: what its cells are, and which of them a value falls into.

use std::sync::Arc;

use super::categories::{Category, CategoryBins};
use super::edges::NumericBins;
use super::{Kind, LayoutError, SERIES_NAME_BYTES_MAX};
use crate::decode::Value;
use crate::key::{Name, NameError, Role};

/// The bins of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bins {
    /// Of numbers.
    Numeric(NumericBins),
    /// Of strings and booleans.
    Categorical(CategoryBins),
}

/// One series of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesLayout {
    name: Arc<str>,
    role: Role,
    kind: Kind,
    bins: Bins,
    /// How many bins the two merges name: asked for each series of each window that is judged.
    display_bins: usize,
    test_bins: usize,
}

/// What a cell of a series stands for, to be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Numbers above `lower` and at most `upper`; `None` is an open end.
    Range {
        /// The exclusive lower bound.
        lower: Option<f64>,
        /// The inclusive upper bound.
        upper: Option<f64>,
    },
    /// The one number of a point bin.
    Point(f64),
    /// A category.
    Category(&'a Category),
    /// The categories that the reference knows beyond the cap.
    Other,
    /// What the reference never saw.
    New,
    /// Nulls and absent values.
    Missing,
    /// Values of another type.
    Invalid,
}

impl SeriesLayout {
    /// A series called `name`, with bins that fit its kind.
    pub fn new(name: &str, role: Role, kind: Kind, bins: Bins) -> Result<Self, LayoutError> {
        check_name(name)?;
        let name = Arc::<str>::from(name);
        let fits = match &bins {
            Bins::Numeric(_) => kind == Kind::Numeric,
            Bins::Categorical(bins) => match kind {
                Kind::Numeric => false,
                Kind::Categorical => bins.hash().is_of(&name),
                Kind::Boolean => bins.are_boolean(),
            },
        };
        if !fits {
            return Err(LayoutError::Kind(name));
        }
        let mut series = Self {
            name,
            role,
            kind,
            bins,
            display_bins: 0,
            test_bins: 0,
        };
        series.display_bins = bins_named(series.display());
        series.test_bins = bins_named(series.tests());
        Ok(series)
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its bins.
    pub fn bins(&self) -> &Bins {
        &self.bins
    }

    /// The cells of the series, [`Self::value_cells`] and two more.
    pub fn cells(&self) -> usize {
        self.value_cells() + 2
    }

    /// The cells of present, valid values: they come first.
    pub fn value_cells(&self) -> usize {
        self.display().len()
    }

    /// The cell of nulls and absent values.
    pub fn missing_cell(&self) -> usize {
        self.value_cells()
    }

    /// The cell of values of another type.
    pub fn invalid_cell(&self) -> usize {
        self.value_cells() + 1
    }

    /// The cell of categories that the reference knows beyond the cap; numbers have none.
    pub fn other_cell(&self) -> Option<usize> {
        match &self.bins {
            Bins::Numeric(_) => None,
            Bins::Categorical(bins) => Some(bins.other_cell()),
        }
    }

    /// The cell of categories that the reference never saw; numbers have none.
    pub fn new_cell(&self) -> Option<usize> {
        match &self.bins {
            Bins::Numeric(_) => None,
            Bins::Categorical(bins) => Some(bins.new_cell()),
        }
    }

    /// The cell of a value. Total: NaN, infinities and values of another type are invalid, and
    /// `-0.0` is `0.0`.
    #[inline]
    pub fn cell_of(&self, value: Value<'_>) -> usize {
        match (&self.bins, value) {
            (Bins::Numeric(bins), Value::Number(x)) if x.is_finite() => bins.edges().bin_of(x),
            (Bins::Categorical(bins), Value::Text(text)) if self.kind == Kind::Categorical => {
                bins.cell_of(text)
            }
            (Bins::Categorical(bins), Value::Bool(truth)) if self.kind == Kind::Boolean => {
                bins.cell_of(text_of(truth))
            }
            (_, Value::Missing) => self.missing_cell(),
            _ => self.invalid_cell(),
        }
    }

    /// The bin shown to people of each value cell: deciles, or categories.
    pub fn display(&self) -> &[u8] {
        match &self.bins {
            Bins::Numeric(bins) => bins.display(),
            Bins::Categorical(bins) => bins.merge(),
        }
    }

    /// How many bins [`Self::display`] names.
    pub fn display_bins(&self) -> usize {
        self.display_bins
    }

    /// The upper edges of the bins shown of numbers, without the last one, which is open.
    pub fn display_edges(&self) -> Vec<f64> {
        match &self.bins {
            Bins::Numeric(bins) => bins.upper_edges_of(bins.display()),
            Bins::Categorical(_) => Vec::new(),
        }
    }

    /// The bin of each value cell for tests: about 16 of numbers, or categories.
    pub fn tests(&self) -> &[u8] {
        match &self.bins {
            Bins::Numeric(bins) => bins.tests(),
            Bins::Categorical(bins) => bins.merge(),
        }
    }

    /// How many bins [`Self::tests`] names.
    pub fn test_bins(&self) -> usize {
        self.test_bins
    }

    /// Whether each value cell of numbers holds exactly one number; empty for categories.
    pub fn points(&self) -> &[bool] {
        match &self.bins {
            Bins::Numeric(bins) => bins.points(),
            Bins::Categorical(_) => &[],
        }
    }

    /// What `cell` stands for; `None` beyond [`Self::cells`].
    pub fn cell(&self, cell: usize) -> Option<Cell<'_>> {
        match (&self.bins, cell.checked_sub(self.value_cells())) {
            (_, Some(0)) => Some(Cell::Missing),
            (_, Some(1)) => Some(Cell::Invalid),
            (_, Some(_)) => None,
            (Bins::Numeric(bins), None) => Some(bins.cell(cell)),
            (Bins::Categorical(bins), None) => Some(match bins.categories().get(cell) {
                Some(category) => Cell::Category(category),
                None if cell == bins.other_cell() => Cell::Other,
                None => Cell::New,
            }),
        }
    }
}

/// The category that a boolean is.
#[inline]
pub fn text_of(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}

/// How many bins a merge of cells names: it is ascending, so its last bin tells.
fn bins_named(merge: &[u8]) -> usize {
    merge.iter().max().map_or(0, |bin| usize::from(*bin) + 1)
}

fn check_name(name: &str) -> Result<(), LayoutError> {
    match Name::check(name) {
        Err(NameError::TooLong(bytes)) if bytes > SERIES_NAME_BYTES_MAX => {
            Err(LayoutError::LongName(bytes))
        }
        // the prefix of a nested or reserved name may take it past the bound of its own name
        Err(NameError::TooLong(_)) if !name.chars().any(char::is_control) => Ok(()),
        Err(NameError::TooLong(_)) => Err(LayoutError::Name(NameError::Unprintable)),
        Err(error) => Err(LayoutError::Name(error)),
        Ok(()) => Ok(()),
    }
}
