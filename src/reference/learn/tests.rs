//! Laws and cases of the module that this is part of.

use super::*;
use crate::decode::Value;
use crate::key::Name;
use crate::layout::{CATEGORIES_MAX, TEXTS_MAX, grid_of};
use crate::reference::ReferenceRole;
use proptest::prelude::*;

fn header(rows: u64) -> Header {
    let name = |text: &str| Name::new(text).unwrap();
    Header {
        rows,
        ..Header::new(name("m"), name("1"), ReferenceRole::Baseline)
    }
}

fn counted<'a>(values: impl IntoIterator<Item = Value<'a>>) -> LooseCounts {
    let mut counts = LooseCounts::default();
    for value in values {
        counts.add(value, 1);
    }
    counts
}

fn layout_of(counts: &LooseCounts) -> SeriesLayout {
    learn_layout("x", Role::Feature, counts).unwrap()
}

#[test]
fn the_kind_is_that_of_most_values_and_numeric_without_any() {
    let number = Value::Number(1.0);
    for (values, kind) in [
        (vec![], Kind::Numeric),
        (vec![Value::Missing, Value::Invalid], Kind::Numeric),
        (vec![number, Value::Text("a")], Kind::Numeric),
        (
            vec![number, Value::Text("a"), Value::Text("b")],
            Kind::Categorical,
        ),
        (vec![Value::Bool(true), Value::Missing], Kind::Boolean),
    ] {
        assert_eq!(layout_of(&counted(values)).kind(), kind);
    }
}

#[test]
fn small_whole_numbers_get_bins_of_their_own() {
    let counts = counted((0..1000).map(|i| Value::Number(f64::from(i % 5))));
    let layout = layout_of(&counts);
    let cells: Vec<_> = (0..5)
        .map(|i| layout.cell_of(Value::Number(f64::from(i))))
        .collect();
    assert_eq!(cells.windows(2).filter(|pair| pair[0] < pair[1]).count(), 4);
    let zero = layout.cell_of(Value::Number(0.0));
    assert!(layout.points()[zero], "zero is exact on the grid");
    assert_eq!(counts.project(&layout)[cells[3]], 200);
}

#[test]
fn absent_series_of_a_carried_role_are_missing() {
    let mut series = LooseSeries::new();
    series.insert(
        (Role::Feature, "seen".into()),
        counted([Value::Number(3.0), Value::Missing]),
    );
    series.insert((Role::Feature, "rare".into()), counted([Value::Text("a")]));
    let reference = learn(header(10), [8, 0, 0, 0], &series).unwrap();
    for (name, missing) in [("seen", 7), ("rare", 7)] {
        let (layout, series) = reference.find(name).unwrap();
        assert_eq!(series.counts.get(layout.missing_cell()), missing);
        assert_eq!(series.counts.iter().sum::<u64>(), 8);
    }
    let too_few = learn(header(10), [0; 4], &series).unwrap_err();
    assert!(matches!(
        too_few,
        LearnError::Reference(ReferenceError::Counts(_))
    ));
}

#[test]
fn strings_that_were_not_kept_are_new() {
    let texts: Vec<String> = (0..TEXTS_MAX + 50).map(|i| format!("t{i}")).collect();
    let counts = counted(texts.iter().map(|text| Value::Text(text)));
    let mut series = LooseSeries::new();
    series.insert((Role::Feature, "id".into()), counts);
    let reference = learn(header(250), [250, 0, 0, 0], &series).unwrap();
    let (layout, series) = reference.find("id").unwrap();
    assert_eq!(series.counts.get(layout.new_cell().unwrap()), 50);
    assert_eq!(
        series.counts.get(layout.other_cell().unwrap()),
        (TEXTS_MAX - CATEGORIES_MAX) as u64
    );
}

proptest! {
    /// What was counted on the grid projects onto the learned layout as if counted there, and the
    /// learned reference passes all checks, digest included, in any order of the rows.
    #[test]
    fn what_was_counted_before_projects_exactly(
        values in prop::collection::vec(
            prop_oneof![any::<f64>(), -2.0..2.0, (-9_i32..9).prop_map(f64::from)], 0..400
        ),
        later in prop::collection::vec(any::<f64>(), 0..50),
    ) {
        let values: Vec<_> = values.into_iter().filter(|x| x.is_finite()).collect();
        let counts = counted(values.iter().map(|x| Value::Number(*x)));
        let layout = layout_of(&counts);
        for x in values.iter().chain(&later).filter(|x| x.is_finite()) {
            let upper = grid_bounds(grid_of(*x)).1.min(f64::MAX);
            let cell = |x: f64| layout.cell_of(Value::Number(x));
            prop_assert_eq!(cell(*x), cell(upper));
        }
        let rows = values.len() as u64;
        let learn_of = |counts| {
            let series = LooseSeries::from([((Role::Feature, "x".into()), counts)]);
            learn(header(rows), [rows, 0, 0, 0], &series).unwrap()
        };
        let mut turned = values;
        turned.reverse();
        let turned = learn_of(counted(turned.iter().map(|x| Value::Number(*x))));
        prop_assert_eq!(learn_of(counts).digest(), turned.digest());
    }
}
