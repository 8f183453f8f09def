//! Bytes to rows.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use driftd::decode::Record;
use driftd::time::Timestamp;

use crate::EVENTS;
use crate::events::{Random, flights, long_numbers, shuffled, spaced, thousand_models};
use crate::scene::decoder;

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

/// See the header of the bench.
pub(crate) fn decode(criterion: &mut Criterion) {
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
        let mut group =
            criterion.benchmark_group(format!("decode_{kind}_{}_bytes", bytes / EVENTS));
        group.throughput(Throughput::ElementsAndBytes {
            elements: EVENTS as u64,
            bytes: bytes as u64,
        });
        let mut decoder = decoder();
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
