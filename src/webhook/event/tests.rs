//! Events of entries of each kind.

use super::*;
use crate::config::{Overrides, load};
use crate::journal::fixture::{self, draft};
use crate::journal::{self, Chain};
use crate::key::globs;

/// An entry of each kind.
fn lines() -> Vec<Line> {
    let mut chain = Chain::default();
    let kinds = u64::try_from(journal::Event::KINDS.len()).unwrap();
    (0..kinds).map(|n| chain.next(draft(n)).line).collect()
}

fn filter(models: &[&str], severities: &[&str], events: &[&str]) -> Filter {
    let owned = |texts: &[&str]| -> Vec<String> { texts.iter().map(|&text| text.into()).collect() };
    Filter {
        models: globs(&owned(models)),
        severities: owned(severities),
        events: owned(events),
    }
}

#[test]
fn an_event_says_what_its_entry_says() {
    let lines = lines();
    let bodies: Vec<Value> = lines
        .iter()
        .map(|line| {
            let event = Event::of(line).unwrap();
            serde_json::from_str(&event.body(Some("https://driftd.example/"))).unwrap()
        })
        .collect();
    insta::assert_json_snapshot!(
        "events",
        bodies
            .iter()
            .filter(|body| body["data"].get("version").is_some())
            .collect::<Vec<_>>()
    );
    for (line, body) in lines.iter().zip(&bodies) {
        let id = body["id"].as_str().unwrap();
        assert!(
            line.hash
                .to_string()
                .starts_with(id.split_once('-').unwrap().1)
        );
        // the same whoever sends it
        assert_eq!(Event::of(line), Event::of(&line.clone()));
    }
    let bare = Event::of(&lines[0]).unwrap().body(None);
    let bare: Value = serde_json::from_str(&bare).unwrap();
    assert_eq!(bare["source"], "/models/fraud");
    assert_eq!(bare["data"].get("link"), None);
}

#[test]
fn what_is_no_entry_is_no_event() {
    let line = &lines()[0];
    for json in [
        "",
        "[]",
        "{}",
        r#"{"kind":"alert_firing"}"#,
        r#"{"kind":1,"at":2}"#,
    ] {
        let line = Line {
            json: json.into(),
            ..line.clone()
        };
        assert_eq!(Event::of(&line), None, "{json}");
    }
}

#[test]
fn a_webhook_hears_of_what_it_asked_for() {
    let lines = lines();
    let heard = |filter: &Filter| {
        let events = lines.iter().filter_map(Event::of);
        let events = events.filter(|event| event.passes(filter));
        events.map(|event| event.seq).collect::<Vec<u64>>()
    };
    let all = ["alert.firing", "alert.resolved", "schema.changed"];
    let severe = ["warning", "critical"];
    assert_eq!(heard(&filter(&[], &severe, &all)), [1, 3, 11]);
    assert_eq!(heard(&filter(&["fr*"], &severe, &all)), [1, 3, 11]);
    assert_eq!(heard(&filter(&["other"], &severe, &all)), [0_u64; 0]);
    assert_eq!(heard(&filter(&[], &["info"], &all)), [11]);
    assert_eq!(heard(&filter(&[], &severe, &["reference.activated"])), [4]);
}

/// What a configuration can name is what the journal tells of a model version.
#[test]
fn events_are_kinds_of_entries() {
    let mut of_versions = Vec::new();
    for event in fixture::events() {
        let mut chain = Chain::default();
        let line = chain.next(journal::Draft { event, ..draft(1) }).line;
        let event = Event::of(&line).unwrap();
        if event.fields.contains_key("version") {
            of_versions.push(event.kind);
        }
    }
    for kind in &of_versions {
        let toml = format!(
            "kafka.brokers = 'k:9092'\nsource = [{{ topics = ['t'] }}]\n\
             webhooks = [{{ name = 'w', url = 'http://h', events = ['{kind}'], \
             secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }}]"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), toml).unwrap();
        let loaded = load(Some(file.path()), [].into_iter(), &Overrides::default());
        loaded.unwrap();
    }
    assert_eq!(of_versions.len(), 7);
}
