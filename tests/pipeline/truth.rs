//! What a run must have come to: a naive count of the topic, record by record.

use std::collections::{BTreeMap, BTreeSet};

use driftd::config::OnTruncation;
use driftd::fold::{Fold, Input};
use driftd::key::ChainKey;
use driftd::statelog::record::{Configuration, Record};
use driftd::time::Timestamp;

use crate::client::index;
use crate::topic::{Gone, Partition, TOPIC, Topic, Written};
use crate::world::World;

/// Counts by the pane of a record.
type Counts = BTreeMap<Timestamp, u64>;

/// Panics where a replica does not say what the naive count says.
pub(crate) fn check(world: &mut World) {
    let folds: Vec<&Fold> = world
        .processes
        .iter()
        .flatten()
        .map(|process| &process.fold)
        .collect();
    let [first, others @ ..] = folds.as_slice() else {
        panic!("nobody lives");
    };
    let log = world.around.log();
    let again = fold_again(&log.history, first, &world.config);
    let mut counted = BTreeSet::new();
    for fold in others.iter().copied().chain([*first]) {
        assert_same(fold, &again);
        counted.extend(fold.models.keys().cloned());
    }
    assert!(counted.iter().eq(again.models.keys()), "nobody counts some");
    let chains = chains(&log.history);
    let topic = world.around.topic.borrow();
    let restarts = world.around.on_truncation == OnTruncation::Restart;
    for (key, chain) in &first.chains {
        assert_eq!(chains[key].head, chain.head, "head of {key}");
    }
    assert_counts(&again, &chains);
    let stopped = world.stopped();
    for partition in 0..topic.partitions.len() {
        let stopped = stopped.contains(&partition);
        assert_partition(&topic, partition, &chains, (restarts, stopped));
    }
    let totals = first.topics.get(TOPIC).map(|topic| topic.totals.clone());
    let (wildness, totals) = (&mut world.wildness, totals.unwrap_or_default());
    wildness.superseded += first.superseded;
    (wildness.records, wildness.lost) = (totals.records, totals.lost);
    wildness.log_cuts = log.cuts.len() as u64;
    let is_anchor = |entry: &&crate::log::Entry| matches!(*entry.record, Record::Anchor(_));
    wildness.anchors = log.history.iter().filter(is_anchor).count() as u64;
    wildness.stopped = stopped.len() as u64;
    wildness.shards = u64::from(first.shard.of() - 1);
    wildness.learned = again.models.values().filter(|one| one.learned).count() as u64;
}

/// The whole log from its first record, trimmed or not.
fn fold_again(history: &[crate::log::Entry], like: &Fold, config: &Configuration) -> Fold {
    let mut fold = Fold::new(config.clone());
    let mut effects = Vec::new();
    for entry in history {
        effects.clear();
        fold.apply(
            Input {
                position: entry.position,
                append_time: entry.at,
                digest: entry.digest,
                record: (*entry.record).clone(),
            },
            &mut effects,
        )
        .expect("others have folded it");
    }
    assert_eq!(fold.position, like.position);
    fold
}

/// Replicas agree, however they came to the end of the log: a shard with `all` in whatever is of
/// all models, and in what it has counted.
fn assert_same(one: &Fold, all: &Fold) {
    let other = all;
    assert_eq!(one.position, other.position);
    assert_eq!(one.log_time, other.log_time);
    assert_eq!(one.config, other.config);
    assert_eq!(one.chains, other.chains);
    let totals = |fold: &Fold| -> BTreeMap<_, _> {
        let of = fold.topics.iter();
        of.map(|(name, topic)| (name.clone(), (topic.totals.clone(), topic.arrivals.clone())))
            .collect()
    };
    assert_eq!(totals(one), totals(other));
    let names = |fold: &Fold| -> BTreeMap<_, _> {
        let of = fold.layouts().of.into_iter();
        of.map(|(key, (id, layout))| (key, (id, layout.digest())))
            .collect()
    };
    assert_eq!(names(one), names(other), "layouts of {}", one.shard);
    assert_eq!(one.watermark, other.watermark);
    assert_eq!(
        (one.accepted, one.superseded),
        (other.accepted, other.superseded)
    );
    let owned = other.models.values();
    let owned = owned.filter(|model| one.shard.owns(&model.key.model));
    assert!(one.models.keys().eq(owned.clone().map(|model| &model.key)));
    for (mine, theirs) in one.models.values().zip(owned) {
        assert_eq!((mine.layout, mine.learned), (theirs.layout, theirs.learned));
        assert_eq!(mine.windows, theirs.windows);
        assert_eq!(mine.volume, theirs.volume);
        assert_eq!(
            (mine.rows, mine.last_event, mine.last_seen),
            (theirs.rows, theirs.last_event, theirs.last_seen)
        );
    }
}

impl Told {
    fn counted(&self, record: &Written) -> u64 {
        self.records.get(&record.at).copied().unwrap_or(0)
    }
}

/// What the log says of a chain, read naively.
#[derive(Debug, Default)]
struct Told {
    start: i64,
    head: i64,
    lost: u64,
    /// Up to where there was no record by which the partition could be recognised: where the chain
    /// began, or where all was lost.
    blind: i64,
    records: Counts,
    rows: Counts,
}

fn chains(history: &[crate::log::Entry]) -> BTreeMap<ChainKey, Told> {
    let mut chains: BTreeMap<ChainKey, Told> = BTreeMap::new();
    for entry in history {
        match &*entry.record {
            Record::Genesis { chain, start } => {
                chains.entry(chain.clone()).or_insert_with(|| Told {
                    start: *start,
                    head: *start,
                    blind: *start,
                    ..Told::default()
                });
            }
            Record::Delta(delta) => {
                // a partition that was made anew is counted in its newest chain only
                let is_over = chains.keys().any(|other| {
                    let ChainKey { partition, .. } = *other;
                    let is_newer = other.incarnation > delta.chain.incarnation;
                    partition == delta.chain.partition && is_newer
                });
                let told = chains.get_mut(&delta.chain);
                let Some(told) = told.filter(|told| told.head == delta.from && !is_over) else {
                    continue;
                };
                if delta.accounting.last_record.is_none() && delta.to > delta.from {
                    told.blind = delta.to;
                }
                told.head = delta.to;
                told.lost += delta.accounting.lost;
                for arrived in &delta.arrivals {
                    *told.records.entry(arrived.start).or_default() += arrived.records;
                }
                for pane in delta.models.iter().flat_map(|model| &model.panes) {
                    *told.rows.entry(pane.start).or_default() += pane.rows;
                }
            }
            _ => {}
        }
    }
    chains
}

/// The fold's panes are the sum of what is told of the chains.
fn assert_counts(fold: &Fold, chains: &BTreeMap<ChainKey, Told>) {
    let mut told = (Counts::new(), Counts::new());
    for chain in chains.values() {
        for (sum, counts) in [(&mut told.0, &chain.records), (&mut told.1, &chain.rows)] {
            for (at, count) in counts {
                *sum.entry(*at).or_default() += count;
            }
        }
    }
    let arrivals = fold.topics.get(TOPIC).map(|topic| &topic.arrivals);
    let records: Counts = arrivals
        .into_iter()
        .flatten()
        .map(|(at, (records, _))| (*at, *records))
        .collect();
    assert_eq!(records, told.0, "records by pane");
    let mut rows = Counts::new();
    for model in fold.models.values() {
        for (at, pane) in model.windows[0].range(Timestamp::MIN, Timestamp::MAX) {
            *rows.entry(at).or_default() += pane.rows();
        }
    }
    assert_eq!(rows, told.1, "rows by pane");
}

/// Each record of a partition was counted once by its chain, with all its rows, or could not be.
fn assert_partition(
    topic: &Topic,
    partition: usize,
    chains: &BTreeMap<ChainKey, Told>,
    (restarts, stopped): (bool, bool),
) {
    let home = &topic.partitions[partition];
    let is_of_partition = |key: &ChainKey| index(key.partition) == partition;
    let of_partition = chains.iter().filter(|(key, _)| is_of_partition(key));
    let written = topic.written.iter();
    let records: Vec<&Written> = written
        .filter(|record| index(record.partition) == partition)
        .collect();
    let all: Vec<_> = of_partition.collect();
    for (key, told) in &all {
        for record in &records {
            let counted = told.counted(record);
            assert!(counted <= 1, "{counted} times on {key}: {record:?}");
            let rows = told.rows.get(&record.at).copied().unwrap_or(0);
            assert_eq!(rows, counted * record.rows, "rows of {record:?}");
        }
    }
    // incarnations ascend, so the newest is the last
    let [older @ .., (_, newest)] = all.as_slice() else {
        // cut below where it was to begin, before the log had taken that it begins
        assert!(stopped && home.epoch() > 0, "no chain of {home:?}");
        return;
    };
    assert!(all.len() == 1 || restarts, "{} chains", all.len());
    let is_made = topic.made > 0;
    for record in &records {
        let counted: u64 = all.iter().map(|(_, told)| told.counted(record)).sum();
        let since_last_cut = record.epoch == home.epoch();
        // where nothing was counted yet, another topic of the same name is not noticed
        let is_known = |(_, told): &(&ChainKey, &Told)| {
            let is_earlier = |other: &&&Written| other.epoch < record.epoch;
            let mut earlier = records.iter().filter(is_earlier);
            told.counted(record) > 0 && earlier.any(|other| told.counted(other) > 0)
        };
        let may_be_twice = is_made && !older.iter().any(is_known);
        assert!(
            counted <= 1 || !since_last_cut || may_be_twice,
            "on two chains: {record:?}"
        );
        let begins = if is_made { newest.blind } else { newest.start };
        let may_miss = record.gone.is_some() || record.offset < begins;
        let may_miss = may_miss || stopped;
        assert!(
            newest.counted(record) > 0 || may_miss,
            "skipped: {record:?}"
        );
    }
    if stopped {
        let head = newest.head;
        let is_cut = home.is_out_of_range(head, 0) || is_made;
        assert!(
            is_cut,
            "stopped, but all below {head} is as it was: {home:?}"
        );
    } else if home.epoch() == 0 {
        assert_lost(home, &records, newest);
    }
}

/// What retention took unread is `lost`, offsets without a record included.
fn assert_lost(home: &Partition, records: &[&Written], told: &Told) {
    let is_of = |record: &Written| (told.start..told.head).contains(&record.offset);
    let missed = records.iter().filter(|record| {
        record.gone == Some(Gone::Retention) && is_of(record) && told.counted(record) == 0
    });
    let counted_below = records
        .iter()
        .filter(|record| record.offset < home.low && told.counted(record) > 0);
    let below = (home.low.min(told.head) - told.start).max(0).unsigned_abs();
    let (least, most) = (missed.count() as u64, below - counted_below.count() as u64);
    let lost = told.lost;
    assert!(
        (least..=most).contains(&lost),
        "{lost} lost, not {least} to {most}"
    );
}
