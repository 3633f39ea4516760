use super::*;
use crate::encode::{Encoder, EncoderOptions};
use crate::table::Table;

fn table(text: &str) -> Table {
    Table::read_csv(std::path::Path::new("memory"), std::io::Cursor::new(text.to_owned())).unwrap()
}

/// 60 rows. Every tenth amount is missing, and of the others, 0 in half of the rows. The dates are those of 30 days from Monday,
/// 2026-03-02, at half past 9 and 10.
fn encoder() -> Encoder {
    let row = |row: usize| {
        let amount = if row % 10 == 9 { String::new() } else { (row % 2 * (row / 2 + 1)).to_string() };
        let country = ["A", "B", "C"][usize::from(row >= 45) + usize::from(row >= 57)];
        let (vip, code, day, hour) = (row % 10 == 3, row % 20, 2 + row % 30, 9 + row % 2);
        format!("{amount},{country},{vip},c{code},2026-03-{day:02} {hour:02}:30\n")
    };
    let rows: String = (0..60).map(row).collect();
    let table = table(&format!("amount,country,vip,code,when\n{rows}"));
    let (encoder, _) = Encoder::fit(&table, &EncoderOptions::default()).unwrap();
    encoder.check().unwrap();
    encoder
}

/// Asserts the contexts of a row.
#[track_caller]
fn assert_texts(encoder: &Encoder, row: &str, expected: [&str; 5]) {
    let table = table(&format!("amount,country,vip,code,when\n{row}\n"));
    let contexts = encoder.contexts(&table, 0).unwrap();
    let texts = contexts.into_iter().map(|context| context.map_or_else(|| "nothing".to_owned(), |it| it.to_string()));
    assert_eq!(texts.collect::<Vec<_>>(), expected, "{row}");
}

/// The shares are those of pandas on the same rows: `(a < 24).mean()` of the amounts without the missing ones, `mean()` of the truth
/// values, and `value_counts(normalize=True)` of countries, `dt.day_of_week` and `dt.hour`.
#[test]
fn every_kind_of_value_has_its_place() {
    let encoder = encoder();
    let row = "24,C,true,c3,2026-05-31 10:00";
    let date = "Sunday: 13.3 % of rows, 10:00 to 11:00: 50 %";
    assert_texts(&encoder, row, ["above 90.7 %", "5 % of rows", "10 % of rows", "5 % of rows", date]);
    let row = "0,D,no,new,2026-06-01 03:00";
    let (zero, new) = ("the lowest, equal to 55.6 % of rows", "in no training row");
    assert_texts(&encoder, row, [zero, new, "90 % of rows", new, "03:00 to 04:00: 0 % of rows, Monday: 16.7 %"]);
    let (most, never) = ("above all training rows", "missing in no training row");
    assert_texts(&encoder, "inf,A,,,", [most, "75 % of rows", never, never, never]);
    let least = "below all training rows";
    assert_texts(&encoder, "-1e300,B,yes,c4,", [least, "20 % of rows", "10 % of rows", "5 % of rows", never]);
    // Of a value that counts as missing because it is of another kind, nothing is said.
    assert_texts(
        &encoder,
        ",A,2,c0,noon",
        ["missing in 10 % of rows", "75 % of rows", "nothing", "5 % of rows", "nothing"],
    );
    let contexts = encoder.contexts(&table("amount\n29"), 0).unwrap();
    assert_eq!(contexts[0].as_ref().unwrap().to_string(), "the highest");
    assert_eq!(contexts[1], Some(ValueContext::Missing { share: 0.0 }));
}

#[test]
fn contexts_are_serialised_as_programs_expect_them() {
    let table = table("amount,country,vip,code,when\n29,C,true,,2026-05-31 10:00");
    let contexts = serde_json::to_value(encoder().contexts(&table, 0).unwrap()).unwrap();
    let parts = serde_json::json!([
        { "period": "week", "interval": "Sunday", "share": 8.0 / 60.0 },
        { "period": "day", "interval": "10:00 to 11:00", "share": 0.5 },
    ]);
    let expected = serde_json::json!([
        { "kind": "number", "lower": 53.0 / 54.0, "equal": 1.0 / 54.0, "higher": 0.0 },
        { "kind": "category", "share": 0.05, "rows": 3 },
        { "kind": "category", "share": 0.1, "rows": 6 },
        { "kind": "missing", "share": 0.0 },
        { "kind": "date", "parts": parts },
    ]);
    assert_eq!(contexts, expected);
}

#[test]
fn what_a_model_of_an_earlier_version_does_not_know_is_not_said() {
    let strip = |keys: &[&str]| -> Encoder {
        let mut json = serde_json::to_value(encoder()).unwrap();
        for column in json["columns"].as_array_mut().unwrap() {
            keys.iter().for_each(|&key| drop(column.as_object_mut().unwrap().remove(key)));
        }
        let encoder: Encoder = serde_json::from_value(json).unwrap();
        encoder.check().unwrap();
        encoder
    };
    let row = "24,C,true,c3,2026-05-31 10:00";
    let of_format_2 = strip(&["training"]);
    assert_texts(&of_format_2, row, ["nothing", "nothing", "nothing", "5 % of rows", "nothing"]);
    let row = "100,D,no,new,";
    let (most, new, never) = ("above all training rows", "in no training row", "missing in no training row");
    assert_texts(&of_format_2, row, [most, "nothing", "nothing", new, never]);
    assert_texts(&strip(&["training", "seen"]), row, ["nothing"; 5]);
}

#[test]
fn encoders_whose_training_values_do_not_fit_are_refused() {
    let sound = serde_json::to_value(encoder()).unwrap();
    let (half, huge) = (serde_json::json!([[30, 30]]), serde_json::json!([usize::MAX, 1, 60]));
    for (pointer, value) in [
        ("/columns/0/seen", serde_json::json!(null)),
        ("/columns/0/seen/known", serde_json::json!(53)),
        ("/columns/0/training/numbers/lower/1", serde_json::json!(0)),
        ("/columns/0/training", serde_json::json!({ "categories": [60] })),
        ("/columns/1/training/categories", huge),
        ("/columns/1/training/categories", serde_json::json!([30, 30])),
        ("/columns/3/training", serde_json::json!({ "categories": [60] })),
        ("/columns/4/training/dates", half),
        ("/columns/4/training/dates/0", serde_json::json!([60, 0, 0, 0, 0, 0])),
    ] {
        let mut damaged = sound.clone();
        // `pointer_mut` makes no key.
        if pointer == "/columns/3/training" {
            damaged["columns"][3]["training"] = value;
        } else {
            *damaged.pointer_mut(pointer).unwrap() = value;
        }
        let damaged: Encoder = serde_json::from_value(damaged).unwrap();
        assert!(damaged.check().is_err(), "{pointer}");
    }
}

#[test]
fn numbers_in_words() {
    let number =
        |lower: f64, equal: f64, higher: f64| ValueContext::Number { lower, equal: Some(equal), higher }.to_string();
    assert_eq!(number(0.998, 0.001, 0.001), "above 99.8 %");
    // Never more than is true.
    assert_eq!(number(0.9989, 0.0, 0.0011), "above 99.8 %");
    assert_eq!(number(0.999_97, 0.0, 0.000_03), "above 99.99 %");
    assert_eq!(number(0.999_999_9, 0.0, 0.000_000_1), "above 99.99 %");
    assert_eq!(number(0.9123, 0.0, 0.0877), "above 91.2 %");
    assert_eq!(number(0.57, 0.0, 0.43), "above 57 %");
    assert_eq!(number(0.377, 0.021, 0.602), "below 60 %");
    assert_eq!(number(0.0, 0.0004, 0.9996), "the lowest");
    assert_eq!(number(0.657, 0.343, 0.0), "the highest, equal to 34.3 % of rows");
    // A mode is what counts, and not how few rows lie below.
    assert_eq!(number(0.12, 0.7, 0.18), "equal to 70 % of rows");
    assert_eq!(number(0.0, 0.7, 0.3), "the lowest, equal to 70 % of rows");
    assert_eq!(number(0.6, 0.3, 0.1), "above 60 %, equal to 30 % of rows");
    assert_eq!(number(1.0, 0.0, 0.0), "above all training rows");
    assert_eq!(number(0.0, 1.0, 0.0), "the same in all rows");
    let between = ValueContext::Number { lower: 0.61, equal: None, higher: 0.38 };
    assert_eq!(between.to_string(), "above 61 %");
    let category = |share: f64| ValueContext::Category { share, rows: 1 }.to_string();
    assert_eq!((category(0.004), category(0.0002)), ("0.4 % of rows".into(), "less than 0.1 % of rows".into()));
}
