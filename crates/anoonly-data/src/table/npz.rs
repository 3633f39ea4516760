//! NumPy's npz archives.

use std::io::{Read, Seek};
use std::path::Path;

use ::zip::ZipArchive;
use ::zip::result::ZipError;
use npyz::{DType, NpyFile, Order, TypeChar};
use polars_arrow::array::{BooleanArray, PrimitiveArray};

use super::batch;
use super::batch::{ArrayRef, Batch};
use crate::DataError;

/// Reads the matrix `X` and the vector `y` as columns `x0`, `x1`, … and `y`, each in its own element type.
pub(super) fn read(path: &Path, archive: impl Read + Seek) -> Result<Batch, DataError> {
    let malformed = |reason: String| DataError::Malformed { path: path.into(), reason };
    let archive = ZipArchive::new(archive);
    let mut archive = archive.map_err(|error| malformed(format!("not an npz archive: {error}")))?;
    let mut array = |name: &str| {
        let names: Vec<_> = archive.file_names().flatten().map(|name| name.replace(".npy", "")).collect();
        let names = names.join(", ");
        let mut bytes = Vec::new();
        match archive.by_name(&format!("{name}.npy")) {
            Ok(mut member) => {
                // The checksum is compared at the end of the member.
                let read = member.read_to_end(&mut bytes).map_err(|error| error.to_string());
                let array = read.and_then(|_| read_array(&bytes));
                array.map_err(|reason| malformed(format!("array `{name}`: {reason}")))
            }
            Err(ZipError::FileNotFound) => Err(malformed(format!("it has no array `{name}` (arrays: {names})"))),
            Err(error) => Err(malformed(format!("array `{name}`: {error}"))),
        }
    };
    let features = array("X")?;
    let labels = array("y")?;
    let &[rows, columns] = features.shape.as_slice() else {
        return Err(malformed(format!(
            "array `X` has {} dimensions, but needs rows and columns",
            features.shape.len()
        )));
    };
    // Without rows, any number of columns takes no bytes.
    if rows == 0 {
        return Err(DataError::NoRows { path: path.into() });
    }
    match *labels.shape.as_slice() {
        [n] | [n, 1] if n == rows => {}
        ref shape => return Err(malformed(format!("array `X` has {rows} rows, but array `y` has shape {shape:?}"))),
    }
    let mut frame: Vec<(String, ArrayRef)> = (0..columns)
        .map(|column| {
            let (start, stride) = if features.fortran { (column * rows, 1) } else { (column, columns) };
            (format!("x{column}"), features.elements.column(start, stride, rows))
        })
        .collect();
    frame.push(("y".into(), labels.elements.column(0, 1, rows)));
    batch(path, rows, frame)
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

fn read_array(bytes: &[u8]) -> Result<Array, String> {
    let array = NpyFile::new(bytes).map_err(|error| format!("not in NumPy's format: {error}"))?;
    let shape: Vec<usize> = array.shape().iter().map(|&n| n as usize).collect();
    let fortran = array.order() == Order::Fortran;
    let DType::Plain(kind) = array.dtype() else {
        return Err("has named fields instead of numbers".into());
    };
    macro_rules! elements {
        ($variant:ident) => {
            Elements::$variant(array.into_vec().map_err(|error| error.to_string())?)
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
            let halves: Vec<npyz::half::f16> = array.into_vec().map_err(|error| error.to_string())?;
            Elements::F32(halves.into_iter().map(npyz::half::f16::to_f32).collect())
        }
        (TypeChar::Float, 4) => elements!(F32),
        (TypeChar::Float, 8) => elements!(F64),
        _ => return Err(format!("has element type {kind}; a float or integer type is needed")),
    };
    Ok(Array { shape, fortran, elements })
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
