//! What shards of the models come to, together, is what one engine of all of them comes to.

use std::collections::BTreeMap;

use super::*;
use crate::board::Board;

/// Enough that each of four shards has one.
const MODELS: [&str; 7] = ["m", "n", "o", "p", "q", "r", "s"];

/// The log of a life, lived by several models at once.
fn lived_by_many() -> Vec<(Timestamp, Record)> {
    let renamed = |key: &ModelKey, model| ModelKey {
        model: Name::new(model).unwrap(),
        ..key.clone()
    };
    let mut all = Vec::new();
    for (at, record) in life().log.records {
        match record {
            Record::Delta(mut delta) => {
                let models = delta.models.clone();
                delta.models = MODELS
                    .iter()
                    .flat_map(|model| {
                        models.iter().map(|of| crate::delta::ModelDelta {
                            key: renamed(&of.key, model),
                            ..of.clone()
                        })
                    })
                    .collect();
                all.push((at, Record::Delta(delta)));
            }
            Record::Activate {
                key,
                artifact,
                natural,
            } => all.extend(MODELS.iter().map(|model| {
                let activate = Record::Activate {
                    key: renamed(&key, model),
                    artifact: artifact.clone(),
                    natural: natural.clone(),
                };
                (at, activate)
            })),
            Record::Command(command) => match &command.kind {
                CommandKind::AcceptBaseline { key, from, to } => {
                    all.extend(MODELS.iter().map(|model| {
                        let kind = CommandKind::AcceptBaseline {
                            key: renamed(key, model),
                            from: *from,
                            to: *to,
                        };
                        let accept = Command {
                            kind,
                            ..command.clone()
                        };
                        (at, Record::Command(accept))
                    }));
                }
                _ => all.push((at, Record::Command(command))),
            },
            other => all.push((at, other)),
        }
    }
    all
}

/// An engine and the journal that it writes.
struct Written {
    engine: Engine,
    entries: Vec<String>,
}

impl Written {
    fn new(engine: Engine) -> Self {
        let entries = Vec::new();
        Self { engine, entries }
    }

    fn of(shard: Shard) -> Self {
        Self::new(Engine::of_shard(shard, config()))
    }

    fn feed(&mut self, position: u64, entry: (Timestamp, Record)) {
        let mut outputs = Vec::new();
        feed(&mut self.engine, position, entry, &mut outputs);
        self.entries.extend(outputs.iter().filter_map(|output| {
            let Output::Journal(entry) = output else {
                return None;
            };
            Some(format!("{:?}", entry.draft))
        }));
    }

    fn board(&mut self) -> Board {
        let mut outputs = Vec::new();
        self.engine.handle(Input::End, &mut outputs).unwrap();
        self.engine.handle(Input::Publish, &mut outputs).unwrap();
        let Some(Output::Board(board)) = outputs.pop() else {
            panic!("{outputs:?}");
        };
        (*board).clone()
    }
}

/// What a board says of the models of a shard.
fn of_shard(board: &Board, shard: Shard) -> String {
    let owns = |key: &ModelKey| shard.owns(&key.model);
    let models = board.models.iter().filter(|(key, _)| owns(key));
    let closed = board.closed.iter().filter(|(key, _)| owns(key));
    let judges = board.judges.iter().filter(|(key, _)| owns(key));
    let alerts = board.firing.iter().chain(&board.resolved);
    let alerts = alerts.filter(|alert| owns(&alert.key));
    let totals = board.alert_totals.iter();
    let totals = totals.filter(|((model, ..), _)| shard.owns(model));
    let mutes = (&board.mutes, board.watermark, &board.chains);
    format!(
        "{:?} {:?} {:?} {:?} {:?} {mutes:?}",
        models.collect::<Vec<_>>(),
        closed.collect::<Vec<_>>(),
        judges.collect::<Vec<_>>(),
        alerts.collect::<Vec<_>>(),
        totals.collect::<Vec<_>>(),
    )
}

fn shards(of: &str) -> Vec<Shard> {
    of.parse::<Shard>().unwrap().all().collect()
}

#[test]
fn shards_come_together_to_what_one_engine_of_all_models_comes_to() {
    let log = lived_by_many();
    let mut whole = Written::of(Shard::ALL);
    let mut parts: Vec<Written> = shards("1/3").into_iter().map(Written::of).collect();
    for (position, entry) in (0..).zip(log) {
        for engine in parts.iter_mut().chain([&mut whole]) {
            engine.feed(position, entry.clone());
        }
        let names = |engine: &Written| format!("{:?}", engine.engine.fold().layouts());
        for part in parts.iter().filter(|_| position % 7 == 0) {
            assert_same(&names(part), &names(&whole), position);
        }
    }
    let board = whole.board();
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    let mut models = 0;
    for part in &mut parts {
        let own = part.board();
        assert!(own.models.keys().all(|key| own.shard.owns(&key.model)));
        models += own.models.len();
        let position = own.position;
        assert_same(
            &of_shard(&own, own.shard),
            &of_shard(&board, own.shard),
            position,
        );
        for entry in &part.entries {
            *told.entry(entry.clone()).or_default() += 1;
        }
    }
    assert!(board.resolved.len() > MODELS.len());
    assert_eq!(models, board.models.len());
    whole.entries.sort();
    assert!(told.keys().eq(&whole.entries));
    // what is of no model is told by all
    for (entry, times) in told {
        let is_of_all = ["Configured", "Muted"];
        let is_of_all = is_of_all.iter().any(|kind| entry.contains(kind));
        assert_eq!(times, if is_of_all { 3 } else { 1 }, "{entry}");
    }
}

/// A shard that goes on where one that covers it was, goes on as if it had always been there.
#[test]
fn what_a_shard_has_counted_is_divided_without_loss() {
    let log = lived_by_many();
    let half = log.len() / 2;
    let home = Home::default();
    for (wide, narrow) in [(vec![Shard::ALL], "1/2"), (shards("1/2"), "1/4")] {
        let mut wide: Vec<Written> = wide.into_iter().map(Written::of).collect();
        let mut straight: Vec<Written> = shards(narrow).into_iter().map(Written::of).collect();
        let mut divided: Vec<Written> = Vec::new();
        for (position, entry) in (0..).zip(log.iter().cloned()) {
            if position == half as u64 {
                for part in &straight {
                    let shard = part.engine.fold().shard;
                    let covers = |wide: &&Written| wide.engine.fold().shard.covers(shard);
                    let wide = wide.iter().find(covers).unwrap();
                    let root = home.write(&mut Album::default(), &wide.engine);
                    let own = (shard, part.engine.journal());
                    let read = home.read_for(root, own);
                    assert_eq!(read.fold().uncounted(), 0);
                    divided.push(Written::new(read));
                }
            }
            let all = wide.iter_mut().chain(&mut straight).chain(&mut divided);
            for engine in all {
                engine.feed(position, entry.clone());
            }
        }
        for (part, straight) in divided.iter_mut().zip(&mut straight) {
            let (mine, theirs) = (part.board(), straight.board());
            let shard = theirs.shard;
            assert_same(
                &of_shard(&mine, shard),
                &of_shard(&theirs, shard),
                mine.position,
            );
            assert!(!mine.models.is_empty(), "{shard} has no model");
            assert_eq!(part.engine.journal(), straight.engine.journal());
        }
    }
}

/// A shard that goes on where another one was knows what layouts are called, and says what it has
/// not counted.
#[test]
fn what_another_shard_has_not_counted_begins_anew() {
    let log = lived_by_many();
    let home = Home::default();
    let [first, second] = shards("1/2")[..] else {
        panic!("two");
    };
    let (mut one, mut other) = (Written::of(first), Written::of(second));
    let mut late = None;
    for (position, entry) in (0..).zip(log.iter().cloned()) {
        if position == log.len() as u64 * 3 / 4 {
            let root = home.write(&mut Album::default(), &one.engine);
            let read = home.read_for(root, (second, Chain::default()));
            let counted = other.engine.fold().models.len();
            assert!(read.fold().models.is_empty() && counted > 0);
            assert_eq!(read.fold().uncounted(), counted);
            late = Some(Written::new(read));
        }
        for engine in [&mut one, &mut other].into_iter().chain(&mut late) {
            engine.feed(position, entry.clone());
        }
    }
    let late = late.unwrap();
    let (late, other) = (late.engine.fold(), other.engine.fold());
    let names = |fold: &Fold| {
        let of = fold.layouts().of.into_iter();
        let names = of.map(|(key, (id, layout))| (key, id, layout.digest()));
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(late), names(other));
    let rows = |fold: &Fold| fold.models.values().map(|model| model.rows).sum::<u64>();
    assert!(rows(late) > 0 && rows(late) < rows(other));
}
