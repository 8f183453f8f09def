//! A window and its rows by the hour, in one pass over its panes.
//!
//! ```text
//! panes of at most an hour    each hour's panes are added up, its rows looked at, and its cells
//!                             added to those of the window
//! longer panes                the window is added up alone; hours are kept anyway
//! ```

use std::ops::Range;

use super::judge::{HourRows, Judge};
use crate::fold::model::ModelState;
use crate::fold::pane::Panes;
use crate::fold::window::{self, Window};
use crate::layout::{Layout, SeriesLayout};
use crate::reference::BLOCK;
use crate::time::Timestamp;

/// The window that ends at `end`, and its rows by the hour where the judge tells hours apart.
pub fn sum(
    model: &ModelState,
    panes: &Panes,
    end: Timestamp,
    judge: Option<&Judge>,
) -> (Window, Vec<HourRows>) {
    match judge.filter(|judge| judge.needs_hours()) {
        Some(judge) if panes.pane() <= BLOCK => sum_by_hour(model, panes, end, judge),
        Some(judge) => {
            let window = window::sum(model, panes, end);
            let hours = kept_hours(model, &window, judge);
            (window, hours)
        }
        None => (window::sum(model, panes, end), Vec::new()),
    }
}

fn sum_by_hour(
    model: &ModelState,
    panes: &Panes,
    end: Timestamp,
    judge: &Judge,
) -> (Window, Vec<HourRows>) {
    let layout = &judge.reference.layout;
    let mut hours = Vec::new();
    let mut all = window::no_cells(model);
    let mut own = all.clone();
    let mut current: Option<Timestamp> = None;
    let mut finish = |start: Timestamp, own: &mut [u64]| {
        hours.push(HourRows {
            bucket: judge.bucket_of(start),
            series: rows(own, layout.series().len(), |place| in_layout(layout, place)),
        });
        for (sum, count) in all.iter_mut().zip(own) {
            *sum += std::mem::take(count);
        }
    };
    let mut window = window::sum_with(model, panes, end, |start, cells| {
        let start = start.floor(BLOCK);
        if let Some(before) = current.replace(start).filter(|before| *before != start) {
            finish(before, &mut own);
        }
        cells.add_to(&mut own);
    });
    if let Some(last) = current {
        finish(last, &mut own);
    }
    window.cells = all;
    (window, hours)
}

fn kept_hours(model: &ModelState, window: &Window, judge: &Judge) -> Vec<HourRows> {
    let Some(cells) = model.hours.cells() else {
        return Vec::new();
    };
    let series = judge.reference.layout.series().len();
    let values = |place| {
        let (from, end) = (cells.offset(place), cells.offset(place + 1));
        (from..end, end.saturating_sub(2))
    };
    let mut hours = Vec::new();
    let range = (window.start(), window.end);
    model.hours.each(range, |start, counts| {
        hours.push(HourRows {
            bucket: judge.bucket_of(start),
            series: rows(counts, series, values),
        });
    });
    hours
}

/// The cells of a series in a layout, and where those of its values end.
fn in_layout(layout: &Layout, place: usize) -> (Range<usize>, usize) {
    let from = layout.offset(place);
    let values = layout.series().get(place);
    let values = values.map_or(0, SeriesLayout::value_cells);
    (from..layout.offset(place + 1), from + values)
}

/// The rows with a value, and all rows, of each of so many series. `place` says where the cells of a
/// series are, and where those of its values end.
fn rows(
    cells: &[u64],
    series: usize,
    place: impl Fn(usize) -> (Range<usize>, usize),
) -> Vec<(u64, u64)> {
    let of_series = |at| {
        let (all, values) = place(at);
        let sum = |range: Range<usize>| cells.get(range).map_or(0, |own| own.iter().sum());
        let present: u64 = sum(all.start..values);
        (present, present + sum(values..all.end))
    };
    (0..series).map(of_series).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::alert::scene::{Field, Rows, Scene, config, hour, reference};
    use crate::decode::Value;
    use crate::key::{Carried, Role};
    use crate::reference::narrow::Narrow;
    use crate::reference::natural::{Buckets, Natural, Offsets, Profile};
    use crate::reference::{BlockCells, Reference};
    use crate::time::Length;

    const AMOUNT: Field = (Role::Feature, "amount", Value::Number(3.0));
    const COUNTRY: Field = (Role::Feature, "country", Value::Text("de"));
    const NO_AMOUNT: Field = (Role::Feature, "amount", Value::Missing);
    const ABROAD: Field = (Role::Feature, "country", Value::Text("fr"));

    /// A reference that tells hours of the day apart.
    fn by_hour() -> Reference {
        let mut reference = reference("1", &[AMOUNT, COUNTRY], [1_000, 1_000, 0, 0]);
        let cells = BlockCells::new(&reference.layout).cells();
        let profile = Profile {
            buckets: Buckets::HourOfDay,
            offsets: Offsets::utc(),
            hours: vec![9; 24],
            counts: vec![Narrow::new(&vec![9; cells]); 24],
            spread: vec![[0.1; 2]; reference.layout.series().len()],
        };
        let natural = reference.natural.take().unwrap();
        reference.natural = Some(Arc::new(Natural {
            profile: Some(Arc::new(profile)),
            ..Natural::clone(&natural)
        }));
        reference
    }

    /// Each pane and hour by itself, cell by cell.
    fn simple(model: &ModelState, panes: &Panes, window: &Window, judge: &Judge) -> Vec<HourRows> {
        let layout = &judge.reference.layout;
        let blocks = BlockCells::new(layout);
        let mut hours: BTreeMap<Timestamp, Vec<(u64, u64)>> = BTreeMap::new();
        let mut add = |start: Timestamp, (place, is_value): (usize, bool), count: u64| {
            let none = || vec![(0, 0); layout.series().len()];
            let rows = &mut hours.entry(start).or_insert_with(none)[place];
            *rows = (rows.0 + if is_value { count } else { 0 }, rows.1 + count);
        };
        for (place, series) in layout.series().iter().enumerate() {
            if panes.pane() > BLOCK {
                for block in model.hours.range(window.start(), window.end) {
                    let counts = blocks.counts(&block, place);
                    for (cell, count) in counts.iter().enumerate() {
                        add(block.start, (place, cell < series.test_bins()), *count);
                    }
                }
                continue;
            }
            for (start, pane) in panes.range(window.start(), window.end) {
                for (cell, count) in pane.under(model.layout).unwrap().cells.iter() {
                    let own = (cell as usize).checked_sub(layout.offset(place));
                    if let Some(own) = own.filter(|own| *own < series.cells()) {
                        add(
                            start.floor(BLOCK),
                            (place, own < series.value_cells()),
                            count,
                        );
                    }
                }
            }
        }
        let rows = |(start, series)| HourRows {
            bucket: judge.bucket_of(start),
            series,
        };
        hours.into_iter().map(rows).collect()
    }

    #[test]
    fn one_pass_finds_what_single_cells_say() {
        let mut scene = Scene::new(config());
        scene.activate(hour(0), &by_hour());
        for end in 1..60 {
            let rows = |count, fields| Rows {
                version: "1",
                count,
                carried: Carried::ALL,
                fields,
            };
            let fields = [[AMOUNT, COUNTRY], [NO_AMOUNT, ABROAD]];
            let counts = [20 + end % 7, end % 5];
            let all: Vec<_> = counts.into_iter().zip(&fields).collect();
            let all: Vec<_> = all
                .into_iter()
                .map(|(count, fields)| rows(count, fields))
                .collect();
            scene.hour(end, &all);
        }
        let board = scene.board();
        let (model, judge) = (
            board.models.values().next().unwrap(),
            board.judges.values().next().unwrap(),
        );
        let mut looked_at = 0;
        for panes in &model.windows {
            for step in 0..20 {
                let end = hour(58).floor(panes.step()) - panes.step().times(step);
                let (found, hours) = sum(model, panes, end, Some(judge));
                assert_eq!(found, window::sum(model, panes, end));
                assert_eq!(hours, simple(model, panes, &found, judge));
                looked_at += usize::from(hours.len() > 1);
                assert_eq!(sum(model, panes, end, None), (found, Vec::new()));
            }
        }
        assert!(looked_at > 20, "{looked_at}");
        let lengths: Vec<_> = model.windows.iter().map(Panes::window).collect();
        assert_eq!(lengths.last(), Some(&Length::DAY));
    }
}
