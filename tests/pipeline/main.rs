//! The pipeline without a broker: the real readers and the real fold under a scheduler that does
//! its worst, as a seed decides.
//!
//! Processes crash, sleep and go on as zombies; the group moves partitions without telling who had
//! them; appends to the state log are delayed, lost, doubled, reordered, refused, too large, or
//! said to have failed although they are there; its tail is cut off; replicas restart from old
//! snapshots of a log that was trimmed; the topic has holes, loses its beginning to retention and
//! single records to compaction, is cut, and is made anew; the models are divided into shards, and
//! those once more on the way. Afterwards each record must be counted once, in its pane, on every
//! replica of its shard, as by one that counts all.
//!
//! ```text
//! DRIFTD_SEED=1234 cargo test --test pipeline        one seed again, the one that a failure names
//! DRIFTD_SEEDS=100000 cargo test --test pipeline     more of them
//! ```

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at its first surprise"
)]

mod client;
mod log;
mod random;
mod replica;
mod topic;
mod truth;
mod world;

use std::num::NonZero;
use std::panic::catch_unwind;
use std::sync::Mutex;

use crate::replica::Broken;
use crate::world::{Wildness, World};

/// Seeds that are run where nobody says otherwise.
const SEEDS: u64 = 400;

/// Seeds in which a broken rule must be noticed.
const BROKEN_SEEDS: u64 = 10_000;

/// Steps of chaos in a run.
const STEPS: usize = 350;

/// Panics are silenced by one test, which the other must not be.
static TURN: Mutex<()> = Mutex::new(());

fn run(seed: u64, broken: Option<Broken>) -> Wildness {
    let mut world = World::new(seed, broken);
    world.run(STEPS);
    truth::check(&mut world);
    world.wildness
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told which seeds to run"
)]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a seed is a number"))
}

/// Runs all seeds, on all cores: what went on, and the seeds that fail, by core.
fn run_all(seeds: u64) -> Vec<(Wildness, Vec<u64>)> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let of_core = |first: usize| {
        let (mut sum, mut failed) = (Wildness::default(), Vec::new());
        for seed in (first as u64..seeds).step_by(cores) {
            match catch_unwind(|| run(seed, None)) {
                Ok(run) => sum.add(&run),
                Err(_) => failed.push(seed),
            }
        }
        (sum, failed)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|first| scope.spawn(move || of_core(first)))
            .collect();
        let ended = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .map(|ended| ended.expect("panics are caught"))
            .collect()
    })
}

#[test]
fn every_record_is_counted_once_whatever_happens() {
    let _turn = TURN.lock();
    if let Some(seed) = number("DRIFTD_SEED") {
        println!("seed {seed}: {:?}", run(seed, None));
        return;
    }
    let seeds = number("DRIFTD_SEEDS").unwrap_or(SEEDS);
    let (mut sum, mut failed) = (Wildness::default(), Vec::new());
    for (run, failing) in run_all(seeds) {
        sum.add(&run);
        failed.extend(failing);
    }
    failed.sort_unstable();
    let shown = &failed[..failed.len().min(20)];
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds fail; again with DRIFTD_SEED=: {shown:?}",
        failed.len()
    );
    println!("{seeds} seeds: {sum:?}");
    sum.assert_wild(seeds);
}

/// The checks bite: each rule that is broken on purpose is noticed in some run.
#[test]
fn a_broken_rule_is_noticed() {
    let _turn = TURN.lock();
    if number("DRIFTD_SEED").is_some() {
        return;
    }
    let told = std::panic::take_hook();
    // these panics are what is looked for
    std::panic::set_hook(Box::new(|_| {}));
    let unnoticed: Vec<Broken> = [
        Broken::From,
        Broken::Fate,
        Broken::Reader,
        Broken::Snapshot,
        Broken::Before,
        Broken::Seek,
        Broken::Made,
        Broken::Need,
    ]
    .into_iter()
    .filter(|broken| {
        let fails = |seed| catch_unwind(|| run(seed, Some(*broken))).is_err();
        let first = (0..BROKEN_SEEDS).find(|seed| fails(*seed));
        println!("{broken:?} is noticed with seed {first:?}");
        first.is_none()
    })
    .collect();
    std::panic::set_hook(told);
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:?}");
}
