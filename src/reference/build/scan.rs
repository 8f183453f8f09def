//! One reading of all input files by several threads, each for its share of the series.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::panic;
use std::sync::Arc;
use std::thread;

use super::look::{InputFile, Inputs, decoder};
use crate::decode::{Decoder, Names, Row, Slot, Value};
use crate::files::{
    Column, ColumnData, EventLine, EventLines, FilesError, Format, TableOptions, read_table,
};
use crate::key::Carried;
use crate::reference::progress::Progress;
use crate::time::Timestamp;

/// What one thread does with the rows of one reading. Series are numbered by their place in its
/// [`Share`].
pub(super) trait Pass: Send {
    /// The rows that the values after this are of: their times, if they have any, and what they
    /// carry.
    fn rows(&mut self, rows: usize, at: Option<&[Timestamp]>, carried: Carried);

    /// A value of the first of those rows.
    fn value(&mut self, series: usize, value: Value<'_>);

    /// The values of all of those rows.
    fn column(&mut self, series: usize, column: &Column);
}

/// The series that one thread reads.
#[derive(Debug, Clone)]
pub(super) struct Share {
    names: Vec<Arc<str>>,
}

/// Deals `items` out to `hands`, at least one.
pub(super) fn deal<T>(items: Vec<T>, hands: usize) -> Vec<Vec<T>> {
    let hands = hands.min(items.len()).max(1);
    let mut dealt: Vec<Vec<T>> = (0..hands).map(|_| Vec::new()).collect();
    let mut items = items.into_iter();
    'all: loop {
        for hand in &mut dealt {
            match items.next() {
                Some(item) => hand.push(item),
                None => break 'all,
            }
        }
    }
    dealt
}

/// Takes back what was dealt out, in the order that it had.
pub(super) fn collect<T>(hands: Vec<Vec<T>>) -> Vec<T> {
    let mut hands: Vec<_> = hands.into_iter().map(Vec::into_iter).collect();
    let mut items = Vec::new();
    loop {
        let before = items.len();
        items.extend(hands.iter_mut().filter_map(Iterator::next));
        if items.len() == before {
            return items;
        }
    }
}

/// Reads all files once for each pass, all at the same time; the passes come back.
pub(super) fn scan<P: Pass>(
    inputs: &Inputs,
    passes: Vec<(Vec<Arc<str>>, P)>,
    what: &'static str,
    progress: &dyn Progress,
) -> Result<Vec<P>, FilesError> {
    progress.begin(what, inputs.bytes() * passes.len() as u64);
    thread::scope(|scope| {
        let threads: Vec<_> = passes
            .into_iter()
            .map(|(names, mut pass)| {
                scope.spawn(move || {
                    read(inputs, &Share { names }, &mut pass, progress).map(|()| pass)
                })
            })
            .collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|ended| ended.unwrap_or_else(|panic| panic::resume_unwind(panic)))
            .collect()
    })
}

fn read<P: Pass>(
    inputs: &Inputs,
    share: &Share,
    pass: &mut P,
    progress: &dyn Progress,
) -> Result<(), FilesError> {
    // a hash map for the columns of each batch; it is never iterated
    let places: HashMap<Arc<str>, usize> = share
        .names
        .iter()
        .enumerate()
        .map(|(at, name)| (Arc::clone(name), at))
        .collect();
    let only: BTreeSet<_> = share.names.iter().cloned().collect();
    let options = TableOptions {
        only: Some(only),
        ..inputs.options.clone()
    };
    let mut events = EventPass::new(inputs, &places);
    for file in &inputs.files {
        match file.format {
            Format::Events => events.read(file, pass, progress)?,
            Format::Parquet | Format::Csv | Format::Arrow => {
                read_table(&file.path, &options, |batch| {
                    pass.rows(batch.rows, batch.at.as_deref(), batch.carried);
                    for column in &batch.columns {
                        if let Some(series) = places.get(&column.name) {
                            pass.column(*series, column);
                        }
                    }
                    progress.advance(batch.bytes);
                    ControlFlow::Continue(())
                })?;
            }
        }
    }
    Ok(())
}

/// Reads the events of all files with one decoder.
struct EventPass<'a> {
    inputs: &'a Inputs,
    decoder: Decoder,
    /// The place in the share of each series.
    places: &'a HashMap<Arc<str>, usize>,
    /// The same of each slot of the decoder, as far as slots were met.
    slots: Vec<Option<usize>>,
}

impl<'a> EventPass<'a> {
    fn new(inputs: &'a Inputs, places: &'a HashMap<Arc<str>, usize>) -> Self {
        Self {
            inputs,
            decoder: decoder(),
            places,
            slots: Vec::new(),
        }
    }

    fn read<P: Pass>(
        &mut self,
        file: &InputFile,
        pass: &mut P,
        progress: &dyn Progress,
    ) -> Result<(), FilesError> {
        let Self {
            inputs,
            decoder,
            places,
            slots,
        } = self;
        let mut lines = EventLines::open(&file.path)?;
        while let Some(line) = lines.read()? {
            if let EventLine::Record(record) = line {
                // what is rejected was counted when the files were looked at
                let _rejected = decoder.decode(record, |names, row| {
                    if inputs.takes(row) {
                        meet(names, places, slots);
                        hand_on(row, slots, pass);
                    }
                });
            }
            progress.advance(lines.bytes());
        }
        Ok(())
    }
}

/// Finds the places of the slots that were not met before.
fn meet(names: &Names, places: &HashMap<Arc<str>, usize>, slots: &mut Vec<Option<usize>>) {
    while let Some(next) = u32::try_from(slots.len())
        .ok()
        .and_then(|slot| names.get(Slot(slot)))
    {
        slots.push(places.get(&next.name).copied());
    }
}

fn hand_on<P: Pass>(row: &Row<'_>, slots: &[Option<usize>], pass: &mut P) {
    pass.rows(1, Some(&[row.at]), row.carried);
    for (slot, value) in row.values {
        if let Some(Some(series)) = slots.get(slot.0 as usize) {
            pass.value(*series, *value);
        }
    }
}

/// Hands each value of a column that is not missing to `each`, with its row.
#[inline]
pub(super) fn values(column: &Column, mut each: impl FnMut(usize, Value<'_>)) {
    match &column.data {
        ColumnData::Numbers { values, nulls } => {
            let mut run = |start: usize, end: usize| {
                for (row, x) in (start..end).zip(values.get(start..end).unwrap_or(&[])) {
                    each(
                        row,
                        if x.is_finite() {
                            Value::Number(*x)
                        } else {
                            Value::Invalid
                        },
                    );
                }
            };
            match nulls {
                None => run(0, values.len()),
                Some(nulls) => nulls
                    .valid_slices()
                    .for_each(|(start, end)| run(start, end)),
            }
        }
        ColumnData::Nulls => {}
        ColumnData::Texts(_) | ColumnData::Coded(_) | ColumnData::Bools { .. } => {
            for row in 0..column.len() {
                match column.value(row) {
                    Value::Missing => {}
                    value => each(row, value),
                }
            }
        }
    }
}
