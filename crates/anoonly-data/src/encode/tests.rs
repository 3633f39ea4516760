use std::fmt::Write;
use std::fs;

use super::*;

fn table(content: &str) -> Table {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    fs::write(&path, content).unwrap();
    Table::read(&path).unwrap()
}

/// A table with one column `x`, beside one that keeps a row from being blank.
fn column(cells: &[&str]) -> Table {
    table(&cells.iter().enumerate().fold("x,row\n".to_owned(), |mut text, (row, cell)| {
        let _ = writeln!(text, "{cell},{}", row % 2);
        text
    }))
}

fn fit(table: &Table) -> Result<(Encoder, Vec<LeftOut>), DataError> {
    Encoder::fit(table, &EncoderOptions { apart: vec!["row".into()], ..Default::default() })
}

#[track_caller]
fn features(cells: &[&str]) -> (Vec<String>, Array2<f32>) {
    let table = column(cells);
    let (encoder, _) = fit(&table).unwrap();
    encoder.check().unwrap();
    let encoded = encoder.encode(&table, Unknown::Refuse).unwrap();
    assert_eq!(encoded.features.ncols(), encoder.width());
    (encoder.feature_names(), encoded.features)
}

#[test]
fn numbers_are_measured_from_their_median_and_keep_what_32_bits_would_lose() {
    let (names, values) = features(&["1700000000", "1700000001", "1700000003"]);
    assert_eq!((names, values), (vec!["x".to_owned()], ndarray::array![[-1.0], [0.0], [2.0]]));
}

#[test]
fn missing_values_become_the_median_and_are_marked_when_there_are_many() {
    let (names, values) = features(&["1", "NA", "3", "5"]);
    assert_eq!((names.len(), values.column(0).to_vec()), (1, vec![-2.0, 0.0, 0.0, 2.0]));
    let cells = ["1", "2", "3", "4", "5", "", "NaN", "null", "NA", "None"];
    let (names, values) = features(&cells);
    assert_eq!(names, ["x", "x is missing"]);
    assert_eq!(values.column(1).to_vec(), [0., 0., 0., 0., 0., 1., 1., 1., 1., 1.]);
}

#[test]
fn truths_categories_and_dates() {
    let (_, values) = features(&["true", "no", "TRUE"]);
    assert_eq!(values.column(0).to_vec(), [0.0, -1.0, 0.0]);
    let (names, values) = features(&["b", "a", "b"]);
    assert_eq!(names, ["x = a", "x = b"]);
    assert_eq!(values, ndarray::array![[0., 1.], [1., 0.], [0., 1.]]);
    // Midnight and noon are opposite positions in the day.
    let (names, values) = features(&["2026-05-01 00:00", "2026-05-01T12:00:00Z", "2026-05-02", "2026-05-03"]);
    assert_eq!(names, ["time of day of x (sine)", "time of day of x (cosine)"]);
    assert!((values[[0, 1]] - 1.0).abs() < 1e-6 && (values[[1, 1]] + 1.0).abs() < 1e-6, "{values}");
}

#[test]
fn many_categories_become_their_frequency_and_a_new_one_is_the_rarest() {
    let cells: Vec<String> = (0..60).map(|row| format!("c{}", row % 20)).collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let table = column(&cells);
    let (encoder, _) = fit(&table).unwrap();
    assert_eq!(encoder.feature_names(), ["frequency of x"]);
    let encoded = encoder.encode(&column(&["c3", "new"]), Unknown::Refuse).unwrap();
    assert_eq!(encoded.features.column(0).to_vec(), [0.05, 0.0]);
}

#[test]
fn useless_columns_are_left_out_with_a_reason() {
    let ids: String = (0..80).map(|row| format!("name{row},same,,{}\n", row % 7)).collect();
    let (encoder, left_out) =
        Encoder::fit(&table(&format!("id,constant,empty,x\n{ids}")), &Default::default()).unwrap();
    assert_eq!(encoder.columns().len(), 1);
    let left: Vec<(&str, bool)> = left_out.iter().map(|left| (&left.column[..], left.usable)).collect();
    assert_eq!(left, [("id", true), ("constant", false), ("empty", false)]);
    assert!(left_out.iter().all(|left| !left.reason.is_empty()));
}

#[test]
fn numbers_among_words_are_refused_unless_they_are_categories() {
    let cells: Vec<String> = (0..40).map(|row| if row == 30 { "red".into() } else { row.to_string() }).collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let error = fit(&column(&cells)).unwrap_err();
    assert!(matches!(error, DataError::Mixed { row: 31, .. }), "{error}");
    // A few codes that repeat are categories.
    let (names, _) = features(&["1", "2", "A", "1", "2", "2"]);
    assert_eq!(names, ["x = 1", "x = 2", "x = A"]);
    let options = EncoderOptions { apart: vec!["row".into()], categories: vec!["x".into()], ..Default::default() };
    let (encoder, _) = Encoder::fit(&column(&["1", "2", "1"]), &options).unwrap();
    assert_eq!(encoder.feature_names(), ["x = 1", "x = 2"]);
}

#[test]
fn an_encoder_survives_json_and_ignores_how_a_file_types_its_columns() {
    let text = column(&["2.5", "", "4", "1", "7", "9"]);
    let (encoder, _) = fit(&text).unwrap();
    let again: Encoder = serde_json::from_str(&serde_json::to_string(&encoder).unwrap()).unwrap();
    assert_eq!(again, encoder);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let values = [2.5f32, 4.0, 4.0, 1.0, 7.0, 9.0];
    let typed = text.select(&[]).unwrap().with_columns(&[("x", crate::table::Values::Scores(&values))]).unwrap();
    let mut writer = crate::table::TableWriter::create(&path).unwrap();
    writer.write(&typed).unwrap();
    writer.finish().unwrap();
    let typed = encoder.encode(&Table::read(&path).unwrap(), Unknown::Refuse).unwrap().features;
    let mut parsed = encoder.encode(&text, Unknown::Refuse).unwrap().features;
    parsed[[1, 0]] = typed[[1, 0]];
    assert_eq!(typed, parsed);
}

#[test]
fn blocks_are_consecutive_parts_that_know_their_row_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 300_000;
    let text: String = (0..rows).map(|row| format!("{row}\n")).collect();
    for name in ["table.csv", "table.parquet"] {
        let path = folder.path().join(name);
        match name {
            "table.csv" => fs::write(&path, format!("x\n{text}oops\n")).unwrap(),
            _ => {
                let values: Vec<u64> = (0..=rows).collect();
                let all = column(&["1"]).select(&[]).unwrap();
                let mut writer = crate::table::TableWriter::create(&path).unwrap();
                writer.write(&all.with_columns(&[("x", crate::table::Values::Counts(&values))]).unwrap()).unwrap();
                writer.finish().unwrap();
            }
        }
        let blocks: Vec<Table> = Table::blocks(&path).unwrap().map(Result::unwrap).collect();
        assert!(blocks.len() > 1, "{name}");
        let numbers: Vec<u64> = blocks.iter().flat_map(Table::row_numbers).collect();
        assert_eq!(numbers, (1..=rows + 1).collect::<Vec<_>>(), "{name}");
        if name == "table.csv" {
            let (encoder, _) = fit(&column(&["1", "2"])).unwrap();
            let last = encoder.encode(&blocks[blocks.len() - 1], Unknown::Refuse);
            assert!(matches!(last, Err(DataError::OtherKind { row: 300_001, .. })));
        }
    }
}

#[test]
fn invalid_encoders_are_refused() {
    let (encoder, _) = fit(&column(&["b", "a", "b"])).unwrap();
    let json = serde_json::to_value(&encoder).unwrap();
    for (pointer, value) in [
        ("/columns/0/encoding/one-hot/categories", serde_json::json!(["b", "a"])),
        ("/columns/0/encoding", serde_json::json!({ "number": { "median": 1.0 } })),
        ("/columns", serde_json::json!([])),
    ] {
        let mut damaged = json.clone();
        *damaged.pointer_mut(pointer).unwrap() = value;
        let damaged: Encoder = serde_json::from_value(damaged).unwrap();
        assert!(damaged.check().is_err(), "{pointer}");
    }
}

mod as_they_come;
