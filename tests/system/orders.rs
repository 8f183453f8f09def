//! What an operator asks of one instance holds for all of them, and is never forgotten.
//!
//! Two daemons share the state log in Kafka. An alert of the flights is acknowledged at the first
//! one and what fires is muted there, one mute is ended at the second one, and December is accepted
//! as the baseline; then the first one is killed and starts again, and a third one starts.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::driftd::{Driftd, Home, Setup};
use crate::flights::{self, MODEL, VERSION};
use crate::http;
use crate::poll::now_s;
use crate::truth::truth;

const TOKEN: &str = "vN7sKk2h9QeYx3LpUa";

/// Entries of the journal that are of an operator's hand.
const KINDS: [&str; 4] = ["acknowledged", "muted", "unmuted", "baseline_accepted"];

fn setup<'a>(topics: &'a [&'a str]) -> Setup<'a> {
    Setup {
        name: "orders",
        topics,
        home: Home::Kafka,
        references: Some(flights::references()),
        kafka: None,
        source: "",
        windows: "lengths = [\"24h\", \"7d\"]",
        operator: Some(TOKEN),
    }
}

/// The entries of the journal that an operator is the cause of, oldest first.
fn orders_of(driftd: &Driftd) -> Vec<Value> {
    let page = driftd.json("/api/v1/journal?limit=10000");
    let entries = page["journal"].as_array().expect("entries are a list");
    let is_order = |entry: &&Value| KINDS.iter().any(|kind| entry["kind"] == *kind);
    entries.iter().filter(is_order).cloned().collect()
}

/// Waits until so many orders are in the journal.
fn until_done(driftd: &mut Driftd, orders: usize) {
    driftd.until(&format!("{orders} orders are done"), |driftd| {
        let done = orders_of(driftd);
        assert!(done.len() <= orders, "{done:#?}");
        (done.len() == orders).then_some(())
    });
}

/// What there is to see of orders: who looks after which alert, the mutes, which alerts they cover,
/// the references in force, and the journal.
fn seen(driftd: &Driftd) -> Value {
    let alerts = driftd.json("/api/v1/alerts?limit=10000");
    let alerts = alerts["alerts"].as_array().expect("alerts are a list");
    let of_orders = |alert: &Value| json!([alert["id"], alert["acknowledged"], alert["muted"]]);
    let models = driftd.json("/api/v1/models");
    json!({
        "alerts": alerts.iter().map(of_orders).collect::<Vec<_>>(),
        "mutes": driftd.json("/api/v1/mutes"),
        "references": models["models"][0]["references"],
        "journal": orders_of(driftd),
    })
}

/// Waits until a daemon shows the same.
fn until_seen(driftd: &mut Driftd, done: &Value) {
    driftd.until("it shows the same", |driftd| {
        (seen(driftd) == *done).then_some(())
    });
}

/// Alerts that fire and are not muted, as Prometheus sees them.
fn pages(driftd: &Driftd) -> u64 {
    driftd.metrics().count("driftd_alert_active", &[])
}

#[test]
fn orders_hold_for_all_instances_and_are_kept() {
    let topics = [flights::topic()];
    let mut first = Driftd::start(&setup(&topics));
    let mut second = Driftd::start(&setup(&topics));
    for driftd in [&mut first, &mut second] {
        driftd.until_counted(topics[0], truth().live_rows);
    }
    let firing = first.json("/api/v1/alerts?state=firing");
    let alert = &firing["alerts"][0];
    let (id, series) = (&alert["id"], &alert["series"]);
    assert!(pages(&first) > 0 && id.is_string(), "{firing}");
    let acknowledge = format!(
        "/api/v1/alerts/{}/acknowledge",
        id.as_str().expect("a text")
    );
    let stranger = http::ask(
        first.address(),
        None,
        &format!("POST {acknowledge}"),
        "{\"reason\":\"mine\"}",
    );
    assert_eq!(stranger.expect("it answers").status, 401);

    let because = json!({"reason": "it is winter"});
    first.order(&format!("POST {acknowledge}"), &because);
    let tomorrow = Timestamp::from_second(now_s() + 86_400).expect("it is in range");
    let mute = |series: &Value| {
        json!({"model": MODEL, "series": series, "until": tomorrow.to_string(),
               "reason": "it is winter"})
    };
    let one = first.order("POST /api/v1/mutes", &mute(series));
    first.order("POST /api/v1/mutes", &mute(&json!("*")));
    // what was asked of one is done by all
    until_done(&mut second, 3);
    second.until("nothing pages", |driftd| (pages(driftd) == 0).then_some(()));
    let one = format!(
        "/api/v1/mutes/{}",
        one["id"].as_str().expect("it has an id")
    );
    second.order(&format!("DELETE {one}"), &because);
    let baseline = format!("/api/v1/models/{MODEL}/versions/{VERSION}/baseline");
    until_done(&mut first, 4);
    let december = json!({"from": "2013-12-24T00:00:00Z", "to": "2013-12-31T00:00:00Z",
                          "reason": "it is winter"});
    first.order(&format!("POST {baseline}"), &december);
    for driftd in [&mut first, &mut second] {
        until_done(driftd, 5);
    }
    // what is shown comes a moment after what is written
    let done = first.until("there is a baseline", |driftd| {
        let seen = seen(driftd);
        let references = seen["references"].as_array().map_or(0, Vec::len);
        (references == 2).then_some(seen)
    });
    check(&done, id);
    until_seen(&mut second, &done);

    first.kill();
    first.start_again();
    until_seen(&mut first, &done);
    let mut third = Driftd::start(&setup(&topics));
    until_seen(&mut third, &done);
    // and nothing is done twice, though three have told of it
    until_seen(&mut second, &done);
}

/// Each order is there once, with who gave it and why, and did what it should.
fn check(done: &Value, alert: &Value) {
    let journal = done["journal"].as_array().expect("entries are a list");
    let kinds: Vec<_> = journal.iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(
        kinds,
        [
            "acknowledged",
            "muted",
            "muted",
            "unmuted",
            "baseline_accepted"
        ]
    );
    for entry in journal {
        assert_eq!(
            (&entry["actor"], &entry["reason"]),
            (&"ann".into(), &"it is winter".into()),
            "{entry}"
        );
    }
    let mutes = done["mutes"]["mutes"].as_array().expect("mutes are a list");
    assert_eq!((mutes.len(), &mutes[0]["series"]), (1, &"*".into()));
    let alerts = done["alerts"].as_array().expect("alerts are a list");
    let looked_after = alerts.iter().filter(|one| !one[1].is_null());
    let looked_after: Vec<_> = looked_after
        .map(|one| (&one[0], &one[1]["actor"]))
        .collect();
    assert_eq!(looked_after, [(alert, &"ann".into())]);
    let roles = done["references"]
        .as_array()
        .expect("references are a list");
    let roles: Vec<_> = roles.iter().map(|one| &one["role"]).collect();
    assert_eq!(roles, ["training", "baseline"]);
}
