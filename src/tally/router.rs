//! What the names in rows mean: which layout a model version has, and which of its series a value
//! belongs to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::decode::{Names, SeriesName, Slot};
use crate::delta::LayoutId;
use crate::key::{ModelKey, Name};
use crate::layout::{Kind, Layout};
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
    /// A series of the layout, by index, and its kind.
    Series(u32, Kind),
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
    /// By [`name_of`] a model version. A hash map, since it is looked up for each row whose model
    /// differs from the row before, and one with random keys, because strangers choose the names.
    index: HashMap<Box<str>, usize>,
    /// Room for one of these names.
    name: String,
    pub(super) routes: Vec<Route>,
    last: usize,
    /// Counts up when routes are forgotten, so that tallies know that their indexes are void.
    pub(super) epoch: u64,
}

impl Router {
    /// A router over `layouts` that cuts event time into panes of `pane`.
    pub fn new(layouts: Arc<Layouts>, pane: Length, lateness: Length) -> Self {
        Self {
            layouts,
            pane,
            lateness,
            index: HashMap::new(),
            name: String::new(),
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
        name_of(model, version, &mut self.name);
        let found = match self.index.get(&*self.name) {
            Some(found) => *found,
            None => self.admit(model, version)?,
        };
        self.last = found;
        Some(found)
    }

    /// Makes a route for the names at hand; `None` only for names that [`Name::new`] refuses,
    /// which decode has ruled out.
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
        self.index.insert(self.name.as_str().into(), found);
        Some(found)
    }
}

/// One name for a model version; no name has the byte between the two.
fn name_of(model: &str, version: &str, name: &mut String) {
    name.clear();
    name.push_str(model);
    name.push('\0');
    name.push_str(version);
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
        let target = self.series(name).unwrap_or(Target::Loose);
        if self.targets.len() <= at {
            self.targets.resize(at + 1, Target::Unknown);
        }
        if let Some(place) = self.targets.get_mut(at) {
            *place = target;
        }
        target
    }

    fn series(&self, name: Option<&SeriesName>) -> Option<Target> {
        let shape = self.shape.as_ref()?;
        let at = series_of(shape, name?)?;
        let kind = shape.series().get(at)?.kind();
        Some(Target::Series(u32::try_from(at).ok()?, kind))
    }
}
