//! Files of Arrow's IPC format as record batches.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_schema::ArrowError;
use arrow_select::concat::concat_batches;

use super::columns::{refuse_unsupported, with_common_times};
use super::malformed;
use crate::DataError;

/// Reads all of a file whose columns hold one value a row.
pub(super) fn read(path: &Path, file: File) -> Result<RecordBatch, DataError> {
    let failed = |error: ArrowError| malformed(path, error);
    let reader = FileReader::try_new_buffered(file, None).map_err(failed)?;
    let schema = reader.schema();
    refuse_unsupported(path, &schema)?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(failed)?;
    let whole = concat_batches(&schema, &batches).map_err(failed)?;
    with_common_times(whole).map_err(failed)
}
