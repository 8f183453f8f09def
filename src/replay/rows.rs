//! The rows of files, whatever their format, one after the other.
//!
//! Events come row by row. Tables come as columns, which several threads read and bin, each its
//! share of the columns of a file; here they are put together again, batch by batch:
//!
//! ```text
//! thread 1   ts a c   batch 1, batch 2, ..  \
//! thread 2   ts b d   batch 1, batch 2, ..   >  ts a b c d   batch 1, batch 2, ..
//! ```
//!
//! So rows come in the order of the file, however many threads there are.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::bins::{Binned, BinnedColumn, bin};
use crate::decode::{Decoder, FieldPaths, Limits, Names, Plan, PlanError, Row};
use crate::files::{
    self, CsvTypes, EventLine, EventLines, FilesError, Format, SeriesColumn, TableOptions,
};
use crate::layout::Layout;
use crate::reference::progress::Progress;

/// Names of series kept of an input; values of further ones are left out.
const NAMES_MAX: usize = 65_536;

/// The most threads that read a table.
const THREADS_MAX: usize = 8;

/// Batches that a reading thread may be ahead; then it waits. In wide tables they are fewer.
const BATCHES_AHEAD: usize = 8;

/// Values that the threads may be ahead in all, but for a batch each.
const VALUES_AHEAD: usize = 16 << 20;

/// Why inputs cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// A file.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The native event has no plan: a fault of driftd.
    #[error("the native event cannot be planned; this is a fault of driftd")]
    Plan(#[from] PlanError),
    /// A table without times.
    #[error("{} has no column `ts` with the time of each row, and windows need one", .0.display())]
    NoTimes(PathBuf),
}

/// What is handed out.
pub(super) enum Piece<'a> {
    /// A row of events.
    Row(&'a Names, &'a Row<'a>),
    /// Some rows of a table.
    Columns(&'a Binned),
}

/// Hands out the rows of `inputs` until `each` says stop; those of tables in the cells of `shape`,
/// if there is one. `layout` says what the columns of CSV are.
pub(super) fn read(
    inputs: &[PathBuf],
    (layout, shape): (&Layout, Option<&Layout>),
    progress: &dyn Progress,
    mut each: impl FnMut(Piece<'_>) -> ControlFlow<()>,
) -> Result<(), RowsError> {
    let sizes: Result<Vec<u64>, FilesError> = inputs.iter().map(|path| files::size(path)).collect();
    progress.begin("replaying", sizes?.iter().sum());
    for path in inputs {
        let flow = match Format::of(path)? {
            Format::Events => events(path, progress, &mut each)?,
            Format::Parquet | Format::Csv | Format::Arrow => {
                let options = TableOptions {
                    csv: CsvTypes::of_layout(layout),
                    ..TableOptions::default()
                };
                table(path, (&options, shape), progress, &mut each)?
            }
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

fn events(
    path: &Path,
    progress: &dyn Progress,
    each: &mut impl FnMut(Piece<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, RowsError> {
    let plan = Plan::new(&FieldPaths::default())?;
    let mut decoder = Decoder::new(plan, Limits::default());
    let mut lines = EventLines::open(path)?;
    let (mut rejected, mut flow) = (0_u64, ControlFlow::Continue(()));
    while let Some(line) = lines.read()? {
        let decoded = match line {
            EventLine::Oversized => false,
            EventLine::Record(record) => {
                let hand_out = |names: &Names, row: &Row<'_>| {
                    if flow.is_continue() {
                        flow = each(Piece::Row(names, row));
                    }
                };
                decoder.decode(record, hand_out).is_ok()
            }
        };
        rejected += u64::from(!decoded);
        if flow.is_break() {
            return Ok(flow);
        }
        progress.advance(lines.bytes());
    }
    if rejected > 0 {
        progress.note(&format!(
            "{}: {rejected} lines are no events",
            path.display()
        ));
    }
    Ok(flow)
}

fn table(
    path: &Path,
    (options, shape): (&TableOptions, Option<&Layout>),
    progress: &dyn Progress,
    each: &mut impl FnMut(Piece<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, RowsError> {
    let table = files::table_shape(path, options)?;
    if !table.has_times {
        return Err(RowsError::NoTimes(path.to_owned()));
    }
    let shares = shares(&table.series, threads_for(Format::of(path)?));
    let batch = files::BATCH_ROWS * table.series.len().max(1);
    let ahead = (VALUES_AHEAD / batch).clamp(1, BATCHES_AHEAD);
    thread::scope(|scope| {
        let mut parts = Vec::new();
        for only in shares {
            let (sender, receiver) = sync_channel(ahead);
            let options = TableOptions {
                only: Some(only),
                ..options.clone()
            };
            scope.spawn(move || read_share(path, (&options, shape), &sender));
            parts.push(receiver);
        }
        while let Some(batch) = together(&parts)? {
            progress.advance(batch.bytes);
            if each(Piece::Columns(&batch.rows)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// How many threads read a table: what stands as text cannot be read column by column. Arrow has to
/// be read whole for any of its columns, which costs little beside what is done with them.
fn threads_for(format: Format) -> usize {
    match format {
        Format::Parquet | Format::Arrow => {
            thread::available_parallelism().map_or(1, |threads| threads.get().min(THREADS_MAX))
        }
        Format::Csv | Format::Events => 1,
    }
}

/// Deals the series out to so many threads, at least one, but those whose name is one too many.
fn shares(series: &[SeriesColumn], threads: usize) -> Vec<BTreeSet<Arc<str>>> {
    let mut names = Names::new(NAMES_MAX);
    let kept = series
        .iter()
        .filter(|column| names.intern(column.role, &column.name).is_some());
    let kept: Vec<Arc<str>> = kept.map(|column| Arc::clone(&column.name)).collect();
    let threads = threads.min(kept.len()).max(1);
    (0..threads)
        .map(|first| kept.iter().skip(first).step_by(threads).cloned().collect())
        .collect()
}

/// Some rows of a table, and about how many bytes they take in the file.
struct Part {
    rows: Binned,
    bytes: u64,
}

type Sent = Result<Part, FilesError>;

/// Reads and bins some of the columns of a table until the end, a fault, or until nobody listens.
fn read_share(
    path: &Path,
    (options, shape): (&TableOptions, Option<&Layout>),
    sender: &SyncSender<Sent>,
) {
    let ended = files::read_table(path, options, |batch| {
        let rows = Binned {
            at: batch.at.clone().unwrap_or_default(),
            carried: batch.carried,
            columns: bin(batch, shape),
        };
        let part = Part {
            rows,
            bytes: batch.bytes,
        };
        match sender.send(Ok(part)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_nobody) => ControlFlow::Break(()),
        }
    });
    if let Err(error) = ended {
        // where nobody listens, another share had a fault first
        let _nobody = sender.send(Err(error));
    }
}

/// The next rows, with the columns of all shares in the order of the file; none at the end.
fn together(parts: &[Receiver<Sent>]) -> Result<Option<Part>, FilesError> {
    let mut shares: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        // a share that ended has sent all, and all have the same rows
        let Ok(part) = part.recv() else {
            return Ok(None);
        };
        shares.push(part?);
    }
    let mut columns: Vec<_> = shares
        .iter_mut()
        .map(|share| std::mem::take(&mut share.rows.columns).into_iter())
        .collect();
    let Some(mut first) = shares.into_iter().next() else {
        return Ok(None);
    };
    // they were dealt out in turn
    loop {
        let turn = columns.iter_mut().filter_map(Iterator::next);
        let turn: Vec<BinnedColumn> = turn.collect();
        if turn.is_empty() {
            return Ok(Some(first));
        }
        first.rows.columns.extend(turn);
    }
}
