//! Laws of PSI, its digits for large counts, and its plain definition.

use std::iter::zip;

use proptest::prelude::*;

use super::*;
use crate::stats::counts::real;
use crate::stats::support::{close, finite, histograms, rotated};

/// With 60 digits: reference, current, PSI, KL. Written as `p ln p` sums, all digits of the
/// first two would be lost.
const LARGE: [([u64; 3], [u64; 3], f64, f64); 2] = [
    (
        [1_000_000_000, 1_000_000_000, 1_000_000_000],
        [1_000_000_003, 999_999_999, 999_999_998],
        4.666_666_659e-18,
        2.333_333_33e-18,
    ),
    (
        [1_000_000_000_000, 1_000_000_000_000, 1_000_000],
        [500_001, 499_999, 1],
        1.098_610_668_877_488_5e-6,
        6.479_168_132_114_857e-7,
    ),
];

#[test]
fn large_counts_keep_their_digits() {
    for (reference, current, value, kl) in LARGE {
        close(psi(&reference, &current).unwrap().value, value, 1e-13);
        close(kl_jeffreys(&reference, &current).unwrap(), kl, 1e-13);
    }
}

#[test]
fn a_full_and_an_empty_bin_of_the_largest_count() {
    let limit = 1_000_000_000_000;
    let reference = [limit, 0, limit, 7];
    let current = [3, limit, 0, limit];
    close(
        psi(&reference, &current).unwrap().value,
        54.321_356_417_579_49,
        1e-14,
    );
    close(
        kl_jeffreys(&reference, &current).unwrap(),
        26.970_143_195_832_705,
        1e-14,
    );
}

#[test]
fn well_filled_bins_have_the_first_order_bias_exactly() {
    for (reference, current) in [
        ([100, 100, 100], [90, 120, 90]),
        ([970, 20, 10], [900, 20, 80]),
        ([50, 30, 20], [50, 30, 20]),
    ] {
        let (m, n) = (reference.iter().sum(), current.iter().sum());
        let first_order = psi_bias_first_order(3, m, n).unwrap();
        let psi = psi(&reference, &current).unwrap();
        close(psi.bias, first_order, 0.0);
        close(psi.adjusted, psi.value - first_order, 0.0);
    }
}

#[test]
fn one_bin_cannot_drift() {
    let psi = psi(&[1_000], &[3]).unwrap();
    assert_eq!(
        (psi.value, psi.adjusted, psi.ci, psi.p, psi.bins),
        (0.0, 0.0, (0.0, 0.0), 1.0, 1)
    );
}

#[test]
fn an_empty_side_has_no_score() {
    assert_eq!(psi(&[0, 0], &[1, 1]), Err(Insufficient::NoReferenceRows));
    assert_eq!(psi(&[1, 1], &[0, 0]), Err(Insufficient::NoCurrentRows));
    assert_eq!(
        psi_threshold(0.05, 10, 0, 1),
        Err(Insufficient::NoReferenceRows)
    );
    assert_eq!(
        psi_bias_first_order(10, 1, 0),
        Err(Insufficient::NoCurrentRows)
    );
}

#[test]
fn the_threshold_is_where_p_is_alpha() {
    for (alpha, bins, m, n) in [
        (0.05, 10, 10_000, 200),
        (5.8e-7, 16, 10_000, 50),
        (1e-12, 2, 9, 9),
    ] {
        let threshold = psi_threshold(alpha, bins, m, n).unwrap();
        close(
            chi2_sf(threshold * harmonic_rows(m, n), bins - 1),
            alpha,
            1e-12,
        );
    }
    close(psi_threshold(0.05, 1, 100, 100).unwrap(), 0.0, 0.0);
}

proptest! {
    /// psi >= 0, 0 <= p <= 1, low <= adjusted <= high, all finite; psi = sum of contributions
    /// >= 0
    #[test]
    fn any_histograms_have_a_score((reference, current) in histograms()) {
        let score = psi(&reference, &current).unwrap();
        let Psi { value, bias, adjusted, ci: (low, high), p, .. } = score;
        finite(&[value, bias, adjusted, low, high, p]);
        prop_assert!(value >= 0.0 && low <= adjusted && adjusted <= high);
        prop_assert!((0.0..=1.0).contains(&p));
        prop_assert!(bias >= 0.0, "{}", bias);
        let contributions = psi_contributions(&reference, &current).unwrap();
        prop_assert!(contributions.iter().all(|part| *part >= 0.0));
        close(contributions.iter().sum(), value, 0.0);
        finite(&[kl_jeffreys(&reference, &current).unwrap()]);
    }

    /// psi(r, c) = psi(c, r) = kl(r, c) + kl(c, r), and psi(h, h) = 0
    #[test]
    fn psi_is_the_symmetric_divergence((reference, current) in histograms()) {
        let there = psi(&reference, &current).unwrap().value;
        close(psi(&current, &reference).unwrap().value, there, 1e-12);
        let halves = kl_jeffreys(&reference, &current).unwrap()
            + kl_jeffreys(&current, &reference).unwrap();
        prop_assert!((halves - there).abs() <= 1e-12 * there.max(1e-3));
        close(psi(&reference, &reference).unwrap().value, 0.0, 0.0);
    }

    #[test]
    fn the_order_of_bins_is_irrelevant(
        (reference, current) in histograms(), by in 0..40_usize,
    ) {
        let here = psi(&reference, &current).unwrap();
        let there = psi(&rotated(&reference, by), &rotated(&current, by)).unwrap();
        close(there.value, here.value, 1e-12);
        close(there.bias, here.bias, 1e-9);
    }

    /// The definition, in plain floats, where they suffice.
    #[test]
    fn psi_is_its_definition(cells in prop::collection::vec((0..500_u64, 0..500_u64), 1..20)) {
        let (mut reference, mut current): (Vec<u64>, Vec<u64>) = cells.iter().copied().unzip();
        reference[0] += 1;
        current[0] += 1;
        let half = real_len(cells.len()) / 2.0;
        let shares = |counts: &[u64]| -> Vec<f64> {
            let rows: f64 = counts.iter().map(|&count| real(count)).sum();
            counts.iter().map(|&count| (real(count) + 0.5) / (rows + half)).collect()
        };
        let naive: f64 = zip(shares(&reference), shares(&current))
            .map(|(p, q)| (q - p) * (q / p).ln())
            .sum();
        let value = psi(&reference, &current).unwrap().value;
        prop_assert!((value - naive).abs() <= 1e-12);
    }
}
