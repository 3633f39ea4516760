//! What explanations say beside the contributions.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anoonly::data::encode::Unknown;
use anoonly::data::table::Table;
use anoonly::models::AnyMethod;
use anoonly::pipeline::{AttributionMethod, Contribution};
use anoonly::{Model, TableDetector};

fn table(text: String) -> Table {
    Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap()
}

/// 400 payments. Each twentieth is labelled. Amounts are 0 to 99, and 1000 and more for the labelled ones.
fn payments() -> String {
    let row = |row: usize| {
        let bad = row.is_multiple_of(20);
        let amount = if bad { 1000 + row } else { row * 37 % 100 };
        let country = if bad { "E" } else { ["A", "B", "C", "D"][row % 4] };
        format!("P{row},{amount},{country},{}\n", if bad { "1" } else { "" })
    };
    format!("id,amount,country,fraud\n{}", (0..400).map(row).collect::<String>())
}

#[test]
fn each_reason_has_its_context() {
    let detector = TableDetector::new(AnyMethod::by_name("logistic").unwrap()).ids(&["id"]);
    let model = detector.fit(&table(payments()), "fraud").unwrap();
    let new = "id,amount,country\nN1,1201,E\nN2,5000,F\nN3,50,A\nN4,,B\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.csv");
    fs::write(&path, new).unwrap();
    let (rows, _) = model.explain_top(Table::blocks(&path).unwrap(), 4, Unknown::Accept).unwrap();
    let text = |id: &str, column: &str| -> String {
        let row = rows.iter().find(|row| row.row[0].1.to_string() == id).unwrap();
        let part: &Contribution = row.contributions.iter().find(|part| part.column == column).unwrap();
        part.context.as_ref().unwrap().to_string()
    };
    // Of 400 training amounts, 391 are below 1201, which is 97.75 %. The model keeps that 389 are: those up to 1160.
    assert_eq!(text("N1", "amount"), "above 97.2 %");
    assert_eq!(text("N1", "country"), "5 % of rows");
    assert_eq!(text("N2", "amount"), "above all training rows");
    assert_eq!(text("N2", "country"), "in no training row");
    assert_eq!(text("N4", "amount"), "missing in no training row");
    let json = serde_json::to_value(&rows[0]).unwrap();
    let context =
        &json["contributions"].as_array().unwrap().iter().find(|part| part["column"] == "country").unwrap()["context"];
    assert!(context["kind"] == "category" && context["text"].is_string() && context["share"].is_number(), "{json}");

    // What a model says stays the same in its file.
    let again = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(again.explain_top(Table::blocks(&path).unwrap(), 4, Unknown::Accept).unwrap().0, rows);
}

#[test]
fn a_model_of_an_earlier_version_says_nothing_that_it_does_not_know() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for format in [1, 2] {
        let model = Model::load(&fixtures.join(format!("format-{format}.anoonly"))).unwrap();
        let blocks = Table::blocks(&fixtures.join(format!("format-{format}.csv"))).unwrap();
        let (rows, _) = model.explain_top(blocks, 120, Unknown::Refuse).unwrap();
        assert!(rows.iter().flat_map(|row| &row.contributions).all(|part| part.context.is_none()), "{rows:?}");
        assert_eq!(model.attribution_method(), AttributionMethod::IntegratedGradients);
    }
}
