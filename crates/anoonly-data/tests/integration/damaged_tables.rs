//! A fuzz test of the readers: damaged files give an error or a table with finite features, never a panic. The random streams
//! have a fixed seed, and the number of rounds is bounded.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use anoonly_core::Seed;
use anoonly_data::DataError;
use anoonly_data::encode::{Encoder, EncoderOptions, Unknown};
use anoonly_data::table::{LabelColumn, ReadOptions, Table, TableWriter, WantedColumns};
use rand::{Rng, RngExt};

/// The variable that sets the number of damaged files a test tries, and its default.
const ROUNDS: (&str, usize) = ("ANOONLY_FUZZ_ROUNDS", 3000);

fn rounds() -> usize {
    std::env::var(ROUNDS.0).map_or(ROUNDS.1, |rounds| rounds.parse().expect("a number of rounds"))
}

/// A table with columns of every kind, missing values and quotes.
fn csv() -> Vec<u8> {
    let row = |row: usize| {
        let age = if row % 7 == 3 { String::new() } else { (20 + row * 13 % 50).to_string() };
        let city =
            ["Rome", "\"Oslo, N\"", "Lima", "São \"\"P\"\""][row % 4].replace("São \"\"P\"\"", "\"São \"\"P\"\"\"");
        let label = ["", "0", "1"][row % 3];
        format!(
            "{},{age},{city},{},2026-03-{:02} 10:{:02},{label}\n",
            row as f64 * 0.37 - 3.0,
            row.is_multiple_of(2),
            1 + row % 28,
            row % 60
        )
    };
    format!("amount,age,city,known,time,label\n{}", (0..40).map(row).collect::<String>()).into_bytes()
}

/// Bytes with a meaning to a reader.
const ODD: [&[u8]; 24] = [
    b",",
    b"\n",
    b"\r\n",
    b"\"",
    b"\"\"",
    b"\0",
    b";",
    b"\t",
    b"\xff",
    b"\xef\xbb\xbf",
    b"NaN",
    b"inf",
    b"-inf",
    b"1e400",
    b"1e39",
    b"-0",
    b"0x10",
    b"1e-400",
    b"9999-12-31",
    b"0000-01-01",
    b"true",
    b"NULL",
    b"99999999999999999999",
    "é".as_bytes(),
];

/// Changes something in the bytes of a file.
fn damage(bytes: &mut Vec<u8>, rng: &mut impl Rng) {
    let at = rng.random_range(0..=bytes.len());
    let end = (at + rng.random_range(0..24)).min(bytes.len());
    match rng.random_range(0..6) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        2 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
        3 => bytes.truncate(at),
        4 => drop(bytes.splice(at..end, ODD[rng.random_range(0..ODD.len())].iter().copied())),
        _ => drop(bytes.splice(at..at, ODD[rng.random_range(0..ODD.len())].iter().copied())),
    }
}

/// Encodes a table as training does. Returns whether that succeeded.
fn try_out(table: Result<Table, DataError>) -> bool {
    let Ok(table) = table else { return false };
    if table.labels(&LabelColumn::named("label")).is_err() {
        return false;
    }
    let apart = EncoderOptions { apart: vec!["label".into()], ..EncoderOptions::default() };
    let Ok((encoder, _)) = Encoder::fit(&table, &apart) else { return false };
    let checked = encoder.check();
    assert!(checked.is_ok(), "{checked:?}");
    // Only numbers that are too large for 32 bits may be refused here.
    let Ok(encoded) = encoder.encode(&table, Unknown::Refuse) else { return false };
    assert_eq!(encoded.features.dim(), (table.rows(), encoder.width()));
    assert!(encoded.features.iter().all(|cell| cell.is_finite()));
    true
}

/// Reads one column of what was read as a whole. Its cells must be the same. `read` reads with options.
fn try_column(whole: Result<&Table, &DataError>, read: impl FnOnce(&ReadOptions) -> Result<Table, DataError>) {
    let column = whole.ok().and_then(|table| table.columns().first().map(|&name| name.to_owned()));
    let columns = WantedColumns::Only(vec![column.clone().unwrap_or("amount".into())]);
    let part = read(&ReadOptions { columns, ..ReadOptions::default() });
    let (Ok(whole), Some(column)) = (whole, column) else { return };
    let part = part.expect("one column can be read where all can");
    assert_eq!((part.rows(), part.columns()), (whole.rows(), vec![column.as_str()]));
    let whole = whole.select(&[column]).expect("it exists");
    assert!((0..whole.rows()).all(|row| part.row_text(row) == whole.row_text(row)));
}

#[test]
fn damaged_csv_is_an_error_or_a_table() {
    let mut rng = Seed(1).stream(&["damaged tables"]);
    let whole = csv();
    assert!(try_out(Table::read_csv(Path::new("whole"), Cursor::new(whole.clone()))));
    let mut tables = 0;
    for _ in 0..rounds() {
        let mut bytes = whole.clone();
        (0..rng.random_range(1..4)).for_each(|_| damage(&mut bytes, &mut rng));
        let table = Table::read_csv(Path::new("damaged"), Cursor::new(bytes.clone()));
        let read = |options: &ReadOptions| Table::read_csv_with(Path::new("damaged"), Cursor::new(bytes), options);
        try_column(table.as_ref(), read);
        tables += usize::from(try_out(table));
    }
    assert!(tables > rounds() / 20 && tables < rounds(), "{tables}");
}

/// Parquet, Arrow, gzip and npz files have their own checks. A file that passes them must still be a sound table.
#[test]
fn damaged_binary_files_are_an_error_or_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let parquet = folder.path().join("whole.parquet");
    let mut writer = TableWriter::create(&parquet).unwrap();
    writer.write(&Table::read_csv(Path::new("whole"), Cursor::new(csv())).unwrap()).unwrap();
    writer.finish().unwrap();
    let gzip = folder.path().join("whole.csv.gz");
    let mut encoder = flate2::write::GzEncoder::new(fs::File::create(&gzip).unwrap(), flate2::Compression::fast());
    encoder.write_all(&csv()).unwrap();
    encoder.finish().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let fixture = |name: &str| fixtures.join(name);
    let mut rng = Seed(1).stream(&["damaged binary files"]);
    let files = [
        (parquet, "damaged.parquet"),
        (fixture("tables/labelled.parquet"), "damaged.parquet"),
        (fixture("tables/labelled-v2.parquet"), "damaged.parquet"),
        (fixture("tables/labelled.arrow"), "damaged.arrow"),
        (fixture("tables/labelled-lz4.arrow"), "damaged.arrow"),
        (gzip, "damaged.csv.gz"),
        (fixture("float64_compressed.npz"), "damaged.npz"),
    ];
    for (whole, name) in files {
        if !name.ends_with("npz") {
            assert!(try_out(Table::read(&whole)), "{}", whole.display());
        }
        let whole = fs::read(whole).unwrap();
        let path = folder.path().join(name);
        for _ in 0..rounds() / 4 {
            let mut bytes = whole.clone();
            (0..rng.random_range(1..3)).for_each(|_| damage(&mut bytes, &mut rng));
            fs::write(&path, bytes).unwrap();
            let table = Table::read(&path);
            try_column(table.as_ref(), |options| Table::read_with(&path, options));
            try_out(table);
            let blocks = Table::blocks(&path).into_iter().flatten();
            assert!(blocks.take_while(Result::is_ok).count() < 1000);
        }
    }
}
