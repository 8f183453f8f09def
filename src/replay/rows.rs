//! The rows of files, whatever their format, one after the other.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::decode::{Decoder, FieldPaths, Limits, Names, Plan, PlanError, Row, Slot};
use crate::files::{
    self, Batch, CsvTypes, EventLine, EventLines, FilesError, Format, TableOptions,
};
use crate::key::ModelKey;
use crate::layout::Layout;
use crate::reference::progress::Progress;

/// Names of series kept over all inputs; values of further ones are counted as not kept.
const NAMES_MAX: usize = 65_536;

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

/// Hands out the rows of `inputs` until `each` says stop; rows of tables are of the model version
/// `key`, whose `layout` says what the columns of CSV are.
pub(super) fn read(
    inputs: &[PathBuf],
    (key, layout): (&ModelKey, &Layout),
    progress: &dyn Progress,
    mut each: impl FnMut(&Names, &Row<'_>) -> ControlFlow<()>,
) -> Result<(), RowsError> {
    let sizes: Result<Vec<u64>, FilesError> = inputs.iter().map(|path| files::size(path)).collect();
    progress.begin("replaying", sizes?.iter().sum());
    for path in inputs {
        match Format::of(path)? {
            Format::Events => events(path, progress, &mut each)?,
            Format::Parquet | Format::Csv | Format::Arrow => {
                table(path, (key, layout), progress, &mut each)?;
            }
        }
    }
    Ok(())
}

fn events(
    path: &Path,
    progress: &dyn Progress,
    each: &mut impl FnMut(&Names, &Row<'_>) -> ControlFlow<()>,
) -> Result<(), RowsError> {
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
                        flow = each(names, row);
                    }
                };
                decoder.decode(record, hand_out).is_ok()
            }
        };
        rejected += u64::from(!decoded);
        if flow.is_break() {
            return Ok(());
        }
        progress.advance(lines.bytes());
    }
    if rejected > 0 {
        progress.note(&format!(
            "{}: {rejected} lines are no events",
            path.display()
        ));
    }
    Ok(())
}

fn table(
    path: &Path,
    (key, layout): (&ModelKey, &Layout),
    progress: &dyn Progress,
    each: &mut impl FnMut(&Names, &Row<'_>) -> ControlFlow<()>,
) -> Result<(), RowsError> {
    let options = TableOptions {
        csv: CsvTypes::of_layout(layout),
        ..TableOptions::default()
    };
    if !files::table_shape(path, &options)?.has_times {
        return Err(RowsError::NoTimes(path.to_owned()));
    }
    let mut names = Names::new(NAMES_MAX);
    files::read_table(path, &options, |batch| {
        progress.advance(batch.bytes);
        rows(batch, key, &mut names, each)
    })?;
    Ok(())
}

fn rows(
    batch: &Batch,
    key: &ModelKey,
    names: &mut Names,
    each: &mut impl FnMut(&Names, &Row<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let slots: Vec<Option<Slot>> = batch
        .columns
        .iter()
        .map(|column| names.intern(column.role, &column.name))
        .collect();
    let times = batch.at.as_deref().unwrap_or_default();
    let mut values = Vec::with_capacity(slots.len());
    for (index, at) in times.iter().enumerate() {
        values.clear();
        for (column, slot) in batch.columns.iter().zip(&slots) {
            values.extend(slot.map(|slot| (slot, column.value(index))));
        }
        let row = Row {
            model: key.model.as_str(),
            version: key.version.as_str(),
            at: *at,
            request_id: None,
            carried: batch.carried,
            values: &values,
            unnamed: 0,
        };
        each(names, &row)?;
    }
    ControlFlow::Continue(())
}
