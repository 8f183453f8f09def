//! Laws and cases of the module that this is part of.

use super::*;
use proptest::prelude::*;

/// The edges again, by the sentences of the header, from the values in any order.
fn naive_edges(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|x| x + 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    let m = sorted.len();
    let mut edges = Vec::new();
    for k in 1..=99 {
        if let Some(x) = sorted.get((k * m).div_ceil(100).wrapping_sub(1)) {
            edges.push(*x);
        }
    }
    let mut distinct = sorted.clone();
    distinct.dedup();
    for v in &distinct {
        let count = sorted.iter().filter(|x| *x == v).count();
        if distinct.len() <= 200 || count as f64 >= m as f64 / 200.0 {
            edges.extend([v.next_down(), *v]);
        }
    }
    edges.extend(sorted.first().map(|min| min.next_down()));
    edges.extend(sorted.first());
    edges.extend(sorted.last());
    edges.retain(|edge| edge.is_finite());
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    edges
}

fn collect(values: &[f64]) -> Quantiles {
    let mut sorted: Vec<f64> = values.iter().map(|x| x + 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    let mut collector = EdgeCollector::new(sorted.len() as u64);
    for run in sorted.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
        collector.push(run[0], run.len() as u64);
    }
    collector.finish()
}

fn bins_of(values: &[f64]) -> NumericBins {
    let quantiles = collect(values);
    let mut counts = vec![0; quantiles.edges.bins()];
    for x in values {
        counts[quantiles.edges.bin_of(*x)] += 1;
    }
    NumericBins::from_reference(&quantiles, &counts).unwrap()
}

fn normal(n: usize) -> Vec<f64> {
    // a fixed low-discrepancy sample of N(0, 1): sums of twelve uniforms
    let uniform = |i: usize, j: usize| ((i as f64 + 1.0) * (2.0_f64 + j as f64).sqrt()).fract();
    (0..n)
        .map(|i| (0..12).map(|j| uniform(i, j)).sum::<f64>() - 6.0)
        .collect()
}

/// 30 % zeros, 5 % -1.0, the rest normal.
fn with_atoms() -> Vec<f64> {
    let mut values = normal(6500);
    values.extend([0.0; 2000]);
    values.extend([-0.0; 1000]);
    values.extend([-1.0; 500]);
    values
}

#[test]
fn atoms_have_point_bins_and_their_neighbours_do_not_fall_into_them() {
    let bins = bins_of(&with_atoms());
    let edges = bins.edges();
    let zero = edges.bin_of(0.0);
    assert!(bins.points()[zero]);
    assert_eq!(edges.bin_of(-0.0), zero);
    assert_eq!(edges.bin_of(5e-324), zero + 1);
    assert_eq!(edges.bin_of(-5e-324), zero - 1);
    let one = edges.bin_of(-1.0);
    assert!(bins.points()[one]);
    assert_eq!(bins.cell(one), Cell::Point(-1.0));
    assert_eq!(edges.bin_of((-1.0_f64).next_down()), one - 1);
    assert_eq!(edges.bin_of((-1.0_f64).next_up()), one + 1);
    assert!(!bins.points()[zero + 1] && !bins.points()[zero - 1]);
    // zero is alone in its test bin, and so is -1.0: both have more than 1/32 of the mass
    for point in [zero, one] {
        let own = bins.tests()[point];
        let with_it: Vec<_> = bins.tests().iter().filter(|bin| **bin == own).collect();
        assert_eq!(with_it.len(), 1);
    }
}

#[test]
fn the_example_of_the_header() {
    let bins = bins_of(&[7.0, 0.0, 5.0, 0.0, 0.0]);
    let pred = f64::next_down;
    assert_eq!(
        bins.edges().as_slice(),
        [pred(0.0), 0.0, pred(5.0), 5.0, pred(7.0), 7.0]
    );
    assert_eq!(
        bins.points(),
        [false, true, false, true, false, true, false]
    );
    assert_eq!(bins.edges().bin_of(6.5), 4);
    assert_eq!(bins.display(), [0, 0, 1, 1, 2, 2, 3]);
    assert_eq!(bins.upper_edges_of(bins.display()), [0.0, 5.0, 7.0]);
}

#[test]
fn without_values_there_is_one_open_bin() {
    let bins = bins_of(&[]);
    assert_eq!(
        (bins.edges().bins(), bins.display(), bins.tests()),
        (1, &[0][..], &[0][..])
    );
    assert_eq!(
        bins.cell(0),
        Cell::Range {
            lower: None,
            upper: None
        }
    );
}

#[test]
fn the_largest_floats_are_edges_without_an_infinite_neighbour() {
    let bins = bins_of(&[f64::MIN, f64::MAX]);
    assert_eq!(
        bins.edges().as_slice(),
        [f64::MIN, f64::MAX.next_down(), f64::MAX]
    );
    assert_eq!(bins.points(), [true, false, true, false]);
}

#[test]
fn a_decile_at_the_maximum_leaves_an_empty_end_bin() {
    let mut values = normal(50);
    values.extend([9.0; 50]);
    let bins = bins_of(&values);
    assert_eq!(bins.upper_edges_of(bins.display()).last(), Some(&9.0));
    assert_eq!(*bins.display().last().unwrap(), 6);
}

#[test]
fn what_is_not_finite_increasing_and_few_is_no_edges() {
    assert_eq!(Edges::new(vec![f64::NAN]), Err(EdgesError::NotFinite));
    assert_eq!(
        Edges::new(vec![1.0, f64::INFINITY]),
        Err(EdgesError::NotFinite)
    );
    assert_eq!(Edges::new(vec![1.0, 1.0]), Err(EdgesError::NotIncreasing));
    assert_eq!(Edges::new(vec![-0.0, 0.0]), Err(EdgesError::NotIncreasing));
    assert_eq!(
        Edges::new(vec![0.0; EDGES_MAX + 1]),
        Err(EdgesError::TooMany(EDGES_MAX + 1))
    );
    assert!(Edges::new(vec![-0.0]).unwrap().as_slice()[0].is_sign_positive());
}

#[test]
fn the_most_edges_that_a_reference_can_give_are_within_the_limit() {
    // 200 atoms of 1/200 each would leave nothing else: 199, and distinct values between them
    let mut values = Vec::new();
    for atom in 0..199 {
        values.extend(vec![f64::from(atom); 1000]);
    }
    values.extend((0..1000).map(|i| f64::from(i) * 0.199 + 0.05));
    let quantiles = collect(&values);
    assert!(quantiles.edges.as_slice().len() > 398);
    assert!(quantiles.edges.as_slice().len() <= EDGES_MAX);
}

fn a_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-3_i32..4).prop_map(f64::from),
        (-50_i32..50).prop_map(|i| f64::from(i) / 8.0),
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
        Just(-0.0),
        Just(5e-324),
        Just(f64::MAX),
    ]
}

proptest! {
    /// bin_of(x) = #{ e < x }, for edges and numbers of any size.
    #[test]
    fn the_search_counts_the_edges_below(
        mut edges in prop::collection::vec(a_number(), 0..600), x in a_number()
    ) {
        edges.sort_by(f64::total_cmp);
        edges.dedup_by(|a, b| *a == *b);
        edges.truncate(EDGES_MAX);
        let edges = Edges::new(edges).unwrap();
        let near = edges.as_slice().iter().flat_map(|e| [e.next_down(), *e, e.next_up()]);
        let numbers: Vec<f64> = near.chain([x, -0.0, f64::MAX, f64::MIN]).collect();
        let mut at_once = vec![0; numbers.len()];
        edges.find_bins(&numbers, &mut at_once);
        for (x, bin) in numbers.iter().zip(at_once) {
            let below = edges.as_slice().iter().filter(|edge| *edge < x).count();
            prop_assert_eq!(edges.bin_of(*x), below);
            prop_assert_eq!(usize::from(bin), below);
        }
    }

    /// Edges are those of the header's sentences; both merges partition the bins, the shown one at
    /// the deciles; a bin is a point exactly where one float lies in it.
    #[test]
    fn bins_are_as_the_naive_ones(values in prop_oneof![
        prop::collection::vec(a_number(), 0..700),
        prop::collection::vec((0_i32..190).prop_map(f64::from), 0..700),
    ]) {
        let bins = bins_of(&values);
        let edges = naive_edges(&values);
        prop_assert_eq!(bins.edges().as_slice(), edges.as_slice());
        prop_assert_eq!(bins.edges().bins(), edges.len() + 1);
        let deciles = collect(&values).deciles;
        let shown = bins.upper_edges_of(bins.display());
        prop_assert_eq!(&shown, &deciles);
        for x in &values {
            let bin = bins.edges().bin_of(*x);
            let below = deciles.iter().filter(|decile| **decile < *x).count();
            prop_assert_eq!(usize::from(bins.display()[bin]), below);
            prop_assert_eq!(bins.points()[bin], match bins.edges().bounds(bin) {
                (lower, Some(upper)) => lower.unwrap_or(f64::NEG_INFINITY).next_up() == upper,
                (lower, None) => lower.unwrap_or(f64::NEG_INFINITY).next_up() == f64::MAX,
            });
        }
        prop_assert!(merge::is_adjacent(bins.tests()));
    }
}
