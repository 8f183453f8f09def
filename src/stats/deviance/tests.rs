//! Laws of the deviance, its digits for large counts, and its plain definition.

use proptest::prelude::*;

use super::*;
use crate::stats::support::{close, finite, histograms, merged, rotated, scaled, split};

/// With 60 digits: reference, current, `G^2`. `sum c ln c` in floats would leave none of the
/// first.
const LARGE: [([u64; 4], [u64; 4], f64); 4] = [
    (
        [1_000_000_000, 1_000_000_000, 1_000_000_000, 0],
        [1_000_000_003, 999_999_999, 999_999_998, 0],
        6.999_999_995_5e-9,
    ),
    (
        [1_000_000_000_000, 999_999_999_999, 1_000_000_000_000, 1],
        [999_999_999_999, 1_000_000_000_000, 1_000_000_000_000, 0],
        1.386_294_361_120_724,
    ),
    (
        [1_000_000_000_000, 0, 1_000_000_000_000, 7],
        [3, 1_000_000_000_000, 0, 1_000_000_000_000],
        5_545_177_443_954.64,
    ),
    (
        [1_000_000_000_000, 1_000_000_000_000, 1_000_000, 0],
        [500_001, 499_999, 1, 0],
        0.386_297_861_118_348_96,
    ),
];

#[test]
fn large_counts_keep_their_digits() {
    for (reference, current, g2) in LARGE {
        close(deviance(&reference, &current).unwrap().g2, g2, 1e-13);
    }
}

#[test]
fn empty_bins_have_no_degree_of_freedom() {
    let full = deviance(&[10, 20, 30], &[3, 2, 1]).unwrap();
    let padded = deviance(&[0, 10, 0, 20, 30, 0], &[0, 3, 0, 2, 1, 0]).unwrap();
    assert_eq!(full, padded);
    assert_eq!(full.df, 2);
}

#[test]
fn one_bin_is_no_evidence() {
    let one = deviance(&[100, 0], &[7, 0]).unwrap();
    assert_eq!(
        one,
        Deviance {
            g2: 0.0,
            williams: 1.0,
            df: 1
        }
    );
    close(one.corrected().p(), 1.0, 0.0);
}

proptest! {
    /// 0 <= G <= G^2, finite; G^2 = sum of contributions >= 0; G^2(r, c) = G^2(c, r)
    #[test]
    fn any_histograms_have_a_deviance((reference, current) in histograms()) {
        let there = deviance(&reference, &current).unwrap();
        finite(&[there.g2, there.williams, there.corrected().value]);
        prop_assert!(there.g2 >= 0.0 && there.williams >= 1.0);
        prop_assert!((0.0..=1.0).contains(&there.corrected().p()));
        let contributions = deviance_contributions(&reference, &current).unwrap();
        prop_assert!(contributions.iter().all(|part| *part >= 0.0));
        close(contributions.iter().sum(), there.g2, 0.0);
        close(deviance(&current, &reference).unwrap().g2, there.g2, 1e-12);
        close(deviance(&reference, &reference).unwrap().g2, 0.0, 0.0);
    }

    /// G^2(a r, a c) = a G^2(r, c): no digits are lost on the way up
    #[test]
    fn the_deviance_scales_with_rows(
        (reference, current) in histograms(), by in 1..1_000_u64,
    ) {
        let one = deviance(&reference, &current).unwrap().g2;
        let many = deviance(&scaled(&reference, by), &scaled(&current, by)).unwrap().g2;
        close(many, one * real(by), 1e-12);
    }

    /// Splitting every bin in two equal ones adds nothing; adding bins up adds nothing either.
    #[test]
    fn bins_of_one_distribution_can_be_merged((reference, current) in histograms()) {
        let g2 = deviance(&reference, &current).unwrap().g2;
        close(deviance(&split(&reference), &split(&current)).unwrap().g2, 2.0 * g2, 1e-12);
        let coarse = deviance(&merged(&reference), &merged(&current)).unwrap().g2;
        prop_assert!(coarse <= g2 * (1.0 + 1e-12));
    }

    #[test]
    fn the_order_of_bins_is_irrelevant(
        (reference, current) in histograms(), by in 0..40_usize,
    ) {
        let here = deviance(&reference, &current).unwrap();
        let there = deviance(&rotated(&reference, by), &rotated(&current, by)).unwrap();
        close(there.g2, here.g2, 1e-12);
        close(there.williams, here.williams, 1e-12);
    }

    /// G^2 <= bound, on the same degrees of freedom
    #[test]
    fn the_bound_is_a_bound((reference, current) in histograms()) {
        let deviance = deviance(&reference, &current).unwrap();
        let bound = deviance_bound(&reference, &current).unwrap();
        prop_assert_eq!(bound.df, deviance.df);
        prop_assert!(deviance.g2 <= bound.value);
        prop_assert!(deviance.corrected().value <= bound.value);
    }

    /// The textbook form, where floats suffice for it.
    #[test]
    fn the_deviance_is_its_definition(
        cells in prop::collection::vec((0..500_u64, 0..500_u64), 1..20),
    ) {
        let (mut reference, mut current): (Vec<u64>, Vec<u64>) = cells.iter().copied().unzip();
        reference[0] += 1;
        current[cells.len() - 1] += 1;
        let m: f64 = reference.iter().map(|&count| real(count)).sum();
        let n: f64 = current.iter().map(|&count| real(count)).sum();
        let part = |count: u64, expected: f64| match count {
            0 => 0.0,
            count => real(count) * (real(count) / expected).ln(),
        };
        let naive: f64 = reference.iter().zip(&current).map(|(&r, &c)| {
            part(r, m * real(r + c) / (m + n)) + part(c, n * real(r + c) / (m + n))
        }).sum();
        let g2 = deviance(&reference, &current).unwrap().g2;
        prop_assert!((g2 - 2.0 * naive).abs() <= 1e-9);
    }
}
