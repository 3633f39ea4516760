//! What a session says about the anomalies it has found.

use std::collections::BTreeSet;
use std::fmt::Write;

use anoonly::Table;
use anoonly::core::{Label, Seed};
use anoonly::labelling::{Answer, ConditionTest, LabellingSetup, LearntRule, LearntSummary, RowFilter, Session};
use rand::RngExt;
use rand::seq::SliceRandom;

use super::{detector, gauss, table, truly};

fn open(table: &Table) -> Session {
    LabellingSetup::new(detector("isolation-forest").ids(&["id"]).held_out(0.0)).open(table).unwrap()
}

fn answer_rows(session: &mut Session, rows: impl IntoIterator<Item = usize>, truth: &[bool]) {
    let answers: Vec<_> = rows.into_iter().map(|row| (row, truly(truth[row]), None)).collect();
    session.answer_all(&answers).unwrap();
}

fn summary(session: &Session) -> LearntSummary {
    session.summary_job().run().unwrap().unwrap()
}

fn columns(rule: &LearntRule) -> BTreeSet<&str> {
    rule.conditions.iter().map(|condition| condition.column.as_str()).collect()
}

/// Checks the counts of rules against the labels of the rows that they match.
fn check_counts(session: &Session, rules: &[LearntRule]) {
    let view = session.view();
    for rule in rules {
        let filter = RowFilter { conditions: rule.conditions.clone(), ..RowFilter::default() };
        let rows: Vec<usize> = view.find(&filter).unwrap().into_iter().map(|row| row as usize).collect();
        let with = |label: Label| rows.iter().filter(|&&row| session.label(row) == label).count();
        assert_eq!((rule.found, rule.normals, rule.rows), (with(Label::Anomaly), with(Label::Normal), rows.len()));
        assert_eq!(rule.open, rows.iter().filter(|&&row| session.is_open(row)).count());
        assert_eq!(rule.of, session.labels().iter().filter(|label| label.is_anomaly()).count());
        assert!(rule.conditions.len() <= 3 && rule.text.matches(" and ").count() == rule.conditions.len() - 1);
    }
}

/// Payments. Anomalies are those above 4000 in the countries D and E: neither is enough.
fn payments(rows: usize) -> (Table, Vec<bool>) {
    let mut rng = Seed(3).stream(&["payments"]);
    let (mut text, mut truth) = ("id,amount,country,age,weight\n".to_owned(), Vec::new());
    for row in 0..rows {
        let country = ["A", "B", "C", "D", "E"][rng.random_range(0..5)];
        let amount =
            if rng.random_bool(0.1) { rng.random_range(4100.0..9000.0) } else { rng.random_range(10.0..3900.0) };
        truth.push(amount > 4000.0 && matches!(country, "D" | "E"));
        writeln!(text, "P{row},{amount:.2},{country},{:.3},{:.3}", gauss(&mut rng), gauss(&mut rng)).unwrap();
    }
    (table(&text), truth)
}

#[test]
fn planted_rules_are_found() {
    let (table, truth) = payments(2000);
    let mut session = open(&table);
    // Not all of the anomalies, and normal rows of all kinds.
    let anomalies: Vec<usize> = (0..2000).filter(|&row| truth[row]).take(30).collect();
    assert!((0..2000).filter(|&row| truth[row]).count() > 60);
    answer_rows(&mut session, anomalies.iter().copied().chain((0..2000).filter(|&row| !truth[row]).take(60)), &truth);
    let LearntSummary { rules, .. } = summary(&session);
    check_counts(&session, &rules);
    let [rule] = &rules[..] else { panic!("{rules:?}") };
    assert_eq!(rule.text, "amount > 4000 and country in {D, E}");
    assert_eq!((rule.found, rule.of, rule.normals), (30, 30, 0));
    // The rule holds for the anomalies that nobody has labelled.
    let filter = RowFilter { conditions: rule.conditions.clone(), ..RowFilter::default() };
    let expected: Vec<u32> = (0..2000u32).filter(|&row| truth[row as usize]).collect();
    assert_eq!(session.view().find(&filter).unwrap(), expected);
    let json = serde_json::to_value(rule).unwrap();
    assert_eq!((&json["false"], &json["conditions"][0]["test"]), (&0.into(), &"above".into()));
}

#[test]
fn each_rule_describes_other_anomalies() {
    let mut rng = Seed(5).stream(&["kinds"]);
    let (mut text, mut truth) = ("id,size,when,note,weight\n".to_owned(), Vec::new());
    for row in 0..1200 {
        let kind = row % 40;
        truth.push(matches!(kind, 7 | 11 | 23));
        let size = if kind == 7 { 50.0 + gauss(&mut rng) } else { 10.0 * gauss(&mut rng) };
        let day = if kind == 11 { rng.random_range(340..360) } else { rng.random_range(0..330) };
        let date = chrono::NaiveDate::from_yo_opt(2026, day + 1).unwrap();
        let note = if kind == 23 { "" } else { ["red", "green", "blue"][rng.random_range(0..3)] };
        writeln!(text, "R{row},{size:.4},{date},{note},{:.4}", gauss(&mut rng)).unwrap();
    }
    let mut session = open(&table(&text));
    answer_rows(&mut session, 0..600, &truth);
    let LearntSummary { rules, columns: shares } = summary(&session);
    check_counts(&session, &rules);
    let tests: BTreeSet<(&str, &str)> =
        rules.iter().map(|rule| (rule.conditions[0].column.as_str(), rule.conditions[0].test.name())).collect();
    assert_eq!(tests, BTreeSet::from([("note", "missing"), ("size", "above"), ("when", "above")]), "{rules:?}");
    assert!(rules.iter().all(|rule| (rule.found, rule.of, rule.normals) == (15, 45, 0)), "{rules:?}");
    assert!(rules.iter().any(|rule| rule.text.starts_with("when > 2026-")), "{rules:?}");
    let sum: f64 = shares.iter().map(|share| share.share).sum();
    assert!((sum - 1.0).abs() < 1e-9 && shares.windows(2).all(|pair| pair[0].share >= pair[1].share));
    // The same again, and on one thread.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let job = session.summary_job();
    assert_eq!(pool.install(|| job.run().unwrap().unwrap()).rules, rules);
}

/// Labels without a reason. The test lets one rule of twenty pass by chance.
#[test]
fn noise_has_no_rules() {
    let mut rules = 0;
    for seed in 0..20 {
        let mut rng = Seed(seed).stream(&["noise"]);
        let mut text = "id,a,b,c,d,e,f\n".to_owned();
        for row in 0..400 {
            let word = ["red", "green", "blue", ""][rng.random_range(0..4)];
            let [a, b, c, d] = [(); 4].map(|()| gauss(&mut rng));
            writeln!(text, "N{row},{a:.5},{b:.5},{c:.5},{d:.2},{word},{}", rng.random_range(0..9)).unwrap();
        }
        let mut session = open(&table(&text));
        let mut rows: Vec<usize> = (0..400).collect();
        rows.shuffle(&mut rng);
        let anomalies = [2, 3, 5, 10, 30][seed as usize % 5];
        let truth: Vec<bool> = (0..400).map(|row| rows[..anomalies].contains(&row)).collect();
        answer_rows(&mut session, rows[..anomalies + [0, 5, 20, 60][seed as usize % 4]].iter().copied(), &truth);
        let found = summary(&session).rules;
        check_counts(&session, &found);
        rules += found.len();
    }
    assert!(rules <= 1, "{rules} rules from noise");
}

#[test]
fn rows_that_were_asked_for_their_scores_need_more_than_high_scores() {
    let mut rng = Seed(9).stream(&["high"]);
    let mut text = "id,amount,other\n".to_owned();
    (0..1000).for_each(|row| writeln!(text, "N{row},{:.5},{:.5}", gauss(&mut rng).exp(), gauss(&mut rng)).unwrap());
    let table = table(&text);
    let mut session = open(&table);
    // The forty highest amounts, half of them anomalies.
    let mut rows: Vec<u32> = (0..1000).collect();
    session.view().sort(&mut rows, "amount", true).unwrap();
    let mut asked: Vec<usize> = rows[..40].iter().map(|&row| row as usize).collect();
    asked.shuffle(&mut rng);
    let truth: Vec<bool> = (0..1000).map(|row| asked[..20].contains(&row)).collect();
    answer_rows(&mut session, asked, &truth);
    assert_eq!(summary(&session).rules, []);
}

#[test]
fn one_anomaly_is_not_enough() {
    let (table, truth) = payments(300);
    let mut session = open(&table);
    assert_eq!(session.summary_job().run().unwrap(), None);
    let anomaly = truth.iter().position(|&anomaly| anomaly).unwrap();
    answer_rows(&mut session, (0..20).chain([anomaly]).filter(|&row| row == anomaly || !truth[row]), &truth);
    let LearntSummary { columns: shares, rules } = summary(&session);
    assert_eq!(rules, []);
    assert!(!shares.is_empty());
    session.answer(anomaly, Answer::Unsure, None).unwrap();
    assert_eq!(session.summary_job().run().unwrap(), None);
}

#[test]
fn labels_in_the_table_and_decimal_commas_count() {
    let mut rng = Seed(4).stream(&["commas"]);
    let mut text = "id;betrag;art;betrug\n".to_owned();
    for row in 0..500 {
        let fraud = row % 25 == 4;
        let amount = if fraud { 2000.0 + 10.0 * gauss(&mut rng) } else { 100.0 * gauss(&mut rng) };
        let amount = format!("{amount:.2}").replace('.', ",");
        let label = if fraud {
            "anomaly"
        } else if row % 5 == 0 {
            "normal"
        } else {
            ""
        };
        writeln!(text, "B{row};{amount};{};{label}", rng.random_range(0..4)).unwrap();
    }
    let setup = LabellingSetup::new(detector("isolation-forest").ids(&["id"])).label("betrug");
    let session = setup.open(&table(&text)).unwrap();
    let rules = summary(&session).rules;
    check_counts(&session, &rules);
    let [rule] = &rules[..] else { panic!("{rules:?}") };
    assert_eq!((columns(rule), rule.found, rule.of, rule.rows), (BTreeSet::from(["betrag"]), 20, 20, 20));
    assert!(matches!(rule.conditions[0].test, ConditionTest::Above { value } if value == value.round()), "{rule:?}");
    assert_eq!(rule.open, 0);
}

/// Penguins of the guide: the eight labelled ones tell chinstraps from other penguins of the island.
#[test]
fn the_table_of_the_guide_has_a_rule() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/survey.csv");
    let setup = LabellingSetup::new(detector("isolation-forest").ids(&["id"])).label("chinstrap");
    let session = setup.open(&Table::read(&path).unwrap()).unwrap();
    let rules = summary(&session).rules;
    check_counts(&session, &rules);
    let [rule] = &rules[..] else { panic!("{rules:?}") };
    assert_eq!(rule.text, "island in {Dream} and bill_length_mm > 40.8");
    assert_eq!((rule.found, rule.of, rule.normals, rule.rows), (8, 8, 0, 23));
}
