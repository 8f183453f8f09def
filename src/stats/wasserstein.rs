//! The first Wasserstein distance: how far rows had to travel, in the unit of the series.
//!
//! Each bin stands at its representative `x_j`, the reference mean of its values, ascending:
//!
//! ```text
//! W1 = sum_j |F_j - G_j| (x_(j+1) - x_j)               W1 / sigma, sigma the reference's deviation
//! ```
//!
//! A pure mean shift of d sigmas has W1/sigma = d. What lies beyond the outer representatives is
//! not seen, so with values far outside the reference it is a lower bound.

use super::counts::{Insufficient, Pair, real_wide};

/// How far rows had to travel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wasserstein {
    /// In the unit of the series.
    pub distance: f64,
    /// In standard deviations of the reference; `None` where those are 0 and something moved, for
    /// then no number of them is enough.
    pub sigmas: Option<f64>,
}

/// The first Wasserstein distance of two histograms.
///
/// `reference` and `current` are row counts of the same bins, `representatives` one finite value
/// for each, ascending; `reference_sd >= 0` is in the same unit. Results past the largest float are
/// that float.
///
/// # Panics
/// Where the three are of different length.
pub fn wasserstein(
    reference: &[u64],
    current: &[u64],
    representatives: &[f64],
    reference_sd: f64,
) -> Result<Wasserstein, Insufficient> {
    assert_eq!(
        reference.len(),
        representatives.len(),
        "every bin must have a representative"
    );
    debug_assert!(representatives.is_sorted(), "representatives must ascend");
    let pair = Pair::new(reference, current)?;
    let whole = pair.m() * pair.n();
    let (mut below, mut below_current) = (0, 0);
    let mut distance = 0.0;
    let gaps = representatives
        .windows(2)
        .filter_map(<[f64]>::last_chunk::<2>);
    for ((reference, current), [left, right]) in pair.cells().zip(gaps) {
        below += reference;
        below_current += current;
        let apart = real_wide(pair.excess(below, below_current).abs()) / whole;
        distance += apart * (right - left).min(f64::MAX);
    }
    let distance = distance.min(f64::MAX);
    let sigmas = if distance <= 0.0 {
        Some(0.0)
    } else if reference_sd > 0.0 {
        Some((distance / reference_sd).min(f64::MAX))
    } else {
        None
    };
    Ok(Wasserstein { distance, sigmas })
}

#[cfg(test)]
mod tests {
    use std::iter;

    use proptest::prelude::*;

    use super::*;
    use crate::stats::counts::real_len;
    use crate::stats::support::{close, finite, histograms};

    #[test]
    fn a_constant_that_moved_has_no_number_of_sigmas() {
        let moved = wasserstein(&[10, 0], &[0, 10], &[7.0, 9.0], 0.0).unwrap();
        assert_eq!(
            moved,
            Wasserstein {
                distance: 2.0,
                sigmas: None
            }
        );
        let stayed = wasserstein(&[10, 0], &[5, 0], &[7.0, 9.0], 0.0).unwrap();
        assert_eq!(
            stayed,
            Wasserstein {
                distance: 0.0,
                sigmas: Some(0.0)
            }
        );
    }

    #[test]
    fn the_ends_of_the_floats_do_not_overflow() {
        let far = [-f64::MAX, f64::MAX];
        for (reference, current) in [([1, 0], [0, 1]), ([1, 1], [2, 2]), ([0, 1], [1, 0])] {
            let moved = wasserstein(&reference, &current, &far, 1e-300).unwrap();
            finite(&[moved.distance, moved.sigmas.unwrap()]);
        }
    }

    proptest! {
        /// Sorted rows of both sides, as many of each, are carried one to one.
        #[test]
        fn it_is_the_mean_way_of_sorted_rows(
            cells in prop::collection::vec((0..6_u64, 0..6_u64, -100..100_i32), 1..8),
        ) {
            let mut at: Vec<f64> = cells.iter().map(|cell| f64::from(cell.2)).collect();
            at.sort_by(f64::total_cmp);
            let (mut reference, mut current): (Vec<u64>, Vec<u64>) =
                cells.iter().map(|cell| (cell.0, cell.1)).unzip();
            reference[0] += 1;
            current[at.len() - 1] += 1;
            let (m, n) = (reference.iter().sum::<u64>(), current.iter().sum::<u64>());
            let rows = |counts: &[u64], times: u64| -> Vec<f64> {
                let each = counts.iter().zip(&at);
                each.flat_map(|(&count, &x)| {
                    iter::repeat_n(x, usize::try_from(count * times).unwrap())
                })
                .collect()
            };
            let (from, to) = (rows(&reference, n), rows(&current, m));
            let way: f64 = from.iter().zip(&to).map(|(x, y)| (x - y).abs()).sum();
            let moved = wasserstein(&reference, &current, &at, 2.0).unwrap();
            let naive = way / real_len(from.len());
            prop_assert!((moved.distance - naive).abs() <= 1e-12 * naive.max(1.0));
            close(moved.sigmas.unwrap(), moved.distance / 2.0, 1e-15);
        }

        /// W(r, c) = W(c, r) <= the range of the representatives
        #[test]
        fn it_is_symmetric_and_bounded((reference, current) in histograms()) {
            let at: Vec<f64> = (0..reference.len()).map(real_len).collect();
            let there = wasserstein(&reference, &current, &at, 1.0).unwrap();
            finite(&[there.distance]);
            prop_assert!((0.0..=real_len(at.len())).contains(&there.distance));
            let back = wasserstein(&current, &reference, &at, 1.0).unwrap();
            close(back.distance, there.distance, 1e-12);
        }
    }
}
