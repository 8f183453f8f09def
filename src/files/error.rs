//! Why rows cannot be read from a file, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use parquet::errors::ParquetError;

use crate::key::NameError;

/// Why rows cannot be read from a file.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A name that says nothing of the format.
    #[error(
        "{}: the format is told by the extension, one of .parquet, .csv, .arrow, .ipc, .feather, \
         .jsonl and .ndjson", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A file that cannot be opened or read.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not Parquet, or a damaged one.
    #[error("{}: is not readable as Parquet", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ParquetError,
    },
    /// A file that is not Arrow, or a damaged one.
    #[error("{}: is not readable as Arrow", path.display())]
    Arrow {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ArrowError,
    },
    /// A file that is not CSV in UTF-8 with as many cells in each line.
    #[error("{}: is not readable as CSV", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Why, and in which line.
        source: csv::Error,
    },
    /// A column that cannot be used.
    #[error("{}: column `{column}` {problem}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What is wrong with it.
        problem: ColumnProblem,
    },
    /// A row whose time cannot be told.
    #[error("{}: row {row} has {problem} in the time column `{column}`", path.display())]
    Time {
        /// The file.
        path: PathBuf,
        /// The time column.
        column: String,
        /// The row, from 1.
        row: u64,
        /// What is wrong with it.
        problem: TimeProblem,
    },
}

/// What is wrong with a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnProblem {
    /// Its name cannot be that of a series.
    Name(NameError),
    /// Another column has the same name, or is the same series.
    Twice,
    /// Its type is neither number, text nor boolean.
    Type(DataType),
    /// As a time, its type is neither timestamp, whole number nor text.
    TimeType(DataType),
    /// It was asked for and is not there; these are.
    Absent(Vec<String>),
}

/// The most columns that an error names.
const NAMED_MAX: usize = 20;

impl fmt::Display for ColumnProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => {
                write!(f, "cannot be a series ({error}): rename it or --ignore it")
            }
            Self::Twice => f.write_str("is there twice: rename one of them"),
            Self::Type(of) => {
                write!(
                    f,
                    "has type {of}, which is neither number, text nor boolean: --ignore it"
                )
            }
            Self::TimeType(of) => write!(
                f,
                "has type {of}, but a time is a timestamp, a whole number of milliseconds or an \
                 RFC 3339 text"
            ),
            Self::Absent(there) => {
                let named = there
                    .iter()
                    .take(NAMED_MAX)
                    .map(String::as_str)
                    .collect::<Vec<_>>();
                let more = if there.len() > NAMED_MAX { ", .." } else { "" };
                write!(f, "is not there; there are {}{more}", named.join(", "))
            }
        }
    }
}

/// What is wrong with the time of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeProblem {
    /// There is none.
    Missing,
    /// A number beyond the years 0 to 9999.
    Range(i64),
    /// A text that is no time, or one without an offset.
    Text(String),
}

impl fmt::Display for TimeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("nothing"),
            Self::Range(number) => write!(f, "{number}, beyond the years 0 to 9999,"),
            Self::Text(text) => {
                write!(
                    f,
                    "`{text}`, no RFC 3339 time such as 2026-11-23T10:15:00Z,"
                )
            }
        }
    }
}
