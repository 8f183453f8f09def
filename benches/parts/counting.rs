//! Rows to counts, and counts to what is known.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use driftd::decode::Record as Event;
use driftd::statelog::record::Record;
use driftd::tally::{Tally, series_of};

use crate::EVENTS;
use crate::scene::{self, Scene, decoder};

/// See the header of the bench.
pub(crate) fn tally(criterion: &mut Criterion) {
    let (reference, events) = (scene::reference(), scene::events(EVENTS));
    let scene = Scene::new(&reference, 1);
    let mut group = criterion.benchmark_group("tally");
    group.throughput(Throughput::Elements(EVENTS as u64));
    let (mut decoder, mut router) = (decoder(), scene.router());
    group.bench_function("driftd", |bencher| {
        let mut tally = Tally::default();
        bencher.iter(|| scene::count(&mut decoder, &mut router, &mut tally, &events));
    });
    let layout = router.layout_of(&scene::key(0)).expect("a layout").clone();
    let mut cells = vec![0_u64; layout.cells()];
    group.bench_function("cell_of_each_value", |bencher| {
        bencher.iter(|| {
            for event in &events {
                let record = Event {
                    value: Some(event.as_bytes()),
                    timestamp: None,
                };
                let counted = decoder.decode(record, |names, row| {
                    for (slot, value) in row.values {
                        let series = names.get(*slot).and_then(|name| series_of(&layout, name));
                        if let Some(at) = series {
                            let cell = layout.series()[at].cell_of(*value);
                            cells[layout.offset(at) + cell] += 1;
                        }
                    }
                });
                assert_eq!(counted, Ok(1));
            }
        });
    });
    black_box(cells);
    group.finish();
}

/// See the header of the bench.
pub(crate) fn fold(criterion: &mut Criterion) {
    let (reference, events) = (scene::reference(), scene::events_of_a_minute(EVENTS));
    let mut scene = Scene::new(&reference, 1);
    let mut delta = scene.delta(&events);
    let panes = delta.models[0].panes.clone();
    let filled: usize = panes.iter().map(|pane| pane.cells.len()).sum();
    let mut group = criterion.benchmark_group(format!("fold_{filled}_cells"));
    group.throughput(Throughput::Elements(filled as u64));
    group.bench_function("driftd", |bencher| {
        let next = || {
            let this = delta.clone();
            let events = delta.to - delta.from;
            (delta.from, delta.to) = (delta.to, delta.to + events);
            Record::Delta(Box::new(this))
        };
        bencher.iter_batched(next, |record| scene.append(record), BatchSize::SmallInput);
    });
    let last = panes.iter().flat_map(|pane| &pane.cells);
    let last = last.map(|(cell, _)| *cell as usize).max().unwrap_or(0);
    let mut cells = vec![0_u64; last + 1];
    group.bench_function("one_array", |bencher| {
        bencher.iter(|| {
            for (cell, count) in panes.iter().flat_map(|pane| &pane.cells) {
                cells[*cell as usize] += count;
            }
        });
    });
    black_box(cells);
    group.finish();
}
