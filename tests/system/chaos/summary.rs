//! What a run has shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use super::truth::Compared;
use super::watch::Pause;

/// A fault, and when it began and was over.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) name: &'static str,
    pub(super) kills: usize,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

impl Done {
    fn has(&self, pause: &Pause) -> bool {
        pause.from_ms < self.to_ms && pause.to_ms > self.from_ms
    }
}

/// See the module header.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) events: u64,
    pub(super) lost: u64,
    /// Records of the deltas that the watch took.
    pub(super) counted: u64,
    pub(super) committed: u64,
    pub(super) aborted: u64,
    pub(super) accepted: u64,
    pub(super) superseded: u64,
    /// How often the watch was too slow, and has missed deltas.
    pub(super) overtaken: u64,
    pub(super) pauses: Vec<Pause>,
    pub(super) done: Vec<Done>,
    pub(super) drained: Vec<Duration>,
    pub(super) gave_up: Vec<ExitStatus>,
    pub(super) load_ms: i64,
    /// Each instance against the truth.
    pub(super) compared: Vec<Compared>,
    /// Answers of each instance, and those that differ between instances.
    pub(super) boards: (usize, BTreeSet<String>),
}

impl Summary {
    /// Stops the test if anything is not as it has to be.
    pub(super) fn check(&self) {
        let first: Vec<&String> = self.boards.1.iter().take(5).collect();
        assert!(first.is_empty(), "{first:#?}");
        for (index, compared) in self.compared.iter().enumerate() {
            let Compared {
                differences, text, ..
            } = compared;
            assert!(*differences == 0, "{index}: {differences}, first:\n{text}");
        }
        if self.overtaken == 0 {
            assert_eq!(self.counted, self.events, "the watch has counted as much");
        }
    }

    /// By name: how often, how many kills, how long a partition was not counted at most.
    fn faults(&self) -> BTreeMap<&'static str, (usize, usize, i64)> {
        let mut faults = BTreeMap::new();
        for done in &self.done {
            let pauses = self.pauses.iter().filter(|pause| done.has(pause));
            let longest = pauses.map(Pause::length_ms).max().unwrap_or(0);
            let of_name: &mut (usize, usize, i64) = faults.entry(done.name).or_default();
            of_name.0 += 1;
            of_name.1 += done.kills;
            of_name.2 = of_name.2.max(longest);
        }
        faults
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:38} {:>5} {:>8} {:>14}",
            "fault", "times", "kill -9", "longest pause"
        )?;
        for (name, (times, kills, longest)) in self.faults() {
            writeln!(
                f,
                "{name:38} {times:5} {kills:8} {:>11.1} s",
                seconds(longest)
            )?;
        }
        let kills: usize = self.done.iter().map(|done| done.kills).sum();
        let counts: u64 = self.compared.iter().map(|one| one.counts).sum();
        let differences: u64 = self.compared.iter().map(|one| one.differences).sum();
        let drained = self.drained.iter().max().copied().unwrap_or_default();
        writeln!(f, "kill -9 of instances: {kills}")?;
        writeln!(
            f,
            "events counted: {} in {:.0} s, and {} lost that retention took; {} transactions \
             committed, {} aborted",
            self.events,
            seconds(self.load_ms),
            self.lost,
            self.committed,
            self.aborted
        )?;
        writeln!(
            f,
            "deltas: {} accepted, {} superseded",
            self.accepted, self.superseded
        )?;
        writeln!(
            f,
            "counts compared: {counts} on {} instances, differences: {differences}",
            self.compared.len()
        )?;
        let (answers, differing) = &self.boards;
        writeln!(
            f,
            "answers and samples compared between instances: {answers}, differing: {}",
            differing.len()
        )?;
        writeln!(
            f,
            "longest drain of {}: {:.1} s",
            self.drained.len(),
            drained.as_secs_f64()
        )?;
        write!(
            f,
            "ended by themselves and started again: {:?}",
            self.gave_up
                .iter()
                .map(ExitStatus::code)
                .collect::<Vec<_>>()
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
