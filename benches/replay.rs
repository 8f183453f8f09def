//! How fast months of files are replayed, beside a bare read of the same columns in the same run.
//!
//! ```text
//! cargo bench --bench replay -- [--rows 3000000] [--rounds 3]
//! ```
//!
//! The rows are the flights of `tests/data/flights` from March on, with their 20 features,
//! `prediction` and `latency_ms`, against a reference of January and February, so that a good part
//! of the alerts of that year fires. They come in two densities:
//!
//! ```text
//! years    every 364 days again, as many years as it takes: about 40 rows an hour, so that nearly
//!          all of the work is to judge windows
//! busy     March alone, each flight many times at any second of its hour: thousands of rows an
//!          hour, as of a model that is worth it
//! ```
//!
//! CPU is of this process, from `/proc`. The bare read is the `parquet` crate's own, to Arrow, on
//! one thread. Compare ratios of one run: machines differ.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a program for people that measures; it fails loudly where it is wrong"
)]

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    Array, AsArray, PrimitiveArray, RecordBatch, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use driftd::cli::{Replay, ReplayFormat};
use driftd::key::Name;
use driftd::reference::build::{BuildRequest, Quiet, build};
use driftd::reference::{Reference, ReferenceRole};
use driftd::replay::replay;
use driftd::time::Length;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

type Outcome<T> = Result<T, Box<dyn Error>>;

const TIME: &str = "ts";
const SECOND_US: u64 = 1_000_000;
const WEEKS_US: i64 = 364 * 86_400 * 1_000_000;
/// The flights of March, about.
const MARCH: u32 = 28_000;
const BATCH_ROWS: usize = 8192;

fn main() -> Outcome<()> {
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let rows: u64 = argument("--rows", "3000000").parse()?;
    let rounds: u32 = argument("--rounds", "3").parse()?;
    let dir = tempfile::tempdir()?;
    let flights = flights("live")?;
    let files = [
        (
            "years",
            write(dir.path(), "years", &flights, &years(&flights, rows))?,
        ),
        (
            "busy",
            write(dir.path(), "busy", &flights, &busy(&flights, rows))?,
        ),
    ];
    let reference = reference()?;
    let all = [Length::HOUR, Length::HOUR.times(6), Length::DAY];
    println!("| round | rows | what | rows/s | CPU us/row |\n|---|---|---|---|---|");
    for round in 1..=rounds {
        for (name, path) in &files {
            let bare = measure(rows, || bare(path))?;
            println!("| {round} | {name} | bare read, 1 thread | {bare} |");
            for (what, windows) in [("24h", &all[2..]), ("1h, 6h, 24h", &all[..])] {
                let args = args(path.clone(), windows);
                let figure = measure(rows, || {
                    Ok(replay(&reference, &args, &Quiet, &mut std::io::sink())?)
                })?;
                println!("| {round} | {name} | replay, windows of {what} | {figure} |");
            }
        }
    }
    Ok(())
}

fn argument(name: &str, default: &str) -> String {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().unwrap_or_else(|| default.to_owned())
}

fn measure(rows: u64, work: impl FnOnce() -> Outcome<()>) -> Outcome<String> {
    let (started, before) = (Instant::now(), cpu()?);
    work()?;
    let rate = rows as f64 / started.elapsed().as_secs_f64();
    let cpu = (cpu()? - before) / rows as f64 * 1e6;
    Ok(format!("{rate:.0} | {cpu:.2}"))
}

/// The CPU seconds of this process so far.
fn cpu() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("stat")?.1;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

fn data(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/flights");
    data.join(name).with_extension("parquet")
}

/// The flights of a committed file, without the numbers of their rows.
fn flights(name: &str) -> Outcome<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(data(name))?)?;
    let batches: Vec<RecordBatch> = builder.build()?.collect::<Result<_, _>>()?;
    let all = concat_batches(&batches[0].schema(), &batches)?;
    let schema = all.schema();
    let columns = (0..all.num_columns()).filter(|at| schema.field(*at).name() != "request_id");
    Ok(all.project(&columns.collect::<Vec<_>>())?)
}

fn reference() -> Outcome<Reference> {
    let request = BuildRequest::new(
        Name::new("flight-delay")?,
        Name::new("1")?,
        ReferenceRole::Training,
    );
    let request = BuildRequest {
        inputs: vec![data("reference")],
        timezone: Some("America/New_York".to_owned()),
        ..request
    };
    Ok(build(&request, &Quiet)?)
}

fn args(path: PathBuf, windows: &[Length]) -> Replay {
    Replay {
        reference: PathBuf::new(),
        windows: windows.to_vec(),
        every: None,
        false_alarms_per_month: 1.0,
        quiet_until: None,
        format: ReplayFormat::Table,
        inputs: vec![path],
    }
}

fn times(flights: &RecordBatch) -> Outcome<&PrimitiveArray<TimestampMicrosecondType>> {
    let column = flights.column_by_name(TIME).ok_or("no times")?;
    Ok(column.as_primitive())
}

/// When each row is, and which flight: the year again and again.
fn years(flights: &RecordBatch, rows: u64) -> Vec<(i64, u32)> {
    let at = times(flights).map_or(&[][..], |at| at.values());
    let years = (0..).flat_map(|year| {
        let shifted = move |(flight, at): (u32, &i64)| (at + year * WEEKS_US, flight);
        (0..).zip(at).map(shifted)
    });
    years.take(rows as usize).collect()
}

/// When each row is, and which flight: March, each flight many times within its hour.
fn busy(flights: &RecordBatch, rows: u64) -> Vec<(i64, u32)> {
    let at = times(flights).map_or(&[][..], |at| at.values());
    let mut all: Vec<(i64, u32)> = (0..rows)
        .map(|row| {
            let flight = (row % u64::from(MARCH)) as u32;
            let second = random(row) % 3_600 * SECOND_US;
            (at[flight as usize] + second.cast_signed(), flight)
        })
        .collect();
    all.sort_unstable();
    all
}

/// A fixed sequence that looks random (Steele, Lea and Flood 2014, splitmix).
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn write(dir: &Path, name: &str, flights: &RecordBatch, rows: &[(i64, u32)]) -> Outcome<PathBuf> {
    let path = dir.join(name).with_extension("parquet");
    let schema = flights.schema();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let file = File::create(&path)?;
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties.build()))?;
    let place = schema.index_of(TIME)?;
    for rows in rows.chunks(1 << 16) {
        let places = UInt32Array::from_iter_values(rows.iter().map(|(_, flight)| *flight));
        let taken = take_record_batch(flights, &places)?;
        let mut columns = taken.columns().to_vec();
        let at = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(at, _)| *at));
        columns[place] = Arc::new(at.with_timezone("UTC"));
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    writer.close()?;
    Ok(path)
}

/// Reads all columns and looks at none.
fn bare(path: &Path) -> Outcome<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let mut nulls = 0;
    for batch in builder.with_batch_size(BATCH_ROWS).build()? {
        nulls += batch?
            .columns()
            .iter()
            .map(Array::null_count)
            .sum::<usize>();
    }
    std::hint::black_box(nulls);
    Ok(())
}
