//! Laws and cases of the module that this is part of.

use super::*;
use crate::key::{Name, Role};
use crate::layout::LooseCounts;
use crate::reference::learn::{LooseSeries, learn};
use crate::reference::tests::{example, with_hours};
use crate::reference::{Header, ReferenceRole};

#[test]
fn what_people_see() {
    let text = show(&with_hours(300));
    insta::assert_snapshot!(text);
}

#[test]
fn json_has_the_same_facts() {
    let mut value = show_json(&with_hours(300));
    value["series"].as_array_mut().unwrap().truncate(2);
    insta::assert_json_snapshot!(value, @r#"
    {
      "convention": "deciles-inverted-cdf-jeffreys",
      "digest": "fc6eba235041003656b2e4cba3f51ebdf4813a045442a0ab76275716fa348d75",
      "first_event": "1970-01-01T05:00:00Z",
      "hours": 2,
      "last_event": "1970-01-01T07:00:00Z",
      "layout": "2b4005fb788a42dc0e51e9fd7cf31b58325ee26fcb65fb0451fa7b540b4a6943",
      "model": "fraud",
      "provenance": {
        "created_at": "1970-01-01T00:00:01Z",
        "inputs": [],
        "tool_version": "0.1.0"
      },
      "role": "training",
      "rows": 300,
      "series": [
        {
          "bins": 115,
          "display_bins": 10,
          "invalid": 0,
          "kind": "numeric",
          "max": 11.875,
          "mean": 5.8024626997180455,
          "min": 0.0,
          "missing": 34,
          "name": "amount",
          "role": "feature",
          "rows": 300,
          "sd": 3.5488706463243145,
          "test_bins": 15
        },
        {
          "bins": 5,
          "display_bins": 4,
          "invalid": 0,
          "kind": "categorical",
          "missing": 0,
          "name": "country",
          "role": "feature",
          "rows": 300,
          "test_bins": 4,
          "top": [
            {
              "category": "DE",
              "rows": 100
            },
            {
              "category": "FR",
              "rows": 100
            },
            {
              "category": "GB",
              "rows": 100
            }
          ]
        }
      ],
      "timezone": "Europe/Berlin",
      "version": "7"
    }
    "#);
}

#[test]
fn importances_are_shown_the_largest_first() {
    let mut reference = with_hours(300);
    reference.header.importances = [("amount".to_owned(), 0.25), ("vip".to_owned(), 3.0)].into();
    let text = show(&reference);
    assert!(
        text.contains("\nimportances vip 3, amount 0.25\n"),
        "{text}"
    );
    let value = show_json(&reference);
    assert_eq!(value["series"][0]["importance"], 0.25);
    assert!(value["series"][1].get("importance").is_none());
}

#[test]
fn what_differs_is_named() {
    let (a, b) = (example(300), with_hours(330));
    insta::assert_snapshot!(diff(&a, &b));
    assert_eq!(diff_json(&a, &b)["same"], false);
    assert_eq!(
        diff_json(&a, &b)["series"][0]["facts"]["rows"],
        json!({"a": 300, "b": 330})
    );
}

#[test]
fn series_that_come_and_go_are_named() {
    let of = |names: &[&str]| {
        let series: LooseSeries = names
            .iter()
            .map(|name| ((Role::Feature, (*name).into()), LooseCounts::default()))
            .collect();
        let name = Name::new("m").unwrap();
        learn(
            Header::new(name.clone(), name, ReferenceRole::Training),
            [0; 4],
            &series,
        )
        .unwrap()
    };
    let text = diff(&of(&["gone", "kept"]), &of(&["kept", "new\u{202e}"]));
    assert!(
        text.ends_with("gone removed\nnew\\u{202e} added\n"),
        "{text}"
    );
    let same = diff(&of(&["kept"]), &of(&["kept"]));
    assert!(
        same.ends_with("they are the same for every score\n"),
        "{same}"
    );
}

#[test]
fn what_could_change_a_terminal_is_escaped_and_long_texts_are_cut() {
    assert_eq!(escaped("\u{1b}[2Ja"), "\\u{1b}[2Ja");
    assert_eq!(escaped("a\nb"), "a\\nb");
    assert_eq!(escaped(&"x".repeat(99)), "x".repeat(24) + "..");
    for (x, text) in [
        (0.0, "0"),
        (-0.125, "-0.125"),
        (123_456.7, "123500"),
        (1e-9, "1e-9"),
        (2.5e300, "2.5e300"),
    ] {
        assert_eq!(short(x), text);
    }
}
