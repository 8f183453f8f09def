//! Replicas that race over one home, and what is not kept.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::journal::fixture::{draft, lines};

fn stored(line: &Line) -> Stored {
    Stored::read(line.json.as_bytes()).unwrap()
}

/// A replica: how far it has folded and read, and what it computes.
struct Replica {
    ledger: Ledger,
    implied: Vec<Line>,
    read: usize,
}

impl Replica {
    /// A replica that starts when the home has this, and has read it.
    fn start(implied: &[Line], home: &[Line]) -> Self {
        let mut links = Links::default();
        for line in home {
            links.take(&stored(line));
        }
        Self {
            ledger: Ledger::new(links),
            implied: implied.to_vec(),
            read: home.len(),
        }
    }

    fn fold(&mut self) {
        let at = usize::try_from(self.ledger.computed).unwrap();
        if let Some(line) = self.implied.get(at) {
            self.ledger.compute(line.clone());
        }
    }

    fn read(&mut self, home: &[Line]) {
        if let Some(line) = home.get(self.read) {
            self.read += 1;
            self.ledger.read(&stored(line));
        }
    }
}

/// A shard that begins at a place of the state log goes on after what its journal had of before,
/// whoever of it wrote more meanwhile.
#[test]
fn the_chain_before_a_position_is_that_of_the_entries_before_it() {
    let all = lines(6);
    let of = |line: &Line| line.position().unwrap();
    let mut links = Links::default();
    for line in &all {
        links.load(&stored(line));
    }
    let ledger = Ledger::new(links);
    for (at, line) in all.iter().enumerate() {
        let before = all.iter().filter(|other| of(other) < of(line)).count();
        let expected = before.checked_sub(1).map(|last| all[last].chain());
        assert_eq!(
            ledger.before(of(line)),
            expected.unwrap_or_default(),
            "{at}"
        );
    }
    assert_eq!(ledger.before(u64::MAX), all[5].chain());
    assert_eq!(Ledger::default().before(7), Chain::default());
}

/// What somebody reads who comes when all is over.
fn chain(home: &[Line]) -> Vec<Line> {
    let mut links = Links::default();
    let mut chain = home.to_vec();
    chain.retain(|line| links.take(&stored(line)) == Seen::Next);
    chain
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Fold(usize),
    Read(usize),
    /// Append so many of the lines to write; those that the mask has not are lost.
    Append(usize, usize, u8),
    /// Append them in the opposite order, as after a retry.
    Backwards(usize, usize),
    Restart(usize),
}

fn steps(replicas: usize) -> impl Strategy<Value = Vec<Step>> {
    let who = move || 0..replicas;
    let step = prop_oneof![
        3 => who().prop_map(Step::Fold),
        3 => who().prop_map(Step::Read),
        2 => (who(), 1usize..5, any::<u8>()).prop_map(|(i, n, mask)| Step::Append(i, n, mask)),
        1 => (who(), 1usize..4).prop_map(|(i, n)| Step::Backwards(i, n)),
        1 => who().prop_map(Step::Restart),
    ];
    prop::collection::vec(step, 0..80)
}

fn run(replicas: &mut [Replica], home: &mut Vec<Line>, steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Fold(i) => replicas[i].fold(),
            Step::Read(i) => replicas[i].read(home),
            Step::Append(i, n, mask) => {
                let lines = replicas[i].ledger.to_write(n).into_iter().enumerate();
                home.extend(
                    lines
                        .filter(|(at, _)| mask >> at & 1 == 1)
                        .map(|(_, line)| line),
                );
            }
            Step::Backwards(i, n) => {
                home.extend(replicas[i].ledger.to_write(n).into_iter().rev());
            }
            Step::Restart(i) => replicas[i] = Replica::start(&replicas[i].implied, home),
        }
    }
}

/// Everybody folds, reads and writes until nothing is missing.
fn settle(replicas: &mut [Replica], home: &mut Vec<Line>) {
    for _ in 0..2 {
        for replica in &mut *replicas {
            for _ in 0..replica.implied.len() {
                replica.fold();
            }
            while replica.read < home.len() {
                replica.read(home);
            }
            home.extend(replica.ledger.to_write(usize::MAX));
            while replica.read < home.len() {
                replica.read(home);
            }
            replica.ledger.catch_up();
        }
    }
}

proptest! {
    /// Whatever replicas that agree do in whatever order, with losses, repetitions and restarts,
    /// the home reads as the one chain that they compute, and none of them believes to have
    /// diverged.
    #[test]
    fn racing_replicas_write_one_chain(steps in steps(3)) {
        let implied = lines(12);
        let mut home = Vec::new();
        let mut replicas: Vec<_> = (0..3).map(|_| Replica::start(&implied, &home)).collect();
        run(&mut replicas, &mut home, &steps);
        settle(&mut replicas, &mut home);
        prop_assert_eq!(chain(&home), implied);
        for replica in &replicas {
            prop_assert_eq!(replica.ledger.diverged(), None);
            prop_assert_eq!((replica.ledger.stored(), replica.ledger.unwritten()), (12, 0));
        }
    }

    /// When two compute different entries from the `n`-th on, the home still reads as one of the
    /// two chains, whole, and exactly one of the replicas finds that it is the other one.
    #[test]
    fn of_two_that_disagree_one_finds_out(n in 0u64..6, steps in steps(2)) {
        let implied = lines(6);
        let mut links = Chain::default();
        let other: Vec<Line> = (0..6)
            .map(|i| links.next(draft(if i < n { i } else { i + 100 })).line)
            .collect();
        let mut home = Vec::new();
        let mut replicas = vec![
            Replica::start(&implied, &home),
            Replica::start(&other, &home),
        ];
        run(&mut replicas, &mut home, &steps);
        settle(&mut replicas, &mut home);
        let chain = chain(&home);
        prop_assert!(chain == implied || chain == other);
        let winner = usize::from(chain == other);
        let found = replicas[1 - winner].ledger.diverged();
        prop_assert_eq!(replicas[winner].ledger.diverged(), None);
        prop_assert!(found.is_some_and(|found| found.seq > n), "{:?}", found);
        prop_assert!(replicas[1 - winner].ledger.to_write(1).is_empty());
    }
}

#[test]
fn a_restart_has_nothing_to_write_again() {
    let home = lines(30);
    let mut replica = Replica::start(&home, &home);
    for _ in 0..30 {
        replica.fold();
        assert!(replica.ledger.to_write(1).is_empty());
    }
    replica.ledger.catch_up();
    assert_eq!(replica.ledger.diverged(), None);
}

#[test]
fn a_home_with_more_than_the_log_implies_is_another_ones() {
    let home = lines(30);
    let mut replica = Replica::start(&home[..29], &home);
    for _ in 0..29 {
        replica.fold();
    }
    assert_eq!(replica.ledger.diverged(), None);
    replica.ledger.catch_up();
    let found = replica.ledger.diverged().unwrap();
    assert_eq!(
        (found.seq, found.stored, found.computed),
        (30, home[29].hash, None)
    );
}

/// What finds no room is computed again after a restart, and stored then.
#[test]
fn what_finds_no_room_to_wait_is_stored_after_the_next_start() {
    let implied = short_lines(WAITING_MAX + 10);
    let mut first = Replica::start(&implied, &[]);
    for _ in 0..implied.len() {
        first.fold();
    }
    let mut links = Links::default();
    let waiting = first.ledger.to_write(usize::MAX);
    assert_eq!(waiting, implied[..WAITING_MAX]);
    for line in &waiting {
        first.ledger.wrote(line);
        links.append(line);
    }
    assert!(first.ledger.to_write(1).is_empty());
    assert_eq!(first.ledger.unwritten(), 10);
    let mut second = Ledger::new(links);
    for line in &implied {
        second.compute(line.clone());
    }
    assert_eq!(second.to_write(usize::MAX), implied[WAITING_MAX..]);
    assert_eq!(second.diverged(), None);
}

#[test]
fn readers_get_the_newest_entries_page_by_page() {
    let implied = short_lines(NEWEST_MAX + 5);
    let mut ledger = Ledger::default();
    assert_eq!(
        (ledger.after(0, 10), ledger.oldest()),
        ((Vec::new(), false), None)
    );
    for line in &implied {
        ledger.compute(line.clone());
    }
    assert_eq!(ledger.oldest(), Some(6));
    let mut pages: BTreeMap<u64, Line> = BTreeMap::new();
    let (mut after, mut more) = (0, true);
    while more {
        let lines;
        (lines, more) = ledger.after(after, 999);
        after = lines.last().unwrap().seq;
        pages.extend(lines.into_iter().map(|line| (line.seq, line)));
    }
    assert!(pages.into_values().eq(implied[5..].iter().cloned()));
    assert_eq!(ledger.after(u64::MAX, 1), (Vec::new(), false));
}

/// Long entries are as many as their bytes allow.
#[test]
fn readers_get_as_many_entries_as_there_is_memory_for() {
    let mut ledger = Ledger::default();
    let bytes = NEWEST_BYTES_MAX / 4;
    for seq in 1..=9 {
        ledger.compute(Line {
            seq,
            hash: Digest([0; 32]),
            json: "x".repeat(bytes).into(),
        });
    }
    assert_eq!(ledger.oldest(), Some(6));
}

/// Lines that are no entries, where nobody reads them.
fn short_lines(n: usize) -> Vec<Line> {
    let line = |seq| Line {
        seq,
        hash: Digest::of(&u64::to_le_bytes(seq)),
        json: "{}".into(),
    };
    (1..=n as u64).map(line).collect()
}
