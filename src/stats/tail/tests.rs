//! The integral against mpmath and brute force, and laws.

use proptest::prelude::*;

use super::*;
use crate::stats::support::close;

/// By mpmath with 30 digits: T, df, nu, K, p.
const KNOWN: [(f64, usize, f64, f64, f64); 13] = [
    (5.0, 15, 50.0, 2.0, 0.999_383_505_809_388_1),
    (100.0, 15, 30.0, 8.0, 0.131_428_468_810_554_23),
    (1e3, 15, 30.0, 8.0, 0.000_439_031_474_473_839_7),
    (1e3, 99, 200.0, 16.0, 0.049_781_496_486_699_4),
    (1e4, 1, 1.0, 4.0, 5.997_201_439_472_303e-8),
    (470.2, 150, 8.74e-5, 10.08, 2.427_409_330_366_766_3e-29),
    (5_903.7, 150, 2.7656e-4, 12.0, 8.308_714_316_912_589e-39),
    (655.1, 150, 0.0598, 10.04, 5.159_409_496_817_867e-16),
    (30.0, 1, 0.01, 16.0, 4.346_193_740_147_327_4e-8),
    (200.0, 15, 1e-3, 5.0, 1.294_428_168_687_986_6e-12),
    (1e6, 1, 1.0, 2.0, 9.999_995_000_025e-7),
    (1e12, 9, 1e6, 3.3, 3.679_483_524_391_737_5e-10),
    (60.66, 9, 1e-7, 16.0, 1.000_137_068_071_348_6e-9),
];

#[test]
fn the_integral_is_right_for_large_statistics_and_many_degrees_of_freedom() {
    for (value, df, nu, tail_df, p) in KNOWN {
        close(
            ChiSquared { value, df }.p_natural(Natural { nu, tail_df }),
            p,
            1e-10,
        );
    }
}

#[test]
fn nothing_to_test_is_no_evidence() {
    let natural = Natural {
        nu: 3.0,
        tail_df: 16.0,
    };
    close(
        ChiSquared { value: 0.0, df: 0 }.p_natural(natural),
        1.0,
        0.0,
    );
    close(
        ChiSquared { value: 0.0, df: 3 }.p_natural(natural),
        1.0,
        0.0,
    );
    close(ChiSquared { value: 0.0, df: 0 }.p(), 1.0, 0.0);
}

#[test]
fn without_natural_variation_it_is_the_chi_squared_tail() {
    let statistic = ChiSquared { value: 60.0, df: 9 };
    close(statistic.p_natural(Natural::NONE), statistic.p(), 0.0);
    close(
        statistic.p_natural(Natural {
            nu: 59e-9,
            tail_df: 16.0,
        }),
        statistic.p(),
        0.0,
    );
}

#[test]
fn a_critical_value_is_where_p_is_alpha() {
    for (alpha, df, nu, tail_df) in [
        (0.05, 1, 0.0, 2.0),
        (5.8e-7, 15, 0.0, 16.0),
        (5.8e-7, 15, 20.0, 16.0),
        (0.5, 3, 2.0, 2.0),
        (0.999, 3, 2.0, 30.0),
        (1e-9, 1, 0.01, 4.0),
        (1e-9, 15, 2_000.0, 4.0),
        (1e-5, 15, 3.0, 60.0),
        (1e-40, 2, 1e-3, 16.0),
        (0.01, 9, 5.0, 0.9),
    ] {
        let natural = Natural { nu, tail_df };
        let value = ChiSquared::critical_value(alpha, df, natural);
        close(ChiSquared { value, df }.p_natural(natural), alpha, 1e-9);
    }
    close(
        ChiSquared::critical_value(0.05, 1, Natural::NONE),
        3.841_458_820_694_124,
        1e-12,
    );
    close(ChiSquared::critical_value(1.0, 3, Natural::NONE), 0.0, 0.0);
    close(ChiSquared::critical_value(0.5, 0, Natural::NONE), 0.0, 0.0);
    let natural = Natural {
        nu: 1.0,
        tail_df: 2.0,
    };
    assert!(ChiSquared::critical_value(0.0, 3, natural).is_finite());
}

/// Simpson's rule with 20,000 steps in the angle: slow and simple.
fn brute_force(statistic: ChiSquared, natural: Natural) -> f64 {
    const STEPS: u32 = 20_000;
    let hi = (statistic.value / natural.nu).sqrt();
    let student = StudentT::new(natural.tail_df);
    let step = FRAC_PI_2 / f64::from(STEPS);
    let at = |index: u32| {
        let angle = f64::from(index) * step;
        let left = statistic.value * angle.cos().powi(2);
        student.pdf(hi * angle.sin()) * chi2_sf(left, statistic.df) * hi * angle.cos()
    };
    let weight = |index: u32| match index {
        0 | STEPS => 1.0,
        odd if odd % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=STEPS).map(|index| weight(index) * at(index)).sum();
    student.sf_two_sided(hi) + 2.0 * sum * step / 3.0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// T from 1 to 10^4, T / nu from 1/10 to 10^4
    #[test]
    fn panels_agree_with_brute_force(
        (log_value, log_ratio) in (0.0..4.0_f64, -1.0..4.0_f64),
        df in 1..200_usize,
        tail_df in 2.0..16.0_f64,
    ) {
        let statistic = ChiSquared { value: libm::pow(10.0, log_value), df };
        let nu = statistic.value / libm::pow(10.0, log_ratio);
        let natural = Natural { nu, tail_df };
        close(statistic.p_natural(natural), brute_force(statistic, natural), 1e-9);
    }
}

proptest! {
    /// p <= p_natural <= 1; more natural variation is less evidence, a larger statistic is more
    #[test]
    fn natural_variation_only_takes_evidence_away(
        (log_value, log_nu) in (-2.0..8.0_f64, -12.0..8.0_f64),
        df in 1..120_usize,
        tail_df in 2.0..16.0_f64,
    ) {
        let statistic = ChiSquared { value: libm::pow(10.0, log_value), df };
        let natural = |by: f64| Natural { nu: by * libm::pow(10.0, log_nu), tail_df };
        let more = ChiSquared { value: 1.5 * statistic.value, df };
        let here = statistic.p_natural(natural(1.0));
        let slack = 1.0 + 1e-9;
        prop_assert!(statistic.p() <= here * slack && here <= 1.0);
        prop_assert!(here <= statistic.p_natural(natural(2.0)) * slack);
        prop_assert!(more.p_natural(natural(1.0)) <= here * slack);
    }

    /// Stopping early changes no answer, and what is within reach has a larger p.
    #[test]
    fn a_level_is_passed_as_the_whole_integral_says(
        (log_value, log_nu) in (-2.0..4.0_f64, -6.0..5.0_f64),
        df in 1..120_usize,
        tail_df in 2.0..16.0_f64,
        log_level in -12.0..0.0_f64,
    ) {
        let statistic = ChiSquared { value: libm::pow(10.0, log_value), df };
        let natural = Natural { nu: libm::pow(10.0, log_nu), tail_df };
        let (p, level) = (statistic.p_natural(natural), libm::pow(10.0, log_level));
        prop_assert_eq!(statistic.is_natural_at_most(natural, level), p <= level);
        prop_assert!(statistic.is_natural_at_most(natural, p));
        prop_assert!(p <= 0.0 || !statistic.is_natural_at_most(natural, p.next_down()));
        let reach = ChiSquared::natural_reach(tail_df, level);
        prop_assert!(statistic.value >= natural.nu * reach || p > level);
    }
}
