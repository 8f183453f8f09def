//! Laws and cases of the module that this is part of.

use super::*;
use crate::key::Name;
use crate::reference::ReferenceRole;
use crate::time::Timestamp;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Mutex;

use ::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use ::arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::decode::Value;
use crate::key::Carrier;
use crate::layout::{Category, EdgeCollector, NumericBins};
use crate::reference::{BLOCK, block_cell};

/// One row of the tables below.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    amount: Option<f64>,
    items: Option<i64>,
    country: Option<String>,
    vip: Option<bool>,
    prediction: Option<f64>,
    latency: f64,
    at: i64,
}

const HOUR: i64 = 3_600_000;

fn columns_of(rows: &[Row]) -> RecordBatch {
    let batch = RecordBatch::try_from_iter([
        (
            "request_id",
            Arc::new(Int64Array::from_iter_values((0..).take(rows.len()))) as ArrayRef,
        ),
        (
            "ts",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    rows.iter().map(|row| row.at * 1000 + 999),
                )
                .with_timezone("UTC"),
            ),
        ),
        (
            "amount",
            Arc::new(rows.iter().map(|row| row.amount).collect::<Float64Array>()),
        ),
        (
            "items",
            Arc::new(rows.iter().map(|row| row.items).collect::<Int64Array>()),
        ),
        (
            "country",
            Arc::new(
                rows.iter()
                    .map(|row| row.country.clone())
                    .collect::<StringArray>(),
            ),
        ),
        (
            "vip",
            Arc::new(rows.iter().map(|row| row.vip).collect::<BooleanArray>()),
        ),
        (
            "prediction",
            Arc::new(
                rows.iter()
                    .map(|row| row.prediction)
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "latency_ms",
            Arc::new(Float64Array::from_iter_values(
                rows.iter().map(|row| row.latency),
            )),
        ),
    ]);
    batch.unwrap()
}

fn write_parquet(path: &Path, batch: &RecordBatch) {
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn write_csv(path: &Path, rows: &[Row]) {
    let mut text = "request_id,ts,amount,items,country,vip,prediction,latency_ms\n".to_owned();
    let cell = |x: Option<f64>| x.map_or(String::new(), |x| format!("{x:?}"));
    for (number, row) in rows.iter().enumerate() {
        let country = row.country.as_deref().unwrap_or("").replace('"', "\"\"");
        let vip = row.vip.map_or("", |vip| if vip { "True" } else { "False" });
        let items = row.items.map_or(String::new(), |items| items.to_string());
        writeln!(
            text,
            "{number},{},{},{items},\"{country}\",{vip},{},{:?}",
            Timestamp::from_millis(row.at),
            cell(row.amount),
            cell(row.prediction),
            row.latency
        )
        .unwrap();
    }
    fs::write(path, text).unwrap();
}

fn write_jsonl(path: &Path, rows: &[Row]) {
    let number = |x: Option<f64>| match x {
        Some(x) if x.is_finite() => format!("{x:?}"),
        // what JSON has for a number that is none
        Some(_) => "1e400".to_owned(),
        None => "null".to_owned(),
    };
    let mut text = String::new();
    for row in rows {
        let country = row
            .country
            .as_ref()
            .map_or("null".into(), |c| serde_json::json!(c).to_string());
        let vip = row.vip.map_or("null".into(), |vip| vip.to_string());
        let items = row.items.map_or("null".into(), |items| items.to_string());
        writeln!(
            text,
            "{{\"model\":\"m\",\"version\":\"1\",\"ts\":{},\"features\":{{\"amount\":{},\"items\":{items},\
             \"country\":{country},\"vip\":{vip}}},\"prediction\":{},\"latency_ms\":{:?}}}",
            row.at, number(row.amount), number(row.prediction), row.latency
        )
        .unwrap();
    }
    fs::write(path, text).unwrap();
}

fn request(inputs: Vec<PathBuf>) -> BuildRequest {
    let name = |text: &str| Name::new(text).unwrap();
    BuildRequest {
        inputs,
        ..BuildRequest::new(name("m"), name("1"), ReferenceRole::Training)
    }
}

fn built(inputs: Vec<PathBuf>) -> Reference {
    build(&request(inputs), &Quiet).unwrap()
}

fn error(request: &BuildRequest) -> String {
    let error = build(request, &Quiet).unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        write!(text, ": {cause}").unwrap();
        source = cause.source();
    }
    text
}

/// Writes `text` to a file of this name in a directory of its own.
fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    (dir, path)
}

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
        assert_eq!(series.counts, counts, "{name}");
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
            assert_eq!(series.counts[layout.cell_of(cell)], rows_of(Some(vip)));
        }
    }
    assert_eq!(series.counts[layout.missing_cell()], rows_of(None));
    let (layout, series) = reference.find("country").unwrap();
    for row in rows {
        let value = row.country.as_deref().map_or(Value::Missing, Value::Text);
        let same = rows
            .iter()
            .filter(|other| other.country == row.country)
            .count() as u64;
        assert_eq!(series.counts[layout.cell_of(value)], same);
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
        let mut writer = FileWriter::try_new(File::create(path("a.arrow")).unwrap(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|row| format!("{row:?}").bytes().fold(order, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        }));
        let (left, right) = shuffled.split_at(cut.index(rows.len()));
        write_parquet(&path("left.parquet"), &columns_of(left));
        write_csv(&path("left.csv"), left);
        let mut stream = StreamWriter::try_new(File::create(path("right.ipc")).unwrap(), &batch.schema()).unwrap();
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

#[test]
fn events_of_other_models_are_left_out_and_named_when_there_are_no_others() {
    let event = |model: &str, version: &str, x: i32| {
        format!(
            "{{\"model\":\"{model}\",\"version\":\"{version}\",\"ts\":0,\"features\":{{\"x\":{x}}}}}\n"
        )
    };
    let text = event("m", "1", 1) + &event("m", "2", 2) + "not json\n\n" + &event("other", "1", 3);
    let (_dir, path) = file("a.jsonl", &text);
    let reference = built(vec![path.clone()]);
    assert_eq!(reference.header.rows, 1);
    assert_eq!(reference.find("x").unwrap().1.max, 1.0);
    let missing = BuildRequest {
        version: Name::new("9").unwrap(),
        ..request(vec![path])
    };
    assert_eq!(
        error(&missing),
        "no event is of m@9; there are m@1 (1), m@2 (1), other@1 (1): name one of them with --model \
         and --version"
    );
    let (_dir, path) = file("b.jsonl", "[1]\n{\"model\":\"m\"}\n");
    assert_eq!(
        error(&request(vec![path])),
        "there are no rows in the input files; lines rejected: malformed 1, missing_timestamp 1"
    );
}

#[test]
fn what_is_rejected_or_not_counted_is_told() {
    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);
    impl Progress for Notes {
        fn begin(&self, _what: &'static str, _bytes: u64) {}
        fn advance(&self, _bytes: u64) {}
        fn note(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
    let good = "{\"model\":\"m\",\"version\":\"1\",\"ts\":0,\"features\":{\"x\":1,\"y\":2}}\n";
    let (_dir, path) = file("a.jsonl", &format!("{good}{{\n{good}\n[]]\n"));
    let notes = Notes::default();
    build(&request(vec![path.clone()]), &notes).unwrap();
    let told = format!("{}: lines rejected: malformed 2", path.display());
    assert_eq!(*notes.0.lock().unwrap(), [told]);
}

#[test]
fn kinds_are_those_of_most_values() {
    let events = [
        "{\"a\":1,\"b\":\"x\",\"c\":true,\"d\":null,\"e\":[1]}",
        "{\"a\":2,\"b\":\"y\",\"c\":false,\"d\":null,\"e\":{}}",
        "{\"a\":\"z\",\"b\":7,\"c\":\"x\",\"d\":null,\"e\":[]}",
    ];
    let start = "{\"model\":\"m\",\"version\":\"1\",\"ts\":0,\"features\":";
    let text = events
        .map(|features| format!("{start}{features}}}\n"))
        .concat();
    let (_dir, path) = file("a.jsonl", &text);
    let reference = built(vec![path]);
    for (name, kind, invalid) in [
        ("a", Kind::Numeric, 1),
        ("b", Kind::Categorical, 1),
        ("c", Kind::Boolean, 1),
        ("d", Kind::Numeric, 0),
        ("e", Kind::Numeric, 3),
    ] {
        let (layout, series) = reference.find(name).unwrap();
        assert_eq!(
            (layout.kind(), series.counts[layout.invalid_cell()]),
            (kind, invalid),
            "{name}"
        );
    }
}

#[test]
fn a_role_that_a_row_does_not_carry_is_not_missing_in_it() {
    let text = "{\"model\":\"m\",\"version\":\"1\",\"ts\":0,\"features\":{\"x\":1}}\n\
                {\"model\":\"m\",\"version\":\"1\",\"ts\":0,\"features\":{},\"prediction\":null}\n";
    let (_dir, path) = file("a.jsonl", text);
    let reference = built(vec![path]);
    assert_eq!(reference.carried, [2, 1, 0, 0]);
    let (layout, series) = reference.find("x").unwrap();
    assert_eq!(series.counts[layout.missing_cell()], 1);
    let (layout, series) = reference.find("prediction").unwrap();
    assert_eq!(series.counts[layout.missing_cell()], 1);
    assert_eq!(
        reference.rows_of(layout),
        reference.carried[Carrier::Prediction as usize]
    );
}

#[test]
fn columns_that_look_like_identifiers_are_all_named_at_once() {
    let mut text = "id,x,other\n".to_owned();
    for row in 0..=DISTINCT_MAX {
        writeln!(text, "i{row},1,o{row}").unwrap();
    }
    let (_dir, path) = file("a.csv", &text);
    let told = error(&request(vec![path.clone()]));
    assert!(
        told.starts_with("columns `id`, `other` with more than 1000000 distinct"),
        "{told}"
    );
    assert!(told.ends_with("--ignore id,other"), "{told}");
    let ignore = vec!["id".to_owned(), "other".to_owned()];
    let reference = build(
        &BuildRequest {
            ignore,
            ..request(vec![path])
        },
        &Quiet,
    )
    .unwrap();
    assert_eq!(reference.layout.series().len(), 1);
}

/// An option, and what is said of it.
type Case = (fn(&mut BuildRequest), &'static str);

#[test]
fn options_that_name_nothing_are_errors() {
    let (_dir, path) = file("a.csv", "a,b,ts\n1,x,0\n");
    let with = |change: fn(&mut BuildRequest)| {
        let mut request = request(vec![path.clone()]);
        change(&mut request);
        error(&request).replace(&path.display().to_string(), "F")
    };
    let cases: [Case; 9] = [
        (
            |r| r.ignore = vec!["c".into()],
            "--ignore names `c`, which is in no input file; there are a, b",
        ),
        (
            |r| r.private = vec!["c".into()],
            "--private names `c`, which is in no input file; there are a, b",
        ),
        (
            |r| r.prediction = Some("c".into()),
            "F: column `c` is not there; there are a, b, ts",
        ),
        (
            |r| r.time_column = Some("c".into()),
            "F: column `c` is not there; there are a, b, ts",
        ),
        (
            |r| r.time_column = Some("b".into()),
            "F: row 1 has `x`, no RFC 3339 time such as 2026-11-23T10:15:00Z, in the time column `b`",
        ),
        (
            |r| r.ignore = vec!["a".into(), "b".into()],
            "there is no column or feature to count in the input files",
        ),
        (
            |r| r.timezone = Some("Mars".into()),
            "the rows do not make a reference; did a file change while it was read?: its time zone `Mars` is not known",
        ),
        (|r| r.inputs.clear(), "there are no input files"),
        (
            |r| r.exclude = vec![(Timestamp::EPOCH, Timestamp::MAX)],
            "there are no rows in the input files",
        ),
    ];
    for (change, told) in cases {
        assert_eq!(with(change), told);
    }
    let (_dir, timeless) = file("b.csv", "a\n1\n");
    let exclude = vec![(Timestamp::EPOCH, Timestamp::MAX)];
    let request = BuildRequest {
        exclude,
        ..request(vec![timeless.clone()])
    };
    let told = format!(
        "{}: has no time column, so that no times can be excluded",
        timeless.display()
    );
    assert_eq!(error(&request), told);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = TempDir::new().unwrap();
    for (name, text, told) in [
        ("a.txt", "", "the format is told by the extension"),
        ("a.parquet", "not parquet", "is not readable as Parquet"),
        ("a.arrow", "not arrow", "is not readable as Arrow"),
        (
            "a.csv",
            "a,b\n1\n",
            "is not readable as CSV: CSV error: record 1 (line: 2, byte: 4)",
        ),
        ("b.csv", "a,a\n1,2\n", "column `a` is there twice"),
        (
            "c.csv",
            "a,\n1,2\n",
            "column `` cannot be a series (a name is empty)",
        ),
        ("a.jsonl", "", "there are no rows in the input files"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        let error = error(&request(vec![path]));
        assert!(error.contains(told), "{name}: {error}");
    }
    let missing = error(&request(vec![dir.path().join("none.csv")]));
    assert!(missing.contains("none.csv: cannot be read"), "{missing}");
    let dates = Arc::new(Date32Array::from(vec![1])) as ArrayRef;
    let path = dir.path().join("d.parquet");
    let numbers = Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    write_parquet(
        &path,
        &RecordBatch::try_from_iter([("day", dates), ("x", numbers)]).unwrap(),
    );
    let typed = error(&request(vec![path.clone()]));
    assert!(
        typed.contains("column `day` has type Date32, which is neither number"),
        "{typed}"
    );
    let timed = BuildRequest {
        time_column: Some("day".into()),
        ..request(vec![path])
    };
    assert!(
        error(&timed).contains("but a time is a timestamp"),
        "{}",
        error(&timed)
    );
}

#[test]
fn a_layout_can_be_taken_from_another_reference() {
    let (_dir, training) = file("training.csv", "x,c,gone\n1,a,1\n2,b,2\n3,a,3\n");
    let first = built(vec![training]);
    let (dir, live) = file("live.csv", "x,c,extra\n1,a,5\n9,z,6\nbad,,7\n");
    let layout = dir.path().join("training.ref");
    fs::write(&layout, artifact::to_bytes(&first)).unwrap();
    let request = BuildRequest {
        layout_from: Some(layout.clone()),
        ..request(vec![live])
    };
    let second = build(&request, &Quiet).unwrap();
    assert_eq!(second.layout, first.layout);
    let (x, counts) = second.find("x").unwrap();
    assert_eq!(
        counts.counts[x.invalid_cell()],
        1,
        "a cell of another type than the layout's"
    );
    assert_eq!(counts.counts[x.cell_of(Value::Number(9.0))], 1);
    assert_eq!((counts.min, counts.max, counts.mean), (1.0, 9.0, 5.0));
    let (c, counts) = second.find("c").unwrap();
    assert_eq!(counts.counts[c.new_cell().unwrap()], 1);
    let (gone, counts) = second.find("gone").unwrap();
    assert_eq!(counts.counts[gone.missing_cell()], 3);
    fs::write(&layout, "nonsense").unwrap();
    assert!(
        error(&request).contains("training.ref: is not a usable reference"),
        "{}",
        error(&request)
    );
}

#[test]
fn rows_of_excluded_times_are_left_out_of_every_format() {
    let at = |millis| Timestamp::from_millis(millis);
    let row = |at: i64| Row {
        amount: Some(at as f64),
        items: None,
        country: None,
        vip: None,
        prediction: None,
        latency: 1.0,
        at,
    };
    let rows: Vec<_> = (0..100).map(row).collect();
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    write_parquet(&path("a.parquet"), &columns_of(&rows));
    write_csv(&path("a.csv"), &rows);
    write_jsonl(&path("a.jsonl"), &rows);
    for name in ["a.parquet", "a.csv", "a.jsonl"] {
        let exclude = vec![(at(10), at(20)), (at(90), at(1000))];
        let reference = build(
            &BuildRequest {
                exclude,
                ..request(vec![path(name)])
            },
            &Quiet,
        )
        .unwrap();
        assert_eq!((reference.header.rows, reference.blocks[0].rows), (80, 80));
        assert_eq!(reference.find("amount").unwrap().1.max, 89.0);
        assert_eq!(reference.header.last_event, Some(at(89)));
    }
}

#[test]
fn rare_categories_of_a_private_series_are_not_readable_in_the_file() {
    let text = "who\n".to_owned() + &"somebody common\n".repeat(20) + "somebody rare\n";
    let (_dir, path) = file("a.csv", &text);
    let request = BuildRequest {
        private: vec!["who".into()],
        ..request(vec![path])
    };
    let reference = build(&request, &Quiet).unwrap();
    let (layout, series) = reference.find("who").unwrap();
    let Bins::Categorical(bins) = layout.bins() else {
        panic!("categories")
    };
    assert!(matches!(
        bins.categories(),
        [Category::Text(_), Category::Hashed(_)]
    ));
    assert_eq!(
        series.counts[layout.cell_of(Value::Text("somebody rare"))],
        1
    );
    assert_eq!(series.counts[layout.new_cell().unwrap()], 0);
}

#[test]
fn another_prediction_column_and_another_time_column() {
    let (_dir, path) = file(
        "a.csv",
        "when,ts,score,prediction.other\n3600000,7,0.5,1\n0,8,0.25,2\n",
    );
    let request = BuildRequest {
        time_column: Some("when".into()),
        prediction: Some("score".into()),
        ..request(vec![path])
    };
    let reference = build(&request, &Quiet).unwrap();
    let names: Vec<_> = reference
        .layout
        .series()
        .iter()
        .map(|s| s.name().to_string())
        .collect();
    assert_eq!(names, ["prediction", "prediction.other"]);
    assert_eq!(reference.carried, [0, 2, 0, 0]);
    assert_eq!(reference.blocks[1].start, Timestamp::EPOCH + BLOCK);
}

#[test]
fn more_series_than_one_group_are_counted() {
    let names: Vec<String> = (0..GROUP_SERIES + 3).map(|i| format!("s{i:04}")).collect();
    let mut text = format!("ts,{}\n", names.join(","));
    for row in 0..9 {
        let cells: Vec<_> = (0..names.len())
            .map(|i| ((i * row) % 7).to_string())
            .collect();
        writeln!(text, "{},{}", row * 1_000_000, cells.join(",")).unwrap();
    }
    let (_dir, path) = file("a.csv", &text);
    let reference = built(vec![path]);
    assert_eq!(reference.series.len(), GROUP_SERIES + 3);
    assert_eq!((reference.header.rows, reference.blocks.len()), (9, 3));
    assert!(
        reference
            .series
            .iter()
            .all(|series| series.counts.iter().sum::<u64>() == 9)
    );
}
