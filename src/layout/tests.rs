//! Laws and cases of the module that this is part of.

use super::*;
use crate::decode::Value;
use crate::key::Role;
use proptest::prelude::*;

fn numeric(name: &str, values: &[f64]) -> SeriesLayout {
    let mut sorted: Vec<f64> = values.iter().map(|x| x + 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    let mut collector = EdgeCollector::new(sorted.len() as u64);
    for run in sorted.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
        collector.push(run[0], run.len() as u64);
    }
    let quantiles = collector.finish();
    let mut counts = vec![0; quantiles.edges.bins()];
    for x in values {
        counts[quantiles.edges.bin_of(*x)] += 1;
    }
    let bins = NumericBins::from_reference(&quantiles, &counts).unwrap();
    SeriesLayout::new(name, Role::Feature, Kind::Numeric, Bins::Numeric(bins)).unwrap()
}

fn categorical(name: &str, counts: &[(&str, u64)], private: bool) -> SeriesLayout {
    let hash = CategoryHash::new(name, private);
    let counts = counts
        .iter()
        .map(|(text, n)| (hash.category(text), *n))
        .collect();
    let bins = Bins::Categorical(CategoryBins::from_reference(hash, counts));
    SeriesLayout::new(name, Role::Prediction, Kind::Categorical, bins).unwrap()
}

fn boolean(name: &str) -> SeriesLayout {
    let counts = vec![(Category::Text("true".into()), 1)];
    let bins = Bins::Categorical(CategoryBins::from_reference(CategoryHash::Open, counts));
    SeriesLayout::new(name, Role::Operational, Kind::Boolean, bins).unwrap()
}

fn example() -> Layout {
    Layout::new(vec![
        boolean("vip"),
        numeric("amount", &[0.0, 1.5, 2.0, 2.0, -3.0]),
        categorical("country", &[("DE", 20), ("FR", 3)], true),
    ])
    .unwrap()
}

#[test]
fn series_are_in_order_of_name_and_cells_numbered_through() {
    let layout = example();
    let names: Vec<_> = layout.series().iter().map(|s| &**s.name()).collect();
    assert_eq!(names, ["amount", "country", "vip"]);
    assert_eq!(layout.find("vip"), Some(2));
    assert_eq!(layout.find("zip"), None);
    let sizes: Vec<_> = layout.series().iter().map(SeriesLayout::cells).collect();
    assert_eq!(sizes, [9 + 2, 2 + 4, 1 + 4]);
    assert_eq!(
        [0, 1, 2, 3, 9].map(|s| layout.offset(s)),
        [0, 11, 17, 22, 22]
    );
    assert_eq!(layout.cells(), 22);
}

#[test]
fn a_value_of_another_type_is_invalid_and_null_is_missing() {
    let layout = example();
    let [amount, country, vip] = layout.series() else {
        panic!("three series")
    };
    for series in [amount, country, vip] {
        assert_eq!(series.cell_of(Value::Missing), series.missing_cell());
        assert_eq!(series.cell_of(Value::Invalid), series.invalid_cell());
        assert_eq!(
            series.cell_of(Value::Number(f64::NAN)),
            series.invalid_cell()
        );
        assert_eq!(
            series.cell_of(Value::Number(f64::INFINITY)),
            series.invalid_cell()
        );
    }
    assert_eq!(amount.cell_of(Value::Text("1.5")), amount.invalid_cell());
    assert_eq!(country.cell_of(Value::Bool(true)), country.invalid_cell());
    assert_eq!(country.cell_of(Value::Number(1.0)), country.invalid_cell());
    assert_eq!(vip.cell_of(Value::Text("true")), vip.invalid_cell());
    assert_eq!(vip.cell_of(Value::Bool(true)), 0);
    assert_eq!(vip.cell_of(Value::Bool(false)), vip.new_cell().unwrap());
    assert_eq!(country.cell_of(Value::Text("FR")), 1);
    assert_eq!(
        amount.cell_of(Value::Number(-0.0)),
        amount.cell_of(Value::Number(0.0))
    );
}

#[test]
fn cells_say_what_they_stand_for() {
    let layout = example();
    let country = &layout.series()[1];
    let cells: Vec<_> = (0..8).map(|cell| country.cell(cell)).collect();
    let german = Category::Text("DE".into());
    assert_eq!(cells[0], Some(Cell::Category(&german)));
    assert!(matches!(
        cells[1],
        Some(Cell::Category(Category::Hashed(_)))
    ));
    let rest = [Cell::Other, Cell::New, Cell::Missing, Cell::Invalid].map(Some);
    assert_eq!(cells[2..], [&rest[..], &[None, None]].concat());
    let amount = &layout.series()[0];
    assert_eq!(amount.cell(1), Some(Cell::Point(-3.0)));
    assert_eq!(
        amount.cell(8),
        Some(Cell::Range {
            lower: Some(2.0),
            upper: None
        })
    );
}

#[test]
fn what_cannot_be_a_layout_is_refused() {
    let twice = Layout::new(vec![boolean("a"), numeric("a", &[])]);
    assert_eq!(twice, Err(LayoutError::TwoSeries("a".into())));
    let bins = || boolean("a").bins().clone();
    let new = |name: &str, kind, bins| SeriesLayout::new(name, Role::Feature, kind, bins);
    assert_eq!(
        new("a", Kind::Numeric, bins()),
        Err(LayoutError::Kind("a".into()))
    );
    assert_eq!(
        new("", Kind::Boolean, bins()),
        Err(LayoutError::Name(NameError::Empty))
    );
    let long = "x".repeat(SERIES_NAME_BYTES_MAX);
    assert!(new(&long, Kind::Boolean, bins()).is_ok());
    let longer = format!("{long}x");
    assert_eq!(
        new(&longer, Kind::Boolean, bins()),
        Err(LayoutError::LongName(longer.len()))
    );
    let other = categorical("b", &[("DE", 20)], true).bins().clone();
    assert_eq!(
        new("a", Kind::Categorical, other),
        Err(LayoutError::Kind("a".into()))
    );
}

/// The digest is a promise to every artifact and log that was ever written.
#[test]
fn the_digest_of_the_example_never_changes() {
    assert_eq!(
        example().digest().to_string(),
        "e4e341f4c4ea5473b32f2e375f949ff678df0494a32a0ab73e1491d34fbf16b6"
    );
}

fn any_layout() -> impl Strategy<Value = Layout> {
    let number = prop_oneof![(-20_i32..20).prop_map(f64::from), -1e3..1e3];
    let numeric = prop::collection::vec(number, 0..300).prop_map(|values| numeric("n", &values));
    let counts = prop::collection::btree_map("[a-z]{0,3}", 1_u64..40, 0..250);
    let categorical = (counts, any::<bool>()).prop_map(|(counts, private)| {
        let counts: Vec<_> = counts.iter().map(|(text, n)| (text.as_str(), *n)).collect();
        categorical("c", &counts, private)
    });
    (numeric, categorical).prop_map(|(n, c)| Layout::new(vec![n, c, boolean("b")]).unwrap())
}

proptest! {
    /// from_bytes(to_bytes(layout)) = layout; merges partition the cells; every value has a cell.
    #[test]
    fn a_layout_reads_back_and_has_a_cell_for_every_value(
        layout in any_layout(), x in any::<f64>(), text in ".{0,5}", truth: bool
    ) {
        let bytes = layout.to_bytes();
        let again = Layout::from_bytes(&bytes).unwrap();
        prop_assert_eq!(again.series(), layout.series());
        prop_assert_eq!(again.digest(), Digest::of(&bytes));
        for series in layout.series() {
            for merge in [series.display(), series.tests()] {
                prop_assert_eq!(merge.len(), series.value_cells());
                prop_assert!(merge::is_adjacent(merge));
            }
            prop_assert_eq!(series.display_edges().len() + 1, series.display_bins().max(1)
                - if series.kind() == Kind::Numeric { 0 } else { series.display_bins() - 1 });
            let (number, text) = (Value::Number(x), Value::Text(&text));
            for value in [number, text, Value::Bool(truth), Value::Missing] {
                prop_assert!(series.cell_of(value) < series.cells());
            }
        }
    }

    /// Hostile bytes: any change, cut or garbage is an error or another layout, never a panic.
    #[test]
    fn bytes_that_were_tampered_with_are_refused_or_read_as_they_stand(
        layout in any_layout(), at in any::<prop::sample::Index>(), byte: u8, garbage: Vec<u8>
    ) {
        let bytes = layout.to_bytes();
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] = byte;
        for bytes in [&changed[..], &bytes[..at.index(bytes.len())], &garbage] {
            if let Ok(read) = Layout::from_bytes(bytes) {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
        }
        let mut longer = bytes;
        longer.push(byte);
        prop_assert!(Layout::from_bytes(&longer).is_err());
    }
}
