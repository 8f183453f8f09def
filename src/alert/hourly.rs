//! A window and its rows by the hour, in one pass over its panes, or from the window before.
//!
//! ```text
//! panes        0 1 2 3 4 5 6 7 8 9 10 11 12 13
//! before      [0 1 2 3 4 5 6 7 8 9 10 11]             [`Summed`]: what it came to
//! now             [2 3 4 5 6 7 8 9 10 11 12 13]       before - (0 + 1) + (12 + 13)
//! ```
//!
//! Counts are whole numbers, so both ways give the same. Where a row came into the window before
//! since it was added up, or it was counted in another layout, all panes are added up.
//!
//! Hours are told apart where panes are at most as long; of longer ones hours are kept anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::judge::{HourRows, Judge};
use crate::delta::LayoutId;
use crate::fold::cells::Cells;
use crate::fold::model::ModelState;
use crate::fold::pane::Panes;
use crate::fold::window::{self, Window};
use crate::layout::{Layout, SeriesLayout};
use crate::reference::BLOCK;
use crate::reference::narrow::Narrow;
use crate::time::Timestamp;

/// Rows with a value, and all rows, of each series of a layout.
type Rows = Vec<(u64, u64)>;

/// A window, and its rows by the hour where its judge tells hours apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    /// The window.
    pub window: Window,
    /// Its hours, in order of time.
    pub hours: Vec<HourRows>,
    /// Its hours by their start, where they come from its panes.
    by_start: Option<BTreeMap<Timestamp, Rows>>,
}

/// What a window came to, to go on at.
#[derive(Debug, Clone)]
pub struct Summed {
    layout: LayoutId,
    start: Timestamp,
    end: Timestamp,
    /// Its rows, in the layout and elsewhere.
    rows: (u64, u64),
    cells: Narrow,
    by_start: Option<BTreeMap<Timestamp, Rows>>,
}

impl Sum {
    /// What the next window can go on at; none where some of its panes are gone.
    pub fn keep(self, layout: LayoutId) -> Option<Summed> {
        let window = self.window;
        window.kept.then(|| Summed {
            layout,
            start: window.start(),
            end: window.end,
            rows: (window.rows, window.rows_elsewhere),
            cells: window.cells,
            by_start: self.by_start,
        })
    }
}

impl Summed {
    /// Whether the window that ends at `end` has panes in common with this one, and this one is
    /// still what its panes come to.
    fn leads_to(&self, model: &ModelState, panes: &Panes, end: Timestamp) -> bool {
        let is_near = self.end <= end && end < self.end + panes.window();
        if !is_near || self.layout != model.layout || !panes.reaches(self.start) {
            return false;
        }
        let (mut rows, mut all) = (0, 0);
        for (_, pane) in panes.range(self.start, self.end) {
            all += pane.rows();
            rows += pane.under(model.layout).map_or(0, |counts| counts.rows);
        }
        self.rows == (rows, all - rows)
    }
}

/// Adds up the window that ends at `end`, and its rows by the hour where the judge tells hours
/// apart; from `before` where that leads to it.
pub fn sum(
    model: &ModelState,
    panes: &Panes,
    end: Timestamp,
    judge: Option<&Judge>,
    before: Option<&Summed>,
) -> Sum {
    let judge = judge.filter(|judge| judge.needs_hours());
    let by_hour = judge.filter(|_| panes.pane() <= BLOCK);
    let layout = by_hour.map(|judge| &*judge.reference.layout);
    let before = before.filter(|before| {
        before.by_start.is_some() == by_hour.is_some() && before.leads_to(model, panes, end)
    });
    let mut adding = Adding::new(model, layout, before);
    let from = before.map_or(Timestamp::MIN, |before| before.end);
    let mut with_counts = BTreeSet::new();
    let mut window = window::sum(model, panes, end, |start, counts| {
        with_counts.insert(start.floor(BLOCK));
        if start >= from {
            adding.change(start, counts, |sum, count| *sum += count);
        }
    });
    if let Some(before) = before {
        for (start, pane) in panes.range(before.start, window.start()) {
            if let Some(counts) = pane.under(model.layout) {
                // a delta may have cells and no rows: nonsense, of which nothing must panic
                adding.change(start, &counts.cells, |sum, count| {
                    *sum = sum.saturating_sub(count);
                });
            }
        }
    }
    adding.hours.retain(|start, _| with_counts.contains(start));
    let same = before.filter(|before| before.end == end);
    window.cells = same.map_or_else(|| Narrow::new(&adding.cells), |before| before.cells.clone());
    let by_start = by_hour.map(|_| adding.hours);
    let hours = match (judge, &by_start) {
        (Some(judge), Some(hours)) => hours
            .iter()
            .map(|(start, series)| HourRows {
                bucket: judge.bucket_of(*start),
                series: series.clone(),
            })
            .collect(),
        (Some(judge), None) => kept_hours(model, &window, judge),
        (None, _) => Vec::new(),
    };
    Sum {
        window,
        hours,
        by_start,
    }
}

/// Cells and hours while panes are added to them and taken away.
struct Adding<'a> {
    layout: Option<&'a Layout>,
    cells: Vec<u64>,
    /// Of the pane at hand.
    own: Vec<u64>,
    hours: BTreeMap<Timestamp, Rows>,
}

impl<'a> Adding<'a> {
    fn new(model: &ModelState, layout: Option<&'a Layout>, before: Option<&Summed>) -> Self {
        let none = window::no_cells(model);
        let hours = before.and_then(|before| before.by_start.clone());
        Self {
            layout,
            cells: before.map_or_else(|| none.clone(), |before| before.cells.to_vec()),
            own: none,
            hours: hours.unwrap_or_default(),
        }
    }

    /// Adds the counts of a pane, or takes them away.
    fn change(&mut self, start: Timestamp, counts: &Cells, change: impl Fn(&mut u64, u64)) {
        self.own.fill(0);
        counts.add_to(&mut self.own);
        for (sum, count) in self.cells.iter_mut().zip(&self.own) {
            change(sum, *count);
        }
        let Some(layout) = self.layout else {
            return;
        };
        let series = layout.series().len();
        let more = rows(&self.own, series, |place| in_layout(layout, place));
        let hour = self.hours.entry(start.floor(BLOCK));
        let hour = hour.or_insert_with(|| vec![(0, 0); series]);
        for ((present, all), more) in hour.iter_mut().zip(more) {
            change(present, more.0);
            change(all, more.1);
        }
    }
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

/// The rows with a value, and all rows, of each of so many series. `place` says where the cells of
/// a series are, and where those of its values end.
fn rows(cells: &[u64], series: usize, place: impl Fn(usize) -> (Range<usize>, usize)) -> Rows {
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

    /// The window, pane by pane.
    fn all_panes(model: &ModelState, panes: &Panes, end: Timestamp) -> Window {
        let mut cells = window::no_cells(model);
        let window = window::sum(model, panes, end, |_start, counts| {
            counts.add_to(&mut cells);
        });
        let cells = Narrow::new(&cells);
        Window { cells, ..window }
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
        let (mut looked_at, mut led) = (0, 0);
        for panes in &model.windows {
            let mut before: Option<Summed> = None;
            for step in (0..20).rev() {
                let end = hour(58).floor(panes.step()) - panes.step().times(step);
                let found = sum(model, panes, end, Some(judge), None);
                assert_eq!(found.window, all_panes(model, panes, end));
                assert_eq!(found.hours, simple(model, panes, &found.window, judge));
                looked_at += usize::from(found.hours.len() > 1);
                let alone = sum(model, panes, end, None, None);
                assert_eq!(alone.window, found.window);
                assert!(alone.hours.is_empty());
                // from the window before, and from itself
                let leads = |before: &Summed| before.leads_to(model, panes, end);
                led += usize::from(before.as_ref().is_some_and(leads));
                let again = sum(model, panes, end, Some(judge), before.as_ref());
                assert_eq!(again, found);
                before = found.clone().keep(model.layout);
                assert_eq!(sum(model, panes, end, Some(judge), before.as_ref()), found);
            }
        }
        assert!(looked_at > 20 && led > 8, "{looked_at} {led}");
        let lengths: Vec<_> = model.windows.iter().map(Panes::window).collect();
        assert_eq!(lengths.last(), Some(&Length::DAY));
    }

    #[test]
    fn a_late_row_makes_the_window_before_useless() {
        let mut scene = Scene::new(config());
        scene.activate(hour(0), &by_hour());
        let rows = Rows {
            version: "1",
            count: 30,
            carried: Carried::ALL,
            fields: &[AMOUNT, COUNTRY],
        };
        for end in 1..9 {
            scene.hour(end, &[rows]);
        }
        let summed = |scene: &Scene, end: Timestamp, before: Option<&Summed>| {
            let board = scene.board();
            let model = board.models.values().next().unwrap();
            let judge = board.judges.values().next().unwrap();
            let found = sum(model, &model.windows[1], end, Some(judge), before);
            let all = sum(model, &model.windows[1], end, Some(judge), None);
            assert_eq!(found, all);
            let before = found.keep(model.layout).unwrap();
            let leads = before.leads_to(model, &model.windows[1], end + Length::HOUR);
            (before, leads, all)
        };
        let (before, leads, _) = summed(&scene, hour(7), None);
        assert!(leads);
        scene.hour(5, &[rows]);
        let (_, _, all) = summed(&scene, hour(8), Some(&before));
        assert_eq!(all.window.rows, 7 * 30);
    }
}
