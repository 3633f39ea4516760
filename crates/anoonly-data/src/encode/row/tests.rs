//! Rows of plain values get the features that a table with the same values gets.

use std::path::Path;

use super::*;
use crate::encode::{EncoderOptions, Notation};
use crate::table::{MemoryColumn, Table, TableBuilder, TickUnit};

/// A table with a column of every kind, as text and as typed values.
fn training() -> Table {
    let rows = 120;
    let texts = |text: &dyn Fn(usize) -> String| {
        MemoryColumn::Texts((0..rows).map(|row| Some(text(row)).filter(|_| row % 9 != 4)).collect())
    };
    let mut table = TableBuilder::new(Path::new("memory"), rows);
    let missing: Vec<bool> = (0..rows).map(|row| row % 10 == 3).collect();
    let columns = [
        ("amount", MemoryColumn::F64((0..rows).map(|row| (row * 37 % 101) as f64 / 8.0).collect())),
        ("price", texts(&|row| format!("{}.{:02}", row * 31 % 97, row % 100))),
        ("yes", MemoryColumn::Truths((0..rows).map(|row| row % 3 == 0).collect())),
        ("word", texts(&|row| ["yes", "no"][row % 2].into())),
        ("city", texts(&|row| ["Rome", "Oslo", "Bonn"][row % 3].into())),
        ("code", texts(&|row| (row * row % 23).to_string())),
        ("day", texts(&|row| format!("{:02}.{:02}.2025", 1 + row % 28, 1 + row % 12))),
        (
            "time",
            MemoryColumn::Times {
                ticks: (0..rows as i64).map(|row| row * 100_003 * 60).collect(),
                unit: TickUnit::Seconds,
                zone: None,
            },
        ),
        ("unix", MemoryColumn::I64((0..rows as i64).map(|row| 1_700_000_000 + row * 7919 % 997 * 86_413).collect())),
    ];
    for (name, values) in columns {
        table.add(name, values, Some(&missing)).unwrap();
    }
    table.finish().unwrap()
}

fn encoder() -> Encoder {
    let options = EncoderOptions {
        categories: vec!["code".into()],
        keep: ["time", "unix", "day", "price"].map(String::from).to_vec(),
        one_hot: 4,
        ..EncoderOptions::default()
    };
    let mut encoder = Encoder::fit(&training(), &options).unwrap().0;
    let price = encoder.columns.iter_mut().find(|column| column.name == "price").unwrap();
    // As a file that is separated by semicolons has it.
    price.notation = Notation::DecimalComma;
    encoder
}

/// A column of a table with a single row.
fn column(value: &RowValue<'_>) -> (MemoryColumn, bool) {
    match value {
        RowValue::Missing => (MemoryColumn::F64(vec![0.0]), true),
        RowValue::Truth(value) => (MemoryColumn::Truths(vec![*value]), false),
        RowValue::Integer(value) => (MemoryColumn::I64(vec![*value as i64]), false),
        RowValue::Number(value) => (MemoryColumn::F64(vec![*value]), false),
        RowValue::Text(text) => (MemoryColumn::Texts(vec![Some(text.to_string())]), false),
        RowValue::Time(time) => {
            let ticks = vec![time.and_utc().timestamp_millis()];
            (MemoryColumn::Times { ticks, unit: TickUnit::Milliseconds, zone: None }, false)
        }
    }
}

#[test]
fn a_value_gets_the_features_that_it_gets_in_a_table() {
    let encoder = encoder();
    let names: Vec<String> = encoder.columns().iter().map(|column| column.name.clone()).collect();
    assert!(names.len() >= 7, "{names:?}");
    let time = chrono::DateTime::from_timestamp(1_750_000_123, 0).unwrap().naive_utc();
    let numbers =
        [0.0, 1.0, -0.0, 7.0, 117.0, 3.25, 1e300, -1e12, f64::INFINITY, f64::NAN, 1_750_000_000.0, 99_999_999.0];
    let texts = [
        "",
        "  ",
        "NA",
        "nan",
        "-",
        "7",
        "7.0",
        "+7",
        " 3,5 ",
        "1.234,56",
        "€ 12",
        "yes",
        "FALSE",
        "1",
        "Rome",
        "rome",
        "Paris",
        "31.03.2025",
        "2025-03-31",
        "2025-03-31 10:15:00",
        "0000-00-00",
        "1750000000",
        "x",
    ];
    let mut values = vec![RowValue::Missing, RowValue::Truth(true), RowValue::Truth(false), RowValue::Time(time)];
    values.extend([0i64, 1, 7, 22, 1_750_000_000].map(RowValue::from));
    values.extend(numbers.map(RowValue::from));
    values.extend(texts.map(RowValue::from));
    let mut compared = 0;
    for name in &names {
        for (value, unknown) in values.iter().flat_map(|value| [(value, Unknown::Refuse), (value, Unknown::Accept)]) {
            let mut table = TableBuilder::new(Path::new("memory"), 1);
            let mut row = Vec::new();
            for other in &names {
                let value = if other == name { value } else { &RowValue::Missing };
                let (cells, missing) = column(value);
                table.add(other, cells, Some(&[missing])).unwrap();
                row.push(value.clone());
            }
            let table = table.finish().unwrap();
            let expected = encoder.encode(&table, unknown);
            let columns = encoder.row_columns(&names, [], unknown).unwrap();
            let mut features = vec![9.0; encoder.width()];
            let found = encoder.encode_row(&columns, &row, &mut features);
            match (expected, found) {
                (Ok(expected), Ok(far)) => {
                    let bits = |cells: &[f32]| cells.iter().map(|cell| cell.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(expected.features.as_slice().unwrap()), bits(&features), "{name}: {value:?}");
                    assert_eq!(!expected.far.is_empty(), far, "{name}: {value:?}");
                    let contexts = encoder.contexts(&table, 0).unwrap();
                    assert_eq!(contexts, encoder.row_contexts(&columns, &row), "{name}: {value:?}");
                    compared += 1;
                }
                (Err(_), Err(RowError::OtherKind { column, .. } | RowError::NewCategory { column, .. })) => {
                    assert_eq!(column, *name);
                }
                (expected, found) => panic!("{name}: {value:?}: {expected:?} and {found:?}"),
            }
        }
    }
    assert!(compared > names.len() * values.len(), "{compared}");
}

#[test]
fn columns_are_matched_by_name() {
    let encoder = encoder();
    let names: Vec<&str> = encoder.columns().iter().map(|column| column.name.as_str()).collect();
    let reversed: Vec<&str> = names.iter().rev().copied().chain(["id"]).collect();
    let columns = encoder.row_columns(&reversed, ["id"], Unknown::Refuse).unwrap();
    assert_eq!(columns.places()[0], Some(names.len() - 1));
    let refused = |names: &[&str], unknown| encoder.row_columns(names, ["id"], unknown).unwrap_err();
    let message = refused(&[&names[..], &["cyty"]].concat(), Unknown::Refuse).to_string();
    assert_eq!(message, "unknown column `cyty`; did you mean city, yes or day?");
    assert_eq!(refused(&names[1..], Unknown::Refuse), RowError::MissingColumns { missing: vec![names[0].to_owned()] });
    assert_eq!(refused(&["city", "city"], Unknown::Accept), RowError::DuplicateColumn { column: "city".into() });
    assert!(matches!(refused(&["other"], Unknown::Accept), RowError::MissingColumns { .. }));
    assert!(encoder.row_columns(&["city", "other"], [], Unknown::Accept).is_ok());
    let found = encoder.encode_row(&columns, &[RowValue::Missing], &mut vec![0.0; encoder.width()]);
    assert_eq!(found, Err(RowError::ValueCount { expected: reversed.len(), found: 1 }));
}

#[test]
fn values_are_read_from_json() {
    let json = r#"[null, true, 12, -3, 0.5, "x", 18446744073709551615]"#;
    let values: Vec<RowValue<'static>> = serde_json::from_str(json).unwrap();
    let expected =
        [RowValue::Missing, true.into(), 12i64.into(), (-3i64).into(), 0.5.into(), "x".into(), u64::MAX.into()];
    assert_eq!(values, expected);
    assert!(serde_json::from_str::<RowValue<'static>>("[1]").is_err());
}
