//! What is natural of windows shorter than an hour: live traffic teaches it, whatever the
//! reference.
//!
//! The hours of a reference say nothing of them. That all hours are alike does not bound by how
//! much their quarters differ: where departures are at half past, one quarter of each hour is
//! unlike the three others, and every hour like every other. So windows of their length must teach:
//!
//! ```text
//! blocks     of each hour one window, each in turn: the parts that the fold keeps
//! learned    once there are eight days of them, and then never again
//! baseline   all other blocks; by the hours of the day, where longer windows are compared so
//! until then those of the version before, where they are known
//! ```
//!
//! Blocks stand an hour apart, and what remembers from one to the next counts for fewer
//! (`dispersion` in [`crate::stats`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::learn::{Lesson, learn};
use super::taught::live_days;
use crate::fold::model::ModelState;
use crate::layout::{Layout, LayoutName};
use crate::reference::natural::{Buckets, Offsets, Profile, WindowNatural};
use crate::reference::{BLOCK, HourBlock};
use crate::time::Length;

/// Which hours are alike, in which local time.
type Alike = (Buckets, Offsets);

/// What short windows taught.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Shorts {
    /// The layout and the hours of the day that it is of.
    of: Option<(LayoutName, Option<Alike>)>,
    windows: BTreeMap<Length, WindowNatural>,
}

impl Shorts {
    /// Learns of every length that there are eight days of and nothing is known of yet; whether
    /// that made any difference.
    pub(super) fn learn(&mut self, model: &ModelState, profile: Option<&Profile>) -> bool {
        let Some(shape) = &model.shape else {
            return false;
        };
        let alike = profile.map(|profile| (profile.buckets, &profile.offsets));
        let layout = LayoutName(shape.digest());
        let is_of = |(name, mine): &(LayoutName, Option<Alike>)| {
            *name == layout && mine.as_ref().map(|(buckets, at)| (*buckets, at)) == alike
        };
        let before = self.windows.len();
        if !self.of.as_ref().is_some_and(is_of) {
            let alike = alike.map(|(buckets, offsets)| (buckets, offsets.clone()));
            self.of = Some((layout, alike));
            self.windows.clear();
        }
        self.windows
            .retain(|length, _| model.parts.contains_key(length));
        let mut is_new = self.windows.len() < before;
        for (length, parts) in &model.parts {
            if self.windows.contains_key(length) {
                continue;
            }
            if let Some(blocks) = live_days(parts) {
                let learned = learn_parts(shape, &blocks, alike, *length);
                self.windows.insert(*length, learned);
                is_new = true;
            }
        }
        is_new
    }

    /// What is known of them.
    pub(super) fn windows(&self) -> &BTreeMap<Length, WindowNatural> {
        &self.windows
    }
}

/// What blocks of windows of this length teach, one of each hour.
fn learn_parts(
    layout: &Layout,
    blocks: &[HourBlock],
    alike: Option<(Buckets, &Offsets)>,
    length: Length,
) -> WindowNatural {
    let natural = learn(Lesson {
        layout,
        hours: blocks,
        buckets: alike,
        windows: &[BLOCK],
    });
    let learned = natural.windows.into_iter().next();
    let learned = learned.unwrap_or_else(|| WindowNatural {
        length,
        block: length,
        series: Vec::new(),
        carriers: Default::default(),
    });
    WindowNatural {
        length,
        block: length,
        ..learned
    }
}

#[cfg(test)]
mod tests;
