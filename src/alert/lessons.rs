//! What a model version was taught is natural of it: by its reference, or by its own first days.
//!
//! ```text
//! the reference came with what its hours taught      that
//! it has hours of eight days or more                 what they teach
//! live traffic of eight days under its layout        what that taught, once
//! it has fewer hours                                 what they teach
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::judge::{Nature, Source};
use super::learn::{Lesson, learn};
use super::taught::{LIVE_DAYS, Taught};
use crate::fold::model::ModelState;
use crate::image::run;
use crate::layout::Layout;
use crate::reference::Reference;
use crate::reference::artifact::{self, ArtifactError};
use crate::reference::natural::Natural;
use crate::statelog::record::Configuration;
use crate::time::Length;

/// What a model version was taught.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Lessons {
    live: Option<Live>,
    /// What the hours of the reference taught, where it came without that.
    #[serde(skip)]
    hours: Option<Taught>,
}

/// What the first days of live traffic taught, and under which layout.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "LiveText", into = "LiveText")]
struct Live {
    layout: Arc<Layout>,
    natural: Arc<Natural>,
}

#[derive(Serialize, Deserialize)]
struct LiveText {
    #[serde(with = "run")]
    layout: Vec<u8>,
    #[serde(with = "run")]
    natural: Vec<u8>,
}

impl From<Live> for LiveText {
    fn from(live: Live) -> Self {
        Self {
            layout: live.layout.to_bytes(),
            natural: artifact::natural_to_bytes(&live.natural),
        }
    }
}

impl TryFrom<LiveText> for Live {
    type Error = ArtifactError;
    fn try_from(text: LiveText) -> Result<Self, ArtifactError> {
        let layout = Layout::from_bytes(&text.layout).map_err(ArtifactError::Layout)?;
        let natural = artifact::natural_from_bytes(&text.natural, &layout)?;
        Ok(Self {
            layout: Arc::new(layout),
            natural: Arc::new(natural),
        })
    }
}

impl Lessons {
    /// Takes what the hours of the reference teach, where it came without that.
    pub(super) fn read(&mut self, reference: &Arc<Reference>, config: &Arc<Configuration>) {
        let is_of = |taught: &Taught| taught.is_of(reference, config);
        if !self.hours.as_ref().is_some_and(is_of) {
            self.hours = Taught::of(reference, config);
        }
    }

    /// What is natural of windows that are compared with this reference.
    pub(super) fn of(&self, reference: &Reference) -> Option<Nature> {
        let own = |source, natural: &Arc<Natural>| Nature {
            source,
            natural: Arc::clone(natural),
            places: None,
        };
        if let Some(natural) = &reference.natural {
            return Some(own(Source::Reference, natural));
        }
        let live = self.live.as_ref();
        let live = live.filter(|live| *live.layout == *reference.layout);
        let live = live.map(|live| own(Source::Live, &live.natural));
        let hours = self.hours.as_ref();
        let by_hours = |taught: &Taught| Some(own(Source::Reference, taught.natural.as_ref()?));
        let long = hours.filter(|taught| taught.is_long).and_then(by_hours);
        long.or(live).or_else(|| hours.and_then(by_hours))
    }

    /// Learns from live hours once there are enough of them, and then never again.
    pub(super) fn learn_live(&mut self, model: &ModelState, config: &Configuration) {
        let Some(reference) = model.references.judge() else {
            return;
        };
        let is_taught = |live: &Live| *live.layout == *reference.layout;
        if reference.natural.is_some() || self.live.as_ref().is_some_and(is_taught) {
            return;
        }
        let (Some(shape), Some((from, to))) = (&model.shape, model.hours.span()) else {
            return;
        };
        let needed = Length::DAY.times(LIVE_DAYS);
        if to.millis_since(from) < needed.as_millis() {
            return;
        }
        let hours: Vec<_> = model.hours.range(from, from + needed).collect();
        let natural = learn(Lesson {
            layout: shape,
            hours: &hours,
            buckets: None,
            windows: &config.windows,
        });
        self.live = Some(Live {
            layout: Arc::clone(shape),
            natural: Arc::new(natural),
        });
    }
}
