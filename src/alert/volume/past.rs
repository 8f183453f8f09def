//! What is usual at the hours of a window: the same hours of earlier days.

use libm::log;

use crate::alert::Test;
use crate::alert::compare::Compared;
use crate::alert::learn::{block_of, taught_by};
use crate::reference::BLOCK;
use crate::reference::natural::{Buckets, Dispersion, Offsets, bucket_of};
use crate::stats::ChiSquared;
use crate::time::{Length, Timestamp};

/// The smallest share of the usual rows that sizes tell apart.
const SHARE_MIN: f64 = 1e-3;

/// Where fewer rows are usual nothing is judged.
pub(super) const ROWS_USUAL_MIN: f64 = 5.0;

/// Earlier days without which nothing is known.
const DAYS_MIN: i64 = 8;

/// Earlier days from which on weekends are taken apart.
const DAYS_OF_KINDS: i64 = 14;

/// The most earlier days: those of which rows are kept.
pub(super) const DAYS_MAX: i64 = 27;

const HOURS_OF_DAY: i64 = 24;

/// The whole hours in a length.
pub(super) fn hours_of(length: Length) -> i64 {
    length.as_millis() / BLOCK.as_millis()
}

/// The time so many days before.
pub(super) fn days_before(at: Timestamp, days: i64) -> Timestamp {
    back(at, days * HOURS_OF_DAY)
}

fn back(at: Timestamp, hours: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - hours * BLOCK.as_millis())
}

/// The rows of a stretch of hours, and when rows began.
pub(super) struct Hourly {
    /// The first hour that ever had rows, as far as is remembered.
    first: Option<Timestamp>,
    /// The first hour of `rows`.
    from: Timestamp,
    rows: Vec<u64>,
}

impl Hourly {
    /// Those of `counted` that windows look at which end from `from` to `to`.
    pub(super) fn new<'a>(
        counted: impl Iterator<Item = (&'a Timestamp, &'a u64)>,
        (from, to): (Timestamp, Timestamp),
    ) -> Self {
        // the earliest window of the earliest day
        let from = days_before(from, DAYS_MAX + 1).floor(BLOCK);
        let hours = to.millis_since(from) / BLOCK.as_millis();
        let mut hourly = Self {
            first: None,
            from,
            rows: vec![0; usize::try_from(hours).unwrap_or(0)],
        };
        for (hour, rows) in counted {
            hourly.first = Some(hourly.first.map_or(*hour, |first| first.min(*hour)));
            if let Some(sum) = hourly.place(*hour).and_then(|at| hourly.rows.get_mut(at)) {
                *sum += rows;
            }
        }
        hourly
    }

    fn place(&self, hour: Timestamp) -> Option<usize> {
        usize::try_from(hour.millis_since(self.from).div_euclid(BLOCK.as_millis())).ok()
    }

    fn at(&self, hour: Timestamp) -> u64 {
        let rows = self.place(hour).and_then(|at| self.rows.get(at));
        rows.copied().unwrap_or(0)
    }
}

/// A window and the same hours of earlier days.
pub(super) struct Past<'a> {
    rows: &'a Hourly,
    end: Timestamp,
    hours: i64,
    days: i64,
    kinds: Buckets,
    /// Local time.
    offsets: &'a Offsets,
    /// By bucket: the rows of the earlier days' hours, and how many hours these are.
    buckets: Vec<(u64, u32)>,
}

/// A window's rows, and what is usual at its hours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// `n`.
    pub(super) rows: u64,
    /// `lambda`.
    pub(super) usual: f64,
    /// The uncertainty of that, at least 1.
    pub(super) kappa: f64,
}

impl<'a> Past<'a> {
    /// What came before the window that ends at `end`; `None` where that is too little.
    pub(super) fn new(
        rows: &'a Hourly,
        end: Timestamp,
        length: Length,
        offsets: &'a Offsets,
    ) -> Option<Self> {
        let hours = hours_of(length);
        // rows may have begun within their first hour
        let first = rows.first? + BLOCK;
        let behind = back(end, hours).millis_since(first) / Length::DAY.as_millis();
        let days = behind.min(DAYS_MAX);
        let mut past = Self {
            rows,
            end,
            hours,
            days,
            kinds: if days >= DAYS_OF_KINDS {
                Buckets::HourOfDayWeekend
            } else {
                Buckets::HourOfDay
            },
            offsets,
            buckets: vec![(0, 0); Buckets::HourOfDayWeekend.count()],
        };
        if days < DAYS_MIN {
            return None;
        }
        for day in 1..=days {
            for hour in past.hours_of(day) {
                let bucket = past.bucket(hour);
                if let Some((sum, count)) = past.buckets.get_mut(bucket) {
                    *sum += rows.at(hour);
                    *count += 1;
                }
            }
        }
        Some(past)
    }

    /// The hours of the window so many days ago.
    fn hours_of(&self, day: i64) -> impl Iterator<Item = Timestamp> + use<> {
        let end = days_before(self.end, day);
        (1..=self.hours).map(move |hour| back(end, hour))
    }

    fn bucket(&self, hour: Timestamp) -> usize {
        bucket_of(self.kinds, self.offsets, hour)
    }

    /// The window so many days ago, against all earlier days but its own.
    pub(super) fn window(&self, day: i64) -> Window {
        let mut window = Window {
            rows: 0,
            usual: 0.0,
            kappa: 1.0,
        };
        for hour in self.hours_of(day) {
            let own = self.rows.at(hour);
            window.rows += own;
            let bucket = self.buckets.get(self.bucket(hour));
            let (mut sum, mut count) = bucket.copied().unwrap_or_default();
            if day > 0 {
                (sum, count) = (sum.saturating_sub(own), count.saturating_sub(1));
            }
            let count = f64::from(count.max(1));
            window.usual += real(sum) / count;
            window.kappa += 1.0 / count / real_hours(self.hours);
        }
        window
    }

    /// Whether there is no row in all that is remembered.
    pub(super) fn is_empty(&self) -> bool {
        (1..=DAYS_MAX * HOURS_OF_DAY).all(|hours| self.rows.at(back(self.end, hours)) == 0)
    }

    /// How much such windows move by themselves.
    pub(super) fn learn(&self) -> Option<Dispersion> {
        let blocks = (1..=self.days).rev().map(|day| {
            let window = self.window(day);
            block_of(-day, &window.compared(window.statistic()))
        });
        taught_by(&blocks.collect::<Vec<_>>())
    }
}

impl Window {
    /// `T`, whichever way the rows went.
    fn statistic(self) -> f64 {
        let rows = real(self.rows);
        let likely = if self.rows == 0 || self.usual <= 0.0 {
            0.0
        } else {
            rows * log(rows / self.usual)
        };
        (2.0 * (likely - (rows - self.usual))).max(0.0)
    }

    /// `T`, of too few rows only.
    pub(super) fn collapse(self) -> f64 {
        if real(self.rows) < self.usual {
            self.statistic()
        } else {
            0.0
        }
    }

    pub(super) fn size(self) -> f64 {
        let share = (real(self.rows) / self.usual).clamp(SHARE_MIN, 1.0);
        (1.0 - share) * -log(share)
    }

    pub(super) fn compared(self, statistic: f64) -> Compared {
        Compared {
            test: Test::Volume,
            statistic: ChiSquared {
                value: statistic,
                df: 1,
            },
            harmonic_rows: self.usual,
            kappa: self.kappa,
            // a window is judged by what is usual, however few rows it has
            rows: whole(self.usual),
            p_least: 0.0,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of counts"
)]
fn whole(rows: f64) -> u64 {
    rows as u64
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn real(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "at most a day")]
fn real_hours(hours: i64) -> f64 {
    hours as f64
}
