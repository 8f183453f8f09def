//! The whole of decode: a table of records and what becomes of them, and laws against the oracle.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::decode::oracle::{self, OwnedRow, OwnedValue};
use crate::decode::{
    Decoder, Field, FieldPaths, Limits, Names, Plan, Record, Reject, Row, TimestampUnit, Value,
};
use crate::key::{Carrier, Role};
use crate::time::{Length, Timestamp};

/// 2026-11-23T10:15:00Z, the time of the records below.
const AT: i64 = 1_795_428_900_000;

fn decoder(paths: &FieldPaths, limits: &Limits) -> Decoder {
    Decoder::new(Plan::new(paths).unwrap(), limits.clone())
}

fn record(value: &[u8]) -> Record<'_> {
    Record {
        value: Some(value),
        timestamp: Some(Timestamp::from_millis(AT)),
    }
}

/// The rows, with their values by name.
fn decode(decoder: &mut Decoder, record: Record<'_>) -> Result<Vec<OwnedRow>, Reject> {
    let mut rows = Vec::new();
    let count = decoder.decode(record, |names, row| rows.push(owned_row(names, row)))?;
    assert_eq!(count as usize, rows.len());
    Ok(rows)
}

fn owned_row(names: &Names, row: &Row<'_>) -> OwnedRow {
    let named = |(slot, value): &(_, Value<'_>)| {
        let name = names.get(*slot).unwrap();
        (name.role, name.name.to_string(), owned(value))
    };
    OwnedRow {
        model: row.model.to_owned(),
        version: row.version.to_owned(),
        at: row.at,
        request_id: row.request_id.map(str::to_owned),
        carried: row.carried,
        values: row.values.iter().map(named).collect(),
        unnamed: row.unnamed,
    }
}

fn owned(value: &Value<'_>) -> OwnedValue {
    match *value {
        Value::Number(number) => OwnedValue::Number(number.to_bits()),
        Value::Text(text) => OwnedValue::Text(text.to_owned()),
        Value::Bool(bool) => OwnedValue::Bool(bool),
        Value::Missing => OwnedValue::Missing,
        Value::Invalid => OwnedValue::Invalid,
    }
}

/// Rows in one line each, for the tables: `model version +ms carried: series=value`.
fn told(outcome: &Result<Vec<OwnedRow>, Reject>) -> String {
    let rows = match outcome {
        Ok(rows) => rows,
        Err(reject) => return format!("! {reject}"),
    };
    let mut lines = Vec::new();
    for row in rows {
        let carriers = [
            (Carrier::Features, 'f'),
            (Carrier::Prediction, 'p'),
            (Carrier::Latency, 'l'),
            (Carrier::Status, 's'),
        ];
        let carried: String = carriers
            .iter()
            .filter(|(carrier, _)| row.carried.has(*carrier))
            .map(|c| c.1)
            .collect();
        let mut line = format!(
            "{} {} {:+} {carried}:",
            row.model,
            row.version,
            row.at.as_millis() - AT
        );
        let values = row.values.iter().map(|(_, name, value)| match value {
            OwnedValue::Number(bits) => format!(" {name}={:?}", f64::from_bits(*bits)),
            OwnedValue::Text(text) => format!(" {name}={text:?}"),
            OwnedValue::Bool(bool) => format!(" {name}={bool}"),
            OwnedValue::Missing => format!(" {name}=missing"),
            OwnedValue::Invalid => format!(" {name}=invalid"),
        });
        line.extend(values);
        line.extend(row.request_id.iter().map(|id| format!(" #{id}")));
        if row.unnamed > 0 {
            line.extend([format!(" +{} unnamed", row.unnamed)]);
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// Decodes each record with the same decoder, and compares with the table and the oracle.
fn check_all(paths: &FieldPaths, cases: &[(&[u8], &str)]) {
    let limits = Limits::default();
    let mut warm = decoder(paths, &limits);
    for (bytes, expected) in cases {
        let text = String::from_utf8_lossy(bytes);
        let outcome = decode(&mut warm, record(bytes));
        assert_eq!(told(&outcome), *expected, "{text}");
        assert_eq!(
            told(&oracle::decode(&record(bytes), paths, &limits)),
            *expected,
            "oracle: {text}"
        );
        let cold = decode(&mut decoder(paths, &limits), record(bytes));
        assert_eq!(told(&cold), *expected, "cold: {text}");
    }
}

fn check(cases: &[(&str, &str)]) {
    let cases: Vec<_> = cases
        .iter()
        .map(|(text, expected)| (text.as_bytes(), *expected))
        .collect();
    check_all(&FieldPaths::default(), &cases);
}

#[test]
fn the_native_event_needs_no_configuration() {
    check(&[
        (
            r#"{"model":"fraud","version":"7","ts":"2026-11-23T10:15:00.123Z","request_id":"a1",
                "features":{"amount":12.5,"country":"DE","vip":true,"age":null},
                "prediction":0.83,"latency_ms":12.1,"status":"ok"}"#,
            "fraud 7 +123 fpls: amount=12.5 country=\"DE\" vip=true age=missing prediction=0.83 \
             latency_ms=12.1 status=\"ok\" #a1",
        ),
        (r#"{"model":"m"}"#, "m unversioned +0 :"),
        (
            r#" { "model" : "m" , "features" : { } } "#,
            "m unversioned +0 f:",
        ),
        (
            "\t{\r\n\"features\":null,\"model\":\"m\"}\n",
            "m unversioned +0 f:",
        ),
        (
            r#"{"extra":{"a":[1,{"a":1,"a":2}]},"model":"m","more":0}"#,
            "m unversioned +0 :",
        ),
    ]);
}

#[test]
fn a_bad_value_is_invalid_in_a_good_event() {
    check(&[
        (
            r#"{"model":"m","features":{"a":[1,2],"b":{"c":1,"c":2},"d":1e400,"e":-1e999,"f":[]}}"#,
            "m unversioned +0 f: a=invalid b=invalid d=invalid e=invalid f=invalid",
        ),
        (
            r#"{"model":"m",
                "features":{"a":"12","b":"NaN","c":"","d":-0,"e":1E2,"f":9007199254740993}}"#,
            "m unversioned +0 f: a=\"12\" b=\"NaN\" c=\"\" d=-0.0 e=100.0 f=9007199254740992.0",
        ),
        (
            r#"{"model":"m","prediction":[0.1,0.9],"latency_ms":{},"status":[]}"#,
            "m unversioned +0 pls: prediction=invalid latency_ms=invalid status=invalid",
        ),
        (
            r#"{"model":"m","prediction":null,"latency_ms":null,"status":null}"#,
            "m unversioned +0 pls: prediction=missing latency_ms=missing status=missing",
        ),
        (
            r#"{"model":"m","latency_ms":"12","status":500,"prediction":true}"#,
            "m unversioned +0 pls: latency_ms=\"12\" status=500.0 prediction=true",
        ),
        (
            r#"{"model":"m","prediction":{"a":0.1,"b":null,"c":"x","d":[1],"e":{"f":1}}}"#,
            "m unversioned +0 p: prediction.a=0.1 prediction.b=missing prediction.c=\"x\" \
             prediction.d=invalid prediction.e=invalid",
        ),
        (r#"{"model":"m","prediction":{}}"#, "m unversioned +0 p:"),
    ]);
}

/// One on each line; a model `m` would make most of them a row, were they JSON.
const NO_DOCUMENTS: &str = r#"
null
5
"m"
{
}
{}{}
{},
[{}
[{},]
[,]
[5]
[[{}]]
[null]
{"model":"m"} x
{"model":"m",}
{model:"m"}
{'model':'m'}
{"model" "m"}
{"model":}
{"model":"m" "a":1}
{"model":"m","features":5}
{"model":"m","features":[1]}
{"model":"m","features":"x"}
{"model":"m","features":nul}
"#;

/// The same for values. The first line is the empty value.
const NO_VALUES: &str = r#"
NaN
Infinity
-Infinity
+1
01
-01
1.
.5
-.5
1.e5
1e
1e+
0x1
1_0
tru
True
nulll
"
"\"
"\x"
"\u12"
"\u12g4"
"\ud83d"
"\ude00"
"\ud83dx"
"\ud83d\n"
"\ud83d\ud83d"
[1,]
[,1]
[1 2]
[1
[1}
{"a"}
{"a":}
{"a":1,}
{1:1}
{"a":1
{"a":1]
{,}
["\ud83d"]
{"\ud83d":1}"#;

fn malformed(texts: &[&str]) {
    let bytes: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    malformed_bytes(&bytes);
}

fn malformed_bytes(records: &[&[u8]]) {
    let cases: Vec<_> = records
        .iter()
        .map(|bytes| (*bytes, "! malformed"))
        .collect();
    check_all(&FieldPaths::default(), &cases);
}

#[test]
fn what_is_not_json_is_malformed_wherever_it_stands() {
    malformed(&NO_DOCUMENTS.lines().collect::<Vec<_>>());
    malformed(&["", " ", "\u{feff}{}", "{\"model\":\"m\"}\0"]);
    for value in NO_VALUES.lines().chain(["\"a\nb\"", "\"a\u{1f}b\""]) {
        malformed(&[
            &format!(r#"{{"model":"m","features":{{"a":{value}}}}}"#),
            &format!(r#"{{"model":"m","prediction":{value}}}"#),
            &format!(r#"{{"model":"m","x":{value}}}"#),
            &format!(r#"{{"model":"m","ts":{value}}}"#),
            &format!(r#"{{"model":"m","x":[{{"a":{value}}}]}}"#),
        ]);
    }
    malformed_bytes(&[
        b"\xff",
        b"{\"model\":\"\xff\"}",
        b"{\"model\":\"m\",\"x\":\"\xc3\"}",
        b"{\"model\":\"m\",\"features\":{\"\xed\xa0\x80\":1}}",
    ]);
    let whole = r#"{"model":"m","ts":12,"features":{"a":-1.5e3,"b":"x\n","c":[true,{}]},"x":null}"#;
    for end in 0..whole.len() {
        malformed_bytes(&[&whole.as_bytes()[..end]]);
    }
}

#[test]
fn what_is_nested_too_deeply_is_malformed_and_no_stack_overflows() {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"model":"m","x":{open}{close},"features":{{"a":{open}{close}}}}}"#)
    };
    // the event is one level, features are another
    check(&[
        (&deep(62), "m unversioned +0 f: a=invalid"),
        (&deep(63), "! malformed"),
    ]);
    malformed(&[
        &format!("{{\"model\":\"m\",\"x\":{}", "[".repeat(1_000_000)),
        &"{\"model\":".repeat(100_000),
        &"[".repeat(1_000_000),
    ]);
}

#[test]
fn strings_are_read_without_their_escapes() {
    check(&[
        (
            r#"{"model":"m\u0041","features":{"a":"\"\\\/\b\f\n\r\t","b":"\u00e9\ud83d\ude00!"}}"#,
            "mA unversioned +0 f: a=\"\\\"\\\\/\\u{8}\\u{c}\\n\\r\\t\" b=\"\u{e9}\u{1f600}!\"",
        ),
        (
            r#"{"\u006dodel":"m","features":{"\u0061":1,"b\/":2,"\u00e9":3},
                "request\u005fid":"\u0031"}"#,
            "m unversioned +0 f: a=1.0 b/=2.0 \u{e9}=3.0 #1",
        ),
        (
            "{\"model\":\"\u{e9}\u{1f600}\",\
              \"features\":{\"\u{1f600}\":\"long enough for two words \u{e9}\"}}",
            "\u{e9}\u{1f600} unversioned +0 f: \u{1f600}=\"long enough for two words \u{e9}\"",
        ),
    ]);
}

#[test]
fn a_key_twice_is_malformed_where_it_is_looked_at() {
    for text in [
        r#"{"model":"m","model":"m"}"#,
        r#"{"model":"m","mod\u0065l":"m"}"#,
        r#"{"model":"m","x":1,"x":1}"#,
        r#"{"model":"m","x":1,"\u0078":1}"#,
        r#"{"model":"m","features":{},"features":{}}"#,
        r#"{"model":"m","features":{"a":1,"b":2,"a":1}}"#,
        r#"{"model":"m","features":{"a":1,"\u0061":1}}"#,
        r#"{"model":"m","features":{"":1,"":1}}"#,
        r#"{"model":"m","prediction":{"a":1,"a":1}}"#,
        r#"[{"model":"m"},{"model":"m","model":"m"}]"#,
    ] {
        check(&[(text, "! malformed")]);
    }
    check(&[
        (
            r#"[{"model":"m","features":{"a":1}},{"model":"m","features":{"a":1}}]"#,
            "m unversioned +0 f: a=1.0\nm unversioned +0 f: a=1.0",
        ),
        (
            r#"{"model":"m","x":{"a":1,"a":1},"status":{"a":1,"a":1}}"#,
            "m unversioned +0 s: status=invalid",
        ),
    ]);
}

#[test]
fn models_versions_and_series_have_names() {
    let long = "x".repeat(129);
    let longest_output = "x".repeat(128 - "prediction.".len());
    check(&[
        ("{}", "! missing_model"),
        (r#"{"model":null}"#, "! missing_model"),
        (r#"{"model":5}"#, "! bad_name"),
        (r#"{"model":true}"#, "! bad_name"),
        (r#"{"model":["m"]}"#, "! bad_name"),
        (r#"{"model":""}"#, "! bad_name"),
        (r#"{"model":".."}"#, "! bad_name"),
        (r#"{"model":"a\nb"}"#, "! bad_name"),
        (&format!(r#"{{"model":"{long}"}}"#), "! bad_name"),
        (r#"{"model":"m","version":null}"#, "m unversioned +0 :"),
        (r#"{"model":"m","version":"v 1"}"#, "m v 1 +0 :"),
        (r#"{"model":"m","version":7}"#, "m 7 +0 :"),
        (
            r#"{"model":"m","version":123456789012345678901234567890}"#,
            "m 123456789012345678901234567890 +0 :",
        ),
        (r#"{"model":"m","version":7.0}"#, "! bad_name"),
        (r#"{"model":"m","version":7e0}"#, "! bad_name"),
        (r#"{"model":"m","version":false}"#, "! bad_name"),
        (r#"{"model":"m","version":""}"#, "! bad_name"),
        (r#"{"model":"m","version":{}}"#, "! bad_name"),
        (r#"{"model":"m","features":{"":1}}"#, "! bad_name"),
        (r#"{"model":"m","features":{".":1}}"#, "! bad_name"),
        (r#"{"model":"m","features":{"a\u0000":1}}"#, "! bad_name"),
        (
            &format!(r#"{{"model":"m","features":{{"{long}":1}}}}"#),
            "! bad_name",
        ),
        (r#"{"model":"m","prediction":{"":1}}"#, "! bad_name"),
        (r#"{"model":"m","prediction":{"..":1}}"#, "! bad_name"),
        (
            &format!(r#"{{"model":"m","prediction":{{"x{longest_output}":1}}}}"#),
            "! bad_name",
        ),
        (
            &format!(r#"{{"model":"m","prediction":{{"{longest_output}":1}}}}"#),
            &format!("m unversioned +0 p: prediction.{longest_output}=1.0"),
        ),
        (
            r#"{"model":"m",
                "features":{"ts":1,"prediction":2,"prediction.a":3,"status":4,"model":5}}"#,
            "m unversioned +0 f: features.ts=1.0 features.prediction=2.0 features.prediction.a=3.0 \
             features.status=4.0 model=5.0",
        ),
        (
            r#"{"model":"m","features":{"features.a":1}}"#,
            "m unversioned +0 f: features.features.a=1.0",
        ),
        (r#"{"model":"m","request_id":17}"#, "m unversioned +0 : #17"),
        (
            r#"{"model":"m","request_id":1.50e1}"#,
            "m unversioned +0 : #1.50e1",
        ),
        (r#"{"model":"m","request_id":[17]}"#, "m unversioned +0 :"),
        (r#"{"model":"m","request_id":null}"#, "m unversioned +0 :"),
    ]);
}

#[test]
fn the_time_is_the_events_own_or_that_of_the_record() {
    check(&[
        (r#"{"model":"m","ts":null}"#, "m unversioned +0 :"),
        (
            r#"{"model":"m","ts":"2026-11-23T11:15:00.5+01:00"}"#,
            "m unversioned +500 :",
        ),
        (r#"{"model":"m","ts":1795428900001}"#, "m unversioned +1 :"),
        (
            r#"{"model":"m","ts":1795428900001.9}"#,
            "m unversioned +1 :",
        ),
        (
            r#"{"model":"m","ts":1.795428900001E12}"#,
            "m unversioned +1 :",
        ),
        (
            r#"{"model":"m","ts":"2026-11-23T10:15:00"}"#,
            "! bad_timestamp",
        ),
        (r#"{"model":"m","ts":"1795428900001"}"#, "! bad_timestamp"),
        (r#"{"model":"m","ts":""}"#, "! bad_timestamp"),
        (r#"{"model":"m","ts":true}"#, "! bad_timestamp"),
        (r#"{"model":"m","ts":[1]}"#, "! bad_timestamp"),
        (r#"{"model":"m","ts":1e400}"#, "! bad_timestamp"),
        (r#"{"model":"m","ts":1e300}"#, "! bad_timestamp"),
        (r#"{"model":"m","ts":"1970-01-01T00:00:00Z"}"#, "! expired"),
        (r#"{"model":"m","ts":"2100-01-01T00:00:00Z"}"#, "! future"),
        (
            r#"{"model":"m","ts":1795429200000}"#,
            "m unversioned +300000 :",
        ),
        (r#"{"model":"m","ts":1795429200001}"#, "! future"),
        (
            r#"{"model":"m","ts":1794824100000}"#,
            "m unversioned -604800000 :",
        ),
        (r#"{"model":"m","ts":1794824099999}"#, "! expired"),
    ]);
    let mut decoder = decoder(&FieldPaths::default(), &Limits::default());
    let mut with = |value: &str, timestamp: Option<i64>| {
        let timestamp = timestamp.map(Timestamp::from_millis);
        let outcome = decode(
            &mut decoder,
            Record {
                value: Some(value.as_bytes()),
                timestamp,
            },
        );
        outcome.map(|rows| rows[0].at.to_string())
    };
    let of_2100 = r#"{"model":"m","ts":"2100-01-01T00:00:00Z"}"#;
    assert_eq!(
        with(r#"{"model":"m"}"#, None),
        Err(Reject::MissingTimestamp)
    );
    assert_eq!(with(of_2100, None), Ok("2100-01-01T00:00:00Z".to_owned()));
    assert_eq!(
        with(of_2100, Some(4_102_444_800_000)),
        Ok("2100-01-01T00:00:00Z".to_owned())
    );
    assert_eq!(with(of_2100, Some(i64::MAX)), Err(Reject::Expired));
}

#[test]
fn of_several_reasons_the_first_is_given() {
    check(&[
        (r#"{"ts":"x","version":true}"#, "! missing_model"),
        (r#"{"ts":"x","model":"m","features":{"":1}}"#, "! bad_name"),
        (r#"{"ts":"x","features":{"":1,"a":1,"a":2}}"#, "! malformed"),
        (r#"[{"model":"m","ts":"x"},{}]"#, "! bad_timestamp"),
        (r#"[{},{"model":"m","ts":"x"}]"#, "! missing_model"),
        (r#"[{},{"model":"m","model":"m"}]"#, "! malformed"),
        (r#"[{"model":"m"},{}]"#, "! missing_model"),
        ("[]", ""),
        (" [ ] ", ""),
    ]);
    let limits = Limits {
        record_bytes_max: 20,
        ..Limits::default()
    };
    let mut decoder = decoder(&FieldPaths::default(), &limits);
    let mut with = |value: Option<&[u8]>| {
        decoder.decode(
            Record {
                value,
                timestamp: None,
            },
            |_, _| (),
        )
    };
    assert_eq!(with(None), Err(Reject::Unsupported));
    assert_eq!(with(Some(b"")), Err(Reject::Malformed));
    assert_eq!(with(Some(&[0xff; 20])), Err(Reject::Malformed));
    assert_eq!(with(Some(&[0xff; 21])), Err(Reject::Oversized));
    for (index, reject) in Reject::ALL.into_iter().enumerate() {
        assert_eq!(reject.index(), index);
    }
}

fn pointer(text: &str) -> Field {
    Field::Pointer(text.to_owned())
}

/// Field paths that are not the native ones, and between them have each shape that a plan can have.
fn plans() -> Vec<FieldPaths> {
    let native = FieldPaths::default();
    let flat = FieldPaths {
        features: pointer(""),
        ..native.clone()
    };
    let nested = FieldPaths {
        model: Field::Constant("fixed".to_owned()),
        version: pointer("/a/version"),
        timestamp: pointer("/a/b/0"),
        request_id: pointer("/a/b/1/ts"),
        features: pointer("/a/features"),
        prediction: pointer("/features/prediction"),
        latency: pointer("/a/features/a"),
        status: Field::Absent,
        timestamp_unit: TimestampUnit::Seconds,
    };
    let outputs = FieldPaths {
        version: Field::Constant("v1".to_owned()),
        timestamp: Field::Absent,
        request_id: pointer("/prediction/request~1id/0"),
        features: pointer("/prediction/features"),
        ..native.clone()
    };
    let whole = FieldPaths {
        prediction: pointer(""),
        features: pointer("/b"),
        timestamp_unit: TimestampUnit::Nanos,
        ..native.clone()
    };
    vec![native, flat, nested, outputs, whole]
}

#[test]
fn field_paths_adapt_to_other_logs() {
    let [_, flat, nested, outputs, whole] = plans().try_into().unwrap();
    check_all(
        &flat,
        &[(
            br#"{"model":"m","ts":1795428900001,"amount":5,"features":{"a":1},
                "prediction":0.5,"x.ts":1}"#,
            "m unversioned +1 fp: amount=5.0 features=invalid prediction=0.5 x.ts=1.0",
        )],
    );
    check_all(
        &nested,
        &[
            (
                br#"{"a":{"b":[1795428900.25,{"ts":"id"}],"features":{"a":3,"b":4},"version":2},
                    "features":{"prediction":{"x":1}},"model":"other"}"#,
                "fixed 2 +250 fpl: latency_ms=3.0 b=4.0 prediction.x=1.0 #id",
            ),
            (
                br#"{"a":{"b":{"0":1795428900.25}}}"#,
                "fixed unversioned +250 :",
            ),
            (br#"{"a":{"b":5},"features":[]}"#, "fixed unversioned +0 :"),
            (br#"{"a":[],"features":"x"}"#, "fixed unversioned +0 :"),
            (br#"{"a":{"x":1,"x":1}}"#, "! malformed"),
            (br#"{"a":{"b":[0,{"x":1,"x":1}]}}"#, "! malformed"),
            (
                br#"{"a":{"b":[1795428900,{},{"x":1,"x":1}]}}"#,
                "fixed unversioned +0 :",
            ),
        ],
    );
    check_all(
        &outputs,
        &[
            (
                br#"{"model":"m","prediction":{"y":1,"features":{"a":1},"request/id":[7],"z":2}}"#,
                "m v1 +0 fp: prediction.y=1.0 a=1.0 prediction.z=2.0 #7",
            ),
            (
                br#"{"model":"m","prediction":5}"#,
                "m v1 +0 p: prediction=5.0",
            ),
        ],
    );
    check_all(
        &whole,
        &[(
            br#"{"model":"m","ts":1795428900000999999,"p":0.5,"b":{"a":1},"status":"ok"}"#,
            "m unversioned +0 fps: prediction.p=0.5 a=1.0 status=\"ok\"",
        )],
    );
}

#[test]
fn names_beyond_the_limit_are_counted_until_the_names_are_cleared() {
    let limits = Limits {
        names_max: 5,
        ..Limits::default()
    };
    let mut decoder = decoder(&FieldPaths::default(), &limits);
    let mut with = |text: &str| told(&decode(&mut decoder, record(text.as_bytes())));
    let three =
        r#"{"model":"m","latency_ms":1,"features":{"a":1,"b":[2],"c":[3]},"prediction":{"d":4}}"#;
    let expected = "m unversioned +0 fpl: latency_ms=1.0 a=1.0 b=invalid +2 unnamed";
    assert_eq!(with(three), expected);
    assert_eq!(with(three), expected);
    assert_eq!(
        with(r#"{"model":"m","features":{"c":1,"d":1,"c":1}}"#),
        "! malformed"
    );
    assert_eq!(with(r#"{"model":"m","features":{"c":tru}}"#), "! malformed");

    decoder.clear_names();
    assert_eq!(decoder.names().len(), 3);
    let outcome = decode(&mut decoder, record(br#"{"model":"m","features":{"c":3}}"#));
    assert_eq!(told(&outcome), "m unversioned +0 f: c=3.0");
}

#[test]
fn the_memory_of_one_record_serves_the_next() {
    let mut decoder = decoder(&FieldPaths::default(), &Limits::default());
    let batch =
        r#"[{"model":"m","features":{"a":"\n","b":2}},{"model":"m","features":{"a":"x","b":2}}]"#;
    let mut places = Vec::new();
    for _ in 0..3 {
        decoder
            .decode(record(batch.as_bytes()), |_, row| {
                places.push(row.values.as_ptr().addr());
            })
            .unwrap();
        assert!(decoder.decode(record(b"[{}]"), |_, _| ()).is_err());
    }
    assert_eq!(places[..2], places[4..]);
}

/// A single value in some spelling, nearly always good.
fn scalars() -> impl Strategy<Value = String> {
    let good = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "7",
        "1.5",
        r#""""#,
        r#""x""#,
        r#""\u00e9\n""#,
        "1e400",
        r#""2026-11-23T10:15:00.5Z""#,
        "1795428900000",
        "1795428900.25",
        r#""..""#,
        "123456789012345678901",
    ];
    let bad = [
        r#""\ud83d""#,
        "NaN",
        "01",
        "\"a\tb\"",
        "1.",
        "tru",
        r#""x"#,
        "",
    ];
    prop_oneof![
        40 => select(good.to_vec()).prop_map(str::to_owned),
        1 => select(bad.to_vec()).prop_map(str::to_owned),
        15 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?",
        15 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
}

/// A key in some spelling, mostly one that some plan looks for.
fn keys() -> impl Strategy<Value = String> {
    let known = [
        "model",
        "version",
        "ts",
        "request_id",
        "features",
        "prediction",
        "latency_ms",
        "status",
        "a",
        "b",
        "c",
        "request/id",
        r"mod\u0065l",
        r"\u0061",
        "features.a",
    ];
    prop_oneof![
        24 => select(known.to_vec()).prop_map(|key| format!("\"{key}\"")),
        1 => select(vec![r#""""#, r#"".""#, r#""\"""#]).prop_map(str::to_owned),
        8 => "\"[a-z]{1,20}\"",
        1 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
}

/// Members of an object, and white space between them.
type Members = (Vec<(String, String)>, &'static str);

fn members(values: impl Strategy<Value = String>) -> impl Strategy<Value = Members> {
    let space = select(vec!["", "", "", " ", "\n\t"]);
    (prop::collection::vec((keys(), values), 0..8), space)
}

/// An object of all these members, or of those that come first under their key.
fn object(members: &[(String, String)], space: &str, distinct: bool) -> String {
    let mut seen = HashSet::new();
    let kept = members
        .iter()
        .filter(|(key, _)| seen.insert(key) || !distinct);
    let members: Vec<_> = kept
        .map(|(key, value)| format!("{space}{key}{space}:{space}{value}{space}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Events and batches of them. Their first members are those without which nothing else shows.
fn documents() -> impl Strategy<Value = String> {
    let distinct = || prop::bool::weighted(0.97);
    let values = scalars().prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            3 => (members(inner.clone()), distinct())
                .prop_map(|((members, space), distinct)| object(&members, space, distinct)),
            1 => prop::collection::vec(inner, 0..3).prop_map(|all| format!("[{}]", all.join(","))),
        ]
    });
    let below =
        || members(values.clone()).prop_map(|(members, space)| object(&members, space, true));
    let first = |key: &str, values: BoxedStrategy<String>, share| {
        let key = format!("\"{key}\"");
        prop::option::weighted(share, values.prop_map(move |value| (key.clone(), value)))
    };
    let models = prop_oneof![9 => Just("\"m\"".to_owned()), 1 => scalars()].boxed();
    let parts = (
        first("model", models, 0.95),
        first("features", below().boxed(), 0.7),
        first("prediction", below().boxed(), 0.4),
        members(values.clone()),
        distinct(),
    );
    let event = parts.prop_map(|(model, features, prediction, (others, space), distinct)| {
        let first = [model, features, prediction].into_iter().flatten();
        object(&first.chain(others).collect::<Vec<_>>(), space, distinct)
    });
    let events = prop::collection::vec(event, 1..4);
    (events, prop::bool::weighted(0.2)).prop_map(|(events, batch)| match events.first() {
        Some(event) if !batch => event.clone(),
        _ => format!("[{}]", events.join(",")),
    })
}

/// One byte more, less or other, or an end before its time.
fn mutated(text: String, edits: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    for (index, kind, byte) in edits {
        if bytes.is_empty() {
            break;
        }
        let at = index.index(bytes.len());
        match kind % 4 {
            0 => bytes[at] = *byte,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, *byte),
            _ => bytes[at] ^= 1 << (byte % 8),
        }
    }
    bytes
}

fn agree(warm: &mut Decoder, paths: &FieldPaths, bytes: &[u8], timestamp: Option<Timestamp>) {
    let limits = Limits {
        depth_max: 6,
        ..Limits::default()
    };
    let record = Record {
        value: Some(bytes),
        timestamp,
    };
    let expected = oracle::decode(&record, paths, &limits);
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(decode(warm, record), expected, "warm: {text}");
    assert_eq!(
        decode(&mut decoder(paths, &limits), record),
        expected,
        "cold: {text}"
    );
}

proptest! {
    /// For all records r, and whatever was decoded before: decode(r) = oracle(r).
    #[test]
    fn rows_and_reasons_are_those_of_the_oracle_whatever_came_before(
        documents in prop::collection::vec(documents(), 1..6),
        plan in 0..plans().len(),
        timestamp in select(vec![None, Some(AT), Some(AT), Some(0)]),
    ) {
        let paths = &plans()[plan];
        let limits = Limits { depth_max: 6, ..Limits::default() };
        let mut warm = decoder(paths, &limits);
        for document in &documents {
            agree(&mut warm, paths, document.as_bytes(), timestamp.map(Timestamp::from_millis));
        }
    }

    /// The same where records are damaged.
    #[test]
    fn damaged_records_are_taken_or_left_as_by_the_oracle(
        document in documents(),
        edits in prop::collection::vec(
            (any::<Index>(), any::<u8>(), prop_oneof![
                2 => select(b"{}[]\",:\\0e.-+u \n\x00\xc3".to_vec()),
                1 => any::<u8>(),
            ]),
            0..4,
        ),
        plan in 0..plans().len(),
    ) {
        let paths = &plans()[plan];
        let limits = Limits { depth_max: 6, ..Limits::default() };
        let mut warm = decoder(paths, &limits);
        let at = Some(Timestamp::from_millis(AT));
        agree(&mut warm, paths, document.as_bytes(), at);
        agree(&mut warm, paths, &mutated(document, &edits), at);
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let paths = FieldPaths::default();
        let limits = Limits { depth_max: 6, ..Limits::default() };
        agree(&mut decoder(&paths, &limits), &paths, &bytes, None);
    }

    /// record - event_age_max <= event <= record + future_max
    #[test]
    fn events_are_near_their_record(event in -20_i64..20, age in 1_i64..20, future in 1_i64..20) {
        let limits = Limits {
            event_age_max: Length::from_millis(age).unwrap(),
            future_max: Length::from_millis(future).unwrap(),
            ..Limits::default()
        };
        let text = format!(r#"{{"model":"m","ts":{event}}}"#);
        let record = Record { value: Some(text.as_bytes()), timestamp: Some(Timestamp::EPOCH) };
        let outcome = decoder(&FieldPaths::default(), &limits).decode(record, |_, _| ());
        let expected = match event {
            _ if event > future => Err(Reject::Future),
            _ if event < -age => Err(Reject::Expired),
            _ => Ok(1),
        };
        prop_assert_eq!(outcome, expected);
    }
}

/// What a slot stands for does not change while names are added.
#[test]
fn roles_come_with_the_names() {
    let mut decoder = decoder(&FieldPaths::default(), &Limits::default());
    let event = br#"{"model":"m","features":{"a":1},"prediction":{"a":1},"status":"ok"}"#;
    let rows = decode(&mut decoder, record(event)).unwrap();
    let roles: Vec<_> = rows[0]
        .values
        .iter()
        .map(|(role, name, _)| (*role, name.as_str()))
        .collect();
    let expected = [
        (Role::Feature, "a"),
        (Role::Prediction, "prediction.a"),
        (Role::Operational, "status"),
    ];
    assert_eq!(roles, expected);
}
