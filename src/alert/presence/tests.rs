//! Keys that vanish and fields that appear.

use super::*;
use crate::alert::Severity;
use crate::alert::episode::Change;
use crate::alert::rule::Verdict;
use crate::alert::scene::{Field, Rows, Scene, config, hour, reference};
use crate::decode::Value;
use crate::key::{Carried, Role};

const KNOWN: [Field; 2] = [
    (Role::Feature, "amount", Value::Number(1.0)),
    (Role::Prediction, "prediction", Value::Number(0.5)),
];

const BOTH: Carried = Carried::NONE
    .with(Carrier::Features)
    .with(Carrier::Prediction);

fn rows(count: u32, carried: Carried, fields: &[Field]) -> Rows<'_> {
    Rows {
        version: "1",
        count,
        carried,
        fields,
    }
}

fn calm() -> Rows<'static> {
    rows(200, BOTH, &KNOWN)
}

fn scene() -> Scene {
    let mut scene = Scene::new(config());
    scene.activate(hour(0), &reference("1", &KNOWN, [1_000, 1_000, 0, 0]));
    scene
}

fn found(change: Change, series: &str) -> Vec<(Change, String)> {
    vec![(change, series.to_owned())]
}

#[test]
fn a_prediction_that_vanishes_fires_and_one_that_is_back_ends_it() {
    let mut scene = scene();
    for end in 1..4 {
        scene.hour(end, &[calm()]);
    }
    assert_eq!(scene.of(Test::Absent), []);
    let without = rows(200, Carried::NONE.with(Carrier::Features), &KNOWN[..1]);
    scene.hour(4, &[without]);
    let (_, alert) = scene.log.told.first().unwrap().clone();
    assert_eq!(alert.severity, Severity::Critical);
    assert_eq!(
        &*alert.sentence,
        "`prediction` vanished: no row of the last 1h has it (0 % are without it in the reference)"
    );
    assert_eq!(scene.of(Test::Absent), found(Change::Fired, "prediction"));
    scene.hour(5, &[calm()]);
    assert_eq!(scene.of(Test::Absent), []);
    scene.hour(6, &[calm()]);
    assert_eq!(
        scene.of(Test::Absent),
        found(Change::Resolved, "prediction")
    );
}

#[test]
fn a_field_that_appears_fires_once_and_is_over_when_it_is_gone() {
    let mut scene = scene();
    let more = [
        KNOWN[0],
        KNOWN[1],
        (Role::Feature, "extra", Value::Bool(true)),
        (Role::Operational, "latency_ms", Value::Number(1.0)),
    ];
    let timed = BOTH.with(Carrier::Latency);
    for end in 1..4 {
        scene.hour(end, &[calm()]);
    }
    assert_eq!(scene.of(Test::Appeared), []);
    scene.hour(4, &[rows(200, timed, &more)]);
    let of_hour =
        |told: &(Change, Arc<crate::alert::episode::Alert>)| told.1.window == Length::HOUR;
    let (_, alert) = scene.log.told.iter().find(|told| of_hour(told)).unwrap();
    assert_eq!(alert.severity, Severity::Warning);
    assert_eq!(
        &*alert.sentence,
        "`extra` appeared in 100 % of the rows of the last 1h: the reference has no such field"
    );
    // the reference has no `latency_ms` and says nothing of it
    assert_eq!(scene.of(Test::Appeared), found(Change::Fired, "extra"));
    scene.hour(5, &[rows(200, timed, &more)]);
    scene.hour(6, &[calm()]);
    assert_eq!(scene.of(Test::Appeared), []);
    scene.hour(7, &[calm()]);
    assert_eq!(scene.of(Test::Appeared), found(Change::Resolved, "extra"));
}

/// The example of the header, and as many rows as the level asks for.
#[test]
fn a_share_of_rows_is_absent_or_is_not() {
    let then = Rate::new(0, 10_000);
    let statistic = |hits| rate(Test::Absent, then, Rate::new(hits, 1_000), 1.0).unwrap();
    assert!((statistic(20).statistic.value - 96.3).abs() < 0.1);
    let rule = Rule {
        alpha: 1e-6,
        min_psi: 0.009,
        learning_psi: None,
    };
    for (hits, verdict) in [
        (0, Verdict::Quiet),
        (4, Verdict::Quiet),
        (20, Verdict::Drift),
        (1_000, Verdict::Drift),
    ] {
        let size = || effect(then, Rate::new(hits, 1_000));
        let judged = judge(statistic(hits), Some(NOTHING), rule, size);
        assert_eq!(judged.verdict, verdict, "{hits}");
    }
}

/// Clients that send no prediction come and go by the hour: that is natural of hours, and a share
/// that is the same every day is nothing for days.
#[test]
fn hours_teach_how_much_a_share_moves_by_itself() {
    let blocks = |share: fn(u64) -> u64| -> Vec<HourBlock> {
        let block = |number: u64| HourBlock {
            start: hour(u32::try_from(number).unwrap()),
            rows: 1_000,
            carried: [1_000, share(number), 0, 0],
            cells: Vec::new(),
        };
        (0..240).map(block).collect()
    };
    let tau = |blocks: &[HourBlock], length| {
        learn(blocks, length)[Carrier::Prediction as usize].map(|learned| learned.tau)
    };
    let steady = blocks(|_| 900);
    let wild = blocks(|hour| if hour % 12 < 6 { 950 } else { 500 });
    assert_eq!(tau(&steady, Length::HOUR), Some(0.0));
    assert!(tau(&wild, Length::HOUR).unwrap() > 0.1);
    assert!(tau(&wild, Length::DAY).unwrap() < 1e-3);
    assert_eq!(tau(&wild[..5], Length::HOUR), None);
}
