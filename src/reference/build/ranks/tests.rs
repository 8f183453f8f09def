//! Laws and cases of the module that this is part of.

use super::*;
use proptest::prelude::*;

fn bins(values: &[f64], bytes_max: usize) -> (NumericBins, usize) {
    let mut keys = Keys::new(bytes_max);
    for x in values {
        keys.push(*x);
    }
    let mut zoom = keys.finish();
    let mut readings = 0;
    while !zoom.is_done() {
        for x in values {
            zoom.push(*x);
        }
        zoom.settle();
        readings += 1;
        assert!(readings <= 6);
    }
    (zoom.bins().unwrap(), readings)
}

/// From all numbers at once, sorted.
fn naive(values: &[f64]) -> NumericBins {
    let mut sorted: Vec<f64> = values.iter().map(|x| x + 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    let mut collector = EdgeCollector::new(sorted.len() as u64);
    for run in sorted.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
        collector.push(run[0], run.len() as u64);
    }
    let quantiles = collector.finish();
    let mut counts = vec![0; quantiles.edges.bins()];
    for x in &sorted {
        counts[quantiles.edges.bin_of(*x)] += 1;
    }
    NumericBins::from_reference(&quantiles, &counts).unwrap()
}

fn uniform(n: u32, seed: f64) -> impl Iterator<Item = f64> {
    (0..n).map(move |i| ((f64::from(i) + seed) * 0.618_033_988_749_895).fract())
}

#[test]
fn numbers_that_do_not_fit_give_the_same_bins() {
    let cases: Vec<(&str, Vec<f64>)> = vec![
        ("uniform", uniform(60_000, 0.1).collect()),
        (
            "all in one piece",
            uniform(60_000, 0.1).map(|x| 1000.0 + x / 1e6).collect(),
        ),
        ("ascending", (0..60_000).map(f64::from).collect()),
        ("descending", (0..60_000).map(|i| -f64::from(i)).collect()),
        (
            "over all magnitudes",
            uniform(60_000, 0.1)
                .map(|x| (x * 1400.0 - 700.0).exp())
                .collect(),
        ),
        (
            "with atoms",
            uniform(60_000, 0.1)
                .map(|x| if x < 0.4 { 0.0 } else { x })
                .collect(),
        ),
        (
            "atoms side by side",
            uniform(60_000, 0.1)
                .map(|x| match x {
                    x if x < 0.2 => 1.0,
                    x if x < 0.4 => 1.0_f64.next_up(),
                    x if x < 0.6 => 1.0_f64.next_down(),
                    x => x * 3.0,
                })
                .collect(),
        ),
        (
            "with the ends",
            uniform(50_000, 0.1)
                .chain([f64::MIN, f64::MAX, -5e-324, -0.0])
                .collect(),
        ),
    ];
    for (name, values) in cases {
        let expected = naive(&values);
        for (bytes_max, most) in [(0, 6), (100_000, 3), (usize::MAX >> 1, 0)] {
            let (found, readings) = bins(&values, bytes_max);
            assert_eq!(found, expected, "{name} in {bytes_max}");
            // numbers in a narrow range take more cuts to be told apart
            let most = if name == "all in one piece" {
                6.min(most * 2)
            } else {
                most
            };
            assert!(readings <= most, "{name} in {bytes_max}: {readings}");
        }
    }
}

proptest! {
    /// Keys sort as numbers do, and say which number they are of.
    #[test]
    fn keys_keep_the_order(x in any::<f64>(), y in any::<f64>()) {
        prop_assume!(x.is_finite() && y.is_finite());
        prop_assert_eq!(number(key(x)).to_bits(), (x + 0.0).to_bits());
        prop_assert_eq!(key(x).cmp(&key(y)), x.partial_cmp(&y).unwrap());
    }

    /// Few numbers, many numbers, equal ones: always the bins of the sorted list.
    #[test]
    fn the_bins_are_those_of_the_sorted_list(
        values in prop::collection::vec(
            prop_oneof![-1.0..1.0, (-9_i32..9).prop_map(f64::from), Just(-0.0)], 0..300
        ),
        times in 1_u32..60,
    ) {
        let mut many = Vec::new();
        for turn in 0..times {
            let parts = f64::from(turn + 1);
            let part = |x: &f64| if x.fract() == 0.0 { *x } else { x / parts };
            many.extend(values.iter().map(part));
        }
        let expected = naive(&many);
        prop_assert_eq!(&bins(&many, 0).0, &expected);
        many.reverse();
        prop_assert_eq!(&bins(&many, 1 << 30).0, &expected);
    }
}
