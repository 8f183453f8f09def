//! Two histograms over the same bins, and what every score first needs of them.
//!
//! Shares differ by little where drift is small, so they are never subtracted as floats:
//!
//! ```text
//! q_j - p_j = (c_j m - r_j n) / (n m)        the numerator is exact in 128 bits
//! n_h = n m / (n + m)                        the size that a comparison of n with m rows is worth
//! ```

use std::error::Error;
use std::fmt;
use std::iter::zip;

/// The largest count of one bin for which results are promised: 10^12 rows. With larger ones totals
/// saturate and the numbers lose meaning.
pub const BIN_COUNT_MAX: u64 = 1_000_000_000_000;

/// Why two histograms cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Insufficient {
    /// The reference has no rows in any bin.
    NoReferenceRows,
    /// The current window has no rows in any bin.
    NoCurrentRows,
}

impl fmt::Display for Insufficient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoReferenceRows => "the reference has no rows",
            Self::NoCurrentRows => "the window has no rows",
        })
    }
}

impl Error for Insufficient {}

/// Two histograms over the same bins, both with rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    reference: &'a [u64],
    current: &'a [u64],
    /// Rows of the reference, `m` in the formulas.
    pub(super) reference_rows: u64,
    /// Rows of the current window, `n` in the formulas.
    pub(super) current_rows: u64,
}

impl<'a> Pair<'a> {
    /// Checks what all scores need. Panics where the histograms are not over the same bins.
    pub(super) fn new(reference: &'a [u64], current: &'a [u64]) -> Result<Self, Insufficient> {
        assert_eq!(
            reference.len(),
            current.len(),
            "reference and current must be counted in the same bins"
        );
        let reference_rows = total(reference);
        let current_rows = total(current);
        if reference_rows == 0 {
            return Err(Insufficient::NoReferenceRows);
        }
        if current_rows == 0 {
            return Err(Insufficient::NoCurrentRows);
        }
        Ok(Self {
            reference,
            current,
            reference_rows,
            current_rows,
        })
    }

    /// `(r_j, c_j)` in bin order.
    pub(super) fn cells(self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        zip(self.reference, self.current).map(|(&reference, &current)| (reference, current))
    }

    /// The number of bins, empty ones included.
    pub(super) fn bins(self) -> usize {
        self.reference.len()
    }

    /// The number of bins that hold a row of either side.
    pub(super) fn bins_filled(self) -> usize {
        self.cells()
            .filter(|&(reference, current)| reference + current > 0)
            .count()
    }

    /// `m` as a float.
    pub(super) fn m(self) -> f64 {
        real(self.reference_rows)
    }

    /// `n` as a float.
    pub(super) fn n(self) -> f64 {
        real(self.current_rows)
    }

    /// `n_h = n m / (n + m)`.
    pub(super) fn harmonic_rows(self) -> f64 {
        harmonic_rows(self.reference_rows, self.current_rows)
    }

    /// `c m - r n`: by how much the current share exceeds the reference share, times `n m`. Takes
    /// counts of one bin or cumulative counts.
    pub(super) fn excess(self, reference: u64, current: u64) -> i128 {
        i128::from(current) * i128::from(self.reference_rows)
            - i128::from(reference) * i128::from(self.current_rows)
    }
}

/// The size `n_h = n m / (n + m)` that a comparison of `n` current with `m` reference rows is
/// worth; 0 where a side is empty. It turns a divergence into a chi-squared statistic.
pub fn harmonic_rows(reference_rows: u64, current_rows: u64) -> f64 {
    if reference_rows == 0 {
        return 0.0;
    }
    let (m, n) = (real(reference_rows), real(current_rows));
    m / (m + n) * n
}

fn total(counts: &[u64]) -> u64 {
    counts
        .iter()
        .fold(0, |sum, &count| sum.saturating_add(count))
}

/// A count as a float: exact up to 2^53, which 9,000 bins of [`BIN_COUNT_MAX`] reach.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, far above any promised total"
)]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

/// The number of bins or tests as a float.
#[expect(
    clippy::cast_precision_loss,
    reason = "no slice of bins has 2^53 elements"
)]
pub(super) fn real_len(len: usize) -> f64 {
    len as f64
}

/// A difference of products of counts, rounded once.
#[expect(
    clippy::cast_precision_loss,
    reason = "rounded to nearest, the only rounding it gets"
)]
pub(super) fn real_wide(value: i128) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_side_is_named() {
        assert_eq!(
            Pair::new(&[0, 0], &[1, 2]).unwrap_err(),
            Insufficient::NoReferenceRows
        );
        assert_eq!(
            Pair::new(&[1, 2], &[0, 0]).unwrap_err(),
            Insufficient::NoCurrentRows
        );
        assert_eq!(
            Pair::new(&[], &[]).unwrap_err(),
            Insufficient::NoReferenceRows
        );
        assert_eq!(
            Insufficient::NoCurrentRows.to_string(),
            "the window has no rows"
        );
    }

    #[test]
    #[should_panic(expected = "same bins")]
    fn different_bins_are_a_bug() {
        let _unreachable = Pair::new(&[1], &[1, 2]);
    }

    #[test]
    fn the_excess_is_exact_where_floats_would_round() {
        let pair = Pair::new(&[1_000_000_000_000, 1], &[999_999_999_999, 1]).unwrap();
        assert_eq!(pair.excess(1, 1), 1);
        assert_eq!(pair.excess(1_000_000_000_000, 999_999_999_999), -1);
    }

    #[test]
    fn harmonic_rows_are_half_of_equal_sizes_and_nothing_without_rows() {
        assert!((harmonic_rows(100, 100) - 50.0).abs() < 1e-12);
        assert!((harmonic_rows(10_000, 1) - 10_000.0 / 10_001.0).abs() < 1e-12);
        assert!(harmonic_rows(0, 5).abs() < 1e-300);
        assert!(harmonic_rows(5, 0).abs() < 1e-300);
    }
}
