//! Where nothing changed, p-values are uniform, as far down as windows are judged in numbers.
//!
//! Windows and references of 300 rows each are drawn from one population. A share `alpha` of their
//! p-values must be at most `alpha`, up to what 200,000 draws leave to chance.

use super::support::SplitMix;
use super::{Rate, decompose, deviance, rate_deviance};

const DRAWS: u32 = 200_000;
const ROWS: usize = 300;
const LEVELS: [f64; 4] = [0.1, 1e-2, 1e-3, 1e-4];

/// Ten bins of unequal mass, and a twentieth of the rows without a value.
const SHARES: [f64; 11] = [
    0.05, 0.05, 0.06, 0.07, 0.08, 0.09, 0.10, 0.11, 0.12, 0.13, 0.14,
];

/// How many p-values are at most each level.
#[derive(Default)]
struct Tail([u32; LEVELS.len()]);

impl Tail {
    fn add(&mut self, p: f64) {
        for (count, level) in self.0.iter_mut().zip(LEVELS) {
            *count += u32::from(p <= level);
        }
    }

    /// Checks each level: within `slack` of what it should be, and four standard deviations.
    fn is_uniform(&self, name: &str, slack: f64) {
        for (count, level) in self.0.iter().zip(LEVELS) {
            let expected = f64::from(DRAWS) * level;
            let off = (f64::from(*count) - expected).abs();
            assert!(
                off <= slack * expected + 4.0 * expected.sqrt(),
                "{name}: {count} of {DRAWS} at most {level}, {expected} expected"
            );
        }
    }
}

#[test]
fn p_values_are_uniform_where_nothing_changed() {
    let mut random = SplitMix(11);
    let mut draw = || random.multinomial(&SHARES, ROWS);
    let [mut location, mut shape, mut dist, mut missing] = <[Tail; 4]>::default();
    for _ in 0..DRAWS {
        let (then, now) = (draw(), draw());
        let split = decompose(&then[1..], &now[1..]).unwrap();
        location.add(split.location.p());
        shape.add(split.shape.unwrap().p());
        dist.add(deviance(&then[1..], &now[1..]).unwrap().corrected().p());
        let rate = |counts: &[u64]| Rate::new(counts[0], counts.iter().sum());
        missing.add(rate_deviance(rate(&then), rate(&now)).unwrap().p());
    }
    location.is_uniform("location", 0.1);
    shape.is_uniform("shape", 0.1);
    dist.is_uniform("dist", 0.1);
    // whole rows make few values of p
    missing.is_uniform("missing", 0.3);
}
