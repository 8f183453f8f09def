//! What the columns of a table are, by their names.

use std::collections::BTreeSet;
use std::path::Path;

use super::{ColumnProblem, FilesError, SeriesColumn, TableOptions, TableShape};
use crate::key::{
    Carried, Carrier, FEATURE_PREFIX, LATENCY, Name, NameError, PREDICTION, Role, STATUS,
};

/// The column of event times where none is named.
const TIME: &str = "ts";

/// The column that is left out, since events are not deduplicated.
const REQUEST_ID: &str = "request_id";

/// What a prediction's output begins with.
const OUTPUT_PREFIX: &str = "prediction.";

/// The shape of a table with these columns.
pub(super) fn shape(
    path: &Path,
    columns: Vec<String>,
    options: &TableOptions,
) -> Result<TableShape, FilesError> {
    let fail = |column: &str, problem| FilesError::Column {
        path: path.to_owned(),
        column: column.to_owned(),
        problem,
    };
    let time_name = options.time_column.as_deref().unwrap_or(TIME);
    let mut shape = TableShape {
        series: Vec::new(),
        has_times: false,
        carried: Carried::NONE,
        columns: Vec::new(),
        time: None,
    };
    let mut names = BTreeSet::new();
    for (index, column) in columns.iter().enumerate() {
        if options.ignore.contains(column) {
            continue;
        }
        if column == time_name && shape.time.is_none() {
            shape.time = Some(index);
            continue;
        }
        if matches!(column.as_str(), TIME | REQUEST_ID) && column != time_name {
            continue;
        }
        let (name, role) = series(column, options);
        check(name).map_err(|error| fail(column, ColumnProblem::Name(error)))?;
        if column == time_name || !names.insert(name.to_owned()) {
            return Err(fail(column, ColumnProblem::Twice));
        }
        shape.carried = shape.carried.with(Carrier::of(role, name));
        shape.series.push(SeriesColumn {
            name: name.into(),
            role,
            index,
        });
    }
    for asked in [&options.time_column, &options.prediction]
        .into_iter()
        .flatten()
    {
        if !columns.contains(asked) {
            return Err(fail(asked, ColumnProblem::Absent(columns)));
        }
    }
    shape.has_times = shape.time.is_some();
    shape.columns = columns;
    Ok(shape)
}

/// The series that a column is.
fn series<'a>(column: &'a str, options: &TableOptions) -> (&'a str, Role) {
    match column {
        _ if options.prediction.as_deref() == Some(column) => (PREDICTION, Role::Prediction),
        PREDICTION => (PREDICTION, Role::Prediction),
        LATENCY | STATUS => (column, Role::Operational),
        _ if column.starts_with(OUTPUT_PREFIX) => (column, Role::Prediction),
        _ => (column, Role::Feature),
    }
}

/// The bound is on a name without the prefix that events add to it.
fn check(name: &str) -> Result<(), NameError> {
    let own = name
        .strip_prefix(OUTPUT_PREFIX)
        .or_else(|| name.strip_prefix(FEATURE_PREFIX));
    Name::check(own.unwrap_or(name))
}
