//! What a model version was taught is natural of it: by its reference, or by its own first days.
//!
//! ```text
//! the reference came with what its hours taught      that
//! it has hours of eight days or more                 what they teach
//! live traffic of eight days under its layout        what that taught, once
//! it has fewer hours                                 what they teach
//! ```
//!
//! Windows shorter than an hour learn for themselves, see `shorts`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::judge::{Nature, Source};
use super::learn::{Lesson, learn};
use super::shorts::Shorts;
use super::taught::{Taught, live_days};
use crate::fold::model::ModelState;
use crate::image::run;
use crate::layout::LayoutName;
use crate::reference::Reference;
use crate::reference::artifact::{self, ArtifactError};
use crate::reference::natural::Natural;
use crate::statelog::record::Configuration;
use crate::time::Length;

/// What a model version was taught.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Lessons {
    live: Option<Live>,
    shorts: Shorts,
    /// What the hours of the reference taught, where it came without that.
    #[serde(skip)]
    hours: Option<Taught>,
    /// What all of it comes to, and without short windows.
    #[serde(skip)]
    all: Option<(Nature, Nature)>,
}

/// What the first days of live traffic taught, and under which layout.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "LiveText", into = "LiveText")]
struct Live {
    layout: LayoutName,
    natural: Arc<Natural>,
}

impl Live {
    /// Whether they are of this reference's layout.
    fn is_of(&self, reference: &Reference) -> bool {
        self.layout == LayoutName(reference.layout.digest()) && self.natural.fits(&reference.layout)
    }
}

#[derive(Serialize, Deserialize)]
struct LiveText {
    layout: LayoutName,
    #[serde(with = "run")]
    natural: Vec<u8>,
}

impl From<Live> for LiveText {
    fn from(live: Live) -> Self {
        Self {
            natural: artifact::natural_to_bytes(&live.natural),
            layout: live.layout,
        }
    }
}

impl TryFrom<LiveText> for Live {
    type Error = ArtifactError;
    fn try_from(text: LiveText) -> Result<Self, ArtifactError> {
        Ok(Self {
            layout: text.layout,
            natural: Arc::new(artifact::natural_from_bytes(&text.natural)?),
        })
    }
}

impl Lessons {
    /// Puts together what is known, of which what the hours of the reference teach follows from it.
    pub(super) fn settle(&mut self, reference: &Arc<Reference>, config: &Arc<Configuration>) {
        let is_of = |taught: &Taught| taught.is_of(reference, config);
        if !self.hours.as_ref().is_some_and(is_of) {
            self.hours = Taught::of(reference, config);
        }
        let long = self.long(reference);
        let is_known = match (&self.all, &long) {
            (Some((_, of)), Some(long)) => of.is(long),
            (None, None) => true,
            _ => false,
        };
        if !is_known {
            let whole = |long: &Nature| long.clone().with_shorts(self.shorts.windows().clone());
            self.all = long.map(|long| (whole(&long), long));
        }
    }

    /// What is natural of windows that are compared with this reference, as it was put together.
    pub(super) fn nature(&self) -> Option<&Nature> {
        self.all.as_ref().map(|(whole, _)| whole)
    }

    /// What is natural of windows of an hour and more.
    fn long(&self, reference: &Reference) -> Option<Nature> {
        let own = |source, natural: &Arc<Natural>| Nature {
            source,
            natural: Arc::clone(natural),
            places: None,
        };
        if let Some(natural) = &reference.natural {
            return Some(own(Source::Reference, natural));
        }
        let live = self.live.as_ref();
        let live = live.filter(|live| live.is_of(reference));
        let live = live.map(|live| own(Source::Live, &live.natural));
        let hours = self.hours.as_ref();
        let by_hours = |taught: &Taught| Some(own(Source::Reference, taught.natural.as_ref()?));
        let long = hours.filter(|taught| taught.is_long).and_then(by_hours);
        long.or(live).or_else(|| hours.and_then(by_hours))
    }

    /// Learns from live traffic once there is enough of it, and then never again, unless windows of
    /// other lengths are wanted.
    pub(super) fn learn(&mut self, model: &ModelState, config: &Arc<Configuration>) {
        let Some(reference) = model.references.judge() else {
            return;
        };
        self.learn_hours(model, reference, config);
        self.settle(reference, config);
        let long = self.all.as_ref().map(|(_, long)| long.clone());
        if self
            .shorts
            .learn(model, long.as_ref().and_then(Nature::profile))
        {
            self.all = None;
        }
    }

    fn learn_hours(&mut self, model: &ModelState, reference: &Reference, config: &Configuration) {
        let is_taught = |live: &Live| {
            let mut windows = config.windows.iter();
            let knows = |one: &Length| live.natural.window(*one).is_some();
            live.is_of(reference) && windows.all(knows)
        };
        if reference.natural.is_some() || self.live.as_ref().is_some_and(is_taught) {
            return;
        }
        let (Some(shape), Some(hours)) = (&model.shape, live_days(&model.hours)) else {
            return;
        };
        let natural = learn(Lesson {
            layout: shape,
            hours: &hours,
            buckets: None,
            windows: &config.windows,
        });
        self.live = Some(Live {
            layout: LayoutName(shape.digest()),
            natural: Arc::new(natural),
        });
    }
}
