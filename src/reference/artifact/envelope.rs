//! The Arrow file around a reference, and what must hold before its decoder may see foreign bytes.
//!
//! Arrow's decoder slices by the offsets and reserves by the lengths that a file states. So first
//! the footer and each message are verified as flatbuffers, and then:
//!
//! ```text
//! every block lies in the file; its message is a record batch of rows without nulls
//! 0 <= offset, 0 <= length, offset + length <= body    of each buffer, as many as there must be
//! unpacked length = a whole number of its elements     of each buffer
//! sum of the unpacked lengths of all buffers           <= 256 MiB
//! 0 <= length <= 2^26, null count = 0                  of each node
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::RecordBatchDecoder;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use arrow::ipc::{self, Block, CompressionType, MetadataVersion};

use super::{ARTIFACT_BYTES_MAX, ArtifactError};

/// The key of the header in the metadata of the schema.
pub(super) const HEADER_KEY: &str = "driftd.reference";

/// What an Arrow file begins and ends with.
const MAGIC: &[u8] = b"ARROW1";

/// What a message begins with, before its length.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The most rows of a batch and values of a list column.
const NODE_LENGTH_MAX: i64 = 1 << 26;

pub(super) fn write(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let mut writer = FileWriter::try_new_with_options(Vec::new(), schema, options)?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.into_inner()
}

/// A file whose footer was verified.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    file: &'a [u8],
    footer: ipc::Footer<'a>,
    header: &'a str,
}

fn damaged(what: &'static str) -> ArtifactError {
    ArtifactError::Envelope(what)
}

/// Finds and verifies the footer.
pub(super) fn open(file: &[u8]) -> Result<Envelope<'_>, ArtifactError> {
    let body = file.strip_suffix(MAGIC).filter(|_| file.starts_with(MAGIC));
    let body = body.ok_or(damaged("it does not begin and end like one"))?;
    let (body, length) = body.split_last_chunk().ok_or(damaged("it has no footer"))?;
    let start = usize::try_from(u32::from_le_bytes(*length))
        .ok()
        .and_then(|length| body.len().checked_sub(length));
    let footer = start
        .and_then(|start| body.get(start..))
        .ok_or(damaged("it has no footer"))?;
    let footer = ipc::root_as_footer(footer).map_err(|_reason| damaged("its footer is broken"))?;
    let schema = footer.schema().ok_or(damaged("it has no schema"))?;
    if footer.version() != MetadataVersion::V5 || schema.endianness() != ipc::Endianness::Little {
        return Err(damaged("it is of another version or byte order"));
    }
    let metadata = schema.custom_metadata().into_iter().flatten();
    let mut headers = metadata.filter(|pair| pair.key() == Some(HEADER_KEY));
    let header = headers
        .next()
        .and_then(|pair| pair.value())
        .ok_or(ArtifactError::NoHeader)?;
    Ok(Envelope {
        file,
        footer,
        header,
    })
}

impl<'a> Envelope<'a> {
    /// The text of the header.
    pub(super) fn header(&self) -> &'a str {
        self.header
    }

    /// All batches, as columns of `schema`.
    pub(super) fn batches(&self, schema: &SchemaRef) -> Result<Vec<RecordBatch>, ArtifactError> {
        let mut room = ARTIFACT_BYTES_MAX;
        let copy = Buffer::from(self.file);
        let blocks = self.footer.recordBatches().into_iter().flatten();
        blocks
            .map(|block| self.batch(block, &copy, schema, &mut room))
            .collect()
    }

    fn batch(
        &self,
        block: &Block,
        copy: &Buffer,
        schema: &SchemaRef,
        room: &mut u64,
    ) -> Result<RecordBatch, ArtifactError> {
        let place = self
            .block(block)
            .ok_or(damaged("a batch lies outside of it"))?;
        let Place { message, body, at } = place;
        let message = ipc::root_as_message(message).map_err(|_reason| damaged("broken message"))?;
        let version = message.version();
        let batch = message
            .header_as_record_batch()
            .ok_or(damaged("it has no batches"))?;
        if version != MetadataVersion::V5 || batch.variadicBufferCounts().is_some() {
            return Err(damaged("a batch is of another version"));
        }
        check(&batch, body, &widths(schema), room)?;
        let body = copy.slice_with_length(at, body.len());
        let none = HashMap::new();
        RecordBatchDecoder::try_new(&body, batch, Arc::clone(schema), &none, &version)
            .and_then(RecordBatchDecoder::read_record_batch)
            .map_err(ArtifactError::Arrow)
    }

    fn block(&self, block: &Block) -> Option<Place<'a>> {
        let start = usize::try_from(block.offset()).ok()?;
        let metadata = usize::try_from(block.metaDataLength()).ok()?;
        let body = usize::try_from(block.bodyLength()).ok()?;
        let (message, rest) = self.file.get(start..)?.split_at_checked(metadata)?;
        let message = message
            .strip_prefix(&CONTINUATION)?
            .split_first_chunk::<4>()?
            .1;
        Some(Place {
            message,
            body: rest.get(..body)?,
            at: start + metadata,
        })
    }
}

/// A block of a file.
struct Place<'a> {
    message: &'a [u8],
    body: &'a [u8],
    /// Where the body begins in the file.
    at: usize,
}

/// Checks all lengths that the decoder trusts, and takes what they need from `room`.
fn check(
    batch: &ipc::RecordBatch<'_>,
    body: &[u8],
    widths: &[u64],
    room: &mut u64,
) -> Result<(), ArtifactError> {
    let packed = match batch.compression() {
        None => false,
        Some(packing) if packing.codec() == CompressionType::ZSTD => true,
        Some(_) => return Err(damaged("it is packed in another way")),
    };
    let in_bounds = |length: i64| (0..=NODE_LENGTH_MAX).contains(&length);
    let mut nodes = batch.nodes().into_iter().flatten();
    let nodes_fit = nodes.all(|node| in_bounds(node.length()) && node.null_count() == 0);
    if !in_bounds(batch.length()) || !nodes_fit {
        return Err(damaged("a column has too many values, or nulls"));
    }
    if batch.buffers().map_or(0, |buffers| buffers.len()) != widths.len() {
        return Err(damaged("a batch has too few or too many buffers"));
    }
    for (buffer, width) in batch.buffers().into_iter().flatten().zip(widths) {
        let size = unpacked(buffer, body, packed).ok_or(damaged("a buffer lies outside of it"))?;
        if !size.is_multiple_of(*width) {
            return Err(damaged("a buffer has a part of an element"));
        }
        *room = room
            .checked_sub(size)
            .ok_or(ArtifactError::TooLarge(ARTIFACT_BYTES_MAX + 1))?;
    }
    Ok(())
}

/// The bytes of an element of each buffer of `schema`, in the order of Arrow's format.
fn widths(schema: &SchemaRef) -> Vec<u64> {
    let mut widths = Vec::new();
    for field in schema.fields() {
        width(field.data_type(), &mut widths);
    }
    widths
}

fn width(of: &DataType, widths: &mut Vec<u64>) {
    const BITS: u64 = 1;
    const OFFSETS: u64 = 4;
    match of {
        DataType::List(item) => {
            widths.extend([BITS, OFFSETS]);
            width(item.data_type(), widths);
        }
        DataType::Binary => widths.extend([BITS, OFFSETS, 1]),
        of => widths.extend([BITS, of.primitive_width().map_or(1, |width| width as u64)]),
    }
}

/// The bytes that a buffer takes in memory; `None` where it does not lie in the body.
fn unpacked(buffer: &ipc::Buffer, body: &[u8], packed: bool) -> Option<u64> {
    let start = usize::try_from(buffer.offset()).ok()?;
    let length = usize::try_from(buffer.length()).ok()?;
    let bytes = body.get(start..)?.get(..length)?;
    if bytes.is_empty() || !packed {
        return u64::try_from(length).ok();
    }
    match i64::from_le_bytes(*bytes.first_chunk()?) {
        -1 => u64::try_from(length - 8).ok(),
        size => u64::try_from(size).ok(),
    }
}
