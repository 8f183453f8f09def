//! What the hours of a reference teach that came without what they teach: a baseline that was
//! accepted from panes.
//!
//! ```text
//! hours of eight days or more    say what is natural before anything else does
//! fewer                          say it where no eight days of live traffic do
//! ```

use std::sync::Arc;

use super::learn;
use crate::fold::hours::Hours;
use crate::reference::natural::Natural;
use crate::reference::{BLOCK, HourBlock, Reference};
use crate::statelog::record::Configuration;
use crate::time::Length;

/// Days of live traffic that teach what is natural, where the reference does not.
pub(super) const LIVE_DAYS: u32 = 8;

/// The hours of live traffic that teach: all, once they are of so many days, all with rows. A lone
/// row long before the others is no beginning.
pub(super) fn live_days(hours: &Hours) -> Option<Vec<HourBlock>> {
    let (from, to) = hours.span()?;
    let is_long = to.millis_since(from) >= Length::DAY.times(LIVE_DAYS).as_millis();
    let is_enough = is_long && hours.days() >= LIVE_DAYS as usize;
    is_enough.then(|| hours.range(from, to).collect())
}

/// What was learned from the hours of a reference, under which configuration.
#[derive(Debug, Clone)]
pub(super) struct Taught {
    reference: Arc<Reference>,
    config: Arc<Configuration>,
    /// None where there are too few hours for anything.
    pub(super) natural: Option<Arc<Natural>>,
    /// Whether the hours are of as many days as teach live.
    pub(super) is_long: bool,
}

impl Taught {
    /// Learns; none where there are no hours, or the reference has what they teach.
    pub(super) fn of(reference: &Arc<Reference>, config: &Arc<Configuration>) -> Option<Self> {
        if reference.natural.is_some() {
            return None;
        }
        let (first, last) = (reference.blocks.first()?, reference.blocks.last()?);
        let end = last.start + BLOCK;
        let covered = end.millis_since(first.start);
        let (windows, choice) = (&config.windows, config.alerts.baseline);
        // no zone is known here by its name, so hours of the day are those of UTC
        let natural = learn::of_reference(reference, windows, choice, |_zone, _at| None)?;
        let mut series = natural.windows.iter().flat_map(|window| &window.series);
        let knows = series.any(|parts| parts.iter().any(Option::is_some));
        Some(Self {
            reference: Arc::clone(reference),
            config: Arc::clone(config),
            natural: knows.then(|| Arc::new(natural)),
            is_long: covered >= Length::DAY.times(LIVE_DAYS).as_millis(),
        })
    }

    /// Whether it is of this reference and configuration.
    pub(super) fn is_of(&self, reference: &Arc<Reference>, config: &Arc<Configuration>) -> bool {
        Arc::ptr_eq(&self.reference, reference) && Arc::ptr_eq(&self.config, config)
    }
}
