use std::io::Cursor;

use super::*;
use crate::error::QuoteFault;
use crate::table::{Table, WantedColumns};

fn read(text: &str) -> Result<Table, DataError> {
    Table::read_csv(Path::new("t.csv"), Cursor::new(text.to_owned()))
}

fn rows(text: &str) -> Vec<Vec<String>> {
    let table = read(text).unwrap();
    (0..table.rows()).map(|row| table.row_text(row)).collect()
}

/// The message of an error, after the name of the file.
fn message(text: &str) -> String {
    let error = read(text).unwrap_err().to_string();
    error.split_once(": ").unwrap().1.to_owned()
}

#[test]
fn records_end_at_any_line_end_and_empty_lines_are_skipped() {
    let expected = [["1", "2"], ["3", ""]];
    for text in [
        "a,b\n1,2\n3,\n",
        "a,b\n1,2\n3,",
        "a,b\r\n1,2\r\n3,\r\n",
        "a,b\r\n1,2\r\n3,",
        "a,b\r1,2\r3,\r",
        "a,b\r1,2\r3,",
        "\n\r\n\ra,b\n\n\n1,2\r\n\r\n3,\n\n\n",
        "\u{feff}a,b\n1,2\n3,\n",
        "\"a\",\"b\"\n\"1\",\"2\"\n\"3\",\"\"",
    ] {
        assert_eq!(rows(text), expected, "{text:?}");
    }
}

#[test]
fn quoted_fields_have_any_content() {
    assert_eq!(
        rows("a,b\n\"1\n2\r\n3\",\"x \"\"y\"\"\"\n5\" pipe,a \"b\" c\n\"\"\"\",\",\"\n"),
        [["1\n2\r\n3", "x \"y\""], ["5\" pipe", "a \"b\" c"], ["\"", ","]]
    );
}

/// Records that are longer than what is read at once, so that a chunk ends at every place of them.
#[test]
fn records_are_whole_wherever_a_chunk_ends() {
    let long = "x".repeat(200_000);
    for before in 131_060..131_080 {
        let first = "y".repeat(before);
        let text = format!("a,b\r\n\"{first}\",\"1\"\"\n\"\r\n2,\"{long}\"\r\n");
        let table = rows(&text);
        assert!(table[0] == [first.as_str(), "1\"\n"] && table[1] == ["2", long.as_str()], "{before}");
    }
}

const ADVICE: &str = "; a value with a quotation mark in it is written as \"a \"\"b\"\" c\"";

#[test]
fn an_open_quotation_mark_names_its_row_and_line() {
    let mut text = "id,note\n\n".to_owned();
    for row in 1..=300 {
        let quote = if row == 150 { "\"" } else { "" };
        text.push_str(&format!("{row},{quote}5 inch pipe\n"));
    }
    let expected = "row 150 (line 152), column note: a quotation mark is opened and never closed".to_owned() + ADVICE;
    assert_eq!(message(&text), expected);
    // At the end of the file, in the header, and after line ends in the same row.
    let faults = [
        ("a,b\n1,\"", "row 1 (line 2), column b: a quotation mark is opened"),
        ("a,\"b\n1,2\n", "the header (line 1), column 2: a quotation mark is opened"),
        ("a,b,c\n1,2,3\n\"x\ny\",\"z\n\n\",\"\n4,5,6\n", "row 2 (line 6), column c: a quotation mark is opened"),
    ];
    for (text, expected) in faults {
        assert!(message(text).starts_with(expected), "{}", message(text));
    }
}

#[test]
fn text_after_a_closing_quotation_mark_is_refused() {
    for (text, place) in [
        ("a,b\n1,\"x\"y\n", "row 1 (line 2), column b"),
        ("a,b\n1,2\n\"x\" ,3\n", "row 2 (line 3), column a"),
        // A stray quotation mark that the next one closes.
        ("a,b\n1,\"5 inch\n2,\"7 inch\n3,x\n", "row 1 (line 2), column b"),
        ("a,b\n1,\"5 inch\n2,\"Oslo, N\"\n3,x\n", "row 1 (line 2), column b"),
        ("a,b\n1,2,\"x\"y\n", "row 1 (line 2), column 3"),
    ] {
        assert_eq!(message(text), format!("{place}: text follows a closing quotation mark{ADVICE}"), "{text:?}");
    }
}

/// A quotation mark that the next one closes at the end of a field: every line in between is a row that would be lost.
#[test]
fn quotation_marks_that_join_rows_are_refused() {
    let table = |opens: usize, closes: usize, width: usize| {
        let row = |row: usize| {
            let note = match row {
                row if row == opens => "\"5 inch",
                row if row == closes => "7 inch\"",
                _ => "pipe",
            };
            format!("{row},{note}{}\n", ",1".repeat(width - 2))
        };
        let names: Vec<String> = (0..width).map(|column| format!("c{column}")).collect();
        format!("{}\n{}", names.join(","), (1..=60).map(row).collect::<String>())
    };
    let joined = "a quotation mark joins 31 lines that look like rows";
    assert_eq!(message(&table(20, 50, 3)), format!("row 20 (line 21), column c1: {joined}{ADVICE}"));
    assert_eq!(message(&table(20, 50, 2)), format!("row 20 (line 21), column c1: {joined}{ADVICE}"));
    assert!(message(&table(20, 22, 8)).contains("joins 3 lines"));
    // Two lines are enough where each has numbers in the columns of numbers.
    let two = "x,n,note,y\n1.5,3,pipe,1\n2.5,4,\"5 inch,\n3.5,5,3 inch\",\n4.5,6,pipe,1\n";
    assert_eq!(
        message(two),
        format!("row 2 (line 3), column note: a quotation mark joins 2 lines that look like rows{ADVICE}")
    );
    let address = "id,name,address\n1,Ann,here\n2,Bob,\"12 Main St\nSpringfield, IL, USA\"\n";
    assert_eq!(rows(address).len(), 2);
    // Texts of several lines are no rows.
    for text in
        ["Dear all,\nsee below, please\n\nYours, A", "a,b\nc,d", "1,2\n3,4\n5,6\n7,8\n9,10\n11,12\n13,14\n15,16\n"]
    {
        let table = format!("id,note,x\n1,\"{text}\",2\n2,y,3\n");
        assert_eq!(rows(&table)[0], ["1", text, "2"]);
        assert_eq!(rows(&table).len(), 2);
    }
}

#[test]
fn rows_of_other_lengths_name_their_line() {
    assert_eq!(message("a,b\n\n\"x\n\",1\n\n\n2\n"), "row 2 (line 7) has 1 field, but the header has 2");
    // Also where the columns in excess are not wanted.
    let options = ReadOptions { columns: WantedColumns::Only(vec!["a".into()]), ..ReadOptions::default() };
    let error = Table::read_csv_with(Path::new("t.csv"), Cursor::new("a,b\n1,2\n3,4,5\n"), &options).unwrap_err();
    assert!(matches!(error, DataError::UnequalRow { row: 2, line: 3, fields: 3, expected: 2, .. }), "{error}");
}

#[test]
fn a_given_delimiter_is_used() {
    let options = ReadOptions { delimiter: Some("|".parse().unwrap()), ..ReadOptions::default() };
    let text = "a;b,c|d\n1;2,3|4\n";
    let table = Table::read_csv_with(Path::new("t.csv"), Cursor::new(text), &options).unwrap();
    assert_eq!((table.columns(), table.row_text(0)), (vec!["a;b,c", "d"], vec!["1;2,3".to_owned(), "4".to_owned()]));
    let header = "\"amount;in;euros\",kind;of;trade,x,label\n";
    assert_eq!(
        read(&format!("{header}1,2,3,4\n")).unwrap().columns(),
        ["amount;in;euros", "kind;of;trade", "x", "label"]
    );
}

/// Text without a line end, as from `/dev/zero`: memory stays bounded.
#[test]
fn a_header_or_row_without_an_end_is_refused() {
    let endless = |start: &'static str, byte: u8| Cursor::new(start).chain(std::io::repeat(byte));
    let error = |source| Table::read_csv(Path::new("t.csv"), source).unwrap_err().to_string();
    assert_eq!(error(endless("", 0)), "t.csv: the header (line 1) is longer than 16 MiB, as no row of a table is");
    let long_row = "t.csv: row 2 (line 3) is longer than 64 MiB, as no row of a table is";
    assert_eq!(error(endless("a,b\n1,2\n3,", b'x')), long_row);
    assert_eq!(error(endless("a,b\n1,2\n3,\"", b'\n')), long_row);
}

#[test]
fn faults_are_data() {
    assert!(matches!(
        read("a,b\n1,\"x\"y\n"),
        Err(DataError::MisplacedQuote { row: 1, line: 2, fault: QuoteFault::TextAfter, .. })
    ));
}
