//! Every row of a file is a row of its table.

use super::*;

/// The rows that reading as a whole and in blocks gives.
fn counted(path: &Path) -> [usize; 2] {
    let blocks = Table::blocks(path).unwrap().map(|block| block.unwrap().rows()).sum();
    [Table::read(path).unwrap().rows(), blocks]
}

#[test]
fn every_format_has_all_rows() {
    const ROWS: usize = 70_000;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for (style, end, blank, last) in [
        ("unix", "\n", "", "\n"),
        ("windows", "\r\n", "\r\n", "\r\n"),
        ("mac", "\r", "", ""),
        ("no end", "\n", "\n\n", ""),
    ] {
        let row = |row: usize| {
            let note = ["plain", "\"two\r\nlines\"", "\"\"\"\"", "", "5\" pipe"][row % 5];
            let gap = if row % 1000 == 7 { blank } else { "" };
            let end = if row + 1 == ROWS { last } else { end };
            format!("{row},{note}{end}{gap}")
        };
        let text = format!("{blank}x,note{end}{blank}{}", (0..ROWS).map(row).collect::<String>());
        fs::write(file("table.csv"), &text).unwrap();
        assert_eq!(counted(&file("table.csv")), [ROWS; 2], "{style}");
        let mut encoder = flate2::write::GzEncoder::new(File::create(file("t.csv.gz")).unwrap(), Default::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        assert_eq!(counted(&file("t.csv.gz")), [ROWS; 2], "{style}");
    }
    let table = Table::read(&file("table.csv")).unwrap();
    for row in [0, 1, 2, 3, 4, ROWS - 1] {
        let note = ["plain", "two\r\nlines", "\"", "", "5\" pipe"][row % 5];
        assert_eq!(table.row_text(row), [row.to_string().as_str(), note]);
    }
    // As many row groups as blocks.
    let mut writer = TableWriter::create(&file("table.parquet")).unwrap();
    Table::blocks(&file("table.csv")).unwrap().for_each(|block| writer.write(&block.unwrap()).unwrap());
    writer.finish().unwrap();
    assert_eq!(counted(&file("table.parquet")), [ROWS; 2]);
    let batch = table.plain_batch();
    let named = batch.names().iter().cloned().zip(batch.columns().iter().cloned());
    write_ipc(&file("table.arrow"), &named.collect::<Vec<_>>());
    assert_eq!(counted(&file("table.arrow")), [ROWS; 2]);
    let mut writer = ::zip::ZipWriter::new(File::create(file("table.npz")).unwrap());
    let values: Vec<f32> = (0..ROWS).map(|row| row as f32).collect();
    add(&mut writer, "X", &[ROWS as u64, 1], npyz::Order::C, &values);
    writer.finish().unwrap();
    assert_eq!(counted(&file("table.npz")), [ROWS; 2]);
}

/// Many small row groups, as writers of streams make them.
#[test]
fn rows_of_many_row_groups_are_all_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let mut writer = TableWriter::create(&path).unwrap();
    let part = |part: usize| format!("x,note\n{part},a longer note {part}\n{part},b\n,c\n");
    for place in 0..2000 {
        writer.write(&Table::read_csv(Path::new("memory"), std::io::Cursor::new(part(place))).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(counted(&path), [6000; 2]);
    let table = Table::read(&path).unwrap();
    assert_eq!(table.row_text(3 * 1234), ["1234", "a longer note 1234"]);
}
