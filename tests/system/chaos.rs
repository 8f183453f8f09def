//! Chaos: three instances on three brokers under load, while everything happens to all of them.
//!
//! ```text
//! load     events to two topics, of which one is in transactions; the truth is counted as they
//!          are made, without driftd
//! faults   in an order that a seed decides: see `faults`
//! watch    reads the state log beside the instances, for how long each partition was not counted
//! ```
//!
//! In the end every count of every window on every instance is the truth, an instance that comes
//! new says the same, `lost` is what was taken away, and all boards are identical.
//!
//! ```text
//! cargo test --test system chaos -- --nocapture
//! DRIFTD_CHAOS_SEED=7 DRIFTD_CHAOS_KILLS=100 cargo test --test system chaos -- --nocapture
//! ```

use std::env::var;

use crate::produce::Random;

mod board;
mod cluster;
mod disk;
mod events;
mod faults;
mod fleet;
mod load;
mod run;
mod summary;
mod truth;
mod watch;

use self::run::Run;

/// Instances of driftd.
const INSTANCES: usize = 3;

/// Kills at least, unless `DRIFTD_CHAOS_KILLS` says otherwise.
const KILLS: u64 = 30;

/// The seed, unless `DRIFTD_CHAOS_SEED` says otherwise.
const SEED: u64 = 568_073;

#[test]
fn every_event_is_counted_once_through_chaos() {
    let seed = number("DRIFTD_CHAOS_SEED").unwrap_or(SEED);
    let kills = number("DRIFTD_CHAOS_KILLS").unwrap_or(KILLS);
    println!("DRIFTD_CHAOS_SEED={seed} DRIFTD_CHAOS_KILLS={kills}");
    let kills = usize::try_from(kills).expect("it is small");
    let plan = faults::plan(&mut Random::new(seed), kills);
    let mut run = Run::start(seed);
    for fault in &plan {
        run.suffer(fault);
    }
    let summary = run.end();
    println!("{summary}");
    summary.check();
}

/// A number of the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the test chooses its length"
)]
fn number(name: &str) -> Option<u64> {
    var(name).ok().map(|text| text.parse().expect("a number"))
}
