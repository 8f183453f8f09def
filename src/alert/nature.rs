//! What is natural of a model version, and who says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::reference::BLOCK;
use crate::reference::natural::{Dispersion, Natural, Part, Profile, WindowNatural};
use crate::time::Length;

/// Where what is natural comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The hours of the reference.
    Reference,
    /// The first days of live traffic.
    Live,
    /// The version before, until there is more of this one.
    Before(Arc<str>),
    /// Nothing is known yet.
    Unknown,
}

/// What is natural, and where that comes from.
#[derive(Debug, Clone)]
pub struct Nature {
    /// Where from.
    pub source: Source,
    /// What was learned.
    pub natural: Arc<Natural>,
    /// The place of each series of the layout in what was learned; `None` where it has none.
    pub places: Option<Vec<Option<usize>>>,
}

impl Nature {
    /// What is natural of a part of a series.
    pub(super) fn of(&self, length: Length, series: usize, part: Part) -> Option<Dispersion> {
        let place = match &self.places {
            None => series,
            Some(places) => (*places.get(series)?)?,
        };
        let window = self.natural.window(length)?;
        *window.series.get(place)?.get(part as usize)?
    }

    /// What is known of windows shorter than an hour, by the places of this layout.
    pub(super) fn shorts(&self) -> BTreeMap<Length, WindowNatural> {
        let short = |window: &&WindowNatural| window.length < BLOCK;
        let placed = |window: &WindowNatural| {
            let of = |place: &Option<usize>| window.series.get((*place)?).copied();
            let series = match &self.places {
                None => window.series.clone(),
                Some(places) => places
                    .iter()
                    .map(|place| of(place).unwrap_or_default())
                    .collect(),
            };
            let placed = WindowNatural {
                series,
                ..window.clone()
            };
            (window.length, placed)
        };
        let windows = self.natural.windows.iter();
        windows.filter(short).map(placed).collect()
    }

    /// Whether this is the very same.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.natural, &other.natural)
            && (&self.source, &self.places) == (&other.source, &other.places)
    }

    /// The same, but for what was learned of short windows.
    pub(super) fn with_shorts(self, shorts: BTreeMap<Length, WindowNatural>) -> Self {
        if shorts.is_empty() {
            return self;
        }
        let own = self.natural.windows.iter();
        let mut all: BTreeMap<Length, WindowNatural> =
            own.map(|window| (window.length, window.clone())).collect();
        all.extend(shorts);
        let natural = Natural {
            windows: all.into_values().collect(),
            profile: self.natural.profile.clone(),
        };
        Self {
            natural: Arc::new(natural),
            ..self
        }
    }

    /// The same, and of short windows of which it knows nothing what is known of the version
    /// before.
    pub(super) fn after(self, before: &Self) -> Self {
        let mut shorts = before.shorts();
        shorts.retain(|length, _| {
            let window = self.natural.window(*length);
            let mut parts = window.iter().flat_map(|window| &window.series).flatten();
            !parts.any(Option::is_some)
        });
        self.with_shorts(shorts)
    }

    /// The hours of the day; those of another version say nothing of this one's counts.
    pub(super) fn profile(&self) -> Option<&Profile> {
        match self.places {
            None => self.natural.profile.as_deref(),
            Some(_) => None,
        }
    }
}
