//! Laws and cases of the module that this is part of.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::decode::Value;
use crate::delta::tests::{
    any_accounting, any_chain, any_delta, any_key, dense_delta, empty_delta,
};
use crate::key::{Name, Role};
use crate::layout::LooseCounts;

fn any_length() -> impl Strategy<Value = Length> {
    (1..=Length::DAY.as_millis() * 1_000).prop_map(|ms| Length::from_millis(ms).unwrap())
}

prop_compose! {
    fn any_configuration()(
        windows in btree_set(any_length(), 0..4),
        keep in option::of(any_length()),
        lengths in [any_length(), any_length(), any_length()],
        models_max: u64,
        models_allow in vec("[a-z*\"]{0,4}", 0..3),
        loose_series_max: u64,
        alerts in any_alerting(),
        learn_rows in prop_oneof![Just(LEARN_ROWS), any::<u64>()],
        state_bytes_max in prop_oneof![Just(STATE_BYTES_MAX), any::<u64>()],
    ) -> Configuration {
        let [lateness, wait_max, silent_after] = lengths;
        let windows = windows.into_iter().collect();
        Configuration {
            windows, keep, lateness, wait_max, silent_after, models_max, models_allow,
            loose_series_max, state_bytes_max, alerts, learn_rows,
        }
    }
}

prop_compose! {
    fn any_alerting()(
        false_alarms_per_month in 1e-6..1e6_f64,
        min_psi in 0.0..1.0_f64,
        baseline in prop::sample::select(BaselineChoice::ALL.to_vec()),
        globs in vec("[a-z*\"]{1,4}", 0..3),
        series in option::of("[a-z*]{1,3}"),
        off in option::of(any::<bool>()),
        importance in 0.0..1e3_f64,
    ) -> Alerting {
        let about = globs.iter().map(|glob| About {
            model: glob.clone(),
            owner: series.clone(),
            importances: [(glob.clone(), importance)].into(),
        });
        let about = about.collect();
        let rules = globs.iter().map(|glob| AlertRule {
            model: glob.clone(),
            series: series.clone(),
            off,
            min_psi: off.map(|_| min_psi),
            false_alarms_per_month: off.map(|_| false_alarms_per_month),
        });
        let rules = rules.collect();
        Alerting { false_alarms_per_month, min_psi, baseline, rules, about }
    }
}

prop_compose! {
    fn any_anchor()(
        position: u64,
        digest: [u8; 32],
        heads in btree_map(any_chain(), any::<i64>(), 0..4),
        totals in btree_map("[a-z\"]{0,3}", any_accounting(), 0..3),
        log_time in Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis(),
    ) -> Anchor {
        let log_time = Timestamp::from_millis(log_time);
        Anchor { position, digest, heads, totals, log_time }
    }
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    let millis = Timestamp::MIN.as_millis()..Timestamp::MAX.as_millis();
    millis.prop_map(Timestamp::from_millis)
}

fn any_command() -> impl Strategy<Value = Command> {
    let id = || "[!-~]{1,64}";
    let text = || "[a-z*\"\u{e9}]{1,40}";
    let name = || text().prop_map(|name| Name::new(&name).unwrap());
    let mute = (
        id(),
        text(),
        option::of(text()),
        option::of(text()),
        any_time(),
    );
    let accept = (name(), name(), any_time(), 1..i64::from(i32::MAX));
    let kind = prop_oneof![
        id().prop_map(|alert| CommandKind::Acknowledge { alert }),
        id().prop_map(|id| CommandKind::Unmute { id }),
        mute.prop_map(
            |(id, model, version, series, until)| CommandKind::Mute(Mute {
                id,
                model,
                version,
                series,
                until,
            })
        ),
        accept
            .prop_map(|(model, version, to, length)| CommandKind::AcceptBaseline {
                key: ModelKey::new(model, version),
                from: to - Length::from_millis(length).unwrap(),
                to,
            })
            .prop_filter("a range", |kind| !matches!(
                kind, CommandKind::AcceptBaseline { from, to, .. } if from >= to
            )),
    ];
    (text(), "[a-z \"\n]{0,40}", any_time(), kind).prop_map(|(actor, reason, at, kind)| Command {
        actor,
        reason,
        at,
        kind,
    })
}

prop_compose! {
    fn any_delivered()(
        webhook in "[a-zA-Z0-9_-]{1,64}",
        from in option::of(0..u64::MAX / 2),
        delivered in 0..1_000_u64,
        given_up in 0..1_000_u64,
        beyond: u32,
        cause in option::of("[a-z0-9 \"]{0,40}"),
    ) -> Delivered {
        let events = delivered + given_up;
        let (delivered, given_up) = from.map_or((0, 0), |_| (delivered, given_up));
        let to = from.unwrap_or_default() + events + u64::from(beyond);
        Delivered { webhook, from, to, delivered, given_up, cause }
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![
        (any_chain(), any::<i64>()).prop_map(|(chain, start)| Record::Genesis { chain, start }),
        any_delta().prop_map(|delta| Record::Delta(Box::new(delta))),
        (any_key(), vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..40)).prop_map(
            |(key, artifact, natural)| Record::Activate {
                key,
                artifact,
                natural
            }
        ),
        any_configuration().prop_map(|config| Record::Configure(Box::new(config))),
        any_anchor().prop_map(Record::Anchor),
        any_command().prop_map(Record::Command),
        any_delivered().prop_map(Record::Delivered),
    ]
}

proptest! {
    /// from_bytes(to_bytes(r)) = r, and there is one form
    #[test]
    fn every_record_reads_back_as_it_was(record in any_record()) {
        let bytes = record.to_bytes().unwrap();
        prop_assert_eq!(&bytes[..2], &[FORMAT_VERSION, record.kind() as u8]);
        let read = Record::from_bytes(&bytes).unwrap();
        prop_assert_eq!(read.to_bytes().unwrap(), bytes);
        prop_assert_eq!(read, record);
    }

    /// Any change of the bytes is an error or a record, never a panic.
    #[test]
    fn damaged_bytes_are_an_error_or_a_record(
        record in any_record(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = record.to_bytes().unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(record) = Record::from_bytes(&bytes) {
            record.to_bytes().unwrap();
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), kind in 0..9_u8) {
        let mut bytes = bytes;
        if let Some([version, code]) = bytes.first_chunk_mut() {
            (*version, *code) = (FORMAT_VERSION, kind);
        }
        Record::from_bytes(&bytes).map(|_read| ()).unwrap_or_default();
    }
}

#[test]
fn what_a_newer_driftd_wrote_is_named_and_says_what_to_do() {
    let cases: [(&[u8], &str); 5] = [
        (&[], "a record of 0 bytes ends too early"),
        (&[1], "a record of 1 bytes ends too early"),
        (
            &[2, 1, b'{'],
            "a record has format version 2, this driftd knows 1 only: a newer driftd wrote it, \
             upgrade this one",
        ),
        (
            &[1, 9],
            "a record is of kind 9, which this driftd does not know: a newer driftd wrote it, \
             upgrade this one",
        ),
        (
            br"\x01",
            "a record has format version 92, this driftd knows 1 only: a newer driftd wrote it, \
             upgrade this one",
        ),
    ];
    for (bytes, message) in cases {
        assert_eq!(Record::from_bytes(bytes).unwrap_err().to_string(), message);
    }
    let unknown = b"\x01\x04{\"windows_ms\":[],\"lateness_ms\":1,\"wait_max_ms\":1,\
        \"silent_after_ms\":1,\"models_max\":1,\"loose_series_max\":1,\"later\":1}";
    let message = Record::from_bytes(unknown).unwrap_err().to_string();
    assert!(
        message.contains("record `configure`") && message.contains("upgrade"),
        "{message}"
    );
}

#[test]
fn values_that_cannot_be_are_refused() {
    let chain = r#"{"cluster":"k","topic":"t","partition":0}"#;
    let anchor = |digest: &str, heads: &str, totals: &str, at: &str| {
        let log = format!(r#""position":1,"digest":"{digest}","log_time_ms":{at}"#);
        format!(r#"{{{log},"heads":[{heads}],"totals":{{{totals}}}}}"#)
    };
    let zeros = "0".repeat(64);
    let head = format!(r#"{{"chain":{chain},"head":1}}"#);
    let good = anchor(&zeros, &head, "", "0");
    Record::from_bytes(&[b"\x01\x05", good.as_bytes()].concat()).unwrap();
    for (bad, message) in [
        (anchor("00", &head, "", "0"), "digest"),
        (
            anchor(&zeros, &format!("{head},{head}"), "", "0"),
            "order of chains",
        ),
        (
            anchor(&zeros, &head, r#""t":{"rejected":{"boredom":1}}"#, "0"),
            "sums",
        ),
        (anchor(&zeros, &head, "", "9223372036854775807"), "time"),
    ] {
        let error = Record::from_bytes(&[b"\x01\x05", bad.as_bytes()].concat()).unwrap_err();
        assert!(
            error.to_string().contains(message),
            "{error} instead of {message}"
        );
    }
    let windows = "\x01\x04{\"windows_ms\":[2,1],\"lateness_ms\":1,\"wait_max_ms\":1,\
        \"silent_after_ms\":1,\"models_max\":1,\"loose_series_max\":1}";
    let error = Record::from_bytes(windows.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a record `configure` has an impossible order of windows"
    );
}

#[test]
fn commands_beyond_their_bounds_are_refused() {
    let command = |actor: &str, reason: &str, kind: &str| {
        let text =
            format!(r#"{{"actor":"{actor}","reason":"{reason}","at_ms":1,"kind":{{{kind}}}}}"#);
        Record::from_bytes(&[b"\x01\x06", text.as_bytes()].concat())
    };
    let unmute = r#""unmute":{"id":"m"}"#;
    command("ann", "", unmute).unwrap();
    command("ann", &"x".repeat(REASON_BYTES_MAX), unmute).unwrap();
    let long = "x".repeat(200);
    let mute = |members: &str| format!(r#""mute":{{"id":"m",{members}}}"#);
    let accept = |from: i64, to: i64| {
        format!(r#""accept_baseline":{{"model":"m","version":"1","from_ms":{from},"to_ms":{to}}}"#)
    };
    command("ann", "", &accept(1, 2)).unwrap();
    for (actor, reason, kind, what) in [
        ("", "", unmute, "actor"),
        (&long, "", unmute, "actor"),
        ("ann", &"x".repeat(REASON_BYTES_MAX + 1), unmute, "reason"),
        ("ann", r"\u0007", unmute, "reason"),
        ("ann", "", r#""unmute":{"id":""}"#, "id"),
        (
            "ann",
            "",
            &format!(r#""acknowledge":{{"alert":"{long}"}}"#),
            "id",
        ),
        ("ann", "", r#""acknowledge":{"alert":"a b"}"#, "id"),
        ("ann", "", &mute(r#""model":"","until_ms":1"#), "model"),
        (
            "ann",
            "",
            &mute(r#""model":"m","version":"","until_ms":1"#),
            "version",
        ),
        (
            "ann",
            "",
            &mute(&format!(r#""model":"m","series":"{long}","until_ms":1"#)),
            "series",
        ),
        (
            "ann",
            "",
            &mute(r#""model":"m","until_ms":9223372036854775807"#),
            "time",
        ),
        ("ann", "", &accept(2, 2), "range of time"),
        ("ann", "", r#""promote":{}"#, "upgrade"),
        ("ann", "", r#""unmute":{"id":"m","later":1}"#, "upgrade"),
    ] {
        let error = command(actor, reason, kind).unwrap_err().to_string();
        assert!(error.contains(what), "{error} instead of {what}");
    }
}

#[test]
fn deliveries_that_cannot_be_are_refused() {
    let told = |members: &str| {
        let text = format!(r#"{{"webhook":"w",{members}}}"#);
        Record::from_bytes(&[b"\x01\x07", text.as_bytes()].concat())
    };
    told(r#""to":17"#).unwrap();
    told(r#""from":17,"to":19,"delivered":1,"given_up":1"#).unwrap();
    let long = format!(r#""to":1,"cause":"{}""#, "x".repeat(129));
    for (members, what) in [
        (r#""to":1,"delivered":1"#, "range of entries"),
        (r#""from":2,"to":1"#, "range of entries"),
        (
            r#""from":1,"to":2,"delivered":1,"given_up":1"#,
            "range of entries",
        ),
        (
            r#""from":1,"to":2,"delivered":18446744073709551615,"given_up":1"#,
            "range of entries",
        ),
        (&long, "cause"),
        (r#""to":1,"cause":"\u0007""#, "cause"),
        (r#""to":1,"later":1"#, "upgrade"),
    ] {
        let error = told(members).unwrap_err().to_string();
        assert!(error.contains(what), "{error} instead of {what}");
    }
    for name in ["", "a b", "a/b", &"x".repeat(65)] {
        let text = format!(r#"{{"webhook":"{name}","to":1}}"#);
        let read = Record::from_bytes(&[b"\x01\x07", text.as_bytes()].concat());
        assert!(read.unwrap_err().to_string().contains("name"), "{name}");
    }
}

/// A delta with each kind of row.
fn full_delta() -> Delta {
    let mut delta = dense_delta(2, 2, 3);
    delta.chain.shard = 1;
    delta.chain.incarnation = 2;
    delta.accounting.rejected = [1, 0, 0, 0, 0, 0, 0, 0, 2];
    delta.accounting.lost = 3;
    delta.accounting.late = 4;
    delta.accounting.unnamed = 5;
    delta.arrivals[0].rejected = 1;
    let model = &mut delta.models[1];
    model.key.tenant = Arc::from("tenant");
    model.key.segment = Arc::from("segment");
    let pane = &mut model.panes[0];
    pane.late = 1;
    pane.carried = [3, 2, 1, 0];
    let mut counts = LooseCounts::default();
    for (value, times) in [
        (Value::Number(1.5), 1),
        (Value::Number(-300.0), 2),
        (Value::Text("DE"), 3),
        (Value::Text("\u{e9}\u{1F600}"), 4),
        (Value::Text(&"x".repeat(200)), 5),
        (Value::Bool(true), 6),
        (Value::Bool(false), 7),
        (Value::Missing, 8),
        (Value::Invalid, 9),
    ] {
        counts.add(value, times);
    }
    pane.loose.insert((Role::Feature, "country".into()), counts);
    pane.loose
        .insert((Role::Operational, "status".into()), LooseCounts::default());
    delta
}

fn configuration(alerts: Alerting) -> Configuration {
    Configuration {
        windows: vec![Length::HOUR, Length::DAY],
        keep: Some(Length::DAY.times(30)),
        lateness: Length::MINUTE,
        wait_max: Length::MINUTE.times(10),
        silent_after: Length::DAY.times(7),
        models_max: 1_000,
        models_allow: vec!["fraud*".to_owned()],
        loose_series_max: 200,
        alerts,
        learn_rows: LEARN_ROWS,
        state_bytes_max: STATE_BYTES_MAX,
    }
}

fn alerting() -> Alerting {
    Alerting {
        false_alarms_per_month: 0.5,
        min_psi: 0.02,
        baseline: BaselineChoice::HourOfDay,
        rules: vec![AlertRule {
            model: "fraud*".to_owned(),
            series: Some("age".to_owned()),
            off: Some(true),
            min_psi: None,
            false_alarms_per_month: None,
        }],
        about: vec![About {
            model: "*".to_owned(),
            owner: Some("risk team".to_owned()),
            importances: [("amount".to_owned(), 0.4)].into(),
        }],
    }
}

fn commands() -> [(&'static str, Record); 2] {
    [
        (
            "command_mute",
            Record::Command(Command {
                actor: "ann".to_owned(),
                reason: "the promotion lasts until \"Monday\"".to_owned(),
                at: "2026-11-23T10:15:00.123Z".parse().unwrap(),
                kind: CommandKind::Mute(Mute {
                    id: "m-1".to_owned(),
                    model: "fraud*".to_owned(),
                    version: None,
                    series: Some("amount".to_owned()),
                    until: "2026-11-30T00:00:00Z".parse().unwrap(),
                }),
            }),
        ),
        (
            "command_accept_baseline",
            Record::Command(Command {
                actor: "ann".to_owned(),
                reason: String::new(),
                at: "2026-11-23T10:15:00.123Z".parse().unwrap(),
                kind: CommandKind::AcceptBaseline {
                    key: ModelKey::new(Name::new("fraud").unwrap(), Name::new("7").unwrap()),
                    from: "2026-11-16T00:00:00Z".parse().unwrap(),
                    to: "2026-11-23T00:00:00Z".parse().unwrap(),
                },
            }),
        ),
    ]
}

fn samples() -> [(&'static str, Record); 12] {
    let [mute, accept] = commands();
    let chain = empty_delta().chain;
    let sums = full_delta().accounting;
    let key = ModelKey::new(Name::new("fraud").unwrap(), Name::new("7").unwrap());
    [
        (
            "genesis",
            Record::Genesis {
                chain: chain.clone(),
                start: 42,
            },
        ),
        ("delta_empty", Record::Delta(Box::new(empty_delta()))),
        ("delta", Record::Delta(Box::new(full_delta()))),
        (
            "activate",
            Record::Activate {
                key: key.clone(),
                artifact: b"ARROW1 and so on".to_vec(),
                natural: Vec::new(),
            },
        ),
        (
            "activate_natural",
            Record::Activate {
                key,
                artifact: b"ARROW1 and so on".to_vec(),
                natural: b"{}".to_vec(),
            },
        ),
        (
            "configure",
            Record::Configure(Box::new(configuration(Alerting::default()))),
        ),
        (
            "configure_alerts",
            Record::Configure(Box::new(configuration(alerting()))),
        ),
        (
            "anchor",
            Record::Anchor(Anchor {
                position: u64::MAX - 1,
                digest: [0xA5; 32],
                heads: BTreeMap::from([(chain, 9_007_199_254_740_993)]),
                totals: BTreeMap::from([("inference.fraud".to_owned(), sums)]),
                log_time: "2026-11-23T10:15:00.123Z".parse().unwrap(),
            }),
        ),
        (
            "need",
            Record::Need {
                shard: "2/4".parse().unwrap(),
                from: 9_007_199_254_740_993,
            },
        ),
        mute,
        accept,
        (
            "delivered",
            Record::Delivered(Delivered {
                webhook: "retrain".to_owned(),
                from: Some(17),
                to: 21,
                delivered: 2,
                given_up: 1,
                cause: Some("HTTP 410".to_owned()),
            }),
        ),
    ]
}

/// Bytes as lines of hexadecimal digits, or as they are where they are text.
fn to_golden(bytes: &[u8]) -> String {
    bytes.chunks(40).fold(String::new(), |text, line| {
        let digits = line.iter().map(|byte| format!("{byte:02x}"));
        text + &digits.collect::<Vec<_>>().concat() + "\n"
    })
}

fn from_golden(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The bytes of format version 1, as they were written on the day it was fixed. They must be read
/// for as long as there are logs of that version: never change these files. New files come with a
/// new version.
#[test]
fn the_bytes_of_version_1_are_read_for_ever() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/statelog/v1");
    for (name, record) in samples() {
        let path = dir.join(format!("{name}.hex"));
        let text = fs::read_to_string(&path).unwrap_or_else(|_missing| {
            let made = to_golden(&record.to_bytes().unwrap());
            panic!(
                "{} is missing; for a new version it would be\n{made}",
                path.display()
            )
        });
        assert_eq!(
            Record::from_bytes(&from_golden(&text)).unwrap(),
            record,
            "{name}"
        );
    }
}

/// What is written now. The compressed bytes may change with the libraries; then look at the
/// difference, see that the test above still passes, and accept it.
#[test]
fn what_is_written_does_not_change_unnoticed() {
    for (name, record) in samples() {
        let bytes = record.to_bytes().unwrap();
        match record.kind() {
            Kind::Delta => insta::assert_snapshot!(name, to_golden(&bytes)),
            _ => insta::assert_snapshot!(name, bytes.escape_ascii().to_string()),
        }
    }
}
