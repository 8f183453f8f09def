//! The engine as blocks of bytes, and back.

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::alert::desk::{Blocks, Desk};
use crate::engine::scribe::Scribe;
use crate::fold::Fold;
use crate::image::{BlockId, ImageError, Reader, Writer};
use crate::journal::Chain;
use crate::key::Shard;
use crate::spill::Spill;

#[derive(Serialize)]
struct EngineText<'a> {
    fold: BlockId,
    desk: &'a Desk,
    watches: Blocks,
    scribe: &'a Scribe,
}

#[derive(Deserialize)]
struct Kept {
    fold: BlockId,
    desk: Desk,
    #[serde(default)]
    watches: Blocks,
    scribe: Scribe,
}

impl Engine {
    /// The block that names all blocks of the engine.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<BlockId, ImageError> {
        writer.block(|writer| {
            Ok(EngineText {
                fold: self.fold.write(writer)?,
                desk: &self.desk,
                watches: self.desk.write(writer)?,
                scribe: &self.scribe,
            })
        })
    }

    /// The engine that a block names, as it was but for [`super::Input::End`], which it has not
    /// heard of. Where it was of another shard it is of `shard` from here on, and its journal
    /// another one, that goes on after `journal`. Packed counts are put in `spill`.
    pub fn read(
        id: BlockId,
        reader: &Reader<'_>,
        (shard, journal): (Shard, Chain),
        spill: &Spill,
    ) -> Result<Self, ImageError> {
        let kept: Kept = reader.read(id)?;
        let (fold, was_here) = Fold::read(kept.fold, reader, shard, spill)?;
        let mut engine = Self::of(fold);
        engine.desk = kept.desk;
        engine.desk.read(kept.watches, reader)?;
        engine.scribe = kept.scribe;
        if !was_here {
            engine.desk.keep(shard);
            engine.scribe.keep(shard, journal);
        }
        engine.desk.resume(&engine.fold);
        engine.scribe.resume(&engine.fold);
        Ok(engine)
    }

    /// How far the journal goes that follows from what was folded.
    pub fn journal(&self) -> Chain {
        self.scribe.chain()
    }
}

#[cfg(test)]
mod tests;
