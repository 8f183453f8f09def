//! The rows of an artifact: the reference first, then its hours.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, ListArray, PrimitiveArray, RecordBatch,
    TimestampMillisecondArray, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit, TimestampMillisecondType,
    UInt32Type, UInt64Type,
};

use super::ArtifactError;
use super::envelope::HEADER_KEY;
use crate::key::Carrier;
use crate::layout::{Kind, Layout, SeriesLayout};
use crate::reference::narrow::Narrow;
use crate::reference::{HourBlock, Reference, SeriesReference};
use crate::time::Timestamp;

/// Hours in one batch.
const BATCH_ROWS: usize = 4096;

/// The schema of the file.
pub(super) fn schema(header: String) -> SchemaRef {
    let plain = |name: &str, of: DataType| Field::new(name, of, false);
    let list = |name: &str, of: DataType| plain(name, DataType::List(item(of)));
    let fields = vec![
        plain(
            "hour",
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        ),
        plain("rows", DataType::UInt64),
        list("carried", DataType::UInt64),
        list("cells", DataType::UInt32),
        list("counts", DataType::UInt64),
        list("means", DataType::Float64),
        list("moments", DataType::Float64),
        plain("layout", DataType::Binary),
    ];
    let metadata = HashMap::from([(HEADER_KEY.to_owned(), header)]);
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

fn item(of: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", of, false))
}

/// One row to be written.
#[derive(Default)]
struct Line {
    hour: i64,
    rows: u64,
    carried: [u64; 4],
    cells: Vec<(u32, u64)>,
    means: Vec<f64>,
    moments: Vec<f64>,
    layout: Vec<u8>,
}

pub(super) fn write(reference: &Reference) -> Vec<RecordBatch> {
    let first = [whole(reference)];
    let mut batches = vec![batch(&first)];
    for blocks in reference.blocks.chunks(BATCH_ROWS) {
        let hour = |block: &HourBlock| Line {
            hour: block.start.as_millis(),
            rows: block.rows,
            carried: block.carried,
            cells: block.cells.clone(),
            ..Line::default()
        };
        batches.push(batch(&blocks.iter().map(hour).collect::<Vec<_>>()));
    }
    batches
}

fn whole(reference: &Reference) -> Line {
    let counts = reference
        .series
        .iter()
        .flat_map(|series| series.counts.iter());
    let numeric = reference.series.iter().zip(reference.layout.series());
    let numeric = numeric.filter(|(_, layout)| layout.kind() == Kind::Numeric);
    let moments = |(s, _): (&SeriesReference, &SeriesLayout)| [s.mean, s.sd, s.min, s.max];
    Line {
        hour: 0,
        rows: reference.header.rows,
        carried: reference.carried,
        cells: (0..).zip(counts).filter(|(_, count)| *count > 0).collect(),
        means: numeric
            .clone()
            .flat_map(|(series, _)| series.means.iter().copied())
            .collect(),
        moments: numeric.flat_map(moments).collect(),
        layout: reference.layout.to_bytes(),
    }
}

fn batch(lines: &[Line]) -> RecordBatch {
    let cells = |line: &Line| line.cells.iter().map(|(cell, _)| *cell).collect::<Vec<_>>();
    let counts = |line: &Line| {
        line.cells
            .iter()
            .map(|(_, count)| *count)
            .collect::<Vec<_>>()
    };
    let hours = TimestampMillisecondArray::from_iter_values(lines.iter().map(|line| line.hour));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(hours.with_timezone("UTC")),
        Arc::new(UInt64Array::from_iter_values(
            lines.iter().map(|line| line.rows),
        )),
        lists::<UInt64Type>(lines, |line| line.carried.to_vec()),
        lists::<UInt32Type>(lines, cells),
        lists::<UInt64Type>(lines, counts),
        lists::<Float64Type>(lines, |line| line.means.clone()),
        lists::<Float64Type>(lines, |line| line.moments.clone()),
        Arc::new(BinaryArray::from_iter_values(
            lines.iter().map(|line| &line.layout),
        )),
    ];
    #[expect(clippy::expect_used, reason = "the columns are those of the schema")]
    RecordBatch::try_new(schema(String::new()), columns).expect("a batch can be made")
}

fn lists<T: ArrowPrimitiveType>(lines: &[Line], of: impl Fn(&Line) -> Vec<T::Native>) -> ArrayRef {
    let lists: Vec<_> = lines.iter().map(of).collect();
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(Vec::len));
    let values = PrimitiveArray::<T>::from_iter_values(lists.into_iter().flatten());
    Arc::new(ListArray::new(
        item(T::DATA_TYPE),
        offsets,
        Arc::new(values),
        None,
    ))
}

/// What the rows say.
pub(super) struct Parts {
    pub(super) layout: Layout,
    pub(super) rows: u64,
    pub(super) series: Vec<SeriesReference>,
    pub(super) carried: [u64; 4],
    pub(super) blocks: Vec<HourBlock>,
}

fn misfit(what: &'static str) -> ArtifactError {
    ArtifactError::Table(what)
}

pub(super) fn read(batches: &[RecordBatch]) -> Result<Parts, ArtifactError> {
    let rows = |batch: &RecordBatch| 0..batch.num_rows();
    let mut lines = batches
        .iter()
        .flat_map(|batch| rows(batch).map(move |row| (batch, row)));
    let (batch, row) = lines.next().ok_or(misfit("it has no rows"))?;
    let mut parts = read_whole(&line(batch, row)?)?;
    for (batch, row) in lines {
        parts.blocks.push(read_hour(line(batch, row)?)?);
    }
    Ok(parts)
}

fn read_whole(line: &Line) -> Result<Parts, ArtifactError> {
    let layout = Layout::from_bytes(&line.layout).map_err(ArtifactError::Layout)?;
    if line.hour != 0 {
        return Err(misfit("its first row has an hour"));
    }
    let mut counts = vec![0; layout.cells()];
    check_ascending(&line.cells)?;
    for (cell, count) in &line.cells {
        *counts
            .get_mut(*cell as usize)
            .ok_or(misfit("a cell is none of its layout"))? = *count;
    }
    let (mut counts, mut means) = (counts.as_slice(), line.means.as_slice());
    let (mut moments, rest) = line.moments.as_chunks::<4>();
    let mut series = Vec::with_capacity(layout.series().len());
    for of in layout.series() {
        let own = take(&mut counts, of.cells())?;
        let mut one = SeriesReference {
            counts: Narrow::new(own),
            ..SeriesReference::default()
        };
        if of.kind() == Kind::Numeric {
            one.means = take(&mut means, of.value_cells())?.to_vec();
            let [moment] = take(&mut moments, 1)? else {
                return Err(misfit("moments"));
            };
            [one.mean, one.sd, one.min, one.max] = *moment;
        }
        series.push(one);
    }
    if !counts.is_empty() || !means.is_empty() || !moments.is_empty() || !rest.is_empty() {
        return Err(misfit("it has statistics of further series"));
    }
    Ok(Parts {
        layout,
        rows: line.rows,
        series,
        carried: line.carried,
        blocks: Vec::new(),
    })
}

fn read_hour(line: Line) -> Result<HourBlock, ArtifactError> {
    if !line.means.is_empty() || !line.moments.is_empty() || !line.layout.is_empty() {
        return Err(misfit("an hour has statistics"));
    }
    check_ascending(&line.cells)?;
    let start = Timestamp::checked_from_millis(line.hour).ok_or(misfit("an hour is no time"))?;
    Ok(HourBlock {
        start,
        rows: line.rows,
        carried: line.carried,
        cells: line.cells,
    })
}

fn check_ascending(cells: &[(u32, u64)]) -> Result<(), ArtifactError> {
    let counted = cells.iter().all(|(_, count)| *count > 0);
    let sorted = cells.is_sorted_by(|a, b| a.0 < b.0);
    if counted && sorted {
        Ok(())
    } else {
        Err(misfit("cells are out of order"))
    }
}

fn take<'a, T>(from: &mut &'a [T], count: usize) -> Result<&'a [T], ArtifactError> {
    let (taken, rest) = from
        .split_at_checked(count)
        .ok_or(misfit("it lacks counts"))?;
    *from = rest;
    Ok(taken)
}

fn line(batch: &RecordBatch, row: usize) -> Result<Line, ArtifactError> {
    let [hour, rows, carried, cells, counts, means, moments, layout] = batch.columns() else {
        return Err(misfit("it has other columns"));
    };
    let hour = hour.as_primitive_opt::<TimestampMillisecondType>();
    let rows = rows.as_primitive_opt::<UInt64Type>();
    let layout = layout.as_binary_opt::<i32>();
    let (Some(hour), Some(rows), Some(layout)) = (hour, rows, layout) else {
        return Err(misfit("it has other columns"));
    };
    let cells = list::<UInt32Type>(cells, row)?;
    let counts = list::<UInt64Type>(counts, row)?;
    if cells.len() != counts.len() {
        return Err(misfit("cells and counts differ in number"));
    }
    Ok(Line {
        hour: hour.value(row),
        rows: rows.value(row),
        carried: list::<UInt64Type>(carried, row)?
            .try_into()
            .map_err(|_length| misfit("it has other carriers"))?,
        cells: cells.into_iter().zip(counts).collect(),
        means: list::<Float64Type>(means, row)?,
        moments: list::<Float64Type>(moments, row)?,
        layout: layout.value(row).to_vec(),
    })
}

fn list<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    row: usize,
) -> Result<Vec<T::Native>, ArtifactError> {
    let values = column.as_list_opt::<i32>().map(|lists| lists.value(row));
    let values = values
        .as_ref()
        .and_then(|values| values.as_primitive_opt::<T>());
    let values = values.ok_or(misfit("it has other columns"))?;
    Ok(values.values().to_vec())
}

const _: () = assert!(
    Carrier::ALL.len() == 4,
    "`carried` has a number for each carrier"
);
