//! The instances, and whoever starts them again when they end by themselves.

use std::fmt::Write;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

use super::INSTANCES;
use super::cluster::Cluster;
use crate::driftd::{Driftd, Home, PATIENCE, Setup};
use crate::poll::{now_ms, poll_until};

/// The topic of the steady load, of transactions, of what retention takes, and the one that is
/// deleted.
pub(super) const STEADY: &str = "chaos.steady";
pub(super) const TRANSACTIONS: &str = "chaos.transactions";
pub(super) const TAKEN: &str = "chaos.taken";
pub(super) const RECREATED: &str = "chaos.recreated";

/// The consumer group, and part of the name of the state log.
const NAME: &str = "chaos";
pub(super) const STATE: &str = "state.chaos";

/// As short as brokers allow.
const SESSION_MS: u32 = 6_000;

/// An instance that was stopped for the length of a session must find its place in the state log.
const SNAPSHOT_INTERVAL: &str = "snapshot_interval = \"15s\"";

/// A fault of driftd itself.
const OWN_FAULT: i32 = 70;

/// See the module header.
pub(super) struct Fleet {
    pub(super) instances: Vec<Driftd>,
    /// Which of them are down because they were told to be.
    down: Vec<bool>,
    /// How instances ended by themselves.
    pub(super) gave_up: Vec<ExitStatus>,
}

impl Fleet {
    /// Starts all instances and waits until they are ready.
    pub(super) fn start(cluster: &Cluster) -> Self {
        // what they say must not depend on where packed counts are
        let instances = (0..INSTANCES).map(|index| prepare(cluster, spills(index)));
        let mut fleet = Self {
            instances: instances.collect(),
            down: vec![true; INSTANCES],
            gave_up: Vec::new(),
        };
        for index in 0..INSTANCES {
            fleet.launch(index);
        }
        fleet.until("all are ready", |fleet| {
            let mut ready = fleet.instances.iter().map(|one| one.try_get("/-/ready"));
            let is_ready = ready.all(|answer| answer.is_ok_and(|answer| answer.status == 200));
            is_ready.then_some(())
        });
        fleet
    }

    pub(super) fn launch(&mut self, index: usize) {
        self.instances[index].launch();
        self.down[index] = false;
    }

    pub(super) fn kill(&mut self, index: usize) {
        self.instances[index].kill();
        self.down[index] = true;
    }

    /// Tells instances to end, all at once, and waits until they have: how long each took.
    pub(super) fn terminate(&mut self, indices: &[usize]) -> Vec<Duration> {
        let begin = now_ms();
        for index in indices {
            self.down[*index] = true;
            self.instances[*index].signal("TERM");
        }
        let mut took = Vec::new();
        for index in indices {
            let ended = poll_until(PATIENCE, || self.instances[*index].ended());
            let passed = (now_ms() - begin).unsigned_abs();
            let status = ended.unwrap_or_else(|| panic!("{}", self.logs("one does not end")));
            assert!(status.success(), "{}", self.logs(&format!("{status}")));
            took.push(Duration::from_millis(passed));
        }
        took
    }

    /// Starts what ended by itself again, as whoever runs driftd does.
    #[expect(clippy::print_stdout, reason = "the report of a long run")]
    fn supervise(&mut self) {
        for index in 0..self.instances.len() {
            if self.down[index] {
                continue;
            }
            if let Some(status) = self.instances[index].ended() {
                let is_ours = status.code().is_none_or(|code| code == OWN_FAULT);
                assert!(!is_ours, "{}", self.logs(&format!("{index}: {status}")));
                let log = self.instances[index].log();
                let why = log.lines().last().unwrap_or_default();
                println!("           instance {index} ended by itself, {status}: {why}");
                self.gave_up.push(status);
                self.launch(index);
            }
        }
    }

    /// Waits for something while instances come and go.
    pub(super) fn until<T>(&mut self, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        let answer = poll_until(PATIENCE, || {
            self.supervise();
            ask(self)
        });
        answer.unwrap_or_else(|| panic!("{}", self.logs(&format!("it never came that {what}"))))
    }

    /// How many partitions an instance reads, but for the topic that comes and goes. There are more
    /// than workers, so each gets some.
    pub(super) fn reads(&self, index: usize) -> usize {
        let status = self.status(index).unwrap_or_default();
        let partitions = status["partitions"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let is_read = |one: &&Value| one["topic"] != RECREATED && one["assigned"] == true;
        partitions.iter().filter(is_read).count()
    }

    /// What an instance that is there says of itself.
    pub(super) fn status(&self, index: usize) -> Option<Value> {
        if self.down[index] {
            return None;
        }
        let answer = self.instances[index].try_get("/api/v1/status").ok()?;
        serde_json::from_str(&answer.body).ok()
    }

    /// Packed counts are in files where they should be.
    pub(super) fn assert_spilled(&self) {
        for (index, instance) in self.instances.iter().enumerate() {
            let bytes = instance.metrics().count("driftd_spilled_bytes", &[]);
            assert_eq!(
                bytes > 0,
                spills(index),
                "{bytes} bytes of instance {index}"
            );
        }
    }

    /// The ends of all logs, and where they are.
    pub(super) fn logs(&self, what: &str) -> String {
        let mut text = what.to_owned();
        for (index, instance) in self.instances.iter().enumerate() {
            let status = self.status(index).unwrap_or_default();
            let log = instance.log_end();
            write!(text, "\n== {index}: {status}\n{log}").expect("a text takes more");
        }
        text
    }
}

/// Whether an instance has packed counts in files; the one that comes new, the last, has not.
const fn spills(index: usize) -> bool {
    index.is_multiple_of(2) && index < INSTANCES
}

/// An instance that was not started yet, and whether it has packed counts in files.
pub(super) fn prepare(cluster: &Cluster, spills: bool) -> Driftd {
    let kafka = cluster.to_toml(SESSION_MS);
    let more = format!(
        "workers = 2\n\n[[source]]\ntopics = [{RECREATED:?}]\ngroup = \"{NAME}.recreated\"\n\
         workers = 1\non_truncation = \"restart\""
    );
    let driftd = Driftd::prepare(&Setup {
        name: NAME,
        topics: &[STEADY, TRANSACTIONS, TAKEN],
        home: Home::Kafka,
        references: None,
        kafka: Some(&kafka),
        source: &more,
        windows: "lengths = [\"30m\"]\nkeep = \"28d\"",
        operator: None,
    });
    let mut state = SNAPSHOT_INTERVAL.to_owned();
    if spills {
        let dir = driftd.state_dir();
        write!(state, "\nspill_dir = \"{}\"", dir.display()).expect("a text takes more");
    }
    driftd.reconfigure("snapshot_interval = \"1s\"", &state);
    driftd
}
