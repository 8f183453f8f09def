//! Points and lengths of time as plain integers, and how people write them.
//!
//! A [`Timestamp`] is milliseconds since 1970-01-01T00:00:00Z, the unit of Kafka; a [`Length`] is a
//! positive number of milliseconds with one canonical text (`90m` and `5400s` are both `90m`).
//! Windows and panes are cut at UTC multiples of their length:
//!
//! ```text
//! floor(t, w) <= t < floor(t, w) + w        floor(t, w) = w * k for a whole k, also before 1970
//! ```
//!
//! Nothing here reads a clock: see [`crate::clock`].

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Serialize};

/// Milliseconds in the units that people write.
const UNITS: [(&str, i64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(from = "i64")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// The earliest timestamp that can be written: 0000-01-01.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// The latest timestamp that can be written: the last millisecond of 9999 at any UTC offset.
    pub const MAX: Self = Self(253_402_207_200_000 - 1);

    /// From milliseconds since the epoch; values outside [`Self::MIN`]..=[`Self::MAX`] are clamped.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// From milliseconds since the epoch, or `None` outside [`Self::MIN`]..=[`Self::MAX`].
    pub fn checked_from_millis(millis: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0)
            .contains(&millis)
            .then_some(Self(millis))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, for metrics.
    pub fn as_seconds(self) -> f64 {
        seconds(self.0)
    }

    /// The largest multiple of `length` that is not after this point.
    #[must_use]
    pub fn floor(self, length: Length) -> Self {
        Self(self.0.div_euclid(length.0) * length.0)
    }

    /// The length from `earlier` to this point in milliseconds; negative when it lies after.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
}

impl From<i64> for Timestamp {
    fn from(millis: i64) -> Self {
        Self::from_millis(millis)
    }
}

impl Add<Length> for Timestamp {
    type Output = Self;
    fn add(self, length: Length) -> Self {
        Self::from_millis(self.0.saturating_add(length.0))
    }
}

impl Sub<Length> for Timestamp {
    type Output = Self;
    fn sub(self, length: Length) -> Self {
        Self::from_millis(self.0.saturating_sub(length.0))
    }
}

/// RFC 3339 in UTC, with milliseconds only where they are not zero.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(instant) = jiff::Timestamp::from_millisecond(self.0) else {
            return write!(f, "{} ms", self.0);
        };
        let mut text = String::new();
        DateTimePrinter::new()
            .print_timestamp(&instant, &mut text)
            .map_err(|_lost| fmt::Error)?;
        f.write_str(&text)
    }
}

/// Why a text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 time such as 2026-11-23T10:15:00Z")]
pub struct TimestampError(String);

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .and_then(|instant| Self::checked_from_millis(instant.as_millisecond()))
            .ok_or_else(|| TimestampError(text.to_owned()))
    }
}

/// A length of time: a positive whole number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Length(i64);

impl Length {
    /// One millisecond, the shortest.
    pub const MILLISECOND: Self = Self(1);
    /// One second.
    pub const SECOND: Self = Self(1_000);
    /// One minute.
    pub const MINUTE: Self = Self(60_000);
    /// One hour.
    pub const HOUR: Self = Self(3_600_000);
    /// One day.
    pub const DAY: Self = Self(86_400_000);

    /// From milliseconds; `None` unless positive and at most ten thousand years.
    pub const fn from_millis(millis: i64) -> Option<Self> {
        if millis > 0 && millis < 315_576_000_000_000 {
            Some(Self(millis))
        } else {
            None
        }
    }

    /// This length in milliseconds, always positive.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This length in seconds, for metrics.
    pub fn as_seconds(self) -> f64 {
        seconds(self.0)
    }

    /// This length as a [`std::time::Duration`].
    pub fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.unsigned_abs())
    }

    /// `n` times this length, saturating; `n` of 0 counts as 1, for a length is never empty.
    #[must_use]
    pub const fn times(self, n: u32) -> Self {
        Self(self.0.saturating_mul(if n == 0 { 1 } else { n as i64 }))
    }

    /// This length divided by `n`, or `None` where that is not a whole number of milliseconds.
    pub fn divided_by(self, n: u32) -> Option<Self> {
        let n = i64::from(n);
        (n > 0 && self.0 % n == 0).then_some(())?;
        Self::from_millis(self.0 / n)
    }

    /// Whether this length is a whole multiple of `part`.
    pub const fn is_multiple_of(self, part: Self) -> bool {
        self.0 % part.0 == 0
    }

    /// The longest length of which both this one and `other` are whole multiples.
    #[must_use]
    pub fn common_part(self, other: Self) -> Self {
        let (mut a, mut b) = (self.0, other.0);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self(a)
    }
}

/// The canonical text: the largest unit that divides the length (`24h` is the exception for a day,
/// since that is how people name the window).
impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Self::DAY.0 {
            return f.write_str("24h");
        }
        let (unit, millis) = UNITS
            .iter()
            .find(|(_, millis)| self.0 % millis == 0)
            .unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", self.0 / millis)
    }
}

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time such as 30s, 5m, 6h or 7d")]
pub struct LengthError(String);

impl TryFrom<i64> for Length {
    type Error = LengthError;
    fn try_from(millis: i64) -> Result<Self, LengthError> {
        Self::from_millis(millis).ok_or_else(|| LengthError(format!("{millis}ms")))
    }
}

impl FromStr for Length {
    type Err = LengthError;
    fn from_str(text: &str) -> Result<Self, LengthError> {
        let fail = || LengthError(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(fail)?;
        let (_, millis) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(fail)?;
        let number: i64 = number.parse().map_err(|_not_a_number| fail())?;
        number
            .checked_mul(*millis)
            .and_then(Self::from_millis)
            .ok_or_else(fail)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact for 285,000 years around 1970"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_is_the_multiple_at_or_before_also_before_1970() {
        let hour = Length::HOUR;
        for (millis, floor) in [(0, 0), (1, 0), (3_599_999, 0), (3_600_000, 3_600_000)] {
            assert_eq!(
                Timestamp::from_millis(millis).floor(hour).as_millis(),
                floor
            );
        }
        assert_eq!(
            Timestamp::from_millis(-1).floor(hour).as_millis(),
            -3_600_000
        );
    }

    #[test]
    fn every_length_has_one_text_that_reads_back() {
        for (text, canonical) in [
            ("60m", "1h"),
            ("24h", "24h"),
            ("1d", "24h"),
            ("7d", "7d"),
            ("90m", "90m"),
            ("1500ms", "1500ms"),
        ] {
            let length: Length = text.parse().unwrap();
            assert_eq!(length.to_string(), canonical);
            assert_eq!(canonical.parse::<Length>().unwrap(), length);
        }
        for text in ["", "h", "0h", "-1h", "1", "1w", "99999999999d", "1 h"] {
            assert!(text.parse::<Length>().is_err(), "{text}");
        }
    }

    #[test]
    fn timestamps_are_written_as_rfc_3339_in_utc() {
        let at: Timestamp = "2026-11-23T11:15:00.120+01:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-11-23T10:15:00.12Z");
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00Z");
        assert!("2026-11-23".parse::<Timestamp>().is_err());
        for edge in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(edge.to_string().parse::<Timestamp>().unwrap(), edge);
        }
    }
}
