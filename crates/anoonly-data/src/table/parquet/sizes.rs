//! Comparison of the sizes that a Parquet file states with the bytes that it has.
//!
//! The readers take memory for as many elements as a file claims. A damaged claim can exceed all memory, which ends the program.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

use polars_parquet::parquet::page::ParquetPageHeader;
use polars_parquet::read::ColumnChunkMetadata;
use polars_parquet_format::thrift::protocol::{TCompactInputProtocol, TInputProtocol, TType};
use polars_parquet_format::thrift::{Error, ProtocolError, ProtocolErrorKind, Result as ThriftResult};

/// A page whose size after decompression exceeds this number of bytes must be covered by the size of its column chunk.
const LARGE_PAGE: i64 = 64 << 20;

/// The bytes at the end of a file: the length of the metadata and the format's name.
const TAIL: (u64, &[u8]) = (8, b"PAR1");

/// The deepest nesting of structures and lists in the metadata.
const DEEPEST: usize = 32;

/// The metadata of a file and the bytes after it. Every list in the metadata is shorter than the metadata itself.
pub(super) fn checked_footer(file: &mut File) -> Result<Vec<u8>, String> {
    let outside = || "not a Parquet file, or damaged: it does not end with its metadata".to_owned();
    let length = file.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
    let tail = read_from(file, length.checked_sub(TAIL.0).ok_or_else(outside)?)?;
    let (size, name) = tail.split_at_checked(4).ok_or_else(outside)?;
    if name != TAIL.1 {
        return Err(outside());
    }
    let size = size.iter().rev().fold(0u64, |size, &byte| size << 8 | u64::from(byte));
    let footer = read_from(file, (length - TAIL.0).checked_sub(size).ok_or_else(outside)?)?;
    // An element of a list takes at least one byte, and the protocol counts eight bytes for each.
    let mut protocol = TCompactInputProtocol::new(footer.as_slice(), 8 * footer.len());
    walk(&mut protocol, TType::Struct, DEEPEST).map_err(|error| format!("its metadata is damaged: {error}"))?;
    Ok(footer)
}

/// The bytes of a file from `start` on.
fn read_from(file: &mut File, start: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
    file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Reads past a value. Unlike the protocol's own function for that, it takes texts that are not UTF-8, as statistics are.
fn walk(protocol: &mut impl TInputProtocol, kind: TType, depth: usize) -> ThriftResult<()> {
    let Some(depth) = depth.checked_sub(1) else {
        let message = "it is nested too deeply".to_owned();
        return Err(Error::Protocol(ProtocolError { kind: ProtocolErrorKind::DepthLimit, message }));
    };
    match kind {
        TType::String => protocol.read_bytes().map(drop),
        TType::Struct => {
            protocol.read_struct_begin()?;
            loop {
                let field = protocol.read_field_begin()?.field_type;
                if field == TType::Stop {
                    break;
                }
                walk(protocol, field, depth)?;
            }
            protocol.read_struct_end()
        }
        TType::List => {
            let list = protocol.read_list_begin()?;
            for _ in 0..list.size {
                walk(protocol, list.element_type, depth)?;
            }
            protocol.read_list_end()
        }
        other => protocol.skip(other),
    }
}

/// Compares the headers of a column chunk's pages with the rows and sizes of its row group, before memory is taken for them.
pub(super) fn check_pages(bytes: &[u8], chunk: &ColumnChunkMetadata, rows: usize) -> Result<(), String> {
    let rows = i64::try_from(rows).map_err(|_| "it has too many rows".to_owned())?;
    if chunk.num_values() != rows {
        return Err(format!("{} values in {rows} rows", chunk.num_values()));
    }
    let most = chunk.uncompressed_size().max(LARGE_PAGE);
    let mut rest = Cursor::new(bytes);
    let mut values = 0i64;
    while values < rows {
        let mut protocol = TCompactInputProtocol::new(&mut rest, bytes.len());
        let header = ParquetPageHeader::read_from_in_protocol(&mut protocol).map_err(|error| error.to_string())?;
        let here = match (&header.data_page_header, &header.data_page_header_v2) {
            (Some(page), _) => page.num_values,
            (None, Some(page)) => page.num_values,
            (None, None) => 0,
        };
        let entries = header.dictionary_page_header.as_ref().map_or(0, |page| page.num_values);
        let sizes = 0..=most;
        if here < 0
            || !(0..=header.uncompressed_page_size).contains(&entries)
            || !sizes.contains(&header.uncompressed_page_size.into())
            || header.compressed_page_size < 0
        {
            return Err("the header of a page is damaged".to_owned());
        }
        values += i64::from(here);
        rest.set_position(rest.position() + header.compressed_page_size as u64);
    }
    match values == rows {
        true => Ok(()),
        false => Err(format!("the pages of a column hold {values} values for {rows} rows")),
    }
}
