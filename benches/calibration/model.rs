//! A model of made-up series under watch: the real engine, fed with counts.
//!
//! A delta has the rows of an hour in one pane. Windows are judged at whole hours, so that where
//! within its hour a row lies changes no verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftd::alert::Test;
use driftd::alert::episode::Change as Told;
use driftd::delta::{Accounting, Delta, LayoutId, ModelDelta, PaneDelta};
use driftd::engine::{Engine, Input, Output};
use driftd::key::{ChainKey, ModelKey};
use driftd::layout::Layout;
use driftd::score;
use driftd::statelog::record::Record;
use driftd::time::Length;

use crate::Outcome;
use crate::setup::{
    REFERENCE_HOURS, Spec, activation, configuration, hours_since_live, live, record_at, reference,
    reference_rows, sparse,
};
use crate::world::{Change, Referred, Series, World};

/// What fired: in which series, window and test, and the end of that window in hours of live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fired {
    pub(crate) series: usize,
    pub(crate) window: Length,
    pub(crate) test: Test,
    pub(crate) at: f64,
}

/// Rules of other tools, asked every hour.
pub(crate) const FIXED: [&str; 3] = ["PSI>0.2", "KS p<0.05", "W1>=0.1sd"];

/// A model version of made-up series.
pub(crate) struct Model {
    spec: Spec,
    series: Vec<Series>,
    engine: Engine,
    key: ModelKey,
    chain: ChainKey,
    layout: Arc<Layout>,
    layout_id: LayoutId,
    position: u64,
    /// The next hour of live.
    hour: u32,
    outputs: Vec<Output>,
    pub(crate) fired: Vec<Fired>,
    alarms: BTreeSet<(usize, usize)>,
    /// Episodes of each of [`FIXED`].
    pub(crate) fixed: [u64; FIXED.len()],
}

impl Model {
    /// A model whose reference is made and in force; `changes` are of its series in turn.
    pub(crate) fn new(spec: &Spec, changes: &[Change], seed: u64) -> Outcome<Self> {
        let mut series: Vec<Series> = (0..spec.series)
            .map(|place| {
                let change = (!changes.is_empty()).then(|| changes[place % changes.len()]);
                let world = match change {
                    Some(Change::NewCategory(_)) => World::Zipf(30),
                    _ => spec.world,
                };
                Series::new(world, change, seed * 1_000_003 + place as u64)
            })
            .collect();
        let rows = reference_rows(spec);
        let referred: Outcome<Vec<Referred>> = series
            .iter_mut()
            .enumerate()
            .map(|(place, series)| series.refer(&format!("f{place:04}"), &rows))
            .collect();
        let reference = reference(referred?, &rows, spec.untimed.is_none())?;
        let chain = ChainKey {
            shard: 0,
            cluster: "made up".into(),
            topic: "made up".into(),
            incarnation: 0,
            partition: 0,
        };
        let key = ModelKey::new(
            reference.header.model.clone(),
            reference.header.version.clone(),
        );
        let mut engine = Engine::new(configuration(spec));
        let mut outputs = Vec::new();
        let genesis = Record::Genesis {
            chain: chain.clone(),
            start: 0,
        };
        let activate = activation(&key, &reference, spec.baseline, &engine);
        for (position, record) in (0..).zip([activate, genesis]) {
            let record = record_at(position, live(0), record);
            engine.handle(Input::Record(record), &mut outputs)?;
        }
        let (layout_id, layout) = {
            let layouts = engine.fold().layouts();
            let (id, layout) = layouts.of.get(&key).ok_or("the reference was refused")?;
            (*id, Arc::clone(layout))
        };
        Ok(Self {
            spec: spec.clone(),
            series,
            engine,
            key,
            chain,
            layout,
            layout_id,
            position: 2,
            hour: 0,
            outputs,
            fired: Vec::new(),
            alarms: BTreeSet::new(),
            fixed: [0; FIXED.len()],
        })
    }

    /// Lives through the next hour; changes hold from hour `changed` on.
    pub(crate) fn live(&mut self, changed: Option<u32>) -> Outcome<()> {
        let since = changed.and_then(|from| self.hour.checked_sub(from));
        let clock = REFERENCE_HOURS + self.hour;
        let rows = self.spec.world.rows(clock, self.spec.rows);
        let mut cells = vec![0; self.layout.cells()];
        for (place, series) in self.series.iter_mut().enumerate() {
            let weather = series.hour(clock, since);
            let (from, to) = (self.layout.offset(place), self.layout.offset(place + 1));
            series.draw(weather, rows, &mut cells[from..to]);
        }
        let delta = self.delta(&cells, rows);
        let append_time = live(self.hour + 1);
        let record = record_at(self.position, append_time, Record::Delta(Box::new(delta)));
        self.engine
            .handle(Input::Record(record), &mut self.outputs)?;
        self.position += 1;
        self.hour += 1;
        self.look();
        self.others(&cells);
        Ok(())
    }

    /// The rows of the hour; the last of them carries time to its end.
    fn delta(&self, cells: &[u64], rows: u64) -> Delta {
        let (start, end) = (live(self.hour), live(self.hour + 1));
        let pane = Length::MINUTE.times(5);
        let counted = PaneDelta {
            start,
            rows,
            late: 0,
            last_event: end,
            carried: [rows, 0, 0, 0],
            cells: sparse(cells),
            loose: BTreeMap::new(),
        };
        Delta {
            chain: self.chain.clone(),
            from: i64::from(self.hour),
            to: i64::from(self.hour) + 1,
            writer: 0,
            attempt: u64::from(self.hour),
            pane,
            accounting: Accounting {
                records: rows,
                rows,
                first_event: Some(start),
                last_event: Some(end),
                ..Accounting::default()
            },
            arrivals: Vec::new(),
            models: vec![ModelDelta {
                key: self.key.clone(),
                layout: self.layout_id,
                panes: vec![counted],
            }],
        }
    }

    /// Takes what fired.
    fn look(&mut self) {
        for output in self.outputs.drain(..) {
            if let Output::Alert(Told::Fired, alert) = output {
                self.fired.push(Fired {
                    series: self.layout.find(&alert.series).unwrap_or(usize::MAX),
                    window: alert.window,
                    test: alert.test,
                    at: hours_since_live(alert.since),
                });
            }
        }
    }

    /// Asks the rules of other tools about an hour.
    fn others(&mut self, hour: &[u64]) {
        let Some(reference) = self
            .engine
            .fold()
            .models
            .get(&self.key)
            .and_then(|model| model.references.judge())
        else {
            return;
        };
        for (place, layout) in self.layout.series().iter().enumerate() {
            let cells = &hour[self.layout.offset(place)..self.layout.offset(place + 1)];
            let Ok(scores) = score::score(layout, &reference.series[place], cells) else {
                continue;
            };
            let numeric = scores.numeric.as_ref();
            let alarms = [
                scores.psi > 0.2,
                numeric.is_some_and(|numeric| numeric.ks.p < 0.05),
                numeric.is_some_and(|numeric| {
                    numeric.wasserstein_sigma.is_some_and(|sigma| sigma >= 0.1)
                }),
            ];
            for (rule, alarm) in alarms.into_iter().enumerate() {
                if !alarm {
                    self.alarms.remove(&(rule, place));
                } else if self.alarms.insert((rule, place)) {
                    self.fixed[rule] += 1;
                }
            }
        }
    }
}
