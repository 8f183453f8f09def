//! Tables of the special functions by mpmath, and laws.

use proptest::prelude::*;

use super::*;
use crate::stats::support::close;

// all tables: mpmath with 40 digits

#[test]
fn the_chi_squared_tail_is_right_from_one_to_1e_300() {
    for (x, df, tail) in [
        (1e-08, 1, 0.999_920_211_544_052_6),
        (0.5, 1, 0.479_500_122_186_953_5),
        (3.84, 1, 0.050_043_521_248_705_106),
        (40.0, 1, 2.539_628_589_470_865e-10),
        (1300.0, 1, 1.130_372_844_149_274_3e-284),
        (5.0, 2, 0.082_084_998_623_898_8),
        (1200.0, 2, 2.650_396_553_004_310_8e-261),
        (25.0, 3, 1.544_049_829_110_136_5e-05),
        (1395.0, 3, 3.582_094_393_081_291e-302),
        (24.9, 15, 0.051_302_640_684_619_004),
        (60.0, 16, 5.233_734_167_070_7e-07),
        (700.0, 15, 1.859_337_931_253_301_6e-139),
        (1399.0, 40, 1.544_627_524_543_199_8e-267),
        (1401.0, 40, 5.838_483_065_233_856e-268),
        (1401.0, 41, 3.479_536_610_295_648_3e-267),
        (90.0, 99, 0.729_834_410_284_651_1),
        (180.0, 100, 1.649_498_501_717_824_9e-06),
        (1500.0, 100, 2.525_432_028_886_37e-248),
        (700.0, 1001, 0.999_999_999_999_975_9),
        (1500.0, 2000, 1.0),
        (2600.0, 2001, 2.139_987_331_220_517_8e-18),
    ] {
        close(chi2_sf(x, df), tail, 1e-12);
    }
    for nothing in [0.0, -1.0, f64::NAN] {
        close(chi2_sf(nothing, 3), 1.0, 0.0);
    }
    close(chi2_sf(f64::INFINITY, 3), 0.0, 0.0);
    close(chi2_sf(1e300, 1_000), 0.0, 0.0);
    close(chi2_sf(1e-300, 0), 0.0, 0.0);
}

#[test]
fn the_tail_of_students_t_is_right_for_fractional_degrees_of_freedom_too() {
    for (t, df, tail) in [
        (0.001, 2.0, 0.999_292_893_395_590_1),
        (0.5, 2.0, 0.666_666_666_666_666_6),
        (1.5, 16.0, 0.153_087_651_784_880_7),
        (1.7, 16.0, 0.108_484_340_125_618_63),
        (8.5, 16.0, 2.503_652_855_538_666_7e-07),
        (31_622.776, 16.0, 8.434_484_748_079_565e-64),
        (3.0, 2.37, 0.077_563_883_625_955_22),
        (40.0, 11.25, 1.739_634_960_058_521_9e-13),
        (1_000_000_000.0, 3.3, 5.831_614_151_378_234e-30),
        (2.0, 1000.0, 0.045_770_346_493_251_64),
    ] {
        close(t_sf_two_sided(t, df), tail, 1e-11);
        close(t_sf_two_sided(-t, df), tail, 1e-11);
    }
    close(t_sf_two_sided(0.0, 3.0), 1.0, 0.0);
    close(t_sf_two_sided(f64::NAN, 3.0), 1.0, 0.0);
    close(t_sf_two_sided(f64::INFINITY, 3.0), 0.0, 0.0);
}

#[test]
fn the_normal_tail_is_right_far_out() {
    for (z, tail) in [
        (-3.0, 0.998_650_101_968_369_9),
        (0.0, 0.5),
        (1.96, 0.024_997_895_148_220_435),
        (5.7, 5.990_371_401_063_528e-09),
        (37.5, 4.605_353_009_581_955e-308),
    ] {
        close(normal_sf(z), tail, 1e-13);
    }
}

#[test]
fn the_kolmogorov_tail_is_right_on_both_sides_of_its_seam() {
    for (z, tail) in [
        (0.04, 1.0),
        (0.1, 1.0),
        (0.3, 0.999_990_694_198_665_4),
        (0.4999, 0.964_009_165_853_725_3),
        (0.5, 0.963_945_243_664_875_1),
        (0.5001, 0.963_881_249_278_445_4),
        (2.0, 0.000_670_925_255_779_695_3),
        (10.0, 2.767_793_053_473_475e-87),
        (18.0, 7.554_499_944_724_249e-282),
    ] {
        close(kolmogorov_q(z), tail, 1e-13);
    }
    for nothing in [0.0, -1.0, f64::NAN, 1e-310] {
        close(kolmogorov_q(nothing), 1.0, 0.0);
    }
    close(kolmogorov_q(f64::INFINITY), 0.0, 0.0);
}

#[test]
fn the_entropy_excess_keeps_its_digits_on_both_sides_of_its_seam() {
    for (x, h) in [
        (-0.999_999_999, 0.999_999_978_276_734_7),
        (-0.5, 0.153_426_409_720_027_36),
        (-0.0101, 5.117_758_929_403_313_5e-05),
        (-0.009_99, 5.006_705_217_991_868e-05),
        (1e-12, 4.999_999_999_998_333e-25),
        (0.009_99, 4.973_470_789_634_588e-05),
        (0.0101, 5.083_414_511_675_54e-05),
        (3.0, 2.545_177_444_479_562_3),
        (1_000_000_000_000.0, 26_631_021_115_957.18),
    ] {
        close(entropy_excess(x), h, 5e-14);
    }
    close(entropy_excess(0.0), 0.0, 0.0);
    close(entropy_excess(-1.0), 1.0, 0.0);
}

proptest! {
    /// sf(x, df) <= sf(x', df) for x >= x', and sf(x, df) <= sf(x, df + 1)
    #[test]
    fn the_chi_squared_tail_falls_with_x_and_rises_with_df(
        x in 0.0..2_000.0_f64, step in 0.0..10.0_f64, df in 1..200_usize,
    ) {
        let here = chi2_sf(x, df);
        prop_assert!((0.0..=1.0).contains(&here));
        prop_assert!(chi2_sf(x + step, df) <= here * (1.0 + 1e-12));
        prop_assert!(here <= chi2_sf(x, df + 1) * (1.0 + 1e-12));
    }

    /// The density is minus half the slope of the two-sided tail.
    #[test]
    fn the_density_of_t_is_the_slope_of_its_tail(t in 0.01..30.0_f64, df in 0.5..40.0_f64) {
        let step = 1e-5 * t;
        let fall = t_sf_two_sided(t - step, df) - t_sf_two_sided(t + step, df);
        let slope = fall / (4.0 * step);
        prop_assert!((slope - t_pdf(t, df)).abs() <= 1e-6 * t_pdf(t, df) + 1e-9);
    }
}
