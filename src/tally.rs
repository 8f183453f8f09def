//! Rows to counts: what a worker keeps of a chain between two deltas.
//!
//! A [`Router`] (one a worker) knows what the names of a row mean: which layout its model version
//! has, and which cells of it a series owns. A [`Tally`] (one a chain) holds dense counts per model
//! version and pane and is emptied into a sparse [`Delta`]. Both are caches: a delta depends on
//! nothing but the records of its range and the layouts.
//!
//! ```text
//! row fraud@7 10:17 amount=12.5      router: fraud@7 -> layout 3, amount -> cells 0..118
//! pane 10:15                         tally:  (fraud@7, 10:15)[0 + bin_of(12.5)] += 1
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::decode::{Names, Reject, Row, SeriesName, Slot, Value};
use crate::delta::{Accounting, Arrivals, Delta, LastRecord, LayoutId, ModelDelta, PaneDelta};
use crate::key::{Carrier, ChainKey, ModelKey, Name, Role};
use crate::layout::{Layout, LooseCounts, SeriesLayout};
use crate::time::{Length, Timestamp};

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
enum Target {
    /// Not looked up yet.
    Unknown,
    /// A series of the layout, by index.
    Series(u32),
    /// A series that the layout does not know.
    Loose,
}

/// What the names of a model version's rows mean.
#[derive(Debug)]
struct Route {
    key: ModelKey,
    layout: LayoutId,
    shape: Option<Arc<Layout>>,
    /// By slot.
    targets: Vec<Target>,
}

/// What names mean under the current layouts; one a worker.
#[derive(Debug)]
pub struct Router {
    layouts: Arc<Layouts>,
    pane: Length,
    lateness: Length,
    /// A hash map, since it is looked up for each row whose model differs from the row before.
    index: HashMap<Box<str>, HashMap<Box<str>, usize>>,
    routes: Vec<Route>,
    last: usize,
    /// Counts up when routes are forgotten, so that tallies know that their indexes are void.
    epoch: u64,
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

    /// The route of a model version, made when it is new.
    fn find(&mut self, model: &str, version: &str) -> Option<usize> {
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

impl Route {
    /// Where the values of `slot` go.
    fn target(&mut self, slot: Slot, names: &Names) -> Target {
        let at = slot.0 as usize;
        match self.targets.get(at) {
            Some(target) if *target != Target::Unknown => *target,
            _ => self.look_up(at, names.get(slot)),
        }
    }

    #[cold]
    fn look_up(&mut self, at: usize, name: Option<&SeriesName>) -> Target {
        let series = self.shape.as_ref().zip(name).and_then(|(shape, name)| {
            let series = shape.find(&name.name)?;
            (shape.series().get(series)?.role() == name.role).then_some(series)
        });
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

/// The counts of one model version in one pane.
#[derive(Debug)]
struct Block {
    rows: u64,
    late: u64,
    last_event: Timestamp,
    carried: [u64; 4],
    /// Per cell of the layout; empty without one.
    cells: Vec<u64>,
    /// Per series of the layout, the rows that had a value of it, null included.
    present: Vec<u64>,
    loose: BTreeMap<(Role, Box<str>), LooseCounts>,
}

/// What a chain has counted since its last delta.
#[derive(Debug, Default)]
pub struct Tally {
    accounting: Accounting,
    arrivals: BTreeMap<Timestamp, (u64, u64)>,
    /// By route and pane. A tree, so that deltas come out in order.
    blocks: BTreeMap<(usize, Timestamp), Block>,
    /// The key of the block of the row before.
    epoch: u64,
    /// Counters held, for the size bound.
    size: usize,
}

/// A record that was decoded, for the accounting.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Its offset.
    pub offset: i64,
    /// Its Kafka timestamp.
    pub timestamp: Option<Timestamp>,
    /// XXH3 of its value.
    pub hash: u64,
}

impl Tally {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.accounting.records == 0 && self.accounting.lost == 0
    }

    /// About how many counters are held.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Records counted.
    pub fn records(&self) -> u64 {
        self.accounting.records
    }

    /// Counts one row of a record with this Kafka timestamp.
    pub fn add(
        &mut self,
        router: &mut Router,
        names: &Names,
        row: &Row<'_>,
        kafka: Option<Timestamp>,
    ) {
        debug_assert!(
            self.blocks.is_empty() || self.epoch == router.epoch,
            "tally of old routes"
        );
        self.epoch = router.epoch;
        let Some(found) = router.find(row.model, row.version) else {
            return;
        };
        let late =
            kafka.is_some_and(|kafka| kafka.millis_since(row.at) > router.lateness.as_millis());
        self.account(row, late);
        let loose_max = router.layouts.loose_series_max;
        let pane = row.at.floor(router.pane);
        let Some(route) = router.routes.get_mut(found) else {
            return;
        };
        let size = &mut self.size;
        let block = self.blocks.entry((found, pane)).or_insert_with(|| {
            let block = Block::new(route.shape.as_deref(), row.at);
            *size += block.cells.len().max(32);
            block
        });
        block.count_row(row, late);
        for (slot, value) in row.values {
            let target = route.target(*slot, names);
            if let (Target::Series(series), Some(shape)) = (target, route.shape.as_deref()) {
                block.count(shape, series, *value);
                continue;
            }
            let kept = names
                .get(*slot)
                .is_some_and(|name| block.count_loose(name, *value, loose_max, &mut self.size));
            self.accounting.unnamed += u64::from(!kept);
        }
    }

    fn account(&mut self, row: &Row<'_>, late: bool) {
        let sum = &mut self.accounting;
        sum.late += u64::from(late);
        sum.unnamed += u64::from(row.unnamed);
        sum.first_event = Some(sum.first_event.map_or(row.at, |first| first.min(row.at)));
        sum.last_event = Some(sum.last_event.map_or(row.at, |last| last.max(row.at)));
    }

    /// Counts a record after its rows: how many they were, or why there are none.
    pub fn record(&mut self, seen: Seen, outcome: Result<u32, Reject>, pane: Length) {
        let sum = &mut self.accounting;
        sum.records += 1;
        match outcome {
            Ok(rows) => sum.rows += u64::from(rows),
            Err(reject) => {
                if let Some(count) = sum.rejected.get_mut(reject.index()) {
                    *count += 1;
                }
            }
        }
        sum.last_record = Some(LastRecord {
            offset: seen.offset,
            hash: seen.hash,
        });
        if let Some(at) = seen.timestamp {
            let arrived = self.arrivals.entry(at.floor(pane)).or_default();
            arrived.0 += 1;
            arrived.1 += u64::from(outcome.is_err());
        }
    }

    /// Counts offsets that retention took before they were read.
    pub fn lose(&mut self, offsets: u64) {
        self.accounting.lost += offsets;
    }

    /// Empties the tally into a delta of the range `from..to`.
    pub fn take(&mut self, router: &Router, range: Range, at_end: bool) -> Delta {
        let tally = std::mem::take(self);
        let mut models: Vec<ModelDelta> = Vec::new();
        let mut last = None;
        for ((found, start), block) in tally.blocks {
            let Some(route) = router.routes.get(found) else {
                continue;
            };
            if last != Some(found) {
                let (key, layout) = (route.key.clone(), route.layout);
                models.push(ModelDelta {
                    key,
                    layout,
                    panes: Vec::new(),
                });
                last = Some(found);
            }
            if let Some(model) = models.last_mut() {
                model
                    .panes
                    .push(block.into_pane(start, route.shape.as_deref()));
            }
        }
        models.sort_by(|a, b| (&a.key, a.layout).cmp(&(&b.key, b.layout)));
        let arrivals = tally.arrivals.into_iter();
        Delta {
            chain: range.chain,
            from: range.from,
            to: range.to,
            writer: range.writer,
            attempt: range.attempt,
            pane: router.pane,
            accounting: Accounting {
                at_end,
                ..tally.accounting
            },
            arrivals: arrivals
                .map(|(start, (records, rejected))| Arrivals {
                    start,
                    records,
                    rejected,
                })
                .collect(),
            models,
        }
    }
}

/// What a delta says of its place.
#[derive(Debug, Clone)]
pub struct Range {
    /// The chain.
    pub chain: ChainKey,
    /// The position of the first record.
    pub from: i64,
    /// The position after the last record.
    pub to: i64,
    /// The worker.
    pub writer: u64,
    /// The worker's attempt.
    pub attempt: u64,
}

impl Block {
    fn new(shape: Option<&Layout>, at: Timestamp) -> Self {
        Self {
            rows: 0,
            late: 0,
            last_event: at,
            carried: [0; 4],
            cells: vec![0; shape.map_or(0, Layout::cells)],
            present: vec![0; shape.map_or(0, |shape| shape.series().len())],
            loose: BTreeMap::new(),
        }
    }

    fn count_row(&mut self, row: &Row<'_>, late: bool) {
        self.rows += 1;
        self.late += u64::from(late);
        self.last_event = self.last_event.max(row.at);
        for (count, carrier) in self.carried.iter_mut().zip(Carrier::ALL) {
            *count += u64::from(row.carried.has(carrier));
        }
    }

    fn count(&mut self, shape: &Layout, series: u32, value: Value<'_>) {
        let series = series as usize;
        let Some(layout) = shape.series().get(series) else {
            return;
        };
        let cell = shape.offset(series) + layout.cell_of(value);
        if let (Some(count), Some(present)) =
            (self.cells.get_mut(cell), self.present.get_mut(series))
        {
            *count += 1;
            *present += 1;
        }
    }

    /// Counts a value of a series without a layout; false when there are too many such series.
    fn count_loose(
        &mut self,
        name: &SeriesName,
        value: Value<'_>,
        series_max: usize,
        size: &mut usize,
    ) -> bool {
        let key = (name.role, Box::from(&*name.name));
        if !self.loose.contains_key(&key) && self.loose.len() >= series_max {
            return false;
        }
        *size += 1;
        self.loose.entry(key).or_default().add(value, 1);
        true
    }

    /// The sparse form. The series of a carried role that a row did not have are missing in it.
    fn into_pane(mut self, start: Timestamp, shape: Option<&Layout>) -> PaneDelta {
        for (index, layout) in shape.map_or(&[][..], Layout::series).iter().enumerate() {
            let carried = self.carried_by(layout);
            let present = self.present.get(index).copied().unwrap_or(0);
            let cell = shape.map_or(0, |shape| shape.offset(index)) + layout.missing_cell();
            if let Some(missing) = self.cells.get_mut(cell) {
                *missing += carried.saturating_sub(present);
            }
        }
        let cells = (0..)
            .zip(self.cells)
            .filter(|(_, count)| *count > 0)
            .collect();
        PaneDelta {
            start,
            rows: self.rows,
            late: self.late,
            last_event: self.last_event,
            carried: self.carried,
            cells,
            loose: self.loose,
        }
    }

    fn carried_by(&self, layout: &SeriesLayout) -> u64 {
        let carrier = Carrier::of(layout.role(), layout.name());
        self.carried.get(carrier as usize).copied().unwrap_or(0)
    }
}
