//! What many series cost: memory, a full rescore, `/metrics`, a snapshot and a start from it.
//!
//! ```text
//! cargo bench --bench scale -- [--models 2000] [--series 50] [--in-memory]
//! ```
//!
//! Every model version has a reference of its own with four weeks of hours, and four weeks of live
//! traffic of 1,000 rows an hour that are spread over the bins as the reference is: by the hour,
//! and by five minutes where windows of an hour and six still keep them. Counts are drawn, rows
//! are not. Packed counts lie in files, as with `state.spill_dir`, or in memory.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "figures for people, of things made here"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampMillisecondArray};
use driftd::alert::learn;
use driftd::config::SurfaceLimits;
use driftd::delta::{Accounting, Delta, LayoutId, ModelDelta, PaneDelta};
use driftd::engine::{Engine, Input};
use driftd::expose::Shared;
use driftd::image::{Album, BlockId, Reader};
use driftd::journal::Chain;
use driftd::key::{ModelKey, Name, Shard};
use driftd::reference::build::{BuildRequest, Quiet, build};
use driftd::reference::natural::Offsets;
use driftd::reference::{Reference, ReferenceRole, artifact};
use driftd::spill::Spill;
use driftd::statelog::record::{BaselineChoice, Record};
use driftd::time::{Length, Timestamp};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use crate::log::{Log, chain};

#[path = "common/log.rs"]
mod log;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// That of the daemon.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Where the reference begins: Monday 2024-01-01, in milliseconds.
const MONDAY: i64 = 1_704_067_200_000;
const WEEKS: u32 = 4;
const REFERENCE_ROWS: i64 = 60_000;
const ROWS_AN_HOUR: u64 = 1_000;
/// Sets of counts that are drawn; traffic goes through them in turn.
const DRAWN: usize = 16;
const FIVE_MINUTES: Length = Length::MINUTE.times(5);

fn main() -> Outcome<()> {
    let (mut models, mut series, mut in_memory) = (2_000, 50, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--models" => models = args.next().ok_or("how many models?")?.parse()?,
            "--in-memory" => in_memory = true,
            "--series" => series = args.next().ok_or("how many series?")?.parse()?,
            _ => {}
        }
    }
    let all = models * series;
    println!("{models} model versions of {series} series");
    let reference = reference(series)?;
    let dir = TempDir::new()?;
    let spill = if in_memory {
        Spill::default()
    } else {
        Spill::to(dir.path())?
    };
    let mut scene = Scene::new(models, spill);
    let before = resident()?;
    scene.activate(&reference)?;
    let referenced = told("references", all, before)?;
    scene.live(&reference)?;
    let counted = told("panes and hours", all, referenced)?;
    let bytes = scene.log.engine.fold().models.values();
    let bytes: u64 = bytes.map(|model| model.bytes().total()).sum();
    println!(
        "  of which limits.state_bytes_max sees {:.0} B, in files {:.0} B",
        bytes as f64 / all as f64,
        scene.spill.bytes() as f64 / all as f64
    );
    timed("a tick of all windows judged", || scene.tick())?;
    let judged = told("judges", all, counted)?;
    let (board, _) = timed("a board, all windows scored", || scene.log.board())?;
    told("board", all, judged)?;
    println!(
        "  together {:.2} GiB",
        resident()?.saturating_sub(before) as f64 / f64::from(1 << 30)
    );
    let shared = Shared::new(SurfaceLimits {
        metric_series_max: 100_000,
    });
    shared.publish(Arc::clone(&board));
    for which in ["the first /metrics", "the next /metrics"] {
        let (parts, _) = timed(which, || Ok(shared.metrics()))?;
        let page = String::from_utf8(parts.concat())?;
        println!(
            "  {} samples, {:.1} MB",
            samples(&page),
            megabytes(page.len())
        );
    }
    snapshots(&mut scene)
}

/// The bytes of this process that are in memory.
fn resident() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kilobytes.ok_or("no VmRSS")?.parse::<u64>()? * 1024)
}

fn told(what: &str, all: usize, before: u64) -> Outcome<u64> {
    let now = resident()?;
    let grown = now.saturating_sub(before) as f64;
    println!("{what}: {:.0} B a series", grown / all as f64);
    Ok(now)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn timed<T>(what: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, f64)> {
    let begin = Instant::now();
    let done = work()?;
    let seconds = begin.elapsed().as_secs_f64();
    println!("{what}: {seconds:.2} s");
    Ok((done, seconds))
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn samples(page: &str) -> usize {
    page.lines().filter(|line| !line.starts_with('#')).count()
}

/// A fixed sequence that looks random (Steele, Lea and Flood 2014, splitmix).
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Four weeks of numbers without rhythm.
fn reference(series: usize) -> Outcome<Reference> {
    let dir = TempDir::new()?;
    let step = i64::from(WEEKS) * 7 * Length::DAY.as_millis() / REFERENCE_ROWS;
    let times = (0..REFERENCE_ROWS).map(|row| MONDAY + row * step);
    let times: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(times));
    let mut columns = vec![("ts".to_owned(), times)];
    for at in 0..series as u64 {
        let value = |row: i64| (random(at << 40 | row.cast_unsigned()) >> 11) as f64;
        let values = Float64Array::from_iter_values((0..REFERENCE_ROWS).map(value));
        columns.push((format!("x{at:03}"), Arc::new(values)));
    }
    let batch = RecordBatch::try_from_iter(columns)?;
    let path = dir.path().join("train.parquet");
    let mut writer = ArrowWriter::try_new(File::create(&path)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(build(&request(&path)?, &Quiet)?)
}

fn request(path: &Path) -> Outcome<BuildRequest> {
    let (model, version) = (Name::new("model")?, Name::new("1")?);
    Ok(BuildRequest {
        inputs: vec![path.to_owned()],
        ..BuildRequest::new(model, version, ReferenceRole::Training)
    })
}

/// Model versions and the log that feeds them.
struct Scene {
    log: Log,
    spill: Spill,
    keys: Vec<ModelKey>,
    head: i64,
}

impl Scene {
    fn new(models: usize, spill: Spill) -> Self {
        let now = Timestamp::from_millis(MONDAY) + Length::DAY.times(7 * 2 * 4);
        let key = |at| {
            Some(ModelKey::new(
                Name::new(&format!("model-{at:05}")).ok()?,
                Name::new("1").ok()?,
            ))
        };
        let mut log = Log::new(models, None, now);
        log.engine.spill_to(spill.clone());
        Self {
            log,
            spill,
            keys: (0..models).filter_map(key).collect(),
            head: 0,
        }
    }

    fn activate(&mut self, reference: &Reference) -> Outcome<()> {
        let windows = self.log.engine.fold().config.windows.clone();
        let utc = |_zone: &str, _from| Some(Offsets::utc());
        let natural = learn::of_reference(reference, &windows, BaselineChoice::Auto, utc);
        let natural = natural
            .as_ref()
            .map_or_else(Vec::new, artifact::natural_to_bytes);
        let artifact = artifact::to_bytes(&reference.without_blocks());
        for key in self.keys.clone() {
            self.log.append(Record::Activate {
                key,
                artifact: artifact.clone(),
                natural: natural.clone(),
            })?;
        }
        self.log.append(Record::Genesis {
            chain: chain(),
            start: 0,
        })?;
        Ok(())
    }

    /// Four weeks of traffic up to now. The newest row comes first, so that only one tick is
    /// judged: what comes then is late, and counts all the same.
    fn live(&mut self, reference: &Reference) -> Outcome<()> {
        let begin = self.log.now - Length::DAY.times(7 * WEEKS);
        let fine = self.log.now - Length::HOUR.times(12);
        let hours: Vec<_> = (0..DRAWN)
            .map(|at| drawn(reference, ROWS_AN_HOUR, at))
            .collect();
        let parts: Vec<_> = (0..DRAWN)
            .map(|at| drawn(reference, ROWS_AN_HOUR / 12, at))
            .collect();
        let last = self.log.now - FIVE_MINUTES;
        self.count(last, FIVE_MINUTES, (&parts[0], ROWS_AN_HOUR / 12))?;
        let mut at = begin;
        let mut turn = 0;
        while at < last {
            turn += 1;
            let (length, counts, rows) = if at < fine {
                (Length::HOUR, &hours, ROWS_AN_HOUR)
            } else {
                (FIVE_MINUTES, &parts, ROWS_AN_HOUR / 12)
            };
            self.count(at, length, (&counts[turn % DRAWN], rows))?;
            at = at + length;
        }
        Ok(())
    }

    /// Rows of all model versions in a pane.
    fn count(
        &mut self,
        start: Timestamp,
        length: Length,
        (cells, rows): (&[(u32, u64)], u64),
    ) -> Outcome<()> {
        for keys in self.keys.clone().chunks(100) {
            let layout = LayoutId(1);
            let model = |key: &ModelKey| ModelDelta {
                key: key.clone(),
                layout,
                panes: vec![PaneDelta {
                    start,
                    rows,
                    late: 0,
                    last_event: start + length - Length::MILLISECOND,
                    carried: [rows, 0, 0, 0],
                    cells: cells.to_vec(),
                    loose: BTreeMap::new(),
                }],
            };
            let (from, to) = (self.head, self.head + 1);
            self.head = to;
            self.log.append(Record::Delta(Box::new(Delta {
                chain: chain(),
                from,
                to,
                writer: 1,
                attempt: 1,
                pane: FIVE_MINUTES,
                accounting: Accounting {
                    records: rows,
                    rows,
                    at_end: true,
                    ..Accounting::default()
                },
                arrivals: Vec::new(),
                models: keys.iter().map(model).collect(),
            })))?;
        }
        Ok(())
    }

    /// Log time passes, so that windows close.
    fn tick(&mut self) -> Outcome<()> {
        self.log.engine.handle(Input::End, &mut Vec::new())?;
        self.log.now = self.log.now + Length::HOUR;
        self.count(self.log.now, FIVE_MINUTES, (&[], 0))
    }
}

/// Counts of so many rows by cell, in every series, each row in a bin by the reference's shares.
fn drawn(reference: &Reference, rows: u64, set: usize) -> Vec<(u32, u64)> {
    let mut counts = vec![0; reference.layout.cells()];
    for (at, series) in reference.series.iter().enumerate() {
        let sums: Vec<u64> = (series.counts.iter())
            .scan(0, |sum, count| {
                *sum += count;
                Some(*sum)
            })
            .collect();
        let all = sums.last().copied().unwrap_or(1);
        for row in 0..rows {
            let point = random((set as u64) << 50 | (at as u64) << 30 | row) % all;
            counts[reference.layout.offset(at) + sums.partition_point(|sum| *sum <= point)] += 1;
        }
    }
    let cells = (0..).zip(counts);
    cells.filter(|(_, count)| *count > 0).collect()
}

/// A whole snapshot, the next one after five more minutes, and a start from it.
fn snapshots(scene: &mut Scene) -> Outcome<()> {
    let mut blocks: BTreeMap<BlockId, Vec<u8>> = BTreeMap::new();
    let mut album = Album::default();
    let mut root = None;
    for what in ["a whole snapshot", "the next snapshot"] {
        let mut size = 0;
        timed(what, || {
            let mut put = |id, bytes: &[u8]| {
                size += bytes.len();
                blocks.insert(id, bytes.to_vec());
                Ok(())
            };
            let mut writer = album.begin(&mut put);
            root = Some(scene.log.engine.write(&mut writer)?);
            album = writer.end();
            Ok(())
        })?;
        println!("  {:.1} MB", megabytes(size));
    }
    let root = root.ok_or("no snapshot")?;
    timed("a start from the snapshot", || {
        let get = |id: BlockId| Ok(blocks.get(&id).cloned());
        let all = (Shard::ALL, Chain::default());
        let engine = Engine::read(root, &Reader(&get), all, &scene.spill)?;
        assert!(engine.fold().position == scene.log.engine.fold().position);
        Ok(())
    })?;
    Ok(())
}
