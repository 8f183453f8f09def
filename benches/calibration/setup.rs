//! What a simulated model begins with: its reference, configuration and the place of its hours.

use std::sync::Arc;

use driftd::alert::learn;
use driftd::engine::Engine;
use driftd::fold;
use driftd::key::{ModelKey, Name};
use driftd::layout::Layout;
use driftd::reference::natural::Offsets;
use driftd::reference::{
    BlockCells, Header, HourBlock, Reference, ReferenceRole, artifact, block_cell,
};
use driftd::statelog::record::{Alerting, BaselineChoice, Configuration, Record};
use driftd::time::{Length, Timestamp};

use crate::Outcome;
use crate::world::{Referred, World};

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
    pub(crate) min_psi: f64,
    pub(crate) series: usize,
}

/// The record that brings the reference into force, with what its hours taught.
pub(crate) fn activation(
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

pub(crate) fn live(hour: u32) -> Timestamp {
    let hours = i64::from(REFERENCE_HOURS + hour);
    Timestamp::from_millis(MONDAY + hours * Length::HOUR.as_millis())
}

pub(crate) fn hours_since_live(at: Timestamp) -> f64 {
    at.millis_since(live(0)) as f64 / Length::HOUR.as_millis() as f64
}

/// The rows of each hour of the reference.
pub(crate) fn reference_rows(spec: &Spec) -> Vec<u64> {
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

pub(crate) fn reference(referred: Vec<Referred>, rows: &[u64], timed: bool) -> Outcome<Reference> {
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

pub(crate) fn sparse(counts: &[u64]) -> Vec<(u32, u64)> {
    let cells = (0..).zip(counts.iter().copied());
    cells.filter(|(_, count)| *count > 0).collect()
}

pub(crate) fn configuration(spec: &Spec) -> Configuration {
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
        state_bytes_max: 1 << 40,
        learn_rows: 10_000,
        alerts: Alerting {
            false_alarms_per_month: 1.0,
            min_psi: spec.min_psi,
            baseline: spec.baseline,
            rules: Vec::new(),
            about: Vec::new(),
        },
    }
}

pub(crate) fn record_at(position: u64, append_time: Timestamp, record: Record) -> fold::Input {
    fold::Input {
        position,
        append_time,
        digest: [0; 32],
        record,
    }
}
