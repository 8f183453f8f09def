//! Laws and cases of the module that this is part of.

use super::*;
use crate::key::Role;
use crate::layout::{Bins, Edges, NumericBins, SeriesLayout};
use proptest::prelude::*;

#[test]
fn the_examples_of_the_header() {
    assert_eq!(grid_bounds(grid_of(3.0)), (2.9375, 3.0));
    assert_eq!(grid_bounds(grid_of(3.01)), (3.0, 3.0625));
    for n in 1..=64 {
        let n = f64::from(n);
        assert_eq!(grid_bounds(grid_of(n)).1, n);
        assert_eq!(grid_bounds(grid_of(-n)).1, -n);
    }
}

#[test]
fn zero_has_a_bin_of_its_own_and_the_ends_are_open() {
    let tiny = 5e-324;
    assert_eq!(grid_bounds(grid_of(0.0)), (-tiny, 0.0));
    assert_eq!(grid_of(-0.0), grid_of(0.0));
    assert_eq!(grid_of(tiny), grid_of(0.0) + 1);
    assert_eq!(grid_of(-tiny), grid_of(0.0) - 1);
    assert_eq!(grid_of(f64::MIN), 0);
    assert_eq!(grid_of(f64::MAX), GRID_CELLS - 1);
    assert_eq!(grid_bounds(0).0, f64::NEG_INFINITY);
    assert_eq!(grid_bounds(GRID_CELLS - 1).1, f64::INFINITY);
}

#[test]
fn the_bins_of_the_grid_follow_on_each_other_without_gaps() {
    for bin in 1..GRID_CELLS {
        let (lower, upper) = grid_bounds(bin);
        assert_eq!(lower, grid_bounds(bin - 1).1);
        assert!(lower < upper);
    }
}

#[derive(Debug, Clone)]
enum Added {
    Number(f64),
    Text(String),
    Bool(bool),
    Missing,
    Invalid,
}

impl Added {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Number(x) => Value::Number(*x),
            Self::Text(text) => Value::Text(text),
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Missing => Value::Missing,
            Self::Invalid => Value::Invalid,
        }
    }
}

fn added() -> impl Strategy<Value = Vec<(Added, u64)>> {
    let one = prop_oneof![
        1 => any::<f64>().prop_map(Added::Number),
        // some of these are drawn more than once, and together they go beyond the bound
        20 => (0_u32..400).prop_map(|i| Added::Text(format!("t{i}"))),
        1 => Just(Added::Text("x".repeat(TEXT_BYTES_MAX + 1))),
        1 => any::<bool>().prop_map(Added::Bool),
        1 => Just(Added::Missing),
        1 => Just(Added::Invalid),
    ];
    prop::collection::vec((one, 1_u64..4), 0..1500)
}

fn count(added: &[(Added, u64)]) -> LooseCounts {
    let mut counts = LooseCounts::default();
    for (value, times) in added {
        counts.add(value.value(), *times);
    }
    counts
}

/// The strings with the smallest hashes of all, and how many rows the others have.
fn naive_texts(added: &[(Added, u64)]) -> (Vec<(String, u64)>, u64) {
    let mut texts: BTreeMap<(u64, String), u64> = BTreeMap::new();
    let mut overflow = 0;
    for (value, times) in added {
        match value {
            Added::Text(text) if text.len() > TEXT_BYTES_MAX => overflow += times,
            Added::Text(text) => {
                *texts
                    .entry((xxh3_64(text.as_bytes()), text.clone()))
                    .or_default() += times;
            }
            _ => {}
        }
    }
    overflow += texts.values().skip(TEXTS_MAX).sum::<u64>();
    let kept = texts
        .into_iter()
        .take(TEXTS_MAX)
        .map(|((_, text), n)| (text, n))
        .collect();
    (kept, overflow)
}

proptest! {
    /// lower(g) < x <= upper(g), and the grid keeps the order.
    #[test]
    fn a_number_lies_in_its_bin(x in any::<f64>(), y in any::<f64>()) {
        prop_assume!(x.is_finite() && y.is_finite());
        let (lower, upper) = grid_bounds(grid_of(x));
        prop_assert!(lower < x && x <= upper);
        prop_assert_eq!(x <= y || grid_of(x) >= grid_of(y), true);
        let width = (upper - lower) / x.abs();
        prop_assert!(x.abs() < 1e-300 || x.abs() > 1e308 || width <= 1.0 / 31.0);
    }

    /// Any order and any split give the same counts, and they are the naive ones.
    #[test]
    fn counts_are_a_function_of_the_multiset(
        rows in added(), seed in any::<u64>(), cut in any::<prop::sample::Index>()
    ) {
        let whole = count(&rows);
        let mut shuffled = rows.clone();
        let place = |text: String| xxh3_64(text.as_bytes());
        shuffled.sort_by_key(|(value, times)| place(format!("{seed} {value:?} {times}")));
        let (left, right) = shuffled.split_at(cut.index(shuffled.len() + 1));
        let (left, right) = (count(left), count(right));
        let (mut one, mut two) = (left.clone(), right.clone());
        one.merge(&right);
        two.merge(&left);
        prop_assert_eq!(&one, &whole);
        prop_assert_eq!(&two, &whole);
        let (texts, overflow) = naive_texts(&rows);
        prop_assert_eq!(whole.texts().map(|(t, n)| (t.to_owned(), n)).collect::<Vec<_>>(), texts);
        prop_assert_eq!(whole.overflow(), overflow);
        prop_assert_eq!(whole.total(), rows.iter().map(|(_, times)| times).sum::<u64>());
    }

    /// Onto edges that are points of the grid, counts project as if counted there at once.
    #[test]
    fn projection_onto_points_of_the_grid_is_exact(
        numbers in prop::collection::vec(prop_oneof![any::<f64>(), -9.0..9.0], 0..200),
        edges in prop::collection::btree_set(0..GRID_CELLS - 1, 0..40),
        near in prop::collection::btree_set(grid_of(-9.0)..grid_of(9.0), 0..40),
    ) {
        let edges: Vec<f64> = edges.union(&near).map(|bin| grid_bounds(*bin).1).collect();
        let edges = Edges::new(edges).unwrap();
        let all = vec![0; edges.bins()];
        let bins = NumericBins::new(edges, all.clone(), all).unwrap();
        let bins = Bins::Numeric(bins);
        let series = SeriesLayout::new("x", Role::Feature, Kind::Numeric, bins).unwrap();
        let mut counts = LooseCounts::default();
        let mut cells = vec![0; series.cells()];
        for x in &numbers {
            counts.add(Value::Number(*x), 1);
            cells[series.cell_of(Value::Number(*x))] += 1;
        }
        prop_assert_eq!(counts.project(&series), cells);
    }
}
