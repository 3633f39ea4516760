mod limits;
mod rows;
mod times;
mod wanted;

use super::*;
use anoonly_core::Label;
use std::fs;
use std::io::Write;
use std::sync::Arc;

use npyz::WriterBuilder;
use polars_arrow::array::{DictionaryArray, PrimitiveArray, Utf8Array};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, IntegerType, TimeUnit};
use polars_arrow::io::ipc::write;
use polars_arrow::record_batch::RecordBatchT;
use polars_arrow::types::NativeType;

fn in_file(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn csv(content: &str) -> Result<Samples, DataError> {
    let (_folder, path) = in_file("table.csv", content.as_bytes());
    Table::read(&path)?.samples(&LabelColumn::benchmark())
}

/// The error's text after the name of the file.
fn message(result: Result<Samples, DataError>) -> String {
    let text = result.unwrap_err().to_string();
    text.split_once(": ").unwrap().1.to_owned()
}

#[test]
fn tables_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Table>();
    moves::<Blocks>();
    moves::<TableWriter>();
}

#[test]
fn each_column_has_an_element_type() {
    let (_folder, path) = in_file("table.csv", b"a,label\n1,0\n");
    assert_eq!(Table::read(&path).unwrap().types(), ["text", "text"]);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/int16.npz");
    assert_eq!(Table::read(&fixture).unwrap().types(), ["i16"; 4]);
}

#[test]
fn a_csv_becomes_features_and_labels() {
    let samples = csv("a,label,b,flag\n1,0,2.5,true\n-3,1,1e3,false\n4,,0,true\n").unwrap();
    assert_eq!(samples.features(), &ndarray::array![[1.0, 2.5, 1.0], [-3.0, 1000.0, 0.0], [4.0, 0.0, 1.0]]);
    assert_eq!(samples.labels(), &[Label::Normal, Label::Anomaly, Label::Unlabelled]);
}

#[test]
fn errors_name_column_row_and_value() {
    assert_eq!(
        message(csv("a,city,label\n1,5,0\n2,Bonn,1\n")),
        "column `city`, row 2: `Bonn` is not a number; encode or remove the column"
    );
    assert_eq!(
        message(csv("a,label\n1,0\n,1\n")),
        "column `a`, row 2: the value is missing; fill in or remove such rows first"
    );
    assert_eq!(
        message(csv("a,label\n1,0\nNaN,1\n")),
        "column `a`, row 2: the value is NaN; fill in or remove such rows first"
    );
    assert_eq!(
        message(csv("a,label\n1e39,0\n2,1\n")),
        "column `a`, row 1: 1e39 is too large for a 32-bit float; fill in or remove such rows first"
    );
    assert_eq!(
        message(csv("a,label\n1,0\n2,2\n")),
        "column `label`, row 2: `2` is neither an anomaly nor a normal label; the column holds `0` (1 row), `2` (1 row); use 1 for an anomaly and 0 for a normal row"
    );
    assert_eq!(message(csv("a,b\n1,0\n")), "no label column `label` or `y` (columns: a, b)");
}

#[test]
fn files_that_cannot_be_read_are_errors() {
    assert!(matches!(Table::read(Path::new("/no/such.csv")), Err(DataError::Io { .. })));
    assert!(matches!(Table::read(Path::new("/no/such.npz")), Err(DataError::Io { .. })));
    assert!(matches!(Table::read(Path::new("table.xlsx")), Err(DataError::UnknownFormat { .. })));
    for name in ["broken.npz", "broken.parquet"] {
        let (_folder, path) = in_file(name, b"not what it says");
        assert!(matches!(Table::read(&path), Err(DataError::Malformed { .. })), "{name}");
    }
    let (_folder, path) = in_file("ragged.csv", b"a,label\n1,0\n1,2,3,4\n");
    let error = Table::read(&path).unwrap_err();
    assert!(matches!(error, DataError::UnequalRow { row: 2, fields: 4, expected: 2, .. }), "{error}");
    assert!(error.to_string().ends_with("row 2 (line 3) has 4 fields, but the header has 2"), "{error}");
    let (_folder, path) = in_file("empty.csv", b"");
    assert!(matches!(Table::read(&path), Err(DataError::NoRows { .. })));
}

#[test]
fn a_header_may_have_spaces_and_a_tsv_tabs() {
    let (_folder, path) = in_file("table.tsv", b"\xef\xbb\xbfa\t b \ty\n1\t2\t0\n");
    assert_eq!(Table::read(&path).unwrap().columns(), ["a", "b", "y"]);
    assert!(message(csv("a, a,label\n0,1,0\n")).contains("two columns are named `a`"));
}

#[test]
fn a_class_column_names_its_anomaly() {
    let (_folder, path) = in_file("table.csv", b"x,kind\n1,good\n2,bad\n3,\n");
    let label = LabelColumn::named("kind").with_anomaly("bad");
    let samples = Table::read(&path).unwrap().samples(&label).unwrap();
    assert_eq!(samples.labels(), &[Label::Normal, Label::Anomaly, Label::Unlabelled]);
}

#[test]
fn every_format_gives_the_same_table() {
    let (folder, path) = in_file("table.csv", b"x,y\n1.5,0\n2.5,1\n");
    let table = Table::read(&path).unwrap();
    let parquet = folder.path().join("table.parquet");
    write_table(&parquet, &table);
    let arrow = folder.path().join("table.feather");
    let batch = table.plain_batch();
    let named = batch.names().iter().cloned().zip(batch.columns().iter().cloned());
    write_ipc(&arrow, &named.collect::<Vec<_>>());
    let zipped = folder.path().join("table.csv.gz");
    let mut encoder = flate2::write::GzEncoder::new(File::create(&zipped).unwrap(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(&path).unwrap()).unwrap();
    encoder.finish().unwrap();
    for file in [parquet, arrow, zipped] {
        let again = Table::read(&file).unwrap();
        assert_eq!(again.columns(), ["x", "y"]);
        assert_eq!(
            again.samples(&LabelColumn::benchmark()).unwrap(),
            table.samples(&LabelColumn::benchmark()).unwrap()
        );
        let blocks: Vec<Table> = Table::blocks(&file).unwrap().map(Result::unwrap).collect();
        assert_eq!(blocks.iter().map(Table::rows).sum::<usize>(), 2);
    }
}

fn write_table(path: &Path, table: &Table) {
    let mut writer = TableWriter::create(path).unwrap();
    writer.write(table).unwrap();
    writer.finish().unwrap();
}

fn write_ipc(path: &Path, columns: &[(String, ArrayRef)]) {
    let schema: ArrowSchema =
        columns.iter().map(|(name, column)| Field::new(name.into(), column.dtype().clone(), true)).collect();
    let schema = Arc::new(schema);
    let file = File::create(path).unwrap();
    let mut writer = write::FileWriter::try_new(file, schema.clone(), None, Default::default()).unwrap();
    let arrays: Vec<ArrayRef> = columns.iter().map(|(_, column)| column.clone()).collect();
    writer.write(&RecordBatchT::new(arrays[0].len(), schema, arrays), None).unwrap();
    writer.finish().unwrap();
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tables").join(name)
}

/// The types of the columns in `fixtures/tables/types.*`, and the text of both rows.
const TYPES: [(&str, [&str; 2]); 16] = [
    ("u8", ["255", ""]),
    ("i64", ["-3", "4"]),
    ("f32", ["0.1", "2.0"]),
    ("bool", ["true", ""]),
    ("text", ["x", ""]),
    ("text", ["y", ""]),
    ("text", ["a longer text than a view holds", "z"]),
    ("cat", ["low", ""]),
    ("cat", ["a,b", "a,b"]),
    ("date", ["2026-03-01", ""]),
    ("datetime[ms]", ["2026-03-01 00:00:00", "1970-01-01 00:00:00"]),
    ("datetime[ms]", ["2026-03-01 10:00:00", "1970-01-01 00:00:00"]),
    ("datetime[ns]", ["1970-01-01 00:00:00.000000001", ""]),
    ("datetime[μs, +01:00]", ["2026-03-01T11:00:00.000500+01:00", ""]),
    ("decimal[10,2]", ["123.45", ""]),
    ("null", ["", ""]),
];

#[test]
fn every_type_is_read_from_parquet_and_ipc() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["types.parquet", "types.arrow", "types-lz4.arrow", "types-zstd.arrow"] {
        let path = fixture(name);
        let table = Table::read(&path).unwrap();
        assert_eq!(table.types(), TYPES.map(|(name, _)| name), "{name}");
        for row in 0..2 {
            assert_eq!(table.row_text(row), TYPES.map(|(_, texts)| texts[row]), "{name}");
        }
        let blocks: Vec<Table> = Table::blocks(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!((blocks.len(), blocks[0].row_text(1)), (1, table.row_text(1)));
        // What is written is read back the same.
        let again = folder.path().join("again.parquet");
        write_table(&again, &table);
        let again = Table::read(&again).unwrap();
        assert_eq!(again.batch, table.batch, "{name}");
        let csv = folder.path().join("again.csv");
        write_table(&csv, &table);
        let text = fs::read_to_string(&csv).unwrap();
        assert_eq!(
            text.lines().nth(1).unwrap(),
            "255,-3,0.1,true,x,y,a longer text than a view holds,low,\"a,b\",2026-03-01,2026-03-01T00:00:00.000,\
             2026-03-01T10:00:00.000,1970-01-01T00:00:00.000000001,2026-03-01T11:00:00.000500+01:00,123.45,"
        );
        assert_eq!(text.lines().nth(2).unwrap().split(',').nth(5), Some("\"\""));
    }
}

/// A file without an Arrow schema, as other writers than Arrow's make them. Parquet has no type for categories, seconds and
/// columns without values.
#[test]
fn types_of_parquet_are_read() {
    let table = Table::read(&fixture("types-of-parquet.parquet")).unwrap();
    let types = TYPES.map(|(name, _)| match name {
        "cat" => "text",
        "datetime[μs, +01:00]" => "datetime[μs, UTC]",
        "null" => "null",
        name => name,
    });
    assert_eq!(table.types()[..10], types[..10]);
    assert_eq!(table.types()[10], "date");
    assert_eq!(table.types()[11..15], types[11..15]);
    let texts: Vec<String> = TYPES.map(|(_, texts)| texts[0].to_owned()).to_vec();
    assert_eq!(table.row_text(0)[..10], texts[..10]);
    assert_eq!(table.row_text(0)[11..13], texts[11..13]);
    assert_eq!(table.row_text(0)[13..], ["2026-03-01T10:00:00.000500+00:00", "123.45", ""]);
}

/// Arrow's types that pyarrow does not write to a Parquet file.
#[test]
fn further_arrow_types_are_read() {
    fn primitive<T: NativeType>(values: &[Option<T>], dtype: ArrowDataType) -> ArrayRef {
        PrimitiveArray::<T>::from(values).to(dtype).boxed()
    }
    let keys = PrimitiveArray::<i16>::from([Some(1), None, Some(0)]);
    let values = Utf8Array::<i64>::from([Some("a"), None]).boxed();
    let dtype = ArrowDataType::Dictionary(IntegerType::Int16, Box::new(ArrowDataType::LargeUtf8), false);
    let zone = ArrowDataType::Timestamp(TimeUnit::Second, Some("Asia/Tokyo".into()));
    let columns: Vec<(String, ArrayRef)> = vec![
        ("kind".into(), DictionaryArray::try_new(dtype, keys, values).unwrap().boxed()),
        ("day".into(), primitive(&[Some(1_772_359_200_000i64), None, Some(0)], ArrowDataType::Date64)),
        ("second".into(), primitive(&[Some(1i64), None, Some(i64::MAX)], zone)),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.arrow");
    write_ipc(&path, &columns);
    let table = Table::read(&path).unwrap();
    assert_eq!(table.types(), ["cat", "datetime[ms]", "datetime[ms, Asia/Tokyo]"]);
    assert_eq!(table.row_text(0), ["", "2026-03-01 10:00:00", "1970-01-01T09:00:01+09:00"]);
    assert_eq!(table.row_text(1), ["", "", ""]);
    assert_eq!(table.row_text(2), ["a", "1970-01-01 00:00:00", ""]);
}

/// Row groups, pages and blocks begin at different rows, and the dictionaries of the row groups differ.
#[test]
fn pages_of_every_compression_are_read() {
    for name in ["none", "snappy", "gzip", "zstd", "lz4", "v2"] {
        let path = fixture(&format!("pages-{name}.parquet"));
        let table = Table::read(&path).unwrap();
        assert_eq!(table.types(), ["f64", "text", "cat", "i32"]);
        let expected = |row: usize| {
            let number = if row % 11 == 3 { String::new() } else { format!("{:?}", row as f64 * 0.25) };
            [number, format!("text {row}"), format!("kind {}", row / 300), (row % 50).to_string()]
        };
        assert_eq!(table.rows(), 1200);
        for row in 0..1200 {
            assert_eq!(table.row_text(row), expected(row), "{name}");
        }
        for (batch, span) in [(1, 1), (7, 450), (100, 30), (1000, 77), (5000, 1 << 20)] {
            let file = File::open(&path).unwrap();
            let (options, size) = (ReadOptions::default(), BlockSize::Whole);
            let mut rows = parquet::ParquetRows::open(&path, file, &options, size).unwrap();
            rows.set_rows(batch, span);
            let mut batches = Vec::new();
            loop {
                let next = rows.next_rows().unwrap();
                if next.rows() == 0 {
                    break;
                }
                batches.push(next);
            }
            assert_eq!(batches.len(), 1200usize.div_ceil(batch));
            assert_eq!(Batch::concat(batches).unwrap().unwrap(), table.batch, "{name}, {batch} rows");
        }
    }
}

#[test]
fn unsupported_types_and_compressions_are_named() {
    let error = Table::read(&fixture("binary.parquet")).unwrap_err().to_string();
    assert!(error.contains("column `x` has the unsupported type Binary; convert it"), "{error}");
    let brotli = fixture("brotli.parquet");
    for error in [Table::read(&brotli).err(), Table::blocks(&brotli).err()] {
        let error = error.unwrap().to_string();
        assert!(
            error.ends_with(
                "Brotli compression is not supported; write the file with zstd, snappy, gzip, lz4 or no compression"
            ),
            "{error}"
        );
    }
}

/// A damaged size must not make the reader ask for that much memory: the program would end.
#[test]
fn claimed_sizes_are_compared_with_the_file() {
    let whole = fs::read(fixture("labelled.parquet")).unwrap();
    // The first list of the metadata has six elements, in the high half of a byte. Fifteen there means that the number follows.
    let footer = whole.len() - 8 - u32::from_le_bytes(whole[whole.len() - 8..][..4].try_into().unwrap()) as usize;
    let schema = whole[footer..].iter().position(|&byte| byte == 0x6c).unwrap() + footer;
    let mut longer = whole.clone();
    longer.splice(schema..schema + 1, [0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    let size = (longer.len() - 8 - footer) as u32;
    let end = longer.len();
    longer[end - 8..end - 4].copy_from_slice(&size.to_le_bytes());
    let (_folder, path) = in_file("claims.parquet", &longer);
    let error = Table::read(&path).unwrap_err().to_string();
    assert!(error.contains("its metadata is damaged"), "{error}");
}

#[test]
fn duplicate_columns_of_binary_files_are_named() {
    for name in ["duplicate.parquet", "duplicate.arrow"] {
        let error = Table::read(&fixture(name)).unwrap_err();
        assert!(matches!(&error, DataError::DuplicateColumn { column, .. } if column == "a"), "{error}");
    }
}

type Archive = ::zip::ZipWriter<File>;

/// Writes an npz file with the arrays that `fill` adds.
fn npz(fill: impl FnOnce(&mut Archive)) -> Result<Samples, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.npz");
    let mut writer = ::zip::ZipWriter::new(File::create(&path).unwrap());
    fill(&mut writer);
    writer.finish().unwrap();
    Table::read(&path)?.samples(&LabelColumn::benchmark())
}

fn add<T: npyz::AutoSerialize + Copy>(
    writer: &mut Archive,
    name: &str,
    shape: &[u64],
    order: npyz::Order,
    values: &[T],
) {
    let mut bytes = Vec::new();
    let options = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
    let mut array = options.writer(&mut bytes).begin_nd().unwrap();
    array.extend(values.iter().copied()).unwrap();
    array.finish().unwrap();
    writer.start_file(format!("{name}.npy"), ::zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(&bytes).unwrap();
}

#[test]
fn npz_orders_and_broken_archives() {
    let (c, fortran) = (npyz::Order::C, npyz::Order::Fortran);
    let expected =
        Samples::new(ndarray::array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], vec![Label::Normal, Label::Anomaly]).unwrap();
    let in_c = npz(|writer| {
        add(writer, "X", &[2, 3], c, &[1i16, 2, 3, 4, 5, 6]);
        add(writer, "y", &[2], c, &[0u8, 1]);
    });
    assert_eq!(in_c.unwrap(), expected);
    let in_fortran = npz(|writer| {
        add(writer, "X", &[2, 3], fortran, &[1f64, 4., 2., 5., 3., 6.]);
        add(writer, "y", &[2, 1], c, &[0i64, 1]);
    });
    assert_eq!(in_fortran.unwrap(), expected);
    let without_y = npz(|writer| add(writer, "X", &[2, 3], c, &[1f32, 2., 3., 4., 5., 6.]));
    assert_eq!(message(without_y), "no label column `label` or `y` (columns: x0, x1, x2)");
    let flat = npz(|writer| {
        add(writer, "X", &[2], c, &[1f32, 2.]);
        add(writer, "y", &[2], c, &[0i64, 1]);
    });
    assert_eq!(message(flat), "array `X` has 1 dimensions, but needs rows and columns");
    let short = npz(|writer| {
        add(writer, "X", &[2, 1], c, &[1f32, 2.]);
        add(writer, "y", &[3], c, &[0i64, 1, 1]);
    });
    assert_eq!(message(short), "array `X` has 2 rows, but array `y` has shape [3]");
}

#[test]
fn an_npz_without_rows_is_refused_whatever_its_columns() {
    let empty = npz(|writer| {
        add::<f32>(writer, "X", &[0, u64::MAX / 8], npyz::Order::C, &[]);
        add::<i64>(writer, "y", &[0], npyz::Order::C, &[]);
    });
    assert!(matches!(empty, Err(DataError::NoRows { .. })));
}

/// NumPy wrote the files of `fixtures/`, see `xtask/data/export_npz_fixtures.py`. Each holds the rows `[0, 1, 2]` and `[3, 4, 5]` with
/// the labels 0 and 1, in a different element type, byte order, memory order or compression.
#[test]
fn every_numpy_element_type_reads_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let expected = ndarray::array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]];
    let mut seen = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "npz") {
            continue;
        }
        let samples = Table::read(&path).unwrap().samples(&LabelColumn::benchmark()).unwrap();
        assert_eq!(samples.features(), &expected, "{}", path.display());
        assert_eq!(samples.labels(), &[Label::Normal, Label::Anomaly], "{}", path.display());
        seen += 1;
    }
    assert_eq!(seen, 14);
}

/// A checksum covers the content of an array, stored or compressed.
#[test]
fn a_flipped_bit_in_an_array_is_an_error() {
    for (name, content) in [("float64.npz", 5.0f64.to_le_bytes()), ("int64.npz", 5i64.to_le_bytes())] {
        let mut bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap();
        let at = bytes.windows(8).position(|window| window == content).unwrap();
        bytes[at] ^= 1;
        let (_folder, path) = in_file(name, &bytes);
        let error = Table::read(&path).unwrap_err().to_string();
        assert!(error.contains("array `X`") && error.to_lowercase().contains("checksum"), "{error}");
    }
}

#[test]
fn ambiguous_columns_are_refused() {
    assert_eq!(message(csv("a,a,label\n1,2,0\n")), "two columns are named `a`; rename or remove one of them");
    assert_eq!(message(csv("a,label,label\n1,0,0\n")), "two columns are named `label`; rename or remove one of them");
    assert_eq!(
        message(csv("a,label,y\n1,0,0\n")),
        "both `label` and `y` could hold the labels; rename or remove one of them"
    );
    assert_eq!(message(csv(",a,label\n0,1,0\n")), "column 1 has no name; give it one");
    assert_eq!(message(csv("a,label\n")), "the table has no rows");
}

#[test]
fn numbers_too_close_together_for_32_bits_are_refused() {
    let times =
        |step: f64| (0..200).map(|row| format!("{},{}\n", 1.7e9 + step * f64::from(row), row % 2)).collect::<String>();
    let error = message(csv(&format!("time,label\n{}", times(1.0))));
    assert!(error.contains("column `time`") && error.contains("subtract 1700000000"), "{error}");
    assert!(csv(&format!("time,label\n{}", times(1e5))).is_ok());
}

#[test]
fn text_that_is_all_numbers_is_read_as_numbers() {
    let samples = csv("a,label\n+1,0\n 2,1\n").unwrap();
    assert_eq!(samples.features(), &ndarray::array![[1.0], [2.0]]);
}

#[test]
fn a_truncated_npz_is_an_error_and_no_panic() {
    let whole = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/float64_compressed.npz")).unwrap();
    for length in 0..whole.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.npz");
        File::create(&path).unwrap().write_all(&whole[..length]).unwrap();
        assert!(Table::read(&path).is_err(), "the first {length} bytes were read as a whole file");
    }
}
