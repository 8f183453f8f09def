//! The first reading: what the values of each series are, where numbers lie, which texts there are;
//! and how many rows there are, when, and what they carry.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, DictionaryArray, StringArray};
use arrow::datatypes::Int32Type;

use super::look::InputSeries;
use super::ranks::{Keys, Zoom};
use super::scan::{Pass, values};
use super::{DISTINCT_MAX, TEXT_BYTES_MAX};
use crate::decode::Value;
use crate::files::{Column, ColumnData};
use crate::key::{Carried, Carrier};
use crate::layout::{Bins, Category, CategoryBins, CategoryHash, Kind, LayoutError, SeriesLayout};
use crate::reference::BLOCK;
use crate::reference::exact::ExactSum;
use crate::reference::moments::Range;
use crate::time::Timestamp;

/// The most hours that are told apart: of more, the latest.
const HOURS_MAX: usize = 200_000;

/// How many rows there are.
#[derive(Debug, Clone, Default)]
pub(super) struct RowCount {
    pub(super) rows: u64,
    pub(super) carried: [u64; 4],
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// Rows by the start of their hour, and how many carry what.
    pub(super) hours: BTreeMap<Timestamp, (u64, [u64; 4])>,
}

impl RowCount {
    fn add(&mut self, rows: usize, at: Option<&[Timestamp]>, carried: Carried) {
        let rows = rows as u64;
        self.rows += rows;
        carry(&mut self.carried, carried, rows);
        // rows of one hour often come one after the other
        for same in at
            .unwrap_or(&[])
            .chunk_by(|a, b| a.floor(BLOCK) == b.floor(BLOCK))
        {
            self.first = self
                .first
                .into_iter()
                .chain(same.iter().min().copied())
                .min();
            self.last = self
                .last
                .into_iter()
                .chain(same.iter().max().copied())
                .max();
            let Some(hour) = same.first().map(|at| at.floor(BLOCK)) else {
                continue;
            };
            let sum = self.hours.entry(hour).or_default();
            sum.0 += same.len() as u64;
            carry(&mut sum.1, carried, same.len() as u64);
            if self.hours.len() > HOURS_MAX {
                self.hours.pop_first();
            }
        }
    }
}

fn carry(sums: &mut [u64; 4], carried: Carried, rows: u64) {
    for (sum, carrier) in sums.iter_mut().zip(Carrier::ALL) {
        *sum += if carried.has(carrier) { rows } else { 0 };
    }
}

/// What is known of the numbers of a series.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    count: u64,
    min: f64,
    max: f64,
    sum: ExactSum,
}

impl Moments {
    fn new() -> Self {
        Self {
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: ExactSum::default(),
        }
    }

    #[inline]
    fn add(&mut self, x: f64) {
        self.count += 1;
        self.min = self.min.min(x);
        self.max = self.max.max(x);
        self.sum.add(x);
    }

    /// Where the numbers lie; `None` where there are none.
    pub(super) fn range(&self) -> Option<Range> {
        let plain = |x: f64| x + 0.0;
        (self.count > 0).then(|| Range {
            min: plain(self.min),
            max: plain(self.max),
            mean: plain(self.sum.mean(self.count)),
        })
    }
}

/// The distinct texts of a series and how often each is.
#[derive(Debug)]
struct Texts {
    hash: CategoryHash,
    counts: HashMap<Box<str>, u64>,
    /// Those too long to be kept, by their hash.
    long: HashMap<u64, u64>,
    all: u64,
    /// Bytes held by all series, against [`TEXT_BYTES_MAX`].
    held: Arc<AtomicUsize>,
    /// Whether there were too many, and nothing is held any more.
    too_many: bool,
}

impl Texts {
    fn add(&mut self, text: &str, times: u64) {
        self.all += times;
        if self.too_many {
            return;
        }
        if let Some(count) = self.counts.get_mut(text) {
            *count += times;
            return;
        }
        let bytes = match self.hash.category(text) {
            Category::Text(text) => {
                let bytes = text.len() + 2 * size_of::<(Box<str>, u64)>();
                self.counts.insert(text, times);
                bytes
            }
            Category::Hashed(hash) => {
                *self.long.entry(hash).or_default() += times;
                0
            }
        };
        let held = self.held.fetch_add(bytes, Ordering::Relaxed);
        if self.counts.len() + self.long.len() > DISTINCT_MAX || held > TEXT_BYTES_MAX {
            let freed = self.counts.keys().map(|text| text.len()).sum::<usize>()
                + self.counts.len() * 2 * size_of::<(Box<str>, u64)>();
            self.held.fetch_sub(freed, Ordering::Relaxed);
            self.too_many = true;
            (self.counts, self.long) = (HashMap::new(), HashMap::new());
        }
    }

    fn add_coded(&mut self, texts: &DictionaryArray<Int32Type>) {
        let Some(values) = texts.values().as_any().downcast_ref::<StringArray>() else {
            return;
        };
        let mut counts = vec![0_u64; values.len()];
        for key in texts.keys_iter().flatten() {
            if let Some(count) = counts.get_mut(key) {
                *count += 1;
            }
        }
        for (text, count) in values.iter().zip(counts) {
            if let (Some(text), true) = (text, count > 0) {
                self.add(text, count);
            }
        }
    }

    fn into_counts(self) -> Vec<(Category, u64)> {
        let texts = self
            .counts
            .into_iter()
            .map(|(text, n)| (Category::Text(text), n));
        texts
            .chain(
                self.long
                    .into_iter()
                    .map(|(hash, n)| (Category::Hashed(hash), n)),
            )
            .collect()
    }
}

/// What is gathered of one series.
#[derive(Debug)]
pub(super) struct Gather {
    series: InputSeries,
    /// The layout it has already.
    fixed: Option<SeriesLayout>,
    moments: Moments,
    keys: Keys,
    texts: Texts,
    trues: u64,
    falses: u64,
}

/// What was gathered: with the bins of numbers still to be found, or not.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) series: InputSeries,
    pub(super) range: Option<Range>,
    pub(super) shape: Shape,
}

/// The bins of a series, as far as they are known.
#[derive(Debug)]
pub(super) enum Shape {
    /// They are.
    Known(SeriesLayout),
    /// They are as soon as the numbers were read often enough.
    Numbers(Zoom),
    /// They are not, because there are too many distinct texts.
    TooMany,
}

impl Gather {
    /// Gathers a series, holding at most so many bytes of numbers.
    pub(super) fn new(
        series: InputSeries,
        fixed: Option<SeriesLayout>,
        bytes_max: usize,
        held: &Arc<AtomicUsize>,
    ) -> Self {
        let texts = Texts {
            hash: series.hash,
            counts: HashMap::new(),
            long: HashMap::new(),
            all: 0,
            held: Arc::clone(held),
            too_many: false,
        };
        let (moments, keys) = (Moments::new(), Keys::new(bytes_max));
        Self {
            series,
            fixed,
            moments,
            keys,
            texts,
            trues: 0,
            falses: 0,
        }
    }

    #[inline]
    fn add(&mut self, value: Value<'_>) {
        match value {
            Value::Number(x) => {
                self.moments.add(x);
                if self.fixed.is_none() {
                    self.keys.push(x);
                }
            }
            Value::Text(text) if self.fixed.is_none() => self.texts.add(text, 1),
            Value::Bool(true) => self.trues += 1,
            Value::Bool(false) => self.falses += 1,
            Value::Text(_) | Value::Missing | Value::Invalid => {}
        }
    }

    /// The kind of most values.
    fn kind(&self) -> Kind {
        let counts = [self.moments.count, self.texts.all, self.trues + self.falses];
        let kinds = Kind::ALL.into_iter().zip(counts).rev();
        kinds
            .max_by_key(|(_, count)| *count)
            .map_or(Kind::Numeric, |(kind, _)| kind)
    }

    /// What was gathered.
    pub(super) fn finish(self) -> Result<Gathered, LayoutError> {
        let range = self.moments.range();
        let (kind, series) = (self.kind(), self.series);
        let categorical = |counts| {
            let bins = Bins::Categorical(CategoryBins::from_reference(series.hash, counts));
            SeriesLayout::new(&series.name, series.role, kind, bins)
        };
        let shape = match (self.fixed, kind) {
            (Some(layout), _) => Shape::Known(layout),
            (None, _) if self.texts.too_many => Shape::TooMany,
            (None, Kind::Numeric) => Shape::Numbers(self.keys.finish()),
            (None, Kind::Categorical) => Shape::Known(categorical(self.texts.into_counts())?),
            (None, Kind::Boolean) => {
                let counts = [("false", self.falses), ("true", self.trues)].into_iter();
                let counts = counts.filter(|(_, count)| *count > 0);
                let counts = counts.map(|(text, count)| (Category::Text(text.into()), count));
                Shape::Known(categorical(counts.collect())?)
            }
        };
        Ok(Gathered {
            series,
            range,
            shape,
        })
    }
}

/// One thread of the first reading.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) series: Vec<Gather>,
    /// Counts the rows, in one of the threads.
    pub(super) rows: Option<RowCount>,
}

impl Pass for Gathering {
    fn rows(&mut self, rows: usize, at: Option<&[Timestamp]>, carried: Carried) {
        if let Some(count) = &mut self.rows {
            count.add(rows, at, carried);
        }
    }

    fn value(&mut self, series: usize, value: Value<'_>) {
        if let Some(series) = self.series.get_mut(series) {
            series.add(value);
        }
    }

    fn column(&mut self, series: usize, column: &Column) {
        let Some(series) = self.series.get_mut(series) else {
            return;
        };
        match &column.data {
            ColumnData::Coded(texts) if series.fixed.is_none() => series.texts.add_coded(texts),
            _ => values(column, |_row, value| series.add(value)),
        }
    }
}

/// One thread of a further reading, for numbers that did not fit.
#[derive(Debug)]
pub(super) struct Zooming(pub(super) Vec<Zoom>);

impl Pass for Zooming {
    fn rows(&mut self, _rows: usize, _at: Option<&[Timestamp]>, _carried: Carried) {}

    fn value(&mut self, series: usize, value: Value<'_>) {
        if let (Some(zoom), Value::Number(x)) = (self.0.get_mut(series), value) {
            zoom.push(x);
        }
    }

    fn column(&mut self, series: usize, column: &Column) {
        let Some(zoom) = self.0.get_mut(series) else {
            return;
        };
        values(column, |_row, value| {
            if let Value::Number(x) = value {
                zoom.push(x);
            }
        });
    }
}
