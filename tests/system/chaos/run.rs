//! One run: the cluster, the load, the instances, and what is done to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::cluster::{BROKERS, Cluster};
use super::faults::Fault;
use super::fleet::{Fleet, RECREATED, STATE, STEADY, TAKEN, TRANSACTIONS, prepare};
use super::load::{Bursts, Pulse, Transacted, steady, transactions};
use super::summary::{Done, Summary};
use super::truth::{Compared, Truth};
use super::watch::Watch;
use super::{INSTANCES, board};
use crate::driftd;
use crate::poll::now_ms;
use crate::produce::Random;
use crate::rig::text;

/// Partitions of the steady load at the start, and of that in transactions.
const STEADY_PARTITIONS: usize = 6;
const TRANSACTIONS_PARTITIONS: usize = 2;

/// Events of a burst.
const BURST: usize = 400;

/// See the module header.
pub(super) struct Run {
    fleet: Fleet,
    watch: Watch,
    pulse: Arc<Pulse>,
    /// Until they are told to end.
    producers: Option<(JoinHandle<Truth>, JoinHandle<Transacted>)>,
    taken: Bursts,
    /// The offsets of [`TAKEN`] that retention took before they were counted.
    lost: Vec<(usize, usize)>,
    recreated: Bursts,
    /// Of topics that were deleted.
    deleted: Truth,
    random: Random,
    done: Vec<Done>,
    drained: Vec<Duration>,
    cluster: Cluster,
}

impl Run {
    /// Starts everything and waits until events are counted.
    pub(super) fn start(seed: u64) -> Self {
        let cluster = Cluster::start();
        cluster.create(STEADY, STEADY_PARTITIONS);
        cluster.create(TRANSACTIONS, TRANSACTIONS_PARTITIONS);
        cluster.create(TAKEN, 1);
        cluster.create(RECREATED, 1);
        let pulse = Pulse::new(STEADY_PARTITIONS);
        let client = || cluster.client();
        let of = (TRANSACTIONS, TRANSACTIONS_PARTITIONS);
        let steady = steady(&pulse, client(), STEADY, seed ^ 1);
        let transactions = transactions(&pulse, client(), of, seed ^ 2);
        let taken = Bursts::new(&pulse, client(), TAKEN, seed ^ 3);
        let recreated = Bursts::new(&pulse, client(), RECREATED, seed ^ 4);
        let fleet = Fleet::start(&cluster);
        let watch = Watch::start(client(), STATE, STEADY);
        let mut run = Self {
            fleet,
            watch,
            pulse,
            producers: Some((steady, transactions)),
            taken,
            lost: Vec::new(),
            recreated,
            deleted: Truth::default(),
            random: Random::new(seed ^ 5),
            done: Vec::new(),
            drained: Vec::new(),
            cluster,
        };
        run.taken.send(BURST);
        run.recreated.send(BURST);
        run.until_counting();
        run
    }

    /// Does it, and lets some time pass, or waits until all partitions are counted again.
    pub(super) fn suffer(&mut self, fault: &Fault) {
        let from_ms = now_ms();
        match fault {
            Fault::Kill(instances) => self.kill(instances),
            Fault::Zombie(instance) => self.zombie(*instance),
            Fault::Broker(broker, instances) => self.broker(broker, instances),
            Fault::Rolling => self.rolling(),
            Fault::Leaders => {
                let topics = [STEADY, TRANSACTIONS, STATE, "__consumer_offsets"];
                self.cluster.move_leaders(&topics);
            }
            Fault::Partitions => self.partitions(),
            Fault::Churn(instance) => self.churn(*instance),
            Fault::Drain => self.drain(),
            Fault::Torn => self.torn(),
            Fault::Retention => self.retention(),
            Fault::Recreated => self.recreate(),
        }
        if self.random.below(3) == 0 {
            self.until_counting();
        } else {
            let some = self.random.below(3_000).unsigned_abs();
            self.until_sent(some);
        }
        let is_over = self
            .producers
            .as_ref()
            .is_none_or(|(steady, transactions)| {
                steady.is_finished() || transactions.is_finished()
            });
        assert!(!is_over, "a producer has ended: the truth is not known");
        let kills = fault.kills();
        self.note(fault.name(), from_ms, kills);
    }

    #[expect(clippy::print_stdout, reason = "whoever watches sees where it is")]
    fn note(&mut self, name: &'static str, from_ms: i64, kills: usize) {
        let to_ms = now_ms();
        println!("{:6} ms  {name}", to_ms - from_ms);
        self.done.push(Done {
            name,
            kills,
            from_ms,
            to_ms,
        });
    }

    fn kill(&mut self, instances: &[usize]) {
        for index in instances {
            self.fleet.kill(*index);
        }
        for index in instances {
            self.fleet.launch(*index);
        }
    }

    fn zombie(&mut self, index: usize) {
        self.fleet.until("it reads something", |fleet| {
            (fleet.reads(index) > 0).then_some(())
        });
        self.fleet.instances[index].signal("STOP");
        self.until_counting();
        self.fleet.instances[index].signal("CONT");
    }

    fn broker(&mut self, broker: &str, instances: &[usize]) {
        self.cluster.kill(broker);
        self.until_sent(300);
        self.kill(instances);
        self.until_sent(1_500);
        self.cluster.restart(broker);
    }

    fn rolling(&mut self) {
        for broker in BROKERS {
            self.cluster.stop(broker);
            self.until_sent(500);
            self.cluster.restart(broker);
        }
    }

    fn partitions(&mut self) {
        let partitions = self.pulse.partitions() + 1;
        self.cluster.add_partitions(STEADY, partitions);
        self.pulse.set_partitions(partitions);
        self.until_counting();
    }

    /// Only one thing happens at a time, so that what each costs can be measured.
    fn churn(&mut self, index: usize) {
        self.until_counting();
        for _ in 0..3 {
            self.fleet.until("it reads something", |fleet| {
                (fleet.reads(index) > 0).then_some(())
            });
            let from_ms = now_ms();
            self.drained.extend(self.fleet.terminate(&[index]));
            self.until_counting();
            self.until_sent(1_500);
            self.note("an instance leaves", from_ms, 0);
            let from_ms = now_ms();
            self.fleet.launch(index);
            self.fleet.until("it reads something", |fleet| {
                (fleet.reads(index) > 0).then_some(())
            });
            self.until_counting();
            self.until_sent(1_500);
            self.note("an instance joins", from_ms, 0);
        }
    }

    fn drain(&mut self) {
        let all: Vec<usize> = (0..INSTANCES).collect();
        self.drained.extend(self.fleet.terminate(&all));
        for index in all {
            self.fleet.launch(index);
        }
    }

    fn kill_all(&mut self) {
        for index in 0..INSTANCES {
            self.fleet.kill(index);
        }
    }

    fn launch_all(&mut self) {
        for index in 0..INSTANCES {
            self.fleet.launch(index);
        }
    }

    fn torn(&mut self) {
        self.fleet.until("there is a snapshot", |_| {
            (self.cluster.end(&format!("{STATE}.snapshot"), 0) > 0).then_some(())
        });
        self.kill_all();
        self.cluster.tear_snapshot(&format!("{STATE}.snapshot"));
        self.launch_all();
    }

    /// What nobody has counted yet is taken away in part, and `lost` is to be that.
    fn retention(&mut self) {
        self.kill_all();
        self.until_folded();
        self.taken.send(BURST);
        self.until_folded();
        let head = self.watch.seen().head(TAKEN, 0).unwrap_or(0);
        let head = usize::try_from(head).expect("positions are not negative");
        let more = i64::try_from(self.taken.sent.len() - head).expect("it is small");
        let low = head + usize::try_from(self.random.below(more)).expect("it is small");
        self.lost.push((head, low));
        let low = i64::try_from(low).expect("it is small");
        self.cluster.delete_before(TAKEN, low);
        self.launch_all();
    }

    /// Nobody writes to the state log, and the watch has read it.
    fn until_folded(&mut self) {
        let end = self.cluster.end(STATE, 0);
        let watch = &self.watch;
        self.fleet.until("the state log is read", |_| {
            (watch.seen().position >= end).then_some(())
        });
    }

    fn recreate(&mut self) {
        self.until_recreated_is_counted();
        self.cluster.delete(RECREATED);
        for event in self.recreated.sent.drain(..) {
            self.deleted.add(RECREATED, &event);
        }
        self.cluster.create(RECREATED, 1);
        self.recreated.send(BURST * 2);
        self.until_recreated_is_counted();
    }

    fn until_recreated_is_counted(&mut self) {
        let deleted = self.deleted.topics.get(RECREATED);
        let deleted = deleted.map_or(0, |totals| totals.records);
        let expected = deleted + self.recreated.sent.len() as u64;
        let watch = &self.watch;
        self.fleet.until("the topic is counted", |_| {
            let counted = watch.seen().counted.get(RECREATED).copied();
            (counted.unwrap_or_default().0 == expected).then_some(())
        });
    }

    /// Waits until so many more events are sent.
    fn until_sent(&mut self, events: u64) {
        let (pulse, wanted) = (Arc::clone(&self.pulse), self.pulse.sent() + events);
        self.fleet.until("events are sent", |_| {
            (pulse.sent() >= wanted).then_some(())
        });
    }

    /// Waits until all partitions of the steady load are counted again.
    fn until_counting(&mut self) {
        let (now, partitions) = (now_ms(), self.pulse.partitions());
        let watch = &self.watch;
        self.fleet.until("all partitions are counted", |_| {
            let is_so = watch.seen().all_counted_since(partitions, now);
            is_so.then_some(())
        });
    }

    /// Ends the load, and compares everything.
    pub(super) fn end(mut self) -> Summary {
        self.until_counting();
        let load_ms = now_ms() - self.done.first().map_or(0, |done| done.from_ms);
        let (truth, transacted) = self.truth();
        self.until_all_is_counted(&truth);
        // one that comes new, with nothing but what is in Kafka
        let mut fresh = prepare(&self.cluster, false);
        fresh.start_again();
        self.fleet.instances.push(fresh);
        let compared = compare(&truth, &self.fleet);
        let boards = board::compare(&self.fleet.instances);
        self.fleet.assert_spilled();
        let config = self.fleet.instances[0].config();
        driftd::run(&["journal", "verify", "--config", text(&config)]).succeeded();
        let seen = self.watch.seen();
        Summary {
            events: truth.events(),
            lost: truth.topics[TAKEN].lost,
            counted: seen.counted.values().map(|(records, _)| records).sum(),
            committed: transacted.committed,
            aborted: transacted.aborted,
            accepted: seen.accepted,
            superseded: seen.superseded,
            overtaken: seen.overtaken,
            pauses: seen.pauses.clone(),
            done: std::mem::take(&mut self.done),
            drained: std::mem::take(&mut self.drained),
            gave_up: self.fleet.gave_up.clone(),
            load_ms,
            compared,
            boards,
        }
    }

    /// Ends the producers: what they have produced, and what retention has left of it.
    fn truth(&mut self) -> (Truth, Transacted) {
        self.pulse.stop();
        let (steady, transactions) = self.producers.take().expect("they run until now");
        let transacted = transactions.join().expect("the load goes on");
        let mut truth = steady.join().expect("the load goes on");
        let steady: u64 = (0..self.pulse.partitions())
            .map(|partition| self.cluster.end(STEADY, partition))
            .sum();
        assert_eq!(steady, truth.events(), "Kafka has what was produced");
        let committed = transacted.truth.events();
        let readable = self.cluster.readable(TRANSACTIONS, TRANSACTIONS_PARTITIONS);
        assert_eq!(readable, committed, "Kafka has what was committed");
        truth.merge(&transacted.truth);
        truth.merge(&self.deleted);
        for event in &self.recreated.sent {
            truth.add(RECREATED, event);
        }
        let is_lost = |at: &usize| self.lost.iter().any(|(from, to)| (*from..*to).contains(at));
        for (at, event) in self.taken.sent.iter().enumerate() {
            if !is_lost(&at) {
                truth.add(TAKEN, event);
            }
        }
        let lost: usize = self.lost.iter().map(|(from, to)| to - from).sum();
        let taken = truth.topics.entry(TAKEN.to_owned()).or_default();
        taken.lost = lost as u64;
        (truth, transacted)
    }

    /// Waits until each instance has counted all records, and no more.
    fn until_all_is_counted(&mut self, truth: &Truth) {
        let expected: BTreeMap<&str, u64> = truth
            .topics
            .iter()
            .map(|(name, totals)| (name.as_str(), totals.records))
            .collect();
        for index in 0..INSTANCES {
            let what = format!("all is counted, {expected:?}");
            self.fleet.until(&what, |fleet| {
                let status = fleet.status(index)?;
                let topics = status["topics"].as_array()?;
                let counted: BTreeMap<&str, u64> = topics
                    .iter()
                    .filter_map(|one| Some((one["topic"].as_str()?, one["records"].as_u64()?)))
                    .collect();
                for (name, counted) in &counted {
                    let expected = expected.get(name).copied().unwrap_or_default();
                    assert!(*counted <= expected, "{name}: {counted}, not {expected}");
                }
                (counted == expected).then_some(())
            });
        }
    }
}

/// Compares all instances with the truth, at the same time.
fn compare(truth: &Truth, fleet: &Fleet) -> Vec<Compared> {
    thread::scope(|scope| {
        let instances = fleet.instances.iter();
        let threads: Vec<_> = instances
            .map(|instance| scope.spawn(|| truth.compare(instance)))
            .collect();
        let compared = threads.into_iter().map(|one| one.join().expect("it ends"));
        compared.collect()
    })
}
