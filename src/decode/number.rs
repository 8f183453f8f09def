//! Numbers of JSON text, rounded to the nearest f64.
//!
//! Reference edges sit on data values, so a parser that is off in the last bit moves whole atoms
//! into the wrong bin. Nearly all numbers of real logs have few digits: where the digits make a
//! whole number `m` and the number is `m * 10^e` with
//!
//! ```text
//! m <= 2^53   and   -22 <= e <= 22
//! ```
//!
//! both `m` and `10^|e|` are f64s, and one multiplication or division rounds once, which is the
//! right rounding (Clinger 1990, "How to read floating point numbers accurately"). `12.081` is
//! 12081 / 10^3. All other numbers go to the standard library, which rounds correctly too, and
//! reads them again.

/// The powers of ten that are f64s.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A whole number of at most so many digits fits u64.
const DIGITS_MAX: usize = 19;

/// A number as it stands in the text: `digits * 10^exponent`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal {
    /// Whether it has neither a fraction nor an exponent.
    pub(super) whole: bool,
    negative: bool,
    /// The digits without the point, modulo 2^64.
    mantissa: u64,
    /// How many digits were read into the mantissa, leading zeros included.
    digits: usize,
    exponent: i64,
}

impl Decimal {
    /// The nearest f64, if it is one of the numbers that are had with one rounding.
    #[inline]
    pub(super) fn exact(&self) -> Option<f64> {
        if self.digits > DIGITS_MAX || self.mantissa > 1 << 53 {
            return None;
        }
        let power = POWERS.get(usize::try_from(self.exponent.unsigned_abs()).ok()?)?;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        let mantissa = self.mantissa as f64;
        let value = if self.exponent < 0 {
            mantissa / power
        } else {
            mantissa * power
        };
        Some(if self.negative { -value } else { value })
    }
}

/// The nearest f64 to the number `text`, ties to even; `None` where that is infinite.
#[cold]
pub(super) fn of_text(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Reads a number from the front of `bytes`; `None` where there is none.
#[inline]
pub(super) fn scan(bytes: &[u8]) -> Option<(Decimal, &[u8])> {
    let (negative, unsigned) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    let mut mantissa = 0;
    let mut rest = match unsigned {
        [b'0', rest @ ..] => rest,
        [b'1'..=b'9', ..] => add_digits(&mut mantissa, unsigned),
        _ => return None,
    };
    let mut digits = unsigned.len() - rest.len();
    let mut exponent = 0;
    if let [b'.', fraction @ ..] = rest {
        rest = add_digits(&mut mantissa, fraction);
        let length = fraction.len() - rest.len();
        if length == 0 {
            return None;
        }
        digits += length;
        exponent = i64::try_from(length).map_or(i64::MIN, |length| -length);
    }
    let mut whole = exponent == 0;
    if let [b'e' | b'E', after @ ..] = rest {
        whole = false;
        let shift;
        (shift, rest) = scan_exponent(after)?;
        exponent = exponent.saturating_add(shift);
    }
    Some((
        Decimal {
            whole,
            negative,
            mantissa,
            digits,
            exponent,
        },
        rest,
    ))
}

/// Appends the digits at the front of `bytes` to `mantissa`, and returns what stands after them.
///
/// Eight at a time, since a loop over single digits is mispredicted at the end of most numbers. In
/// `w - '0'` a digit is 0..=9 and has a high nibble of 0, also after 6 is added. The first byte in
/// which that is not so ends the digits; those before it are moved up, so that zeros come before
/// them, and are added up in pairs, then fours, then eights (Lemire 2018, "Quickly parsing eight
/// digits").
#[inline]
fn add_digits<'a>(mantissa: &mut u64, bytes: &'a [u8]) -> &'a [u8] {
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let digits = word ^ 0x3030_3030_3030_3030;
        let other = (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xF0F0_F0F0_F0F0_F0F0;
        if other == 0 {
            *mantissa = mantissa
                .wrapping_mul(100_000_000)
                .wrapping_add(eight(digits));
            rest = after;
            continue;
        }
        let bits = other.trailing_zeros() & !7;
        if bits > 0 {
            let length = bits as usize / 8;
            let scale = SCALES.get(length).copied().unwrap_or_default();
            *mantissa = mantissa
                .wrapping_mul(scale)
                .wrapping_add(eight(digits << (64 - bits)));
            rest = rest.get(length..).unwrap_or_default();
        }
        return rest;
    }
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        *mantissa = mantissa
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit - b'0'));
        rest = after;
    }
    rest
}

/// The powers of ten by which fewer than eight digits move the mantissa.
const SCALES: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The number of eight digits, the first of which is in the lowest byte.
#[inline]
fn eight(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF
}

/// Reads the exponent after its `e`; what does not fit i64 saturates.
fn scan_exponent(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (negative, mut rest) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    let length = rest.len();
    let mut exponent = 0_i64;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        exponent = exponent
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'));
        rest = after;
    }
    (rest.len() < length).then_some((if negative { -exponent } else { exponent }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Option<f64> {
        let (decimal, rest) = scan(text.as_bytes()).expect("a number");
        assert!(rest.is_empty(), "{text}");
        // with and without something behind it, where eight bytes can be read at once
        let padded = format!("{text},        ");
        let (of_padded, after) = scan(padded.as_bytes()).expect("a number");
        assert_eq!(
            (after.len(), of_padded.exact()),
            (9, decimal.exact()),
            "{text}"
        );
        decimal.exact().or_else(|| of_text(text))
    }

    /// Bit for bit what the standard library and `serde_json` with `float_roundtrip` read.
    fn check(text: &str) {
        let value = value(text);
        let std: f64 = text.parse().unwrap();
        let expected = std.is_finite().then_some(std);
        assert_eq!(
            value.map(f64::to_bits),
            expected.map(f64::to_bits),
            "{text}"
        );
        let serde: Option<f64> = serde_json::from_str(text).ok();
        assert_eq!(value.map(f64::to_bits), serde.map(f64::to_bits), "{text}");
    }

    #[test]
    fn numbers_that_are_hard_to_round_are_rounded_correctly() {
        for text in [
            "0",
            "-0",
            "0.0",
            "0e5",
            "12.081",
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "9007199254740993.0",
            "-9007199254740995e0",
            "9007199254740992e22",
            "9007199254740993e-22",
            "1e22",
            "1e23",
            "8.5e-23",
            "5e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "2.2250738585072011e-308",
            "2.2250738585072014e-308",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "1e400",
            "-1e400",
            "1e-400",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999999999999999999",
            "0.000000000000000000000000000000000000001",
            "1.00000000000000011102230246251565404236316680908203125",
            "1.00000000000000011102230246251565404236316680908203124",
        ] {
            check(text);
        }
        check(&format!("0.{}1e500", "0".repeat(499)));
        check(&format!("1{}e-500", "0".repeat(500)));
    }

    #[test]
    fn only_the_grammar_of_json_is_a_number() {
        for text in [
            "", "-", "+1", ".5", "-.5", "1.", "1.e5", "1e", "1e+", "NaN", "Infinity", "-a",
        ] {
            assert!(scan(text.as_bytes()).is_none(), "{text}");
            // where eight bytes can be read at once
            let padded = format!("{text},        ");
            assert!(scan(padded.as_bytes()).is_none(), "{padded}");
        }
        for (text, left) in [
            ("01", 1),
            ("-00", 1),
            ("0x10", 3),
            ("1.5.5", 2),
            ("1e5e", 1),
            ("1_0", 2),
        ] {
            assert_eq!(scan(text.as_bytes()).unwrap().1.len(), left, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_f64_comes_back_from_its_shortest_text(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            for text in [format!("{number:?}"), format!("{number:e}"), format!("{number:.17e}")] {
                let text = text.strip_suffix(".0").unwrap_or(&text);
                prop_assert_eq!(value(text).map(f64::to_bits), Some(bits));
                check(text);
            }
        }

        #[test]
        fn every_text_of_the_grammar_is_rounded_like_the_standard_library(
            text in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?"
        ) {
            check(&text);
        }

        #[test]
        fn every_text_near_two_to_the_53_is_rounded_like_the_standard_library(
            mantissa in (1_u64 << 53) - 50..(1 << 53) + 50,
            exponent in -26_i32..26,
        ) {
            check(&format!("{mantissa}e{exponent}"));
        }
    }
}
