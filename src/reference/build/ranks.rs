//! Exact quantiles and atoms of numbers, in bounded memory and whatever their order.
//!
//! A number is a key: its 64 bits, turned so that keys sort as numbers do. [`Keys`] holds the
//! distinct keys seen and how often each was, sorted. As long as they fit, that is all there is to
//! it. When they do not, only the number of keys with each possible first 16 bits is held on. That
//! says which of these pieces of the line matter:
//!
//! ```text
//! a piece is open, if it holds the value number ceil(k*m/100) for some k, or at least m/200 of the
//! m
//! values (so that an atom may be in it), or the smallest or the largest value
//! ```
//!
//! At most about 300 pieces are open; the others hold no edge and need never be looked into. A
//! [`Zoom`] reads the numbers again. If the distinct ones in open pieces fit now, that is the end;
//! else each open piece is split into 256, and so on. A piece has 2^48 keys, then 2^40, .., so this
//! ends after six more readings at the latest, and as a rule after two.
//!
//! Nothing of this depends on the order of the numbers: pieces are cut at fixed keys, counts are
//! sums.

use crate::layout::{EdgeCollector, LayoutError, NumericBins, QUANTILE_BINS, Quantiles};

/// The bits of a key that are not looked at in the first cut.
const COARSE_BITS: u32 = 48;

/// By how many bits an open piece is cut further.
const STEP_BITS: u32 = 8;

/// One in so many values makes an atom.
const ATOMS_MAX: u64 = 2 * QUANTILE_BINS;

/// The fewest keys that are buffered before they are sorted.
const BUFFER_MIN: usize = 1 << 12;

/// The fewest distinct keys that must fit: with more of them than this, not every number is an
/// atom.
const DISTINCT_MIN: usize = 1 << 10;

/// The key of a finite number: keys sort as numbers do, and both zeros have one.
#[inline]
fn key(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

fn number(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 {
        key & !(1 << 63)
    } else {
        !key
    })
}

/// Numbers in a range of keys, `start..start + 2^bits`, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    start: u64,
    bits: u32,
    count: u64,
    /// Whether an edge may lie in it. A piece that was closed stays closed, and may then stand for
    /// its closed neighbours too.
    open: bool,
}

impl Piece {
    fn is_unresolved(&self) -> bool {
        self.open && self.bits > 0
    }
}

/// Distinct keys in order and how often each was, as long as they fit.
#[derive(Debug, Default)]
pub(super) struct Runs {
    sorted: Vec<(u64, u64)>,
    /// Keys not yet among them.
    buffer: Vec<u64>,
    /// How many bytes both may take.
    bytes_max: usize,
}

impl Runs {
    fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.max(bytes(DISTINCT_MIN, BUFFER_MIN));
        Self {
            sorted: Vec::new(),
            buffer: Vec::new(),
            bytes_max,
        }
    }

    /// Adds a key; false if there are then too many to go on.
    #[inline]
    fn push(&mut self, key: u64) -> bool {
        if self.buffer.len() == self.buffer.capacity() && !self.settle() {
            self.buffer.push(key);
            return false;
        }
        self.buffer.push(key);
        true
    }

    /// Sorts the buffered keys into the runs, and makes room for more; false if there is none.
    fn settle(&mut self) -> bool {
        self.buffer.sort_unstable();
        self.sorted = merge(&self.sorted, &self.buffer);
        self.buffer.clear();
        let room = self.sorted.len().max(BUFFER_MIN);
        let fits = bytes(self.sorted.len(), room) <= self.bytes_max;
        self.buffer.reserve_exact(if fits { room } else { 1 });
        fits
    }

    /// All keys.
    fn finish(mut self) -> Vec<(u64, u64)> {
        self.settle();
        self.sorted
    }
}

/// The numbers of a series, as far as they fit.
#[derive(Debug)]
pub(super) enum Keys {
    /// They do.
    All(Runs),
    /// They did not: how many there are by the first bits of their key.
    Coarse(Vec<u64>, usize),
}

impl Keys {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self::All(Runs::new(bytes_max))
    }

    /// Adds a finite number.
    #[inline]
    pub(super) fn push(&mut self, x: f64) {
        match self {
            Self::All(runs) => {
                if !runs.push(key(x)) {
                    *self = Self::coarse(std::mem::take(runs));
                }
            }
            Self::Coarse(counts, _) => add(counts, key(x) >> COARSE_BITS, 1),
        }
    }

    #[cold]
    fn coarse(runs: Runs) -> Self {
        let bytes_max = runs.bytes_max;
        let mut counts = vec![0; 1 << (u64::BITS - COARSE_BITS)];
        for (key, count) in runs.finish() {
            add(&mut counts, key >> COARSE_BITS, count);
        }
        Self::Coarse(counts, bytes_max)
    }

    /// What is known when all numbers have come.
    pub(super) fn finish(self) -> Zoom {
        match self {
            Self::All(runs) => {
                let bytes_max = runs.bytes_max;
                Zoom::new(singles(runs).collect(), bytes_max)
            }
            Self::Coarse(counts, bytes_max) => Zoom::new(
                cut(0, u64::BITS, u64::BITS - COARSE_BITS, &counts).collect(),
                bytes_max,
            ),
        }
    }
}

fn singles(runs: Runs) -> impl Iterator<Item = Piece> {
    let single = |(key, count)| Piece {
        start: key,
        bits: 0,
        count,
        open: true,
    };
    runs.finish().into_iter().map(single)
}

/// The memory for so many distinct keys, as much again for merging them, and buffered keys.
fn bytes(distinct: usize, buffered: usize) -> usize {
    2 * distinct * size_of::<(u64, u64)>() + buffered * size_of::<u64>()
}

/// The sorted runs with the sorted `keys` added.
fn merge(runs: &[(u64, u64)], keys: &[u64]) -> Vec<(u64, u64)> {
    let mut merged = Vec::with_capacity(runs.len() + keys.len());
    let mut old = runs.iter().copied().peekable();
    for equal in keys.chunk_by(|a, b| a == b) {
        let Some(key) = equal.first() else { continue };
        let mut count = equal.len() as u64;
        while let Some(run) = old.next_if(|run| run.0 < *key) {
            merged.push(run);
        }
        if let Some(run) = old.next_if(|run| run.0 == *key) {
            count += run.1;
        }
        merged.push((*key, count));
    }
    merged.extend(old);
    merged
}

/// The pieces of `start..start + 2^bits` that have numbers, when it is cut by its first `step`
/// bits.
fn cut(start: u64, bits: u32, step: u32, counts: &[u64]) -> impl Iterator<Item = Piece> {
    let bits = bits - step;
    let pieces = (0_u64..)
        .zip(counts.iter().copied())
        .filter(|(_, count)| *count > 0);
    pieces.map(move |(at, count)| Piece {
        start: start + (at << bits),
        bits,
        count,
        open: true,
    })
}

#[inline]
fn add(counts: &mut [u64], at: u64, times: u64) {
    let count = usize::try_from(at).ok().and_then(|at| counts.get_mut(at));
    if let Some(count) = count {
        *count += times;
    }
}

/// All numbers of a series as pieces, in order; more of them are single numbers after each reading.
#[derive(Debug)]
pub(super) struct Zoom {
    pieces: Vec<Piece>,
    /// All numbers.
    values: u64,
    bytes_max: usize,
    /// The unresolved pieces, and how many numbers each further piece of them has.
    open: Vec<(Piece, Vec<u64>)>,
    /// All numbers in them, as long as they fit.
    kept: Option<Runs>,
}

/// No numbers, which need no reading.
impl Default for Zoom {
    fn default() -> Self {
        Self::new(Vec::new(), 0)
    }
}

impl Zoom {
    fn new(pieces: Vec<Piece>, bytes_max: usize) -> Self {
        let values = pieces.iter().map(|piece| piece.count).sum();
        let mut zoom = Self {
            pieces,
            values,
            bytes_max,
            open: Vec::new(),
            kept: None,
        };
        zoom.prepare();
        zoom
    }

    /// Closes the pieces that do not matter, and gets ready to read the numbers in the others.
    fn prepare(&mut self) {
        let m = u128::from(self.values);
        // how many quantiles there are up to the value of this number
        let quantiles = |upto: u64| u128::from(upto) * u128::from(QUANTILE_BINS) / m.max(1);
        let mut before = 0;
        for piece in &mut self.pieces {
            let after = before + piece.count;
            piece.open &= piece.bits == 0
                || quantiles(after) > quantiles(before)
                || u128::from(piece.count) * u128::from(ATOMS_MAX) >= m
                || before == 0
                || after == self.values;
            before = after;
        }
        // closed neighbours are one
        self.pieces.dedup_by(|next, first| {
            let closed = !next.open && !first.open;
            first.count += if closed { next.count } else { 0 };
            closed
        });
        let unresolved = self.pieces.iter().filter(|piece| piece.is_unresolved());
        self.open = unresolved
            .map(|piece| (*piece, vec![0; 1 << STEP_BITS]))
            .collect();
        self.kept = Some(Runs::new(self.bytes_max));
    }

    /// Whether every open piece is a single number.
    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// A number, once more.
    #[inline]
    pub(super) fn push(&mut self, x: f64) {
        let key = key(x);
        let at = self.open.partition_point(|(piece, _)| piece.start <= key);
        let Some((piece, counts)) = at.checked_sub(1).and_then(|at| self.open.get_mut(at)) else {
            return;
        };
        let place = key - piece.start;
        if place >> piece.bits == 0 {
            add(counts, place >> (piece.bits - STEP_BITS), 1);
            if self.kept.as_mut().is_some_and(|kept| !kept.push(key)) {
                self.kept = None;
            }
        }
    }

    /// Puts what the reading found in the place of the pieces that were open.
    pub(super) fn settle(&mut self) {
        self.pieces.retain(|piece| !piece.is_unresolved());
        match self.kept.take() {
            Some(kept) => self.pieces.extend(singles(kept)),
            None => {
                for (piece, counts) in &self.open {
                    self.pieces
                        .extend(cut(piece.start, piece.bits, STEP_BITS, counts));
                }
            }
        }
        self.pieces.sort_unstable_by_key(|piece| piece.start);
        self.prepare();
    }

    /// The bins of these numbers.
    pub(super) fn bins(&self) -> Result<NumericBins, LayoutError> {
        let quantiles = self.quantiles();
        let mut counts = vec![0; quantiles.edges.bins()];
        for piece in &self.pieces {
            // no edge lies inside a piece: either it is one number or it is closed
            if let Some(count) = counts.get_mut(quantiles.edges.bin_of(number(piece.start))) {
                *count += piece.count;
            }
        }
        NumericBins::from_reference(&quantiles, &counts)
    }

    fn quantiles(&self) -> Quantiles {
        let mut collector = EdgeCollector::new(self.values);
        for piece in &self.pieces {
            if piece.bits == 0 {
                collector.push(number(piece.start), piece.count);
            } else {
                collector.skip(piece.count);
            }
        }
        collector.finish()
    }
}

#[cfg(test)]
mod tests;
