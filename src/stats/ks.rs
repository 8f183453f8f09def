//! The Kolmogorov-Smirnov distance from bins: bounds that always hold, and a p-value for bins.
//!
//! Bins fix the distribution functions F and G at their right edges only. Between the edges of bin
//! j, `F - G` stays within `[F_(j-1) - G_j, F_j - G_(j-1)]`, hence
//!
//! ```text
//! lo = max_j |F_j - G_j|  <=  D  <=  hi = max(lo, max over bins j of F_j - G_(j-1), G_j - F_(j-1))
//! hi - lo <= max over bins of min(p_j, q_j)
//! ```
//!
//! A *point bin* holds one value only, so that nothing is hidden between its edges and it does not
//! count in hi. Deciles of the reference, moved by 0.09 at an edge: D is in [0.09, 0.19]; with 100
//! reference quantiles the two are at most 0.01 apart.
//!
//! A maximum over few edges is smaller than one over the line, so the law of Kolmogorov, `Q(z)` at
//! `z = sqrt(n_h) lo`, is conservative by factors of 2 to 13. The p-value is the best of two
//! corrections, H the pooled distribution function:
//!
//! ```text
//! union   U = sum over edges of 2 P(Z >= z / sqrt(H_j (1 - H_j)))    few bins; never too small
//! step    Q(z + 0.5826 sqrt(smallest bin))                           many bins (Siegmund 1985)
//! ```

use super::counts::{Insufficient, Pair, real, real_len, real_wide};
use super::special::{kolmogorov_q, normal_sf};

/// By how many root steps a random walk overshoots its boundary on average (Siegmund 1985).
const OVERSHOOT: f64 = 0.582_6;
/// Up to this many non-empty bins the step correction promises too much, and only the union counts.
const UNION_BINS_MAX: usize = 5;

/// The Kolmogorov-Smirnov distance as far as bins know it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ks {
    /// The largest difference at an edge: the distance is at least this.
    pub lo: f64,
    /// The distance is at most this.
    pub hi: f64,
    /// `P(distance at the edges >= lo)` for independent rows if nothing changed.
    pub p: f64,
}

/// The Kolmogorov-Smirnov distance of two histograms.
///
/// `reference` and `current` are row counts of the same bins, ascending; `point_bins` says of each
/// bin whether it holds one value only.
///
/// # Panics
/// Where the three are of different length.
pub fn ks_binned(
    reference: &[u64],
    current: &[u64],
    point_bins: &[bool],
) -> Result<Ks, Insufficient> {
    assert_eq!(
        reference.len(),
        point_bins.len(),
        "every bin must say whether it is a point"
    );
    let pair = Pair::new(reference, current)?;
    let whole = pair.m() * pair.n();
    let (lo, hi) = bounds(pair, point_bins);
    let (lo, hi) = (real_wide(lo) / whole, real_wide(hi) / whole);
    let z = pair.harmonic_rows().sqrt() * lo;
    Ok(Ks {
        lo: lo.min(1.0),
        hi: hi.min(1.0),
        p: p_of(pair, z),
    })
}

fn p_of(pair: Pair<'_>, z: f64) -> f64 {
    let steps = Steps::of(pair);
    if steps.bins <= UNION_BINS_MAX {
        return union_p(pair, z);
    }
    let step = step_p(steps, z);
    if least_union_p(pair, z) >= step {
        return step;
    }
    union_p(pair, z).min(step)
}

/// `(lo, hi)` times `n m`, exactly.
fn bounds(pair: Pair<'_>, point_bins: &[bool]) -> (i128, i128) {
    let (mut lo, mut inside) = (0, 0);
    let (mut below, mut below_current) = (0, 0);
    for ((reference, current), point) in pair.cells().zip(point_bins) {
        let (upto, upto_current) = (below + reference, below_current + current);
        lo = lo.max(pair.excess(upto, upto_current).abs());
        if !point {
            let reference_first = -pair.excess(upto, below_current);
            let current_first = pair.excess(below, upto_current);
            inside = inside.max(reference_first).max(current_first);
        }
        (below, below_current) = (upto, upto_current);
    }
    (lo, lo.max(inside))
}

/// The pooled histogram as a grid.
#[derive(Debug, Clone, Copy)]
struct Steps {
    /// Non-empty bins.
    bins: usize,
    /// The smallest share of a non-empty bin.
    smallest: f64,
}

impl Steps {
    fn of(pair: Pair<'_>) -> Self {
        let filled = pair.cells().map(|(reference, current)| reference + current);
        let smallest = filled.filter(|&rows| rows > 0).min().unwrap_or(0);
        Self {
            bins: pair.bins_filled(),
            smallest: real(smallest) / (pair.m() + pair.n()),
        }
    }
}

/// `U`, at most 1. An empty bin repeats the edge before it: the bound is then looser, not wrong.
pub(super) fn union_p(pair: Pair<'_>, z: f64) -> f64 {
    let rows = pair.m() + pair.n();
    let mut below = 0;
    let sum: f64 = pair
        .cells()
        .map(|(reference, current)| {
            below += reference + current;
            let share = real(below) / rows;
            let variance = share * (1.0 - share);
            if variance > 0.0 {
                2.0 * normal_sf(z / variance.sqrt())
            } else {
                0.0
            }
        })
        .sum();
    // without an inner edge there is nothing to reject
    if z > 0.0 { sum.min(1.0) } else { 1.0 }
}

/// What [`union_p`] is at least, for one evaluation of the tail: the edges of shares within
/// [1/4, 3/4], all of which have a variance of 3/16 or more. In most windows nothing moved, and
/// then it is well above the step correction.
fn least_union_p(pair: Pair<'_>, z: f64) -> f64 {
    const VARIANCE_MIN: f64 = 3.0 / 16.0;
    // far more than the sums of both may be off by
    const MARGIN: f64 = 1e-9;
    let quarter = (pair.m() + pair.n()) / 4.0;
    let mut below = 0;
    let inner = pair.cells().filter(|(reference, current)| {
        below += reference + current;
        (quarter..=3.0 * quarter).contains(&real(below))
    });
    let edges = real_len(inner.count());
    (edges * 2.0 * normal_sf(z / VARIANCE_MIN.sqrt()) * (1.0 - MARGIN)).min(1.0)
}

fn step_p(steps: Steps, z: f64) -> f64 {
    kolmogorov_q(z + OVERSHOOT * steps.smallest.sqrt())
}

/// The step correction of two histograms, for the tests of this module.
#[cfg(test)]
pub(super) fn corrected_p(pair: Pair<'_>, z: f64) -> f64 {
    step_p(Steps::of(pair), z)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::stats::support::{close, finite, histograms, scaled};

    #[test]
    fn one_bin_is_no_evidence_but_hides_everything() {
        let ks = ks_binned(&[100], &[7], &[false]).unwrap();
        assert_eq!(
            ks,
            Ks {
                lo: 0.0,
                hi: 1.0,
                p: 1.0
            }
        );
        assert_eq!(
            ks_binned(&[100], &[7], &[true]).unwrap(),
            Ks {
                lo: 0.0,
                hi: 0.0,
                p: 1.0
            }
        );
    }

    #[test]
    #[should_panic(expected = "point")]
    fn every_bin_must_say_whether_it_is_a_point() {
        let _unreachable = ks_binned(&[1, 2], &[1, 2], &[true]);
    }

    /// Rows of whole numbers, and the edges of their bins.
    fn rows() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, Vec<u8>)> {
        let values = || vec(0..60_u8, 1..200);
        (
            values(),
            values(),
            prop::collection::btree_set(0..60_u8, 0..20),
        )
            .prop_map(|(x, y, edges)| (x, y, edges.into_iter().collect()))
    }

    /// Right-closed bins between the edges, both ends open.
    fn counts(rows: &[u8], edges: &[u8]) -> Vec<u64> {
        let mut counts = vec![0; edges.len() + 1];
        for row in rows {
            counts[edges.partition_point(|edge| edge < row)] += 1;
        }
        counts
    }

    fn naive_distance(x: &[u8], y: &[u8]) -> f64 {
        let share = |rows: &[u8], at: u8| {
            real(rows.iter().filter(|row| **row <= at).count() as u64) / real(rows.len() as u64)
        };
        (0..60)
            .map(|at| (share(x, at) - share(y, at)).abs())
            .fold(0.0, f64::max)
    }

    proptest! {
        /// lo <= D <= hi <= lo + max over bins that are not points of min(p, q)
        #[test]
        fn the_distance_of_the_rows_lies_within_the_bounds((x, y, edges) in rows()) {
            let (reference, current) = (counts(&x, &edges), counts(&y, &edges));
            // a bin between two neighbouring whole numbers holds one of them only
            let points: Vec<bool> = (0..=edges.len())
                .map(|bin| bin > 0 && bin < edges.len() && edges[bin] == edges[bin - 1] + 1)
                .collect();
            let ks = ks_binned(&reference, &current, &points).unwrap();
            let distance = naive_distance(&x, &y);
            prop_assert!(ks.lo <= distance + 1e-12 && distance <= ks.hi + 1e-12);
            let (m, n) = (real(x.len() as u64), real(y.len() as u64));
            let hidden = reference.iter().zip(&current).zip(&points)
                .filter(|(_, point)| !**point)
                .map(|((&r, &c), _)| (real(r) / m).min(real(c) / n))
                .fold(0.0, f64::max);
            prop_assert!(ks.hi <= ks.lo + hidden + 1e-12);
        }

        /// 0 <= lo <= hi <= 1, 0 <= p <= 1; neither the sides nor the direction matter
        #[test]
        fn any_histograms_have_bounds((reference, current) in histograms()) {
            let open = vec![false; reference.len()];
            let ks = ks_binned(&reference, &current, &open).unwrap();
            finite(&[ks.lo, ks.hi, ks.p]);
            prop_assert!(0.0 <= ks.lo && ks.lo <= ks.hi && ks.hi <= 1.0);
            prop_assert!((0.0..=1.0).contains(&ks.p));
            let swapped = ks_binned(&current, &reference, &open).unwrap();
            close(swapped.lo, ks.lo, 1e-15);
            close(swapped.hi, ks.hi, 1e-15);
            let turned = |counts: &[u64]| counts.iter().rev().copied().collect::<Vec<_>>();
            let back = ks_binned(&turned(&reference), &turned(&current), &open).unwrap();
            close(back.lo, ks.lo, 1e-15);
            close(back.hi, ks.hi, 1e-15);
        }

        /// A bound that spares the union changes nothing.
        #[test]
        fn p_is_the_smaller_of_both_corrections((reference, current) in histograms()) {
            let pair = Pair::new(&reference, &current).unwrap();
            for z in [0.0, 0.01, 0.3, 0.8, 1.2, 1.5, 1.7, 2.0, 3.0, 9.0] {
                let union = union_p(pair, z);
                prop_assert!(least_union_p(pair, z) <= union);
                let simple = if pair.bins_filled() <= UNION_BINS_MAX {
                    union
                } else {
                    union.min(corrected_p(pair, z))
                };
                prop_assert_eq!(p_of(pair, z).to_bits(), simple.to_bits());
            }
        }

        /// The same shares of more rows are the same distance and more evidence.
        #[test]
        fn rows_buy_evidence((reference, current) in histograms(), by in 1..1_000_u64) {
            let points = vec![true; reference.len()];
            let few = ks_binned(&reference, &current, &points).unwrap();
            let many = ks_binned(&scaled(&reference, by), &scaled(&current, by), &points).unwrap();
            close(many.lo, few.lo, 1e-15);
            close(few.hi, few.lo, 0.0);
            prop_assert!(many.p <= few.p * (1.0 + 1e-9));
        }
    }
}
