//! Columns make the deltas of rows, bit for bit.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use arrow::array::{BooleanArray, DictionaryArray, Float64Array, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Int32Type;
use proptest::prelude::*;

use super::*;
use crate::delta::LayoutId;
use crate::files::{self, Batch, Column, ColumnData, TableOptions};
use crate::key::{Carried, Carrier, Name, Role};
use crate::layout::{
    Bins, Category, CategoryBins, CategoryHash, EdgeCollector, Kind, NumericBins, SeriesLayout,
};
use crate::reference::ReferenceRole;
use crate::reference::build::{BuildRequest, Quiet, build};
use crate::replay::bins::bin;
use crate::replay::rows::{self, Piece};
use crate::tally::Layouts;

fn key() -> ModelKey {
    ModelKey::new(Name::new("m").unwrap(), Name::new("1").unwrap())
}

fn cutter(layout: &Arc<Layout>, loose_series_max: usize) -> Cutter {
    let layouts = Layouts {
        of: [(key(), (LayoutId(1), Arc::clone(layout)))].into(),
        loose_series_max,
    };
    let pane = Length::MINUTE.times(5);
    let router = Router::new(Arc::new(layouts), pane, Length::MINUTE);
    let chain = ChainKey {
        shard: 0,
        cluster: "files".into(),
        topic: "files".into(),
        incarnation: 0,
        partition: 0,
    };
    Cutter::new(router, pane, key(), chain)
}

/// The deltas of the rows of batches, row by row: so simple that it is unlikely to be wrong.
fn by_rows(mut cutter: Cutter, batches: &[Batch]) -> Vec<Delta> {
    let (mut names, mut deltas) = (Names::new(1_000), Vec::new());
    for batch in batches {
        for (index, at) in batch.at.iter().flatten().enumerate() {
            let values: Vec<_> = batch
                .columns
                .iter()
                .map(|column| {
                    let slot = names.intern(column.role, &column.name).unwrap();
                    (slot, column.value(index))
                })
                .collect();
            let row = Row {
                model: "m",
                version: "1",
                at: *at,
                request_id: None,
                carried: batch.carried,
                values: &values,
                unnamed: 0,
            };
            deltas.extend(cutter.row(&names, &row));
        }
    }
    deltas.push(cutter.cut(true));
    deltas
}

fn count(cutter: &mut Cutter, rows: &Binned, deltas: &mut Vec<Delta>) {
    let (values, mut from) = (rows.values(), 0);
    while from < rows.at.len() {
        let (cut, to) = cutter.columns((rows, &values), from);
        assert!(to > from);
        deltas.extend(cut);
        from = to;
    }
}

fn by_columns(mut cutter: Cutter, batches: &[Batch]) -> Vec<Delta> {
    let (layout, mut deltas) = (cutter.layout(), Vec::new());
    for batch in batches {
        let binned = Binned {
            at: batch.at.clone().unwrap(),
            carried: batch.carried,
            columns: bin(batch, layout.as_deref()),
        };
        count(&mut cutter, &binned, &mut deltas);
    }
    deltas.push(cutter.cut(true));
    deltas
}

fn series(name: &str, role: Role, kind: Kind) -> SeriesLayout {
    let bins = match kind {
        Kind::Numeric => {
            let mut collector = EdgeCollector::new(4);
            for x in [-1.0, 0.0, 2.5, 7.0] {
                collector.push(x, 1);
            }
            let quantiles = collector.finish();
            let counts = vec![1; quantiles.edges.bins()];
            Bins::Numeric(NumericBins::from_reference(&quantiles, &counts).unwrap())
        }
        Kind::Categorical => {
            let hash = CategoryHash::new(name, true);
            let counts = [("a", 50), ("b", 3), ("true", 40)];
            let counts = counts.map(|(text, count)| (hash.category(text), count));
            Bins::Categorical(CategoryBins::from_reference(hash, counts.into()))
        }
        Kind::Boolean => {
            let counts = vec![(Category::Text("true".into()), 1)];
            Bins::Categorical(CategoryBins::from_reference(CategoryHash::Open, counts))
        }
    };
    SeriesLayout::new(name, role, kind, bins).unwrap()
}

/// Series of each kind, one that tables never have, and one that has another role in them.
fn layout() -> Arc<Layout> {
    let series = [
        series("flag", Role::Feature, Kind::Boolean),
        series("number", Role::Feature, Kind::Numeric),
        series("other", Role::Prediction, Kind::Numeric),
        series("status", Role::Operational, Kind::Categorical),
        series("text", Role::Feature, Kind::Categorical),
    ];
    Arc::new(Layout::new(series.into()).unwrap())
}

/// A value that each way to store it makes something of.
#[derive(Debug, Clone, Copy)]
struct Raw(u8);

impl Raw {
    fn number(self) -> Option<f64> {
        let numbers = [0.0, -0.0, 2.5, 3.0, 7.5, -2.0, f64::NAN, f64::INFINITY];
        numbers.get(usize::from(self.0)).copied()
    }

    fn text(self) -> Option<&'static str> {
        let texts = ["a", "b", "true", "new", "", "a", "b", "2.5"];
        texts.get(usize::from(self.0)).copied()
    }

    fn truth(self) -> Option<bool> {
        self.text().map(|text| text == "true")
    }
}

fn data(way: u8, values: &[Raw]) -> ColumnData {
    match way {
        0 => {
            let numbers: Float64Array = values.iter().map(|raw| raw.number()).collect();
            ColumnData::Numbers {
                values: numbers.values().clone(),
                nulls: arrow::array::Array::nulls(&numbers).cloned(),
            }
        }
        1 => {
            let texts: DictionaryArray<Int32Type> = values.iter().map(|raw| raw.text()).collect();
            ColumnData::Coded(texts)
        }
        2 => ColumnData::Texts(values.iter().map(|raw| raw.text()).collect::<StringArray>()),
        3 => ColumnData::Nulls,
        way => ColumnData::Bools {
            values: values
                .iter()
                .map(|raw| raw.truth())
                .collect::<BooleanArray>(),
            invalid: (way == 4).then(|| {
                let invalid: Vec<bool> = values.iter().map(|raw| raw.0 == 6).collect();
                BooleanBuffer::from(invalid)
            }),
        },
    }
}

/// Rows about every minute, some of them out of order, with a column for each name, stored in any
/// way.
fn batch() -> impl Strategy<Value = Batch> {
    const NAMES: [(&str, Role); 7] = [
        ("flag", Role::Feature),
        ("loose", Role::Feature),
        ("number", Role::Feature),
        ("other", Role::Feature),
        ("prediction", Role::Prediction),
        ("text", Role::Feature),
        ("unknown", Role::Feature),
    ];
    let times = prop::collection::vec(prop_oneof![9 => 0_i64..240, 1 => -900_i64..900], 0..60);
    let ways = prop::array::uniform7(0_u8..6);
    (
        times,
        ways,
        prop::array::uniform7(any::<bool>()),
        any::<u64>(),
    )
        .prop_map(|(steps, ways, there, seed)| {
            let mut second = 0;
            let at: Vec<Timestamp> = steps
                .iter()
                .map(|step| {
                    second += step / 4;
                    Timestamp::from_millis((second + step) * 1_000)
                })
                .collect();
            let raw = |row: usize, column: usize| {
                let mixed = seed.wrapping_add((row * 31 + column) as u64);
                Raw((mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as u8)
            };
            let columns = NAMES.iter().enumerate().filter(|(place, _)| there[*place]);
            let columns = columns.map(|(place, (name, role))| {
                let values: Vec<Raw> = (0..at.len()).map(|row| raw(row, place)).collect();
                Column {
                    name: (*name).into(),
                    role: *role,
                    data: data(ways[place], &values),
                }
            });
            let mut carried = Carried::NONE.with(Carrier::Features);
            if there[4] {
                carried = carried.with(Carrier::Prediction);
            }
            Batch {
                rows: at.len(),
                columns: columns.collect(),
                at: Some(at),
                carried,
                bytes: 0,
            }
        })
}

proptest! {
    /// Whatever the values, their types and times, and wherever batches end; also of series that
    /// the layout does not know or has in another role, and of more of these than are kept.
    #[test]
    fn columns_make_the_deltas_of_rows(
        batches in prop::collection::vec(batch(), 1..4), loose_max in 0_usize..4,
    ) {
        let layout = layout();
        let rows = by_rows(cutter(&layout, loose_max), &batches);
        prop_assert_eq!(by_columns(cutter(&layout, loose_max), &batches), rows);
    }
}

/// A delta is full in the middle of a batch and of a pane; one more begins at the end of time.
#[test]
fn full_deltas_are_cut_at_the_same_row() {
    let full = usize::try_from(DELTA_ROWS_MAX).unwrap();
    let of = |at: Vec<Timestamp>| Batch {
        rows: at.len(),
        columns: vec![Column {
            name: "number".into(),
            role: Role::Feature,
            data: data(0, &vec![Raw(3); at.len()]),
        }],
        at: Some(at),
        carried: Carried::NONE.with(Carrier::Features),
        bytes: 0,
    };
    let batches = [
        of(vec![Timestamp::EPOCH; 3]),
        of(vec![Timestamp::EPOCH; full]),
        of(vec![Timestamp::MAX; 2]),
    ];
    let layout = layout();
    let rows = by_rows(cutter(&layout, 0), &batches);
    let sizes: Vec<u64> = rows.iter().map(|delta| delta.accounting.records).collect();
    assert_eq!(sizes, [DELTA_ROWS_MAX, 3, 1, 1]);
    assert_eq!(by_columns(cutter(&layout, 0), &batches), rows);
}

fn flights(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/flights");
    data.join(name).with_extension("parquet")
}

/// Two months of flights in the bins of January and February, read by several threads.
#[test]
fn files_of_columns_make_the_deltas_of_rows() {
    const BATCHES: usize = 6;
    let request = BuildRequest::new(
        Name::new("m").unwrap(),
        Name::new("1").unwrap(),
        ReferenceRole::Training,
    );
    let inputs = vec![flights("reference")];
    let layout = build(&BuildRequest { inputs, ..request }, &Quiet)
        .unwrap()
        .layout;
    let mut batches = Vec::new();
    files::read_table(&flights("live"), &TableOptions::default(), |batch| {
        batches.push(batch.clone());
        if batches.len() < BATCHES {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })
    .unwrap();
    let rows = by_rows(cutter(&layout, 512), &batches);
    let mut cutter = cutter(&layout, 512);
    let (mut deltas, mut seen) = (Vec::new(), 0);
    rows::read(
        &[flights("live")],
        (&layout, Some(&layout)),
        &Quiet,
        |piece| {
            if let Piece::Columns(batch) = piece {
                count(&mut cutter, batch, &mut deltas);
            }
            seen += 1;
            if seen < BATCHES {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        },
    )
    .unwrap();
    deltas.push(cutter.cut(true));
    assert!(deltas.len() > 1_000);
    assert!(deltas == rows, "the deltas of flights differ");
}
