//! Learned references against those of other splits of the same rows, and against counting in the
//! learned layout from the start.

use proptest::prelude::*;

use super::*;
use crate::decode::Value;
use crate::delta::Delta;
use crate::fold::pane::Counts;
use crate::fold::tests::{Log, MINUTE, config};
use crate::reference::{HourBlock, artifact};
use crate::statelog::record::{Configuration, Record};
use crate::tally::Layouts;
use crate::testing::{self, PANE, Worker, activate, chain, genesis, without_layouts};

/// A row: its minute, and what its two series hold.
pub(in crate::fold) type Event = (i64, u8, i16);

/// Mostly numbers and three texts; sometimes of another kind, null, or absent.
fn values(event: &Event) -> Vec<testing::Field> {
    let (_, kind, number) = *event;
    let mut values = Vec::new();
    match kind % 8 {
        0 => {}
        1 => values.push((Role::Feature, "x", Value::Missing)),
        2 => values.push((Role::Feature, "x", Value::Text("odd"))),
        3 => values.push((Role::Feature, "x", Value::Bool(true))),
        _ => values.push((Role::Feature, "x", Value::Number(f64::from(number) / 8.0))),
    }
    match kind / 8 % 5 {
        0 => {}
        1 => values.push((Role::Feature, "c", Value::Number(1.0))),
        text => values.push((
            Role::Feature,
            "c",
            Value::Text(["a", "b", "z"][usize::from(text) - 2]),
        )),
    }
    values
}

fn event() -> impl Strategy<Value = Event> {
    (0_i64..600, any::<u8>(), -200_i16..200)
}

/// The delta of rows that follow `from`, in some layouts.
pub(in crate::fold) fn delta(layouts: Layouts, from: i64, events: &[Event]) -> Delta {
    let mut worker = Worker::new(layouts, PANE, (0, from));
    for event in events {
        let (at, fields) = (Timestamp::from_millis(event.0 * MINUTE), values(event));
        worker.add(&testing::Event::new("1", at, &fields));
    }
    worker.delta(true)
}

fn learning(rows: usize) -> Configuration {
    Configuration {
        windows: vec![Length::HOUR, Length::DAY],
        learn_rows: rows as u64,
        silent_after: Length::DAY.times(30),
        ..config()
    }
}

impl Log {
    pub(in crate::fold) fn learning(rows: usize) -> Self {
        let mut log = Self::of(learning(rows));
        log.now = 2_000 * MINUTE;
        log.append(genesis(0));
        log
    }

    pub(in crate::fold) fn head(&self) -> i64 {
        self.fold.chains[&chain(0)].head
    }

    /// Appends rows, in deltas of these many rows (in turn), counted without a layout or in that of
    /// the fold.
    pub(in crate::fold) fn rows(&mut self, events: &[Event], sizes: &[usize], in_layout: bool) {
        let mut rest = events;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                return;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            let layouts = if in_layout {
                self.fold.layouts()
            } else {
                without_layouts()
            };
            let delta = delta(layouts, self.head(), now);
            self.append(Record::Delta(Box::new(delta)));
            rest = later;
        }
    }

    /// Everything that scores can be made of: panes under the layout in force, and hours.
    fn seen(&self) -> (Vec<(Timestamp, Counts)>, Vec<HourBlock>) {
        let model = self.model();
        let windows = model.windows.iter();
        let panes = windows.flat_map(|panes| panes.range(Timestamp::MIN, Timestamp::MAX));
        let counts = panes.map(|(start, pane)| {
            assert_eq!(pane.under(LayoutId::UNIVERSAL), None);
            (start, pane.under(model.layout).unwrap().clone())
        });
        let hours = model.hours.range(Timestamp::MIN, Timestamp::MAX);
        (counts.collect(), hours.collect())
    }

    pub(in crate::fold) fn baseline(&self) -> &Arc<Reference> {
        self.model().references.baseline.as_ref().unwrap()
    }

    /// Whether each of the references that became active was learned.
    fn activations(&self) -> Vec<bool> {
        let all = self.effects.iter().filter_map(|effect| match effect {
            Effect::Activated { learned, .. } => Some(*learned),
            _ => None,
        });
        all.collect()
    }
}

proptest! {
    /// However the same first rows are split into deltas, the reference is the same to the byte.
    /// What they and later rows count is what they would have counted in its layout from the
    /// start, whether later workers know of it or not.
    #[test]
    fn a_learned_reference_is_a_function_of_the_rows(
        first in prop::collection::vec(event(), 1..60),
        later in prop::collection::vec(event(), 0..30),
        sizes in prop::collection::vec(1..20_usize, 1..5),
        in_layout: bool,
    ) {
        let mut whole = Log::learning(first.len());
        whole.rows(&first, &[first.len()], false);
        prop_assert!(whole.model().learned && !whole.model().learning);
        let mut split = Log::learning(first.len());
        split.rows(&first, &sizes, false);
        let bytes = artifact::to_bytes(whole.baseline());
        prop_assert_eq!(&artifact::to_bytes(split.baseline()), &bytes);
        prop_assert_eq!(split.seen(), whole.seen());
        prop_assert_eq!(whole.baseline().header.rows, first.len() as u64);

        let mut known = Log::of(Configuration { learn_rows: 0, ..learning(0) });
        known.now = whole.now;
        known.append(genesis(0));
        known.append(activate(whole.baseline()));
        known.rows(&first, &sizes, true);
        prop_assert_eq!(whole.seen(), known.seen());
        known.rows(&later, &sizes, true);
        whole.rows(&later, &sizes, in_layout);
        prop_assert_eq!(whole.seen(), known.seen());
    }
}

/// A row a minute from this minute on, its value the minute of the hour.
pub(in crate::fold) fn steady(minutes: std::ops::Range<i64>) -> Vec<Event> {
    minutes
        .map(|minute| (minute, 4 + 8 * 2, i16::try_from(minute % 60).unwrap()))
        .collect()
}

#[test]
fn five_hundred_rows_are_enough_after_a_day() {
    let mut log = Log::learning(10_000);
    log.rows(&steady(0..499), &[100], false);
    assert!(log.model().learning);
    // the first pane begins at 0, and the day is not over
    log.rows(&steady(1_438..1_440), &[1], false);
    assert!(log.model().learning && log.activations().is_empty());
    log.rows(&steady(1_440..1_441), &[1], false);
    assert!(log.model().learned && !log.model().learning);
    let header = &log.baseline().header;
    assert_eq!((header.rows, header.role), (502, ReferenceRole::Baseline));
    assert_eq!(header.first_event, Some(Timestamp::EPOCH));
    assert_eq!(
        header.last_event,
        Some(Timestamp::from_millis(1_440 * MINUTE))
    );
    assert!(header.learned);
    assert!(log.effects.contains(&Effect::Layouts));
}

#[test]
fn after_eight_days_a_learned_reference_has_the_counts_of_all_of_them() {
    let mut log = Log::learning(300);
    log.rows(&steady(0..300), &[100], false);
    let learned = Arc::clone(log.baseline());
    let day = 1_440;
    // other values: some in bins that were empty, some beyond all of them
    let shifted: Vec<Event> = steady(300..8 * day)
        .into_iter()
        .map(|(minute, kind, number)| (minute, kind, number * 3 - 20))
        .collect();
    log.now = 9 * day * MINUTE;
    log.rows(&shifted, &[500], true);
    assert_eq!(log.baseline().digest(), learned.digest());
    let last = steady(8 * day + 299..8 * day + 300);
    // a worker that still knows of no layout is heard too
    log.rows(&last, &[1], false);
    let renewed = log.baseline();
    assert_ne!(renewed.digest(), learned.digest());
    assert_eq!(renewed.layout.digest(), learned.layout.digest());
    assert!(log.model().learned);
    let named = (LayoutId(1), Arc::clone(&learned.layout));
    let layouts = Layouts {
        of: BTreeMap::from([(log.model().key.clone(), named)]),
        ..without_layouts()
    };
    let all: Vec<Event> = [steady(0..300), shifted, last].concat();
    let mut expected = vec![0; learned.layout.cells()];
    for pane in &delta(layouts, 0, &all).models[0].panes {
        for (cell, count) in &pane.cells {
            expected[*cell as usize] += count;
        }
    }
    let counts: Vec<u64> = renewed
        .series
        .iter()
        .flat_map(|series| series.counts.iter())
        .collect();
    assert_eq!(counts, expected);
    assert_eq!(renewed.header.rows, all.len() as u64);
    assert_eq!(renewed.header.first_event, Some(Timestamp::EPOCH));
    assert_eq!(log.activations(), [true, true]);
    // and that was all
    log.rows(&steady(9 * day - 9..9 * day), &[1], true);
    assert_eq!(log.activations().len(), 2);
}

#[test]
fn a_reference_from_outside_replaces_the_learned_one_for_good() {
    let mut other = Log::learning(50);
    other.rows(&steady(0..50), &[50], false);
    let mut outside = Reference::clone(other.baseline());
    outside.header.learned = false;

    let mut log = Log::learning(300);
    log.rows(&steady(0..300), &[100], false);
    log.append(activate(&outside));
    assert!(!log.model().learned && !log.model().learning);
    assert_eq!(log.baseline().digest(), outside.digest());
    assert_eq!(log.model().hours.span(), None);
    // its edges are its own: rows without a layout stay without one
    log.rows(&steady(300..310), &[10], false);
    assert_eq!(log.model().hours.span(), None);
    log.now = 10 * 1_440 * MINUTE;
    log.rows(&steady(9 * 1_440..9 * 1_440 + 9), &[3], true);
    assert_eq!(log.activations(), [true, false]);
    assert_eq!(log.baseline().digest(), outside.digest());
}

#[test]
fn its_own_reference_brought_from_outside_is_learned_no_more() {
    let mut log = Log::learning(300);
    log.rows(&steady(0..300), &[100], false);
    let seen = log.seen();
    let activated = activate(log.baseline());
    log.append(activated);
    assert!(!log.model().learned);
    assert_eq!(log.activations(), [true, false]);
    assert_eq!(log.seen(), seen);
    // the layout is the same, and so is what can be projected to it
    log.rows(&steady(300..301), &[1], false);
    let hours = &log.model().hours;
    assert_eq!(hours.rows_of_range(Timestamp::MIN, Timestamp::MAX), 301);
}

#[test]
fn what_was_learned_goes_with_a_silent_model_version() {
    let mut log = Log::learning(300);
    log.rows(&steady(0..300), &[100], false);
    assert_eq!(log.fold.layouts().of.len(), 1);
    log.effects.clear();
    log.now += 31 * 1_440 * MINUTE;
    let quiet = delta(without_layouts(), log.head(), &[]);
    log.append(Record::Delta(Box::new(quiet)));
    assert!(log.fold.models.is_empty() && log.fold.layouts().of.is_empty());
    assert!(log.effects.contains(&Effect::Layouts));
    assert!(log.fold.layout_ids.is_empty());
    // it comes back and begins again, and no name of a layout is given twice
    log.rows(&steady(400..700), &[100], false);
    assert!(log.model().learned);
    assert_eq!(log.model().layout, LayoutId(2));
}

#[test]
fn rows_that_contradict_each_other_make_no_reference() {
    let mut log = Log::learning(10);
    let mut bad = delta(without_layouts(), 0, &steady(0..10));
    bad.models[0].panes[0].carried = [0; 4];
    log.append(Record::Delta(Box::new(bad)));
    let refused = log
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Refused { digest: None, .. }));
    assert!(refused);
    assert!(!log.model().learning && !log.model().learned);
    log.rows(&steady(10..30), &[10], false);
    assert!(!log.model().learned && log.activations().is_empty());
}

#[test]
fn learning_can_be_configured_away_and_back() {
    let mut log = Log::learning(300);
    log.rows(&steady(0..200), &[100], false);
    log.append(Record::Configure(Box::new(learning(0))));
    assert!(!log.model().learning);
    log.rows(&steady(200..400), &[100], false);
    assert!(!log.model().learned);
    log.append(Record::Configure(Box::new(learning(100))));
    log.rows(&steady(400..500), &[50], false);
    assert_eq!(log.baseline().header.rows, 100);
}
