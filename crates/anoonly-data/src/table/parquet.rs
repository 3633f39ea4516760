//! Parquet files as batches of rows.

mod sizes;

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use polars_arrow::array::Utf8ViewArray;
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_buffer::Buffer;
use polars_parquet::parquet::compression::Compression;
use polars_parquet::parquet::read::deserialize_metadata;
use polars_parquet::read::schema::{
    parquet_to_arrow_schema, read_custom_key_value_metadata, read_schema_from_metadata,
};
use polars_parquet::read::{
    BasicDecompressor, FileMetadata, Filter, PageReader, ParquetType, PrimitiveConvertedType, PrimitiveLogicalType,
    RowGroupMetadata, column_iter_to_arrays,
};

use super::batch::{ArrayRef, Batch, downcast, joined, with_categories};
use super::blocks::BlockSize;
use super::columns::refuse_unsupported;
use super::malformed;
use super::options::{FileColumns, ReadOptions};
use crate::DataError;

/// The number of cells that are decoded at once. Decoding a block alone would decompress the pages that blocks share once for each
/// of them.
const SPAN_CELLS: usize = 1 << 24;

/// The least number of rows that are decoded at once.
const SPAN_LEAST: usize = 1 << 10;

/// The rows of a Parquet file, in batches of at most a given number of rows. In memory are the bytes of one row group as they are in
/// the file, and the decoded rows of a part of it.
pub(super) struct ParquetRows {
    path: PathBuf,
    file: File,
    metadata: FileMetadata,
    file_columns: FileColumns,
    columns: Vec<ParquetColumn>,
    memory_limit: u64,
    /// The number of rows of a batch.
    batch: usize,
    /// The number of rows that are decoded at once.
    span: usize,
    /// The number of the row group that is read next.
    next: usize,
    group: Option<OpenGroup>,
}

/// A column that is read.
struct ParquetColumn {
    /// The place of its chunk in a row group.
    chunk: usize,
    /// Its name, and the type in which it is decoded.
    field: Field,
    /// Whether its texts are categories.
    categories: bool,
}

/// The row group that is being read.
struct OpenGroup {
    /// Its number.
    number: usize,
    /// The bytes of its column chunks.
    chunks: Vec<Buffer<u8>>,
    /// The number of rows that have been decoded.
    decoded: usize,
    /// Decoded rows, and how many of them have been returned.
    ready: Batch,
    returned: usize,
}

impl ParquetRows {
    /// Opens a file. The columns that are read hold one value a row.
    pub(super) fn open(path: &Path, mut file: File, options: &ReadOptions, size: BlockSize) -> Result<Self, DataError> {
        let footer = sizes::checked_footer(&mut file).map_err(|reason| malformed(path, reason))?;
        let metadata = deserialize_metadata(footer.into()).map_err(|error| malformed(path, error))?;
        let rows = metadata.row_groups.iter().try_fold(0usize, |rows, group| rows.checked_add(group.num_rows()));
        if rows != Some(metadata.num_rows) {
            return Err(malformed(
                path,
                "its metadata is damaged: the row groups do not have as many rows as the file",
            ));
        }
        let names = metadata.schema().fields().iter().map(|field| field.name().to_owned()).collect();
        let file_columns = FileColumns::choose(path, names, &options.columns)?;
        let columns = columns(path, &metadata, file_columns.places())?;
        refuse_unsupported(path, columns.iter().map(|column| (column.field.name.as_str(), column.field.dtype())))?;
        let columns: Vec<_> = columns.into_iter().map(ParquetColumn::decoded_as_text).collect();
        refuse_compression(path, &metadata, &columns)?;
        let (batch, span) = (size.rows(columns.len()), (SPAN_CELLS / columns.len().max(1)).max(SPAN_LEAST));
        let (path, memory_limit) = (path.into(), options.memory_limit);
        Ok(Self { path, file, metadata, file_columns, columns, memory_limit, batch, span, next: 0, group: None })
    }

    /// The columns of the file.
    pub(super) fn columns(&self) -> &FileColumns {
        &self.file_columns
    }

    /// Sets the numbers of rows of a batch, and of rows that are decoded at once.
    #[cfg(test)]
    pub(super) fn set_rows(&mut self, batch: usize, span: usize) {
        (self.batch, self.span) = (batch, span);
    }

    /// The next batch; one without rows at the end.
    pub(super) fn next_rows(&mut self) -> Result<Batch, DataError> {
        let mut parts = Vec::new();
        let (mut missing, mut memory) = (self.batch, 0);
        while missing > 0 && self.more()? {
            let Some(group) = &mut self.group else { break };
            let rows = missing.min(group.ready.rows() - group.returned);
            let part = group.ready.slice(group.returned, rows);
            memory += part.memory();
            if memory > self.memory_limit {
                return Err(DataError::TooLarge { path: self.path.clone(), limit: self.memory_limit });
            }
            parts.push(part);
            group.returned += rows;
            missing -= rows;
        }
        match Batch::concat(parts).map_err(|reason| malformed(&self.path, reason))? {
            Some(batch) => Ok(batch),
            None => self.empty(),
        }
    }

    /// Makes decoded rows available. Returns whether there are any.
    fn more(&mut self) -> Result<bool, DataError> {
        loop {
            let rows = |number: usize| self.metadata.row_groups[number].num_rows();
            match &mut self.group {
                Some(group) if group.returned < group.ready.rows() => return Ok(true),
                Some(group) if group.decoded < rows(group.number) => {
                    let until = rows(group.number).min(group.decoded + self.span);
                    let metadata = &self.metadata.row_groups[group.number];
                    group.ready = decode(&self.path, &self.columns, metadata, group, until)?;
                    group.returned = 0;
                    group.decoded = until;
                }
                _ if self.next < self.metadata.row_groups.len() => {
                    // The bytes of the previous row group are dropped before those of the next are read.
                    self.group = None;
                    self.group = Some(self.open_group(self.next)?);
                    self.next += 1;
                }
                _ => return Ok(false),
            }
        }
    }

    /// Reads the bytes of a row group.
    fn open_group(&mut self, number: usize) -> Result<OpenGroup, DataError> {
        let path = self.path.clone();
        let damaged = |reason: &str| malformed(&path, format!("row group {}: {reason}", number + 1));
        let failed = |source| DataError::Io { path: path.clone(), source };
        let metadata = &self.metadata.row_groups[number];
        let length = self.file.metadata().map_err(failed)?.len();
        // No two chunks share bytes, so together they are not longer than the file.
        let mut left = length;
        let mut chunks = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let chunk = metadata.parquet_columns().get(column.chunk);
            let chunk = chunk.ok_or_else(|| damaged("it does not have the columns of the file"))?;
            let range = chunk.byte_range();
            let size = range.end - range.start;
            left = match left.checked_sub(size) {
                Some(left) if range.end <= length => left,
                _ => return Err(damaged("its columns exceed the file")),
            };
            let mut bytes = Vec::with_capacity(size as usize);
            self.file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
            Read::by_ref(&mut self.file).take(size).read_to_end(&mut bytes).map_err(failed)?;
            let name = chunk.descriptor().path_in_schema.join(".");
            sizes::check_pages(&bytes, chunk, metadata.num_rows())
                .map_err(|reason| damaged(&format!("column `{name}`: {reason}; write the file again")))?;
            chunks.push(bytes.into());
        }
        Ok(OpenGroup { number, chunks, decoded: 0, ready: self.empty()?, returned: 0 })
    }

    /// A batch without rows.
    fn empty(&self) -> Result<Batch, DataError> {
        let columns = self.columns.iter().map(|column| {
            let array = polars_arrow::array::new_empty_array(column.field.dtype().clone());
            (column.field.name.to_string(), column.finished(array))
        });
        Batch::new(0, columns.collect()).map_err(|reason| malformed(&self.path, reason))
    }
}

impl ParquetColumn {
    /// Categories are decoded as texts: the reader's own decoder of dictionaries takes only pages that are all dictionary-encoded.
    fn decoded_as_text(self) -> Self {
        match self.field.dtype() {
            ArrowDataType::Dictionary(..) => {
                Self { field: self.field.with_dtype(ArrowDataType::Utf8View), categories: true, ..self }
            }
            _ => self,
        }
    }

    /// A decoded array as the column's values.
    fn finished(&self, array: ArrayRef) -> ArrayRef {
        match self.categories {
            true => with_categories(downcast::<Utf8ViewArray>(array.as_ref()).iter()),
            false => array,
        }
    }
}

/// Some columns of a file, by their places, with the types of the Arrow schema that its writer may have stored.
fn columns(path: &Path, metadata: &FileMetadata, places: &[usize]) -> Result<Vec<ParquetColumn>, DataError> {
    let types = metadata.schema().fields();
    let first_chunk = |next: &mut usize, found: &ParquetType| {
        *next += leaves(found);
        Some(*next - leaves(found))
    };
    let chunks: Vec<usize> = types.iter().scan(0, first_chunk).collect();
    let stored = read_schema_from_metadata(&mut read_custom_key_value_metadata(metadata.key_value_metadata()))
        .map_err(|error| malformed(path, error))?;
    let schema = stored.unwrap_or_else(|| {
        let wanted: Vec<ParquetType> = places.iter().map(|&place| types[place].clone()).collect();
        parquet_to_arrow_schema(&wanted)
    });
    let column = |&place: &usize| {
        let found = &types[place];
        let field = schema.get(found.name());
        let field =
            field.ok_or_else(|| malformed(path, format!("its two schemas differ in column `{}`", found.name())))?;
        let mut dtype = match found {
            // The pages of a group are not those of a flat column.
            ParquetType::GroupType { .. } if !field.dtype().is_nested() => {
                let name = found.name();
                return Err(malformed(path, format!("its two schemas differ in the type of column `{name}`")));
            }
            ParquetType::PrimitiveType(primitive)
                if matches!(primitive.logical_type, Some(PrimitiveLogicalType::Json))
                    || matches!(primitive.converted_type, Some(PrimitiveConvertedType::Json)) =>
            {
                ArrowDataType::Utf8View
            }
            _ => field.dtype().to_storage().clone(),
        };
        if let ArrowDataType::Timestamp(_, Some(zone)) = &mut dtype
            && zone == "+00:00"
        {
            *zone = "UTC".into();
        }
        let field = Field::new(found.name().into(), dtype, field.is_nullable);
        Ok(ParquetColumn { chunk: chunks[place], field, categories: false })
    };
    places.iter().map(column).collect()
}

/// The number of chunks that a column has in a row group.
fn leaves(column: &ParquetType) -> usize {
    match column {
        ParquetType::PrimitiveType(_) => 1,
        ParquetType::GroupType { fields, .. } => fields.iter().map(leaves).sum(),
    }
}

/// Decodes rows of a row group, from the first that is not decoded up to row `until`.
fn decode(
    path: &Path,
    columns: &[ParquetColumn],
    metadata: &RowGroupMetadata,
    group: &OpenGroup,
    until: usize,
) -> Result<Batch, DataError> {
    let rows = until - group.decoded;
    let decoded = columns.iter().zip(&group.chunks).map(|(column, bytes)| {
        let chunk = &metadata.parquet_columns()[column.chunk];
        let name = column.field.name.as_str();
        let damaged = |reason: String| malformed(path, format!("column `{name}`: {reason}"));
        let pages = PageReader::new(Cursor::new(bytes.clone()), chunk, Vec::new(), bytes.len());
        let pages = BasicDecompressor::new(pages, Vec::new());
        let kind = &chunk.descriptor().descriptor.primitive_type;
        let filter = Some(Filter::new_ranged(group.decoded, until));
        let (parts, _) = column_iter_to_arrays(vec![pages], vec![kind], column.field.clone(), filter)
            .map_err(|error| damaged(error.to_string()))?;
        let array = joined(&parts).map_err(damaged)?;
        Ok((name.to_owned(), column.finished(array)))
    });
    Batch::new(rows, decoded.collect::<Result<_, DataError>>()?).map_err(|reason| malformed(path, reason))
}

/// Refuses columns that are compressed by a method that this build has no code for.
fn refuse_compression(path: &Path, metadata: &FileMetadata, columns: &[ParquetColumn]) -> Result<(), DataError> {
    let chunk =
        |group| columns.iter().filter_map(move |column| RowGroupMetadata::parquet_columns(group).get(column.chunk));
    let chunks = metadata.row_groups.iter().flat_map(chunk);
    for chunk in chunks {
        let compression = match chunk.compression() {
            Compression::Brotli => "Brotli",
            Compression::Lzo => "LZO",
            _ => continue,
        };
        return Err(DataError::UnsupportedCompression { path: path.into(), compression });
    }
    Ok(())
}
