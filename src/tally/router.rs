//! What the names in rows mean: which layout a model version has, and which of its series a value
//! belongs to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::decode::{Names, SeriesName, Slot};
use crate::delta::LayoutId;
use crate::key::{ModelKey, Name};
use crate::layout::Layout;
use crate::time::Length;

/// The layouts in force at a place of the state log.
#[derive(Debug, Clone, Default)]
pub struct Layouts {
    /// The layout of each model version that has a reference.
    pub of: BTreeMap<ModelKey, (LayoutId, Arc<Layout>)>,
    /// Loose series kept per model version and pane in one delta; values of further ones count as
    /// not admitted.
    pub loose_series_max: usize,
}

/// Model versions that a router remembers; at the limit it forgets all and starts again, which
/// costs time and changes no count.
const ROUTES_MAX: usize = 16_384;

/// Where the values of a slot go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Not looked up yet.
    Unknown,
    /// A series of the layout, by index.
    Series(u32),
    /// A series that the layout does not know.
    Loose,
}

/// What the names of a model version's rows mean.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) key: ModelKey,
    pub(super) layout: LayoutId,
    pub(super) shape: Option<Arc<Layout>>,
    /// By slot.
    targets: Vec<Target>,
}

/// What names mean under the current layouts; one a worker.
#[derive(Debug)]
pub struct Router {
    pub(super) layouts: Arc<Layouts>,
    pub(super) pane: Length,
    pub(super) lateness: Length,
    /// A hash map, since it is looked up for each row whose model differs from the row before.
    index: HashMap<Box<str>, HashMap<Box<str>, usize>>,
    pub(super) routes: Vec<Route>,
    last: usize,
    /// Counts up when routes are forgotten, so that tallies know that their indexes are void.
    pub(super) epoch: u64,
}

impl Router {
    /// A router over `layouts` that cuts event time into panes of `pane`.
    pub fn new(layouts: Arc<Layouts>, pane: Length, lateness: Length) -> Self {
        let index = HashMap::new();
        Self {
            layouts,
            pane,
            lateness,
            index,
            routes: Vec::new(),
            last: 0,
            epoch: 0,
        }
    }

    /// Whether the next row may need more room than there is: then empty all tallies of this worker
    /// and call [`Self::reset`].
    pub fn is_full(&self) -> bool {
        self.routes.len() >= ROUTES_MAX
    }

    /// Takes new layouts, or forgets names. All tallies of this worker must be empty, and the
    /// decoder's slots may be void.
    pub fn reset(&mut self, layouts: Arc<Layouts>, pane: Length, lateness: Length) {
        let epoch = self.epoch + 1;
        *self = Self {
            epoch,
            ..Self::new(layouts, pane, lateness)
        };
    }

    /// The layout of a model version; none where every series is loose.
    pub fn layout_of(&self, key: &ModelKey) -> Option<&Arc<Layout>> {
        self.layouts.of.get(key).map(|(_, shape)| shape)
    }

    /// The route of a model version, made when it is new.
    pub(super) fn find(&mut self, model: &str, version: &str) -> Option<usize> {
        if let Some(route) = self.routes.get(self.last)
            && route.key.model.as_str() == model
            && route.key.version.as_str() == version
        {
            return Some(self.last);
        }
        let known = self
            .index
            .get(model)
            .and_then(|versions| versions.get(version))
            .copied();
        let found = match known {
            Some(found) => found,
            None => self.admit(model, version)?,
        };
        self.last = found;
        Some(found)
    }

    /// Makes a route; `None` only for names that [`Name::new`] refuses, which decode has ruled out.
    fn admit(&mut self, model: &str, version: &str) -> Option<usize> {
        let key = ModelKey::new(Name::new(model).ok()?, Name::new(version).ok()?);
        let (layout, shape) = match self.layouts.of.get(&key) {
            Some((id, shape)) => (*id, Some(Arc::clone(shape))),
            None => (LayoutId::UNIVERSAL, None),
        };
        let found = self.routes.len();
        self.routes.push(Route {
            key,
            layout,
            shape,
            targets: Vec::new(),
        });
        self.index
            .entry(model.into())
            .or_default()
            .insert(version.into(), found);
        Some(found)
    }
}

/// The place in a layout of a series; none where that does not know it, or as one of another role.
pub fn series_of(shape: &Layout, name: &SeriesName) -> Option<usize> {
    let series = shape.find(&name.name)?;
    (shape.series().get(series)?.role() == name.role).then_some(series)
}

impl Route {
    /// Where the values of `slot` go.
    pub(super) fn target(&mut self, slot: Slot, names: &Names) -> Target {
        let at = slot.0 as usize;
        match self.targets.get(at) {
            Some(target) if *target != Target::Unknown => *target,
            _ => self.look_up(at, names.get(slot)),
        }
    }

    #[cold]
    fn look_up(&mut self, at: usize, name: Option<&SeriesName>) -> Target {
        let series = self.shape.as_ref().zip(name);
        let series = series.and_then(|(shape, name)| series_of(shape, name));
        let target = series
            .and_then(|series| u32::try_from(series).ok())
            .map_or(Target::Loose, Target::Series);
        if self.targets.len() <= at {
            self.targets.resize(at + 1, Target::Unknown);
        }
        if let Some(place) = self.targets.get_mut(at) {
            *place = target;
        }
        target
    }
}
