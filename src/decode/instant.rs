//! When an event says that it happened: RFC 3339 texts and numbers since the epoch, both exact.
//!
//! What is finer than a millisecond is cut off toward the past, so that an event never moves into a
//! window that begins after it: `10:15:00.9999Z` is `.999`, and -0.5 ms is -1 ms.
//!
//! Texts are RFC 3339 with an offset, whatever the number of fraction digits. Three spellings
//! of ISO 8601 that common tools write are taken too: a space for the `T`, and `+0000` or `+00` for
//! `+00:00`. The leap second `:60` is the second before it, as in all clocks that know no leap
//! seconds. Numbers are decimals with any exponent (Java writes `1.763892900123E9`), shifted by the
//! digits of their unit without going through f64, in which `1763892900.123` s would be .122 s.

use std::fmt;
use std::str::FromStr;

use crate::time::Timestamp;

/// The unit of an event time that is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampUnit {
    /// Seconds since the epoch.
    Seconds,
    /// Milliseconds since the epoch, the unit of Kafka.
    #[default]
    Millis,
    /// Microseconds since the epoch.
    Micros,
    /// Nanoseconds since the epoch.
    Nanos,
}

impl TimestampUnit {
    /// All units, from the longest.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Millis, Self::Micros, Self::Nanos];

    /// The name used in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Millis => "ms",
            Self::Micros => "us",
            Self::Nanos => "ns",
        }
    }

    /// How many digits the point moves to the right to give milliseconds.
    const fn shift(self) -> i64 {
        match self {
            Self::Seconds => 3,
            Self::Millis => 0,
            Self::Micros => -3,
            Self::Nanos => -6,
        }
    }
}

impl fmt::Display for TimestampUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not a [`TimestampUnit`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a unit of time: use s, ms, us or ns")]
pub struct TimestampUnitError(String);

impl FromStr for TimestampUnit {
    type Err = TimestampUnitError;
    fn from_str(text: &str) -> Result<Self, TimestampUnitError> {
        let unit = Self::ALL.into_iter().find(|unit| unit.as_str() == text);
        unit.ok_or_else(|| TimestampUnitError(text.to_owned()))
    }
}

/// The time that an RFC 3339 text names, see the module header.
pub(super) fn of_text(text: &str) -> Option<Timestamp> {
    let (clock, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let [
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        separator,
        clock @ ..,
    ] = clock
    else {
        return None;
    };
    let [h0, h1, b':', n0, n1, b':', s0, s1] = clock else {
        return None;
    };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let year = two(*y0, *y1)? * 100 + two(*y2, *y3)?;
    let day = days_since_epoch(year, two(*m0, *m1)?, two(*d0, *d1)?)?;
    let (hour, minute, second) = (two(*h0, *h1)?, two(*n0, *n1)?, two(*s0, *s1)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (millis, rest) = fraction(rest)?;
    let offset = offset_minutes(rest)?;
    let minutes = (day * 24 + hour) * 60 + minute - offset;
    Timestamp::checked_from_millis((minutes * 60 + second.min(59)) * 1_000 + millis)
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens * 10 + ones))
}

/// The milliseconds of a fraction, if there is one, and what stands after it.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', digits @ ..] = bytes else {
        return Some((0, bytes));
    };
    let (mut rest, mut millis, mut unit) = (digits, 0, 100);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        millis += i64::from(digit - b'0') * unit;
        unit /= 10;
        rest = after;
    }
    (rest.len() < digits.len()).then_some((millis, rest))
}

/// The minutes that local time is ahead of UTC.
fn offset_minutes(bytes: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *bytes {
        [b'Z' | b'z'] => return Some(0),
        [sign, h0, h1, b':', m0, m1] | [sign, h0, h1, m0, m1] => (sign, two(h0, h1)?, two(m0, m1)?),
        [sign, h0, h1] => (sign, two(h0, h1)?, 0),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    match sign {
        b'+' => Some(hours * 60 + minutes),
        b'-' => Some(-(hours * 60 + minutes)),
        _ => None,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; `None` for a day that does not exist.
///
/// Years are counted from March, so that the leap day is the last day of a year and the days before
/// month `m` are `(153 m + 2) / 5` (Hinnant 2013, "chrono-compatible low-level date algorithms").
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// The time that a JSON number since the epoch names, see the module header. `None` beyond the
/// years 0 to 9999, and where the exponent does not fit i64.
pub(super) fn of_number(text: &str, unit: TimestampUnit) -> Option<Timestamp> {
    let (negative, text) = text
        .strip_prefix('-')
        .map_or((false, text), |text| (true, text));
    let (decimal, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let exponent: i64 = exponent.parse().ok()?;
    let point = i64::try_from(whole.len())
        .ok()?
        .checked_add(exponent)?
        .checked_add(unit.shift())?;

    let (mut millis, mut finer, mut at) = (0_i64, false, 0_i64);
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        if at < point {
            millis = millis.checked_mul(10)?.checked_add(digit)?;
        } else {
            finer |= digit != 0;
        }
        at += 1;
    }
    // the zeros that the exponent adds; overflow ends this after 19 of them
    while at < point && millis != 0 {
        millis = millis.checked_mul(10)?;
        at += 1;
    }
    Timestamp::checked_from_millis(if negative {
        -millis - i64::from(finer)
    } else {
        millis
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By jiff, cut off toward the past.
    fn by_jiff(text: &str) -> Option<i64> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(instant.as_nanosecond().div_euclid(1_000_000)).ok()
    }

    fn millis(text: &str) -> Option<i64> {
        of_text(text).map(Timestamp::as_millis)
    }

    #[test]
    fn texts_of_rfc_3339_are_read_to_the_millisecond() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01 00:00:00+00:00", 0),
            ("1970-01-01T00:00:00-00:00", 0),
            ("1970-01-01T01:00:00+01", 0),
            ("1970-01-01T05:30:00+0530", 0),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("1970-01-01T00:00:00.0019999999999999999999Z", 1),
            ("2013-03-01T10:15:00Z", 1_362_132_900_000),
            ("2026-11-23T11:15:00.120+01:00", 1_795_428_900_120),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("0000-01-01T00:00:00Z", Timestamp::MIN.as_millis()),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("2016-12-31T23:59:60.25Z", 1_483_228_799_250),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_time() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T10:15:00",
            "2026-11-23T10:15Z",
            "20261123T101500Z",
            "2026-11-23T10:15:00.Z",
            "2026-11-23T10:15:00,5Z",
            "2026-11-23T10:15:00 Z",
            "2026-11-23T10:15:00Z ",
            "2026-11-23T10:15:00+24:00",
            "2026-11-23T10:15:00+01:60",
            "2026-11-23T10:15:00+1:00",
            "2026-11-23T10:15:00+01:00[Europe/Berlin]",
            "2026-11-23T24:00:00Z",
            "2026-11-23T10:60:00Z",
            "2026-11-23T10:15:61Z",
            "2026-11-31T10:15:00Z",
            "2025-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "0000-01-01T00:00:00+01:00",
            "-0001-01-01T00:00:00Z",
            "1763892900",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_shifted_by_their_unit_without_rounding() {
        use TimestampUnit::{Micros, Millis, Nanos, Seconds};
        for (text, unit, expected) in [
            ("0", Seconds, Some(0)),
            ("-0.0", Millis, Some(0)),
            ("1763892900.123", Seconds, Some(1_763_892_900_123)),
            ("1763892900.1239", Seconds, Some(1_763_892_900_123)),
            ("-0.0001", Seconds, Some(-1)),
            ("1.763892900123E9", Seconds, Some(1_763_892_900_123)),
            ("1763892900123", Millis, Some(1_763_892_900_123)),
            ("1763892900123456", Micros, Some(1_763_892_900_123)),
            ("1763892900123456789", Nanos, Some(1_763_892_900_123)),
            ("-1763892900123456789", Nanos, Some(-1_763_892_900_124)),
            (
                "17638929001234567890000000000e-10",
                Nanos,
                Some(1_763_892_900_123),
            ),
            ("1e5", Millis, Some(100_000)),
            ("1e-5", Millis, Some(0)),
            ("-1e-5", Millis, Some(-1)),
            ("0e99999", Millis, Some(0)),
            ("1e400", Seconds, None),
            ("1e15", Millis, None),
            ("1e99999999999999999999", Millis, None),
            ("1763892900123", Seconds, None),
        ] {
            let read = of_number(text, unit).map(Timestamp::as_millis);
            assert_eq!(read, expected, "{text} {unit}");
        }
    }

    #[test]
    fn every_unit_reads_back_from_its_name() {
        for unit in TimestampUnit::ALL {
            assert_eq!(unit.to_string().parse(), Ok(unit));
        }
        assert!("min".parse::<TimestampUnit>().is_err());
    }

    proptest! {
        #[test]
        fn texts_of_the_shape_are_read_as_jiff_reads_them(
            text in "(00|19|20|99)[0-9]{2}-[01][0-9]-[0-3][0-9]\
                     [Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\
                     (\\.[0-9]{1,9})?([Zz]|[-+][01][0-9]:[0-5][0-9]|[-+][01][0-9]([0-5][0-9])?)"
        ) {
            prop_assert_eq!(millis(&text), by_jiff(&text));
        }

        #[test]
        fn what_is_read_from_any_text_is_what_jiff_reads(
            text in "[0-9]{3,5}-?[0-9]{1,2}-?[0-9]{1,2}[Tt ]?[0-9]{2}:?[0-9]{2}:?[0-9]{0,2}\
                     [.,]?[0-9]{0,9}[-+Zz ]?[0-9:]{0,6}"
        ) {
            if let Some(read) = millis(&text) {
                prop_assert_eq!(Some(read), by_jiff(&text));
            }
        }

        #[test]
        fn every_millisecond_comes_back(
            millis in Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis(),
        ) {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(of_text(&at.to_string()), Some(at));
            // what is finer is cut off toward the past, so it must not take a negative time further
            let (three, six) = if millis < 0 { ("000", "000000") } else { ("999", "999999") };
            for (text, unit) in [
                (format!("{millis}{three}"), TimestampUnit::Micros),
                (format!("{millis}{six}"), TimestampUnit::Nanos),
                (format!("{millis}e-3"), TimestampUnit::Seconds),
            ] {
                prop_assert_eq!(of_number(&text, unit), Some(at));
            }
        }
    }
}
