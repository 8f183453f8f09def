//! Images: what is known at a place of the state log, as blocks of bytes.
//!
//! A block is known by the hash of its bytes, and names the blocks that it stands on by theirs, so
//! the root names all of it:
//!
//! ```text
//! root --> model version --> panes of a day, hours of a day, a reference
//!      \-> model version --> ..
//! ```
//!
//! What stands behind an [`Arc`] and is the same `Arc` as in the image before has the same block,
//! and is not written again: an image costs what changed. The [`Album`] remembers that without
//! keeping anything alive.
//!
//! ```text
//! block   0 zstd(MessagePack with the names of fields), at most BLOCK_BYTES_MAX before zstd
//!         1 the names of blocks, each 2 and a part of a block that is too long for one record
//! ```

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Weak};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The largest block in bytes, unpacked; larger ones are neither written nor read.
pub const BLOCK_BYTES_MAX: usize = 256 << 20;

/// The longest run of bytes that is put as one; a longer block is cut into parts.
pub const PART_BYTES_MAX: usize = 8 << 20;

/// The first byte of a block that is whole, of one that names its parts, and of a part.
const WHOLE: u8 = 0;
const PARTS: u8 = 1;
const PART: u8 = 2;

/// How hard blocks are packed: speed before size.
const ZSTD_LEVEL: i32 = 1;

/// The name of a block: half of the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockId(pub [u8; 16]);

impl BlockId {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(Sha256::digest(bytes)) {
            *to = from;
        }
        Self(id)
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockId({self})")
    }
}

/// What a home of blocks says when it fails.
pub type HomeError = Box<dyn Error + Send + Sync>;

/// Why an image cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A value without a form in bytes: a fault of driftd.
    #[error("a block cannot be written; this is a fault of driftd")]
    Encode(#[from] rmp_serde::encode::Error),
    /// A block larger than [`BLOCK_BYTES_MAX`].
    #[error("a block has more than {BLOCK_BYTES_MAX} bytes")]
    TooLarge,
    /// A block that is not there.
    #[error("block {0} is missing")]
    Missing(BlockId),
    /// A block whose bytes are not those that it is named by.
    #[error("block {0} is damaged")]
    Damaged(BlockId),
    /// A block that says something that this driftd does not understand.
    #[error("block {id} cannot be read: a newer driftd wrote it, then use that one")]
    Decode {
        /// Which one.
        id: BlockId,
        /// What the parser says.
        source: rmp_serde::decode::Error,
    },
    /// A block with a value that cannot be.
    #[error("a block has an impossible {0}")]
    Value(&'static str),
    /// Where blocks are put or come from.
    #[error("the blocks cannot be reached")]
    Home(#[source] HomeError),
}

/// What is remembered of the image before, so that the next one writes only what changed.
#[derive(Debug, Default)]
pub struct Album {
    /// Blocks that the home has.
    kept: BTreeSet<BlockId>,
    /// By the address of what they are of.
    shared: BTreeMap<usize, Shared>,
    /// What each block stands on.
    parts: BTreeMap<BlockId, Vec<BlockId>>,
}

#[derive(Clone)]
struct Shared {
    held: Weak<dyn Any + Send + Sync>,
    id: BlockId,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.id).finish()
    }
}

/// Where the bytes of new blocks go.
pub type Put<'a> = dyn FnMut(BlockId, &[u8]) -> Result<(), HomeError> + 'a;

impl Album {
    /// An album of a home that has these blocks already.
    pub fn of_home(kept: BTreeSet<BlockId>) -> Self {
        Self {
            kept,
            ..Self::default()
        }
    }

    /// Begins an image; blocks that the image before had are not put again.
    pub fn begin<'a>(&'a self, put: &'a mut Put<'a>) -> Writer<'a> {
        Writer {
            album: self,
            put,
            next: Self::default(),
            open: Vec::new(),
        }
    }

    /// The blocks of the last image.
    pub fn blocks(&self) -> &BTreeSet<BlockId> {
        &self.kept
    }
}

/// One image being written.
pub struct Writer<'a> {
    album: &'a Album,
    put: &'a mut Put<'a>,
    next: Album,
    /// The parts so far of the blocks that are being written, the innermost last.
    open: Vec<Vec<BlockId>>,
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Writer<'_> {
    /// The block of what is shared: that of the image before where it is the same, else the one
    /// that `write` makes.
    pub fn shared<T, V>(
        &mut self,
        what: &Arc<T>,
        write: impl FnOnce(&mut Self, &T) -> Result<V, ImageError>,
    ) -> Result<BlockId, ImageError>
    where
        T: Any + Send + Sync,
        V: Serialize,
    {
        let address = Arc::as_ptr(what) as usize;
        let known = [&self.next, self.album].into_iter().find_map(|album| {
            // the memory of what is weakly held is not given to anything else
            let known = album.shared.get(&address)?;
            (known.held.strong_count() > 0).then_some(known.id)
        });
        let id = if let Some(id) = known {
            self.keep(id);
            id
        } else {
            self.block(|writer| write(writer, what))?
        };
        self.remember(address, what, id);
        Ok(id)
    }

    /// The block of what `write` makes.
    pub fn block<V: Serialize>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<V, ImageError>,
    ) -> Result<BlockId, ImageError> {
        self.open.push(Vec::new());
        let value = write(self);
        let parts = self.open.pop().unwrap_or_default();
        let bytes = rmp_serde::to_vec_named(&value?)?;
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(ImageError::TooLarge);
        }
        let packed = zstd::bulk::compress(&bytes, ZSTD_LEVEL)
            .map_err(|error| ImageError::Home(error.into()))?;
        if packed.len() <= PART_BYTES_MAX {
            return self.put(WHOLE, &packed, parts);
        }
        let (mut names, mut stands_on) = (Vec::new(), parts);
        for part in packed.chunks(PART_BYTES_MAX) {
            let id = self.put(PART, part, Vec::new())?;
            names.extend(id.0);
            stands_on.push(id);
        }
        self.put(PARTS, &names, stands_on)
    }

    fn put(&mut self, form: u8, bytes: &[u8], parts: Vec<BlockId>) -> Result<BlockId, ImageError> {
        let bytes = [&[form], bytes].concat();
        let id = BlockId::of(&bytes);
        if !self.album.kept.contains(&id) && !self.next.kept.contains(&id) {
            (self.put)(id, &bytes).map_err(ImageError::Home)?;
        }
        self.next.parts.insert(id, parts);
        self.keep(id);
        Ok(id)
    }

    /// Ends the image: what the next one is to be held against.
    pub fn end(mut self) -> Album {
        // what lies within blocks that are the same was not looked at
        for (address, shared) in &self.album.shared {
            if shared.held.strong_count() > 0 && self.next.kept.contains(&shared.id) {
                let shared = || shared.clone();
                self.next.shared.entry(*address).or_insert_with(shared);
            }
        }
        self.next
    }

    fn remember<T: Any + Send + Sync>(&mut self, address: usize, what: &Arc<T>, id: BlockId) {
        let held: Arc<dyn Any + Send + Sync> = Arc::<T>::clone(what);
        let held = Arc::downgrade(&held);
        self.next.shared.insert(address, Shared { held, id });
    }

    /// A block of this image, with all that it stands on.
    fn keep(&mut self, id: BlockId) {
        if let Some(parts) = self.open.last_mut() {
            parts.push(id);
        }
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            if !self.next.kept.insert(id) {
                continue;
            }
            if let Some(parts) = self.album.parts.get(&id) {
                self.next.parts.entry(id).or_insert_with(|| parts.clone());
            }
            left.extend(self.next.parts.get(&id).into_iter().flatten());
        }
    }
}

/// Where blocks come from.
pub type Get<'a> = dyn Fn(BlockId) -> Result<Option<Vec<u8>>, HomeError> + 'a;

/// One image being read.
pub struct Reader<'a>(pub &'a Get<'a>);

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").finish_non_exhaustive()
    }
}

impl Reader<'_> {
    /// What a block says.
    pub fn read<T: DeserializeOwned>(&self, id: BlockId) -> Result<T, ImageError> {
        let packed = match self.get(id)? {
            (WHOLE, packed) => packed,
            (PARTS, names) => {
                let (names, rest) = names.as_chunks();
                let mut packed = Vec::new();
                for name in names {
                    match self.get(BlockId(*name))? {
                        (PART, part) if packed.len() < BLOCK_BYTES_MAX => packed.extend(part),
                        _ => return Err(ImageError::Damaged(id)),
                    }
                }
                if !rest.is_empty() {
                    return Err(ImageError::Damaged(id));
                }
                packed
            }
            _ => return Err(ImageError::Damaged(id)),
        };
        let room = zstd::bulk::Decompressor::upper_bound(&packed).unwrap_or(BLOCK_BYTES_MAX);
        let bytes = zstd::bulk::decompress(&packed, room.min(BLOCK_BYTES_MAX))
            .map_err(|_not_zstd| ImageError::Damaged(id))?;
        rmp_serde::from_slice(&bytes).map_err(|source| ImageError::Decode { id, source })
    }

    /// The form of a block and its bytes behind that.
    fn get(&self, id: BlockId) -> Result<(u8, Vec<u8>), ImageError> {
        let bytes = (self.0)(id).map_err(ImageError::Home)?;
        let mut bytes = bytes.ok_or(ImageError::Missing(id))?;
        if bytes.is_empty() || BlockId::of(&bytes) != id {
            return Err(ImageError::Damaged(id));
        }
        let form = bytes.remove(0);
        Ok((form, bytes))
    }
}

/// Bytes as one run, not one by one.
pub(crate) mod run {
    use std::fmt;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &(impl AsRef<[u8]> + ?Sized),
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes.as_ref())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, B: From<Vec<u8>>>(
        deserializer: D,
    ) -> Result<B, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Vec<u8>, A::Error> {
                let mut all = Vec::new();
                while let Some(byte) = bytes.next_element()? {
                    all.push(byte);
                }
                Ok(all)
            }
        }

        deserializer.deserialize_byte_buf(Bytes).map(B::from)
    }
}

#[cfg(test)]
mod tests;
