//! From the arrays of Arrow to values and times.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, PrimitiveArray, RecordBatch,
};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType,
    Float64Type, Int64Type, TimeUnit,
};
use arrow::error::ArrowError;

use super::{
    Batch, Column, ColumnData, ColumnProblem, FilesError, SeriesColumn, TableOptions, TableShape,
    TimeProblem,
};
use crate::time::Timestamp;

/// What turns the record batches of one file into batches of rows.
pub(super) struct Converter<'a> {
    path: &'a Path,
    options: &'a TableOptions,
    shape: &'a TableShape,
    /// The columns to convert, in the order that they are in a record batch.
    columns: Vec<&'a SeriesColumn>,
    /// Rows read so far, to say where a fault is.
    rows: u64,
}

impl<'a> Converter<'a> {
    pub(super) fn new(path: &'a Path, options: &'a TableOptions, shape: &'a TableShape) -> Self {
        Self {
            path,
            options,
            shape,
            columns: shape.selected(options),
            rows: 0,
        }
    }

    /// The columns of the file to read, ascending.
    pub(super) fn projection(&self) -> Vec<usize> {
        let mut indices: Vec<usize> = self.columns.iter().map(|column| column.index).collect();
        indices.extend(self.shape.time);
        indices.sort_unstable();
        indices
    }

    /// The rows of a record batch that has the columns of [`Self::projection`].
    pub(super) fn batch(&mut self, batch: &RecordBatch, bytes: u64) -> Result<Batch, FilesError> {
        let projection = self.projection();
        let place = |index: usize| projection.binary_search(&index).ok();
        let array = |batch: &RecordBatch, index| {
            place(index).and_then(|at| batch.columns().get(at).cloned())
        };
        let time = self.shape.time.and_then(|index| array(batch, index));
        let mut at = time.map(|array| self.times(&array)).transpose()?;
        self.rows += batch.num_rows() as u64;
        let mut batch = batch.clone();
        if let Some(times) = at.as_mut().filter(|_| !self.options.exclude.is_empty()) {
            let keep: Vec<bool> = times.iter().map(|at| !self.options.excludes(*at)).collect();
            if keep.contains(&false) {
                let mask = BooleanArray::from(keep);
                batch = filter_record_batch(&batch, &mask).map_err(|error| self.arrow(error))?;
                times.retain(|at| !self.options.excludes(*at));
            }
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            if let Some(array) = array(&batch, column.index) {
                let data = self.data(column, &array)?;
                columns.push(Column {
                    name: Arc::clone(&column.name),
                    role: column.role,
                    data,
                });
            }
        }
        let (rows, carried) = (batch.num_rows(), self.shape.carried);
        Ok(Batch {
            rows,
            columns,
            at,
            carried,
            bytes,
        })
    }

    fn data(&self, column: &SeriesColumn, array: &ArrayRef) -> Result<ColumnData, FilesError> {
        match column_data(array) {
            Ok(Some(data)) => Ok(data),
            Ok(None) => {
                Err(self.column(column.index, ColumnProblem::Type(array.data_type().clone())))
            }
            Err(error) => Err(self.arrow(error)),
        }
    }

    fn arrow(&self, source: ArrowError) -> FilesError {
        FilesError::Arrow {
            path: self.path.to_owned(),
            source,
        }
    }

    fn column(&self, index: usize, problem: ColumnProblem) -> FilesError {
        FilesError::Column {
            path: self.path.to_owned(),
            column: self.name(index),
            problem,
        }
    }

    fn name(&self, index: usize) -> String {
        self.shape.columns.get(index).cloned().unwrap_or_default()
    }

    fn times(&self, array: &ArrayRef) -> Result<Vec<Timestamp>, FilesError> {
        let index = self.shape.time.unwrap_or(0);
        let fault = |row: usize, problem| FilesError::Time {
            path: self.path.to_owned(),
            column: self.name(index),
            row: self.rows + row as u64 + 1,
            problem,
        };
        let text = |array: &ArrayRef| {
            let texts = cast(array, &DataType::Utf8).map_err(|error| self.arrow(error))?;
            collect(texts.as_string::<i32>().iter(), time_of_text)
                .map_err(|(row, problem)| fault(row, problem))
        };
        let millis = |array: &ArrayRef, per: i64, many: i64| {
            let whole = cast(array, &DataType::Int64).map_err(|error| self.arrow(error))?;
            collect(whole.as_primitive::<Int64Type>().iter(), |number| {
                let millis = number
                    .checked_mul(many)
                    .map(|number| number.div_euclid(per));
                millis
                    .and_then(Timestamp::checked_from_millis)
                    .ok_or(TimeProblem::Range(number))
            })
            .map_err(|(row, problem)| fault(row, problem))
        };
        match array.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => millis(array, 1, 1_000),
            DataType::Timestamp(TimeUnit::Millisecond, _) => millis(array, 1, 1),
            DataType::Timestamp(TimeUnit::Microsecond, _) => millis(array, 1_000, 1),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => millis(array, 1_000_000, 1),
            of if of.is_integer() => millis(array, 1, 1),
            of if is_text(of) => text(array),
            of => Err(self.column(index, ColumnProblem::TimeType(of.clone()))),
        }
    }
}

/// The times of all rows, or the first row without a good one.
fn collect<T>(
    values: impl Iterator<Item = Option<T>>,
    time: impl Fn(T) -> Result<Timestamp, TimeProblem>,
) -> Result<Vec<Timestamp>, (usize, TimeProblem)> {
    let time = |(row, value): (usize, Option<T>)| match value {
        Some(value) => time(value).map_err(|problem| (row, problem)),
        None => Err((row, TimeProblem::Missing)),
    };
    values.enumerate().map(time).collect()
}

/// Whether values of this type are texts, as they are or by a dictionary.
pub(super) fn is_text(of: &DataType) -> bool {
    match of {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The values of an array; `None` where its type has none.
fn column_data(array: &ArrayRef) -> Result<Option<ColumnData>, ArrowError> {
    let data = match array.data_type() {
        DataType::Float64 => numbers(array.as_primitive::<Float64Type>()),
        of if of.is_integer() || of.is_floating() => {
            numbers(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>())
        }
        DataType::Decimal32(..) => decimals::<Decimal32Type>(array),
        DataType::Decimal64(..) => decimals::<Decimal64Type>(array),
        DataType::Decimal128(..) => decimals::<Decimal128Type>(array),
        DataType::Decimal256(..) => decimals::<Decimal256Type>(array),
        DataType::Boolean => ColumnData::Bools {
            values: array.as_boolean().clone(),
            invalid: None,
        },
        DataType::Dictionary(_, values) if is_text(values) => {
            let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            ColumnData::Coded(cast(array, &coded)?.as_dictionary().clone())
        }
        DataType::Dictionary(_, values) => return column_data(&cast(array, values)?),
        of if is_text(of) => {
            ColumnData::Texts(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
        }
        DataType::Null => ColumnData::Nulls,
        _ => return Ok(None),
    };
    Ok(Some(data))
}

fn numbers(array: &Float64Array) -> ColumnData {
    ColumnData::Numbers {
        values: array.values().clone(),
        nulls: array.nulls().cloned(),
    }
}

/// Decimals through their text, which is the one way that rounds once.
fn decimals<T: DecimalType>(array: &ArrayRef) -> ColumnData {
    let decimals: &PrimitiveArray<T> = array.as_primitive();
    let number = |row: usize| {
        decimals
            .is_valid(row)
            .then(|| decimals.value_as_string(row).parse().unwrap_or(f64::NAN))
    };
    numbers(&(0..decimals.len()).map(number).collect())
}

/// The time that a text says: a whole number of milliseconds, or RFC 3339.
pub(super) fn time_of_text(text: &str) -> Result<Timestamp, TimeProblem> {
    if text.is_empty() {
        return Err(TimeProblem::Missing);
    }
    match text.parse::<i64>() {
        Ok(number) => Timestamp::checked_from_millis(number).ok_or(TimeProblem::Range(number)),
        Err(_no_number) => text
            .parse()
            .map_err(|_no_time| TimeProblem::Text(text.to_owned())),
    }
}
