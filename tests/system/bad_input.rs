//! Whatever stands in a topic is counted and named, and what is good around it is counted too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use crate::driftd::{Driftd, Home, Setup, run};
use crate::poll::now_s;
use crate::produce::{Copy, Random, Record, create_topic, producer, read_all, send};
use crate::rig::{temp_dir, text};

const TOPIC: &str = "bad";
const DEAD_LETTERS: &str = "bad.dead";
const PARTITIONS: i64 = 4;
const DAY_S: i64 = 86_400;
/// Good events before, between and behind the others.
const GOOD: usize = 2_000;

/// An event that cannot be used and the reason for it.
struct Bad {
    value: Option<Vec<u8>>,
    /// The timestamp of its record; `None` is that of the events around it.
    timestamp: Option<i64>,
    reason: &'static str,
}

fn bad(value: impl Into<Vec<u8>>, reason: &'static str) -> Bad {
    Bad {
        value: Some(value.into()),
        timestamp: None,
        reason,
    }
}

/// An event of the model `shop` with these features.
fn event(ts_s: i64, features: &str) -> String {
    let ts = Timestamp::from_second(ts_s).expect("it is in range");
    format!(
        "{{\"model\":\"shop\",\"version\":\"1\",\"ts\":\"{ts}\",\"features\":{features},\
         \"prediction\":0.5}}"
    )
}

/// A good event, or one row of the reference.
fn good(ts_s: i64, random: &mut Random) -> String {
    let country = random.choose(&["DE", "FR", "US"]);
    let (amount, vip) = (random.below(10_000), random.below(2) == 1);
    event(
        ts_s,
        &format!("{{\"amount\":{amount}.25,\"country\":\"{country}\",\"vip\":{vip}}}"),
    )
}

/// Every way to be useless that we know of.
fn all_bad(ts_s: i64) -> Vec<Bad> {
    let fine = event(ts_s, "{\"amount\":1}");
    let (head, tail) = fine.as_bytes().split_at(fine.len() / 2);
    let with = |from: &str, to: &str| fine.replace(from, to).into_bytes();
    let ts = Timestamp::from_second(ts_s)
        .expect("it is in range")
        .to_string();
    let deep = format!(
        "{{\"amount\":{}1{}}}",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    vec![
        bad(with("shop", "sh\u{1}op"), "malformed"),
        bad([head, b"\xff\xfe", tail].concat(), "malformed"),
        bad(head, "malformed"),
        bad(event(ts_s, &deep), "malformed"),
        bad(
            with("\"amount\":1", "\"amount\":1,\"amount\":2"),
            "malformed",
        ),
        bad(
            with("\"prediction\"", "\"model\":\"shop\",\"prediction\""),
            "malformed",
        ),
        bad(with("\"amount\":1", "\"amount\":NaN"), "malformed"),
        bad(with("{\"amount\":1}", "[1,2]"), "malformed"),
        bad("null", "malformed"),
        bad("17", "malformed"),
        bad("", "malformed"),
        bad("\u{0}\u{0}", "malformed"),
        bad(fine.clone() + &fine, "malformed"),
        bad(
            with(
                "\"amount\":1",
                &format!("\"amount\":\"{}\"", "x".repeat(2 << 20)),
            ),
            "oversized",
        ),
        bad(with("\"model\":\"shop\",", ""), "missing_model"),
        bad(with("\"shop\"", "null"), "missing_model"),
        bad(
            with("\"shop\"", &format!("\"{}\"", "x".repeat(200))),
            "bad_name",
        ),
        bad(with("\"shop\"", "\"..\""), "bad_name"),
        bad(with("\"shop\"", "\"a\\nb\""), "bad_name"),
        bad(with(&ts, "yesterday"), "bad_timestamp"),
        bad(with(&ts, "2013-02-30T00:00:00Z"), "bad_timestamp"),
        bad(with(&ts, "1970-01-01T00:00:00Z"), "expired"),
        bad(with(&ts, "2100-01-01T00:00:00Z"), "future"),
        Bad {
            value: None,
            timestamp: None,
            reason: "unsupported",
        },
        Bad {
            value: Some(fine.into_bytes()),
            timestamp: Some(4_102_444_800_000),
            reason: "expired",
        },
    ]
}

/// Events of `shop` that are good but for a value: its features, and the series whose `missing`,
/// `invalid` or `novel` counts them.
const ODD: &[(&str, &str, &str)] = &[
    (
        "{\"amount\":\"12.5\",\"country\":\"DE\",\"vip\":true}",
        "amount",
        "invalid",
    ),
    (
        "{\"amount\":[1,2],\"country\":\"DE\",\"vip\":true}",
        "amount",
        "invalid",
    ),
    (
        "{\"amount\":true,\"country\":\"DE\",\"vip\":true}",
        "amount",
        "invalid",
    ),
    (
        "{\"amount\":1e400,\"country\":\"DE\",\"vip\":true}",
        "amount",
        "invalid",
    ),
    (
        "{\"amount\":null,\"country\":\"DE\",\"vip\":true}",
        "amount",
        "missing",
    ),
    ("{\"country\":\"DE\",\"vip\":true}", "amount", "missing"),
    (
        "{\"amount\":3,\"country\":7,\"vip\":true}",
        "country",
        "invalid",
    ),
    (
        "{\"amount\":3,\"country\":\"ZZ\",\"vip\":true}",
        "country",
        "novel",
    ),
    (
        "{\"amount\":3,\"country\":\"DE\",\"vip\":\"yes\"}",
        "vip",
        "invalid",
    ),
    (
        "{\"amount\":3,\"country\":\"DE\",\"vip\":null}",
        "vip",
        "missing",
    ),
];

#[test]
fn bad_records_are_counted_by_reason_and_good_ones_around_them_too() {
    let references = temp_dir("references-");
    build_reference(references.path());
    create_topic(TOPIC, i32::try_from(PARTITIONS).expect("there are few"));
    create_topic(DEAD_LETTERS, 1);
    let today_s = now_s() / DAY_S * DAY_S;
    let (records, reasons) = records(today_s);
    let producer = producer("zstd");
    send(&producer, TOPIC, &records);
    let mut driftd = Driftd::start(&Setup {
        name: "bad",
        topics: &[TOPIC],
        home: Home::Embedded,
        references: Some(references.path()),
        kafka: None,
        source: "dead_letter_topic = \"bad.dead\"",
        windows: "lengths = [\"24h\"]\nkeep = \"10d\"",
        operator: None,
    });
    let all = u64::try_from(records.len()).expect("it is a count");
    driftd.until_counted(TOPIC, all);
    let metrics = driftd.metrics();
    let of_topic = [("topic", TOPIC)];
    assert_eq!(
        metrics.counts_by("driftd_records_rejected_total", &of_topic, "reason"),
        reasons
    );
    // and one of a model without a reference
    let rows = rows_of_shop() + 1;
    assert_eq!(metrics.count("driftd_rows_total", &of_topic), rows);
    check_series(&driftd, today_s);
    check_dead_letters(&reasons);
    nothing_is_evicted(&mut driftd, today_s, all);
}

/// Events of 2100 and of 1970, in records that say the same, come through, are counted as out of
/// reach and move nothing else out of it.
fn nothing_is_evicted(driftd: &mut Driftd, today_s: i64, counted: u64) {
    let before = series(driftd, "amount", today_s);
    let at = |ts_s: i64| Record {
        partition: 0,
        timestamp: ts_s * 1000,
        value: Some(event(ts_s, "{\"amount\":1,\"country\":\"DE\",\"vip\":true}").into_bytes()),
    };
    send(
        &producer("none"),
        TOPIC,
        &[at(4_102_444_800), at(DAY_S), at(today_s - DAY_S / 2)],
    );
    driftd.until_counted(TOPIC, counted + 3);
    let after = series(driftd, "amount", today_s);
    let rows = |answer: &Value| answer["rows"].as_u64().expect("rows are a count");
    assert_eq!(rows(&after), rows(&before) + 1, "{after:#}");
    let metrics = driftd.metrics();
    assert_eq!(metrics.count("driftd_rows_beyond_horizon_total", &[]), 2);
    assert_eq!(driftd.get("/-/ready").status, 200);
}

fn build_reference(directory: &Path) {
    let mut random = Random::new(7);
    let rows: String = (0..1000)
        .map(|i| good(i * 3600, &mut random) + "\n")
        .collect();
    let (input, output) = (
        directory.join("rows.jsonl"),
        directory.join("shop/1/training.ref"),
    );
    fs::write(&input, rows).expect("its directory can be written");
    fs::create_dir_all(directory.join("shop/1")).expect("a directory");
    let output = text(&output);
    let of = [
        "reference",
        "build",
        "--model",
        "shop",
        "--version",
        "1",
        "--output",
        output,
    ];
    run(&[&of[..], &[text(&input)]].concat()).succeeded();
}

/// All records, the bad ones spread among the good ones, and how many have which reason.
fn records(today_s: i64) -> (Vec<Record>, BTreeMap<String, u64>) {
    let mut random = Random::new(11);
    let ts_s = today_s - DAY_S / 2;
    let mut values: Vec<(Option<Vec<u8>>, Option<i64>)> = (0..GOOD)
        .map(|_| {
            (
                Some(good(ts_s - random.below(3600), &mut random).into_bytes()),
                None,
            )
        })
        .collect();
    for (features, ..) in ODD {
        values.push((Some(event(ts_s, features).into_bytes()), None));
    }
    let (one, two) = (good(ts_s, &mut random), good(ts_s, &mut random));
    values.push((Some(format!("[{one},{two}]").into_bytes()), None));
    let unknown = good(ts_s, &mut random).replace("\"shop\"", "\"unknown\"");
    values.push((Some(unknown.into_bytes()), None));
    let mut reasons = BTreeMap::new();
    for bad in all_bad(ts_s) {
        *reasons.entry(bad.reason.to_owned()).or_default() += 1;
        values.push((bad.value, bad.timestamp));
    }
    let mut records: Vec<(u64, Record)> = values
        .into_iter()
        .map(|(value, timestamp)| {
            let partition = i32::try_from(random.below(PARTITIONS)).expect("there are few");
            let timestamp = timestamp.unwrap_or(ts_s * 1000);
            (
                random.next(),
                Record {
                    partition,
                    timestamp,
                    value,
                },
            )
        })
        .collect();
    records.sort_by_key(|(place, _)| *place);
    (
        records.into_iter().map(|(_, record)| record).collect(),
        reasons,
    )
}

/// A series of `shop` over yesterday.
fn series(driftd: &Driftd, name: &str, today_s: i64) -> Value {
    let at = Timestamp::from_second(today_s).expect("it is in range");
    driftd.json(&format!(
        "/api/v1/models/shop/versions/1/series/{name}?window=24h&at={at}"
    ))
}

/// Every event of `shop` is a row of every series; odd values are where they belong.
fn check_series(driftd: &Driftd, today_s: i64) {
    for name in ["amount", "country", "vip", "prediction"] {
        let answer = series(driftd, name, today_s);
        assert_eq!(answer["rows"], rows_of_shop(), "{answer:#}");
        for of in ["missing", "invalid", "novel"] {
            let odd = ODD
                .iter()
                .filter(|(_, series, what)| *series == name && *what == of)
                .count();
            assert_eq!(
                answer[of].as_u64().unwrap_or(0),
                odd as u64,
                "{of}: {answer:#}"
            );
        }
    }
}

/// The good events, those with an odd value, and two of a batch.
fn rows_of_shop() -> u64 {
    (GOOD + ODD.len() + 2) as u64
}

/// Each rejected record is copied, with where it was and why it is here.
fn check_dead_letters(reasons: &BTreeMap<String, u64>) {
    let rejected: u64 = reasons.values().sum();
    let header = |copy: &Copy, name: &str| {
        let found = copy.headers.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.clone())
            .expect("a copy has the header")
    };
    let mut copied: BTreeMap<String, u64> = BTreeMap::new();
    for copy in read_all(DEAD_LETTERS, rejected) {
        assert_eq!(header(&copy, "topic"), TOPIC);
        assert!(
            header(&copy, "partition")
                .parse::<i64>()
                .is_ok_and(|at| at < PARTITIONS)
        );
        assert!(header(&copy, "offset").parse::<u64>().is_ok());
        let reason = header(&copy, "reason");
        assert_eq!(copy.value.is_none(), reason == "unsupported");
        *copied.entry(reason).or_default() += 1;
    }
    assert_eq!(copied, *reasons);
}
