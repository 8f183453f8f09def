//! Any bytes: the decoder says of them what the slow decoder of its tests says.
//!
//! The first byte picks how fields are found, the rest is the record.

#![no_main]

use std::sync::LazyLock;

use driftd::decode::{
    Decoder, Field, FieldPaths, Limits, Names, Plan, Record, Reject, Row, TimestampUnit, Value,
};
use driftd::time::Timestamp;
use libfuzzer_sys::fuzz_target;

// what the module of the oracle calls `crate`
use driftd::{decode, key, time};

use self::oracle::{OwnedRow, OwnedValue};

#[path = "../../src/decode/oracle.rs"]
mod oracle;

/// 2026-11-23T10:15:00Z.
const AT: i64 = 1_795_428_900_000;

static PATHS: LazyLock<[FieldPaths; 3]> = LazyLock::new(|| {
    let elsewhere = |text: &str| text.parse::<Field>().expect("it is a field");
    [
        FieldPaths::default(),
        FieldPaths {
            model: elsewhere("/meta/model"),
            timestamp: elsewhere("/meta/at"),
            features: elsewhere("/in"),
            prediction: elsewhere("/out/0"),
            ..FieldPaths::default()
        },
        FieldPaths {
            timestamp_unit: TimestampUnit::Seconds,
            features: elsewhere("/in/x"),
            ..FieldPaths::default()
        },
    ]
});

fuzz_target!(|data: &[u8]| {
    let Some((pick, bytes)) = data.split_first() else {
        return;
    };
    let paths = &PATHS[usize::from(pick % 3)];
    let limits = Limits {
        depth_max: 6,
        ..Limits::default()
    };
    let record = Record {
        value: Some(bytes),
        timestamp: (pick & 0x80 == 0).then(|| Timestamp::from_millis(AT)),
    };
    let plan = Plan::new(paths).expect("these paths can be planned");
    let mut decoder = Decoder::new(plan, limits.clone());
    let expected = oracle::decode(&record, paths, &limits);
    assert_eq!(rows(&mut decoder, record), expected, "cold");
    assert_eq!(rows(&mut decoder, record), expected, "warm");
});

fn rows(decoder: &mut Decoder, record: Record<'_>) -> Result<Vec<OwnedRow>, Reject> {
    let mut rows = Vec::new();
    decoder.decode(record, |names, row| rows.push(owned_row(names, row)))?;
    Ok(rows)
}

fn owned_row(names: &Names, row: &Row<'_>) -> OwnedRow {
    let named = |(slot, value): &(_, Value<'_>)| {
        let name = names.get(*slot).expect("a slot has a name");
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
