//! The rows of a delta, written in one order and read by a parser that knows no other.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::{UInt8Type, UInt64Type};
use arrow::record_batch::RecordBatch;

use super::check::{COUNT_MAX, is_grid_bin, outcomes, role_of};
use super::header::{start, timestamp};
use super::{DECODED_BYTES_MAX, DecodeError, EncodeError, Flaw};
use crate::decode::Value;
use crate::delta::{Arrivals, Delta, LayoutId, ModelDelta, PaneDelta};
use crate::key::{ModelKey, Name, Role};
use crate::layout::LooseCounts;
use crate::time::{Length, Timestamp};

/// The bytes of a row in memory besides its text: the columns, and a validity bit each.
const ROW_BYTES: usize = 1 + 8 + 8 + 4 + 1;

/// Which number a row is; the codes are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Arrivals = 0,
    Rejected = 1,
    Model = 2,
    Version = 3,
    Tenant = 4,
    Segment = 5,
    Pane = 6,
    LastEvent = 7,
    Late = 8,
    Carried = 9,
    Cell = 10,
    Series = 11,
    Outcome = 12,
    Number = 13,
    Text = 14,
}

/// The columns of a delta.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) what: Vec<u8>,
    pub(super) key: Vec<u64>,
    pub(super) count: Vec<u64>,
    /// Where each text ends in `texts`.
    pub(super) ends: Vec<usize>,
    pub(super) texts: String,
}

impl Columns {
    fn push(&mut self, what: What, key: u64, count: u64, text: &str) {
        self.what.push(what as u8);
        self.key.push(key);
        self.count.push(count);
        self.texts.push_str(text);
        self.ends.push(self.texts.len());
    }

    fn count(&mut self, what: What, key: u64, count: u64) {
        if count > 0 {
            self.push(what, key, count, "");
        }
    }

    fn text(&mut self, what: What, text: &str) {
        if !text.is_empty() {
            self.push(what, 0, 0, text);
        }
    }

    fn check(&self) -> Result<(), EncodeError> {
        let bytes = self.what.len() * ROW_BYTES + self.texts.len();
        let max = DECODED_BYTES_MAX;
        if bytes > max {
            Err(EncodeError::TooLarge { bytes, max })
        } else {
            Ok(())
        }
    }
}

/// The earliest start of a pane.
pub(super) fn base(delta: &Delta) -> Option<Timestamp> {
    let arrivals = delta.arrivals.first().map(|arrivals| arrivals.start);
    let panes = delta.models.iter().filter_map(|model| model.panes.first());
    panes.map(|block| block.start).chain(arrivals).min()
}

/// The rows of a delta that was checked.
pub(super) fn write(delta: &Delta, base: Option<Timestamp>) -> Result<Columns, EncodeError> {
    let mut columns = Columns::default();
    let base = base.unwrap_or_default();
    let mut before = base;
    for arrivals in &delta.arrivals {
        let key = panes_between(before, arrivals.start, delta.pane);
        columns.push(What::Arrivals, key, arrivals.records, "");
        columns.count(What::Rejected, 0, arrivals.rejected);
        before = arrivals.start;
    }
    for model in &delta.models {
        columns.push(
            What::Model,
            u64::from(model.layout.0),
            0,
            model.key.model.as_str(),
        );
        columns.push(What::Version, 0, 0, model.key.version.as_str());
        columns.text(What::Tenant, &model.key.tenant);
        columns.text(What::Segment, &model.key.segment);
        let mut before = base;
        for block in &model.panes {
            let key = panes_between(before, block.start, delta.pane);
            columns.push(What::Pane, key, block.rows, "");
            write_pane(block, &mut columns);
            columns.check()?;
            before = block.start;
        }
    }
    columns.check()?;
    Ok(columns)
}

fn write_pane(block: &PaneDelta, columns: &mut Columns) {
    let after = block.last_event.millis_since(block.start).unsigned_abs();
    columns.push(What::LastEvent, after, 0, "");
    columns.count(What::Late, 0, block.late);
    for (carrier, rows) in (0..).zip(block.carried) {
        columns.count(What::Carried, carrier, rows);
    }
    write_cells(What::Cell, block.cells.iter().copied(), columns);
    for ((role, name), counts) in &block.loose {
        columns.push(What::Series, *role as u64, 0, name);
        for (outcome, rows) in (0..).zip(outcomes(counts)) {
            columns.count(What::Outcome, outcome, rows);
        }
        write_cells(
            What::Number,
            counts.numbers().iter().map(|(bin, n)| (*bin, *n)),
            columns,
        );
        for (text, rows) in counts.texts() {
            columns.push(What::Text, 0, rows, text);
        }
    }
}

fn write_cells(what: What, cells: impl Iterator<Item = (u32, u64)>, columns: &mut Columns) {
    let mut before = 0;
    for (cell, count) in cells {
        columns.push(what, u64::from(cell - before), count, "");
        before = cell;
    }
}

fn panes_between(before: Timestamp, start: Timestamp, pane: Length) -> u64 {
    start.millis_since(before).unsigned_abs() / pane.as_millis().unsigned_abs()
}

/// Reads the rows of `batch` into `delta`, whose panes count from `base`.
pub(super) fn read(
    batch: &RecordBatch,
    base: Timestamp,
    delta: &mut Delta,
) -> Result<(), DecodeError> {
    let mut rows = Rows::new(batch).ok_or(DecodeError::Stream("other columns"))?;
    // before anything is added up
    if let Some(count) = rows.count.iter().find(|count| **count > COUNT_MAX) {
        return Err(Flaw::Count(*count).into());
    }
    let mut before = base;
    while let Some(row) = rows.take(What::Arrivals) {
        before = pane_after(before, row.key, delta.pane)?;
        let rejected = rows.take_count(What::Rejected);
        delta.arrivals.push(Arrivals {
            start: before,
            records: row.count,
            rejected,
        });
    }
    while let Some((row, model)) = rows.take_text(What::Model) {
        let key = read_key(&mut rows, model)?;
        let layout = LayoutId(u32::try_from(row.key).map_err(|_beyond| rows.misfit())?);
        let mut panes = Vec::new();
        let mut before = base;
        while let Some(row) = rows.take(What::Pane) {
            before = pane_after(before, row.key, delta.pane)?;
            panes.push(read_pane(&mut rows, before, row.count)?);
        }
        delta.models.push(ModelDelta { key, layout, panes });
    }
    if rows.at < rows.what.len() {
        Err(DecodeError::Row(rows.at))
    } else {
        Ok(())
    }
}

fn read_key(rows: &mut Rows<'_>, model: &str) -> Result<ModelKey, DecodeError> {
    let (_, version) = rows.take_text(What::Version).ok_or_else(|| rows.misfit())?;
    let mut part = |what| rows.take_text(what).map_or("", |(_, text)| text);
    let (tenant, segment) = (part(What::Tenant), part(What::Segment));
    let name = |text| Name::new(text).map_err(Flaw::from);
    Ok(ModelKey {
        tenant: Arc::from(tenant),
        segment: Arc::from(segment),
        ..ModelKey::new(name(model)?, name(version)?)
    })
}

fn read_pane(
    rows: &mut Rows<'_>,
    start: Timestamp,
    in_pane: u64,
) -> Result<PaneDelta, DecodeError> {
    let last = rows.take(What::LastEvent).ok_or_else(|| rows.misfit())?;
    let after = i64::try_from(last.key).map_err(|_beyond| rows.misfit())?;
    let last_event = timestamp(start.as_millis().saturating_add(after))?;
    let late = rows.take_count(What::Late);
    let mut carried = [0; 4];
    for (carrier, count) in (0..).zip(&mut carried) {
        *count = rows.take_keyed(What::Carried, carrier);
    }
    let mut cells = Vec::new();
    read_cells(rows, What::Cell, |cell, count| cells.push((cell, count)))?;
    let mut loose = BTreeMap::new();
    while let Some((row, name)) = rows.take_text(What::Series) {
        let role = role_of(row.key).ok_or_else(|| rows.misfit())?;
        let key: (Role, Box<str>) = (role, name.into());
        if loose.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(rows.misfit());
        }
        loose.insert(key, read_loose(rows)?);
    }
    Ok(PaneDelta {
        start,
        rows: in_pane,
        late,
        last_event,
        carried,
        cells,
        loose,
    })
}

fn read_loose(rows: &mut Rows<'_>) -> Result<LooseCounts, DecodeError> {
    let mut counts = LooseCounts::default();
    counts.add_overflow(rows.take_keyed(What::Outcome, 0));
    counts.add(Value::Bool(true), rows.take_keyed(What::Outcome, 1));
    counts.add(Value::Bool(false), rows.take_keyed(What::Outcome, 2));
    counts.add(Value::Missing, rows.take_keyed(What::Outcome, 3));
    counts.add(Value::Invalid, rows.take_keyed(What::Outcome, 4));
    let mut good = true;
    let mut before = None;
    read_cells(rows, What::Number, |bin, count| {
        good &= is_grid_bin(bin) && count > 0 && before < Some(bin);
        before = Some(bin);
        counts.add_number(bin, count);
    })?;
    let mut texts = 0;
    while let Some((row, text)) = rows.take_text(What::Text) {
        counts.add_text(text, row.count);
        texts += 1;
        // each text is a new one and is kept, or the bound of the set was not respected
        if counts.texts().len() != texts {
            return Err(rows.misfit());
        }
    }
    if good { Ok(counts) } else { Err(rows.misfit()) }
}

fn read_cells(
    rows: &mut Rows<'_>,
    what: What,
    mut put: impl FnMut(u32, u64),
) -> Result<(), DecodeError> {
    let mut before = 0_u32;
    while let Some(row) = rows.take(what) {
        let step = u32::try_from(row.key).ok();
        let cell = step
            .and_then(|step| before.checked_add(step))
            .ok_or_else(|| rows.misfit())?;
        put(cell, row.count);
        before = cell;
    }
    Ok(())
}

fn pane_after(before: Timestamp, panes: u64, pane: Length) -> Result<Timestamp, Flaw> {
    let millis = i64::try_from(panes)
        .ok()
        .and_then(|panes| panes.checked_mul(pane.as_millis()))
        .and_then(|after| after.checked_add(before.as_millis()))
        .ok_or(Flaw::Start(i64::MAX))?;
    start(millis, pane)
}

/// The numbers of a row.
#[derive(Debug, Clone, Copy)]
struct Row {
    key: u64,
    count: u64,
}

/// A place in the rows.
#[derive(Debug)]
struct Rows<'a> {
    what: &'a [u8],
    key: &'a [u64],
    count: &'a [u64],
    text: &'a StringArray,
    at: usize,
}

impl<'a> Rows<'a> {
    fn new(batch: &'a RecordBatch) -> Option<Self> {
        let [what, key, count, text] = batch.columns() else {
            return None;
        };
        Some(Self {
            what: what.as_primitive_opt::<UInt8Type>()?.values(),
            key: key.as_primitive_opt::<UInt64Type>()?.values(),
            count: count.as_primitive_opt::<UInt64Type>()?.values(),
            text: text.as_string_opt::<i32>()?,
            at: 0,
        })
    }

    /// The row here, if it is of this kind; then goes on to the next.
    fn take(&mut self, what: What) -> Option<Row> {
        if *self.what.get(self.at)? != what as u8 {
            return None;
        }
        let row = Row {
            key: *self.key.get(self.at)?,
            count: *self.count.get(self.at)?,
        };
        self.at += 1;
        Some(row)
    }

    fn take_text(&mut self, what: What) -> Option<(Row, &'a str)> {
        let at = self.at;
        let row = self.take(what)?;
        Some((
            row,
            if at < self.text.len() {
                self.text.value(at)
            } else {
                ""
            },
        ))
    }

    /// The count of a row that is there only where it is not 0.
    fn take_count(&mut self, what: What) -> u64 {
        self.take(what).map_or(0, |row| row.count)
    }

    /// As [`Self::take_count`], of a row with this key.
    fn take_keyed(&mut self, what: What, key: u64) -> u64 {
        if self.key.get(self.at) == Some(&key) {
            self.take_count(what)
        } else {
            0
        }
    }

    /// The row that was taken last cannot stand there.
    fn misfit(&self) -> DecodeError {
        DecodeError::Row(self.at.saturating_sub(1))
    }
}
