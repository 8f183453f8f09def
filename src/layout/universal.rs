//! Counts of series that no layout knows: numbers on a fixed grid, strings up to a bound.
//!
//! The grid needs no data. Its points are all floats whose last 47 bits are zero, that is a sign,
//! an exponent and 5 bits of mantissa, so neighbours differ by about 3 %, and every integer up to
//! 64 is one; zero has a bin of its own. Bins are closed on the right like those of a layout:
//!
//! ```text
//! grid_of(x) = g   <=>   lower(g) < x <= upper(g)        x <= y  =>  grid_of(x) <= grid_of(y)
//! grid_of(3.0)     is the bin (2.9375, 3]                grid_of(3.01) the bin (3, 3.0625]
//! ```
//!
//! Edges that are learned from such counts are points of the grid, so each grid bin lies in exactly
//! one bin of the learned layout: counts that were taken before it was known project onto it
//! exactly.
//!
//! Of strings, the [`TEXTS_MAX`] with the smallest hash are kept and the rest is `overflow`. Law:
//! the result is a function of the multiset of what was added, whatever the order or the split.
//! Proof: a string among the smallest of all is among the smallest of any part, so it is kept from
//! its first row on and all of its rows are with it; of every other string all rows end in the
//! overflow, at once or when it is evicted, and it cannot return, because a full set never becomes
//! less full. Which strings are kept has nothing to do with their counts; that is the price of the
//! law.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Kind, SeriesLayout};
use crate::decode::Value;

/// The bits of a float that the grid does not look at.
const CUT_BITS: u32 = 47;

/// The grid bin of zero; as many bins lie below as there are truncated magnitudes.
const ZERO: u32 = (f64::INFINITY.to_bits() >> CUT_BITS) as u32;

/// The number of grid bins.
pub const GRID_CELLS: u32 = 2 * ZERO + 1;

/// The most distinct strings of one series that are counted one by one; the others are overflow.
pub const TEXTS_MAX: usize = 200;

/// The longest string that is counted by itself; longer ones are overflow.
pub const TEXT_BYTES_MAX: usize = 128;

/// The grid bin of a number. Infinities are in the end bins; NaN, which callers keep out, too.
#[inline]
pub fn grid_of(x: f64) -> u32 {
    let magnitude = x.abs().to_bits();
    if magnitude == 0 {
        return ZERO;
    }
    if x < 0.0 {
        // toward zero: the smallest point that is not below x
        (ZERO - 1).saturating_sub(cut(magnitude))
    } else {
        (ZERO + cut(magnitude + ((1 << CUT_BITS) - 1))).min(GRID_CELLS - 1)
    }
}

/// The bounds of a grid bin, exclusive below and inclusive above; infinite at the ends. A bin that
/// is none has the bounds of the last.
pub fn grid_bounds(bin: u32) -> (f64, f64) {
    let bin = bin.min(GRID_CELLS - 1);
    let lower = if bin == 0 {
        f64::NEG_INFINITY
    } else {
        upper_bound(bin - 1)
    };
    (lower, upper_bound(bin))
}

fn upper_bound(bin: u32) -> f64 {
    let point = |steps: u32| f64::from_bits(u64::from(steps) << CUT_BITS);
    match bin.cmp(&ZERO) {
        std::cmp::Ordering::Less if bin == ZERO - 1 => 0.0_f64.next_down(),
        std::cmp::Ordering::Less => -point(ZERO - 1 - bin),
        std::cmp::Ordering::Equal => 0.0,
        std::cmp::Ordering::Greater => point(bin - ZERO),
    }
}

/// What the grid sees of a magnitude: 16 bits.
const fn cut(magnitude: u64) -> u32 {
    (magnitude >> CUT_BITS) as u32
}

/// The counts of one series that no layout knows. Adding and merging are associative and
/// commutative, see the module header.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LooseCounts {
    numbers: BTreeMap<u32, u64>,
    /// In order of hash, then bytes; at most [`TEXTS_MAX`].
    texts: Vec<LooseText>,
    overflow: u64,
    trues: u64,
    falses: u64,
    missing: u64,
    invalid: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LooseText {
    hash: u64,
    text: Box<str>,
    count: u64,
}

impl LooseCounts {
    /// Counts a value `times` times.
    pub fn add(&mut self, value: Value<'_>, times: u64) {
        match value {
            Value::Number(x) if x.is_finite() => self.add_number(grid_of(x), times),
            Value::Text(text) => self.add_text(text, times),
            Value::Bool(true) => self.trues += times,
            Value::Bool(false) => self.falses += times,
            Value::Missing => self.missing += times,
            Value::Number(_) | Value::Invalid => self.invalid += times,
        }
    }

    /// About how many bytes they take; the same wherever the same was counted.
    pub fn bytes(&self) -> usize {
        let texts = self.texts.iter().map(|text| text.text.len());
        size_of::<Self>()
            + self.numbers.len() * 2 * size_of::<(u32, u64)>()
            + self.texts.len() * size_of::<LooseText>()
            + texts.sum::<usize>()
    }

    /// Counts numbers by their grid bin; one that is none counts as the last.
    pub fn add_number(&mut self, bin: u32, times: u64) {
        if times > 0 {
            *self.numbers.entry(bin.min(GRID_CELLS - 1)).or_default() += times;
        }
    }

    /// Counts a string.
    pub fn add_text(&mut self, text: &str, times: u64) {
        if text.len() > TEXT_BYTES_MAX {
            self.overflow += times;
        } else if times > 0 {
            self.add_hashed(xxh3_64(text.as_bytes()), text, times);
        }
    }

    fn add_hashed(&mut self, hash: u64, text: &str, times: u64) {
        let place = self
            .texts
            .binary_search_by(|held| (held.hash, &*held.text).cmp(&(hash, text)));
        match place {
            Ok(at) => {
                if let Some(held) = self.texts.get_mut(at) {
                    held.count += times;
                }
            }
            Err(at) if at >= TEXTS_MAX => self.overflow += times,
            Err(at) => {
                self.texts.insert(
                    at,
                    LooseText {
                        hash,
                        text: text.into(),
                        count: times,
                    },
                );
                if self.texts.len() > TEXTS_MAX {
                    self.overflow += self.texts.pop().map_or(0, |largest| largest.count);
                }
            }
        }
    }

    /// Counts strings that are not kept.
    pub fn add_overflow(&mut self, times: u64) {
        self.overflow += times;
    }

    /// Adds what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        for (bin, times) in &other.numbers {
            self.add_number(*bin, *times);
        }
        for held in &other.texts {
            self.add_hashed(held.hash, &held.text, held.count);
        }
        self.overflow += other.overflow;
        self.trues += other.trues;
        self.falses += other.falses;
        self.missing += other.missing;
        self.invalid += other.invalid;
    }

    /// Counts of numbers by grid bin, in ascending order.
    pub fn numbers(&self) -> &BTreeMap<u32, u64> {
        &self.numbers
    }

    /// Strings and their counts, in the order of their hashes.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = (&str, u64)> {
        self.texts.iter().map(|held| (&*held.text, held.count))
    }

    /// Rows of strings that are not kept.
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// Rows of `true`.
    pub fn trues(&self) -> u64 {
        self.trues
    }

    /// Rows of `false`.
    pub fn falses(&self) -> u64 {
        self.falses
    }

    /// Rows of null.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Rows of what no series can hold.
    pub fn invalid(&self) -> u64 {
        self.invalid
    }

    /// All rows.
    pub fn total(&self) -> u64 {
        self.present() + self.missing + self.invalid
    }

    /// Rows of numbers, strings and booleans.
    pub fn present(&self) -> u64 {
        Kind::ALL.into_iter().map(|kind| self.of_kind(kind)).sum()
    }

    /// Rows of values of a kind.
    pub fn of_kind(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Numeric => self.numbers.values().sum(),
            Kind::Categorical => {
                self.texts.iter().map(|held| held.count).sum::<u64>() + self.overflow
            }
            Kind::Boolean => self.trues + self.falses,
        }
    }

    /// The kind of most present values; of equally many, and without any, the first of
    /// [`Kind::ALL`].
    pub fn kind(&self) -> Kind {
        let most = Kind::ALL
            .into_iter()
            .rev()
            .max_by_key(|kind| self.of_kind(*kind));
        most.unwrap_or(Kind::Numeric)
    }

    /// The distinct values at least known to be there, and an estimate of the memory they take in
    /// bytes.
    pub fn size(&self) -> usize {
        let texts: usize = self.texts.iter().map(|held| held.text.len()).sum();
        self.numbers.len() * 32 + self.texts.len() * size_of::<LooseText>() + texts
    }

    /// These counts in the cells of `series`: exact where the edges of `series` are points of the
    /// grid, which those of a learned layout are; else a grid bin counts as its upper bound.
    ///
    /// Strings that were not kept count as new.
    pub fn project(&self, series: &SeriesLayout) -> Vec<u64> {
        let mut cells = vec![0; series.cells()];
        let mut put = |cell: usize, times: u64| {
            if let Some(count) = cells.get_mut(cell) {
                *count += times;
            }
        };
        for (bin, times) in &self.numbers {
            let upper = grid_bounds(*bin).1.min(f64::MAX);
            put(series.cell_of(Value::Number(upper)), *times);
        }
        for held in &self.texts {
            put(series.cell_of(Value::Text(&held.text)), held.count);
        }
        let unknown = match series.kind() {
            Kind::Categorical => series.new_cell(),
            Kind::Numeric | Kind::Boolean => None,
        };
        put(unknown.unwrap_or(series.invalid_cell()), self.overflow);
        put(series.cell_of(Value::Bool(true)), self.trues);
        put(series.cell_of(Value::Bool(false)), self.falses);
        put(series.missing_cell(), self.missing);
        put(series.invalid_cell(), self.invalid);
        cells
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the points of the grid are exact")]
mod tests;
