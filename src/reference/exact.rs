//! Sums of floats without rounding, so that no order of the rows can change a reference.
//!
//! An [`ExactSum`] is one very long fixed-point number that every f64 fits into: chunk `i` counts
//! units of `2^(32 i - 1074)`, and neighbouring chunks overlap, so that a value is added to two of
//! them without carrying (Kulisch 1971; chunks as in Neal 2015, "Fast exact summation using small
//! and large superaccumulators"). Carries are settled before a chunk could overflow:
//!
//! ```text
//! a value adds less than 2^52 to a chunk's absolute value, so 2^11 - 1 values may be added between
//! two settlements
//! ```
//!
//! The sum, and the mean, which is divided before it is rounded, are rounded once, to nearest and
//! ties to even: `1e308 + 1e308 - 1e308` is `1e308`, and `1e16 + 1 - 1e16` is 1, in any order.

/// Chunks: 67 that a value times 2^63 can touch, and one for what sums of such carry.
const CHUNKS: usize = 68;

/// The bits from one chunk to the next.
const STEP: u32 = 32;

/// The bits of a chunk that are its own.
const OWN: i64 = (1 << STEP) - 1;

/// How many values may be added before carries are settled.
const ADDS_MAX: u32 = (1 << 11) - 1;

/// The exponent of the smallest f64, the unit of chunk 0.
const UNIT: i32 = -1074;

/// The exact sum of any number of finite floats, at most 2^64 of them.
#[derive(Debug, Clone)]
pub struct ExactSum {
    chunks: [i64; CHUNKS],
    /// Additions since carries were settled.
    adds: u32,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self {
            chunks: [0; CHUNKS],
            adds: 0,
        }
    }
}

impl ExactSum {
    /// Adds a finite number; others are ignored.
    #[inline]
    pub fn add(&mut self, x: f64) {
        self.add_shifted(x, 0);
    }

    /// Adds a finite number `times` times.
    pub fn add_times(&mut self, x: f64, times: u64) {
        for bit in (0..u64::BITS).filter(|bit| times >> bit & 1 == 1) {
            self.add_shifted(x, bit);
        }
    }

    /// Adds `x * 2^shift`, where the shift is below 64.
    #[inline]
    fn add_shifted(&mut self, x: f64, shift: u32) {
        let bits = x.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        if exponent == 0x7ff {
            return;
        }
        // subnormals have no leading one, and the exponent of the smallest normal ones
        let mantissa = if exponent == 0 {
            fraction
        } else {
            fraction | 1 << 52
        };
        let place = exponent.saturating_sub(1) + u64::from(shift);
        let wide = u128::from(mantissa) << (place % u64::from(STEP));
        let (low, high) = (low_bits(wide), high_bits(wide));
        let (low, high) = if x.is_sign_negative() {
            (-low, -high)
        } else {
            (low, high)
        };
        let at = usize::try_from(place / u64::from(STEP)).unwrap_or(CHUNKS);
        if let Some([first, second]) = self.chunks.get_mut(at..at + 2) {
            *first += low;
            *second += high;
        }
        self.adds += 1;
        if self.adds >= ADDS_MAX {
            self.settle();
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.settle();
        self.settle();
        for (mine, theirs) in self.chunks.iter_mut().zip(other.chunks) {
            *mine += theirs;
        }
        self.adds = 1;
    }

    /// The sum, rounded once; infinite beyond the largest float.
    pub fn sum(&self) -> f64 {
        self.mean(1)
    }

    /// The sum divided by `count`, rounded once; zero for a count of 0.
    pub fn mean(&self, count: u64) -> f64 {
        if count == 0 {
            return 0.0;
        }
        let (negative, mut digits) = self.magnitude();
        let mut rest = 0_u128;
        for digit in digits.iter_mut().rev() {
            let dividend = rest << STEP | u128::from(*digit);
            let quotient = dividend / u128::from(count);
            rest = dividend % u128::from(count);
            // less than 2^32, since the rest is less than the count
            *digit = u32::try_from(quotient).unwrap_or(u32::MAX);
        }
        let magnitude = round(&digits, rest > 0);
        if negative { -magnitude } else { magnitude }
    }

    /// Moves what exceeds a chunk to the next, leaving each in `0..2^32` but the last, which has
    /// the sign.
    fn settle(&mut self) {
        let mut carry = 0;
        let Some((last, own)) = self.chunks.split_last_mut() else {
            return;
        };
        for chunk in own {
            *chunk += carry;
            carry = *chunk >> STEP;
            *chunk &= OWN;
        }
        *last += carry;
        self.adds = 0;
    }

    /// The sign and the digits, to base 2^32 and from the lowest, of the settled sum.
    fn magnitude(&self) -> (bool, [u32; CHUNKS]) {
        let mut settled = self.clone();
        settled.settle();
        let negative = settled.chunks.last().is_some_and(|last| *last < 0);
        if negative {
            settled.chunks = settled.chunks.map(|chunk| -chunk);
            settled.settle();
        }
        (
            negative,
            settled
                .chunks
                .map(|chunk| u32::try_from(chunk).unwrap_or(u32::MAX)),
        )
    }
}

/// The part of a shifted mantissa that belongs to its first chunk.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the bits that are its own are kept"
)]
fn low_bits(wide: u128) -> i64 {
    wide as i64 & OWN
}

/// The part of a shifted mantissa that belongs to the chunk after it.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "53 bits, shifted by at most 31, are 84"
)]
fn high_bits(wide: u128) -> i64 {
    (wide >> STEP) as i64
}

/// The float nearest to a number of `digits`, and of a bit more where `more` says so.
fn round(digits: &[u32; CHUNKS], more: bool) -> f64 {
    let Some(top) = digits.iter().rposition(|digit| *digit > 0) else {
        return 0.0;
    };
    let first = top.saturating_sub(2);
    let (below, leading) = digits.split_at_checked(first).unwrap_or((&[], digits));
    let leading = leading
        .iter()
        .take(3)
        .rev()
        .fold(0_u128, |n, d| n << STEP | u128::from(*d));
    let more = more || below.iter().any(|digit| *digit > 0);
    // leading * 2^scale is the number, and `dropped` of its bits do not fit the float
    let scale = UNIT + 32 * i32::try_from(first).unwrap_or(0);
    let bits = i32::try_from(u128::BITS - leading.leading_zeros()).unwrap_or(0);
    let dropped = (bits - 53).max(UNIT - scale).max(0);
    let kept = leading >> dropped;
    let half = (1_u128 << dropped) >> 1;
    let rest = leading & ((1_u128 << dropped) - 1);
    let up = dropped > 0 && (rest > half || rest == half && (more || kept & 1 == 1));
    ldexp(kept + u128::from(up), scale + dropped)
}

/// `mantissa * 2^exponent` where that is a float or infinite: a mantissa of 53 bits, or the lowest
/// exponent, or a mantissa of fewer bits that came with no bits dropped.
fn ldexp(mantissa: u128, exponent: i32) -> f64 {
    let bits = i32::try_from(u128::BITS - mantissa.leading_zeros()).unwrap_or(0);
    let shift = (53 - bits).min(exponent - UNIT);
    let (mantissa, exponent) = if shift >= 0 {
        (mantissa << shift, exponent - shift)
    } else {
        // a carry out of 53 bits leaves zeros below
        (mantissa >> -shift, exponent - shift)
    };
    let biased = if mantissa >> 52 == 0 {
        0
    } else {
        exponent - UNIT + 1
    };
    if biased >= 0x7ff {
        return f64::INFINITY;
    }
    let fraction = u64::try_from(mantissa & ((1 << 52) - 1)).unwrap_or(0);
    f64::from_bits(u64::from(biased.unsigned_abs()) << 52 | fraction)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the sums are exact")]
mod tests;
