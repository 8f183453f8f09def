//! Rows that stay away, of made-up days and through the engine.

use super::*;
use crate::alert::Severity;
use crate::alert::scene::{Field, Rows, Scene, config, hour, reference};
use crate::decode::Value;
use crate::key::{Carried, Carrier, Role};
use crate::reference::narrow::Narrow;
use crate::reference::natural::{Buckets, Profile, bucket_of};

/// Working days have 1,000 rows an hour and nights a tenth of that; weekends have a third.
fn usual(hours: u32) -> u64 {
    let (of_day, day) = (hours % 24, hours / 24 % 7);
    let rows = if of_day < 8 { 100 } else { 1_000 };
    if day >= 5 { rows * 3 / 10 } else { rows }
}

/// The rows of so many days, whose last hour has `last`.
fn days(count: u32, last: u64) -> BTreeMap<Timestamp, u64> {
    let mut rows: BTreeMap<_, _> = (0..count * 24).map(|at| (hour(at), usual(at))).collect();
    rows.insert(hour(count * 24 - 1), last);
    rows
}

/// What fires in the window of this length that ends with the last day.
fn fired(count: u32, last: u64, length: Length) -> Option<Arc<Alert>> {
    let share = Share {
        false_alarms_per_month: 1.0,
        windows: 3,
        tests: 80,
    };
    let mut watched = Watched::default();
    let mut told = Vec::new();
    let end = hour(count * 24);
    let rows = Hourly::new(days(count, last).iter(), (end, end));
    let key = crate::alert::scene::key("1");
    let due = [(end, length)];
    watched.judge(&due, (&rows, &Offsets::utc(), &key), &share, &mut told);
    told.pop().map(|(_, alert)| alert)
}

#[test]
fn the_example_of_the_header() {
    let noon = Window {
        rows: 30,
        usual: 1_000.0,
        kappa: 1.0,
    };
    assert!((noon.collapse() - 1_730.0).abs() < 1.0);
    assert!((noon.size() - 3.4).abs() < 0.01);
    let more = Window {
        rows: 1_001,
        ..noon
    };
    assert_eq!((more.collapse(), more.size()), (0.0, 0.0));
    let none = Window { rows: 0, ..noon };
    assert!((none.collapse() - 2_000.0).abs() < 1e-9 && none.size() < 7.0);
}

/// Each line of the header: what is half of the usual and what is a tenth, and how much past it
/// takes. The last day of three weeks is a Sunday, of which the last hour has 300 rows as a rule.
#[test]
fn half_of_the_rows_fire_and_a_tenth_is_critical() {
    let (hour, day) = (Length::HOUR, Length::DAY);
    for (count, last, length, severity) in [
        (21, 300, hour, None),
        (21, 3_000, hour, None),
        (21, 180, hour, None),
        (21, 150, hour, Some(Severity::Warning)),
        (21, 31, hour, Some(Severity::Warning)),
        (21, 30, hour, Some(Severity::Critical)),
        (21, 0, hour, Some(Severity::Critical)),
        // an hour is little of a day
        (21, 0, day, None),
        // Mondays: a past of less than eight days, and of two weeks
        (8, 0, hour, None),
        (15, 0, hour, Some(Severity::Critical)),
    ] {
        let found = fired(count, last, length).map(|alert| alert.severity);
        assert_eq!(found, severity, "{count} days, {last} rows, {length}");
    }
}

/// A week like the weeks before fires at no hour of it.
#[test]
fn nights_and_weekends_are_usual() {
    let utc = Offsets::utc();
    let rows: BTreeMap<_, _> = (0..28 * 24).map(|at| (hour(at), usual(at))).collect();
    let rows = Hourly::new(rows.iter(), (hour(0), hour(28 * 24)));
    for end in 21 * 24..28 * 24 {
        for length in [Length::HOUR, Length::HOUR.times(6), Length::DAY] {
            let past = Past::new(&rows, hour(end), length, &utc).unwrap();
            let now = past.window(0);
            let off = (f64::from(u32::try_from(now.rows).unwrap()) / now.usual - 1.0).abs();
            assert!(off < 1e-9, "{end} {length}");
            assert_eq!(past.learn().map(|learned| learned.tau), Some(0.0));
        }
    }
}

/// A day in three has no rows at noon: that noons are silent is then natural.
#[test]
fn what_stays_away_by_habit_does_not_fire() {
    let share = Share {
        false_alarms_per_month: 1.0,
        windows: 3,
        tests: 80,
    };
    let habit = |at: u32| u64::from(at % 72 != 12) * 1_000;
    let rows: BTreeMap<_, _> = (0..28 * 24).map(|at| (hour(at), habit(at))).collect();
    let rows = Hourly::new(rows.iter(), (hour(0), hour(28 * 24)));
    let silent = (0..28 * 24).rev().find(|at| habit(*at) == 0).unwrap();
    let mut told = Vec::new();
    let due = [(hour(silent + 1), Length::HOUR)];
    let key = crate::alert::scene::key("1");
    Watched::default().judge(&due, (&rows, &Offsets::utc(), &key), &share, &mut told);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn windows_are_judged_at_whole_hours() {
    let hours = |count| Length::HOUR.times(count);
    assert_eq!(every(hours(1)), hours(1));
    assert_eq!(every(hours(6)), hours(1));
    assert_eq!(every(hours(7)), hours(2));
    assert_eq!(every(Length::DAY), hours(4));
    assert!(!is_watched(Length::MINUTE.times(90)) && !is_watched(Length::DAY.times(7)));
}

/// A roll-out moves rows from one version to the next and is no news. Silence is, and ends.
#[test]
fn silence_fires_and_a_roll_out_does_not() {
    const FIELDS: [Field; 1] = [(Role::Feature, "amount", Value::Number(1.0))];
    let rows = |version, count| Rows {
        version,
        count,
        carried: Carried::NONE.with(Carrier::Features),
        fields: &FIELDS,
    };
    let mut scene = Scene::new(config());
    for end in 1..=216 {
        scene.hour(end, &[rows("1", 60)]);
    }
    scene.hour(217, &[rows("1", 30), rows("2", 30)]);
    for end in 218..=230 {
        scene.hour(end, &[rows("2", 60)]);
    }
    assert!(scene.log.told.is_empty());
    scene.pass(231);
    let (_, alert) = scene.log.told.first().unwrap().clone();
    assert_eq!((alert.key.version.as_str(), alert.since), ("2", hour(231)));
    assert_eq!(alert.severity, Severity::Critical);
    assert_eq!(
        &*alert.sentence,
        "no rows in the last 1h where about 60 are usual at this time"
    );
    let fired = (Change::Fired, "rows".to_owned());
    assert_eq!(scene.of(Test::Volume), [fired]);
    scene.pass(232);
    scene.hour(233, &[rows("2", 60)]);
    assert_eq!(scene.of(Test::Volume), []);
    scene.hour(234, &[rows("2", 60)]);
    let resolved = (Change::Resolved, "rows".to_owned());
    assert_eq!(scene.of(Test::Volume), [resolved]);
}

/// Sunday evening in New York is Monday in UTC, and no working day.
#[test]
fn weekends_are_those_of_the_reference_s_time_zone() {
    let new_york = Offsets::new(vec![(Timestamp::MIN, -300)]).unwrap();
    assert_eq!(bucket_of(Buckets::HourOfDay, &new_york, hour(5)), 0);
    let rows = |local: u32| if local / 24 % 7 >= 5 { 100 } else { 1_000 };
    let all: BTreeMap<_, _> = (0..21 * 24).map(|at| (hour(at + 5), rows(at))).collect();
    let (sunday, monday) = (hour(20 * 24 + 5 + 23), hour(21 * 24 + 5));
    let counted = Hourly::new(all.iter(), (monday, monday));
    let usual = |offsets| {
        let past = Past::new(&counted, monday, Length::HOUR, offsets).unwrap();
        past.window(0).usual
    };
    assert_eq!(all[&sunday], 100);
    assert!((usual(&new_york) - 100.0).abs() < 1e-9);
    assert!(usual(&Offsets::utc()) > 500.0);

    let mut reference = reference("1", &[], [1_000, 0, 0, 0]);
    let natural = Arc::make_mut(reference.natural.as_mut().unwrap());
    natural.profile = Some(Arc::new(Profile {
        buckets: Buckets::HourOfDayWeekend,
        offsets: new_york.clone(),
        hours: vec![0; 48],
        counts: vec![Narrow::new(&[]); 48],
        spread: Vec::new(),
    }));
    let mut scene = Scene::new(config());
    let rows = |version| Rows {
        version,
        count: 5,
        carried: Carried::NONE.with(Carrier::Features),
        fields: &[],
    };
    scene.hour(1, &[rows("1")]);
    let offsets = |scene: &Scene| {
        let models = scene.board().models;
        let versions: Vec<&ModelState> = models.values().map(AsRef::as_ref).collect();
        offsets_of(&versions).cloned()
    };
    assert_eq!(offsets(&scene), None);
    scene.activate(hour(2), &reference);
    scene.hour(3, &[rows("2")]);
    // the next version has no reference yet, and the same users
    assert_eq!(offsets(&scene), Some(new_york));
}
