//! Scores: the counts of a window against those of a reference, series by series.
//!
//! PSI, JS distance, Hellinger and L-infinity are over the bins that people see (the deciles of the
//! reference, or its categories); KS, Wasserstein and AUC use all stored bins. Only present, valid
//! values count; what was missing, invalid or new is told beside the scores, with the number of
//! rows they stand on. Too few rows give a reason instead of numbers.

pub mod calls;

use std::sync::Arc;

use crate::fold::model::ModelState;
use crate::fold::window::Window;
use crate::layout::{Kind, SeriesLayout};
use crate::reference::{Reference, ReferenceRole, SeriesReference};
use crate::stats::{self, Ks};

/// Present values that a window needs for scores.
pub const ROWS_MIN: u64 = 5;

/// Why there are no scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insufficient {
    /// Fewer than [`ROWS_MIN`] present values in the window.
    FewRows,
    /// No present value in the reference.
    EmptyReference,
    /// No reference knows the series.
    NoReference,
}

impl Insufficient {
    /// The text used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FewRows => "fewer than 5 values in the window",
            Self::EmptyReference => "no value in the reference",
            Self::NoReference => "no reference",
        }
    }
}

/// How many rows of a window went where, for one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tallied {
    /// Rows that carry the series' role.
    pub rows: u64,
    /// Those without a value.
    pub missing: u64,
    /// Those with a value that the series cannot hold.
    pub invalid: u64,
    /// Those with a category that the reference never saw.
    pub novel: u64,
}

impl Tallied {
    /// Rows with a value.
    pub fn present(&self) -> u64 {
        self.rows - self.missing - self.invalid
    }
}

/// The scores of one series in one window against one reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Population stability index, Jeffreys-smoothed, natural logarithm.
    pub psi: f64,
    /// PSI without what it would be on average with no change; may be negative.
    pub psi_adjusted: f64,
    /// A 95 % interval of the latter.
    pub psi_ci: (f64, f64),
    /// Jensen-Shannon distance, base 2, in `[0, 1]`.
    pub js_distance_bits: f64,
    /// The largest difference of two shares.
    pub l_infinity: f64,
    /// The display bin of that difference.
    pub l_infinity_bin: usize,
    /// Hellinger distance, in `[0, 1]`.
    pub hellinger: f64,
    /// What only numbers have.
    pub numeric: Option<NumericScores>,
}

/// Scores of numbers, over all stored bins.
#[derive(Debug, Clone, PartialEq)]
pub struct NumericScores {
    /// Bounds of the two-sample Kolmogorov-Smirnov distance, and its p-value.
    pub ks: Ks,
    /// Wasserstein-1 distance in standard deviations of the reference; `None` where that has none.
    pub wasserstein_sigma: Option<f64>,
    /// The probability that a live value exceeds a reference value, ties half.
    pub auc: f64,
}

/// One series of a window against one reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Its index in the layout.
    pub series: usize,
    /// The reference.
    pub against: ReferenceRole,
    /// How many rows went where.
    pub tallied: Tallied,
    /// The scores, or why there are none.
    pub scores: Result<Scores, Insufficient>,
}

/// How many rows of these cells of a series went where.
pub fn tallied(layout: &SeriesLayout, cells: &[u64]) -> Tallied {
    let at = |cell: usize| cells.get(cell).copied().unwrap_or(0);
    Tallied {
        rows: cells.iter().sum(),
        missing: at(layout.missing_cell()),
        invalid: at(layout.invalid_cell()),
        novel: layout.new_cell().map_or(0, at),
    }
}

/// Merges value cells into the bins that people see.
pub fn displayed(layout: &SeriesLayout, cells: &[u64]) -> Vec<u64> {
    let mut bins = vec![0; layout.display_bins()];
    for (bin, count) in layout.display().iter().zip(cells) {
        if let Some(sum) = bins.get_mut(usize::from(*bin)) {
            *sum += count;
        }
    }
    bins
}

/// Scores one series; `cells` are those of the series, special ones included.
pub fn score(
    layout: &SeriesLayout,
    reference: &SeriesReference,
    cells: &[u64],
) -> Result<Scores, Insufficient> {
    if tallied(layout, cells).present() < ROWS_MIN {
        return Err(Insufficient::FewRows);
    }
    let short = |_empty| Insufficient::EmptyReference;
    let counts = reference.counts.to_vec();
    let (then, now) = (displayed(layout, &counts), displayed(layout, cells));
    let psi = stats::psi(&then, &now).map_err(short)?;
    let distances = stats::distances(&then, &now).map_err(short)?;
    Ok(Scores {
        psi: psi.value,
        psi_adjusted: psi.adjusted,
        psi_ci: psi.ci,
        js_distance_bits: distances.js_distance_bits(),
        l_infinity: distances.l_infinity,
        l_infinity_bin: distances.l_infinity_bin,
        hellinger: distances.hellinger,
        numeric: match layout.kind() {
            Kind::Numeric => Some(numeric(layout, (reference, &counts), cells).map_err(short)?),
            Kind::Categorical | Kind::Boolean => None,
        },
    })
}

fn numeric(
    layout: &SeriesLayout,
    (reference, counts): (&SeriesReference, &[u64]),
    cells: &[u64],
) -> Result<NumericScores, stats::Insufficient> {
    let values = layout.value_cells();
    let then = counts.get(..values).unwrap_or(&[]);
    let now = cells.get(..values).unwrap_or(&[]);
    let distance = stats::wasserstein(then, now, &reference.means, reference.sd)?;
    Ok(NumericScores {
        ks: stats::ks_binned(then, now, layout.points())?,
        wasserstein_sigma: distance.sigmas,
        auc: stats::auc_value(then, now)?,
    })
}

/// Scores every series of the layout against every reference of a model version.
///
/// In the order of the layout, training before baseline.
pub fn score_window(model: &ModelState, window: &Window) -> Vec<Scored> {
    let Some(shape) = &model.shape else {
        return Vec::new();
    };
    let references = model.references.iter().count();
    let mut all = Vec::with_capacity(shape.series().len() * references);
    for (series, layout) in shape.series().iter().enumerate() {
        let cells = window.cells_of(shape, series);
        let tallied = tallied(layout, &cells);
        for reference in model.references.iter() {
            let against = reference.header.role;
            let scores = score_against(layout, reference, series, &cells);
            all.push(Scored {
                series,
                against,
                tallied,
                scores,
            });
        }
    }
    all
}

/// Scores one series against one reference.
pub fn score_against(
    layout: &SeriesLayout,
    reference: &Arc<Reference>,
    series: usize,
    cells: &[u64],
) -> Result<Scores, Insufficient> {
    match reference.series.get(series) {
        Some(reference) => score(layout, reference, cells),
        None => Err(Insufficient::NoReference),
    }
}
