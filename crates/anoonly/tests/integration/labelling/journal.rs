//! Journals.

use std::fs;
use std::path::{Path, PathBuf};

use anoonly::labelling::{Answer, LabellingError, LabellingSetup, Query, QueryStrategy, Session, TableDifference};
use anoonly::{EncoderOptions, Seed};

use super::{answer_batch, bits, detector, made, setup, table, truly};

/// A folder for a journal, and its path.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.jsonl");
    (folder, path)
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A session with answers of all kinds, some of them newer than its scores.
fn begun(path: &Path) -> (Session, String, Vec<bool>) {
    let (text, truth) = made(200, 10, 1);
    let query = Query::new(QueryStrategy::Diverse, 0.3).unwrap();
    let mut session = setup("logistic").query(query).journal(path).open(&table(&text)).unwrap();
    for _ in 0..4 {
        answer_batch(&mut session, &truth, 6);
    }
    let questions = session.next(6).unwrap();
    session.answer(questions[0].row, Answer::Unsure, Some("smudged")).unwrap();
    session.answer(questions[1].row, Answer::Normal, None).unwrap();
    session.undo().unwrap();
    session.answer(questions[0].row, Answer::Anomaly, None).unwrap();
    session.set_query(QueryStrategy::Top.into()).unwrap();
    session.refit().unwrap();
    let next = session.next(1).unwrap()[0].row;
    session.answer(next, truly(truth[next]), None).unwrap();
    (session, text, truth)
}

#[test]
fn a_journal_gives_the_same_session_to_the_bit() {
    let (_folder, path) = place();
    let (mut session, text, truth) = begun(&path);
    let known = (bits(&session), session.progress(), session.next(9).unwrap(), session.events());
    let answers = session.answers().to_vec();
    drop(session);
    let mut again = LabellingSetup::of_journal(&path).unwrap().who("ada").open(&table(&text)).unwrap();
    assert_eq!((bits(&again), again.progress(), again.next(9).unwrap(), again.events()), known);
    assert_eq!((again.answers(), again.query()), (&answers[..], QueryStrategy::Top.into()));
    // Both go on in the same way.
    answer_batch(&mut again, &truth, 5);
    let later = (bits(&again), again.next(9).unwrap());
    drop(again);
    let mut third = setup("logistic").journal(&path).open(&table(&text)).unwrap();
    assert_eq!((bits(&third), third.next(9).unwrap()), later);
    assert!(third.undo().unwrap().is_some(), "answers of an earlier sitting can be taken back");
}

#[test]
fn a_journal_can_be_read_by_people() {
    let (_folder, path) = place();
    let (session, ..) = begun(&path);
    let lines = lines(&path);
    let header = &lines[0];
    assert_eq!(header["labelling_journal"], 1);
    assert_eq!((&header["table"]["name"], &header["table"]["rows"]), (&"made.csv".into(), &200.into()));
    assert_eq!(header["detector"]["method"]["model"], "logistic");
    assert_eq!((&header["query"]["strategy"], &header["query"]["random_share"]), (&"diverse".into(), &0.3.into()));
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    assert_eq!((of("undo").len(), of("refit").len(), of("query").len()), (1, 5, 1));
    assert_eq!(lines.len() as u64, session.events() + 1);
    let unsure = of("answer").into_iter().find(|line| line["answer"] == "unsure").unwrap();
    let row = unsure["row"].as_u64().unwrap();
    assert_eq!(unsure["ids"], serde_json::json!([format!("T{}", row - 1)]));
    assert_eq!((&unsure["note"], &unsure["who"]), (&"smudged".into(), &"ada".into()));
    assert!(unsure["score"].is_number() && unsure["rank"].is_u64() && unsure["time"].is_string());
    assert!(of("answer").iter().any(|line| line["because"] == "drawn-at-random"));
    assert!(of("answer").iter().any(|line| line["because"] == "spread-out"));
}

/// `docs/labelling.md` names every key and word of a journal.
#[test]
fn the_page_describes_the_journal() {
    let (_folder, path) = place();
    drop(begun(&path));
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/labelling.md")).unwrap();
    let lines = lines(&path);
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let words = lines.iter().skip(1).flat_map(|line| ["event", "answer", "because"].map(|key| line[key].as_str()));
    let words = words.flatten().map(str::to_owned);
    let nested = ["table", "query"].iter().flat_map(|key| keys(&lines[0][*key]));
    for name in lines.iter().flat_map(keys).chain(nested).chain(words) {
        assert!(page.contains(&format!("`{name}`")), "docs/labelling.md does not name `{name}`");
    }
}

/// A process may be killed at any byte of a line. Everything before that line is there.
#[test]
fn a_torn_last_line_loses_that_line_alone() {
    let (_folder, path) = place();
    let (session, text, _) = begun(&path);
    let answers = session.answers().to_vec();
    drop(session);
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for end in [last, last + 1, last + 20, whole.len() - 1] {
        fs::write(&path, &whole[..end]).unwrap();
        let mut session = setup("logistic").journal(&path).open(&table(&text)).unwrap();
        assert_eq!(session.removed_bytes(), end - last);
        assert_eq!(session.answers(), &answers[..answers.len() - 1]);
        assert_eq!(fs::read(&path).unwrap(), whole[..last]);
        // The line is written again, at the right place.
        let lost = &answers[answers.len() - 1];
        session.answer(lost.row, lost.answer, None).unwrap();
        drop(session);
        let session = setup("logistic").journal(&path).open(&table(&text)).unwrap();
        assert_eq!((session.removed_bytes(), session.answers().len()), (0, answers.len()));
    }
    // A header that was not completed is written again.
    for end in [0, 1, 30] {
        fs::write(&path, &whole[..end]).unwrap();
        let session = setup("logistic").journal(&path).open(&table(&text)).unwrap();
        assert_eq!((session.events(), lines(&path).len()), (0, 1));
    }
}

#[test]
fn a_damaged_line_is_named() {
    let (_folder, path) = place();
    let (session, text, _) = begun(&path);
    drop(session);
    let whole = fs::read_to_string(&path).unwrap();
    let open = || setup("logistic").journal(&path).open(&table(&text));
    let refused = |number: usize, change: &dyn Fn(&str) -> String| {
        let lines = whole.lines().enumerate();
        let changed: Vec<String> =
            lines.map(|(at, line)| if at + 1 == number { change(line) } else { line.to_owned() }).collect();
        let changed = changed.join("\n") + "\n";
        fs::write(&path, &changed).unwrap();
        let error = open().unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), changed, "a refused journal stays as it is");
        match &error {
            LabellingError::DamagedLine { line, .. } => assert_eq!(*line, number),
            other => assert!(number == 1, "{other}"),
        }
        error.to_string()
    };
    let answer = 1 + whole.lines().position(|line| line.contains("\"event\":\"answer\"")).unwrap();
    assert!(refused(answer, &|line| line[..line.len() / 2].to_owned()).contains("the line is damaged"));
    assert!(refused(answer, &|line| line.replace("\"T", "\"U")).contains("has other identifiers"));
    let row = |line: &str| line.replace("\"row\":", "\"row\":9999");
    assert!(refused(answer, &row).contains("there is no row 9999"));
    let undo = 1 + whole.lines().position(|line| line.contains("\"event\":\"undo\"")).unwrap();
    assert!(
        refused(undo, &|_| "{\"event\":\"undo\",\"row\":1,\"time\":\"\",\"who\":\"\"}".into()).contains("not on row 1")
    );
    assert!(refused(undo, &|_| "{\"event\":\"dance\"}".into()).contains("unknown variant `dance`"));
    assert!(refused(1, &|line| line.replace("journal\":1", "journal\":7")).contains("the journal has format 7"));
    assert!(refused(1, &|_| "id,size".into()).contains("not the journal of a labelling session"));
    // A file without a line end that is no journal is not touched either.
    fs::write(&path, "id,size").unwrap();
    assert!(matches!(open(), Err(LabellingError::NotAJournal { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "id,size");
}

#[test]
fn another_table_is_refused_with_the_difference() {
    let (_folder, path) = place();
    let (session, text, _) = begun(&path);
    drop(session);
    let difference = |text: &str| match setup("logistic").journal(&path).open(&table(text)) {
        Err(LabellingError::OtherTable { difference, recorded, .. }) => {
            assert_eq!(recorded, "made.csv");
            difference
        }
        other => panic!("{other:?}"),
    };
    let (head, rest) = text.split_once('\n').unwrap();
    let shorter = text.trim_end().rsplit_once('\n').unwrap().0;
    assert_eq!(difference(&format!("{shorter}\n")), TableDifference::RowCount { recorded: 200, found: 199 });
    let swapped: String = text
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| format!("{},{},{},{}\n", cells[0], cells[2], cells[1], cells[3]))
        .collect();
    assert_eq!(difference(&swapped), TableDifference::ColumnOrder);
    let renamed = format!("{}\n{rest}", head.replace("weight", "mass"));
    let expected = TableDifference::Columns { missing: vec!["weight".into()], added: vec!["mass".into()] };
    assert_eq!(difference(&renamed), expected);
    assert_eq!(difference(&text.replace("T17,", "X17,")), TableDifference::Identifiers);
    let (first, others) = rest.split_once('\n').unwrap();
    let fields: Vec<&str> = first.split(',').collect();
    let changed = format!("{head}\n{},7.5,{},{}\n{others}", fields[0], fields[2], fields[3]);
    let error = setup("logistic").journal(&path).open(&table(&changed)).unwrap_err();
    assert!(error.to_string().ends_with("begun with made.csv, and made.csv differs: values differ in size"), "{error}");
    // The name of the file does not matter, and neither does its format.
    let copy = path.with_file_name("copy.parquet");
    let mut writer = anoonly::data::table::TableWriter::create(&copy).unwrap();
    writer.write(&table(&text)).unwrap();
    writer.finish().unwrap();
    setup("logistic").journal(&path).open(&anoonly::Table::read(&copy).unwrap()).unwrap();
}

#[test]
fn other_labels_and_other_settings_are_refused() {
    let (_folder, path) = place();
    let (text, _) = made(60, 6, 2);
    let labelled = |bad: usize| -> String {
        let label = |line: usize| {
            if line == 0 {
                "bad"
            } else if line == bad {
                "yes"
            } else {
                ""
            }
        };
        text.lines().enumerate().map(|(line, row)| format!("{row},{}\n", label(line))).collect()
    };
    let with = |setup: LabellingSetup, text: &str| setup.journal(&path).open(&table(text));
    drop(with(setup("logistic").label("bad"), &labelled(5)).unwrap());
    assert!(matches!(
        with(setup("logistic").label("bad"), &labelled(6)),
        Err(LabellingError::OtherTable { difference: TableDifference::Labels, .. })
    ));
    let message = |setup: LabellingSetup| {
        let message = with(setup, &labelled(5)).unwrap_err().to_string();
        message.split_once("begun with ").unwrap().1.to_owned()
    };
    assert_eq!(message(setup("logistic")), "another label column: `bad`, not a new one, `label`");
    let seed = LabellingSetup::new(detector("logistic").ids(&["id"]).seed(Seed(9))).label("bad");
    assert_eq!(message(seed), "another detector: seed 1, not seed 9");
    assert_eq!(message(setup("mahalanobis").label("bad")), "another detector: method logistic, not method mahalanobis");
    let kept = LabellingSetup::new(
        detector("logistic")
            .ids(&["id"])
            .columns(EncoderOptions { keep: vec!["size".into()], ..EncoderOptions::default() }),
    );
    assert_eq!(message(kept.label("bad")), "another detector: columns keep [], not columns keep [\"size\"]");
    with(setup("logistic").label("bad").query(QueryStrategy::Random), &labelled(5)).unwrap();
    let again = with(LabellingSetup::of_journal(&path).unwrap(), &labelled(5)).unwrap();
    assert_eq!(again.query(), QueryStrategy::Random.into(), "a new query is noted");
}

#[test]
fn a_journal_is_open_once() {
    let (_folder, path) = place();
    let (text, _) = made(60, 6, 3);
    let open = || setup("mahalanobis").journal(&path).open(&table(&text));
    let mut session = open().unwrap();
    assert_eq!(session.journal(), Some(path.as_path()));
    let before = fs::read(&path).unwrap();
    assert!(matches!(open(), Err(LabellingError::JournalInUse { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    session.release_journal();
    assert_eq!(session.journal(), None);
    open().unwrap();
    drop(session);
    open().unwrap();
}

#[test]
fn a_session_that_cannot_be_opened_leaves_no_journal() {
    let (folder, path) = place();
    let (text, _) = made(60, 6, 4);
    let wrong = setup("mahalanobis").label("nothing").journal(&path);
    assert!(wrong.open(&table(&text)).is_err());
    assert!(!path.exists());
    assert!(matches!(LabellingSetup::of_journal(&path), Err(LabellingError::JournalIo { .. })));
    fs::write(&path, "").unwrap();
    assert!(matches!(LabellingSetup::of_journal(&path), Err(LabellingError::EmptyJournal { .. })));
    assert!(setup("mahalanobis").journal(&folder.path().join("no/a.jsonl")).open(&table(&text)).is_err());
}

/// If each of the two thousand refits of the journal were fitted again, this test would run for minutes.
#[test]
fn ten_thousand_answers_are_replayed_with_one_fit() {
    let (_folder, path) = place();
    let (text, truth) = made(500, 25, 5);
    let mut session = setup("logistic").journal(&path).open(&table(&text)).unwrap();
    answer_batch(&mut session, &truth, 5);
    drop(session);
    let written = fs::read_to_string(&path).unwrap();
    let answers: String = written.lines().skip(1).take(5).map(|line| format!("{line}\n")).collect();
    let more: String =
        (1..2000).map(|round| format!("{answers}{{\"event\":\"refit\",\"after\":{}}}\n", round * 6 + 5)).collect();
    fs::write(&path, written + &more).unwrap();
    let session = setup("logistic").journal(&path).open(&table(&text)).unwrap();
    assert_eq!((session.answers().len(), session.progress().answered, session.events()), (10_000, 5, 12_000));
}

/// A fit that learns nothing new is not made, and the journal does not grow.
#[test]
fn a_refit_without_new_answers_does_nothing() {
    let (_folder, path) = place();
    let (text, truth) = made(100, 10, 1);
    let mut session = setup("logistic").journal(&path).open(&table(&text)).unwrap();
    session.refit().unwrap();
    assert_eq!((session.events(), lines(&path).len()), (0, 1));
    answer_batch(&mut session, &truth, 5);
    let (events, known) = (session.events(), bits(&session));
    session.set_query(QueryStrategy::Margin.into()).unwrap();
    session.refit().unwrap();
    let result = session.refit_job().run().unwrap();
    assert!(!session.install(result).unwrap());
    assert_eq!((session.events(), bits(&session)), (events + 1, known));
}
