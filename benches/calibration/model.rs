//! A model of made-up series under watch: the real fold, judges and episodes, fed with counts.
//!
//! The daemon judges a window of an hour every ten minutes. The figures of the design were made
//! with a judgement an hour, and three tests a series (two of categories) sharing the budget; so
//! there are two cadences:
//!
//! ```text
//! daemon  the engine's own alerts, as serve and replay give them
//! hourly  the same judge and episodes, asked at whole hours, at the levels of the design
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftd::alert::episode::{Alert, Change as Told, Episode};
use driftd::alert::judge::Judge;
use driftd::alert::rule::Verdict;
use driftd::alert::settings::SeriesSettings;
use driftd::alert::{self, Severity, Test, learn};
use driftd::delta::{Accounting, Delta, LayoutId, ModelDelta, PaneDelta};
use driftd::engine::{Engine, Input, Output};
use driftd::fold;
use driftd::fold::model::ModelState;
use driftd::fold::window;
use driftd::key::{ChainKey, ModelKey, Name};
use driftd::layout::Layout;
use driftd::reference::natural::Offsets;
use driftd::reference::{
    BlockCells, Header, HourBlock, Reference, ReferenceRole, artifact, block_cell,
};
use driftd::score;
use driftd::statelog::record::{AlertRule, Alerting, BaselineChoice, Configuration, Record};
use driftd::time::{Length, Timestamp};

use crate::Outcome;
use crate::world::{Change, Referred, Series, World};

/// Monday 2024-01-01, where references begin.
const MONDAY: i64 = 1_704_067_200_000;
/// Hours of a reference that has times.
pub(crate) const REFERENCE_HOURS: u32 = 14 * 24;

/// What is simulated.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) world: World,
    pub(crate) baseline: BaselineChoice,
    /// Rows of a reference without times; with times it is of two weeks.
    pub(crate) untimed: Option<u64>,
    /// Rows an hour.
    pub(crate) rows: f64,
    pub(crate) cadence: Cadence,
    pub(crate) min_psi: f64,
    pub(crate) series: usize,
}

/// When windows are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cadence {
    Daemon,
    Hourly,
}

/// What fired: in which series, window and test, and the end of that window in hours of live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fired {
    pub(crate) series: usize,
    pub(crate) window: Length,
    pub(crate) test: Test,
    pub(crate) at: f64,
    pub(crate) severity: Severity,
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
    episodes: BTreeMap<(usize, Length, Test), Episode>,
    judged: Option<(Arc<Judge>, [Judge; 2])>,
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
            episodes: BTreeMap::new(),
            judged: None,
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
        let panes = match self.spec.cadence {
            Cadence::Daemon => 12,
            Cadence::Hourly => 1,
        };
        let mut hour = vec![0; self.layout.cells()];
        let mut cells: Vec<Vec<u64>> = vec![hour.clone(); panes];
        let shares: Vec<u64> = (0..panes as u64)
            .map(|pane| rows * (pane + 1) / panes as u64 - rows * pane / panes as u64)
            .collect();
        for (place, series) in self.series.iter_mut().enumerate() {
            let weather = series.hour(clock, since);
            let (from, to) = (self.layout.offset(place), self.layout.offset(place + 1));
            for (cells, rows) in cells.iter_mut().zip(&shares) {
                series.draw(weather, *rows, &mut cells[from..to]);
            }
        }
        for cells in &cells {
            for (sum, count) in hour.iter_mut().zip(cells) {
                *sum += count;
            }
        }
        let delta = self.delta(&cells, &shares);
        let append_time = live(self.hour + 1);
        let record = record_at(self.position, append_time, Record::Delta(Box::new(delta)));
        self.engine
            .handle(Input::Record(record), &mut self.outputs)?;
        self.position += 1;
        self.hour += 1;
        let end = live(self.hour);
        self.look(end);
        self.others(&hour);
        Ok(())
    }

    fn delta(&self, cells: &[Vec<u64>], rows: &[u64]) -> Delta {
        let start = live(self.hour);
        let pane = Length::MINUTE.times(5);
        let last = Length::HOUR.as_millis() / cells.len() as i64;
        let panes = cells
            .iter()
            .zip(rows)
            .zip(0_i64..)
            .map(|((cells, rows), at)| {
                let start = Timestamp::from_millis(start.as_millis() + at * last);
                PaneDelta {
                    start,
                    rows: *rows,
                    late: 0,
                    last_event: Timestamp::from_millis(start.as_millis() + last - 1),
                    carried: [*rows, 0, 0, 0],
                    cells: sparse(cells),
                    loose: BTreeMap::new(),
                }
            });
        let panes: Vec<PaneDelta> = panes.filter(|pane| pane.rows > 0).collect();
        let all: u64 = rows.iter().sum();
        Delta {
            chain: self.chain.clone(),
            from: i64::from(self.hour),
            to: i64::from(self.hour) + 1,
            writer: 0,
            attempt: u64::from(self.hour),
            pane,
            accounting: Accounting {
                records: all,
                rows: all,
                first_event: panes.first().map(|pane| pane.start),
                last_event: panes.last().map(|pane| pane.last_event),
                ..Accounting::default()
            },
            arrivals: Vec::new(),
            models: vec![ModelDelta {
                key: self.key.clone(),
                layout: self.layout_id,
                panes,
            }],
        }
    }

    /// Takes what fired in the windows that ended by `end`.
    fn look(&mut self, end: Timestamp) {
        for output in self.outputs.drain(..) {
            if let Output::Alert(Told::Fired, alert) = output {
                self.fired.push(Fired {
                    series: self.layout.find(&alert.series).unwrap_or(usize::MAX),
                    window: alert.window,
                    test: alert.test,
                    at: hours_since_live(alert.since),
                    severity: alert.severity,
                });
            }
        }
        if self.spec.cadence == Cadence::Hourly {
            self.judge(end);
        }
    }

    /// Judges the windows that end at a whole hour, at the levels of the design.
    fn judge(&mut self, end: Timestamp) {
        let board = self.engine.board();
        let (Some(model), Some(judge)) = (board.models.get(&self.key), board.judges.get(&self.key))
        else {
            return;
        };
        let is_same = |known: &(Arc<Judge>, [Judge; 2])| Arc::ptr_eq(&known.0, judge);
        if !self.judged.as_ref().is_some_and(is_same) {
            self.judged = Some((Arc::clone(judge), self.judges(judge)));
        }
        let Some((_, [hourly, longer])) = &self.judged else {
            return;
        };
        for panes in &model.windows {
            if end != end.floor(panes.step()) {
                continue;
            }
            let judge = if panes.window() == Length::HOUR {
                hourly
            } else {
                longer
            };
            let window = window::sum(model, panes, end);
            if !alert::is_whole(model, &window) {
                continue;
            }
            let hours = alert::hours_of(model, panes, &window, judge);
            for verdicts in judge.window(&window, &hours) {
                let rule = judge.rule(verdicts.series, window.length);
                for judged in &verdicts.tests {
                    let place = (verdicts.series, window.length, judged.compared.test);
                    if let Some(episode) = self.episodes.get_mut(&place) {
                        let size = episode.size();
                        let sees = judge.sees(verdicts.series, window.length, judged, size);
                        if episode.see(end, judged, (rule, sees)) == Some(Told::Resolved) {
                            self.episodes.remove(&place);
                        }
                    } else if judged.verdict == Verdict::Drift {
                        let alert = alert_at(model, place, end);
                        self.episodes.insert(place, Episode::new(alert));
                        self.fired.push(Fired {
                            series: place.0,
                            window: place.1,
                            test: place.2,
                            at: hours_since_live(end),
                            severity: judged.severity(),
                        });
                    }
                }
            }
        }
    }

    /// The judge of windows of an hour and that of longer ones: only the tests of the design share
    /// the budget, and those of an hour are judged six times less often than by the daemon.
    fn judges(&self, judge: &Judge) -> [Judge; 2] {
        let tests = if matches!(self.spec.world, World::Zipf(_)) {
            2
        } else {
            3
        };
        let tests = tests * self.spec.series;
        let with = |tests| Judge {
            tests,
            settings: vec![
                SeriesSettings {
                    is_off: false,
                    min_psi: self.spec.min_psi,
                };
                self.spec.series
            ],
            ..judge.clone()
        };
        [with(tests / 6), with(tests)]
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
            let cells = score::cells_of(&self.layout, place, hour);
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

/// The record that brings the reference into force, with what its hours taught.
fn activation(
    key: &ModelKey,
    reference: &Reference,
    baseline: BaselineChoice,
    engine: &Engine,
) -> Record {
    let windows = &engine.fold().config.windows;
    let utc = |_zone: &str, _from| Some(Offsets::utc());
    let natural = learn::of_reference(reference, windows, baseline, utc);
    Record::Activate {
        key: key.clone(),
        artifact: artifact::to_bytes(&reference.without_blocks()),
        natural: natural
            .as_ref()
            .map_or_else(Vec::new, artifact::natural_to_bytes),
    }
}

fn live(hour: u32) -> Timestamp {
    let hours = i64::from(REFERENCE_HOURS + hour);
    Timestamp::from_millis(MONDAY + hours * Length::HOUR.as_millis())
}

fn hours_since_live(at: Timestamp) -> f64 {
    at.millis_since(live(0)) as f64 / Length::HOUR.as_millis() as f64
}

/// The rows of each hour of the reference.
fn reference_rows(spec: &Spec) -> Vec<u64> {
    let usual = |hour| spec.world.rows(hour, spec.rows);
    let rows: Vec<u64> = (0..REFERENCE_HOURS).map(usual).collect();
    let Some(wanted) = spec.untimed else {
        return rows;
    };
    let all: u64 = rows.iter().sum();
    let mut sum = 0;
    rows.iter()
        .map(|rows| {
            let before = sum * wanted / all;
            sum += rows;
            sum * wanted / all - before
        })
        .collect()
}

fn reference(referred: Vec<Referred>, rows: &[u64], timed: bool) -> Outcome<Reference> {
    let layout = Layout::new(referred.iter().map(|one| one.layout.clone()).collect())?;
    let all: u64 = rows.iter().sum();
    let mut header = Header::new(
        Name::new("model")?,
        Name::new("1")?,
        ReferenceRole::Training,
    );
    header.rows = all;
    let mut blocks = Vec::new();
    if timed {
        let start = |hour: i64| Timestamp::from_millis(MONDAY + hour * Length::HOUR.as_millis());
        header.first_event = Some(start(0));
        header.last_event = Some(live(0));
        let of_blocks = BlockCells::new(&layout);
        for (hour, rows) in rows.iter().enumerate() {
            let mut counts = vec![0; of_blocks.cells()];
            for (place, one) in referred.iter().enumerate() {
                for (cell, count) in one.hours[hour].iter().enumerate() {
                    counts[of_blocks.offset(place) + block_cell(&one.layout, cell)] += count;
                }
            }
            blocks.push(HourBlock {
                start: start(hour as i64),
                rows: *rows,
                carried: [*rows, 0, 0, 0],
                cells: sparse(&counts),
            });
        }
    }
    let series = referred.into_iter().map(|one| one.reference).collect();
    let carried = [all, 0, 0, 0];
    Ok(Reference::new(
        header,
        Arc::new(layout),
        series,
        carried,
        blocks,
    )?)
}

fn sparse(counts: &[u64]) -> Vec<(u32, u64)> {
    let cells = (0..).zip(counts.iter().copied());
    cells.filter(|(_, count)| *count > 0).collect()
}

fn configuration(spec: &Spec) -> Configuration {
    // in hours, the engine's own alerts would only repeat the work
    let off = AlertRule {
        model: "*".to_owned(),
        series: None,
        off: Some(true),
        min_psi: None,
        false_alarms_per_month: None,
    };
    Configuration {
        windows: [1, 6, 24, 168]
            .map(|hours| Length::HOUR.times(hours))
            .to_vec(),
        keep: None,
        lateness: Length::SECOND,
        wait_max: Length::DAY,
        silent_after: Length::DAY.times(365),
        models_max: 1,
        models_allow: Vec::new(),
        loose_series_max: 1,
        learn_rows: 10_000,
        alerts: Alerting {
            false_alarms_per_month: 1.0,
            min_psi: spec.min_psi,
            baseline: spec.baseline,
            rules: match spec.cadence {
                Cadence::Daemon => Vec::new(),
                Cadence::Hourly => vec![off],
            },
            about: Vec::new(),
        },
    }
}

fn record_at(position: u64, append_time: Timestamp, record: Record) -> fold::Input {
    fold::Input {
        position,
        append_time,
        digest: [0; 32],
        record,
    }
}

fn alert_at(model: &ModelState, place: (usize, Length, Test), end: Timestamp) -> Alert {
    Alert {
        id: "".into(),
        key: model.key.clone(),
        series: "".into(),
        window: place.1,
        test: place.2,
        reference: ReferenceRole::Training,
        since: end,
        severity: Severity::Info,
        p: 0.0,
        alpha: 0.0,
        psi: 0.0,
        sentence: "".into(),
        peers: Vec::new(),
        resolved: None,
        acknowledged: None,
    }
}
