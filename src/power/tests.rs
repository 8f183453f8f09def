//! What would be found in made-up worlds, and that it is.

use super::*;
use crate::alert::compare::effect;
use crate::alert::learn::{Lesson, learn};
use crate::alert::scene::{self, Field, Rows, Scene};
use crate::alert::support::{Weather, hours, layout, normal};
use crate::decode::Value;
use crate::key::{Carried, Carrier, Name, Role};
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn as learn_reference};
use crate::reference::{Header, ReferenceRole};
use crate::stats::support::SplitMix;

/// `amount` and `country` in 40,000 rows, and two weeks of hours that taught what is natural.
fn reference(mean: fn(i64) -> f64) -> Reference {
    let layout = layout();
    let weather = |hour| Weather {
        rows: 300,
        mean: mean(hour),
        missing: 0.01,
    };
    let mut random = SplitMix(3);
    let mut series = LooseSeries::new();
    let mut amount = LooseCounts::default();
    for _ in 0..39_600 {
        amount.add(Value::Number(normal(&mut random)), 1);
    }
    amount.add(Value::Missing, 400);
    let mut country = LooseCounts::default();
    for (text, count) in [("de", 20_000), ("fr", 12_000), ("us", 8_000)] {
        country.add(Value::Text(text), count);
    }
    series.insert((Role::Feature, "amount".into()), amount);
    series.insert((Role::Feature, "country".into()), country);
    let name = |text| Name::new(text).unwrap();
    let mut header = Header::new(name("fraud"), name("7"), ReferenceRole::Training);
    header.rows = 40_000;
    let mut reference = learn_reference(header, [40_000, 0, 0, 0], &series).unwrap();
    // what is natural is of series and tests, not of bins: the made-up layout teaches as well
    let natural = learn(Lesson {
        layout: &layout,
        hours: &hours(&layout, 14 * 24, 7, weather),
        buckets: None,
        windows: &WITHIN,
    });
    reference.natural = Some(Arc::new(natural));
    reference
}

fn traffic(rows_per_hour: u32) -> Traffic {
    Traffic {
        rows_per_hour,
        false_alarms_per_month: 1.0,
        windows: WITHIN.to_vec(),
    }
}

fn of(rows_per_hour: u32, reference: Reference) -> Power {
    power(reference, traffic(rows_per_hour), |_, _| None)
}

fn calm(_hour: i64) -> f64 {
    0.0
}

#[test]
fn what_people_see() {
    let power = of(1_000, reference(calm));
    insta::assert_snapshot!(show::show(&power), @r"
    traffic     1000 rows an hour
    budget      1 false alarm a month for 12 tests in windows of 1h, 6h, 24h
    alpha       1h 3.9e-5, 6h 3.9e-5, 24h 1.5e-4
    natural     learned from the hours of the reference

    smallest change that is found with probability 1/2:

    series   change                  in 1h  in 6h  in 24h
    amount   mean, in sigma          0.14   0.10   0.10
    amount   missing, in points      +1.7   +1.1   +1.1
    country  share of de, in points  -8.4   -4.7   -4.7
    country  missing, in points      +0.3   +0.2   +0.2
    ");
}

#[test]
fn json_lines_have_the_same_facts_and_no_key_for_what_is_not_found() {
    let power = of(1, reference(calm));
    let text = show::show_jsonl(&power);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let facts = |line: &serde_json::Value| {
        ["series", "change", "unit", "category"]
            .map(|key| line[key].as_str().unwrap_or("-").to_owned())
            .join(" ")
    };
    assert_eq!(
        lines.iter().map(facts).collect::<Vec<_>>(),
        [
            "amount mean sigma -",
            "amount missing share -",
            "country category share de",
            "country missing share -",
        ]
    );
    for (line, found) in lines.iter().zip(&power.found) {
        for (within, size) in WITHIN.iter().zip(found.smallest) {
            assert_eq!(
                line["smallest"].get(within.to_string()).is_some(),
                size.is_some()
            );
        }
    }
    assert_eq!(power.found[0].smallest[0], None);
}

#[test]
fn without_hours_nothing_is_known_to_be_natural() {
    let mut reference = reference(calm);
    reference.natural = None;
    let power = of(100, reference);
    assert!(!power.is_taught);
    let text = show::show(&power);
    assert!(text.contains("not known"), "{text}");
    // a PSI of 0.25 is a shift of half a sigma
    let [_, _, in_a_day] = power.found[0].smallest;
    assert!((0.45..0.6).contains(&in_a_day.unwrap()), "{in_a_day:?}");
}

/// More rows and more time find smaller changes; a series that moves by itself hides larger ones.
#[test]
fn more_rows_and_more_time_find_less_and_what_is_natural_hides_more() {
    let (few, many) = (of(100, reference(calm)), of(2_000, reference(calm)));
    let wild = of(
        2_000,
        reference(|hour| if hour % 24 < 8 { 0.6 } else { 0.0 }),
    );
    for ((few, many), wild) in few.found.iter().zip(&many.found).zip(&wild.found) {
        let sizes = |found: &Found| found.smallest.map(|size| size.unwrap_or(f64::INFINITY));
        for (few, many) in sizes(few).into_iter().zip(sizes(many)) {
            // counts are whole rows, and the gate's PSI has half a row more in each cell: that is
            // 0.05 points where the reference misses nothing
            assert!(many <= few * 1.05 + 5e-4, "{few} {many}");
        }
        assert!(sizes(many).is_sorted_by(|a, b| a >= b), "{many:?}");
        if wild.change == Change::Mean {
            assert!(sizes(wild)[0] > 2.0 * sizes(many)[0], "{wild:?} {many:?}");
        }
    }
}

/// At the smallest size that is found, half of all windows are.
#[test]
fn half_of_the_windows_with_the_smallest_change_are_found() {
    const WINDOWS: usize = 300;
    let traffic = Traffic {
        windows: vec![Length::HOUR],
        ..traffic(1_000)
    };
    let judge = judge_of(reference(calm), &traffic, |_, _| None);
    let trial = Trial::new(&judge, traffic.rows_per_hour, Length::HOUR);
    let mut random = SplitMix(5);
    for found in found(&judge, &traffic) {
        let place = judge.reference.layout.find(&found.series).unwrap();
        let usual = Shares::of(&trial.expected[place]);
        let shares = found.change.apply(&usual, found.smallest[0].unwrap());
        let kind = judge.reference.layout.series()[place].kind();
        let fires = |random: &mut SplitMix| {
            let current = shares.drawn(random, 1_000);
            let expected = &trial.expected[place];
            compare(kind, expected, &current).into_iter().any(|one| {
                let size = || effect(one.test, expected, &current);
                judge.verdict((place, Length::HOUR), one, size).verdict == Verdict::Drift
            })
        };
        let fired = (0..WINDOWS).filter(|_| fires(&mut random)).count();
        // 150 +- 9, and what the approximation of the median is off by
        assert!((100..=200).contains(&fired), "{fired} {found:?}");
    }
}

/// A window of a day sees a change in its first hour only in one row of 24.
#[test]
fn a_window_that_is_hardly_covered_finds_large_changes_only() {
    let traffic = Traffic {
        windows: vec![Length::DAY],
        ..traffic(1_000)
    };
    let power = power(reference(calm), traffic, |_, _| None);
    let [hour, six, day] = power.found[0].smallest.map(Option::unwrap);
    assert!(
        hour > 3.0 * day && six > day && hour > six,
        "{hour} {six} {day}"
    );
}

/// A test has the level here that it has live: the same tests share the budget.
#[test]
fn the_level_of_a_test_is_that_of_the_daemon() {
    let fields: [Field; 3] = [
        (Role::Feature, "amount", Value::Number(1.0)),
        (Role::Feature, "country", Value::Text("de")),
        (Role::Prediction, "prediction", Value::Number(0.5)),
    ];
    let reference = scene::reference("1", &fields, [1_000, 1_000, 0, 0]);
    let mut scene = Scene::new(scene::config());
    scene.activate(scene::hour(0), &reference);
    let carried = Carried::NONE.with(Carrier::Features);
    let rows = Rows {
        version: "1",
        count: 10,
        carried: carried.with(Carrier::Prediction),
        fields: &fields,
    };
    scene.hour(1, &[rows]);
    let board = scene.board();
    let judge = &board.judges[&scene::key("1")];
    let traffic = Traffic {
        windows: scene::config().windows,
        ..traffic(10)
    };
    let power = power(reference, traffic, |_, _| None);
    // of series 5, 4 and 5, of keys 2, of what appeared 1, of rows 1
    assert_eq!((power.tests, judge.tests), (18, 18));
    for (length, alpha) in power.alpha {
        assert_eq!(alpha.to_bits(), judge.rule_of_model(length).alpha.to_bits());
    }
}
