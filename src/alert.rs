//! Alerts: which differences are worth a page, charged to a budget of false ones.
//!
//! ```text
//! window --counts--> compared with what is expected --rule--> judged --episode--> firing, resolved
//!                         baseline: the reference,             p <= alpha from the budget,
//!                         or the hours like these of it        and large enough to matter
//! ```
//!
//! The operator says how many false pages a month a model may cost. Every test of every series and
//! window is charged to that ([`budget`]), so that with `E` evaluations at level `alpha` each
//!
//! ```text
//! E [false alarms a month] <= E alpha = false_alarms_per_month
//! ```
//!
//! whatever depends on what. The p-value knows two reasons to differ: sampling, and how much the
//! series moves by itself, learned from the hours of the reference ([`learn`]) or from the first
//! days of live traffic (always from those in windows shorter than an hour, see `shorts`); see
//! `tail` in [`crate::stats`]. A difference that is certain and too small to matter does not fire.
//!
//! - [`counts`], [`baseline`] and [`compare`]: a window of a series against what is expected of it.
//! - [`hourly`]: the rows of a window, also by the hour.
//! - [`learn`]: what is natural, from blocks of a healthy period.
//! - [`budget`] and [`rule`]: from a statistic to a verdict; [`judge`]: of a whole window.
//! - `presence`: keys that rows lack, fields that nobody knew; `volume`: rows that stay away;
//!   [`schema`]: a version with other fields.
//! - [`episode`]: from verdicts to alerts; [`sentence`]: what they tell people.
//! - [`mutes`]: which of them are not to page for a while.
//! - [`desk`]: all of it for all model versions, as the fold goes on.

pub mod baseline;
pub mod budget;
pub mod compare;
pub mod counts;
pub mod desk;
pub mod episode;
mod finding;
pub mod hourly;
pub mod judge;
pub mod learn;
mod lessons;
pub mod mutes;
mod nature;
mod presence;
pub mod rule;
pub mod schema;
mod screen;
pub mod sentence;
pub mod settings;
mod shorts;
mod taught;
mod tick;
mod volume;
mod watch;

pub use self::watch::is_whole;

#[cfg(test)]
pub(crate) mod scene;
#[cfg(test)]
pub(crate) mod support;

use serde::{Deserialize, Serialize};

use crate::reference::natural::Part;

/// What is tested of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Numbers went up or down.
    Location,
    /// Numbers are spread otherwise.
    Shape,
    /// Categories come in other shares.
    Dist,
    /// Values are missing more or less often.
    Missing,
    /// Values are of another type more or less often.
    Invalid,
    /// Categories that the reference never saw.
    Novelty,
    /// Numbers outside of the reference's range.
    Range,
    /// Rows without one of the keys that carry series.
    Absent,
    /// Fields that the reference does not know.
    Appeared,
    /// Fewer rows of the model than at this time of other days.
    Volume,
    /// A version with other fields than the one before: a fact, and no test.
    Schema,
}

impl Test {
    /// All tests, in the order in which they are listed.
    pub const ALL: [Self; 11] = [
        Self::Location,
        Self::Shape,
        Self::Dist,
        Self::Missing,
        Self::Invalid,
        Self::Novelty,
        Self::Range,
        Self::Absent,
        Self::Appeared,
        Self::Volume,
        Self::Schema,
    ];

    /// The name used in metrics, the journal and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::Shape => "shape",
            Self::Dist => "dist",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Novelty => "novelty",
            Self::Range => "range",
            Self::Absent => "absent",
            Self::Appeared => "appeared",
            Self::Volume => "volume",
            Self::Schema => "schema",
        }
    }

    /// What natural variation of a series is learned as; none of a test that is not of a series of
    /// the reference.
    pub const fn part(self) -> Option<Part> {
        match self {
            Self::Location | Self::Dist => Some(Part::Main),
            Self::Shape => Some(Part::Shape),
            Self::Missing => Some(Part::Missing),
            Self::Invalid => Some(Part::Invalid),
            Self::Novelty | Self::Range => Some(Part::Novelty),
            Self::Absent | Self::Appeared | Self::Volume | Self::Schema => None,
        }
    }
}

/// How bad it is. Only the last two page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look today.
    Warning,
    /// Worth a look now.
    Critical,
}

impl Severity {
    /// The name used in metrics, the journal and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// That of a collapse by its size, see `volume`: a tenth of the rows is critical.
    fn of_collapse(size: f64) -> Self {
        if size >= volume::CRITICAL {
            Self::Critical
        } else {
            Self::Warning
        }
    }

    /// That of an effect in units of PSI: the folk thresholds 0.1 and 0.25, which are shifts of 0.3
    /// and of half a standard deviation.
    pub fn of_psi(psi: f64) -> Self {
        if psi >= 0.25 {
            Self::Critical
        } else if psi >= 0.1 {
            Self::Warning
        } else {
            Self::Info
        }
    }
}
