//! Laws and cases of the module that this is part of.

use super::*;
use std::fs;
use std::path::PathBuf;

use ::parquet::arrow::ArrowWriter;
use arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array,
    LargeStringArray, NullArray, RecordBatch, StringArray, StringViewArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use tempfile::TempDir;

use crate::decode::{Decoder, FieldPaths, Limits, Plan, Reject, Value};

/// A file of this name in a directory of its own.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> (TempDir, PathBuf) {
    let nullable = columns
        .into_iter()
        .map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(nullable).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    file("a.parquet", &writer.into_inner().unwrap())
}

/// The values of each series as text, and the times, batch after batch.
fn read(path: &Path, options: &TableOptions) -> Vec<(String, String)> {
    let mut all = Vec::new();
    read_table(path, options, |batch| {
        for row in 0..batch.rows {
            for column in &batch.columns {
                all.push((column.name.to_string(), format!("{:?}", column.value(row))));
            }
            if let Some(at) = &batch.at {
                all.push(("ts".to_owned(), at[row].to_string()));
            }
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

fn values(path: &Path, options: &TableOptions, series: &str) -> Vec<String> {
    let of = read(path, options)
        .into_iter()
        .filter(|(name, _)| name == series);
    of.map(|(_, value)| value).collect()
}

#[test]
fn the_format_is_told_by_the_extension() {
    for (name, format) in [
        ("a.parquet", Some(Format::Parquet)),
        ("a.PQ", Some(Format::Parquet)),
        ("a.b.csv", Some(Format::Csv)),
        ("a.arrow", Some(Format::Arrow)),
        ("a.feather", Some(Format::Arrow)),
        ("a.ndjson", Some(Format::Events)),
        ("a.json", None),
        ("csv", None),
        ("", None),
    ] {
        assert_eq!(Format::of(Path::new(name)).ok(), format, "{name}");
    }
}

#[test]
fn numbers_of_every_type_are_the_nearest_floats() {
    let big = (1_i64 << 53) + 1;
    let decimals = Decimal128Array::from(vec![Some(110), None, Some(i128::MAX)])
        .with_precision_and_scale(38, 3)
        .unwrap();
    let (_dir, path) = parquet(vec![
        (
            "int",
            Arc::new(Int64Array::from(vec![Some(1), None, Some(big)])) as ArrayRef,
        ),
        (
            "unsigned",
            Arc::new(UInt64Array::from(vec![Some(0), None, Some(u64::MAX)])),
        ),
        (
            "single",
            Arc::new(Float32Array::from(vec![Some(0.1), None, Some(f32::NAN)])),
        ),
        (
            "double",
            Arc::new(Float64Array::from(vec![
                Some(-0.0),
                None,
                Some(f64::INFINITY),
            ])),
        ),
        ("decimal", Arc::new(decimals)),
        ("null", Arc::new(NullArray::new(3))),
    ]);
    let of = |series| values(&path, &TableOptions::default(), series);
    let number = |x: f64| format!("{:?}", Value::Number(x));
    assert_eq!(
        of("int"),
        [
            number(1.0),
            "Missing".into(),
            number(9_007_199_254_740_992.0)
        ]
    );
    assert_eq!(
        of("unsigned"),
        [
            number(0.0),
            "Missing".into(),
            number(18_446_744_073_709_551_615.0)
        ]
    );
    assert_eq!(
        of("single"),
        [
            number(f64::from(0.1_f32)),
            "Missing".into(),
            "Invalid".into()
        ]
    );
    assert_eq!(
        of("double"),
        [number(-0.0), "Missing".into(), "Invalid".into()]
    );
    let max: f64 = "170141183460469231731687303715884105.727".parse().unwrap();
    assert_eq!(of("decimal"), [number(0.11), "Missing".into(), number(max)]);
    assert_eq!(of("null"), ["Missing", "Missing", "Missing"]);
}

#[test]
fn texts_of_every_type_are_texts() {
    let texts = || vec![Some("a"), None, Some("")];
    let coded: DictionaryArray<Int32Type> = texts().into_iter().collect();
    let numbers = Int32Array::from(vec![7, 8]);
    let keys = Int32Array::from(vec![Some(1), None, Some(0)]);
    let coded_numbers = DictionaryArray::<Int32Type>::try_new(keys, Arc::new(numbers)).unwrap();
    let (_dir, path) = parquet(vec![
        ("small", Arc::new(StringArray::from(texts())) as ArrayRef),
        ("large", Arc::new(LargeStringArray::from(texts()))),
        ("view", Arc::new(StringViewArray::from(texts()))),
        ("coded", Arc::new(coded)),
        ("numbers", Arc::new(coded_numbers)),
    ]);
    for series in ["small", "large", "view", "coded"] {
        let found = values(&path, &TableOptions::default(), series);
        assert_eq!(found, ["Text(\"a\")", "Missing", "Text(\"\")"], "{series}");
    }
    let found = values(&path, &TableOptions::default(), "numbers");
    assert_eq!(found, ["Number(8.0)", "Missing", "Number(7.0)"]);
}

#[test]
fn times_of_every_type_are_cut_to_milliseconds_toward_the_past() {
    let cases: Vec<(ArrayRef, &str)> = vec![
        (
            Arc::new(TimestampSecondArray::from(vec![-1])),
            "1969-12-31T23:59:59Z",
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![-1])),
            "1969-12-31T23:59:59.999Z",
        ),
        (
            Arc::new(Int64Array::from(vec![1500])),
            "1970-01-01T00:00:01.5Z",
        ),
        (
            Arc::new(StringArray::from(vec!["1970-01-01T01:00:00+01:00"])),
            "1970-01-01T00:00:00Z",
        ),
    ];
    for (times, expected) in cases {
        let (_dir, path) = parquet(vec![("ts", times)]);
        assert_eq!(values(&path, &TableOptions::default(), "ts"), [expected]);
    }
    for (times, problem) in [
        (
            Arc::new(Int64Array::from(vec![Some(0), None])) as ArrayRef,
            "row 2 has nothing in",
        ),
        (
            Arc::new(Int64Array::from(vec![i64::MAX])),
            "beyond the years 0 to 9999",
        ),
        (
            Arc::new(StringArray::from(vec!["2026-01-01 10:00"])),
            "no RFC 3339 time",
        ),
        (
            Arc::new(Float64Array::from(vec![1.0])),
            "has type Float64, but a time is",
        ),
    ] {
        let (_dir, path) = parquet(vec![("ts", times)]);
        let each = |_: &Batch| ControlFlow::Continue(());
        let error = read_table(&path, &TableOptions::default(), each).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn a_column_of_csv_is_what_all_its_cells_are() {
    let text = "n,spaced,bool,mixed,bools,empty,word\n\
                1, 2 ,true,1,True,,nan\n\
                -1e3,+.5,False,true,1,,x\n\
                inf,,,,,,\n";
    let (_dir, path) = file("a.csv", text.as_bytes());
    let mut options = TableOptions::default();
    options.csv = CsvTypes::infer(std::slice::from_ref(&path), &options, |_| {}).unwrap();
    let of = |series: &str| options.csv.of(series);
    assert_eq!([of("n"), of("spaced"), of("empty")], [CsvType::Number; 3]);
    assert_eq!(of("bool"), CsvType::Bool);
    assert_eq!([of("mixed"), of("bools"), of("word")], [CsvType::Text; 3]);
    let found = |series| values(&path, &options, series);
    assert_eq!(found("n"), ["Number(1.0)", "Number(-1000.0)", "Invalid"]);
    assert_eq!(found("spaced"), ["Number(2.0)", "Number(0.5)", "Missing"]);
    assert_eq!(found("bool"), ["Bool(true)", "Bool(false)", "Missing"]);
    assert_eq!(found("mixed"), ["Text(\"1\")", "Text(\"true\")", "Missing"]);
    assert_eq!(found("word"), ["Text(\"nan\")", "Text(\"x\")", "Missing"]);
    let types = ["n", "bool", "mixed"].map(|series| (series.into(), CsvType::Bool));
    options.csv = types.into_iter().collect();
    assert_eq!(
        values(&path, &options, "n"),
        ["Invalid", "Invalid", "Invalid"]
    );
    assert_eq!(
        values(&path, &options, "mixed"),
        ["Invalid", "Bool(true)", "Missing"]
    );
}

#[test]
fn types_of_csv_are_those_of_all_files_together() {
    let (_one, a) = file("a.csv", b"x,y\n1,1\n");
    let (_two, b) = file("b.csv", b"y,x,z\n2,a,\n");
    let options = TableOptions::default();
    let types = CsvTypes::infer(&[a, b], &options, |_| {}).unwrap();
    assert_eq!(
        ["x", "y", "z"].map(|series| types.of(series)),
        [CsvType::Text, CsvType::Number, CsvType::Number]
    );
}

#[test]
fn only_what_is_asked_for_is_read_and_in_batches() {
    let rows = 2 * BATCH_ROWS + 1;
    let numbers = || Arc::new((0..rows).map(|_| Some(1.0)).collect::<Float64Array>()) as ArrayRef;
    let (_dir, path) = parquet(vec![
        ("a", numbers()),
        ("b", numbers()),
        ("prediction", numbers()),
    ]);
    let only = BTreeSet::from(["b".into()]);
    let options = TableOptions {
        only: Some(only),
        ..TableOptions::default()
    };
    let mut sizes = Vec::new();
    read_table(&path, &options, |batch| {
        assert_eq!(batch.columns.len(), 1);
        assert!(batch.carried.has(crate::key::Carrier::Prediction));
        sizes.push(batch.rows);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(sizes, [BATCH_ROWS, BATCH_ROWS, 1]);
    let mut batches = 0;
    read_table(&path, &options, |_| {
        batches += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(batches, 1);
}

#[test]
fn the_bytes_of_the_batches_are_those_of_the_file() {
    let (_dir, path) = file("a.csv", format!("a\n{}", "12\n".repeat(20_000)).as_bytes());
    let mut bytes = 0;
    read_table(&path, &TableOptions::default(), |batch| {
        bytes += batch.bytes;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(bytes, size(&path).unwrap());
}

#[test]
fn lines_are_events_blank_ones_aside_and_bounded() {
    let event = "{\"model\":\"m\",\"ts\":0,\"features\":{\"x\":1}}";
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(LINE_BYTES_MAX));
    let text = format!("{event}\r\n\n   \n{long}\n[{event},{event}]\nnonsense\n\u{0}\n{event}");
    let (_dir, path) = file("a.jsonl", text.as_bytes());
    let mut decoder = Decoder::new(
        Plan::new(&FieldPaths::default()).unwrap(),
        Limits::default(),
    );
    let mut rows = 0;
    let read = read_events(&path, &mut decoder, |_, _| rows += 1).unwrap();
    assert_eq!((read.lines, read.rows, rows), (6, 4, 4));
    let rejects: Vec<_> = read.rejects().collect();
    assert_eq!(rejects, [(Reject::Malformed, 2), (Reject::Oversized, 1)]);
    let mut lines = EventLines::open(&path).unwrap();
    let mut bytes = 0;
    while lines.read().unwrap().is_some() {
        bytes += lines.bytes();
    }
    assert_eq!(bytes, size(&path).unwrap());
}
