//! Rows from files: flat tables and events, as `reference build` and `replay` read them.
//!
//! A table (Parquet, CSV, Arrow) has a column for each series. Its columns mean what they mean in
//! events: `prediction`, `prediction.<output>`, `latency_ms` and `status` are the series of that
//! name, `ts` is the event time, `request_id` is left out, and every other column is a feature of
//! its own name. A line of JSONL is one event, in the native shape.
//!
//! Whatever the format, a row has the same values:
//!
//! ```text
//!            Parquet, Arrow                    CSV                         JSONL
//! number     any integer, float or decimal     every cell is a number      number
//! text       string                            any cell is something else  string
//! boolean    boolean                           every cell is true or false boolean
//! missing    null                              empty cell                  null, or absent
//! invalid    NaN, infinity                     NaN, infinity, 1e400        array, object, 1e400
//! ```
//!
//! Numbers are rounded once, to the nearest f64: integers beyond 2^53, decimals and texts alike.
//! CSV has no types, so a column of it is what all of its non-empty cells can be read as, over all
//! files (see [`CsvTypes`]); an all-empty column counts as numbers. A column of another type (date,
//! time, list, binary) is an error that says to leave it out.
//!
//! The time column holds timestamps of any unit (those without a zone are UTC), whole numbers of
//! milliseconds, or RFC 3339 texts; what is finer than a millisecond is cut off toward the past.
//! Every row must have one.

mod batch;
mod columns;
mod convert;
mod csv;
mod error;
mod events;
mod ipc;
mod parquet;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::key::{Carried, Role};
use crate::time::Timestamp;

pub use self::batch::{Batch, Column, ColumnData};
pub use self::csv::{CsvType, CsvTypes};
pub use self::error::{ColumnProblem, FilesError, TimeProblem};
pub use self::events::{EventLine, EventLines, EventsRead, LINE_BYTES_MAX, read_events};

/// Rows that are handed on at a time.
pub const BATCH_ROWS: usize = 8192;

/// How rows stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a line of names.
    Csv,
    /// Arrow IPC, as a file or as a stream.
    Arrow,
    /// JSON lines, an event each.
    Events,
}

impl Format {
    /// The format of a file, by the extension of its name.
    pub fn of(path: &Path) -> Result<Self, FilesError> {
        let extension = path.extension().map(OsStr::to_ascii_lowercase);
        match extension
            .as_deref()
            .and_then(|extension| extension.to_str())
        {
            Some("parquet" | "pq") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            Some("arrow" | "ipc" | "feather") => Ok(Self::Arrow),
            Some("jsonl" | "ndjson") => Ok(Self::Events),
            _ => Err(FilesError::Format {
                path: path.to_owned(),
            }),
        }
    }
}

/// What to read from tables, and as what.
#[derive(Debug, Clone, Default)]
pub struct TableOptions {
    /// The column of event times; where none is named, `ts` if it is there.
    pub time_column: Option<String>,
    /// The column that is the series `prediction`; where none is named, `prediction` if it is
    /// there.
    pub prediction: Option<String>,
    /// Columns to leave out.
    pub ignore: Vec<String>,
    /// The series to read, all where there is none: a reader of some columns costs less.
    pub only: Option<BTreeSet<Arc<str>>>,
    /// Rows of these times, `from <= t < to`, are left out.
    pub exclude: Vec<(Timestamp, Timestamp)>,
    /// What the columns of CSV are.
    pub csv: CsvTypes,
}

impl TableOptions {
    /// Whether rows of this time are left out.
    pub fn excludes(&self, at: Timestamp) -> bool {
        self.exclude
            .iter()
            .any(|(from, to)| *from <= at && at < *to)
    }
}

/// A column of a table that is a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesColumn {
    /// The name of the series.
    pub name: Arc<str>,
    /// Its role.
    pub role: Role,
    /// Its place in the file.
    index: usize,
}

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    /// Those that are series, in the order of the file.
    pub series: Vec<SeriesColumn>,
    /// Whether rows have times.
    pub has_times: bool,
    /// Which carriers the table has columns of.
    pub carried: Carried,
    /// The names of all columns.
    pub columns: Vec<String>,
    /// The place of the time column.
    time: Option<usize>,
}

impl TableShape {
    /// The columns of the file that must be read for these options: those of series in order, then
    /// that of the time.
    fn selected(&self, options: &TableOptions) -> Vec<&SeriesColumn> {
        let wanted = |column: &&SeriesColumn| match &options.only {
            Some(only) => only.contains(&column.name),
            None => true,
        };
        self.series.iter().filter(wanted).collect()
    }
}

/// The columns of a table, without reading its rows.
pub fn table_shape(path: &Path, options: &TableOptions) -> Result<TableShape, FilesError> {
    match Format::of(path)? {
        Format::Parquet => parquet::shape(path, options),
        Format::Csv => csv::shape(path, options),
        Format::Arrow => ipc::shape(path, options),
        Format::Events => Err(FilesError::Format {
            path: path.to_owned(),
        }),
    }
}

/// Reads the rows of a table, [`BATCH_ROWS`] at a time, until the end or until `each` has enough.
pub fn read_table(
    path: &Path,
    options: &TableOptions,
    mut each: impl FnMut(&Batch) -> ControlFlow<()>,
) -> Result<(), FilesError> {
    let each: Each<'_> = &mut each;
    match Format::of(path)? {
        Format::Parquet => parquet::read(path, options, each),
        Format::Csv => csv::read(path, options, each),
        Format::Arrow => ipc::read(path, options, each),
        Format::Events => Err(FilesError::Format {
            path: path.to_owned(),
        }),
    }
}

/// Who gets the batches.
type Each<'a> = &'a mut dyn FnMut(&Batch) -> ControlFlow<()>;

fn open(path: &Path) -> Result<File, FilesError> {
    File::open(path).map_err(|source| FilesError::Io {
        path: path.to_owned(),
        source,
    })
}

/// The size of a file in bytes.
pub fn size(path: &Path) -> Result<u64, FilesError> {
    let metadata = std::fs::metadata(path);
    let metadata = metadata.map_err(|source| FilesError::Io {
        path: path.to_owned(),
        source,
    })?;
    Ok(metadata.len())
}

#[cfg(test)]
mod tests;
