//! Distances between two histograms, unsmoothed: for people, not for tests.
//!
//! ```text
//! Jensen-Shannon   JSD = KL(p || a) / 2 + KL(q || a) / 2, a = (p + q) / 2     [0, 1] bits
//! Hellinger        H   = sqrt(sum (sqrt p - sqrt q)^2 / 2)                    [0, 1]
//! total variation  TV  = sum |p - q| / 2                                      [0, 1]
//! L-infinity             max |p - q|                                          [0, 1]
//! ```
//!
//! Tools disagree on what they call Jensen-Shannon: the divergence or its square root (which is a
//! metric, Endres & Schindelin 2003), in nats or in bits. Say which. An empty bin on either side,
//! or a category new to the reference, has a finite distance in each of them.

use std::f64::consts::{LN_2, SQRT_2};

use super::counts::{Insufficient, Pair, real_wide};
use super::special::entropy_excess;

/// Distances between two histograms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distances {
    /// The Jensen-Shannon divergence in nats, 0 to ln 2.
    pub jsd_nats: f64,
    /// The Hellinger distance, 0 to 1.
    pub hellinger: f64,
    /// The total variation distance, 0 to 1: the share of rows that would have to move.
    pub total_variation: f64,
    /// The largest difference of a bin's shares, 0 to 1.
    pub l_infinity: f64,
    /// The bin of that difference, the first where several have it.
    pub l_infinity_bin: usize,
}

impl Distances {
    /// The Jensen-Shannon divergence in bits, 0 to 1.
    pub fn jsd_bits(self) -> f64 {
        self.jsd_nats / LN_2
    }

    /// The Jensen-Shannon distance, the root of the divergence in nats.
    pub fn js_distance_nats(self) -> f64 {
        self.jsd_nats.sqrt()
    }

    /// The Jensen-Shannon distance, the root of the divergence in bits, 0 to 1.
    pub fn js_distance_bits(self) -> f64 {
        self.jsd_bits().sqrt()
    }
}

/// The distances of two histograms over the same bins; the order of the bins only names the
/// largest.
///
/// # Panics
/// Where the two are of different length.
pub fn distances(reference: &[u64], current: &[u64]) -> Result<Distances, Insufficient> {
    let pair = Pair::new(reference, current)?;
    let whole = pair.m() * pair.n();
    let (mut jsd, mut hellinger, mut total) = (0.0, 0.0, 0_i128);
    let mut largest = (0_i128, 0);
    for (bin, (reference, current)) in pair.cells().enumerate() {
        // p and q times n m, so that their difference is exact
        let p = i128::from(reference) * i128::from(pair.current_rows);
        let q = i128::from(current) * i128::from(pair.reference_rows);
        if p + q == 0 {
            continue;
        }
        let (difference, sum) = (real_wide(q - p), real_wide(p + q));
        let x = difference / sum;
        jsd += sum * (entropy_excess(x) + entropy_excess(-x));
        let root_difference = difference / (real_wide(p).sqrt() + real_wide(q).sqrt());
        hellinger += root_difference * root_difference;
        let apart = (q - p).abs();
        total += apart;
        if apart > largest.0 {
            largest = (apart, bin);
        }
    }
    Ok(Distances {
        jsd_nats: (jsd / (4.0 * whole)).min(LN_2),
        hellinger: (hellinger / whole).sqrt().min(SQRT_2) / SQRT_2,
        total_variation: (real_wide(total) / (2.0 * whole)).min(1.0),
        l_infinity: (real_wide(largest.0) / whole).min(1.0),
        l_infinity_bin: largest.1,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::support::{close, finite, histograms, merged, rotated, scaled, split};

    #[test]
    fn large_counts_keep_their_digits() {
        // with 60 digits
        let near = distances(
            &[1_000_000_000, 1_000_000_000, 1_000_000_000],
            &[1_000_000_003, 999_999_999, 999_999_998],
        )
        .unwrap();
        close(near.jsd_nats, 5.833_333_329_583_334e-19, 1e-13);
        close(near.hellinger, 7.637_626_155_804_783e-10, 1e-13);
        close(near.l_infinity, 1e-9, 1e-13);
        let far = distances(
            &[1_000_000_000_000, 0, 1_000_000_000_000, 7],
            &[3, 1_000_000_000_000, 0, 1_000_000_000_000],
        )
        .unwrap();
        close(far.jsd_nats, 0.693_147_180_492_597, 1e-13);
        close(far.hellinger, 0.999_998_905_548_871_4, 1e-13);
    }

    #[test]
    fn the_largest_difference_names_the_first_of_its_bins() {
        let moved = distances(&[25, 25, 25, 25], &[25, 35, 15, 25]).unwrap();
        assert_eq!(moved.l_infinity_bin, 1);
        close(moved.l_infinity, 0.1, 1e-15);
        assert_eq!(distances(&[1, 2], &[2, 4]).unwrap().l_infinity_bin, 0);
    }

    proptest! {
        /// All within [0, 1]; H^2 <= TV <= sqrt 2 H; JSD_bits <= TV; L-infinity <= TV
        #[test]
        fn distances_bound_each_other((reference, current) in histograms()) {
            let apart = distances(&reference, &current).unwrap();
            let Distances { hellinger, total_variation, l_infinity, .. } = apart;
            let bits = apart.jsd_bits();
            finite(&[bits, apart.js_distance_nats(), apart.js_distance_bits()]);
            for value in [bits, hellinger, total_variation, l_infinity] {
                prop_assert!((0.0..=1.0).contains(&value));
            }
            let slack = 1.0 + 1e-12;
            prop_assert!(hellinger * hellinger <= total_variation * slack);
            prop_assert!(total_variation <= SQRT_2 * hellinger * slack);
            prop_assert!(bits <= total_variation * slack && l_infinity <= total_variation * slack);
        }

        /// d(r, c) = d(c, r), d(h, h) = 0, and d does not depend on how many rows there are
        #[test]
        fn distances_are_symmetric_and_of_shares(
            (reference, current) in histograms(), by in 1..1_000_u64,
        ) {
            let there = distances(&reference, &current).unwrap();
            for same in [
                distances(&current, &reference).unwrap(),
                distances(&scaled(&reference, by), &current).unwrap(),
                distances(&reference, &scaled(&current, by)).unwrap(),
                distances(&split(&reference), &split(&current)).unwrap(),
            ] {
                close(same.jsd_nats, there.jsd_nats, 1e-12);
                close(same.hellinger, there.hellinger, 1e-12);
                close(same.total_variation, there.total_variation, 1e-12);
            }
            let none = distances(&reference, &reference).unwrap();
            prop_assert!(none.jsd_nats <= 0.0 && none.hellinger <= 0.0 && none.l_infinity <= 0.0);
        }

        /// Adding bins up brings distributions closer, reordering them does nothing.
        #[test]
        fn coarser_is_closer((reference, current) in histograms(), by in 0..40_usize) {
            let fine = distances(&reference, &current).unwrap();
            let coarse = distances(&merged(&reference), &merged(&current)).unwrap();
            prop_assert!(coarse.jsd_nats <= fine.jsd_nats * (1.0 + 1e-12));
            prop_assert!(coarse.hellinger <= fine.hellinger * (1.0 + 1e-12));
            prop_assert!(coarse.total_variation <= fine.total_variation * (1.0 + 1e-12));
            let moved = distances(&rotated(&reference, by), &rotated(&current, by)).unwrap();
            close(moved.jsd_nats, fine.jsd_nats, 1e-12);
            close(moved.l_infinity, fine.l_infinity, 0.0);
        }
    }
}
