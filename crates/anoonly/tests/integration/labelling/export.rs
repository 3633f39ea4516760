//! Labelled tables.

use anoonly::core::Label;
use anoonly::data::table::{LabelColumn, Table};
use anoonly::labelling::{Answer, LabellingError, LabellingSetup};

use super::{answer_batch, detector, made, setup, table};

/// The values of all rows in the columns of a table.
fn cells(table: &Table, columns: &[String]) -> Vec<Vec<Option<String>>> {
    columns.iter().map(|column| table.exact_texts(column).unwrap()).collect()
}

#[test]
fn a_labelled_table_is_read_back_with_the_same_cells_and_labels() {
    let (text, truth) = made(120, 6, 1);
    let read = table(&text);
    let mut session = setup("mahalanobis").open(&read).unwrap();
    answer_batch(&mut session, &truth, 12);
    let unsure = session.next(1).unwrap()[0].row;
    session.answer(unsure, Answer::Unsure, Some("ask \"Bob\", or\nEve")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let columns: Vec<String> = read.columns().into_iter().map(str::to_owned).collect();
    for name in ["labelled.csv", "labelled.parquet"] {
        let path = folder.path().join(name);
        session.export(&path, None).unwrap();
        let again = Table::read(&path).unwrap();
        assert_eq!(again.columns(), ["id", "size", "weight", "kind", "label"]);
        assert_eq!(cells(&again, &columns), cells(&read, &columns));
        assert_eq!(again.labels(&"label".into()).unwrap().labels, session.labels());
        session.export(&path, Some("note")).unwrap();
        let notes = Table::read(&path).unwrap().exact_texts("note").unwrap();
        assert_eq!(notes[unsure].as_deref(), Some("ask \"Bob\", or\nEve"));
        assert_eq!(notes.iter().flatten().count(), 1);
    }
    // A new session takes the labels as answers, and the model of both is fitted with the same labels.
    let again = Table::read(&folder.path().join("labelled.parquet"))
        .unwrap()
        .select(&[columns.clone(), vec!["label".to_owned()]].concat())
        .unwrap();
    let next = setup("mahalanobis").label("label").open(&again).unwrap();
    assert_eq!((next.labels(), next.progress().answered), (session.labels(), 0));
    assert!(matches!(session.export(&folder.path().join("x.csv"), Some("size")), Err(LabellingError::Setting { .. })));
    assert!(session.export(&folder.path().join("x.txt"), None).is_err());
}

#[test]
fn the_label_column_keeps_its_place_and_the_word_for_anomalies() {
    let text = "bad;id;size\nfraud;a;1,5\n;b;2,5\nfine;c;9,25\n;d;3\n;e;2\n;\"f;g\";2\n";
    let label = LabelColumn::named("bad").with_anomaly("fraud");
    let setup = LabellingSetup::new(detector("mahalanobis").ids(&["id"]).held_out(0.0)).label(label.clone());
    let mut session = setup.open(&table(text)).unwrap();
    session.answer_by_id(&["b"], Answer::Anomaly, None).unwrap();
    session.answer_by_id(&["d"], Answer::Normal, None).unwrap();
    session.answer_by_id(&["e"], Answer::Unsure, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labelled.csv");
    session.export(&path, None).unwrap();
    let expected = "bad;id;size\nfraud;a;1,5\nfraud;b;2,5\nnormal;c;9,25\nnormal;d;3\n;e;2\n;\"f;g\";2\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    use Label::{Anomaly, Normal, Unlabelled};
    let labels = Table::read(&path).unwrap().labels(&label).unwrap().labels;
    assert_eq!(labels, [Anomaly, Anomaly, Normal, Normal, Unlabelled, Unlabelled]);
}

#[test]
fn the_new_column_has_a_name_that_is_free() {
    let (text, _) = made(50, 5, 2);
    let taken = setup("mahalanobis").label_name("kind").open(&table(&text));
    assert!(matches!(taken, Err(LabellingError::Setting { .. })));
    let session = setup("mahalanobis").label_name("verdict").open(&table(&text)).unwrap();
    assert_eq!(session.labelled_table(None).unwrap().columns().last(), Some(&"verdict"));
}

#[test]
fn the_model_is_fitted_with_all_answers_and_without_the_held_out_rows() {
    let (text, truth) = made(200, 10, 3);
    let mut session = setup("logistic").open(&table(&text)).unwrap();
    while session.progress().anomalies < 3 {
        answer_batch(&mut session, &truth, 5);
    }
    let model = session.model().unwrap();
    let (counts, progress) = (model.provenance().counts, session.progress());
    assert_eq!((counts.rows, counts.anomalies, counts.normal), (200, progress.anomalies, progress.normals));
    assert_eq!((counts.held_out, model.calibration().unwrap().rows()), (40, 40));
    let scores = model.score(&table(&text)).unwrap();
    let mut held_out: Vec<f32> = (0..200).filter(|&row| session.is_held_out(row)).map(|row| scores[row]).collect();
    held_out.sort_by(f32::total_cmp);
    assert_eq!(model.calibration().unwrap().scores(), held_out);
    assert_eq!(model.ids(), ["id"]);
}

#[test]
fn a_model_without_anomalies_needs_a_method_that_needs_none() {
    let (text, _) = made(100, 5, 4);
    let mut session = setup("mahalanobis").open(&table(&text)).unwrap();
    let row = session.next(1).unwrap()[0].row;
    session.answer(row, Answer::Normal, None).unwrap();
    let model = session.model().unwrap();
    assert_eq!((model.provenance().counts.normal, model.calibration().unwrap().rows()), (1, 20));
    let error = setup("logistic").open(&table(&text)).unwrap().model().unwrap_err();
    assert!(error.to_string().contains("at least one"), "{error}");
}
