//! The flights of `tests/data/flights`: as events, as files, and as a topic.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use jiff::Timestamp;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::driftd;
use crate::produce::{Random, Record, create_topic, producer, send};
use crate::rig::{kafka, text};

/// The model that the flights are of.
pub(crate) const MODEL: &str = "flight-delay";
/// Its version.
pub(crate) const VERSION: &str = "1";
/// How many events there are after February.
pub(crate) const LIVE_ROWS: usize = 284_821;
/// The partitions of a topic of flights.
const PARTITIONS: i64 = 8;
/// How far an event may come before or after its place in time, in milliseconds.
const DISORDER_MS: i64 = 600_000;

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    /// Event time in milliseconds.
    pub(crate) ts: i64,
    /// The event as JSON.
    pub(crate) json: String,
}

/// One of the two committed files: `reference` or `live`.
pub(crate) fn parquet(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/flights");
    data.join(name).with_extension("parquet")
}

/// The rows of a committed file.
pub(crate) fn batches(name: &str) -> Vec<RecordBatch> {
    let file = File::open(parquet(name)).expect("the flights are there");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("they are Parquet");
    let reader = builder
        .with_batch_size(65_536)
        .build()
        .expect("they can be read");
    reader
        .map(|batch| batch.expect("a batch is whole"))
        .collect()
}

/// The events of a committed file, byte for byte as `make.py` writes them.
pub(crate) fn events(name: &str) -> Vec<Event> {
    batches(name).iter().flat_map(events_of).collect()
}

fn events_of(batch: &RecordBatch) -> Vec<Event> {
    let schema = batch.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let ts = column(batch, "ts").as_primitive::<TimestampMicrosecondType>();
    let event = |row: usize| {
        let mut json = format!("{{\"model\":\"{MODEL}\",\"version\":\"{VERSION}\"");
        let mut features = false;
        for name in &names {
            let is_feature = !matches!(*name, "ts" | "request_id" | "prediction" | "latency_ms");
            match (features, is_feature) {
                (false, true) => json.push_str(",\"features\":{"),
                (true, false) => json.push_str("},"),
                _ => json.push(','),
            }
            features = is_feature;
            let value = value(column(batch, name), row);
            write!(json, "\"{name}\":{value}").expect("a text takes more");
        }
        json.push('}');
        // ts and request_id stand the other way round in a table
        Event {
            ts: ts.value(row) / 1000,
            json: in_order_of_events(&json),
        }
    };
    (0..batch.num_rows()).map(event).collect()
}

/// `"request_id":..,"ts":..` of a table becomes `"ts":..,"request_id":..` of an event.
fn in_order_of_events(json: &str) -> String {
    let (head, rest) = json.split_once(",\"request_id\":").expect("a request id");
    let (request_id, rest) = rest.split_once(",\"ts\":").expect("a time");
    let (ts, rest) = rest.split_once(",\"features\":").expect("features");
    format!("{head},\"ts\":{ts},\"request_id\":{request_id},\"features\":{rest}")
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    batch
        .column_by_name(name)
        .unwrap_or_else(|| panic!("the flights have no {name}"))
}

/// A cell of a table as JSON.
fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Timestamp(..) => {
            rfc3339(column.as_primitive::<TimestampMicrosecondType>().value(row)).into()
        }
        other => panic!("the flights have no {other}"),
    }
}

fn rfc3339(microsecond: i64) -> String {
    let time = Timestamp::from_microsecond(microsecond).expect("flights are in range");
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A committed file as CSV, byte for byte as `make.py` writes it.
pub(crate) fn csv(name: &str) -> String {
    let mut csv = String::new();
    for batch in batches(name) {
        let schema = batch.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        if csv.is_empty() {
            csv = names.join(",") + "\n";
        }
        for row in 0..batch.num_rows() {
            for (place, column) in batch.columns().iter().enumerate() {
                let comma = if place > 0 { "," } else { "" };
                match value(column, row) {
                    Value::Null => write!(csv, "{comma}"),
                    Value::String(text) => write!(csv, "{comma}{text}"),
                    number => write!(csv, "{comma}{number}"),
                }
                .expect("a text takes more");
            }
            csv.push('\n');
        }
    }
    csv
}

/// The live events as records, each within ten minutes of its place in time, over all partitions.
pub(crate) fn records() -> &'static [Record] {
    static RECORDS: OnceLock<Vec<Record>> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let mut random = Random::new(2013);
        let mut record = |event: Event| {
            let place = event.ts + random.below(DISORDER_MS);
            let partition = i32::try_from(random.below(PARTITIONS)).expect("there are few");
            let value = Some(event.json.into_bytes());
            (
                place,
                Record {
                    partition,
                    timestamp: event.ts,
                    value,
                },
            )
        };
        let mut records: Vec<(i64, Record)> = events("live").into_iter().map(&mut record).collect();
        assert_eq!(records.len(), LIVE_ROWS);
        records.sort_by_key(|(place, _)| *place);
        records.into_iter().map(|(_, record)| record).collect()
    })
}

/// Makes an empty topic for flights.
pub(crate) fn create(topic: &str) {
    create_topic(topic, i32::try_from(PARTITIONS).expect("there are few"));
}

/// A topic with all live events, made when it is asked for first.
pub(crate) fn topic() -> &'static str {
    static TOPIC: OnceLock<()> = OnceLock::new();
    TOPIC.get_or_init(|| {
        create("flights");
        send(&producer("lz4"), "flights", records());
    });
    "flights"
}

/// A directory of references with the training reference of the flights, made when first asked for.
pub(crate) fn references() -> &'static Path {
    static REFERENCES: OnceLock<PathBuf> = OnceLock::new();
    REFERENCES.get_or_init(|| {
        let directory = kafka().dir().join("references");
        build_reference(&parquet("reference"), &training(&directory));
        directory
    })
}

/// Where a directory of references has the training reference of the flights.
pub(crate) fn training(directory: &Path) -> PathBuf {
    directory.join(MODEL).join(VERSION).join("training.ref")
}

/// Builds the reference of the flights from a file of rows.
pub(crate) fn build_reference(input: &Path, output: &Path) {
    fs::create_dir_all(output.parent().expect("it lies in a directory")).expect("a directory");
    let of = [
        "reference",
        "build",
        "--model",
        MODEL,
        "--version",
        VERSION,
        "--output",
        text(output),
    ];
    driftd::run(&[&of[..], &[text(input)]].concat()).succeeded();
}
