//! What the hours of a healthy period teach: how much each series moves by itself, and when.
//!
//! A window of real traffic differs from its reference by more than sampling: nights differ from
//! days, a campaign from none. [`Natural`] holds by how much, for each window length, series and
//! kind of test, as two numbers (see the module `dispersion` of [`crate::stats`]), and what each
//! hour of the day looks like ([`Profile`]), so that a night is compared with nights:
//!
//! ```text
//! window 24h, series amount, location   tau 0.0012, tail 13.1
//! profile, weekday 03h                  10 blocks of amount: 12 9 31 .. in its test bins
//! ```
//!
//! It is learned where a reference is brought in, and travels with the reference through the state
//! log, so that every replica judges with the same numbers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::BlockCells;
use super::narrow::Narrow;
use crate::key::Carrier;
use crate::layout::Layout;
use crate::time::{Length, Timestamp};

/// The kinds of tests of a series that natural variation is learned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The location of numbers, the distribution of categories.
    Main,
    /// The shape of numbers.
    Shape,
    /// The share of missing values.
    Missing,
    /// The share of invalid values.
    Invalid,
    /// The share of values never seen before.
    Novelty,
}

impl Part {
    /// All parts, in the order of their places.
    pub const ALL: [Self; 5] = [
        Self::Main,
        Self::Shape,
        Self::Missing,
        Self::Invalid,
        Self::Novelty,
    ];
}

/// How much one test of one series moves by itself between windows of one length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    /// `tau >= 0`, per degree of freedom and row.
    pub tau: f64,
    /// `K`, the degrees of freedom of its Student tail, above 0.
    pub tail_df: f64,
}

/// What is known of a series, by [`Part`]; `None` where there was too little to learn from.
pub type SeriesNatural = [Option<Dispersion>; Part::ALL.len()];

/// What is known of carriers, in the order of [`Carrier::ALL`].
pub type CarriersNatural = [Option<Dispersion>; Carrier::ALL.len()];

/// What is known of windows of one length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowNatural {
    /// The length of the windows.
    pub length: Length,
    /// The length of the blocks that taught it: shorter where there were too few of the window's.
    pub block: Length,
    /// By series, in the order of the layout.
    pub series: Vec<SeriesNatural>,
    /// Of the share of rows that carry each [`Carrier`].
    pub carriers: CarriersNatural,
}

/// All that hours taught.
#[derive(Debug, Clone, PartialEq)]
pub struct Natural {
    /// By ascending length.
    pub windows: Vec<WindowNatural>,
    /// The hours of the day, where there were enough days.
    pub profile: Option<Arc<Profile>>,
}

/// Which hours are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Buckets {
    /// The hours of the day, 24 buckets.
    HourOfDay,
    /// The hours of working days and of weekends, 48 buckets.
    HourOfDayWeekend,
}

impl Buckets {
    /// How many buckets there are.
    pub const fn count(self) -> usize {
        match self {
            Self::HourOfDay => 24,
            Self::HourOfDayWeekend => 48,
        }
    }

    /// The name used in the configuration and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HourOfDay => "hour_of_day",
            Self::HourOfDayWeekend => "hour_of_day_weekend",
        }
    }
}

/// By how much local time is ahead of UTC, from when on; the first from the beginning of time.
///
/// Kept instead of the name of a time zone, so that no replica's own tables decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offsets(Vec<(Timestamp, i32)>);

/// The largest offset of local time that is believed: 26 hours, in minutes.
const OFFSET_MINUTES_MAX: i32 = 26 * 60;

/// The most changes of an offset: two a year for two centuries.
pub const OFFSETS_MAX: usize = 400;

impl Offsets {
    /// UTC.
    pub fn utc() -> Self {
        Self(vec![(Timestamp::MIN, 0)])
    }

    /// Offsets in minutes from ascending points of time on; `None` where they do not ascend, are
    /// too many or too large.
    pub fn new(offsets: Vec<(Timestamp, i32)>) -> Option<Self> {
        let ascend = offsets.is_sorted_by(|a, b| a.0 < b.0);
        let small = offsets
            .iter()
            .all(|(_, minutes)| minutes.abs() <= OFFSET_MINUTES_MAX);
        let some = (1..=OFFSETS_MAX).contains(&offsets.len());
        (ascend && small && some).then_some(Self(offsets))
    }

    /// The points of time and the offsets in minutes from there on.
    pub fn as_slice(&self) -> &[(Timestamp, i32)] {
        &self.0
    }

    /// Milliseconds that local time is ahead of UTC at this time.
    fn millis_at(&self, at: Timestamp) -> i64 {
        let after = self.0.partition_point(|(from, _)| *from <= at);
        let place = after.saturating_sub(1);
        self.0
            .get(place)
            .map_or(0, |(_, minutes)| i64::from(*minutes) * 60_000)
    }
}

/// What the hours of the day look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Which hours are alike.
    pub buckets: Buckets,
    /// Local time.
    pub offsets: Offsets,
    /// The hours that were counted in each bucket.
    pub hours: Vec<u32>,
    /// The counts of each bucket, in the cells of [`BlockCells`].
    pub counts: Vec<Narrow>,
    /// Of each series, how much more buckets differ than samples do, of values and of missing
    /// ones: 0 where they do not, and then all hours are as one.
    pub spread: Vec<[f64; 2]>,
}

const HOUR_MS: i64 = Length::HOUR.as_millis();

/// Days since a Monday are since 1969-12-29, three days before the epoch.
const EPOCH_WEEKDAY: i64 = 3;

impl Profile {
    /// The bucket of an hour of event time.
    pub fn bucket_of(&self, at: Timestamp) -> usize {
        bucket_of(self.buckets, &self.offsets, at)
    }
}

/// The bucket of the hour that `at` lies in.
pub fn bucket_of(buckets: Buckets, offsets: &Offsets, at: Timestamp) -> usize {
    let local = at.as_millis() + offsets.millis_at(at);
    let hours = local.div_euclid(HOUR_MS);
    let hour = usize::try_from(hours.rem_euclid(24)).unwrap_or(0);
    let weekday = (hours.div_euclid(24) + EPOCH_WEEKDAY).rem_euclid(7);
    match buckets {
        Buckets::HourOfDay => hour,
        Buckets::HourOfDayWeekend => hour + if weekday >= 5 { 24 } else { 0 },
    }
}

impl Natural {
    /// What is known of windows of this length.
    pub fn window(&self, length: Length) -> Option<&WindowNatural> {
        self.windows.iter().find(|window| window.length == length)
    }

    /// Whether its parts are those of this layout, and its numbers are such as can be learned.
    pub fn fits(&self, layout: &Layout) -> bool {
        let series = layout.series().len();
        let is_number = |x: f64| x.is_finite() && x >= 0.0;
        let learned = |one: &Option<Dispersion>| {
            one.is_none_or(|one| is_number(one.tau) && is_number(one.tail_df) && one.tail_df > 0.0)
        };
        let windows = self.windows.is_sorted_by(|a, b| a.length < b.length)
            && self.windows.iter().all(|window| {
                let mut all = window.series.iter().flatten().chain(&window.carriers);
                window.series.len() == series && all.all(learned)
            });
        let profile = self.profile.as_ref().is_none_or(|profile| {
            let (count, cells) = (profile.buckets.count(), BlockCells::new(layout).cells());
            profile.hours.len() == count
                && profile.counts.len() == count
                && profile.counts.iter().all(|counts| counts.len() == cells)
                && profile.spread.len() == series
                && profile.spread.iter().flatten().all(|x| is_number(*x))
        });
        windows && profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_those_of_local_time_and_weekends_are_saturday_and_sunday() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // New York: standard time, from March 10 on daylight-saving time
        let change = at("2013-03-10T07:00:00Z");
        let new_york = Offsets::new(vec![(Timestamp::MIN, -300), (change, -240)]).unwrap();
        let both = Buckets::HourOfDayWeekend;
        for (text, offsets, bucket) in [
            ("1970-01-01T00:30:00Z", Offsets::utc(), 0), // a Thursday
            ("2013-03-08T23:59:59Z", Offsets::utc(), 23), // a Friday
            ("2013-03-09T00:00:00Z", Offsets::utc(), 24), // a Saturday
            ("2013-03-10T23:00:00Z", Offsets::utc(), 47), // a Sunday
            ("2013-03-11T04:30:00Z", Offsets::utc(), 4), // a Monday
            ("2013-03-09T04:30:00Z", new_york.clone(), 23), // Friday there
            ("2013-03-10T06:59:00Z", new_york.clone(), 25),
            ("2013-03-10T07:00:00Z", new_york.clone(), 27), // there is no 02h
            ("2013-03-11T04:30:00Z", new_york, 0),
        ] {
            assert_eq!(bucket_of(both, &offsets, at(text)), bucket, "{text}");
            assert_eq!(
                bucket_of(Buckets::HourOfDay, &offsets, at(text)),
                bucket % 24,
                "{text}"
            );
        }
    }

    #[test]
    fn offsets_ascend_and_are_such_as_places_have() {
        let at = Timestamp::from_millis;
        assert!(Offsets::new(vec![]).is_none());
        assert!(Offsets::new(vec![(at(5), 0), (at(5), 60)]).is_none());
        assert!(Offsets::new(vec![(at(5), 2_000)]).is_none());
        assert!(Offsets::new(vec![(at(5), 0), (at(6), -60)]).is_some());
    }
}
