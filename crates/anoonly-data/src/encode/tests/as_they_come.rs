//! Columns as people have them: what becomes of them, and what is refused.

use super::{column, fit, table};
use crate::DataError;
use crate::encode::{ColumnKind, Encoded, EncodedColumn, Encoder, EncoderOptions, Encoding, LeftOut, Unknown};
use crate::table::{Table, TableWriter, Values};

/// A table with the columns `x` and `row` from any cells, with semicolons between the fields.
fn with_semicolons(cells: &[&str]) -> Table {
    let rows = cells.iter().enumerate().map(|(row, cell)| format!("{cell};{}\n", row % 2));
    table(&format!("x;row\n{}", rows.collect::<String>()))
}

fn quoted(cells: &[&str]) -> Table {
    let cells: Vec<String> = cells.iter().map(|cell| format!("\"{cell}\"")).collect();
    column(&cells.iter().map(String::as_str).collect::<Vec<_>>())
}

#[track_caller]
fn only(table: &Table) -> EncodedColumn {
    let (encoder, left_out) = fit(table).unwrap();
    assert_eq!(left_out, []);
    encoder.columns()[0].clone()
}

/// The reason why column `x` is left out, beside a column that is not.
#[track_caller]
fn reason(cells: &[String]) -> String {
    let rows = cells.iter().enumerate().map(|(row, cell)| format!("{cell},{}\n", row % 7));
    let table = table(&format!("x,other\n{}", rows.collect::<String>()));
    let (_, left_out) = Encoder::fit(&table, &EncoderOptions::default()).unwrap();
    let [LeftOut { column, reason, usable: true }] = &left_out[..] else { panic!("{left_out:?}") };
    assert_eq!(column, "x");
    reason.clone()
}

fn many(count: usize, cell: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(cell).collect()
}

fn written(name: &str, values: Values<'_>) -> Table {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let mut writer = TableWriter::create(&path).unwrap();
    writer.write(&column(&["1"]).select(&[]).unwrap().with_columns(&[(name, values)]).unwrap()).unwrap();
    writer.finish().unwrap();
    Table::read(&path).unwrap()
}

#[test]
fn a_date_is_used_as_far_as_training_goes_around_its_periods() {
    let day = |row: usize| {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 31).unwrap() + chrono::TimeDelta::days(row as i64);
        day.to_string()
    };
    let cells = |days: usize| {
        let cells = many(2 * days, |row| day(row / 2));
        column(&cells.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (short, long) = (only(&cells(60)), only(&cells(365)));
    assert_eq!(short.width(), 2);
    assert_eq!(short.summary(), "day of the week, as positions on a circle");
    assert_eq!(short.notes, ["training saw too little of the day of the year: 60 days, 2026-01-31 to 2026-03-31"]);
    assert_eq!((long.width(), long.notes.len()), (4, 0));
    let reason = reason(&many(60, |row| day(row / 15)));
    assert_eq!(
        reason,
        "training saw too little of the day of the year and the day of the week: 4 days, 2026-01-31 to 2026-02-03"
    );
}

#[test]
fn columns_that_new_rows_must_leave_are_left_out_unless_they_are_kept() {
    let shuffled = |row: usize| (row * 37) % 101;
    for (cells, why) in [
        (many(100, |row| (1_000_001 + row).to_string()), "count on"),
        (many(101, |row| shuffled(row).to_string()), "count on"),
        (many(101, |row| format!("{}.0", 20 + 10 * shuffled(row))), "count on"),
        (many(80, |row| (4_000_000_000_000_000_000 + row * row * 999_999_937).to_string()), "twelve or more digits"),
        (many(200, |row| format!("{}", 37.5 * row as f64 + (row % 5) as f64)), "grow steadily from row to row"),
        (many(200, |row| format!("{}", -3.25 * row as f64)), "fall steadily from row to row"),
    ] {
        let reason = reason(&cells);
        assert!(reason.contains(why), "{reason}");
    }
    let index = "__index_level_0__,Unnamed: 0,x,kept\n".to_owned()
        + &(0..60).map(|row| format!("{},{row},{},{row}\n", row % 3, row % 9)).collect::<String>();
    let options = EncoderOptions { keep: vec!["kept".into()], ..EncoderOptions::default() };
    let (encoder, left_out) = Encoder::fit(&table(&index), &options).unwrap();
    let left: Vec<&str> = left_out.iter().map(|left| left.column.as_str()).collect();
    assert_eq!(
        (left, encoder.feature_names()),
        (vec!["__index_level_0__", "Unnamed: 0"], vec!["x".into(), "kept".into()])
    );
    let options = EncoderOptions { keep: vec!["nothing".into()], ..EncoderOptions::default() };
    assert!(matches!(Encoder::fit(&table(&index), &options), Err(DataError::NoColumn { .. })));
}

#[test]
fn whole_numbers_are_one_category_with_and_without_a_fraction_of_zeros() {
    let options = EncoderOptions { apart: vec!["row".into()], categories: vec!["x".into()], ..Default::default() };
    let (encoder, _) = Encoder::fit(&column(&["117", "117.0", "20", "", "-3.00"]), &options).unwrap();
    assert_eq!(encoder.feature_names(), ["x = -3", "x = 117", "x = 20"]);
    let encoded = encoder.encode(&column(&["117.0", "20.0", "-3"]), Unknown::Refuse).unwrap();
    assert_eq!(encoded.features, ndarray::array![[0., 1., 0.], [0., 0., 1.], [1., 0., 0.]]);
    // Where some are other text, every text is a category of its own.
    let (encoder, _) = Encoder::fit(&column(&["117", "117.0", "x"]), &options).unwrap();
    assert_eq!(encoder.width(), 3);
}

#[test]
fn integers_beyond_double_precision_keep_their_digits_as_categories() {
    let accounts: Vec<u64> = (0..60).map(|row| 1_000_000_000_000_000_000 + row).collect();
    let cells: Vec<String> = accounts.iter().map(u64::to_string).collect();
    let options = EncoderOptions { categories: vec!["x".into()], keep: vec!["x".into()], ..Default::default() };
    let text = column(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    let text = text.select(&["x".into()]).unwrap();
    let typed = written("x", Values::Counts(&accounts));
    let (of_text, _) = Encoder::fit(&text, &options).unwrap();
    let (of_typed, _) = Encoder::fit(&typed, &options).unwrap();
    assert_eq!(of_text, of_typed);
    let Encoding::Frequency { shares, .. } = &of_typed.columns()[0].encoding else { panic!() };
    assert_eq!(shares.keys().map(String::as_str).collect::<Vec<_>>(), cells);
}

#[test]
fn names_and_codes_are_what_they_are() {
    // Different in every row of a small table.
    let names = reason(&many(30, |row| format!("name {row}")));
    assert!(names.contains("as in a column of identifiers"), "{names}");
    let parts = many(60, |row| format!("{}-10-{}", 100 + row % 20, 1000 + row % 20));
    let parts = only(&column(&parts.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(parts.kind, ColumnKind::Category);
    let options = EncoderOptions { apart: vec!["row".into()], categories: vec!["x".into()], ..Default::default() };
    let asked = many(60, |row| format!("name {row}"));
    let (encoder, _) = Encoder::fit(&column(&asked.iter().map(String::as_str).collect::<Vec<_>>()), &options).unwrap();
    assert_eq!(encoder.width(), 1);
}

#[test]
fn a_column_of_more_categories_than_a_model_keeps_is_refused_by_its_name() {
    let cells = many(150_000, |row| format!("street {}\nstreet {}", row % 110_000, row % 110_000));
    let error = Encoder::fit(&table(&format!("address\n{}\n", cells.join("\n"))), &EncoderOptions::default());
    let error = error.unwrap_err();
    assert!(matches!(&error, DataError::TooManyCategories { column, categories: 110_000, .. } if column == "address"));
}

#[test]
fn dates_are_read_in_the_order_that_a_part_above_12_shows() {
    for (cells, notation) in [
        (["31.03.2026", "04.03.2026", "01.12.2025 10:00"], "day first"),
        (["03/31/2026", "03/04/2026", "12/01/2025"], "month first"),
        (["31/03/2026", "04/03/2026", "01/12/2025"], "day first"),
        (["2026-03-31 10:00:00+00", "2026-03-04 10:00:00+0000", "2025-12-01"], ""),
    ] {
        let options = EncoderOptions { apart: vec!["row".into()], keep: vec!["x".into()], ..Default::default() };
        let (encoder, _) = Encoder::fit(&column(&cells), &options).unwrap();
        let column = &encoder.columns()[0];
        assert_eq!((column.kind, column.notation.name()), (ColumnKind::Date, notation), "{cells:?}");
    }
    // One and the same day, in any order.
    let options = EncoderOptions { apart: vec!["row".into()], keep: vec!["x".into()], ..Default::default() };
    let features = |cells: &[&str]| {
        let table = column(cells);
        Encoder::fit(&table, &options).unwrap().0.encode(&table, Unknown::Refuse).unwrap().features
    };
    assert_eq!(features(&["31.03.2026", "01.02.2026"]), features(&["2026-03-31", "2026-02-01"]));
    assert_eq!(features(&["3/31/2026", "2/1/2026"]), features(&["2026-03-31", "2026-02-01"]));
    let refused = |cells: &[&str]| fit(&column(cells)).unwrap_err();
    let days = |row: usize| format!("{:02}/{:02}/2026", 1 + row % 12, 1 + row / 12);
    let ambiguous = many(80, days);
    let error = refused(&ambiguous.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(matches!(&error, DataError::AmbiguousDate { row: 1, value, .. } if value == "01/01/2026"), "{error}");
    // Both orders in one column.
    let error = refused(&["31/03/2026", "03/31/2026"]);
    assert!(matches!(&error, DataError::AmbiguousDate { row: 2, .. }), "{error}");
}

#[test]
fn a_zero_date_is_missing_and_a_bad_one_is_an_error_with_its_row() {
    let good = |row: usize| format!("2026-03-{:02}", 1 + row % 28);
    let mut cells = many(60, good);
    (cells[3], cells[7]) = ("0000-00-00".into(), "?".into());
    let text = |cells: &[String]| column(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    let column = only(&text(&cells));
    assert_eq!(column.seen.unwrap().missing, 2);
    assert_eq!(column.notes[..2], ["`0000-00-00` counts as missing (1 row)", "`?` counts as missing (1 row)"]);
    cells[40] = "2026-13-45".into();
    let error = fit(&text(&cells)).unwrap_err();
    assert!(matches!(&error, DataError::Mixed { row: 41, kind: "date", .. }), "{error}");
    // Also where the other values are few.
    let mut ends = many(100, |row| format!("2026-{:02}-28", 1 + row % 12));
    ends[70] = "2026-13-01".into();
    let error = fit(&text(&ends)).unwrap_err();
    assert!(matches!(&error, DataError::UnknownDate { row: 71, .. }), "{error}");
    cells[40] = "soon".into();
    let error = fit(&text(&cells)).unwrap_err();
    assert!(matches!(&error, DataError::Mixed { row: 41, kind: "date", .. }), "{error}");
}

#[test]
fn dates_written_as_numbers_are_dates() {
    let day = |row: usize| format!("202603{:02}", 1 + (7 * row) % 31);
    let column = column(&many(60, day).iter().map(String::as_str).collect::<Vec<_>>());
    let compact = only(&column);
    assert_eq!((compact.kind, compact.notation.name()), (ColumnKind::Date, "eight digits"));
    let seconds = many(90, |row| (1_750_000_000 + row * 86_400 * 5 + (row * 7919) % 86_400).to_string());
    let rows = seconds.iter().enumerate().map(|(row, cell)| format!("{cell},{cell},{}\n", row % 2));
    let table = table(&format!("created_at,amount,row\n{}", rows.collect::<String>()));
    let (encoder, left_out) = fit(&table).unwrap();
    assert_eq!(encoder.columns()[0].kind, ColumnKind::Date);
    assert_eq!(encoder.columns()[0].notation.name(), "Unix time in seconds");
    // Zeros mark missing dates; a number that is no date is an error; durations stay numbers.
    let mut compact = many(100, |row| format!("202603{:02}", 1 + (7 * row) % 31));
    (compact[0], compact[9]) = ("0".into(), "-1".into());
    let cells = |cells: &[String]| super::column(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    let marked = only(&cells(&compact));
    assert_eq!((marked.kind, marked.seen.unwrap().missing), (ColumnKind::Date, 2));
    compact[50] = "20261332".into();
    let error = fit(&cells(&compact)).unwrap_err();
    assert!(matches!(&error, DataError::UnknownDate { row: 51, value, .. } if value == "20261332"), "{error}");
    for name in ["elapsed_time_ns", "sentiment", "lifetime_value", "timeout", "updated_revenue"] {
        let rows = (0..60).map(|row| format!("{},{}\n", 1_100_000_000 + (row * row * 7919) % 800_000_000, row % 2));
        let (encoder, _) = fit(&super::table(&format!("{name},row\n{}", rows.collect::<String>()))).unwrap();
        assert_eq!(encoder.columns()[0].kind, ColumnKind::Number, "{name}");
    }
    // The same numbers under another name only grow.
    assert_eq!(left_out.iter().map(|left| left.column.as_str()).collect::<Vec<_>>(), ["amount"]);
}

#[test]
fn a_comma_is_a_decimal_mark_where_the_delimiter_leaves_it_free() {
    let german = only(&with_semicolons(&["1.234,56", "12,50", "-3", "7,25 €"]));
    let Encoding::Number { median, .. } = german.encoding else { panic!("{german:?}") };
    assert_eq!((median, german.seen.unwrap().range), (12.5, Some([-3.0, 1234.56])));
    assert_eq!(german.notation.name(), "decimal comma");
    let prices: Vec<&str> = ["12,50", "8,00", "9,90"].into_iter().cycle().take(60).collect();
    assert_eq!(only(&with_semicolons(&prices)).kind, ColumnKind::Number);
    for cells in [&prices[..], &["1,480.05", "2,100.00", "12.5"], &["1.234,56", "12,50"], &["3", "4", "5", "6,5"]] {
        let error = fit(&quoted(cells)).unwrap_err();
        assert!(matches!(&error, DataError::OtherDecimals { .. }), "{cells:?}: {error}");
    }
    let euro = only(&column(&["€ 12.50", "€ 3", "4.5", "7 €"]));
    assert_eq!((euro.kind, euro.seen.unwrap().range), (ColumnKind::Number, Some([3.0, 12.5])));
    assert_eq!(euro.notes, ["ignored: €"]);
    // Two currencies, and shares with and without a per cent sign, are no numbers of one kind.
    for (cells, row) in [(["€ 3", "$ 4.5", "4"], 1), (["7.5 %", "8 %", "0.07"], 1)] {
        let error = fit(&column(&cells)).unwrap_err();
        assert!(matches!(&error, DataError::Mixed { row: found, .. } if *found == row), "{error}");
    }
    // What one file leaves free, another does not.
    let (encoder, _) = fit(&with_semicolons(&["1,5", "2,5", "4"])).unwrap();
    let encoded = encoder.encode(&quoted(&["1,5", "4"]), Unknown::Refuse).unwrap();
    assert_eq!(encoded.features.column(0).to_vec(), [-1.0, 1.5]);
}

#[test]
fn marks_between_thousands_are_not_taken_for_decimal_marks() {
    // Every comma stands before three digits: 1.48 or 1480?
    let error = fit(&with_semicolons(&["1,480", "950", "12,300"])).unwrap_err();
    assert!(matches!(&error, DataError::OtherDecimals { row: 1, .. }), "{error}");
    // Points before three digits, beside a column with decimal commas.
    let table = table("price;count\n1,50;950\n2,25;1.200\n3,00;15.000\n");
    let error = Encoder::fit(&table, &EncoderOptions::default()).unwrap_err();
    assert!(matches!(&error, DataError::OtherDecimals { column, row: 2, .. } if column == "count"), "{error}");
    // Without such a column, and with a zero before it, a point is a decimal mark.
    let plain = only(&with_semicolons(&["0.125", "1.250", "0.375"]));
    assert_eq!(plain.seen.unwrap().range, Some([0.125, 1.25]));
}

#[test]
fn a_text_for_nan_is_a_missing_number() {
    let mut cells = many(100, |row| ((row * 7919) % 997).to_string());
    (cells[3], cells[8]) = ("-nan".into(), "NAN".into());
    let table = column(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    let numbers = only(&table);
    assert_eq!((numbers.kind, numbers.seen.unwrap().missing), (ColumnKind::Number, 2));
    let (encoder, _) = fit(&table).unwrap();
    assert_eq!(encoder.encode(&column(&["nan", "-NaN", "5"]), Unknown::Refuse).unwrap().filled, 2);
}

#[test]
fn a_few_odd_cells_do_not_turn_numbers_into_categories() {
    let number = |row: usize| ((row * 7919) % 997).to_string();
    let mut cells = many(100, number);
    for (row, odd) in [(3, "?"), (9, "-"), (20, "n/a"), (50, "-"), (60, "#DIV/0!")] {
        cells[row] = odd.into();
    }
    let text = |cells: &[String]| column(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    let numbers = only(&text(&cells));
    assert_eq!((numbers.kind, numbers.seen.unwrap().missing, numbers.width()), (ColumnKind::Number, 5, 2));
    assert_eq!(
        numbers.notes,
        ["`#DIV/0!` counts as missing (1 row)", "`-` counts as missing (2 rows)", "`?` counts as missing (1 row)"]
    );
    let (encoder, _) = fit(&text(&cells)).unwrap();
    assert_eq!(encoder.encode(&text(&["?".into(), "5".into()]), Unknown::Refuse).unwrap().filled, 1);
    // One letter among two hundred grades is a mistake, although the grades are few.
    let mut grades = many(200, |row| (1 + row % 5).to_string());
    grades[150] = "x".into();
    let error = fit(&text(&grades)).unwrap_err();
    assert!(matches!(&error, DataError::Mixed { row: 151, kind: "number", .. }), "{error}");
}

#[test]
fn truth_values_from_numbers_are_0_and_1() {
    let (encoder, _) = fit(&column(&["yes", "no", "no"])).unwrap();
    let typed = |values: &[u64]| encoder.encode(&written("x", Values::Counts(values)), Unknown::Refuse);
    assert_eq!(typed(&[0, 1]).unwrap().features.column(0).to_vec(), [0.0, 1.0]);
    assert!(matches!(typed(&[0, 1, 8]), Err(DataError::OtherKind { row: 3, .. })));
}

#[test]
fn values_outside_of_what_training_held_are_counted_by_column() {
    let rows = |cells: &[(&str, &str, &str)]| {
        let row = |(number, few, many): &(&str, &str, &str)| format!("{number},{few},{many}\n");
        table(&format!("number,few,many\n{}", cells.iter().map(row).collect::<String>()))
    };
    let names: Vec<String> = many(60, |row| format!("c{}", row % 20));
    let numbers: Vec<String> = many(60, |row| ((row * row) % 57).to_string());
    let training: Vec<(&str, &str, &str)> =
        (0..60).map(|row| (numbers[row].as_str(), ["a", "b"][row % 2], names[row].as_str())).collect();
    let (encoder, _) = Encoder::fit(&rows(&training), &EncoderOptions::default()).unwrap();
    assert_eq!(encoder.encode(&rows(&training), Unknown::Refuse).unwrap().unseen.columns, []);
    let new = rows(&[("5", "a", "c1"), ("57", "a", "new"), ("", "c", "c2"), ("-1", "", "newer"), ("oops", "b", "c3")]);
    let unseen = encoder.encode(&new, Unknown::Accept).unwrap().unseen;
    let counts = |place: usize| {
        let column = &unseen.columns[place];
        (column.column.as_str(), column.beyond, column.missing, column.new_categories, column.other_kind)
    };
    assert_eq!((unseen.rows, unseen.columns.len()), (5, 3));
    assert_eq!(counts(0), ("number", 2, 1, 0, 1));
    assert_eq!(counts(1), ("few", 0, 1, 1, 0));
    assert_eq!(counts(2), ("many", 0, 0, 2, 0));
    assert_eq!(
        unseen.columns[0].summary(),
        "2 outside of 0 to 55, 1 missing, where training had none, 1 of another kind, which count as missing \
         (first in row 2: `57`)"
    );
    assert_eq!(unseen.many(), None);
    assert!(!unseen.is_chance(&unseen.columns[0]));
    let few = encoder.encode(&rows(&[("56", "a", "c1"), ("3", "b", "c2")]), Unknown::Refuse).unwrap().unseen;
    assert!(few.is_chance(&few.columns[0]), "{few:?}");
    // Far beyond the range is no chance.
    let far = encoder.encode(&rows(&[("500", "a", "c1"), ("3", "b", "c2")]), Unknown::Refuse).unwrap().unseen;
    assert!(!far.is_chance(&far.columns[0]) && far.columns[0].farthest > 8.0, "{far:?}");
    let mut twice = unseen.clone();
    twice.add(unseen.clone());
    assert_eq!((twice.rows, twice.columns[0].beyond, twice.by_count()[0].column.as_str()), (10, 4, "number"));
    // In a table of some size, half of the rows are many.
    let high: Vec<(&str, &str, &str)> = (0..20).map(|row| (["1", "999"][row % 2], "a", "c1")).collect();
    let unseen = encoder.encode(&rows(&high), Unknown::Refuse).unwrap().unseen;
    assert_eq!(unseen.many().unwrap().column, "number");
    let columns: Vec<String> = ["few", "many"].map(String::from).into();
    let absent = encoder.encode(&rows(&training).select(&columns).unwrap(), Unknown::Accept).unwrap();
    assert_eq!(absent.unseen.many().unwrap().missing, 60);
}

#[test]
fn far_values_are_moved_to_where_features_can_hold_them() {
    let cells = many(60, |row| ((row * row) % 57).to_string());
    let (encoder, _) = fit(&column(&cells.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    let new = column(&["1e30", "3", "inf", "-1e300", "57000000"]);
    let Encoded { features, unseen, far, .. } = encoder.encode(&new, Unknown::Refuse).unwrap();
    assert_eq!((far, unseen.columns[0].far, unseen.columns[0].beyond), (vec![0, 2, 3, 4], 4, 4));
    assert!(features.iter().all(|value| value.is_finite()));
    assert_eq!(features[[0, 0]], features[[2, 0]]);
    assert!(features[[0, 0]] > 1e7 && features[[3, 0]] < -1e7);
    let [low, high] = encoder.columns()[0].seen.unwrap().range.unwrap();
    assert_eq!(encoder.columns()[0].far_bounds(), Some([low - 1e6 * (high - low), high + 1e6 * (high - low)]));
    // An infinite number among the training rows is an error.
    assert!(matches!(fit(&column(&["1", "inf", "2"])), Err(DataError::NotFiniteCell { row: 2, .. })));
}

#[test]
fn numbers_too_small_or_large_for_32_bits_keep_their_differences() {
    for unit in [1e-310, 1e-42, 1e200] {
        let cells = [1.0, 2.0, 4.0].map(|value: f64| format!("{:e}", value * unit));
        let table = column(&cells.each_ref().map(String::as_str));
        let (encoder, _) = fit(&table).unwrap();
        encoder.check().unwrap();
        let features = encoder.encode(&table, Unknown::Refuse).unwrap().features;
        let column = features.column(0);
        assert!((column[0] + 0.5).abs() < 1e-6 && column[1] == 0.0 && (column[2] - 1.0).abs() < 1e-6, "{column}");
    }
    // One value that marks a missing one takes the room of all others.
    let mut cells = many(200, |row| ((row * row) % 57).to_string());
    cells[20] = "1e30".into();
    let column = only(&column(&cells.iter().map(String::as_str).collect::<Vec<_>>()));
    assert!(column.notes[0].starts_with("`1e30` is so far from the other values"), "{:?}", column.notes);
}

#[test]
fn messages_quote_the_beginning_of_a_long_value() {
    let long = "y".repeat(20_000);
    let mut cells = many(100, |row| ((row * 7919) % 997).to_string());
    cells[5] = long;
    let error = fit(&column(&cells.iter().map(String::as_str).collect::<Vec<_>>())).unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
}
