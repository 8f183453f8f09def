//! Arrow IPC tables: files, which can be read column by column, and streams.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};

use super::convert::Converter;
use super::{BATCH_ROWS, Each, FilesError, TableOptions, TableShape, columns, open, size};

/// What a file begins with, and a stream does not.
const MAGIC: &[u8; 6] = b"ARROW1";

fn unreadable(path: &Path, source: ArrowError) -> FilesError {
    FilesError::Arrow {
        path: path.to_owned(),
        source,
    }
}

/// The two ways to read.
enum Source {
    File(File),
    Stream(File),
}

fn source(path: &Path) -> Result<Source, FilesError> {
    let fail = |source| FilesError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = open(path)?;
    let mut start = Vec::new();
    (&mut file)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start)
        .map_err(fail)?;
    file.rewind().map_err(fail)?;
    Ok(if start == MAGIC {
        Source::File(file)
    } else {
        Source::Stream(file)
    })
}

fn names(schema: &Schema) -> Vec<String> {
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}

pub(super) fn shape(path: &Path, options: &TableOptions) -> Result<TableShape, FilesError> {
    let schema: Result<Arc<Schema>, ArrowError> = match source(path)? {
        Source::File(file) => {
            FileReader::try_new_buffered(file, None).map(|reader| reader.schema())
        }
        Source::Stream(file) => {
            StreamReader::try_new_buffered(file, None).map(|reader| reader.schema())
        }
    };
    let schema = schema.map_err(|error| unreadable(path, error))?;
    columns::shape(path, names(&schema), options)
}

pub(super) fn read(path: &Path, options: &TableOptions, each: Each<'_>) -> Result<(), FilesError> {
    let fail = |error| unreadable(path, error);
    let shape = shape(path, options)?;
    let mut converter = Converter::new(path, options, &shape);
    let projection = Some(converter.projection());
    let bytes = size(path)?;
    match source(path)? {
        Source::File(file) => {
            let reader = FileReader::try_new(BufReader::new(file), projection).map_err(fail)?;
            let share = bytes / (reader.num_batches() as u64).max(1);
            hand_on(
                path,
                &mut converter,
                reader.map(|batch| (batch, share)),
                each,
            )
        }
        Source::Stream(file) => {
            let mut reader =
                StreamReader::try_new(BufReader::new(file), projection).map_err(fail)?;
            let mut before = 0;
            let batches = std::iter::from_fn(|| {
                let batch = reader.next()?;
                let now = reader.get_mut().stream_position().unwrap_or(before);
                let share = now - before;
                before = now;
                Some((batch, share))
            });
            hand_on(path, &mut converter, batches, each)
        }
    }
}

fn hand_on(
    path: &Path,
    converter: &mut Converter<'_>,
    batches: impl Iterator<Item = (Result<RecordBatch, ArrowError>, u64)>,
    each: Each<'_>,
) -> Result<(), FilesError> {
    for (batch, bytes) in batches {
        let batch = batch.map_err(|error| unreadable(path, error))?;
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = BATCH_ROWS.min(batch.num_rows() - start);
            let share = bytes * rows as u64 / batch.num_rows() as u64;
            if each(&converter.batch(&batch.slice(start, rows), share)?).is_break() {
                return Ok(());
            }
            start += rows;
        }
    }
    Ok(())
}
