//! The law of the module that this is part of.

use proptest::prelude::*;

use super::*;
use crate::key::Role;
use crate::layout::{Category, CategoryBins, CategoryHash, Edges, Kind, NumericBins};

fn numeric(name: &str, edges: Vec<f64>) -> SeriesLayout {
    let merged = |bin: usize| u8::try_from(bin / 2).unwrap();
    let merge: Vec<u8> = (0..=edges.len()).map(merged).collect();
    let edges = Edges::new(edges).unwrap();
    let bins = Bins::Numeric(NumericBins::new(edges, merge.clone(), merge).unwrap());
    SeriesLayout::new(name, Role::Feature, Kind::Numeric, bins).unwrap()
}

fn categorical(name: &str, kind: Kind, categories: &[&str]) -> SeriesLayout {
    let counts = categories
        .iter()
        .map(|text| (Category::Text((*text).into()), 9));
    let bins = CategoryBins::from_reference(CategoryHash::Open, counts.collect());
    SeriesLayout::new(name, Role::Feature, kind, Bins::Categorical(bins)).unwrap()
}

/// Short, long, known and not.
const TEXTS: [&str; 8] = [
    "DE",
    "FR",
    "true",
    "",
    "seven b",
    "a long one",
    "another long one",
    "an unknown one",
];

fn a_value() -> impl Strategy<Value = Option<Value<'static>>> {
    prop_oneof![
        4 => (-5_i32..70).prop_map(|whole| Some(Value::Number(f64::from(whole) / 4.0))),
        1 => any::<f64>().prop_map(|number| Some(Value::Number(number))),
        2 => prop::sample::select(TEXTS.to_vec()).prop_map(|t| Some(Value::Text(t))),
        1 => any::<bool>().prop_map(|truth| Some(Value::Bool(truth))),
        1 => Just(Some(Value::Missing)),
        1 => Just(Some(Value::Invalid)),
        1 => Just(None),
    ]
}

proptest! {
    #[test]
    fn what_waited_is_counted_as_each_value_by_itself(
        edges in prop::sample::select(vec![0_u16, 3, 64, 130, 300]),
        rows in prop::collection::vec(prop::array::uniform4(a_value()), 0..=ROWS),
    ) {
        let series = [
            numeric("a", (0..edges).map(|edge| f64::from(edge) / 8.0).collect()),
            categorical("b", Kind::Categorical, &["DE", "true", "a long one", "another long one"]),
            categorical("c", Kind::Boolean, &["true"]),
            numeric("d", vec![1.0]),
        ];
        let mut waiting = Waiting::default();
        for row in &rows {
            prop_assert!(!waiting.is_full());
            let mut line = waiting.row(series.len());
            for ((at, series), value) in series.iter().enumerate().zip(row) {
                if let Some(value) = value {
                    line.put(at, series.kind(), *value);
                }
            }
        }
        prop_assert_eq!(waiting.is_full(), rows.len() == ROWS);
        for (index, series) in series.iter().enumerate() {
            let mut expected = vec![0; series.cells()];
            let present = rows.iter().filter_map(|row| row[index]);
            for value in present.clone() {
                expected[series.cell_of(value)] += 1;
            }
            let mut cells = vec![0; series.cells()];
            let counted = waiting.count(index, series, &mut cells);
            prop_assert_eq!(cells, expected);
            prop_assert_eq!(counted, present.count() as u64);
        }
    }
}
