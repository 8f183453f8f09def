//! What is known to scores, and scores to text.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use driftd::board::Board;
use driftd::config::SurfaceLimits;
use driftd::expose::Shared;
use driftd::score;
use driftd::statelog::record::Record;

use crate::EVENTS;
use crate::scene::{self, Scene};

/// So many model versions, and what is known of them after some events of each.
fn board(models: usize) -> Arc<Board> {
    let reference = scene::reference();
    let mut scene = Scene::new(&reference, models);
    let delta = scene.delta(&scene::events(20 * EVENTS));
    scene.append(Record::Delta(Box::new(delta)));
    scene.board()
}

/// See the header of the bench.
pub(crate) fn score(criterion: &mut Criterion) {
    let board = board(1);
    let model = board.models.values().next().expect("a model");
    let panes = model.windows.last().expect("a window");
    let end = board.default_end(model, panes).expect("its end");
    let window = board.window(model, panes, end).window;
    let shape = model.shape.as_ref().expect("a layout");
    let reference = model.references.iter().next().expect("a reference");
    let mut group = criterion.benchmark_group("score");
    group.throughput(Throughput::Elements(shape.series().len() as u64));
    group.bench_function("driftd", |bencher| {
        bencher.iter(|| black_box(score::score_window(model, black_box(&window))));
    });
    group.bench_function("psi_alone", |bencher| {
        bencher.iter(|| {
            let series = shape.series().iter().enumerate();
            let sum: f64 = series
                .map(|(at, layout)| {
                    let live = black_box(&window).cells_of(shape, at);
                    let then = score::displayed(layout, &reference.series[at].counts.to_vec());
                    psi(&then, &score::displayed(layout, &live))
                })
                .sum();
            black_box(sum)
        });
    });
    group.finish();
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
fn psi(then: &[u64], now: &[u64]) -> f64 {
    let share = |counts: &[u64], count: u64| {
        let rows = counts.iter().sum::<u64>() as f64 + counts.len() as f64 / 2.0;
        (count as f64 + 0.5) / rows
    };
    let both = then.iter().zip(now);
    both.map(|(a, b)| {
        let (p, q) = (share(then, *a), share(now, *b));
        (q - p) * (q / p).ln()
    })
    .sum()
}

/// See the header of the bench.
pub(crate) fn render(criterion: &mut Criterion) {
    let shared = Shared::new(SurfaceLimits {
        metric_series_max: 100_000,
    });
    shared.publish(board(100));
    let page = String::from_utf8(shared.metrics().concat()).unwrap_or_default();
    let samples: Vec<(&str, f64)> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(head, value)| Some((head, value.parse().ok()?)))
        .collect();
    let mut group = criterion.benchmark_group(format!("render_{}_samples", samples.len()));
    group.throughput(Throughput::Elements(samples.len() as u64));
    group.bench_function("driftd", |bencher| {
        bencher.iter(|| black_box(shared.metrics()));
    });
    group.bench_function("formatted", |bencher| {
        bencher.iter(|| {
            let mut text = String::with_capacity(page.len());
            for (head, value) in black_box(&samples) {
                let _text_takes_all = writeln!(text, "{head} {value}");
            }
            text
        });
    });
    group.finish();
}
