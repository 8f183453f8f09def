//! CSV tables: comma, quotes, UTF-8, a first line of names, and as many cells in each line.
//!
//! A cell has no type, so its column has one: that of every non-empty cell in all files together
//! ([`CsvTypes::infer`]), or that of the series in a layout ([`CsvTypes::of_layout`]). Spaces
//! around numbers and booleans do not matter; in texts they do. A cell that is not of its column's
//! type, which only a layout's types allow, is invalid. There is no `NA`: an empty cell is the one
//! way to say nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{BooleanBufferBuilder, BooleanBuilder, Float64Builder, StringBuilder};
use csv::{Reader, ReaderBuilder, StringRecord};

use super::{
    BATCH_ROWS, Batch, Column, ColumnData, Each, FilesError, SeriesColumn, TableOptions,
    TableShape, TimeProblem, columns, convert, open,
};
use crate::layout::{Kind, Layout};
use crate::time::Timestamp;

/// What the cells of a column are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CsvType {
    /// Numbers, as Rust writes them, and `NaN` and `inf`, which are invalid.
    Number,
    /// `true` and `false`, also `True` and `TRUE`.
    Bool,
    /// Anything.
    Text,
}

/// The types of the columns of CSV files, by series; a series that is not among them is text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CsvTypes(BTreeMap<Arc<str>, CsvType>);

impl FromIterator<(Arc<str>, CsvType)> for CsvTypes {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, CsvType)>>(types: T) -> Self {
        Self(types.into_iter().collect())
    }
}

impl CsvTypes {
    /// The type of a series.
    pub fn of(&self, series: &str) -> CsvType {
        self.0.get(series).copied().unwrap_or(CsvType::Text)
    }

    /// The types of the series of a layout.
    pub fn of_layout(layout: &Layout) -> Self {
        let of = |kind: Kind| match kind {
            Kind::Numeric => CsvType::Number,
            Kind::Categorical => CsvType::Text,
            Kind::Boolean => CsvType::Bool,
        };
        let series = layout.series().iter();
        Self(
            series
                .map(|series| (Arc::clone(series.name()), of(series.kind())))
                .collect(),
        )
    }

    /// The types of these, and of `others` where these know nothing.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        for (series, of) in others.0 {
            self.0.entry(series).or_insert(of);
        }
        self
    }

    /// The types that all cells of all `paths` can be read as; `advance` learns of the bytes read.
    pub fn infer(
        paths: &[PathBuf],
        options: &TableOptions,
        mut advance: impl FnMut(u64),
    ) -> Result<Self, FilesError> {
        let mut seen: BTreeMap<Arc<str>, Seen> = BTreeMap::new();
        for path in paths {
            let mut table = Table::open(path, options)?;
            let shape = table.shape.clone();
            let mut found = vec![Seen::default(); shape.series.len()];
            while table.next()? {
                for (column, seen) in shape.series.iter().zip(&mut found) {
                    seen.add(table.record.get(column.index).unwrap_or(""));
                }
                advance(table.bytes());
            }
            for (column, found) in shape.series.iter().zip(found) {
                seen.entry(Arc::clone(&column.name))
                    .or_default()
                    .merge(found);
            }
        }
        Ok(Self(
            seen.into_iter()
                .map(|(series, seen)| (series, seen.of()))
                .collect(),
        ))
    }
}

/// What the cells of a column were so far.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    number: bool,
    bool: bool,
    text: bool,
}

impl Seen {
    fn add(&mut self, cell: &str) {
        if self.text || cell.is_empty() {
            return;
        }
        match (number(cell), boolean(cell)) {
            (Some(_), _) => self.number = true,
            (None, Some(_)) => self.bool = true,
            (None, None) => self.text = true,
        }
    }

    fn merge(&mut self, other: Self) {
        self.number |= other.number;
        self.bool |= other.bool;
        self.text |= other.text;
    }

    fn of(self) -> CsvType {
        match self {
            Self {
                text: false,
                bool: false,
                ..
            } => CsvType::Number,
            Self {
                text: false,
                number: false,
                ..
            } => CsvType::Bool,
            _ => CsvType::Text,
        }
    }
}

fn number(cell: &str) -> Option<f64> {
    cell.trim_ascii().parse().ok()
}

fn boolean(cell: &str) -> Option<bool> {
    match cell.trim_ascii() {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// An open file, read record by record.
struct Table<'a> {
    path: &'a Path,
    reader: Reader<File>,
    record: StringRecord,
    shape: TableShape,
    /// The position up to which bytes were told.
    told: u64,
}

impl<'a> Table<'a> {
    fn open(path: &'a Path, options: &TableOptions) -> Result<Self, FilesError> {
        let mut reader = ReaderBuilder::new()
            .buffer_capacity(1 << 16)
            .from_reader(open(path)?);
        let header = reader.headers().map_err(|error| unreadable(path, error))?;
        let names = header.iter().map(str::to_owned).collect();
        let shape = columns::shape(path, names, options)?;
        Ok(Self {
            path,
            reader,
            record: StringRecord::new(),
            shape,
            told: 0,
        })
    }

    fn next(&mut self) -> Result<bool, FilesError> {
        let read = self.reader.read_record(&mut self.record);
        read.map_err(|error| unreadable(self.path, error))
    }

    /// The bytes read since this was last asked.
    fn bytes(&mut self) -> u64 {
        let now = self.reader.position().byte();
        let since = now - self.told;
        self.told = now;
        since
    }
}

fn unreadable(path: &Path, source: csv::Error) -> FilesError {
    FilesError::Csv {
        path: path.to_owned(),
        source,
    }
}

pub(super) fn shape(path: &Path, options: &TableOptions) -> Result<TableShape, FilesError> {
    Table::open(path, options).map(|table| table.shape)
}

/// The cells of a column, as they are collected.
enum Cells {
    Numbers(Float64Builder),
    Texts(StringBuilder),
    Bools(BooleanBuilder, BooleanBufferBuilder),
}

impl Cells {
    fn new(of: CsvType) -> Self {
        match of {
            CsvType::Number => Self::Numbers(Float64Builder::with_capacity(BATCH_ROWS)),
            CsvType::Text => Self::Texts(StringBuilder::new()),
            CsvType::Bool => Self::Bools(BooleanBuilder::new(), BooleanBufferBuilder::new(0)),
        }
    }

    fn add(&mut self, cell: &str) {
        match self {
            Self::Numbers(numbers) if cell.is_empty() => numbers.append_null(),
            Self::Numbers(numbers) => numbers.append_value(number(cell).unwrap_or(f64::NAN)),
            Self::Texts(texts) if cell.is_empty() => texts.append_null(),
            Self::Texts(texts) => texts.append_value(cell),
            Self::Bools(bools, invalid) => {
                bools.append_option(boolean(cell));
                invalid.append(!cell.is_empty() && boolean(cell).is_none());
            }
        }
    }

    fn take(&mut self) -> ColumnData {
        match self {
            Self::Numbers(numbers) => {
                let (_, values, nulls) = numbers.finish().into_parts();
                ColumnData::Numbers { values, nulls }
            }
            Self::Texts(texts) => ColumnData::Texts(texts.finish()),
            Self::Bools(bools, invalid) => ColumnData::Bools {
                values: bools.finish(),
                invalid: Some(invalid.finish()),
            },
        }
    }
}

pub(super) fn read(path: &Path, options: &TableOptions, each: Each<'_>) -> Result<(), FilesError> {
    let mut table = Table::open(path, options)?;
    let shape = table.shape.clone();
    let mut rows = Rows::new(&shape, options);
    let mut number = 0;
    while table.next()? {
        number += 1;
        rows.add(&table.record)
            .map_err(|problem| FilesError::Time {
                path: path.to_owned(),
                column: rows.time_column(),
                row: number,
                problem,
            })?;
        if rows.count == BATCH_ROWS && each(&rows.take(table.bytes())).is_break() {
            return Ok(());
        }
    }
    let last = rows.take(table.bytes());
    if last.rows > 0 || last.bytes > 0 {
        // nothing comes after the last rows, whatever the answer
        let _enough = each(&last);
    }
    Ok(())
}

/// Rows that are collected for a batch.
struct Rows<'a> {
    shape: &'a TableShape,
    options: &'a TableOptions,
    columns: Vec<(&'a SeriesColumn, Cells)>,
    at: Vec<Timestamp>,
    count: usize,
}

impl<'a> Rows<'a> {
    fn new(shape: &'a TableShape, options: &'a TableOptions) -> Self {
        let cells = |column: &'a SeriesColumn| (column, Cells::new(options.csv.of(&column.name)));
        let columns = shape.selected(options).into_iter().map(cells).collect();
        Self {
            shape,
            options,
            columns,
            at: Vec::new(),
            count: 0,
        }
    }

    fn time_column(&self) -> String {
        self.shape
            .time
            .and_then(|index| self.shape.columns.get(index).cloned())
            .unwrap_or_default()
    }

    fn add(&mut self, record: &StringRecord) -> Result<(), TimeProblem> {
        if let Some(index) = self.shape.time {
            let at = convert::time_of_text(record.get(index).unwrap_or(""))?;
            if self.options.excludes(at) {
                return Ok(());
            }
            self.at.push(at);
        }
        for (column, cells) in &mut self.columns {
            cells.add(record.get(column.index).unwrap_or(""));
        }
        self.count += 1;
        Ok(())
    }

    fn take(&mut self, bytes: u64) -> Batch {
        let column = |(column, cells): &mut (&SeriesColumn, Cells)| Column {
            name: Arc::clone(&column.name),
            role: column.role,
            data: cells.take(),
        };
        let times = std::mem::take(&mut self.at);
        Batch {
            rows: std::mem::take(&mut self.count),
            columns: self.columns.iter_mut().map(column).collect(),
            at: self.shape.has_times.then_some(times),
            carried: self.shape.carried,
            bytes,
        }
    }
}
