//! Published intervals, the definition of the exact test, and laws.

use proptest::prelude::*;

use super::*;
use crate::stats::support::{close, finite};

#[test]
fn the_example_of_the_header() {
    let (before, now) = (Rate::new(100, 10_000), Rate::new(30, 1_000));
    let tested = rate_deviance(before, now).unwrap();
    assert_eq!(
        format!("{:.1} {:.0e}", tested.value, tested.p()),
        "22.9 2e-6"
    );
    let moved = rate_difference(before, now).unwrap();
    let percent =
        [moved.value, moved.ci.0, moved.ci.1].map(|share| format!("{:.1}", 100.0 * share));
    assert_eq!(percent, ["2.0", "1.1", "3.3"]);
}

/// Table II of Newcombe (1998), method 10.
#[test]
fn the_published_intervals() {
    for (to, from, low, high) in [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ] {
        let moved = rate_difference(Rate::new(from.0, from.1), Rate::new(to.0, to.1)).unwrap();
        assert!(
            (moved.ci.0 - low).abs() < 5.1e-5,
            "{to:?} {from:?}: {:?}",
            moved.ci
        );
        assert!(
            (moved.ci.1 - high).abs() < 5.1e-5,
            "{to:?} {from:?}: {:?}",
            moved.ci
        );
    }
}

#[test]
fn an_empty_side_has_no_difference() {
    let (none, some) = (Rate::new(0, 0), Rate::new(0, 1));
    assert_eq!(
        rate_difference(none, some),
        Err(Insufficient::NoReferenceRows)
    );
    assert_eq!(
        rate_difference(some, none),
        Err(Insufficient::NoCurrentRows)
    );
    assert_eq!(
        rate_deviance(none, some),
        Err(Insufficient::NoReferenceRows)
    );
    close(none.value(), 0.0, 0.0);
}

#[test]
fn nothing_new_and_nothing_to_compare_with_are_no_evidence() {
    close(novelty_p(0, 1_000, 10_000), 1.0, 0.0);
    close(novelty_p(1_000, 1_000, 0), 1.0, 0.0);
    close(novelty_p(0, 0, 0), 1.0, 0.0);
    close(novelty_p(1_000_000, 1_000_000, 1_000_000_000_000), 0.0, 0.0);
}

/// By mpmath: past the factors that are multiplied, p is bounded from above, and closely.
#[test]
fn many_novel_rows_of_many_more() {
    let p = novelty_p(5_000, 1_000_000_000, 2_000_000);
    let exact = 4.585_445_228_342_017e-5;
    assert!((exact..exact * 1.001).contains(&p), "{p:e}");
}

proptest! {
    #[test]
    fn the_difference_lies_in_its_interval(
        (m, n) in (1..=1_000_000_000_000_u64, 1..=1_000_000_000_000_u64),
        (p, q) in (0..=1_024_u64, 0..=1_024_u64),
    ) {
        let hits = |rows: u64, parts: u64| rows / 1_024 * parts;
        let (from, to) = (Rate::new(hits(m, p), m), Rate::new(hits(n, q), n));
        let moved = rate_difference(from, to).unwrap();
        finite(&[moved.value, moved.ci.0, moved.ci.1]);
        prop_assert!(moved.ci.0 <= moved.value && moved.value <= moved.ci.1);
        prop_assert!(-1.0 <= moved.ci.0 && moved.ci.1 <= 1.0);
        let tested = rate_deviance(from, to).unwrap();
        prop_assert_eq!(tested.df, 1);
        prop_assert!((0.0..=1.0).contains(&tested.p()));
    }

    /// The product of the definition, whichever way around it is shorter.
    #[test]
    fn novelty_is_its_definition(n in 0..300_u64, m in 0..300_u64, part in 0..=300_u64) {
        let x = part.min(n);
        let naive: f64 = (0..x).map(|i| real(n - i) / real(n + m - i)).product();
        close(novelty_p(x, n, m), naive, 1e-12);
    }

    /// More novel rows are more surprising.
    #[test]
    fn novelty_falls(
        x in 0..100_000_u64, n in 100_001..1_000_000_000_u64, m in 0..1_000_000_u64,
    ) {
        let p = novelty_p(x, n, m);
        prop_assert!((0.0..=1.0).contains(&p));
        prop_assert!(novelty_p(x + 1, n, m) <= p * (1.0 + 1e-12));
    }
}
