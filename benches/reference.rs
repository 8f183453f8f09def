//! How fast a reference is built: values a second, from Parquet and CSV made on the fly.
//!
//! Half of the columns are continuous numbers, the worst case for quantiles, which must hold every
//! distinct one; the others are whole numbers, texts and booleans. Every column but the time is
//! counted as a value for each row.

#![expect(clippy::unwrap_used, reason = "a bench stops at its first surprise")]

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use driftd::key::Name;
use driftd::reference::ReferenceRole;
use driftd::reference::build::{BuildRequest, Quiet, build};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

const ROWS: u64 = 500_000;
const CONTINUOUS: u64 = 10;
const OTHERS: u64 = 10;
const COUNTRIES: [&str; 6] = ["DE", "FR", "GB", "IN", "JP", "US"];

/// A fixed sequence that looks random (Steele, Lea and Flood 2014, splitmix).
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// In [0, 1).
fn unit(column: u64, row: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are left")]
    let unit = (random(column << 40 | row) >> 11) as f64 / 9_007_199_254_740_992.0;
    unit
}

fn table(rows: u64) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let times = (0..).step_by(20_000).take(usize::try_from(rows).unwrap());
    columns.push((
        "ts".into(),
        Arc::new(TimestampMillisecondArray::from_iter_values(times)),
    ));
    for column in 0..CONTINUOUS {
        let number = |row| (unit(column, row) > 0.02).then(|| -unit(column + 50, row).ln() * 100.0);
        let numbers: Float64Array = (0..rows).map(number).collect();
        columns.push((format!("x{column}"), Arc::new(numbers)));
    }
    for column in 0..OTHERS {
        let values: ArrayRef = match column % 3 {
            0 => Arc::new(Int64Array::from_iter_values(
                (0..rows).map(|row| (random(column << 41 | row) % 5000).cast_signed()),
            )),
            1 => Arc::new(StringArray::from_iter_values((0..rows).map(|row| {
                COUNTRIES
                    .iter()
                    .cycle()
                    .nth((random(column << 42 | row) % 6) as usize)
                    .unwrap()
            }))),
            _ => Arc::new(
                (0..rows)
                    .map(|row| Some(random(row) & 1 == 1))
                    .collect::<BooleanArray>(),
            ),
        };
        columns.push((format!("y{column}"), values));
    }
    RecordBatch::try_from_iter(columns).unwrap()
}

fn parquet_file(dir: &Path, batch: &RecordBatch) -> PathBuf {
    let path = dir.join("train.parquet");
    let file = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    path
}

fn csv_file(dir: &Path, rows: u64) -> PathBuf {
    let mut text = (0..CONTINUOUS)
        .map(|c| format!("x{c},"))
        .collect::<Vec<_>>()
        .concat()
        + "y\n";
    for row in 0..rows {
        for column in 0..CONTINUOUS {
            write!(text, "{},", unit(column, row) * 100.0).unwrap();
        }
        writeln!(text, "{}", random(row) % 100).unwrap();
    }
    let path = dir.join("train.csv");
    fs::write(&path, text).unwrap();
    path
}

fn request(path: PathBuf) -> BuildRequest {
    let name = |text: &str| Name::new(text).unwrap();
    let request = BuildRequest::new(name("fraud"), name("7"), ReferenceRole::Training);
    BuildRequest {
        inputs: vec![path],
        ..request
    }
}

fn building(criterion: &mut Criterion) {
    let dir = TempDir::new().unwrap();
    let parquet = request(parquet_file(dir.path(), &table(ROWS)));
    let csv_rows = ROWS / 10;
    let csv = request(csv_file(dir.path(), csv_rows));
    let mut group = criterion.benchmark_group("reference");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(ROWS * (CONTINUOUS + OTHERS)));
    group.bench_function("parquet", |bencher| {
        bencher.iter(|| build(&parquet, &Quiet).unwrap());
    });
    group.throughput(Throughput::Elements(csv_rows * (CONTINUOUS + 1)));
    group.bench_function("csv", |bencher| {
        bencher.iter(|| build(&csv, &Quiet).unwrap());
    });
    group.finish();
}

criterion_group!(benches, building);
criterion_main!(benches);
