//! Hours against the naive sum of what was added.

use proptest::prelude::*;

use super::*;
use crate::key::Role;
use crate::layout::{Bins, CategoryBins, CategoryHash, Edges, Kind, NumericBins, SeriesLayout};

const MINUTE_5: i64 = 300_000;

/// Seven value bins in four test bins, and two categories with `other` and `new`.
fn layout() -> Arc<Layout> {
    let edges = Edges::new(vec![1.0, 2.0, 4.0, 9.0, 20.0, 30.0]).unwrap();
    let numbers = NumericBins::new(edges, vec![0; 7], vec![0, 0, 1, 1, 1, 2, 3]).unwrap();
    let hash = CategoryHash::new("country", false);
    let known = vec![(hash.category("DE"), 9), (hash.category("FR"), 4)];
    let texts = CategoryBins::from_reference(hash, known);
    let series = [
        SeriesLayout::new(
            "amount",
            Role::Feature,
            Kind::Numeric,
            Bins::Numeric(numbers),
        ),
        SeriesLayout::new(
            "country",
            Role::Feature,
            Kind::Categorical,
            Bins::Categorical(texts),
        ),
    ];
    Arc::new(Layout::new(series.into_iter().collect::<Result<_, _>>().unwrap()).unwrap())
}

fn pane(start: i64, cells: Vec<(u32, u64)>) -> PaneDelta {
    let rows: u64 = cells.iter().map(|(_, count)| count).sum();
    PaneDelta {
        start: Timestamp::from_millis(start),
        rows,
        late: 0,
        last_event: Timestamp::from_millis(start),
        carried: [rows, 0, 1, 0],
        cells,
        loose: BTreeMap::new(),
    }
}

/// The block cell of a cell, from the definition: one series after the other.
fn naive_cell(layout: &Layout, cell: usize) -> u32 {
    let mut blocks = 0;
    for (at, series) in layout.series().iter().enumerate() {
        if cell < layout.offset(at + 1) {
            let within = cell - layout.offset(at);
            let found = if within < series.value_cells() {
                usize::from(series.tests()[within])
            } else {
                series.test_bins() + within - series.value_cells()
            };
            return u32::try_from(blocks + found).unwrap();
        }
        blocks += series.test_bins() + 2;
    }
    unreachable!("a cell beyond the layout");
}

/// Panes of 40 days, most of them in the last days, each with some cells, and how far event time
/// came with each.
fn deltas() -> impl Strategy<Value = Vec<(i64, Vec<(u32, u64)>)>> {
    let cells = u32::try_from(layout().cells()).unwrap();
    let start = prop_oneof![0_i64..40 * 288, 39 * 288_i64..40 * 288];
    let counts = prop::collection::btree_map(0..cells, 1_u64..300, 0..12);
    let counts = counts.prop_map(|counts| counts.into_iter().collect());
    prop::collection::vec((start, counts), 1..40)
}

/// The hour that a pane counts in, from the definition: all windows that start in an hour in turn.
fn naive_hour(at: Timestamp, part: Option<Length>) -> Option<Timestamp> {
    let Some(length) = part else {
        return Some(at.floor(Length::HOUR));
    };
    let hour = at.floor(length).floor(Length::HOUR);
    let minutes = (0..60).map(|minute| Timestamp::from_millis(hour.as_millis() + minute * 60_000));
    let starts: Vec<_> = minutes.filter(|at| at.floor(length) == *at).collect();
    let hours = usize::try_from(hour.as_millis() / Length::HOUR.as_millis()).unwrap();
    let turn = (hours % 24 + hours / 24) % starts.len();
    (starts[turn] == at.floor(length)).then_some(hour)
}

/// Whole hours, or parts of so many minutes.
fn parts() -> impl Strategy<Value = Option<Length>> {
    let minutes = prop::sample::select(vec![5, 10, 12, 15, 20, 30, 45]);
    prop::option::of(minutes.prop_map(|minutes| Length::MINUTE.times(minutes)))
}

/// What is at half past is among the parts at each hour of the day, after a few days.
#[test]
fn every_part_of_every_hour_of_the_day_has_its_turn() {
    for parts in [2_u32, 3, 4, 5, 6, 12] {
        let length = Length::HOUR.divided_by(parts).unwrap();
        let at = |part| Timestamp::EPOCH + length.times(part);
        for hour in 0..24 {
            let mut turns = vec![0; parts as usize];
            for (day, part) in (0..parts).flat_map(|day| (0..parts).map(move |part| (day, part))) {
                let start = at((day * 24 + hour) * parts + part + 24 * parts);
                turns[part as usize] += u32::from(hour_of_part(start, length).is_some());
            }
            assert_eq!(turns, vec![1; parts as usize], "{length} at {hour}");
        }
    }
}

proptest! {
    /// Whatever the order of panes, however late they are and whatever was packed in between, an
    /// hour's block is the sum of its panes' cells at the block cells, and what fell behind the
    /// horizon is gone.
    #[test]
    fn hours_are_the_sum_of_their_panes(deltas in deltas(), part in parts()) {
        let layout = layout();
        let (mut hours, kept) = match part {
            None => (Hours::new(Arc::clone(&layout)), HOURS_KEPT),
            Some(length) => (Hours::parts(Some(&layout), length), PARTS_KEPT),
        };
        let keeps = |hour: Timestamp, last| hour + Length::HOUR > last - kept;
        let mut naive: BTreeMap<Timestamp, HourBlock> = BTreeMap::new();
        let mut sums: BTreeMap<(Timestamp, u32), u64> = BTreeMap::new();
        let mut last = Timestamp::MIN;
        for (start, cells) in deltas {
            let pane = pane(start * MINUTE_5, cells);
            last = last.max(pane.start);
            hours.add(&pane, last);
            hours.settle(last, &Spill::default());
            let hour = naive_hour(pane.start, part);
            if let Some(start) = hour.filter(|start| keeps(*start, last)) {
                let empty = HourBlock { start, rows: 0, carried: [0; 4], cells: Vec::new() };
                let block = naive.entry(start).or_insert(empty);
                block.rows += pane.rows;
                block.carried[0] += pane.carried[0];
                block.carried[2] += pane.carried[2];
                for (cell, count) in &pane.cells {
                    *sums.entry((start, naive_cell(&layout, *cell as usize))).or_default() += count;
                }
            }
            naive.retain(|start, _| keeps(*start, last));
        }
        for ((start, cell), count) in sums {
            if let Some(block) = naive.get_mut(&start) {
                block.cells.push((cell, count));
            }
        }
        let expected: Vec<_> = naive.into_values().collect();
        let kept: Vec<_> = hours.range(Timestamp::MIN, Timestamp::MAX).collect();
        let span = expected.first().zip(expected.last());
        prop_assert_eq!(hours.span(), span.map(|(a, b)| (a.start, b.start + Length::HOUR)));
        let rows: u64 = expected.iter().map(|block| block.rows).sum();
        prop_assert_eq!(hours.rows_of_range(Timestamp::MIN, Timestamp::MAX), rows);
        prop_assert_eq!(kept, expected);
    }
}

#[test]
fn old_hours_are_packed_and_late_rows_reach_them() {
    let mut hours = Hours::new(layout());
    let hour = Length::HOUR.as_millis();
    for at in 0..8 {
        let last = Timestamp::from_millis(at * hour);
        hours.add(&pane(at * hour, vec![(0, 3), (4, 200)]), last);
        hours.settle(last, &Spill::default());
    }
    let last = Timestamp::from_millis(7 * hour);
    let packed = |hours: &Hours| {
        let all = hours.between(Timestamp::MIN, Timestamp::MAX);
        all.filter(|(_, hour)| hour.counts.is_packed()).count()
    };
    assert_eq!(packed(&hours), 4);
    hours.add(&pane(MINUTE_5, vec![(4, 100), (8, 1)]), last);
    assert_eq!(packed(&hours), 3);
    hours.settle(last, &Spill::default());
    assert_eq!(packed(&hours), 4);
    let first = hours
        .range(Timestamp::EPOCH, Timestamp::from_millis(1))
        .next()
        .unwrap();
    // bins 0 and 4 of the value, which are test bins 0 and 1, and the invalid cell
    assert_eq!(first.cells, [(0, 3), (1, 300), (5, 1)]);
    let cells = hours.cells().unwrap();
    assert_eq!(cells.counts(&first, 0), [3, 300, 0, 0, 0, 1]);
}

#[test]
fn a_copy_shares_all_days_but_the_one_that_changes() {
    let mut hours = Hours::new(layout());
    let day = Length::DAY.as_millis();
    for at in 0..3 {
        let last = Timestamp::from_millis(at * day);
        hours.add(&pane(at * day, vec![(0, 1)]), last);
    }
    let copy = hours.clone();
    let last = Timestamp::from_millis(2 * day);
    hours.add(&pane(2 * day, vec![(0, 1)]), last);
    let days = hours.days.values().zip(copy.days.values());
    let shared: Vec<bool> = days
        .map(|(mine, theirs)| Arc::ptr_eq(mine, theirs))
        .collect();
    assert_eq!(shared, [true, true, false]);
    assert_eq!(copy.rows_of_range(Timestamp::MIN, Timestamp::MAX), 3);
    assert_eq!(hours.rows_of_range(Timestamp::MIN, Timestamp::MAX), 4);
}
