//! What shards agree on whatever they count, and what they need of the log.

use super::learning::tests::{delta, steady};
use super::tests::{Log, MINUTE};
use super::*;
use crate::delta::LayoutId;
use crate::key::Name;
use crate::statelog::record::{Command, CommandKind};
use crate::testing::{genesis, named, without_layouts};

/// The fold of all models, and that of a shard that `m` is not in.
fn both() -> [Log; 2] {
    let first: Shard = "1/2".parse().unwrap();
    let home = first.home(&Name::new("m").unwrap());
    let other = first.all().find(|shard| *shard != home).unwrap();
    [Shard::ALL, other].map(|shard| {
        let mut log = Log::learning(300);
        log.fold = Fold::of_shard(shard, (*log.fold.config).clone());
        log.append(genesis(0));
        log
    })
}

fn names(log: &Log) -> Vec<(ModelKey, LayoutId, Digest)> {
    let of = log.fold.layouts().of.into_iter();
    of.map(|(key, (id, layout))| (key, id, layout.digest()))
        .collect()
}

fn later(log: &mut Log, days: i64) {
    log.now += days * 1_440 * MINUTE;
    let quiet = delta(without_layouts(), log.head(), &[]);
    log.append(Record::Delta(Box::new(quiet)));
}

fn accept(log: &mut Log, from: i64, to: i64) -> bool {
    log.effects.clear();
    let kind = CommandKind::AcceptBaseline {
        key: named("m", "1"),
        from: Timestamp::from_millis(from * MINUTE),
        to: Timestamp::from_millis(to * MINUTE),
    };
    log.append(Record::Command(Command {
        actor: "ann".to_owned(),
        reason: "quiet".to_owned(),
        at: Timestamp::EPOCH,
        kind,
    }));
    let is_active = |effect: &Effect| matches!(effect, Effect::Activated { .. });
    log.effects.iter().any(is_active)
}

/// Learned, forgotten, learned again, a baseline asked for in vain or not: a model version has the
/// same layout by the same name where it is counted and where it is not.
#[test]
fn shards_name_layouts_alike_whatever_they_count() {
    let [mut all, mut other] = both();
    let mut same = |step: &dyn Fn(&mut Log)| {
        step(&mut all);
        step(&mut other);
        assert_eq!(names(&all), names(&other));
        assert!(other.fold.models.is_empty());
        let growing = |log: &Log| log.fold.growth.keys().cloned().collect::<Vec<_>>();
        assert_eq!(growing(&all), growing(&other));
        (all.fold.models.len(), names(&all))
    };
    same(&|log| log.rows(&steady(0..299), &[100], false));
    let (_, learned) = same(&|log| log.rows(&steady(299..300), &[1], false));
    assert_eq!(learned[0].1, LayoutId(1));
    same(&|log| log.rows(&steady(300..600), &[100], true));
    let (known, forgotten) = same(&|log| later(log, 31));
    assert_eq!((known, forgotten.len()), (0, 0));
    let (_, again) = same(&|log| log.rows(&steady(700..1_000), &[100], false));
    assert_eq!(again[0].1, LayoutId(2));
    // not enough rows of that time: refused where it is counted, and kept all the same
    same(&|log| assert!(!accept(log, 700, 760)));
    let (known, kept) = same(&|log| later(log, 31));
    assert_eq!((known, &kept), (0, &again));
    same(&|log| log.rows(&steady(45_000..46_440), &[200], false));
    let accepted = [&mut all, &mut other].map(|log| accept(log, 45_000, 46_440));
    assert_eq!(accepted, [true, false]);
    assert_eq!(names(&all), names(&other));
    for log in [&mut all, &mut other] {
        later(log, 31);
    }
    assert_eq!(names(&all), again);
    assert_eq!(names(&all), names(&other));
}

/// Whoever has no room learns on, or it would name other layouts than those that have.
#[test]
fn what_has_no_room_learns() {
    let mut log = Log::learning(300);
    let config = |state_bytes_max| Configuration {
        state_bytes_max,
        ..(*Log::learning(300).fold.config).clone()
    };
    log.rows(&steady(0..10), &[10], false);
    let full = log.fold.models.values().next().unwrap().bytes().total();
    log.append(Record::Configure(Box::new(config(full))));
    let of_another = |log: &mut Log, minutes| {
        let mut delta = delta(without_layouts(), log.head(), &steady(minutes));
        for counts in &mut delta.models {
            counts.key = named("n", "1");
        }
        log.append(Record::Delta(Box::new(delta)));
    };
    of_another(&mut log, 0..200);
    of_another(&mut log, 200..300);
    let n = named("n", "1");
    assert!(!log.fold.models.contains_key(&n));
    assert!(log.fold.layouts().of.contains_key(&n));
    assert_eq!(log.fold.uncounted(), 1);
    assert_eq!(log.fold.topics["events"].rows_unadmitted, 300);
    assert_eq!(log.fold.limit_hits.state_bytes, 2);
    // and is counted as soon as there is room, in its layout
    log.append(Record::Configure(Box::new(config(1 << 30))));
    of_another(&mut log, 300..310);
    let model = &log.fold.models[&n];
    assert!(model.learned && model.rows == 10);
    assert_eq!(log.fold.uncounted(), 0);
}

#[test]
fn the_log_is_trimmed_to_what_every_shard_needs() {
    let [_, mut log] = both();
    let own = log.fold.shard;
    let other = own.all().find(|shard| *shard != own).unwrap();
    let third: Shard = "1/3".parse().unwrap();
    let say = |log: &mut Log, shard, from| log.append(Record::Need { shard, from });
    assert_eq!(log.fold.needed(700), Err(other));
    say(&mut log, own, 700);
    assert_eq!(log.fold.needed(700), Err(other));
    say(&mut log, other, 400);
    assert_eq!(log.fold.needed(700), Ok(400));
    say(&mut log, third, 300);
    assert_eq!(log.fold.needed(700), Ok(300));
    say(&mut log, other, 900);
    say(&mut log, third, 800);
    assert_eq!(log.fold.needed(700), Ok(700));
    // who is silent for a day is waited for, or no longer there
    later(&mut log, 2);
    assert_eq!(log.fold.needed(700), Err(other));
    say(&mut log, other, 900);
    say(&mut log, own, 750);
    assert_eq!(log.fold.needed(750), Ok(750));
    assert!(!log.fold.needs.contains_key(&third));
}
