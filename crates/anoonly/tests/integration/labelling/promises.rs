//! Simulations of what a session states: p-values, the number of anomalies left, and expected finds.

use anoonly::core::Seed;
use anoonly::data::table::Table;
use anoonly::labelling::{LabellingSetup, Query, QueryStrategy};
use rand::{Rng, RngExt};

use super::{answer_batch, detector, gauss, table};

/// Rows of three numbers, each an anomaly with a probability of `share`; anomalies are shifted.
fn drawn(rows: usize, share: f64, shift: f64, rng: &mut impl Rng) -> (Table, Vec<bool>) {
    let truth: Vec<bool> = (0..rows).map(|_| rng.random::<f64>() < share).collect();
    let mut text = "a,b,c\n".to_owned();
    for &anomaly in &truth {
        let shift = if anomaly { shift } else { 0.0 };
        let cells: Vec<String> = (0..3).map(|_| format!("{:.5}", gauss(rng) + shift)).collect();
        text += &(cells.join(",") + "\n");
    }
    (table(&text), truth)
}

/// In each round, the ranking is followed for 60 answers, and the p-values of new normal rows are looked at. There are 40 held-out rows:
/// without anomalies among them, the share of p-values of at most 0.1 is 4/41 on average, and the few anomalies lower it. In one round,
/// it is a draw from Beta(4, 37), whose standard deviation is 0.046, and the share of 60 rows adds 0.038: the standard error of the mean
/// of 150 rounds is 0.005.
#[test]
fn p_values_keep_their_promise_after_many_answers() {
    let rounds = 150;
    let mut rng = Seed(1).stream(&["p-values"]);
    let (mut alarms, mut of_asked) = (0.0, 0.0);
    for round in 0..rounds {
        let (rows, truth) = drawn(200, 0.05, 2.0, &mut rng);
        let detector = detector("logistic").seed(Seed(round));
        let mut session = LabellingSetup::new(detector).open(&rows).unwrap();
        for _ in 0..6 {
            answer_batch(&mut session, &truth, 10);
        }
        if session.progress().anomalies == 0 {
            continue;
        }
        let model = session.model().unwrap();
        let calibration = model.calibration().unwrap();
        assert_eq!(calibration.rows(), 40);
        let (new, _) = drawn(60, 0.0, 0.0, &mut rng);
        let scores = model.score(&new).unwrap();
        let alarm = |score: &&f32| calibration.p_value(**score) <= 0.1;
        alarms += scores.iter().filter(alarm).count() as f64 / 60.0 / rounds as f64;
        // What p-values would be if rows without an answer had calibrated them.
        let all = model.score(&rows).unwrap();
        let open = (0..200).filter(|&row| !session.is_held_out(row) && session.answer_on(row).is_none());
        let open: Vec<f32> = open.map(|row| all[row]).collect();
        let wrong = anoonly::eval::Calibration::new(&open).unwrap();
        of_asked += scores.iter().filter(|score| wrong.p_value(**score) <= 0.1).count() as f64 / 60.0 / rounds as f64;
    }
    assert!((0.05..4.0 / 41.0 + 3.0 * 0.005).contains(&alarms), "{alarms}");
    assert!(of_asked > 0.25, "the simulation would see it: {of_asked}");
}

/// Sessions that ask for high scores and for random rows, and stop at any moment.
#[test]
fn the_number_of_anomalies_left_is_within_its_interval() {
    let rounds = 60;
    let mut rng = Seed(2).stream(&["left"]);
    let (mut always, mut estimated, mut truly) = (0, 0.0, 0.0);
    for round in 0..rounds {
        let (rows, truth) = drawn(250, 0.1, 1.5, &mut rng);
        let query = Query::new(QueryStrategy::Top, 0.5).unwrap();
        let detector = detector("logistic").seed(Seed(round)).held_out(0.1);
        let mut session = LabellingSetup::new(detector).query(query).open(&rows).unwrap();
        let mut within = true;
        for batch in 0..12 {
            answer_batch(&mut session, &truth, 10);
            let open = (0..250).filter(|&row| !session.is_held_out(row) && session.answer_on(row).is_none());
            let left = open.filter(|&row| truth[row]).count() as f64;
            let interval = session.progress().left.unwrap();
            within &= (interval.low..=interval.high).contains(&left);
            if batch == 4 {
                estimated += interval.estimate / rounds as f64;
                truly += left / rounds as f64;
            }
        }
        always += usize::from(within);
    }
    // The standard error of the share is 0.028, and that of the mean estimate about 0.9.
    assert!(always as f64 / rounds as f64 >= 0.95 - 2.0 * 0.028, "{always} of {rounds}");
    assert!((estimated - truly).abs() < 2.7, "{estimated} and {truly}");
}

#[test]
fn expected_finds_are_found_on_average() {
    let mut rng = Seed(3).stream(&["finds"]);
    // The number of batches, and the expected and true numbers of finds, by what was expected of a batch of five.
    let mut bins = [(0, 0.0, 0.0); 5];
    for round in 0..60 {
        let (rows, truth) = drawn(300, 0.06, 2.0, &mut rng);
        let detector = detector("logistic").seed(Seed(round)).held_out(0.0);
        let mut session = LabellingSetup::new(detector).open(&rows).unwrap();
        for _ in 0..12 {
            let expected = session.expected_finds(5);
            let found = answer_batch(&mut session, &truth, 5).into_iter().filter(|&row| truth[row]).count() as f64;
            if let Some(expected) = expected {
                let bin = &mut bins[(expected as usize).min(4)];
                *bin = (bin.0 + 1, bin.1 + expected, bin.2 + found);
            }
        }
    }
    let (expected, found) = bins.iter().fold((0.0, 0.0), |sum, bin| (sum.0 + bin.1, sum.1 + bin.2));
    assert!((expected / found - 1.0).abs() < 0.12, "{expected} and {found}: {bins:?}");
    for (count, expected, found) in bins.into_iter().filter(|bin| bin.0 >= 20) {
        let (expected, found) = (expected / f64::from(count), found / f64::from(count));
        assert!((expected - found).abs() < 0.6, "{expected} and {found}: {bins:?}");
    }
}
