//! Parquet files as record batches.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;

use super::columns::{refuse_unsupported, with_common_times};
use super::malformed;
use crate::DataError;

/// The rows of a Parquet file, in batches of at most a given number of rows.
pub(super) struct ParquetRows {
    reader: ParquetRecordBatchReader,
    /// A batch without rows, which stands for a file without rows.
    empty: RecordBatch,
}

impl ParquetRows {
    /// Opens a file whose columns hold one value a row. `rows` gives the rows of a batch from the number of columns and the
    /// number of rows in the file.
    pub(super) fn open(path: &Path, file: File, rows: impl Fn(usize, usize) -> usize) -> Result<Self, DataError> {
        let failed = |error: parquet::errors::ParquetError| malformed(path, error);
        let found = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(failed)?;
        refuse_unsupported(path, found.schema())?;
        refuse_compression(path, found.metadata())?;
        let options = ArrowReaderOptions::new().with_schema(Arc::new(with_text_views(found.schema())));
        let metadata = ArrowReaderMetadata::try_new(found.metadata().clone(), options).map_err(failed)?;
        let empty = RecordBatch::new_empty(metadata.schema().clone());
        let height = metadata.metadata().file_metadata().num_rows().try_into().unwrap_or(0);
        let batch = rows(empty.num_columns(), height).max(1);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).with_batch_size(batch);
        Ok(Self { reader: builder.build().map_err(failed)?, empty })
    }

    /// The next batch; one without rows at the end.
    pub(super) fn next_rows(&mut self) -> Result<RecordBatch, ArrowError> {
        self.reader.next().unwrap_or_else(|| Ok(self.empty.clone())).and_then(with_common_times)
    }
}

/// Text is read as views: they have no limit on the bytes of a column, and point into the pages that were read.
fn with_text_views(schema: &Schema) -> Schema {
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
        _ => field.as_ref().clone(),
    };
    Schema::new_with_metadata(schema.fields().iter().map(view).collect::<Vec<_>>(), schema.metadata().clone())
}

/// Refuses a file whose columns are compressed by a method that this build has no code for.
fn refuse_compression(path: &Path, metadata: &ParquetMetaData) -> Result<(), DataError> {
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    for chunk in chunks {
        let compression = match chunk.compression() {
            Compression::BROTLI(_) => "Brotli",
            Compression::LZO => "LZO",
            _ => continue,
        };
        return Err(DataError::UnsupportedCompression { path: path.into(), compression });
    }
    Ok(())
}
