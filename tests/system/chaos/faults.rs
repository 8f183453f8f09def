//! What is done to driftd and to Kafka, in an order that a seed decides.

use super::INSTANCES;
use super::cluster::BROKERS;
use crate::produce::Random;

/// One of them. An instance that is killed is started again at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// `kill -9` of instances.
    Kill(Vec<usize>),
    /// An instance sleeps until the others have taken its work over, and then goes on.
    Zombie(usize),
    /// `kill -9` of a broker, of instances while it is away, and its restart.
    Broker(&'static str, Vec<usize>),
    /// All brokers are restarted, one after the other.
    Rolling,
    /// The leaders of all partitions move.
    Leaders,
    /// The topic gets more partitions.
    Partitions,
    /// An instance leaves and joins every few seconds.
    Churn(usize),
    /// All instances are told to end while events come in.
    Drain,
    /// The newest snapshot is torn while all instances are dead.
    Torn,
    /// Retention takes records that were not read while all instances were dead.
    Retention,
    /// A topic is deleted and made again.
    Recreated,
}

impl Fault {
    /// Its name in the summary.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill -9 of instances",
            Self::Zombie(_) => "SIGSTOP beyond the session, SIGCONT",
            Self::Broker(..) => "kill -9 of a broker, with instances",
            Self::Rolling => "rolling restart of the brokers",
            Self::Leaders => "leaders of all partitions moved",
            Self::Partitions => "partitions added",
            Self::Churn(_) => "joining and leaving",
            Self::Drain => "SIGTERM of all instances",
            Self::Torn => "torn snapshot",
            Self::Retention => "retention overtakes",
            Self::Recreated => "topic deleted and made again",
        }
    }

    /// How many instances it kills with `kill -9`.
    pub(super) const fn kills(&self) -> usize {
        match self {
            Self::Kill(instances) | Self::Broker(_, instances) => instances.len(),
            Self::Torn | Self::Retention => INSTANCES,
            _ => 0,
        }
    }
}

/// All faults of a run with at least so many kills; thirty of them go with some of each kind.
pub(super) fn plan(random: &mut Random, kills: usize) -> Vec<Fault> {
    let mut plan = Vec::new();
    for _ in 0..kills.div_ceil(30) {
        for _ in 0..3 {
            plan.push(Fault::Zombie(instance(random)));
        }
        for count in [1, 2] {
            let broker = random.choose(&BROKERS);
            plan.push(Fault::Broker(broker, instances(random, count)));
            plan.extend([Fault::Leaders, Fault::Retention, Fault::Partitions]);
        }
        let others = [Fault::Rolling, Fault::Drain, Fault::Torn, Fault::Recreated];
        plan.extend(others);
        plan.push(Fault::Churn(instance(random)));
    }
    let killed = |plan: &[Fault]| plan.iter().map(Fault::kills).sum::<usize>();
    while killed(&plan) < kills {
        // one of them mostly, sometimes two or all
        let count = [1, 1, 1, 1, 2, 2, 3][place(random, 7)];
        plan.push(Fault::Kill(instances(random, count)));
    }
    for at in (1..plan.len()).rev() {
        plan.swap(at, place(random, at + 1));
    }
    plan
}

fn instance(random: &mut Random) -> usize {
    place(random, INSTANCES)
}

/// So many different ones.
fn instances(random: &mut Random, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..INSTANCES).collect();
    all.rotate_left(instance(random));
    all.truncate(count);
    all
}

fn place(random: &mut Random, end: usize) -> usize {
    let end = i64::try_from(end).expect("it is small");
    usize::try_from(random.below(end)).expect("it is small")
}
