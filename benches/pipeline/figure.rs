//! What a process cost.

use std::time::Duration;

use crate::Outcome;

/// What a client did.
pub struct Figure {
    pub events: u64,
    pub wall: Duration,
    /// Seconds.
    pub cpu: f64,
    pub peak_kib: u64,
}

impl Figure {
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.wall.as_secs_f64()
    }

    /// CPU seconds an event.
    pub fn each(&self) -> f64 {
        self.cpu / self.events as f64
    }
}

/// CPU seconds of a process and its threads.
pub fn cpu(pid: &str) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .ok_or("stat")?
        .1
        .split_whitespace()
        .collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// The largest resident memory of a process so far, in KiB.
pub fn peak(pid: &str) -> Outcome<u64> {
    status(pid, "VmHWM:")
}

/// The resident memory of a process, in KiB.
pub fn resident(pid: &str) -> Outcome<u64> {
    status(pid, "VmRSS:")
}

fn status(pid: &str, what: &'static str) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix(what)).ok_or(what)?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
