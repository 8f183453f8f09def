//! The hours of a day, in as little memory as there can be: most are a place in a file.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Hour;
use crate::time::Timestamp;

/// Hours by start, ascending.
#[derive(Debug, Clone, Default)]
pub(in crate::fold) struct Day(Vec<(Timestamp, Hour)>);

impl Day {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, (Timestamp, Hour)> {
        self.0.iter()
    }

    pub(in crate::fold) fn hours_mut(&mut self) -> impl Iterator<Item = &mut Hour> {
        self.0.iter_mut().map(|(_, hour)| hour)
    }

    pub(super) fn get_mut(&mut self, start: Timestamp) -> Option<&mut Hour> {
        let found = self.0.binary_search_by_key(&start, |(start, _)| *start);
        self.0.get_mut(found.ok()?).map(|(_, hour)| hour)
    }

    /// The hour that starts there, and whether it was made for that.
    pub(super) fn entry(&mut self, start: Timestamp) -> (bool, &mut Hour) {
        let found = self.0.binary_search_by_key(&start, |(start, _)| *start);
        let at = found.unwrap_or_else(|at| {
            self.0.reserve_exact(1);
            self.0.insert(at, (start, Hour::default()));
            at
        });
        #[expect(clippy::indexing_slicing, reason = "found or inserted just above")]
        (found.is_err(), &mut self.0[at].1)
    }

    pub(super) fn retain(&mut self, is_kept: impl Fn(&Timestamp) -> bool) {
        self.0.retain(|(start, _)| is_kept(start));
    }

    /// Those that start in a range.
    pub(super) fn range(
        &self,
        range: Range<Timestamp>,
    ) -> impl Iterator<Item = &(Timestamp, Hour)> {
        let place = |of: Timestamp| self.0.partition_point(|(start, _)| *start < of);
        let found = self.0.get(place(range.start)..place(range.end));
        found.unwrap_or_default().iter()
    }
}

/// As a map, as which days were kept before.
impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(start, hour)| (start, hour)))
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hours = BTreeMap::<Timestamp, Hour>::deserialize(deserializer)?;
        Ok(Self(hours.into_iter().collect()))
    }
}
