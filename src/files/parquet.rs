//! Parquet tables.
//!
//! Only the columns asked for are read. Texts are read as dictionaries, since Parquet stores them
//! so where few are distinct: each distinct text of a batch is then looked at once.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::convert::{Converter, is_text};
use super::{BATCH_ROWS, Each, FilesError, TableOptions, TableShape, columns, open, size};

pub(super) fn shape(path: &Path, options: &TableOptions) -> Result<TableShape, FilesError> {
    let file = open(path)?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
        .map_err(|error| unreadable(path, error))?;
    columns::shape(path, names(metadata.schema()), options)
}

fn names(schema: &Schema) -> Vec<String> {
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}

fn unreadable(path: &Path, source: ParquetError) -> FilesError {
    FilesError::Parquet {
        path: path.to_owned(),
        source,
    }
}

pub(super) fn read(path: &Path, options: &TableOptions, each: Each<'_>) -> Result<(), FilesError> {
    let fail = |error| unreadable(path, error);
    let file = open(path)?;
    let plain = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(fail)?;
    let coded = ArrowReaderOptions::new().with_schema(Arc::new(coded(plain.schema())));
    let metadata =
        ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), coded).map_err(fail)?;
    let shape = columns::shape(path, names(plain.schema()), options)?;
    let mut converter = Converter::new(path, options, &shape);

    let all_rows = plain.metadata().file_metadata().num_rows();
    let all_rows = u64::try_from(all_rows).unwrap_or(0).max(1);
    let bytes = size(path)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let mask = ProjectionMask::roots(builder.parquet_schema(), converter.projection());
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(fail)?;
    for batch in reader {
        let batch = batch.map_err(|source| FilesError::Arrow {
            path: path.to_owned(),
            source,
        })?;
        let share = u128::from(bytes) * batch.num_rows() as u128 / u128::from(all_rows);
        let batch = converter.batch(&batch, u64::try_from(share).unwrap_or(0))?;
        if each(&batch).is_break() {
            break;
        }
    }
    Ok(())
}

/// The schema with dictionaries in place of texts.
fn coded(schema: &Schema) -> Schema {
    let field = |field: &Arc<Field>| {
        if !is_text(field.data_type()) {
            return Arc::clone(field);
        }
        let coded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        Arc::new(field.as_ref().clone().with_data_type(coded))
    };
    let fields: Vec<_> = schema.fields().iter().map(field).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}
