use anoonly_core::{Label, Seed};
use ndarray::Array2;

use super::*;

/// Rows on a line, with scores.
fn choose(strategy: QueryStrategy, scores: &[f32], places: &[f32], candidates: &[usize], count: usize) -> Vec<usize> {
    let features = Array2::from_shape_vec((places.len(), 1), places.to_vec()).unwrap();
    let ranking = Ranking { scores, features: &features, candidates, threshold: Some(0.5) };
    strategy.choose(ranking, count, &mut Seed(1).stream(&["query"]))
}

#[test]
fn top_takes_the_highest_candidates_and_breaks_ties_by_row() {
    let scores = [0.1, 0.9, 0.5, 0.9, f32::NAN, 0.5];
    let choose = |candidates: &[usize], count| choose(QueryStrategy::Top, &scores, &[0.0; 6], candidates, count);
    assert_eq!(choose(&[5, 4, 3, 2, 1, 0], 3), [1, 3, 2]);
    assert_eq!(choose(&[5, 0, 2], 1), [2]);
    assert_eq!(choose(&[0, 1, 2, 3, 4, 5], 9), [1, 3, 2, 5, 0, 4]);
    assert!(choose(&[], 3).is_empty() && choose(&[1], 0).is_empty());
}

#[test]
fn margin_takes_the_nearest_to_the_threshold_and_the_highest_without_one() {
    let scores = [0.15, 0.9, 0.45, 0.56, f32::NAN, 0.4];
    let all = [0, 1, 2, 3, 4, 5];
    assert_eq!(choose(QueryStrategy::Margin, &scores, &[0.0; 6], &all, 4), [2, 3, 5, 0]);
    let features = Array2::zeros((6, 1));
    let ranking = Ranking { scores: &scores, features: &features, candidates: &all, threshold: None };
    assert_eq!(QueryStrategy::Margin.choose(ranking, 2, &mut Seed(1).stream(&[])), [1, 3]);
}

/// By hand: of six rows in question, the highest lies at 0. Farthest from it lies the row at 1, then the one at 0.4, which is 0.4 from
/// the nearest chosen row; the row at 9 has too low a score.
#[test]
fn diverse_spreads_a_batch_over_high_rows() {
    let scores = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 1.0];
    let places = [0.0, 0.1, 0.4, 1.0, 0.9, 0.05, 9.0];
    let all: Vec<usize> = (0..7).collect();
    assert_eq!(choose(QueryStrategy::Diverse, &scores, &places, &all, 2), [0, 3]);
    let wide = [&places[..6], &[0.2]].concat();
    assert_eq!(choose(QueryStrategy::Diverse, &scores, &wide, &all, 3), [0, 3, 2]);
    // Without row 0, the highest is row 1 at 0.1.
    assert_eq!(choose(QueryStrategy::Diverse, &scores, &places, &all[1..6], 2), [1, 3]);
}

#[test]
fn copies_of_a_row_do_not_fill_a_diverse_batch() {
    let scores: Vec<f32> = (0..40).map(|row| 40.0 - row as f32).collect();
    let places: Vec<f32> = (0..40).map(|row| if row < 30 { 0.0 } else { row as f32 }).collect();
    let all: Vec<usize> = (0..40).collect();
    let batch = choose(QueryStrategy::Diverse, &scores, &places, &all, 3);
    assert_eq!(batch.iter().filter(|&&row| row < 30).count(), 1, "{batch:?}");
    // If there is nothing else, copies are asked in the order of their scores.
    assert_eq!(choose(QueryStrategy::Diverse, &scores, &places, &all[..30], 3), [0, 1, 2]);
    assert_eq!(choose(QueryStrategy::Diverse, &scores, &places, &[3, 31, 2], 3), [2, 31, 3]);
}

#[test]
fn every_strategy_asks_different_candidates_whatever_their_order() {
    let mut rng = Seed(5).stream(&["made"]);
    let features = Array2::from_shape_simple_fn((200, 3), || rng.random_range(0..4) as f32);
    let scores: Vec<f32> = (0..200).map(|_| rng.random_range(0..20) as f32).collect();
    let candidates: Vec<usize> = (0..200).filter(|row| row % 3 != 0).collect();
    let reversed: Vec<usize> = candidates.iter().rev().copied().collect();
    for strategy in QueryStrategy::ALL {
        for count in [0, 1, 7, 133, 134, 500] {
            let of = |candidates| {
                let ranking = Ranking { scores: &scores, features: &features, candidates, threshold: Some(7.5) };
                strategy.choose(ranking, count, &mut Seed(2).stream(&["query"]))
            };
            let mut rows = of(&candidates);
            assert_eq!(rows, of(&candidates));
            assert!(strategy == QueryStrategy::Random || rows == of(&reversed), "{strategy} {count}");
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), count.min(candidates.len()), "{strategy} {count}");
            assert!(rows.iter().all(|row| candidates.contains(row)));
        }
    }
}

#[test]
fn random_rows_have_their_share_and_are_drawn_from_all_candidates() {
    let scores: Vec<f32> = (0..50).map(|row| row as f32).collect();
    let (features, candidates) = (Array2::zeros((50, 1)), (0..50).collect::<Vec<usize>>());
    let ranking = Ranking { scores: &scores, features: &features, candidates: &candidates, threshold: None };
    let query = Query::new(QueryStrategy::Top, 0.3).unwrap();
    let mut rng = Seed(3).stream(&["query"]);
    let (batches, mut drawn, mut first) = (4000, [0usize; 50], 0);
    for _ in 0..batches {
        let batch = query.choose(ranking, 5, &mut rng);
        let random: Vec<usize> = batch.iter().filter(|chosen| chosen.random).map(|chosen| chosen.row).collect();
        assert!(batch.len() == 5 && (1..=2).contains(&random.len()));
        let rest: Vec<usize> = batch.iter().filter(|chosen| !chosen.random).map(|chosen| chosen.row).collect();
        let best: Vec<usize> = (0..50).rev().filter(|row| !random.contains(row)).take(rest.len()).collect();
        assert_eq!(rest, best);
        first += usize::from(batch[0].random);
        random.iter().for_each(|&row| drawn[row] += 1);
    }
    // 1.5 of 5 rows on average: 6000 in all, 120 a row with a standard deviation of 11; 1200 batches begin with one, ± 29.
    let all: usize = drawn.iter().sum();
    assert!((5850..6150).contains(&all), "{all}");
    assert!(drawn.iter().all(|count| (65..175).contains(count)), "{drawn:?}");
    assert!((1050..1350).contains(&first), "{first}");
}

#[test]
fn shares_of_nothing_and_of_everything_are_exact() {
    let scores = [1.0, 2.0, 3.0];
    let features = Array2::zeros((3, 1));
    let ranking = Ranking { scores: &scores, features: &features, candidates: &[0, 1, 2], threshold: None };
    let random = |query: Query| -> Vec<bool> {
        query.choose(ranking, 3, &mut Seed(1).stream(&[])).into_iter().map(|chosen| chosen.random).collect()
    };
    assert_eq!(random(QueryStrategy::Top.into()), [false; 3]);
    assert_eq!(random(Query::new(QueryStrategy::Top, 1.0).unwrap()), [true; 3]);
    assert_eq!(random(QueryStrategy::Random.into()), [true; 3]);
    assert_eq!(random(Query::new(QueryStrategy::Random, 0.5).unwrap()), [true; 3]);
}

#[test]
fn queries_are_written_and_read_by_name() {
    for strategy in QueryStrategy::ALL {
        assert_eq!(strategy.to_string().parse(), Ok(strategy));
        assert_eq!(serde_json::to_string(&strategy).unwrap(), format!("\"{strategy}\""));
        for share in [0.0, 0.1, 1.0] {
            let query = Query::new(strategy, share).unwrap();
            assert_eq!(query.to_string().parse(), Ok(query));
            let json = serde_json::to_string(&query).unwrap();
            assert_eq!(serde_json::from_str::<Query>(&json).unwrap(), query);
        }
    }
    assert_eq!(Query::new(QueryStrategy::Diverse, 0.1).unwrap().to_string(), "diverse+0.1");
    assert_eq!(Query::default(), QueryStrategy::Top.into());
    let message = |text: &str| text.parse::<Query>().unwrap_err().to_string();
    assert_eq!(message("best"), "unknown query strategy `best`: use top, diverse, margin, random");
    assert_eq!(message("top+x"), "the share of random rows is x: must be a number from 0 to 1");
    for share in ["1.5", "-0.1", "NaN"] {
        assert!(message(&format!("top+{share}")).contains(share));
        assert!(serde_json::from_str::<Query>(&format!("{{\"strategy\":\"top\",\"random_share\":{share}}}")).is_err());
    }
}

/// By hand: anomalies at 5, 4 and 2, normal rows at 3 and 1. Halfway between 4 and 3 or between 2 and 1, one row is on the wrong side.
#[test]
fn the_threshold_makes_the_fewest_errors() {
    use Label::{Anomaly, Normal, Unlabelled};
    let labels = [Normal, Anomaly, Normal, Anomaly, Anomaly, Unlabelled];
    assert_eq!(separating_threshold(&[1.0, 2.0, 3.0, 4.0, 5.0, 9.0], &labels), Some(3.5));
    assert_eq!(separating_threshold(&[1.0, 2.0], &[Normal, Unlabelled]), None);
    assert_eq!(separating_threshold(&[1.0, 2.0], &[Unlabelled, Anomaly]), None);
    // Scores in the wrong order: above all of them, only the anomaly is on the wrong side.
    assert_eq!(separating_threshold(&[2.0, 1.0], &[Normal, Anomaly]), Some(2.0));
    assert_eq!(separating_threshold(&[1.0, 1.0, 1.0], &[Normal, Anomaly, Anomaly]), Some(1.0));
}
