//! The area under the ROC curve from two histograms of one score.
//!
//! The probability that a positive scores above a negative, ties half, and rows of one bin tied:
//!
//! ```text
//! a_j = F_(j-1) + p_j / 2      the share of negatives below a positive in bin j
//! AUC = sum_j q_j a_j          |AUC - true| <= sum over bins that are not points of q_j p_j / 2
//! ```
//!
//! For drift the reference stands for the negatives and the window for the positives: 1/2 without a
//! shift, and the probability that a new row exceeds an old one.

use super::counts::{Insufficient, Pair, real, real_wide};

/// The largest variance of a variable within [0, 1]: stands in where one row has none of its
/// own.
const VARIANCE_MAX: f64 = 0.25;

/// The area under the ROC curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Auc {
    /// With midranks, 0 to 1.
    pub value: f64,
    /// How far the bins may have moved it, at most, 0 to 1/2.
    pub binning_error: f64,
    /// The standard error of sampling, after `DeLong`, `DeLong` & Clarke-Pearson (1988).
    pub se: f64,
}

/// The area under the ROC curve of `positives` against `negatives`.
///
/// Both are row counts of the same bins of the score, ascending; `point_bins` says of each bin
/// whether it holds one value only, so that its ties are true ones.
///
/// # Panics
/// Where the three are of different length.
pub fn auc(negatives: &[u64], positives: &[u64], point_bins: &[bool]) -> Result<Auc, Insufficient> {
    assert_eq!(
        negatives.len(),
        point_bins.len(),
        "every bin must say whether it is a point"
    );
    let pair = Pair::new(negatives, positives)?;
    let value = value_of(pair);
    let hidden: i128 = (pair.cells().zip(point_bins))
        .filter(|(_, point)| !**point)
        .map(|((negative, positive), _)| i128::from(positive) * i128::from(negative))
        .sum();
    Ok(Auc {
        value,
        binning_error: real_wide(hidden) / (2.0 * pair.m() * pair.n()),
        se: standard_error(pair, value),
    })
}

/// [`Auc::value`] alone.
///
/// # Panics
/// Where the two are of different length.
pub fn auc_value(negatives: &[u64], positives: &[u64]) -> Result<f64, Insufficient> {
    Pair::new(negatives, positives).map(value_of)
}

fn value_of(pair: Pair<'_>) -> f64 {
    let (mut below, mut wins) = (0_u64, 0_i128);
    for (negative, positive) in pair.cells() {
        wins += i128::from(positive) * (2 * i128::from(below) + i128::from(negative));
        below += negative;
    }
    (real_wide(wins) / (2.0 * pair.m() * pair.n())).min(1.0)
}

/// The root of the variances of `a_j` over positives and of its counterpart over negatives, each
/// over its number of rows.
fn standard_error(pair: Pair<'_>, auc: f64) -> f64 {
    let (m, n) = (pair.m(), pair.n());
    let (mut below, mut below_positive) = (0, 0);
    let (mut of_positives, mut of_negatives) = (0.0, 0.0);
    for (negative, positive) in pair.cells() {
        let beaten = (real(below) + real(negative) / 2.0) / m;
        let beating = 1.0 - (real(below_positive) + real(positive) / 2.0) / n;
        of_positives += real(positive) * (beaten - auc) * (beaten - auc);
        of_negatives += real(negative) * (beating - auc) * (beating - auc);
        below += negative;
        below_positive += positive;
    }
    let variance = |squares: f64, rows: f64| {
        if rows > 1.0 {
            (squares / (rows - 1.0)).min(VARIANCE_MAX * rows / (rows - 1.0))
        } else {
            VARIANCE_MAX
        }
    };
    (variance(of_positives, n) / n + variance(of_negatives, m) / m).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::support::{close, finite, histograms};

    #[test]
    fn one_row_has_the_error_of_a_coin() {
        let one = auc(&[1_000, 1_000], &[0, 1], &[false, false]).unwrap();
        assert!(one.se > 0.5 && one.se < 0.51, "{}", one.se);
    }

    #[test]
    fn point_bins_hide_nothing() {
        close(
            auc(&[5, 5], &[5, 5], &[true, true]).unwrap().binning_error,
            0.0,
            0.0,
        );
        close(
            auc(&[5, 5], &[5, 5], &[true, false]).unwrap().binning_error,
            0.125,
            1e-15,
        );
    }

    proptest! {
        /// The share of pairs of rows that are won, ties half; and DeLong's variances over rows.
        #[test]
        fn it_is_its_definition(mut cells in prop::collection::vec((0..8_u64, 0..8_u64), 2..8)) {
            cells[0].0 += 2;
            cells[1].1 += 2;
            let rows = |side: fn(&(u64, u64)) -> u64| -> Vec<usize> {
                let each = cells.iter().enumerate();
                each.flat_map(|(bin, cell)| (0..side(cell)).map(move |_| bin)).collect()
            };
            let (negatives, positives) = (rows(|cell| cell.0), rows(|cell| cell.1));
            let won = |low: usize, high: usize| match low.cmp(&high) {
                std::cmp::Ordering::Less => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Greater => 0.0,
            };
            let mean = |values: &[f64]| values.iter().sum::<f64>() / real(values.len() as u64);
            let variance = |values: &[f64]| {
                let squares: f64 = values.iter().map(|x| (x - mean(values)).powi(2)).sum();
                squares / real(values.len() as u64 - 1)
            };
            let beaten: Vec<f64> = positives.iter()
                .map(|&p| mean(&negatives.iter().map(|&n| won(n, p)).collect::<Vec<_>>()))
                .collect();
            let beating: Vec<f64> = negatives.iter()
                .map(|&n| mean(&positives.iter().map(|&p| won(n, p)).collect::<Vec<_>>()))
                .collect();
            let se = (variance(&beaten) / real(positives.len() as u64)
                + variance(&beating) / real(negatives.len() as u64)).sqrt();
            let (r, c): (Vec<u64>, Vec<u64>) = cells.iter().copied().unzip();
            let area = auc(&r, &c, &vec![false; r.len()]).unwrap();
            close(area.value, mean(&beaten), 1e-12);
            prop_assert!((area.se - se).abs() <= 1e-12);
        }

        /// auc(r, c) + auc(c, r) = 1; 0 <= auc <= 1; the error is at most 1/2
        #[test]
        fn sides_change_places((reference, current) in histograms()) {
            let points = vec![false; reference.len()];
            let there = auc(&reference, &current, &points).unwrap();
            let back = auc(&current, &reference, &points).unwrap();
            finite(&[there.value, there.binning_error, there.se]);
            prop_assert!((0.0..=1.0).contains(&there.value));
            prop_assert!((0.0..=0.5).contains(&there.binning_error) && there.se >= 0.0);
            prop_assert!((there.value + back.value - 1.0).abs() <= 1e-15);
            prop_assert!((there.se - back.se).abs() <= 1e-9);
        }
    }
}
