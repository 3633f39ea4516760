//! Files of Arrow's IPC format as batches of rows.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use polars_arrow::datatypes::Field;
use polars_arrow::io::ipc::read::{FileMetadata, FileReader, deserialize_footer};
use polars_arrow_format::ipc::planus::{Builder, ReadAsRoot};
use polars_arrow_format::ipc::{Block, FieldRef, Footer, FooterRef, MessageHeaderRef, MessageRef, RecordBatchRef};

use super::batch::Batch;
use super::columns::refuse_unsupported;
use super::malformed;
use super::options::{FileColumns, ReadOptions};
use crate::DataError;

/// The bytes at the end of a file: the length of the footer and the format's name.
const TAIL: (u64, &[u8]) = (10, b"ARROW1");

/// A buffer whose size after decompression exceeds this number of bytes must not have shrunk more than [`MOST_SHRUNK`]-fold.
const LARGE_BUFFER: i64 = 256 << 20;

const MOST_SHRUNK: i64 = 1000;

/// The deepest nesting of a column's type.
const DEEPEST: usize = 32;

/// Reads the wanted columns of a file, which hold one value a row. Returns the names of all columns, too.
pub(super) fn read(path: &Path, mut file: File, options: &ReadOptions) -> Result<(Batch, Arc<[String]>), DataError> {
    let failed = |reason: String| malformed(path, reason);
    let (footer, names) = footer(&mut file).and_then(|bytes| with_unique_names(&bytes)).map_err(failed)?;
    let columns = FileColumns::choose(path, names, &options.columns)?;
    let length = file.metadata().map_err(|source| DataError::Io { path: path.into(), source })?.len();
    let mut metadata = deserialize_footer(&footer, length).map_err(|error| failed(error.to_string()))?;
    // An extension type is a name for what is stored.
    let stored = |field: &Field| field.with_dtype(field.dtype().to_storage().clone());
    metadata.schema = Arc::new(metadata.schema.iter_values().map(stored).collect());
    let fields: Vec<Field> = columns
        .places()
        .iter()
        .filter_map(|&place| metadata.schema.get_at_index(place))
        .map(|(_, field)| field.clone())
        .collect();
    if fields.len() != columns.places().len() {
        return Err(failed("its columns have no names".to_owned()));
    }
    refuse_unsupported(path, columns.wanted().zip(fields.iter().map(Field::dtype)))?;
    let too_large = || DataError::TooLarge { path: path.into(), limit: options.memory_limit };
    let mut rows = 0usize;
    for (block, has_rows) in blocks_of(&metadata) {
        let extent = check_block(&mut file, block, length).map_err(failed)?;
        if extent.bytes > options.memory_limit {
            return Err(too_large());
        }
        rows = rows.saturating_add(if has_rows { extent.rows } else { 0 });
    }
    // The reader fails when it is asked for no columns.
    if fields.is_empty() {
        return Ok((Batch::new(rows, Vec::new()).map_err(failed)?, columns.names().clone()));
    }
    let named = |arrays: Vec<_>| columns.wanted().map(str::to_owned).zip(arrays).collect::<Vec<_>>();
    let mut batches = Vec::new();
    let mut memory = 0;
    let places = columns.places().to_vec();
    for batch in FileReader::new(BufReader::new(file), metadata, Some(places), None) {
        let batch = batch.map_err(|error| failed(error.to_string()))?;
        let batch = Batch::new(batch.len(), named(batch.into_arrays())).map_err(failed)?;
        memory += batch.memory();
        if memory > options.memory_limit {
            return Err(too_large());
        }
        batches.push(batch);
    }
    let whole = match Batch::concat(batches).map_err(failed)? {
        Some(whole) => whole,
        None => {
            let empty = |field: &Field| polars_arrow::array::new_empty_array(field.dtype().clone());
            Batch::new(0, named(fields.iter().map(empty).collect())).map_err(failed)?
        }
    };
    Ok((whole, columns.names().clone()))
}

/// The bytes of the footer.
fn footer(file: &mut File) -> Result<Vec<u8>, String> {
    let length = file.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
    let outside = || "not an Arrow file, or damaged: it does not end with a footer".to_owned();
    let tail = read_at(file, length.checked_sub(TAIL.0).ok_or_else(outside)?, TAIL.0)?;
    let (size, name) = tail.split_at(4);
    if name != TAIL.1 {
        return Err(outside());
    }
    let size = size.iter().rev().fold(0u64, |size, &byte| size << 8 | u64::from(byte));
    read_at(file, (length - TAIL.0).checked_sub(size).ok_or_else(outside)?, size)
}

/// Bytes of a file that has them.
fn read_at(file: &mut File, start: u64, size: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(size as usize);
    file.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
    file.take(size).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The footer with numbers instead of the columns' names, and the names: the reader knows columns by their names, and two may have
/// the same.
fn with_unique_names(footer: &[u8]) -> Result<(Vec<u8>, Vec<String>), String> {
    let damaged = |error: polars_arrow_format::ipc::planus::Error| error.to_string();
    let read = FooterRef::read_as_root(footer).map_err(damaged)?;
    let schema = read.schema().map_err(damaged)?;
    let fields = schema.and_then(|schema| schema.fields().transpose()).transpose().map_err(damaged)?;
    let mut budget = footer.len();
    for field in fields.into_iter().flatten() {
        check_nesting(field.map_err(damaged)?, DEEPEST, &mut budget)?;
    }
    let mut footer = Footer::try_from(read).map_err(damaged)?;
    let fields = footer.schema.as_mut().and_then(|schema| schema.fields.as_mut());
    let rename = |(place, field): (usize, &mut polars_arrow_format::ipc::Field)| {
        field.name.replace(place.to_string()).unwrap_or_default()
    };
    let names = fields.into_iter().flatten().enumerate().map(rename).collect();
    Ok((Builder::new().finish(&footer, None).to_vec(), names))
}

/// Refuses a type that is nested deeply, or whose parts are used again and again: to read it would take for ever.
fn check_nesting(field: FieldRef<'_>, deepest: usize, budget: &mut usize) -> Result<(), String> {
    let damaged = || "the types of its columns are damaged".to_owned();
    let deepest = deepest.checked_sub(1).ok_or_else(damaged)?;
    *budget = budget.checked_sub(1).ok_or_else(damaged)?;
    for child in field.children().map_err(|error| error.to_string())?.into_iter().flatten() {
        check_nesting(child.map_err(|error| error.to_string())?, deepest, budget)?;
    }
    Ok(())
}

/// The blocks of a file, and whether each holds rows or else a dictionary.
fn blocks_of(metadata: &FileMetadata) -> impl Iterator<Item = (&Block, bool)> {
    let dictionaries = metadata.dictionaries.iter().flatten().map(|block| (block, false));
    dictionaries.chain(metadata.blocks.iter().map(|block| (block, true)))
}

/// What a block of a file holds, by its own account.
struct BlockExtent {
    rows: usize,
    /// The bytes of its buffers after decompression.
    bytes: u64,
}

/// Compares the sizes of a block's buffers with the file, before memory is taken for them.
fn check_block(file: &mut File, block: &Block, length: u64) -> Result<BlockExtent, String> {
    let damaged = || "a block of rows exceeds the file".to_owned();
    let size = |size: i64| u64::try_from(size).map_err(|_| damaged());
    let (start, header, body) = (size(block.offset)?, size(block.meta_data_length.into())?, size(block.body_length)?);
    let body_start = start.checked_add(header).ok_or_else(damaged)?;
    if body_start.checked_add(body).is_none_or(|end| end > length) {
        return Err(damaged());
    }
    let bytes = read_at(file, start, header)?;
    // Before the message is its length, and in all but old files a marker before that.
    let message = match bytes.starts_with(&[0xff; 4]) {
        true => bytes.get(8..),
        false => bytes.get(4..),
    };
    let message = MessageRef::read_as_root(message.ok_or_else(damaged)?).map_err(|error| error.to_string())?;
    let batch = match message.header().map_err(|error| error.to_string())? {
        Some(MessageHeaderRef::RecordBatch(batch)) => Some(batch),
        Some(MessageHeaderRef::DictionaryBatch(batch)) => batch.data().map_err(|error| error.to_string())?,
        _ => None,
    };
    match batch {
        Some(batch) => {
            let rows = batch.length().map_err(|error| error.to_string())?;
            let rows = usize::try_from(rows).map_err(|_| damaged())?;
            Ok(BlockExtent { rows, bytes: check_buffers(file, &batch, body_start, body)? })
        }
        None => Err(damaged()),
    }
}

/// The bytes of a block's buffers after decompression.
fn check_buffers(file: &mut File, batch: &RecordBatchRef<'_>, start: u64, body: u64) -> Result<u64, String> {
    let damaged = || "a column exceeds its block of rows".to_owned();
    let compressed = batch.compression().map_err(|error| error.to_string())?.is_some();
    let buffers = batch.buffers().map_err(|error| error.to_string())?;
    let mut total = 0u64;
    for buffer in buffers.into_iter().flatten() {
        let offset = u64::try_from(buffer.offset()).map_err(|_| damaged())?;
        let size = u64::try_from(buffer.length()).map_err(|_| damaged())?;
        if offset.checked_add(size).is_none_or(|end| end > body) {
            return Err(damaged());
        }
        if compressed && size >= 8 {
            let bytes = read_at(file, start + offset, 8)?;
            let claimed = bytes.try_into().map(i64::from_le_bytes).map_err(|_| damaged())?;
            if claimed > LARGE_BUFFER && claimed / MOST_SHRUNK > buffer.length() {
                return Err("a compressed column is larger than its bytes can hold".to_owned());
            }
            total = total.saturating_add(u64::try_from(claimed).unwrap_or(size));
        } else {
            total = total.saturating_add(size);
        }
    }
    Ok(total)
}
