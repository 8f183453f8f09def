//! Counts of many cells in few bytes, for panes and hours that seldom change any more.
//!
//! ```text
//! bytes   0 n (count of cell)*           dense: cells 0 .. n, the last of them with a count
//!         1 n (gap count-1)*             sparse: n cells with counts, and how many are before each
//!         whichever is shorter, about; no bytes at all where there are no counts
//! ```
//!
//! `n` is base-128, its lowest digits first, the top bit set on all bytes but the last. What
//! follows are bits, the lowest of a byte first: numbers in Rice's code, told by how far they are
//! from the running mean of those before, and with a parameter that follows the running mean of
//! these distances, as in LOCO-I (Weinberger, Seroussi, Sapiro 2000, IEEE Trans. Image Processing
//! 9(8), section III). Bins of a reference hold about as many rows each, so a count costs little
//! more than the logarithm of its standard deviation:
//!
//! ```text
//! distance   0, -1, +1, -2, ..  becomes  0, 1, 2, 3, ..; past twice the mean there is no "-"
//! zero       a bit of its own where the mean is 8 or more: no row is missing, none is invalid
//! ```

use std::ops::Deref;

/// Bits of a fraction in running means.
const FRACTION: u32 = 4;

/// Running means follow an eighth of each difference.
const SPEED: u32 = 3;

/// From this mean on, zero is told by a bit of its own.
const ZERO_APART: u64 = 8;

/// The longest quotient of Rice's code; larger numbers are told by their length.
const QUOTIENT_MAX: u32 = 20;

/// The bits that a look at the next ones has for sure.
const PEEKED: u32 = 56;

/// Larger numbers move running means no further than this.
const MEAN_MAX: u64 = 1 << 48;

const DENSE: u8 = 0;
const SPARSE: u8 = 1;

/// The bytes of counts by cell, ascending and above 0.
pub(super) fn pack(cells: impl Iterator<Item = (u32, u64)> + Clone) -> Box<[u8]> {
    let pairs = cells.clone().count();
    let Some((last, _)) = cells.clone().last() else {
        return Box::default();
    };
    // which of them is shorter is seen at a glance but in between
    let (filled, all) = (pairs as u64, u64::from(last) + 1);
    if filled * 2 > all {
        return dense(cells, last);
    }
    let sparse = sparse(cells.clone(), pairs);
    if filled * 8 < all {
        return sparse;
    }
    let dense = dense(cells, last);
    if sparse.len() < dense.len() {
        sparse
    } else {
        dense
    }
}

fn dense(cells: impl Iterator<Item = (u32, u64)>, last: u32) -> Box<[u8]> {
    let mut bits = BitWriter::begin(DENSE, u64::from(last) + 1);
    let (mut model, mut next) = (Model::default(), 0);
    for (cell, count) in cells {
        let cell = u64::from(cell);
        for _ in next..cell {
            model.put(&mut bits, 0);
        }
        model.put(&mut bits, count);
        next = cell + 1;
    }
    bits.end()
}

fn sparse(cells: impl Iterator<Item = (u32, u64)>, pairs: usize) -> Box<[u8]> {
    let mut bits = BitWriter::begin(SPARSE, pairs as u64);
    let (mut gaps, mut counts, mut next) = (Model::default(), Model::default(), 0);
    for (cell, count) in cells {
        let cell = u64::from(cell);
        gaps.put(&mut bits, cell - next);
        counts.put(&mut bits, count - 1);
        next = cell + 1;
    }
    bits.end()
}

/// The cells with counts above 0 of [`pack`]'s bytes, ascending. Of other bytes, some cells.
pub(super) fn unpack<B: Deref<Target = [u8]>>(bytes: B) -> Unpacked<B> {
    let (form, mut rest) = bytes.split_first().unwrap_or((&DENSE, &[]));
    let left = take_length(&mut rest);
    let (is_sparse, at) = (*form == SPARSE, (bytes.len() - rest.len()) * 8);
    Unpacked {
        bits: BitReader { bytes, at },
        is_sparse,
        left,
        cell: 0,
        gaps: Model::default(),
        counts: Model::default(),
    }
}

/// Adds the counts of [`pack`]'s bytes to sums by cell; of cells beyond these to none.
pub(super) fn add_to(bytes: &[u8], sums: &mut [u64]) {
    let mut unpacked = unpack(bytes);
    if unpacked.is_sparse {
        for (cell, count) in unpacked {
            if let Some(sum) = sums.get_mut(cell as usize) {
                *sum = sum.wrapping_add(count);
            }
        }
        return;
    }
    let cells = usize::try_from(unpacked.left).unwrap_or(usize::MAX);
    for sum in sums.iter_mut().take(cells) {
        if unpacked.bits.is_at_end() {
            return;
        }
        *sum = sum.wrapping_add(unpacked.counts.take(&mut unpacked.bits));
    }
}

/// See [`unpack`].
#[derive(Debug, Clone)]
pub(super) struct Unpacked<B> {
    bits: BitReader<B>,
    is_sparse: bool,
    /// Numbers, or pairs of them, that are still to come.
    left: u64,
    /// The next cell.
    cell: u64,
    gaps: Model,
    counts: Model,
}

impl<B: Deref<Target = [u8]>> Iterator for Unpacked<B> {
    type Item = (u32, u64);

    fn next(&mut self) -> Option<Self::Item> {
        // each number has at least a bit
        while self.left > 0 && !self.bits.is_at_end() {
            self.left -= 1;
            let count = if self.is_sparse {
                let gap = self.gaps.take(&mut self.bits);
                self.cell = self.cell.checked_add(gap)?;
                self.counts.take(&mut self.bits).checked_add(1)?
            } else {
                self.counts.take(&mut self.bits)
            };
            let cell = u32::try_from(self.cell).ok()?;
            self.cell += 1;
            if count > 0 {
                return Some((cell, count));
            }
        }
        None
    }
}

/// What is expected of the next number: running means with [`FRACTION`] bits.
#[derive(Debug, Clone, Copy, Default)]
struct Model {
    mean: u64,
    distance: u64,
}

impl Model {
    fn put(&mut self, bits: &mut BitWriter, number: u64) {
        let mean = self.mean >> FRACTION;
        if mean >= ZERO_APART {
            bits.put(u64::from(number == 0), 1);
            if number == 0 {
                return;
            }
        }
        let distance = distance_of(number, mean);
        let parameter = self.parameter();
        let quotient = distance >> parameter;
        if quotient < u64::from(QUOTIENT_MAX) {
            bits.put(1 << quotient, u32::try_from(quotient).unwrap_or(0) + 1);
            bits.put(distance & ((1 << parameter) - 1), parameter);
        } else {
            let length = u64::BITS - distance.leading_zeros();
            bits.put(0, QUOTIENT_MAX);
            bits.put(u64::from(length - 1), 6);
            bits.put(distance & u64::from(u32::MAX), length.min(32));
            bits.put(distance >> 32, length.saturating_sub(32));
        }
        self.learn(number, distance);
    }

    #[inline]
    fn take<B: Deref<Target = [u8]>>(&mut self, bits: &mut BitReader<B>) -> u64 {
        let mean = self.mean >> FRACTION;
        let flags = u32::from(mean >= ZERO_APART);
        // one look serves nearly all numbers
        let word = bits.peek();
        if flags == 1 && word & 1 == 1 {
            bits.skip(1);
            return 0;
        }
        let word = word >> flags;
        let (zeros, parameter) = (word.trailing_zeros(), self.parameter());
        // the flag of a zero, the quotient and its end are 21 bits at most
        let distance = if zeros < QUOTIENT_MAX && parameter < PEEKED - QUOTIENT_MAX {
            bits.skip(flags + zeros + 1 + parameter);
            let rest = (word >> (zeros + 1)) & ((1 << parameter) - 1);
            (u64::from(zeros) << parameter) | rest
        } else {
            bits.skip(flags);
            self.take_long(bits)
        };
        let number = number_of(distance, mean);
        self.learn(number, distance);
        number
    }

    /// A distance that one look does not serve for sure.
    #[cold]
    fn take_long<B: Deref<Target = [u8]>>(self, bits: &mut BitReader<B>) -> u64 {
        let zeros = bits.peek().trailing_zeros().min(QUOTIENT_MAX);
        if zeros < QUOTIENT_MAX {
            bits.skip(zeros + 1);
            let parameter = self.parameter();
            return (u64::from(zeros) << parameter) | bits.take(parameter);
        }
        bits.skip(QUOTIENT_MAX);
        let length = u32::try_from(bits.take(6)).unwrap_or(0) + 1;
        bits.take(length.min(32)) | (bits.take(length.saturating_sub(32)) << 32)
    }

    /// The parameter of Rice's code for geometrically distributed numbers of this mean:
    /// `1 + floor(log2(ln 2 * mean))`.
    fn parameter(self) -> u32 {
        let median = (self.distance * 11) >> (4 + FRACTION);
        u64::BITS - median.leading_zeros()
    }

    fn learn(&mut self, number: u64, distance: u64) {
        for (mean, new) in [(&mut self.mean, number), (&mut self.distance, distance)] {
            let new = new.min(MEAN_MAX) << FRACTION;
            *mean = *mean + (new >> SPEED) - (*mean >> SPEED);
        }
    }
}

fn distance_of(number: u64, mean: u64) -> u64 {
    if number >= mean && number <= 2 * mean {
        2 * (number - mean)
    } else if number < mean {
        2 * (mean - number) - 1
    } else {
        number
    }
}

/// Without a branch on which side of the mean it is, which nobody can foretell.
fn number_of(distance: u64, mean: u64) -> u64 {
    let below = (distance & 1).wrapping_neg();
    let from_mean = (distance.div_ceil(2) ^ below).wrapping_sub(below);
    if distance > 2 * mean {
        distance
    } else {
        mean.wrapping_add(from_mean)
    }
}

fn lowest(number: u64) -> u8 {
    let [lowest, ..] = number.to_le_bytes();
    lowest
}

#[derive(Debug)]
struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet.
    rest: u64,
    used: u32,
}

impl BitWriter {
    fn begin(form: u8, mut length: u64) -> Self {
        let mut bytes = vec![form];
        while length > 0x7f {
            bytes.push(lowest(length) | 0x80);
            length >>= 7;
        }
        bytes.push(lowest(length));
        Self {
            bytes,
            rest: 0,
            used: 0,
        }
    }

    /// Puts the lowest `count` bits of `bits`, which has no others; at most 56.
    fn put(&mut self, bits: u64, count: u32) {
        self.rest |= bits << self.used;
        self.used += count;
        while self.used >= 8 {
            self.bytes.push(lowest(self.rest));
            self.rest >>= 8;
            self.used -= 8;
        }
    }

    fn end(mut self) -> Box<[u8]> {
        if self.used > 0 {
            self.bytes.push(lowest(self.rest));
        }
        self.bytes.into()
    }
}

#[derive(Debug, Clone)]
struct BitReader<B> {
    bytes: B,
    /// In bits.
    at: usize,
}

impl<B: Deref<Target = [u8]>> BitReader<B> {
    fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len() * 8
    }

    /// At least the next 56 bits; zeros after the last.
    #[inline]
    fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.at / 8..).unwrap_or(&[]);
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut last = [0; 8];
            for (to, from) in last.iter_mut().zip(rest) {
                *to = *from;
            }
            last
        });
        u64::from_le_bytes(word) >> (self.at % 8)
    }

    fn skip(&mut self, count: u32) {
        self.at += count as usize;
    }

    /// The next `count` bits, at most 56.
    fn take(&mut self, count: u32) -> u64 {
        let bits = self.peek() & ((1 << count) - 1);
        self.skip(count);
        bits
    }
}

fn take_length(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let Some((byte, rest)) = bytes.split_first() else {
            return 0;
        };
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(counts: &[u64]) -> Vec<(u32, u64)> {
        let numbered = (0..).zip(counts.iter().copied());
        numbered.filter(|(_, count)| *count > 0).collect()
    }

    fn packed(cells: &[(u32, u64)]) -> Box<[u8]> {
        pack(cells.iter().copied())
    }

    /// Numbers of a Poisson distribution, by the product of uniform ones (Knuth).
    fn poisson(mean: f64, state: &mut u64) -> u64 {
        let (mut product, mut count) = (1.0, 0);
        loop {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            product *= f64::from(u32::try_from(*state >> 32).unwrap()) / f64::from(u32::MAX);
            if product < (-mean).exp() {
                return count;
            }
            count += 1;
        }
    }

    #[test]
    fn poisson_counts_cost_little_more_than_their_entropy() {
        // which is 1.82, 3.19, 4.20 and 5.37 bits
        for (mean, at_most) in [(0.83, 2.1), (5.0, 3.6), (20.0, 5.8), (100.0, 7.2)] {
            let mut state = 1;
            let counts: Vec<_> = (0..2_000).map(|_| poisson(mean, &mut state)).collect();
            let bits = packed(&cells(&counts)).len() * 8;
            assert!(
                f64::from(u32::try_from(bits).unwrap()) < at_most * 2_000.0,
                "{bits} bits at {mean}"
            );
        }
    }

    #[test]
    fn few_cells_among_many_are_sparse() {
        let some: Vec<_> = (1..50).map(|at| (at * 4_000, 1)).collect();
        assert!(packed(&some).len() < 2 * some.len() + 8);
        assert_eq!(packed(&[]).len(), 0);
    }

    fn added(bytes: &[u8], length: usize) -> Vec<u64> {
        let mut sums = vec![7; length];
        add_to(bytes, &mut sums);
        sums
    }

    fn one_by_one(cells: &[(u32, u64)], length: usize) -> Vec<u64> {
        let mut sums = vec![7_u64; length];
        for (cell, count) in cells {
            if let Some(sum) = sums.get_mut(*cell as usize) {
                *sum = sum.wrapping_add(*count);
            }
        }
        sums
    }

    proptest! {
        /// What was packed comes out again.
        #[test]
        fn what_is_packed_comes_out_again(
            counts in prop::collection::vec(
                prop_oneof![
                    4 => Just(0_u64), 8 => 0_u64..20, 4 => 90_u64..110, 1 => any::<u64>()
                ], 0..200,
            ),
            apart in prop_oneof![Just(1_u32), 1_u32..20_000_000],
        ) {
            let cells = cells(&counts);
            let spread: Vec<_> =
                cells.iter().map(|(cell, count)| (cell.saturating_mul(apart), *count)).collect();
            prop_assert_eq!(unpack(packed(&cells)).collect::<Vec<_>>(), cells);
            if spread.is_sorted_by(|a, b| a.0 < b.0) {
                prop_assert_eq!(unpack(packed(&spread)).collect::<Vec<_>>(), spread);
            }
        }

        /// What is added at once is what comes out one by one.
        #[test]
        fn sums_are_those_of_single_cells(
            counts in prop::collection::vec(
                prop_oneof![4 => Just(0_u64), 8 => 0_u64..20, 4 => 90_u64..110], 0..200,
            ),
            apart in 1_u32..40,
            length in 0_usize..300,
        ) {
            let cells = cells(&counts);
            let spread: Vec<_> =
                cells.iter().map(|(cell, count)| (cell * apart, *count)).collect();
            prop_assert_eq!(added(&packed(&spread), length), one_by_one(&spread, length));
        }

        /// No bytes make it panic, or go on for long.
        #[test]
        fn any_bytes_are_unpacked(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let cells: Vec<_> = unpack(&bytes[..]).collect();
            prop_assert!(cells.len() <= bytes.len() * 8);
            prop_assert_eq!(added(&bytes, 100), one_by_one(&cells, 100));
        }
    }
}
