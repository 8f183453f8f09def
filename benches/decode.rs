//! What decoding costs for each event, beside building a `serde_json::Value` of the same bytes.
//!
//! The events are like those of the flights: 20 features of which 4 are strings and 8 whole
//! numbers, about 453 bytes. Whoever wants ns for each event divides by [`EVENTS`].

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use driftd::decode::{Decoder, FieldPaths, Limits, Plan, Record};
use driftd::time::Timestamp;

/// Events in one iteration: more than the first-level cache holds.
const EVENTS: usize = 1_000;

/// Random numbers that are the same in each run (Steele, Lea, Flood 2014, "splitmix64").
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from `from` to below `to`.
    fn whole(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    /// A decimal with so many digits after the point.
    fn decimal(&mut self, to: u64, digits: usize) -> String {
        let scale = 10_u64.pow(u32::try_from(digits).unwrap_or(0));
        format!("{}.{:0digits$}", self.whole(0, to), self.next() % scale)
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        let index = usize::try_from(self.next() % texts.len() as u64).unwrap_or(0);
        texts.get(index).copied().unwrap_or_default()
    }

    /// The same as a JSON string.
    fn string(&mut self, texts: &[&str]) -> String {
        format!("\"{}\"", self.one_of(texts))
    }
}

/// The features of one flight: name and value.
fn features(random: &mut Random) -> Vec<(&'static str, String)> {
    let airports = [
        "EWR", "JFK", "LGA", "IAH", "MIA", "ORD", "LAX", "ATL", "BOS", "FLL",
    ];
    let gust = if random.whole(0, 4) == 0 {
        random.decimal(40, 5)
    } else {
        "null".to_owned()
    };
    vec![
        ("sched_dep_time", random.whole(500, 2359).to_string()),
        ("sched_arr_time", random.whole(1, 2359).to_string()),
        (
            "carrier",
            random.string(&["UA", "AA", "B6", "DL", "EV", "MQ", "9E"]),
        ),
        ("origin", random.string(&airports[..3])),
        ("dest", random.string(&airports)),
        ("tailnum", format!("\"N{}UA\"", random.whole(100, 999))),
        ("distance", random.whole(94, 2586).to_string()),
        ("air_time", random.whole(20, 400).to_string()),
        (
            "dep_delay",
            format!("{}{}", random.one_of(&["", "-"]), random.whole(1, 40)),
        ),
        ("month", random.whole(3, 13).to_string()),
        ("day_of_week", random.whole(1, 8).to_string()),
        ("hour", random.whole(5, 24).to_string()),
        ("temp", random.decimal(90, 2)),
        ("dewp", random.decimal(70, 2)),
        ("humid", random.decimal(100, 2)),
        ("wind_speed", random.decimal(30, 5)),
        ("wind_gust", gust),
        ("precip", random.decimal(1, 2)),
        ("pressure", format!("10{}", random.decimal(30, 1))),
        ("visib", "10.0".to_owned()),
    ]
}

/// An event of `model` with these features.
fn event(random: &mut Random, model: &str, features: &[(&str, String)]) -> String {
    let members: Vec<_> = features
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!(
        "{{\"model\":\"{model}\",\"version\":\"1\",\"ts\":\"2013-03-{:02}T{:02}:{:02}:00Z\",\
         \"request_id\":\"{}\",\"features\":{{{}}},\"prediction\":{},\"latency_ms\":{}}}",
        random.whole(6, 12),
        random.whole(0, 24),
        random.whole(0, 60),
        random.whole(1, 336_776),
        members.join(","),
        random.decimal(1, 6),
        random.decimal(30, 3),
    )
}

fn flights(random: &mut Random) -> String {
    let features = features(random);
    event(random, "flight-delay", &features)
}

/// The same with the features in any order.
fn shuffled(random: &mut Random) -> String {
    let mut features = features(random);
    for left in (1..features.len()).rev() {
        let other = usize::try_from(random.whole(0, left as u64 + 1)).unwrap_or(0);
        features.swap(left, other);
    }
    event(random, "flight-delay", &features)
}

/// One of a thousand models, each with feature names of its own.
fn thousand_models(random: &mut Random) -> String {
    let model = random.whole(0, 1_000);
    let features: Vec<_> = features(random)
        .into_iter()
        .map(|(key, value)| (format!("{key}_{model}"), value))
        .collect();
    let features: Vec<_> = features
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    event(random, &format!("model-{model}"), &features)
}

/// A hundred features that use all digits of an f64.
fn long_numbers(random: &mut Random) -> String {
    let names: Vec<_> = (0..100).map(|index| format!("feature_{index}")).collect();
    #[expect(clippy::cast_precision_loss, reason = "any f64 will do")]
    let mut number = || (random.next() as f64 / u64::MAX as f64).to_string();
    let features: Vec<_> = names.iter().map(|name| (name.as_str(), number())).collect();
    event(random, "wide", &features)
}

/// As Python's `json.dumps` writes it by default, with a space after commas and colons.
fn spaced(random: &mut Random) -> String {
    flights(random)
        .replace("\":", "\": ")
        .replace(",\"", ", \"")
}

/// Measures `decode`, which says whether an event was good: one that is rejected costs less.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    events: &[String],
    mut decode: impl FnMut(&[u8]) -> bool,
) {
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            for event in events {
                assert!(decode(black_box(event.as_bytes())), "{event}");
            }
        });
    });
}

/// A name, and how to make an event.
type Kind = (&'static str, fn(&mut Random) -> String);

fn decode(criterion: &mut Criterion) {
    let kinds: [Kind; 5] = [
        ("flights", flights),
        ("spaced", spaced),
        ("shuffled", shuffled),
        ("thousand_models", thousand_models),
        ("long_numbers", long_numbers),
    ];
    for (kind, make) in kinds {
        let mut random = Random(2013);
        let events: Vec<String> = (0..EVENTS).map(|_event| make(&mut random)).collect();
        let bytes: usize = events.iter().map(String::len).sum();
        let mut group = criterion.benchmark_group(format!("{kind}_{}_bytes", bytes / EVENTS));
        group.throughput(Throughput::ElementsAndBytes {
            elements: EVENTS as u64,
            bytes: bytes as u64,
        });
        let Ok(plan) = Plan::new(&FieldPaths::default()) else {
            return;
        };
        let mut decoder = Decoder::new(plan, Limits::default());
        let timestamp = Some(Timestamp::from_millis(1_363_046_400_000));
        measure(&mut group, "driftd", &events, |event| {
            let record = Record {
                value: Some(event),
                timestamp,
            };
            decoder
                .decode(record, |_, row| {
                    black_box(row);
                })
                .is_ok()
        });
        measure(&mut group, "serde_json_value", &events, |event| {
            black_box(serde_json::from_slice::<serde_json::Value>(event)).is_ok()
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = decode
}
criterion_main!(benches);
