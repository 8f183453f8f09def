//! A snapshot with any edits: an error, or an engine that is the same again after its blocks, and
//! that goes on folding.
//!
//! Blocks are known by their hashes, so bytes alone would never get beyond the first one. The input
//! is edits of the blocks of a snapshot that a driftd wrote, each of which is then named anew, and
//! so are all that stand on it:
//!
//! ```text
//! edit    block (1 byte), place (2, little endian), how many bytes to take out (1),
//!         how many to put in (1), those bytes
//! ```

#![no_main]

use std::collections::HashMap;
use std::sync::LazyLock;

use driftd::delta::Delta;
use driftd::engine::{Engine, Input};
use driftd::fold;
use driftd::image::{Album, BlockId, HomeError, ImageError, Reader};
use driftd::journal::Chain;
use driftd::key::Shard;
use driftd::spill::Spill;
use driftd::statelog::record::Record;
use driftd::time::Timestamp;
use libfuzzer_sys::fuzz_target;

/// The form of a block that is whole.
const WHOLE: u8 = 0;

/// A block of the snapshot: its name, and its bytes unpacked.
type Block = (BlockId, Vec<u8>);

/// As `tests/data/state` keeps them: times and records, the root, the blocks.
type Kept = (Vec<(i64, Vec<u8>)>, BlockId, Vec<Block>);

static KEPT: LazyLock<Kept> = LazyLock::new(|| {
    let kept = include_bytes!("../../tests/data/state/1.zst");
    let kept = zstd::stream::decode_all(&kept[..]).unwrap();
    rmp_serde::from_slice(&kept).unwrap()
});

/// The last delta of the log.
static LAST: LazyLock<Delta> = LazyLock::new(|| {
    let records = KEPT.0.iter().rev();
    let mut records = records.map(|(_, bytes)| Record::from_bytes(bytes).unwrap());
    let delta = records.find_map(|record| match record {
        Record::Delta(delta) => Some(*delta),
        _ => None,
    });
    delta.expect("something was counted")
});

/// The blocks, each behind those that it names.
static BLOCKS: LazyLock<Vec<Block>> = LazyLock::new(|| {
    let unpack = |(id, packed): &Block| (*id, zstd::stream::decode_all(&packed[1..]).unwrap());
    let mut rest: Vec<Block> = KEPT.2.iter().map(unpack).collect();
    let mut sorted = Vec::new();
    while !rest.is_empty() {
        let names: Vec<Vec<u8>> = rest.iter().map(|(id, _)| form(*id)).collect();
        let stands_alone = |(_, body): &mut Block| names.iter().all(|name| !has(body, name));
        sorted.extend(rest.extract_if(.., stands_alone));
    }
    sorted
});

fuzz_target!(|data: &[u8]| {
    let (root, blocks) = edited(data);
    let Ok(engine) = read(root, &blocks) else {
        return;
    };
    let (root, blocks) = written(&engine);
    let again = read(root, &blocks).expect("what was written can be read");
    assert_eq!(written(&again).0, root, "an engine has one form");
    go_on(again);
});

/// The snapshot behind the edits, and its root, which is the last of the blocks.
fn edited(mut edits: &[u8]) -> (BlockId, HashMap<BlockId, Vec<u8>>) {
    let mut bodies: Vec<Vec<u8>> = BLOCKS.iter().map(|(_, body)| body.clone()).collect();
    while let [block, low, high, out, len, rest @ ..] = edits {
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        edits = rest;
        let block = usize::from(*block) % bodies.len();
        let body = &mut bodies[block];
        let place = usize::from(u16::from_le_bytes([*low, *high])).min(body.len());
        let end = body.len().min(place + usize::from(*out));
        body.splice(place..end, bytes.iter().copied());
    }
    let mut renamed: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut blocks = HashMap::new();
    let mut root = BlockId([0; 16]);
    for ((id, _), mut body) in BLOCKS.iter().zip(bodies) {
        for (old, new) in &renamed {
            rename(&mut body, old, new);
        }
        let mut packed = vec![WHOLE];
        packed.extend(zstd::bulk::compress(&body, 1).unwrap());
        root = BlockId::of(&packed);
        if root != *id {
            renamed.push((form(*id), form(root)));
        }
        blocks.insert(root, packed);
    }
    (root, blocks)
}

/// A name as it stands in other blocks.
fn form(id: BlockId) -> Vec<u8> {
    rmp_serde::to_vec_named(&id).unwrap()
}

fn has(body: &[u8], name: &[u8]) -> bool {
    body.windows(name.len()).any(|part| part == name)
}

fn rename(body: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    while let Some(place) = body.windows(old.len()).position(|part| part == old) {
        body.splice(place..place + old.len(), new.iter().copied());
    }
}

fn read(root: BlockId, blocks: &HashMap<BlockId, Vec<u8>>) -> Result<Engine, ImageError> {
    let get = |id| Ok(blocks.get(&id).cloned());
    Engine::read(
        root,
        &Reader(&get),
        (Shard::ALL, Chain::default()),
        &Spill::default(),
    )
}

fn written(engine: &Engine) -> (BlockId, HashMap<BlockId, Vec<u8>>) {
    let mut blocks = HashMap::new();
    let mut put = |id, bytes: &[u8]| -> Result<(), HomeError> {
        blocks.insert(id, bytes.to_vec());
        Ok(())
    };
    let album = Album::default();
    let mut writer = album.begin(&mut put);
    let root = engine.write(&mut writer).expect("what was read can be written");
    drop(writer);
    (root, blocks)
}

/// Folds the last delta of that driftd again, as that of another partition, and scores all windows.
fn go_on(mut engine: Engine) {
    let mut delta = LAST.clone();
    delta.chain.partition = 99;
    delta.to -= delta.from;
    delta.from = 0;
    let genesis = Record::Genesis {
        chain: delta.chain.clone(),
        start: 0,
    };
    let after = engine.fold().position;
    for (position, record) in (after..).zip([genesis, Record::Delta(Box::new(delta))]) {
        let input = fold::Input {
            position,
            append_time: Timestamp::from_millis(1_795_428_900_000),
            digest: [0; 32],
            record,
        };
        // an edit may have broken what an anchor or a position says
        drop(engine.handle(Input::Record(input), &mut Vec::new()));
    }
    drop(engine.handle(Input::Publish, &mut Vec::new()));
}
