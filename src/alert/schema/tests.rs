//! Versions with other fields.

use crate::alert::Test;
use crate::alert::episode::Change;
use crate::alert::scene::{Field, Rows, Scene, config, hour, reference};
use crate::decode::Value;
use crate::key::{Carried, Carrier, Role};

const OLD: [Field; 3] = [
    (Role::Feature, "amount", Value::Number(1.0)),
    (Role::Feature, "country", Value::Text("de")),
    (Role::Feature, "age", Value::Number(30.0)),
];
const NEW: [Field; 3] = [
    (Role::Feature, "amount", Value::Text("1")),
    (Role::Feature, "country", Value::Text("de")),
    (Role::Feature, "plan", Value::Text("gold")),
];
const FEATURES: [u64; 4] = [1_000, 0, 0, 0];

/// Version 1 has rows.
fn scene() -> Scene {
    let mut scene = Scene::new(config());
    scene.activate(hour(0), &reference("1", &OLD, FEATURES));
    let rows = Rows {
        version: "1",
        count: 60,
        carried: Carried::NONE.with(Carrier::Features),
        fields: &OLD,
    };
    for end in 1..4 {
        scene.hour(end, &[rows]);
    }
    scene
}

fn told(scene: &mut Scene) -> Vec<(Change, String)> {
    let told = std::mem::take(&mut scene.log.told).into_iter();
    let of_schema = told.filter(|(_, alert)| alert.test == Test::Schema);
    of_schema
        .map(|(change, alert)| (change, alert.sentence.to_string()))
        .collect()
}

fn kinds(scene: &mut Scene) -> Vec<&'static str> {
    let journal = std::mem::take(&mut scene.log.journal);
    let kinds = journal.iter().map(|entry| entry.draft.event.kind());
    kinds.collect()
}

#[test]
fn a_version_with_other_fields_is_told_of_once_and_for_the_longest_window() {
    let mut scene = scene();
    assert_eq!(kinds(&mut scene), ["reference_activated"]);
    scene.activate(hour(4), &reference("2", &NEW, FEATURES));
    let sentence = "version 2 has other fields than version 1: without `age`, with `plan`; \
                    `amount` holds texts instead of numbers";
    assert_eq!(
        kinds(&mut scene),
        ["reference_activated", "schema_changed", "alert_firing"]
    );
    assert_eq!(told(&mut scene), [(Change::Fired, sentence.to_owned())]);
    scene.activate(hour(4), &reference("2", &NEW, FEATURES));
    scene.pass(26);
    assert_eq!(told(&mut scene), []);
    scene.pass(29);
    assert_eq!(told(&mut scene), [(Change::Resolved, sentence.to_owned())]);
}

/// Another prediction is none of the fields where only one reference carries predictions.
#[test]
fn a_version_with_the_same_fields_is_no_news() {
    let mut scene = scene();
    let with_more = [
        OLD[0],
        OLD[1],
        OLD[2],
        (Role::Prediction, "prediction", Value::Number(0.5)),
    ];
    let both = [1_000, 1_000, 0, 0];
    scene.activate(hour(4), &reference("2", &with_more, both));
    assert_eq!(told(&mut scene), []);
    assert_eq!(
        kinds(&mut scene),
        ["reference_activated", "reference_activated"]
    );
}
