//! Rows of a table, column by column.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, DictionaryArray, StringArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;

use crate::decode::Value;
use crate::key::{Carried, Role};
use crate::time::Timestamp;

/// Some rows of a table.
#[derive(Debug, Clone)]
pub struct Batch {
    /// How many rows.
    pub rows: usize,
    /// A column for each series that was asked for and is there.
    pub columns: Vec<Column>,
    /// The time of each row, where the table has times.
    pub at: Option<Vec<Timestamp>>,
    /// Which carriers the table has columns of, asked for or not: every row carries them.
    pub carried: Carried,
    /// About how many bytes of the file these rows take.
    pub bytes: u64,
}

/// The values of one series in some rows.
#[derive(Debug, Clone)]
pub struct Column {
    /// The name of the series.
    pub name: Arc<str>,
    /// Its role.
    pub role: Role,
    /// Its values.
    pub data: ColumnData,
}

/// Values as they come out of a file.
#[derive(Debug, Clone)]
pub enum ColumnData {
    /// Numbers; NaN and infinities are invalid.
    Numbers {
        /// One for each row.
        values: ScalarBuffer<f64>,
        /// Which rows have one.
        nulls: Option<NullBuffer>,
    },
    /// Texts.
    Texts(StringArray),
    /// Texts, each distinct one once.
    Coded(DictionaryArray<Int32Type>),
    /// Booleans.
    Bools {
        /// One for each row.
        values: BooleanArray,
        /// Which rows have something else instead.
        invalid: Option<BooleanBuffer>,
    },
    /// Nothing in any row.
    Nulls,
}

impl Column {
    /// How many rows it has; nothing is known of nulls.
    pub fn len(&self) -> usize {
        match &self.data {
            ColumnData::Numbers { values, .. } => values.len(),
            ColumnData::Texts(texts) => texts.len(),
            ColumnData::Coded(texts) => texts.len(),
            ColumnData::Bools { values, .. } => values.len(),
            ColumnData::Nulls => 0,
        }
    }

    /// Whether it has no rows, or only nulls.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a key of a dictionary; missing if it is none.
    pub fn value_of_key(&self, key: usize) -> Value<'_> {
        match &self.data {
            ColumnData::Coded(texts) => coded(texts, key),
            _ => Value::Missing,
        }
    }

    /// The value in a row; missing beyond the last.
    pub fn value(&self, row: usize) -> Value<'_> {
        match &self.data {
            ColumnData::Numbers { values, nulls } => match values.get(row) {
                Some(_) if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) => Value::Missing,
                Some(x) if x.is_finite() => Value::Number(*x),
                Some(_) => Value::Invalid,
                None => Value::Missing,
            },
            ColumnData::Texts(texts) => text(texts, row),
            ColumnData::Coded(texts) => match texts.key(row) {
                Some(key) => coded(texts, key),
                None => Value::Missing,
            },
            ColumnData::Bools { values, invalid } => {
                if invalid
                    .as_ref()
                    .is_some_and(|invalid| row < invalid.len() && invalid.value(row))
                {
                    Value::Invalid
                } else if row < values.len() && values.is_valid(row) {
                    Value::Bool(values.value(row))
                } else {
                    Value::Missing
                }
            }
            ColumnData::Nulls => Value::Missing,
        }
    }
}

fn text(texts: &StringArray, row: usize) -> Value<'_> {
    if row < texts.len() && texts.is_valid(row) {
        Value::Text(texts.value(row))
    } else {
        Value::Missing
    }
}

/// The text of a key of a dictionary.
fn coded(texts: &DictionaryArray<Int32Type>, key: usize) -> Value<'_> {
    match texts.values().as_any().downcast_ref::<StringArray>() {
        Some(values) => text(values, key),
        None => Value::Missing,
    }
}
