//! What a program that shows a session asks of its table, checked against the cells.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use anoonly::Table;
use anoonly::data::table::CellValue;
use anoonly::labelling::{
    ColumnProfile, ColumnRole, Condition, ConditionTest, LabellingError, LabellingSetup, RowFilter, TableView,
    ValuePlace, ViewedKind,
};

use super::{detector, table};

fn view(table: &Table, ids: &[&str], label: Option<&str>) -> TableView {
    let setup = LabellingSetup::new(detector("isolation-forest").ids(ids));
    let setup = match label {
        Some(label) => setup.label(label),
        None => setup,
    };
    setup.open(table).unwrap().view()
}

fn survey() -> Table {
    Table::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/survey.csv")).unwrap()
}

/// Dates, decimal commas, currencies, missing values in several spellings, truth values, codes that look like numbers, and hostile texts.
/// Returns the table, and for each row its amount, and its day since 1970.
fn hostile() -> (Table, Vec<Option<f64>>, Vec<Option<f64>>) {
    let mut text = "key;amount;when;code;paid;word;open\n".to_owned();
    let (mut amounts, mut days) = (Vec::new(), Vec::new());
    for row in 0..240u32 {
        let cents = row * 7919 % 100_000;
        let amount = (row % 9 != 4).then(|| f64::from(cents) / 100.0);
        let day = (row % 7 != 2).then(|| row * 31 % 365);
        let written = match amount {
            Some(_) => format!("{}.{:03},{:02} €", 1 + cents / 100_000, cents / 100, cents % 100),
            None => ["", "NA", "-"][row as usize % 3].to_owned(),
        };
        amounts.push(amount.map(|amount| 1000.0 + amount));
        days.push(day.map(|day| 20_454.0 + f64::from(day)));
        let date = match day {
            Some(day) => {
                let date = chrono::NaiveDate::from_yo_opt(2026, day + 1).unwrap();
                date.format("%d.%m.%Y").to_string()
            }
            None => String::new(),
        };
        let code = ["117", "117.0", "23", "", "9"][row as usize % 5];
        let paid = ["Yes", "no", "", "yes"][row as usize % 4];
        let word = ["<script>", "\u{202e}evil", "LIMA", "lima", "NULL", "Ärger"][row as usize % 6];
        writeln!(text, "K{row};{written};{date};{code};{paid};{word};{}", row % 3).unwrap();
    }
    (table(&text), amounts, days)
}

fn condition(column: &str, test: ConditionTest) -> RowFilter {
    RowFilter { conditions: vec![Condition { column: column.into(), test }], ..RowFilter::default() }
}

fn texts(values: &[&str]) -> ConditionTest {
    ConditionTest::In { values: values.iter().map(|&value| value.to_owned()).collect() }
}

fn rows_that(count: usize, is: impl Fn(usize) -> bool) -> Vec<u32> {
    (0..count).filter(|&row| is(row)).map(|row| row as u32).collect()
}

#[test]
fn columns_have_their_roles_kinds_and_profiles() {
    let table = survey();
    let view = view(&table, &["id"], None);
    let columns = view.columns().unwrap();
    assert_eq!(columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), table.columns());
    for column in columns {
        assert_eq!(column.role == ColumnRole::Feature, column.profile.is_some(), "{column:?}");
        assert_eq!(column.role == ColumnRole::LeftOut, column.reason.is_some(), "{column:?}");
        let rows = match &column.profile {
            Some(ColumnProfile::Numbers { counts, below, above, missing, .. }) => {
                assert!(matches!(column.kind, ViewedKind::Number | ViewedKind::Time));
                counts.iter().sum::<usize>() + below + above + missing
            }
            Some(ColumnProfile::Categories { most_frequent, missing, .. }) => {
                most_frequent.iter().map(|value| value.rows).sum::<usize>() + missing
            }
            _ => table.rows(),
        };
        assert_eq!(rows, table.rows(), "{column:?}");
    }
    assert_eq!((columns[0].role, columns[0].kind), (ColumnRole::Identifier, ViewedKind::Text));
    let json = serde_json::to_value(&columns[0]).unwrap();
    let expected = r#"{"name":"id","role":"identifier","reason":null,"kind":"text","profile":null}"#;
    assert_eq!(json, serde_json::from_str::<serde_json::Value>(expected).unwrap());
}

#[test]
fn values_of_hostile_cells_are_read_as_for_features() {
    let (table, amounts, days) = hostile();
    let rows = table.rows();
    let view = view(&table, &["key"], None);
    let kinds: Vec<ViewedKind> = view.columns().unwrap().iter().map(|column| column.kind).collect();
    use ViewedKind::{Category, Number, Text, Time, TruthValue};
    assert_eq!(kinds, [Text, Number, Time, Number, TruthValue, Category, Number]);
    let find = |filter: &RowFilter| view.find(filter).unwrap();
    for bound in [999.0, 1000.0, 1237.57, 1500.0, 1999.99, 2000.0] {
        let above = condition("amount", ConditionTest::Above { value: bound });
        assert_eq!(find(&above), rows_that(rows, |row| amounts[row].is_some_and(|amount| amount > bound)));
        let at_most = condition("amount", ConditionTest::AtMost { value: bound });
        assert_eq!(find(&at_most), rows_that(rows, |row| amounts[row].is_some_and(|amount| amount <= bound)));
    }
    let day = 20_454.0 + 100.0;
    let after = condition("when", ConditionTest::Above { value: day * 86_400.0 });
    assert_eq!(find(&after), rows_that(rows, |row| days[row].is_some_and(|other| other > day)));
    assert_eq!(view.describe(&after.conditions[0]), "when > 2026-04-11");
    assert_eq!(find(&condition("when", ConditionTest::Missing)), rows_that(rows, |row| days[row].is_none()));
    assert_eq!(find(&condition("amount", ConditionTest::Missing)), rows_that(rows, |row| amounts[row].is_none()));
    assert_eq!(find(&condition("amount", ConditionTest::Present)), rows_that(rows, |row| amounts[row].is_some()));
    for spelling in ["yes", "Yes", "true", "1"] {
        assert_eq!(find(&condition("paid", texts(&[spelling]))), rows_that(rows, |row| matches!(row % 4, 0 | 3)));
    }
    assert_eq!(find(&condition("word", texts(&["LIMA", "<script>"]))), rows_that(rows, |row| matches!(row % 6, 0 | 2)));
    assert_eq!(find(&condition("word", ConditionTest::Missing)), rows_that(rows, |row| row % 6 == 4));
    assert_eq!(find(&condition("word", texts(&["unheard of"]))), [0; 0]);
    assert_eq!(find(&condition("key", texts(&["K7", "K100"]))), [7, 100]);
    let lima = RowFilter { text: "Lima".into(), ..RowFilter::default() };
    assert_eq!(find(&lima), rows_that(rows, |row| matches!(row % 6, 2 | 3)));
    let both = RowFilter { text: "lima".into(), ..condition("paid", texts(&["no"])) };
    assert_eq!(find(&both), rows_that(rows, |row| matches!(row % 6, 2 | 3) && row % 4 == 1));
}

#[test]
fn codes_as_categories_have_one_spelling() {
    let (table, ..) = hostile();
    let options = anoonly::EncoderOptions { categories: vec!["code".into()], ..Default::default() };
    let setup = LabellingSetup::new(detector("isolation-forest").ids(&["key"]).columns(options));
    let view = setup.open(&table).unwrap().view();
    for spelling in ["117", "117.0"] {
        let found = view.find(&condition("code", texts(&[spelling]))).unwrap();
        assert_eq!(found, rows_that(table.rows(), |row| row % 5 < 2));
    }
    let code = &view.columns().unwrap()[3];
    let Some(ColumnProfile::Categories { distinct, most_frequent, missing }) = &code.profile else { panic!() };
    assert_eq!((*distinct, most_frequent[0].value.as_str(), most_frequent[0].rows, *missing), (3, "117", 96, 48));
    let Some(ValuePlace::Category { share, rows, frequency_rank }) = view.place(2).unwrap()[3] else { panic!() };
    assert_eq!((share, rows, frequency_rank), (0.25, 48, 2));
    assert_eq!(view.place(3).unwrap()[3], None);
}

#[test]
fn conditions_that_do_not_fit_are_errors() {
    let view = view(&survey(), &["id"], None);
    let error = |filter: RowFilter| view.find(&filter).unwrap_err();
    let unknown = error(condition("body_mas_g", ConditionTest::Missing)).to_string();
    assert!(unknown.contains("body_mas_g"), "{unknown}");
    for (column, test) in [("id", ConditionTest::Above { value: 1.0 }), ("body_mass_g", texts(&["1"]))] {
        assert!(matches!(error(condition(column, test)), LabellingError::UnfitCondition { .. }));
    }
    assert!(matches!(view.place(9999), Err(LabellingError::NoRow { row: 10_000, .. })));
    assert!(view.values(9999).is_err());
    assert!(view.sort(&mut [0, 1], "none", false).is_err());
}

#[test]
fn rows_are_sorted_with_missing_values_last() {
    let (table, amounts, _) = hostile();
    let view = view(&table, &["key"], None);
    for descending in [false, true] {
        let mut rows: Vec<u32> = (0..table.rows() as u32).rev().collect();
        view.sort(&mut rows, "amount", descending).unwrap();
        let mut expected: Vec<u32> = (0..table.rows() as u32).collect();
        expected.sort_by(|&a, &b| match (amounts[a as usize], amounts[b as usize]) {
            (Some(a), Some(b)) if descending => b.total_cmp(&a),
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
        assert_eq!(rows, expected);
    }
    for column in ["key", "word", "paid", "when"] {
        let mut rows: Vec<u32> = (0..table.rows() as u32).collect();
        view.sort(&mut rows, column, false).unwrap();
        assert_eq!(rows.iter().copied().collect::<BTreeSet<_>>().len(), table.rows());
        if column == "key" {
            let first: Vec<String> =
                rows[..3].iter().map(|&row| view.values(row as usize).unwrap()[0].to_string()).collect();
            assert_eq!(first, ["K0", "K1", "K10"]);
        }
    }
}

#[test]
fn a_view_is_shared_by_threads_and_shows_labels() {
    let text = "size,weight,fraud\n".to_owned()
        + &(0..60)
            .map(|row| format!("{},{},{}\n", row * 7 % 11, row * 5 % 13, if row == 3 { "yes" } else { "" }))
            .collect::<String>();
    let table = table(&text);
    let view = view(&table, &[], Some("fraud"));
    let other = view.clone();
    let columns = std::thread::spawn(move || other.columns().unwrap().to_vec()).join().unwrap();
    assert_eq!(columns, view.columns().unwrap());
    assert_eq!(columns[2].role, ColumnRole::Label);
    assert_eq!(view.values(3).unwrap()[2], CellValue::Text("yes".into()));
    assert_eq!(view.find(&condition("fraud", ConditionTest::Present)).unwrap(), [3]);
    assert_eq!(view.place(3).unwrap()[2], None);
}
