//! One Arrow IPC stream in memory: a schema message, record batches, the end mark.
//!
//! Arrow's own reader trusts the places and sizes that a message declares, so all of them are
//! checked here before it sees the message:
//!
//! ```text
//! FF FF FF FF  metadata length  metadata (flatbuffer)  body: buffers, each  length  zstd frame
//! 0 <= offset, offset + length <= body        sum of declared lengths <= DECODED_BYTES_MAX
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, UInt8Array, UInt64Array};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::RecordBatchDecoder;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, Message, MetadataVersion, root_as_message};
use arrow::record_batch::RecordBatch;

use super::rows::Columns;
use super::{DECODED_BYTES_MAX, DecodeError};

/// Where the header stands in the schema's metadata. It is the only entry: the order of several
/// would not be the same each time.
const HEADER_KEY: &str = "driftd.delta";

/// Buffers are aligned to this; more would only add padding.
const ALIGNMENT_BYTES: usize = 8;

/// The mark before each message, and with a length of zero the end.
const CONTINUATION: [u8; 4] = [0xFF; 4];

/// The buffers of the columns: validity and values, of the text also offsets.
const BUFFERS: usize = 9;

fn schema(metadata: HashMap<String, String>) -> Schema {
    let fields = vec![
        Field::new("what", DataType::UInt8, false),
        Field::new("key", DataType::UInt64, false),
        Field::new("count", DataType::UInt64, false),
        Field::new("text", DataType::Utf8, false),
    ];
    Schema::new_with_metadata(fields, metadata)
}

/// The stream of a header and the rows, a batch for each part that has any.
pub(super) fn write(header: &str, parts: Vec<Columns>) -> Result<Vec<u8>, ArrowError> {
    let metadata = HashMap::from([(HEADER_KEY.to_owned(), header.to_owned())]);
    let schema = Arc::new(schema(metadata));
    let options = IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5)?
        .try_with_compression(Some(CompressionType::ZSTD))?;
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options)?;
    for columns in parts {
        if !columns.what.is_empty() {
            writer.write(&batch(Arc::clone(&schema), columns)?)?;
        }
    }
    writer.finish()?;
    writer.into_inner()
}

fn batch(schema: SchemaRef, columns: Columns) -> Result<RecordBatch, ArrowError> {
    let mut lengths = Vec::with_capacity(columns.ends.len());
    let mut before = 0;
    for end in columns.ends {
        lengths.push(end - before);
        before = end;
    }
    let texts = Buffer::from_vec(columns.texts.into_bytes());
    let text = StringArray::try_new(OffsetBuffer::from_lengths(lengths), texts, None)?;
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(UInt8Array::new(ScalarBuffer::from(columns.what), None)),
        Arc::new(UInt64Array::new(ScalarBuffer::from(columns.key), None)),
        Arc::new(UInt64Array::new(ScalarBuffer::from(columns.count), None)),
        Arc::new(text),
    ];
    RecordBatch::try_new(schema, arrays)
}

/// The header and the rows of a stream.
pub(super) fn read(bytes: &[u8]) -> Result<(String, Option<RecordBatch>), DecodeError> {
    let whole = Buffer::from(bytes);
    let mut rest = whole.as_slice();
    let first = next(&mut rest)?.ok_or(DecodeError::Stream("it ends before its schema"))?;
    let header = read_schema(first.message)?;
    let schema = Arc::new(schema(HashMap::new()));
    let mut budget = 0;
    let mut batches = Vec::new();
    while let Some(found) = next(&mut rest)? {
        let at = whole.len() - rest.len() - found.body.len();
        check_batch(&found, &mut budget)?;
        let body = whole.slice_with_length(at, found.body.len());
        batches.push(read_batch(&found, &body, &schema)?);
    }
    if !rest.is_empty() {
        return Err(DecodeError::Stream("bytes follow its end"));
    }
    let batch = match batches.len() {
        0 | 1 => batches.pop(),
        _ => Some(concat_batches(&schema, &batches)?),
    };
    Ok((header, batch))
}

/// A message and its body.
#[derive(Debug)]
struct Found<'a> {
    message: Message<'a>,
    body: &'a [u8],
}

/// Takes the next message from the bytes; `None` at the end mark.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Found<'a>>, DecodeError> {
    let mark = take(rest, CONTINUATION.len())?;
    let length = take(rest, size_of::<u32>())?;
    if mark != CONTINUATION {
        return Err(DecodeError::Stream("a message has no mark"));
    }
    let length = length.try_into().map_or(0, u32::from_le_bytes);
    if length == 0 {
        return Ok(None);
    }
    let metadata = take(rest, usize::try_from(length).unwrap_or(usize::MAX))?;
    let message = root_as_message(metadata)
        .map_err(|_unverified| DecodeError::Stream("a message is no flatbuffer"))?;
    let body = take(
        rest,
        usize::try_from(message.bodyLength()).unwrap_or(usize::MAX),
    )?;
    Ok(Some(Found { message, body }))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], DecodeError> {
    let (taken, left) = rest
        .split_at_checked(length)
        .ok_or(DecodeError::Stream("it ends too early"))?;
    *rest = left;
    Ok(taken)
}

fn read_schema(message: Message<'_>) -> Result<String, DecodeError> {
    let found = message
        .header_as_schema()
        .ok_or(DecodeError::Stream("it does not begin with a schema"))?;
    let found = try_fb_to_schema(found)?;
    if found.fields() != schema(HashMap::new()).fields() {
        return Err(DecodeError::Stream("other columns"));
    }
    let header = found.metadata().get(HEADER_KEY);
    header
        .cloned()
        .ok_or(DecodeError::Stream("it has no header"))
}

/// Checks what a batch declares; `budget` is what was declared so far.
fn check_batch(found: &Found<'_>, budget: &mut usize) -> Result<(), DecodeError> {
    let odd = DecodeError::Stream;
    let batch = found
        .message
        .header_as_record_batch()
        .ok_or(odd("a message is no batch"))?;
    let codec = batch.compression().map(|compression| compression.codec());
    if found.message.version() != MetadataVersion::V5 || codec != Some(CompressionType::ZSTD) {
        return Err(odd("a batch is not compressed with zstd"));
    }
    let rows = batch.length();
    let nodes = batch.nodes().ok_or(odd("a batch has no nodes"))?;
    if rows < 0
        || nodes
            .iter()
            .any(|node| node.length() != rows || node.null_count() != 0)
    {
        return Err(odd("columns of a batch differ in length"));
    }
    let buffers = batch.buffers().ok_or(odd("a batch has no buffers"))?;
    if buffers.len() != BUFFERS || nodes.len() != schema(HashMap::new()).fields().len() {
        return Err(odd("a batch has other columns"));
    }
    for buffer in buffers {
        let place = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok());
        let bytes = place
            .and_then(|(offset, length)| found.body.get(offset..)?.get(..length))
            .ok_or(odd("a buffer lies outside of its batch"))?;
        *budget = budget.saturating_add(declared(bytes)?);
    }
    // each row takes room in a buffer, so the bound of the one is a bound of the other
    let least = usize::try_from(rows).unwrap_or(usize::MAX);
    if *budget > DECODED_BYTES_MAX || least > DECODED_BYTES_MAX {
        return Err(DecodeError::TooLarge {
            bytes: (*budget).max(least),
            max: DECODED_BYTES_MAX,
        });
    }
    Ok(())
}

/// The bytes that a buffer says it has when decompressed: the first 8 bytes, or -1 for as it is.
fn declared(bytes: &[u8]) -> Result<usize, DecodeError> {
    if bytes.is_empty() {
        return Ok(0);
    }
    let (length, rest) = bytes
        .split_first_chunk()
        .ok_or(DecodeError::Stream("a buffer has no length"))?;
    match i64::from_le_bytes(*length) {
        -1 => Ok(rest.len()),
        length => usize::try_from(length)
            .map_err(|_negative| DecodeError::Stream("a buffer has a negative length")),
    }
}

fn read_batch(
    found: &Found<'_>,
    body: &Buffer,
    schema: &SchemaRef,
) -> Result<RecordBatch, DecodeError> {
    let batch = found
        .message
        .header_as_record_batch()
        .ok_or(DecodeError::Stream("a message is no batch"))?;
    let dictionaries = HashMap::new();
    let version = found.message.version();
    let decoder =
        RecordBatchDecoder::try_new(body, batch, Arc::clone(schema), &dictionaries, &version)?;
    Ok(decoder.read_record_batch()?)
}
