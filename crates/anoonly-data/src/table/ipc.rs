//! Files of Arrow's IPC format as batches of rows.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use polars_arrow::datatypes::Field;
use polars_arrow::io::ipc::read::{FileReader, deserialize_footer};
use polars_arrow_format::ipc::planus::ReadAsRoot;
use polars_arrow_format::ipc::{Block, FooterRef, MessageHeaderRef, MessageRef, RecordBatchRef};

use super::batch::Batch;
use super::columns::refuse_unsupported;
use super::{malformed, refuse_duplicates};
use crate::DataError;

/// The bytes at the end of a file: the length of the footer and the format's name.
const TAIL: (u64, &[u8]) = (10, b"ARROW1");

/// A buffer whose size after decompression exceeds this number of bytes must not have shrunk more than [`MOST_SHRUNK`]-fold.
const LARGE_BUFFER: i64 = 256 << 20;

const MOST_SHRUNK: i64 = 1000;

/// Reads all of a file whose columns hold one value a row.
pub(super) fn read(path: &Path, mut file: File) -> Result<Batch, DataError> {
    let failed = |reason: String| malformed(path, reason);
    let footer = footer(&mut file).map_err(failed)?;
    let names = names(&footer).map_err(failed)?;
    refuse_duplicates(path, names.iter().map(String::as_str))?;
    let length = file.metadata().map_err(|source| DataError::Io { path: path.into(), source })?.len();
    let mut metadata = deserialize_footer(&footer, length).map_err(|error| failed(error.to_string()))?;
    // An extension type is a name for what is stored.
    let stored = |field: &Field| field.with_dtype(field.dtype().to_storage().clone());
    metadata.schema = Arc::new(metadata.schema.iter_values().map(stored).collect());
    refuse_unsupported(path, metadata.schema.iter_values().map(|field| (field.name.as_str(), field.dtype())))?;
    for block in metadata.dictionaries.iter().flatten().chain(&metadata.blocks) {
        check_block(&mut file, block, length).map_err(failed)?;
    }
    let named = |columns: Vec<_>| names.iter().cloned().zip(columns).collect::<Vec<_>>();
    let empty = metadata.schema.iter_values();
    let empty = empty.map(|field| polars_arrow::array::new_empty_array(field.dtype().clone())).collect();
    let mut batches = Vec::new();
    for batch in FileReader::new(BufReader::new(file), metadata, None, None) {
        let batch = batch.map_err(|error| failed(error.to_string()))?;
        batches.push(Batch::new(batch.len(), named(batch.into_arrays())).map_err(failed)?);
    }
    match Batch::concat(batches).map_err(failed)? {
        Some(whole) => Ok(whole),
        None => Batch::new(0, named(empty)).map_err(failed),
    }
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

/// The names of the columns. The reader's schema holds each name once.
fn names(footer: &[u8]) -> Result<Vec<String>, String> {
    let footer = FooterRef::read_as_root(footer).map_err(|error| error.to_string())?;
    let schema = footer.schema().map_err(|error| error.to_string())?;
    let fields =
        schema.and_then(|schema| schema.fields().transpose()).transpose().map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for field in fields.into_iter().flatten() {
        let name = field.and_then(|field| field.name()).map_err(|error| error.to_string())?;
        names.push(name.unwrap_or_default().to_owned());
    }
    Ok(names)
}

/// Compares the sizes of a block's buffers with the file, before memory is taken for them.
fn check_block(file: &mut File, block: &Block, length: u64) -> Result<(), String> {
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
        Some(batch) => check_buffers(file, &batch, body_start, body),
        None => Err(damaged()),
    }
}

fn check_buffers(file: &mut File, batch: &RecordBatchRef<'_>, start: u64, body: u64) -> Result<(), String> {
    let damaged = || "a column exceeds its block of rows".to_owned();
    let compressed = batch.compression().map_err(|error| error.to_string())?.is_some();
    let buffers = batch.buffers().map_err(|error| error.to_string())?;
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
        }
    }
    Ok(())
}
