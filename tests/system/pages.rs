//! The page: from a feature that drifts to whoever answers for the model, and back.
//!
//! ```text
//! quiet   8 h of events       nothing fires, nobody is paged
//! kill -9, 2 h of drift, start  one page, to the owner, with the sentence, the size and the links
//! kill -9, start              no second page
//! healthy 4 h of events       one page that says that it is over
//! ```

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::driftd::{Driftd, Home, PATIENCE, Setup, run};
use crate::monitoring::{Hook, Page, Prometheus, adapted, alertmanager};
use crate::poll::{now_s, poll_until};
use crate::produce::{Record, create_topic, producer, send};
use crate::rig::{temp_dir, text};

const TOPIC: &str = "pages";
const HOUR_MS: i64 = 3_600_000;

/// An event every five seconds.
const STEP_MS: i64 = 5_000;

/// `amount` is uniform from 0 to this, and its multiples in golden steps are spread evenly however
/// many there are: so that no window is unlucky, whatever hour it is.
const AMOUNT_MAX: i64 = 4_000;
const GOLDEN: i64 = 2_473;

/// The windows, all of them kept although hours come at once, and who answers for the model.
const WINDOWS: &str = "lengths = [\"1h\"]\nkeep = \"48h\"\n\n\
                       [[models.about]]\nmodel = \"fraud\"\nowner = \"risk\"";

/// As in the rules, but that a test need not wait for a quarter of an hour.
const KEEP_FIRING: (&str, &str) = ("keep_firing_for: 15m", "keep_firing_for: 1m");

#[test]
fn a_drift_is_one_page_with_its_end_through_kill_9() {
    create_topic(TOPIC, 1);
    let references = temp_dir("pages-");
    let mut traffic = Traffic::new();
    let begin = (now_s() * 1000 / HOUR_MS - 20) * HOUR_MS;
    build_reference(references.path(), begin, &mut traffic);
    let setup = Setup {
        name: TOPIC,
        topics: &[TOPIC],
        home: Home::Kafka,
        references: Some(references.path()),
        kafka: None,
        source: "",
        windows: WINDOWS,
        operator: None,
    };
    let mut driftd = Driftd::start(&setup);
    let hook = Hook::start();
    let alertmanager = alertmanager(hook.address);
    let rules = adapted("deploy/prometheus/rules.yaml", &[KEEP_FIRING]);
    let mut prometheus = Prometheus::start(driftd.address(), &rules, Some(alertmanager.address));

    let mut counted = traffic.send(begin, 8, Mood::Healthy);
    driftd.until_counted(TOPIC, counted);
    let quiet_end = begin / 1000 + 7 * 3600;
    prometheus.until(&format!(
        "driftd_window_end_timestamp_seconds >= {quiet_end}"
    ));
    judged_since(&mut prometheus, now_s());
    let fired = "max_over_time(ALERTS{alertstate=\"firing\"}[10m])";
    assert_eq!(prometheus.query(fired), [] as [Value; 0], "in a quiet time");
    assert!(hook.pages().is_empty(), "{:#?}", hook.pages());

    driftd.kill();
    counted += traffic.send(begin + 8 * HOUR_MS, 2, Mood::Drifted);
    driftd.start_again();
    let page = until_page(&hook, "firing", 1);
    check_page(&page);

    driftd.kill();
    // longer than Prometheus would take to call the alert resolved
    prometheus.until("max_over_time(up[8s]) == 0");
    driftd.start_again();
    let back = now_s();
    prometheus.until(&format!("timestamp(driftd_alert_info) > {back}"));
    judged_since(&mut prometheus, now_s() + 5);
    assert_eq!(hook.pages().len(), 1, "{:#?}", hook.pages());

    counted += traffic.send(begin + 10 * HOUR_MS, 4, Mood::Healthy);
    driftd.until_counted(TOPIC, counted);
    driftd.until("nothing fires", |driftd| {
        let firing = driftd.json("/api/v1/alerts?state=firing");
        firing["alerts"].as_array()?.is_empty().then_some(())
    });
    let page = until_page(&hook, "resolved", 2);
    for alert in page.body["alerts"].as_array().expect("it has alerts") {
        assert_eq!(alert["status"], "resolved", "{alert:#}");
    }
    assert_eq!(hook.pages().len(), 2, "{:#?}", hook.pages());
}

/// What whoever is woken needs, and where to look.
fn check_page(page: &Page) {
    assert_eq!(page.path, "/risk-pager", "{:#}", page.body);
    let alerts = page.body["alerts"].as_array().expect("it has alerts");
    let location = alerts
        .iter()
        .find(|alert| alert["labels"]["test"] == "location");
    let location = location.unwrap_or_else(|| panic!("no location in {:#}", page.body));
    for (label, expected) in [
        ("alertname", "DriftdDrift"),
        ("model", "fraud"),
        ("version", "7"),
        ("series", "amount"),
        ("window", "1h"),
        ("severity", "critical"),
        ("owner", "risk"),
    ] {
        assert_eq!(location["labels"][label], expected, "{location:#}");
    }
    assert_eq!(location["labels"].get("sentence"), None, "{location:#}");
    let says = |name: &str| location["annotations"][name].as_str().unwrap_or_default();
    let description = says("description");
    assert!(
        description.starts_with("`amount` moved up by "),
        "{description}"
    );
    let psi = description
        .split("PSI now ")
        .nth(1)
        .map(|psi| psi.trim_end_matches('.'));
    let psi: f64 = psi
        .expect("it says the size")
        .parse()
        .expect("the size is a number");
    assert!(psi > 0.25, "{description}");
    let path = "/models/fraud/versions/7/series/amount?window=1h";
    assert_eq!(says("path"), path);
    assert!(says("runbook_url").ends_with("/deploy/runbooks/DriftdDrift.md"));
}

/// Waits for the page number `count`; it is the last one so far, and says `status`.
fn until_page(hook: &Hook, status: &str, count: usize) -> Page {
    let pages = poll_until(PATIENCE, || {
        let pages = hook.pages();
        (pages.len() >= count).then_some(pages)
    });
    let pages = pages.unwrap_or_else(|| panic!("nobody was paged of what is {status}"));
    assert_eq!(pages.len(), count, "{pages:#?}");
    let page = pages[count - 1].clone();
    assert_eq!(page.body["status"], status, "{:#}", page.body);
    page
}

/// Waits until the rules were applied to what was scraped after `at`, in seconds since 1970; there
/// is a scrape each second.
fn judged_since(prometheus: &mut Prometheus, at: i64) {
    let judged = "timestamp(topic:driftd_consumer_lag_records:sum)";
    prometheus.until(&format!("{judged} > {}", at + 2));
}

/// Builds the reference from four weeks of events before `end`.
fn build_reference(references: &Path, end: i64, traffic: &mut Traffic) {
    let rows = references.join("training.jsonl");
    let mut lines = String::new();
    for step in 1..=28 * 24 * 30 {
        writeln!(
            lines,
            "{}",
            traffic.event(end - step * 120_000, Mood::Healthy)
        )
        .expect("a text takes more");
    }
    fs::write(&rows, lines).expect("it can be written");
    let place = references.join("fraud/7");
    fs::create_dir_all(&place).expect("it can be made");
    let output = place.join("training.ref");
    let what = ["reference", "build", "--model", "fraud", "--version", "7"];
    let files = ["--output", text(&output), text(&rows)];
    run(&[&what[..], &files].concat()).succeeded();
}

/// How events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// As in the reference.
    Healthy,
    /// `amount` is in its upper half.
    Drifted,
}

/// Events of a model.
struct Traffic {
    events: i64,
}

impl Traffic {
    const fn new() -> Self {
        Self { events: 0 }
    }

    fn event(&mut self, at: i64, mood: Mood) -> String {
        self.events += 1;
        let amount = self.events * GOLDEN % (AMOUNT_MAX + 1);
        let amount = match mood {
            Mood::Healthy => amount,
            Mood::Drifted => i64::midpoint(amount, AMOUNT_MAX),
        };
        let country = if self.events % 2 == 0 { "DE" } else { "FR" };
        let features = json!({"amount": amount, "country": country});
        json!({"model": "fraud", "version": "7", "ts": at, "features": features}).to_string()
    }

    /// Sends the events of some hours; how many there are.
    fn send(&mut self, from: i64, hours: i64, mood: Mood) -> u64 {
        let times = (0..hours * HOUR_MS / STEP_MS).map(|step| from + step * STEP_MS);
        let records: Vec<Record> = times
            .map(|at| Record {
                partition: 0,
                timestamp: at,
                value: Some(self.event(at, mood).into_bytes()),
            })
            .collect();
        send(&producer("lz4"), TOPIC, &records);
        records.len() as u64
    }
}
