//! Every panel of every dashboard has something to show of a driftd that runs the demo.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::monitoring::{Process, Prometheus, adapted, project};
use crate::poll::now_s;

/// What stands for the variables. Not every kind of series has every score, and a version that
/// rolls out has no rows before: an expression must have a value with one of these.
const CHOICES: [[(&str, &str); 2]; 3] = [
    [("$version", "7"), ("$series", "amount")],
    [("$version", "7"), ("$series", "country")],
    [("$version", "8"), ("$series", "prediction")],
];

/// Where Grafana puts the same for all of them.
const FIXED: [(&str, &str); 6] = [
    ("$__rate_interval", "10s"),
    ("$job", ".+"),
    ("$instance", ".+"),
    ("$model", "fraud"),
    ("$window", "1h"),
    ("$datasource", ""),
];

/// The files in `dashboards`.
const DASHBOARDS: [&str; 4] = ["fleet", "model", "series", "driftd"];

#[test]
fn every_panel_shows_something_of_the_demo() {
    let begin = now_s();
    let demo = Process::demo();
    let rules = adapted("deploy/prometheus/rules.yaml", &[]);
    let mut prometheus = Prometheus::start(demo.address, &rules, None);
    // late in the story: several alerts have fired and a version rolls out
    prometheus.until("driftd_alert_info{model=\"churn\", series=\"monthly_spend\"}");
    prometheus.until("driftd_psi{model=\"fraud\", version=\"8\", window=\"1h\"}");
    let during = (begin, now_s());
    let mut empty = BTreeSet::new();
    for (dashboard, title, expression) in expressions() {
        let shows = |choice: &[(&str, &str)]| {
            let filled = choice
                .iter()
                .chain(&FIXED)
                .fold(expression.clone(), |text, (name, value)| {
                    text.replace(name, value)
                });
            assert!(
                !filled.contains('$'),
                "a variable without a value: {filled}"
            );
            !prometheus.range(&filled, during).is_empty()
        };
        if !CHOICES.iter().any(|choice| shows(choice)) {
            empty.insert(format!("{dashboard}: {title}: {expression}"));
        }
    }
    assert!(empty.is_empty(), "these show nothing: {empty:#?}");
}

/// The dashboard, the title and the expression of every target of every panel.
fn expressions() -> Vec<(String, String, String)> {
    let text_of = |value: &Value| value.as_str().expect("it is a text").to_owned();
    let mut found = Vec::new();
    for name in DASHBOARDS {
        let file = fs::read_to_string(project(&format!("dashboards/{name}.json")));
        let board: Value = serde_json::from_str(&file.expect("it is there")).expect("it is JSON");
        for panel in board["panels"].as_array().expect("it has panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let (title, expression) = (text_of(&panel["title"]), text_of(&target["expr"]));
                found.push((name.to_owned(), title, expression));
            }
        }
    }
    assert!(found.len() > 80, "there are {} expressions", found.len());
    found
}
