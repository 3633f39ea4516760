//! Questions, answers and what becomes of them.

use anoonly::AnyMethod;
use anoonly::core::{Label, Samples, Seed};
use anoonly::data::table::LabelColumn;
use anoonly::labelling::{
    Answer, AskedBecause, LabellingError, LabellingSetup, Query, QueryStrategy, Session, StopReason,
};
use anoonly::train::labelling::{Ranking, Refitter};
use anoonly::train::{ComputeDevice, Detector, Supervision};

use super::{answer_batch, detector, made, setup, table, truly};

fn rows_of(session: &mut Session, count: usize) -> Vec<usize> {
    session.next(count).unwrap().into_iter().map(|question| question.row).collect()
}

#[test]
fn the_highest_rows_are_asked_until_they_are_answered() {
    let (text, truth) = made(200, 10, 1);
    let mut session = setup("mahalanobis").open(&table(&text)).unwrap();
    let questions = session.next(4).unwrap();
    assert_eq!(questions, session.next(4).unwrap(), "nothing has changed");
    let open: Vec<usize> = session.ranking().filter(|&row| !session.is_held_out(row)).collect();
    assert_eq!(questions.iter().map(|question| question.row).collect::<Vec<_>>(), open[..4]);
    for question in &questions {
        assert_eq!(question.because, AskedBecause::HighestScore);
        assert_eq!((question.number, question.rank), (question.row as u64 + 1, session.rank(question.row)));
        assert_eq!(question.ids[0].1.to_string(), format!("T{}", question.row));
        session.answer(question.row, truly(truth[question.row]), None).unwrap();
    }
    assert_eq!(rows_of(&mut session, 4), open[4..8]);
    assert_eq!(session.answers_since_refit(), 4);
    session.refit().unwrap();
    assert_eq!(session.answers_since_refit(), 0);
    // A row that nobody asked for can be answered.
    session.answer(open[100], Answer::Normal, Some(" seen before ")).unwrap();
    let given = session.answer_on(open[100]).unwrap();
    assert_eq!((given.because, given.note.as_deref(), given.who.as_str()), (None, Some("seen before"), "ada"));
    assert!(given.time.ends_with('Z') && given.time.as_bytes()[10] == b'T', "{}", given.time);
}

#[test]
fn the_rest_of_a_table_can_be_asked_up_to_the_last_row() {
    let (text, truth) = made(40, 4, 2);
    let mut session = setup("mahalanobis").open(&table(&text)).unwrap();
    let held_out = (0..40).filter(|&row| session.is_held_out(row)).count();
    assert_eq!(held_out, 8);
    while !answer_batch(&mut session, &truth, 7).is_empty() {}
    let progress = session.progress();
    assert_eq!((progress.rows, progress.answered, progress.stop), (32, 32, Some(StopReason::AllAnswered)));
    assert_eq!((progress.anomalies + progress.normals, progress.unsure), (32, 0));
}

#[test]
fn an_unsure_row_stays_unlabelled_and_is_not_asked_again() {
    let (text, _) = made(100, 5, 3);
    let mut session = setup("mahalanobis").open(&table(&text)).unwrap();
    let row = rows_of(&mut session, 1)[0];
    session.answer(row, Answer::Unsure, None).unwrap();
    assert_eq!(session.label(row), Label::Unlabelled);
    assert!(!rows_of(&mut session, 100).contains(&row));
    assert_eq!((session.progress().unsure, session.progress().answered), (1, 1));
}

#[test]
fn answers_are_changed_and_taken_back_one_by_one() {
    let (text, _) = made(100, 5, 4);
    let mut session = setup("mahalanobis").open(&table(&text)).unwrap();
    assert_eq!(session.undo().unwrap(), None);
    let [first, second] = rows_of(&mut session, 2)[..] else { unreachable!() };
    session.answer(first, Answer::Normal, Some("dull")).unwrap();
    session.answer(second, Answer::Unsure, None).unwrap();
    session.answer(first, Answer::Anomaly, None).unwrap();
    assert_eq!((session.label(first), session.progress().answered), (Label::Anomaly, 2));
    assert_eq!(session.answer_on(first).unwrap().because, Some(AskedBecause::HighestScore));
    assert_eq!(session.undo().unwrap().unwrap().answer, Answer::Anomaly);
    assert_eq!(session.answer_on(first).unwrap().note.as_deref(), Some("dull"));
    assert_eq!(session.undo().unwrap().unwrap().row, second);
    assert_eq!(session.undo().unwrap().unwrap().row, first);
    assert_eq!(session.undo().unwrap(), None);
    assert_eq!(session.labels(), vec![Label::Unlabelled; 100]);
    assert_eq!(rows_of(&mut session, 2), [first, second]);
    // The reason for which it was asked is kept.
    session.answer(second, Answer::Normal, None).unwrap();
    assert_eq!(session.answer_on(second).unwrap().because, Some(AskedBecause::HighestScore));
}

#[test]
fn rows_that_are_held_out_or_do_not_exist_take_no_answer() {
    let (text, _) = made(100, 5, 5);
    let mut session = setup("mahalanobis").open(&table(&text)).unwrap();
    let held_out = (0..100).find(|&row| session.is_held_out(row)).unwrap();
    let good = rows_of(&mut session, 1)[0];
    let both = [(good, Answer::Normal, None), (held_out, Answer::Normal, None)];
    let refused = session.answer_all(&both).unwrap_err();
    assert!(matches!(refused, LabellingError::HeldOutRow { row } if row == held_out as u64 + 1), "{refused}");
    assert!(matches!(session.answer(100, Answer::Normal, None), Err(LabellingError::NoRow { row: 101, rows: 100 })));
    assert_eq!((session.events(), session.answers().len()), (0, 0), "no answer counts");
    let mut all = LabellingSetup::new(detector("mahalanobis").held_out(0.0)).open(&table(&text)).unwrap();
    assert_eq!(rows_of(&mut all, 200).len(), 100);
}

#[test]
fn rows_are_named_by_their_identifiers() {
    let text = "id,part,size\na,1,3\na,2,5\n,1,8\nb,1,1\nb,1,9\nc,2,4\n";
    let detector = detector("mahalanobis").held_out(0.0).ids(&["id", "part"]);
    let mut session = LabellingSetup::new(detector).open(&table(text)).unwrap();
    assert_eq!(session.row_of(&["a", "2"]).unwrap(), 1);
    session.answer_by_id(&["", "1"], Answer::Anomaly, None).unwrap();
    assert_eq!(session.label(2), Label::Anomaly);
    let error = session.answer_by_id(&["b", "1"], Answer::Normal, None).unwrap_err();
    assert_eq!(error.to_string(), "rows 4, 5 have the identifier `b`, `1`; name the row by its number");
    let error = session.row_of(&["a"]).unwrap_err();
    assert_eq!(error.to_string(), "no row has the identifier `a`");
}

#[test]
fn labels_in_the_table_count_as_answers_and_can_be_corrected() {
    let (text, truth) = made(120, 6, 6);
    let labelled: String = text.lines().enumerate().fold(String::new(), |all, (line, row)| {
        let label = match line {
            0 => "bad",
            13 => "fraud",
            14..=20 => "no",
            _ => "",
        };
        all + row + "," + label + "\n"
    });
    let fraud = || setup("logistic").label(LabelColumn::named("bad").with_anomaly("fraud"));
    let mut session = fraud().open(&table(&labelled)).unwrap();
    let progress = session.progress();
    assert_eq!((progress.table_anomalies, progress.table_normals, progress.answered), (1, 7, 0));
    // A fifth of the rows without a label.
    assert_eq!((progress.held_out, progress.rows), (22, 90));
    assert!((12..20).all(|row| !session.is_held_out(row)));
    assert!(!rows_of(&mut session, 120).iter().any(|row| (12..20).contains(row)));
    answer_batch(&mut session, &truth, 10);
    session.answer(12, Answer::Normal, None).unwrap();
    assert_eq!(
        (session.label(12), session.progress().normals),
        (Label::Normal, session.progress().answered - session.progress().anomalies)
    );
    session.undo().unwrap();
    assert_eq!(session.label(12), Label::Anomaly);
    assert!(matches!(
        LabellingSetup::new(detector("logistic").ids(&["bad"])).label("bad").open(&table(&labelled)),
        Err(LabellingError::Pipeline(_) | LabellingError::Setting { .. })
    ));
}

#[test]
fn rows_are_asked_for_the_reason_of_the_query() {
    let (text, truth) = made(200, 10, 7);
    let mut session = setup("logistic").query(QueryStrategy::Diverse).open(&table(&text)).unwrap();
    assert!(session.next(3).unwrap().iter().all(|question| question.because == AskedBecause::SpreadOut));
    while session.progress().anomalies == 0 || session.progress().normals == 0 {
        answer_batch(&mut session, &truth, 5);
    }
    session.set_query(QueryStrategy::Margin.into()).unwrap();
    let questions = session.next(3).unwrap();
    assert!(questions.iter().all(|question| question.because == AskedBecause::NearThreshold));
    session.set_query(QueryStrategy::Random.into()).unwrap();
    let questions = session.next(3).unwrap();
    assert!(questions.iter().all(|question| question.because == AskedBecause::DrawnAtRandom));
    assert_ne!(rows_of(&mut session, 6)[..3], session.ranking().take(3).collect::<Vec<_>>());
}

#[test]
fn random_rows_have_their_share_and_stay_until_they_are_answered() {
    let (text, truth) = made(300, 10, 8);
    let query = Query::new(QueryStrategy::Top, 0.25).unwrap();
    let mut session = setup("mahalanobis").query(query).open(&table(&text)).unwrap();
    let drawn = |session: &mut Session, count| {
        let questions = session.next(count).unwrap();
        questions.iter().filter(|question| question.because == AskedBecause::DrawnAtRandom).count()
    };
    assert_eq!(drawn(&mut session, 3), 0);
    assert_eq!(drawn(&mut session, 4), 1);
    let questions = session.next(8).unwrap();
    let drawn_rows = questions.iter().filter(|question| question.because == AskedBecause::DrawnAtRandom);
    let random: Vec<usize> = drawn_rows.map(|question| question.row).collect();
    assert_eq!((random.len(), questions.len()), (2, 8));
    // The others are answered, and the drawn rows still come first.
    for question in &questions[2..] {
        session.answer(question.row, truly(truth[question.row]), None).unwrap();
    }
    session.refit().unwrap();
    assert_eq!(rows_of(&mut session, 3)[..2], random);
    assert_eq!(drawn(&mut session, 1), 1);
    for &row in &random {
        session.answer(row, truly(truth[row]), None).unwrap();
    }
    assert_eq!(drawn(&mut session, 3), 0);
    for _ in 0..24 {
        answer_batch(&mut session, &truth, 3);
    }
    let progress = session.progress();
    assert_eq!((progress.answered, progress.drawn), (80, 20));
    assert!(progress.left.is_some());
    // From here on, all are random; the share counts from here.
    session.set_query(QueryStrategy::Random.into()).unwrap();
    answer_batch(&mut session, &truth, 10);
    assert_eq!(session.progress().drawn, 30);
}

#[test]
fn what_is_left_is_unknown_without_random_rows() {
    let (text, truth) = made(200, 10, 9);
    let mut session = setup("logistic").open(&table(&text)).unwrap();
    assert_eq!((session.progress().left, session.progress().expected_finds), (None, None));
    for _ in 0..12 {
        answer_batch(&mut session, &truth, 5);
    }
    let progress = session.progress();
    assert_eq!(progress.left, None);
    assert!(matches!(progress.stop, Some(StopReason::FewExpected { finds }) if finds < 0.5), "{progress:?}");
}

#[test]
fn a_fit_runs_on_another_thread_while_answers_come_in() {
    let (text, truth) = made(200, 10, 10);
    let mut session = setup("logistic").open(&table(&text)).unwrap();
    answer_batch(&mut session, &truth, 10);
    let rows = rows_of(&mut session, 2);
    session.answer(rows[0], truly(truth[rows[0]]), None).unwrap();
    let job = session.refit_job();
    let running = std::thread::spawn(move || job.run());
    session.answer(rows[1], truly(truth[rows[1]]), None).unwrap();
    let (earlier, later) = (running.join().unwrap().unwrap(), session.refit_job().run().unwrap());
    assert!(session.install(later).unwrap());
    let newest = super::bits(&session);
    assert_eq!(session.answers_since_refit(), 0);
    assert!(!session.install(earlier).unwrap(), "an older fit is dropped");
    assert_eq!(super::bits(&session), newest);
}

#[test]
fn reasons_add_up_to_the_score() {
    let (text, truth) = made(200, 10, 11);
    let mut session = setup("logistic").open(&table(&text)).unwrap();
    answer_batch(&mut session, &truth, 10);
    let row = rows_of(&mut session, 1)[0];
    let explainer = session.explainer();
    let explained = std::thread::spawn(move || explainer.explain(row)).join().unwrap().unwrap();
    assert_eq!((explained.score, explained.rank), (session.score(row), session.rank(row) as u64));
    assert_eq!(explained.row[0].1.to_string(), format!("T{row}"));
    let columns: Vec<&str> = explained.contributions.iter().map(|part| part.column.as_str()).collect();
    assert_eq!(columns.len(), 3);
    assert!(columns[..2].contains(&"size") && columns[..2].contains(&"weight"), "{columns:?}");
    let sum: f32 = explained.contributions.iter().map(|part| part.contribution).sum();
    assert!((explained.baseline + sum + explained.remainder - explained.score).abs() < 1e-3);
    // Each reason says where its value lies, as the view of the table does.
    let view = session.view();
    let contexts = view.contexts(row).unwrap();
    for part in &explained.contributions {
        let place = view.columns().unwrap().iter().position(|column| column.name == part.column).unwrap();
        assert!(part.context.is_some() && part.context == contexts[place], "{part:?}");
    }
    assert!(session.explain(200).is_err());
}

#[test]
fn the_nearest_answers_are_those_on_rows_alike() {
    let text = "id,size,weight\na,0,0\nb,1,10\nc,8,5\nd,2,2\ne,10,9\nf,3,1\n";
    let setup = LabellingSetup::new(detector("mahalanobis").ids(&["id"]).held_out(0.0));
    let mut session = setup.open(&table(text)).unwrap();
    for (id, answer) in [("b", Answer::Normal), ("c", Answer::Anomaly), ("d", Answer::Unsure), ("a", Answer::Normal)] {
        session.answer_by_id(&[id], answer, None).unwrap();
    }
    session.answer_by_id(&["d"], Answer::Normal, None).unwrap();
    let nearest = session.nearest_answers(0, 2);
    let rows: Vec<(usize, Answer)> = nearest.into_iter().map(|given| (given.row, given.answer)).collect();
    assert_eq!(rows, [(3, Answer::Normal), (2, Answer::Anomaly)]);
}

#[test]
fn sessions_move_between_threads() {
    fn moves<T: Send + Sync>() {}
    moves::<Session>();
    moves::<anoonly::labelling::Explainer>();
}

/// A loop on features alone, as the benchmark runs it, asks the same rows.
#[test]
fn a_session_asks_what_a_plain_loop_asks() {
    let (text, truth) = made(200, 10, 12);
    let setup = LabellingSetup::new(detector("logistic").ids(&["id"]).held_out(0.0).seed(Seed(4)));
    for strategy in [QueryStrategy::Top, QueryStrategy::Diverse, QueryStrategy::Margin] {
        let mut session = setup.clone().query(strategy).open(&table(&text)).unwrap();
        let features = session.features().to_owned();
        let scaled = anoonly::core::scale::MinMaxScaler::fit(&features).transform(features.view());
        let mut labels = vec![Label::Unlabelled; 200];
        let method = AnyMethod::by_name("logistic").unwrap();
        let detector = Detector::new(method, Supervision::AnomalyOnly, Seed(4)).unwrap();
        let samples = Samples::new((*features).clone(), labels.clone()).unwrap();
        let mut refitter = Refitter::new(samples, detector, &ComputeDevice::default()).unwrap();
        for _ in 0..6 {
            let scores = refitter.refit(&labels).unwrap();
            let candidates: Vec<usize> = (0..200).filter(|&row| labels[row] == Label::Unlabelled).collect();
            let threshold = anoonly::train::labelling::separating_threshold(&scores, &labels);
            let ranking = Ranking { scores: &scores, features: &scaled, candidates: &candidates, threshold };
            let rows = strategy.choose(ranking, 5, &mut Seed(4).stream(&["unused"]));
            rows.iter().for_each(|&row| labels[row] = truly(truth[row]).label());
            assert_eq!(answer_batch(&mut session, &truth, 5), rows, "{strategy}");
        }
    }
}
