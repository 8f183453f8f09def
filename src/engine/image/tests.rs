//! An engine that was read is the one that was written.

use std::cell::RefCell;
use std::collections::HashMap;

use super::*;
use crate::engine::life_tests::{CALM, Life, Weather, at, config, reference};
use crate::engine::{Input, Output};
use crate::fold;
use crate::image::{Album, HomeError};
use crate::key::{ModelKey, Name, Shard};
use crate::statelog::record::{Command, CommandKind, Configuration, Mute, Record};
use crate::time::{Length, Timestamp};

mod shards;

/// Blocks as a home keeps them.
#[derive(Default)]
struct Home {
    blocks: RefCell<HashMap<BlockId, Vec<u8>>>,
    puts: RefCell<usize>,
}

impl Home {
    fn write(&self, album: &mut Album, engine: &Engine) -> BlockId {
        let mut put = |id, bytes: &[u8]| -> Result<(), HomeError> {
            self.blocks.borrow_mut().insert(id, bytes.to_vec());
            *self.puts.borrow_mut() += 1;
            Ok(())
        };
        let mut writer = album.begin(&mut put);
        let root = engine.write(&mut writer).unwrap();
        *album = writer.end();
        root
    }

    fn read(&self, root: BlockId) -> Engine {
        self.read_for(root, (Shard::ALL, Chain::default()))
    }

    fn read_for(&self, root: BlockId, own: (Shard, Chain)) -> Engine {
        let get = |id| Ok(self.blocks.borrow().get(&id).cloned());
        let spill = Spill::to(&std::env::temp_dir()).unwrap();
        Engine::read(root, &Reader(&get), own, &spill).unwrap()
    }
}

/// Two versions with references, one that learns its own, drift, commands and configurations.
fn life() -> Life {
    let references = [
        reference("1", 24 * 15, 60, true),
        reference("2", 24 * 4, 60, false),
    ];
    let mut life = Life::of(config(), &references);
    let learning = Configuration {
        windows: vec![Length::MINUTE.times(30), Length::HOUR, Length::DAY],
        learn_rows: 200,
        ..config()
    };
    life.log
        .append(at(0), Record::Configure(Box::new(learning.clone())));
    let shifted = Weather {
        shift: 1.0,
        stranger: 0.2,
    };
    for day in 0..3 {
        let (first, last) = (day * 24, day * 24 + 24);
        life.hours("1", first..first + 12, CALM);
        life.hours("3", first..first + 3, CALM);
        life.hours("1", first + 12..last, shifted);
        life.hours("2", last - 2..last, shifted);
        command(&mut life, day, at(last));
    }
    let fewer = Configuration {
        windows: vec![Length::HOUR, Length::DAY],
        ..learning
    };
    life.log.append(at(72), Record::Configure(Box::new(fewer)));
    life.hours("1", 72..80, CALM);
    life
}

fn command(life: &mut Life, day: u32, now: Timestamp) {
    let firing = life.log.engine.board().firing;
    let alert = firing
        .first()
        .map_or_else(|| "none".to_owned(), |alert| alert.id.to_string());
    let mute = Mute {
        id: format!("m{day}"),
        model: "m".to_owned(),
        version: None,
        series: Some("amount".to_owned()),
        until: now + Length::HOUR.times(30),
    };
    let name = |text| Name::new(text).unwrap();
    let accept = CommandKind::AcceptBaseline {
        key: ModelKey::new(name("m"), name("1")),
        from: at(day * 24),
        to: now,
    };
    for kind in [
        CommandKind::Acknowledge { alert },
        CommandKind::Mute(mute),
        accept,
    ] {
        let command = Command {
            actor: "ann".to_owned(),
            reason: "known".to_owned(),
            at: now,
            kind,
        };
        life.log.append(now, Record::Command(command));
    }
}

fn feed(
    engine: &mut Engine,
    position: u64,
    (append_time, record): (Timestamp, Record),
    outputs: &mut Vec<Output>,
) {
    let input = fold::Input {
        position,
        append_time,
        digest: [0; 32],
        record,
    };
    engine.handle(Input::Record(input), outputs).unwrap();
}

fn board(engine: &mut Engine) -> String {
    let mut outputs = Vec::new();
    engine.handle(Input::End, &mut outputs).unwrap();
    engine.handle(Input::Publish, &mut outputs).unwrap();
    format!("{outputs:?}")
}

/// Both texts from a little before they part.
fn assert_same(mine: &str, theirs: &str, position: u64) {
    let parts = mine.bytes().zip(theirs.bytes()).position(|(a, b)| a != b);
    let same = parts.unwrap_or(mine.len().min(theirs.len()));
    let near = |text: &str| {
        text.chars()
            .skip(same.saturating_sub(200))
            .take(300)
            .collect()
    };
    let (mine, theirs): (String, String) = (near(mine), near(theirs));
    assert_eq!(mine, theirs, "at {position}");
}

fn said(outputs: &[Output]) -> String {
    format!("{outputs:?}")
}

/// Whoever goes on from an image knows, does and says what the others do.
#[test]
fn an_engine_that_was_read_goes_on_as_the_one_that_was_written() {
    let log = life().log.records;
    let (home, mut album) = (Home::default(), Album::default());
    let mut straight = Engine::new(config());
    let mut read: Option<Engine> = None;
    for (position, entry) in (0..).zip(log) {
        let (mut outputs, mut again) = (Vec::new(), Vec::new());
        feed(&mut straight, position, entry.clone(), &mut outputs);
        if let Some(engine) = &mut read {
            feed(engine, position, entry, &mut again);
            assert_same(&said(&again), &said(&outputs), position);
        }
        if position % 9 == 3 {
            let root = home.write(&mut album, &straight);
            let mut engine = home.read(root);
            let same = home.write(&mut Album::default(), &engine);
            assert_eq!(
                same, root,
                "what was read is written the same, at {position}"
            );
            assert_same(&board(&mut engine), &board(&mut straight.clone()), position);
            read = Some(home.read(root));
        }
    }
    let read = read.unwrap();
    assert_eq!(read.journal(), straight.journal());
    assert!(read.journal().seq > 10);
    assert!(read.fold().models.values().any(|model| model.learned));
}

/// What a quiet hour costs is not what a month has gathered.
#[test]
fn an_image_costs_what_changed() {
    let mut life = life();
    let (home, mut album) = (Home::default(), Album::default());
    home.write(&mut album, &life.log.engine);
    let whole = home.puts.take();
    home.write(&mut album, &life.log.engine);
    assert_eq!(home.puts.take(), 0);
    life.hours("1", 80..81, CALM);
    home.write(&mut album, &life.log.engine);
    let changed = home.puts.take();
    // the root, the fold, a model version, hours that are young and one that was packed, of each
    // window a chunk and what fell behind, and which ticks its version and another were judged at
    assert!(changed <= 11 && whole >= 30, "{changed} of {whole}");
}

/// The records of a log, with their times in milliseconds; the root of an image of what they come
/// to; and its blocks.
type Kept = (Vec<(i64, Vec<u8>)>, BlockId, Vec<(BlockId, Vec<u8>)>);

/// What the first version of each format wrote is read by all that come after it.
/// `DRIFTD_WRITE_STATE=1` writes it anew, for a format that has never left this house.
#[test]
fn what_an_older_driftd_wrote_is_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/state/1.zst");
    if std::env::var_os("DRIFTD_WRITE_STATE").is_some() {
        let life = life();
        let (home, mut album) = (Home::default(), Album::default());
        let root = home.write(&mut album, &life.log.engine);
        let records = life.log.records.iter();
        let records = records.map(|(at, record)| (at.as_millis(), record.to_bytes().unwrap()));
        let blocks = home.blocks.into_inner().into_iter();
        let mut kept: Kept = (records.collect(), root, blocks.collect());
        kept.2.sort_unstable();
        let bytes = rmp_serde::to_vec(&kept).unwrap();
        std::fs::write(path, zstd::bulk::compress(&bytes, 19).unwrap()).unwrap();
    }
    let bytes = zstd::stream::decode_all(&*std::fs::read(path).unwrap()).unwrap();
    let (records, root, blocks): Kept = rmp_serde::from_slice(&bytes).unwrap();
    let home = Home::default();
    home.blocks.borrow_mut().extend(blocks);
    let mut read = home.read(root);
    let mut folded = Engine::new(config());
    for (position, (at, record)) in (0..).zip(records) {
        let record = Record::from_bytes(&record).unwrap();
        let entry = (Timestamp::from_millis(at), record);
        feed(&mut folded, position, entry, &mut Vec::new());
    }
    assert_same(
        &board(&mut read),
        &board(&mut folded),
        folded.fold().position,
    );
    assert_eq!(read.journal(), folded.journal());
}
