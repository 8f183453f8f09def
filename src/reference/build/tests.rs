//! Tables in every format for the tests here and below, and cases of what is counted in them.

use super::*;
use crate::key::Name;
use crate::reference::ReferenceRole;
use crate::time::Timestamp;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Mutex;

use ::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use crate::decode::Value;
use crate::key::Carrier;
use crate::layout::Category;
use crate::reference::BLOCK;

mod law;
mod refusals;

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
            "{{\"model\":\"m\",\"version\":\"1\",\"ts\":{},\
             \"features\":{{\"amount\":{},\"items\":{items},\"country\":{country},\"vip\":{vip}}},\
             \"prediction\":{},\"latency_ms\":{:?}}}",
            row.at,
            number(row.amount),
            number(row.prediction),
            row.latency
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

#[test]
fn events_of_other_models_are_left_out_and_named_when_there_are_no_others() {
    let event = |model: &str, version: &str, x: i32| {
        format!(
            "{{\"model\":\"{model}\",\"version\":\"{version}\",\"ts\":0,\
             \"features\":{{\"x\":{x}}}}}\n"
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
        "no event is of m@9; there are m@1 (1), m@2 (1), other@1 (1): name one of them with \
         --model and --version"
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
            (layout.kind(), series.counts.get(layout.invalid_cell())),
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
    assert_eq!(series.counts.get(layout.missing_cell()), 1);
    let (layout, series) = reference.find("prediction").unwrap();
    assert_eq!(series.counts.get(layout.missing_cell()), 1);
    assert_eq!(
        reference.rows_of(layout),
        reference.carried[Carrier::Prediction as usize]
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
        counts.counts.get(x.invalid_cell()),
        1,
        "a cell of another type than the layout's"
    );
    assert_eq!(counts.counts.get(x.cell_of(Value::Number(9.0))), 1);
    assert_eq!((counts.min, counts.max, counts.mean), (1.0, 9.0, 5.0));
    let (c, counts) = second.find("c").unwrap();
    assert_eq!(counts.counts.get(c.new_cell().unwrap()), 1);
    let (gone, counts) = second.find("gone").unwrap();
    assert_eq!(counts.counts.get(gone.missing_cell()), 3);
    fs::write(&layout, "nonsense").unwrap();
    assert!(
        error(&request).contains("training.ref: is not a usable reference"),
        "{}",
        error(&request)
    );
}

#[test]
fn importances_are_no_part_of_the_digest_and_come_with_a_layout() {
    let (dir, rows) = file("rows.csv", "x,c\n1,a\n2,b\n3,a\n");
    let (given, layout) = (dir.path().join("i.json"), dir.path().join("a.ref"));
    fs::write(&given, r#"{"x":0.4,"c":2}"#).unwrap();
    let of = |importances: Option<&PathBuf>, layout_from: Option<&PathBuf>| {
        let request = BuildRequest {
            importances: importances.cloned(),
            layout_from: layout_from.cloned(),
            ..request(vec![rows.clone()])
        };
        build(&request, &Quiet).unwrap()
    };
    let (plain, first) = (of(None, None), of(Some(&given), None));
    let said = [("c".to_owned(), 2.0), ("x".to_owned(), 0.4)];
    assert_eq!(first.header.importances, said.into());
    assert_eq!(first.digest(), plain.digest());
    assert!(!first.is_same(&plain));
    fs::write(&layout, artifact::to_bytes(&first)).unwrap();
    let inherits = of(None, Some(&layout));
    assert_eq!(inherits.header.importances, first.header.importances);
    fs::write(&given, r#"{"x":7}"#).unwrap();
    let other = of(Some(&given), Some(&layout));
    assert_eq!(other.header.importances, [("x".to_owned(), 7.0)].into());
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
        series
            .counts
            .get(layout.cell_of(Value::Text("somebody rare"))),
        1
    );
    assert_eq!(series.counts.get(layout.new_cell().unwrap()), 0);
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
