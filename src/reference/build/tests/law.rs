//! The law that a reference is a function of the rows, beside a count row by row.

use ::arrow::ipc::writer::{FileWriter, StreamWriter};
use proptest::prelude::*;

use super::*;
use crate::layout::{EdgeCollector, NumericBins};
use crate::reference::block_cell;

const HOUR: i64 = 3_600_000;

fn a_row() -> impl Strategy<Value = Row> {
    let number = prop_oneof![
        5 => (-4_i32..4).prop_map(f64::from),
        5 => -1e3..1e3,
        1 => any::<f64>().prop_filter("finite", |x| x.is_finite()),
        1 => Just(-0.0),
        1 => Just(0.1),
        1 => Just(f64::NAN),
    ];
    let items = prop_oneof![9 => 0_i64..9, 1 => any::<i64>()];
    let country = prop_oneof![3 => "[A-C]{1,2}", 1 => "[a-z\"\\\\, \u{e9}]{1,4}"];
    (
        prop::option::weighted(0.8, number.clone()),
        prop::option::weighted(0.8, items),
        // CSV cannot tell apart numbers and texts that look like one
        prop::option::weighted(
            0.8,
            country.prop_filter("text", |t| t.trim() == t && t.parse::<f64>().is_err()),
        ),
        prop::option::weighted(0.8, any::<bool>()),
        prop::option::weighted(0.9, number),
        (0_u32..3000).prop_map(|x| f64::from(x) / 8.0),
        0_i64..30 * HOUR,
    )
        .prop_map(
            |(amount, items, country, vip, prediction, latency, at)| Row {
                amount,
                items,
                country,
                vip,
                prediction,
                latency,
                at,
            },
        )
}

/// The counts that the reference must have, row by row.
fn check(reference: &Reference, rows: &[Row]) {
    let numeric = |of: fn(&Row) -> Option<f64>| rows.iter().map(of).collect::<Vec<_>>();
    let series: [(&str, Vec<Option<f64>>); 4] = [
        ("amount", numeric(|row| row.amount)),
        ("items", numeric(|row| row.items.map(|items| items as f64))),
        ("prediction", numeric(|row| row.prediction)),
        ("latency_ms", numeric(|row| Some(row.latency))),
    ];
    for (name, values) in series {
        let (layout, series) = reference.find(name).unwrap();
        let mut sorted: Vec<f64> = values
            .iter()
            .flatten()
            .filter(|x| x.is_finite())
            .map(|x| x + 0.0)
            .collect();
        sorted.sort_by(f64::total_cmp);
        let mut collector = EdgeCollector::new(sorted.len() as u64);
        for run in sorted.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
            collector.push(run[0], run.len() as u64);
        }
        let quantiles = collector.finish();
        let mut counts = vec![0; quantiles.edges.bins()];
        let mut bins = vec![Vec::new(); quantiles.edges.bins()];
        for x in &sorted {
            counts[quantiles.edges.bin_of(*x)] += 1;
            bins[quantiles.edges.bin_of(*x)].push((*x, 1));
        }
        let expected = NumericBins::from_reference(&quantiles, &counts).unwrap();
        assert_eq!(layout.bins(), &Bins::Numeric(expected), "{name}");
        counts.push(values.iter().filter(|x| x.is_none()).count() as u64);
        counts.push(values.iter().flatten().filter(|x| !x.is_finite()).count() as u64);
        assert_eq!(series.counts.to_vec(), counts, "{name}");
        for (mean, bin) in series.means.iter().zip(bins) {
            assert!(bin.is_empty() || *mean == crate::reference::moments::mean(&bin));
        }
        assert_eq!(
            (series.min, series.max),
            (
                sorted.first().copied().unwrap_or(0.0),
                sorted.last().copied().unwrap_or(0.0)
            )
        );
    }
    let (layout, series) = reference.find("vip").unwrap();
    let rows_of = |vip| rows.iter().filter(|row| row.vip == vip).count() as u64;
    if rows.iter().any(|row| row.vip.is_some()) {
        assert_eq!(layout.kind(), Kind::Boolean);
        for (vip, cell) in [(true, Value::Bool(true)), (false, Value::Bool(false))] {
            assert_eq!(series.counts.get(layout.cell_of(cell)), rows_of(Some(vip)));
        }
    }
    assert_eq!(series.counts.get(layout.missing_cell()), rows_of(None));
    let (layout, series) = reference.find("country").unwrap();
    for row in rows {
        let value = row.country.as_deref().map_or(Value::Missing, Value::Text);
        let same = rows
            .iter()
            .filter(|other| other.country == row.country)
            .count() as u64;
        assert_eq!(series.counts.get(layout.cell_of(value)), same);
    }
    check_hours(reference, rows);
}

fn check_hours(reference: &Reference, rows: &[Row]) {
    let cells = BlockCells::new(&reference.layout);
    let at = reference.layout.find("amount").unwrap();
    let layout = &reference.layout.series()[at];
    for block in &reference.blocks {
        let start = block.start.as_millis();
        let inside: Vec<_> = rows
            .iter()
            .filter(|row| (start..start + HOUR).contains(&row.at))
            .collect();
        let mut counts = vec![0; BlockCells::of(layout)];
        for row in &inside {
            let value = row.amount.map_or(Value::Missing, Value::Number);
            counts[block_cell(layout, layout.cell_of(value))] += 1;
        }
        assert_eq!(block.rows, inside.len() as u64);
        assert_eq!(cells.counts(block, at), counts);
    }
    assert_eq!(
        reference.blocks.iter().map(|block| block.rows).sum::<u64>(),
        rows.len() as u64
    );
    let times = rows.iter().map(|row| Timestamp::from_millis(row.at));
    assert_eq!(reference.header.first_event, times.clone().min());
    assert_eq!(reference.header.last_event, times.max());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    /// The same rows are the same reference, hours included, whatever the format, the order, and
    /// the files that they stand in; and it is the one that a count row by row gives.
    #[test]
    fn a_reference_is_a_function_of_the_rows(
        rows in prop::collection::vec(a_row(), 1..300),
        order in any::<u64>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let dir = TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name);
        let batch = columns_of(&rows);
        write_parquet(&path("a.parquet"), &batch);
        write_csv(&path("a.csv"), &rows);
        write_jsonl(&path("a.jsonl"), &rows);
        let file = |name: &str| File::create(path(name)).unwrap();
        let mut writer = FileWriter::try_new(file("a.arrow"), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|row| format!("{row:?}").bytes().fold(order, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        }));
        let (left, right) = shuffled.split_at(cut.index(rows.len()));
        write_parquet(&path("left.parquet"), &columns_of(left));
        write_csv(&path("left.csv"), left);
        let mut stream = StreamWriter::try_new(file("right.ipc"), &batch.schema()).unwrap();
        stream.write(&columns_of(right)).unwrap();
        stream.finish().unwrap();
        write_jsonl(&path("right.jsonl"), right);

        let first = built(vec![path("a.parquet")]);
        check(&first, &rows);
        for inputs in [
            vec!["a.csv"], vec!["a.jsonl"], vec!["a.arrow"],
            vec!["left.parquet", "right.ipc"], vec!["right.jsonl", "left.parquet"],
        ] {
            let other = built(inputs.iter().map(|name| path(name)).collect());
            prop_assert_eq!(&other.layout, &first.layout, "{:?}", inputs);
            prop_assert_eq!(&other.series, &first.series, "{:?}", inputs);
            prop_assert_eq!(other.digest(), first.digest(), "{:?}", inputs);
            prop_assert_eq!(&other.blocks, &first.blocks, "{:?}", inputs);
        }
        let again = artifact::from_bytes(&artifact::to_bytes(&first)).unwrap();
        prop_assert_eq!(again, first);
    }
}

/// The digest is a promise to everybody who compares references of two machines or two versions.
#[test]
fn the_digest_of_a_small_table_never_changes() {
    let mut text = "ts,amount,country,vip,prediction\n".to_owned();
    for row in 0..500_usize {
        let amount = if row % 7 == 0 {
            String::new()
        } else {
            format!("{}", row as f64 / 10.0)
        };
        let country = ["DE", "FR", "GB", "US"]
            .into_iter()
            .cycle()
            .nth(row % 4)
            .unwrap();
        writeln!(
            text,
            "{},{amount},{country},{},{}",
            row * 60_000,
            row % 3 == 0,
            0.001 * row as f64
        )
        .unwrap();
    }
    let (_dir, path) = file("a.csv", &text);
    let reference = built(vec![path]);
    assert_eq!(
        reference.digest().to_string(),
        "8a1876c94178914de88dc20ad0832929cdf6edb56dcb2602c984288cc72d2078"
    );
}
