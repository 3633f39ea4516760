//! Memory is bounded by what a file can hold and by a limit.

use super::*;
use polars_parquet_format::FileMetaData;
use polars_parquet_format::thrift::protocol::{TCompactInputProtocol, TCompactOutputProtocol};
use std::io::Read;

/// Changes the metadata of a Parquet file.
pub(super) fn with_metadata(path: &Path, change: impl FnOnce(&mut FileMetaData)) {
    let mut bytes = fs::read(path).unwrap();
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let mut protocol = TCompactInputProtocol::new(&bytes[end - length..end], usize::MAX);
    let mut metadata = FileMetaData::read_from_in_protocol(&mut protocol).unwrap();
    change(&mut metadata);
    bytes.truncate(end - length);
    let start = bytes.len();
    metadata.write_to_out_protocol(&mut TCompactOutputProtocol::new(&mut bytes)).unwrap();
    let length = (bytes.len() - start) as u32;
    bytes.extend(length.to_le_bytes());
    bytes.extend(b"PAR1");
    fs::write(path, bytes).unwrap();
}

fn limited(memory_limit: u64) -> ReadOptions {
    ReadOptions { memory_limit, ..ReadOptions::default() }
}

/// The errors of reading as a whole and in blocks.
fn refused(path: &Path, options: &ReadOptions) -> [String; 2] {
    let whole = Table::read_with(path, options).err().map_or_else(String::new, |error| error.to_string());
    let blocks = Table::blocks_with(path, options).and_then(|blocks| blocks.collect::<Result<Vec<_>, _>>());
    [whole, blocks.err().map_or_else(String::new, |error| error.to_string())]
}

#[test]
fn a_table_in_memory_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let rows = 10_000..20_000;
    let text = format!("x,note\n{}", rows.map(|row| format!("1,seventeen characters {row}\n")).collect::<String>());
    fs::write(file("t.csv"), &text).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(File::create(file("t.csv.gz")).unwrap(), Default::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap();
    let table = Table::read(&file("t.csv")).unwrap();
    write_table(&file("t.parquet"), &table);
    let batch = table.plain_batch();
    let named = batch.names().iter().cloned().zip(batch.columns().iter().cloned());
    write_ipc(&file("t.arrow"), &named.collect::<Vec<_>>());
    let mut writer = ::zip::ZipWriter::new(File::create(file("t.npz")).unwrap());
    add(&mut writer, "X", &[10_000, 10], npyz::Order::C, &[0.5f64; 100_000]);
    writer.finish().unwrap();
    // A number of 4 bytes and a text of 16 in each row, and the characters of the text.
    let memory = 10_000 * (4 + 16 + 26);
    assert_eq!(table.batch.memory(), memory);
    let expected =
        "the table takes more than 400 KiB of memory, which is the limit; raise it, or read fewer rows or columns";
    for name in ["t.csv", "t.csv.gz", "t.parquet", "t.arrow", "t.npz"] {
        for error in refused(&file(name), &limited(400 << 10)) {
            assert!(error.ends_with(expected), "{name}: {error}");
        }
        assert!(Table::read_with(&file(name), &limited(1 << 20)).is_ok(), "{name}");
    }
    let few = ReadOptions { columns: WantedColumns::Only(vec!["x".into()]), ..limited(400 << 10) };
    for name in ["t.csv", "t.csv.gz", "t.parquet"] {
        assert!(Table::read_with(&file(name), &few).is_ok(), "{name}");
    }
}

/// A block has a limit, the file has none.
#[test]
fn the_limit_of_blocks_is_for_one_of_them() {
    let text = format!("x\n{}", "1\n".repeat(1_000_000));
    let blocks = Table::csv_blocks_with(Path::new("t.csv"), std::io::Cursor::new(text.clone()), &limited(3 << 20));
    assert_eq!(blocks.unwrap().map(|block| block.unwrap().rows()).sum::<usize>(), 1_000_000);
    let whole = Table::read_csv_with(Path::new("t.csv"), std::io::Cursor::new(text), &limited(3 << 20));
    assert!(matches!(whole, Err(DataError::TooLarge { .. })));
}

/// A small file that unpacks to very much.
#[test]
fn a_gzip_bomb_stops_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.csv.gz");
    let mut encoder = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::best());
    encoder.write_all(b"x,y\n").unwrap();
    let text = "1".repeat(1 << 16);
    (0..200).for_each(|row| encoder.write_all(format!("{text}{row},2\n").as_bytes()).unwrap());
    encoder.finish().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1 << 16);
    assert!(matches!(Table::read_with(&path, &limited(1 << 20)), Err(DataError::TooLarge { .. })));
}

/// A Parquet file of 200 rows.
fn parquet() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let text = format!("a,b\n{}", "1,x\n".repeat(200));
    write_table(&path, &Table::read_csv(Path::new("memory"), std::io::Cursor::new(text)).unwrap());
    (folder, path)
}

#[test]
fn a_column_has_as_many_values_as_its_row_group_has_rows() {
    let (_folder, path) = parquet();
    with_metadata(&path, |metadata| {
        metadata.row_groups[0].columns[0].meta_data.as_mut().unwrap().num_values = 0;
    });
    for error in refused(&path, &ReadOptions::default()) {
        assert!(error.ends_with("row group 1: column `a`: 0 values in 200 rows; write the file again"), "{error}");
    }
}

#[test]
fn a_row_group_has_no_more_rows_than_its_pages() {
    let (_folder, path) = parquet();
    for (rows, values) in [(1 << 62, 200), (1 << 62, 1 << 62), (300, 300), (i64::MAX, i64::MAX)] {
        let (_folder, path) = parquet();
        with_metadata(&path, |metadata| {
            metadata.num_rows = rows;
            metadata.row_groups[0].num_rows = rows;
            metadata.row_groups[0].columns.iter_mut().for_each(|column| {
                column.meta_data.as_mut().unwrap().num_values = values;
            });
        });
        for error in refused(&path, &ReadOptions::default()) {
            assert!(error.contains("row group 1: column `a`: "), "{rows}, {values}: {error}");
        }
    }
    // Rows that are in no row group would be lost.
    assert!(Table::read(&path).is_ok());
    with_metadata(&path, |metadata| metadata.num_rows = 400);
    for error in refused(&path, &ReadOptions::default()) {
        assert!(error.ends_with("the row groups do not have as many rows as the file"), "{error}");
    }
}

#[test]
fn a_list_is_no_longer_than_the_metadata() {
    // Nothing but metadata: a field that is a list of structures, with very many elements.
    for list in
        [&b"\x29\xfc\xff\xff\xff\xff\x0f"[..], b"\x29\xfc\xff\xff\xff\xff\xff\xff\x01", b"\x1a\xfc\xff\xff\xff\x7f"]
    {
        let mut bytes = b"PAR1".to_vec();
        bytes.extend(list);
        bytes.extend((list.len() as u32).to_le_bytes());
        bytes.extend(b"PAR1");
        let (_folder, path) = in_file("list.parquet", &bytes);
        for error in refused(&path, &ReadOptions::default()) {
            assert!(error.contains("its metadata is damaged"), "{error}");
        }
    }
}

/// An npz file with one array of this header and content.
fn npz_of(header: &str, content: impl Read) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.npz");
    let mut writer = ::zip::ZipWriter::new(File::create(&path).unwrap());
    writer.start_file("X.npy", ::zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(b"\x93NUMPY\x02\x00").unwrap();
    writer.write_all(&(header.len() as u32).to_le_bytes()).unwrap();
    writer.write_all(header.as_bytes()).unwrap();
    let mut content = content;
    std::io::copy(&mut content, &mut writer).unwrap();
    writer.finish().unwrap();
    (folder, path)
}

#[test]
fn an_npz_is_bounded_by_its_shape() {
    let header = |shape: &str| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    for (shape, reason) in [
        ("(0, 9223372036854775807)", "the table has no rows"),
        ("(9223372036854775807, 0)", "array `X` has no columns"),
        ("(1000000, 1000000)", "takes more than 8 GiB of memory"),
        ("(1, 100000000)", "array `X`: "),
        ("(2, 6)", "array `X`: has more bytes than its shape needs"),
    ] {
        let content = if shape.starts_with("(0") || shape.ends_with(" 0)") { 0 } else { 104 };
        let (_folder, path) = npz_of(&header(shape), std::io::repeat(0).take(content));
        for error in refused(&path, &ReadOptions::default()) {
            assert!(error.contains(reason), "{shape}: {error}");
        }
    }
    // The parser of the header multiplies the numbers; where it checks for overflow, it fails before the shape is looked at.
    for shape in
        ["(9223372036854775807, 9223372036854775807)", "(4294967296, 4294967296)", "(0, 9223372036854775808, 9)"]
    {
        let (_folder, path) = npz_of(&header(shape), std::io::repeat(0).take(104));
        assert!(refused(&path, &ReadOptions::default()).iter().all(|error| !error.is_empty()), "{shape}");
    }
    // Names of many columns take more memory than one byte each.
    let bytes = header("(1, 40000)").replace("<f8", "|u1");
    let (_folder, path) = npz_of(&bytes, std::io::repeat(0).take(40_000));
    assert!(refused(&path, &limited(1 << 20))[0].contains("takes more than 1 MiB of memory"));
    // The tail is not read into memory: only its first byte is.
    let (_folder, path) = npz_of(&header("(2, 6)"), std::io::repeat(0).take(64 << 20));
    assert!(refused(&path, &limited(1 << 10))[0].contains("has more bytes than its shape needs"));
    let nested = format!("{}{}", "(".repeat(30_000), ")".repeat(30_000));
    let (_folder, path) = npz_of(&header(&nested), std::io::empty());
    assert!(refused(&path, &ReadOptions::default())[0].contains("its header is nested too deeply"));
    let (_folder, path) = npz_of(&" ".repeat(1 << 20), std::io::empty());
    assert!(refused(&path, &ReadOptions::default())[0].contains("its header has 1048576 bytes"));
}
