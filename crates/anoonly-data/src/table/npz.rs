//! NumPy's npz archives.

use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use ::zip::ZipArchive;
use ::zip::result::ZipError;
use npyz::{DType, NpyFile, NpyHeader, Order, TypeChar};
use polars_arrow::array::{BooleanArray, PrimitiveArray};

use super::batch;
use super::batch::{ArrayRef, Batch};
use super::options::{FileColumns, ReadOptions};
use crate::DataError;

/// The longest header of an array in bytes, and its deepest nesting. The header of a matrix has about a hundred bytes.
const LARGEST_HEADER: (usize, usize) = (1 << 16, 32);

/// Reads the matrix `X` and the vector `y`, if there is one, as columns `x0`, `x1`, … and `y`, each in its own element type. Returns
/// the names of all columns, too.
pub(super) fn read(
    path: &Path,
    archive: impl Read + Seek,
    options: &ReadOptions,
) -> Result<(Batch, Arc<[String]>), DataError> {
    let malformed = |reason: String| DataError::Malformed { path: path.into(), reason };
    let too_large = || DataError::TooLarge { path: path.into(), limit: options.memory_limit };
    let archive = ZipArchive::new(archive);
    let mut archive = archive.map_err(|error| malformed(format!("not an npz archive: {error}")))?;
    let mut array = |name: &str| match archive.by_name(&format!("{name}.npy")) {
        Ok(member) => match read_array(member, options.memory_limit) {
            Ok(array) => Ok(Some(array)),
            Err(ArrayFault::TooLarge) => Err(too_large()),
            Err(ArrayFault::Damaged(reason)) => Err(malformed(format!("array `{name}`: {reason}"))),
        },
        Err(ZipError::FileNotFound) => Ok(None),
        Err(error) => Err(malformed(format!("array `{name}`: {error}"))),
    };
    let (features, labels) = (array("X")?, array("y")?);
    let features = features.ok_or_else(|| {
        let names: Vec<_> = archive.file_names().flatten().map(|name| name.replace(".npy", "")).collect();
        malformed(format!("it has no array `X` (arrays: {})", names.join(", ")))
    })?;
    let &[rows, width] = features.shape.as_slice() else {
        return Err(malformed(format!(
            "array `X` has {} dimensions, but needs rows and columns",
            features.shape.len()
        )));
    };
    match (rows, width) {
        (0, _) => return Err(DataError::NoRows { path: path.into() }),
        (_, 0) => return Err(malformed("array `X` has no columns".into())),
        _ => {}
    }
    match labels.as_ref().map(|labels| labels.shape.as_slice()) {
        None => {}
        Some(&[n] | &[n, 1]) if n == rows => {}
        Some(shape) => return Err(malformed(format!("array `X` has {rows} rows, but array `y` has shape {shape:?}"))),
    }
    // Names and arrays of very many columns take more memory than their values.
    if (width as u64).saturating_mul(COLUMN_BYTES) > options.memory_limit {
        return Err(DataError::TooLarge { path: path.into(), limit: options.memory_limit });
    }
    let names = (0..width).map(|column| format!("x{column}")).chain(labels.as_ref().map(|_| "y".to_owned())).collect();
    let columns = FileColumns::choose(path, names, &options.columns)?;
    let array = |place: usize| match &labels {
        Some(labels) if place == width => labels.elements.column(0, 1, rows),
        _ => {
            let (start, stride) = if features.fortran { (place * rows, 1) } else { (place, width) };
            features.elements.column(start, stride, rows)
        }
    };
    let arrays = columns.places().iter().map(|&place| array(place));
    let wanted: Vec<(String, ArrayRef)> = columns.wanted().map(str::to_owned).zip(arrays).collect();
    Ok((batch(path, rows, wanted)?, columns.names().clone()))
}

/// The bytes that a column takes besides its values.
const COLUMN_BYTES: u64 = 256;

/// Why an array cannot be read.
enum ArrayFault {
    Damaged(String),
    TooLarge,
}

impl From<std::io::Error> for ArrayFault {
    fn from(error: std::io::Error) -> Self {
        ArrayFault::Damaged(error.to_string())
    }
}

struct Array {
    shape: Vec<usize>,
    fortran: bool,
    elements: Elements,
}

/// The elements of an array in file order, in their own type; half floats are widened.
enum Elements {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Reads the header of an array, after a look at its size and nesting: the parser calls itself for each bracket.
fn read_header(member: &mut impl Read) -> Result<NpyHeader, ArrayFault> {
    let damaged = |reason: String| ArrayFault::Damaged(format!("not in NumPy's format: {reason}"));
    let failed = |error: std::io::Error| damaged(error.to_string());
    let mut bytes = vec![0; 10];
    member.read_exact(&mut bytes).map_err(failed)?;
    // The length has two bytes in version 1, and four in later ones.
    if bytes[6] > 1 {
        bytes.resize(12, 0);
        member.read_exact(&mut bytes[10..]).map_err(failed)?;
    }
    let start = bytes.len();
    let length = bytes[8..].iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    if length > LARGEST_HEADER.0 {
        return Err(damaged(format!("its header has {length} bytes")));
    }
    bytes.resize(start + length, 0);
    member.read_exact(&mut bytes[start..]).map_err(failed)?;
    let nesting = bytes[start..].iter().filter(|byte| b"([{".contains(byte)).count();
    match nesting > LARGEST_HEADER.1 {
        true => Err(damaged("its header is nested too deeply".to_owned())),
        false => NpyHeader::from_reader(bytes.as_slice()).map_err(failed),
    }
}

/// Reads an array. Of a member of the archive, no more is read than the shape of the array needs.
fn read_array(mut member: impl Read, memory_limit: u64) -> Result<Array, ArrayFault> {
    let damaged = |reason: &str| ArrayFault::Damaged(reason.to_owned());
    let header = read_header(&mut member)?;
    let DType::Plain(kind) = header.dtype() else {
        return Err(damaged("has named fields instead of numbers"));
    };
    let size = kind.num_bytes().unwrap_or(usize::MAX) as u64;
    let bytes = match header.shape().contains(&0) {
        true => Some(0),
        false => header.shape().iter().try_fold(size, |bytes, &length| bytes.checked_mul(length)),
    };
    let bytes = bytes.filter(|&bytes| bytes <= memory_limit).ok_or(ArrayFault::TooLarge)?;
    let shape: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
    let fortran = header.order() == Order::Fortran;
    let array = NpyFile::with_header(header, BufReader::new(member.by_ref().take(bytes)));
    macro_rules! elements {
        ($variant:ident) => {
            Elements::$variant(array.into_vec()?)
        };
    }
    let elements = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, _) => elements!(Bool),
        (TypeChar::Int, 1) => elements!(I8),
        (TypeChar::Int, 2) => elements!(I16),
        (TypeChar::Int, 4) => elements!(I32),
        (TypeChar::Int, 8) => elements!(I64),
        (TypeChar::Uint, 1) => elements!(U8),
        (TypeChar::Uint, 2) => elements!(U16),
        (TypeChar::Uint, 4) => elements!(U32),
        (TypeChar::Uint, 8) => elements!(U64),
        (TypeChar::Float, 2) => {
            let halves: Vec<npyz::half::f16> = array.into_vec()?;
            Elements::F32(halves.into_iter().map(npyz::half::f16::to_f32).collect())
        }
        (TypeChar::Float, 4) => elements!(F32),
        (TypeChar::Float, 8) => elements!(F64),
        _ => {
            return Err(ArrayFault::Damaged(format!("has element type {kind}; a float or integer type is needed")));
        }
    };
    // The checksum is compared at the end of the member.
    match member.read(&mut [0])? {
        0 => Ok(Array { shape, fortran, elements }),
        _ => Err(damaged("has more bytes than its shape needs")),
    }
}

impl Elements {
    /// Every `stride`-th element from `start` on, `rows` of them, as a column.
    fn column(&self, start: usize, stride: usize, rows: usize) -> ArrayRef {
        fn pick<T: Copy>(values: &[T], start: usize, stride: usize, rows: usize) -> Vec<T> {
            values.iter().skip(start).step_by(stride.max(1)).take(rows).copied().collect()
        }
        macro_rules! columns {
            ($($variant:ident)*) => {
                match self {
                    Elements::Bool(values) => {
                        BooleanArray::from_slice(pick(values, start, stride, rows)).boxed()
                    }
                    $(Elements::$variant(values) => {
                        PrimitiveArray::from_vec(pick(values, start, stride, rows)).boxed()
                    })*
                }
            };
        }
        columns!(I8 I16 I32 I64 U8 U16 U32 U64 F32 F64)
    }
}
