//! Comparison with scikit-learn's mixtures in `golden/mixture.json`, which `xtask/golden/golden_mixture.py` writes.

use rand::RngExt;
use rand_distr::StandardNormal;
use serde::Deserialize;

use super::*;
use crate::Seed;

#[derive(Deserialize)]
struct Golden {
    points: Vec<Vec<f64>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    start: GoldenMixture,
    first_round: GoldenMixture,
    rounds: usize,
    end: GoldenMixture,
}

#[derive(Deserialize)]
struct GoldenMixture {
    weights: Vec<f64>,
    means: Vec<Vec<f64>>,
    covariances: Vec<Vec<Vec<f64>>>,
    log_likelihood: Option<f64>,
    information_criterion: Option<f64>,
}

impl GoldenMixture {
    fn mixture(&self) -> Mixture {
        let component = |index: usize| Component {
            weight: self.weights[index],
            mean: DVector::from_column_slice(&self.means[index]),
            covariance: square(&self.covariances[index]),
        };
        Mixture { components: (0..self.weights.len()).map(component).collect() }
    }

    fn assert_is(&self, mixture: &Mixture, points: &DMatrix<f64>) {
        for (own, other) in mixture.components.iter().zip(self.mixture().components) {
            assert!((own.weight - other.weight).abs() < 1e-8, "{} {}", own.weight, other.weight);
            assert!((&own.mean - &other.mean).amax() < 1e-7, "{} {}", own.mean, other.mean);
            assert!((&own.covariance - &other.covariance).amax() < 1e-7, "{} {}", own.covariance, other.covariance);
        }
        let log_likelihood = mixture.shares(points).unwrap().1;
        assert!((log_likelihood - self.log_likelihood.unwrap()).abs() < 1e-8, "{log_likelihood}");
        let criterion = mixture.information_criterion(points).unwrap();
        assert!((criterion - self.information_criterion.unwrap()).abs() < 1e-6, "{criterion}");
    }
}

fn square(rows: &[Vec<f64>]) -> DMatrix<f64> {
    DMatrix::from_fn(rows.len(), rows.len(), |row, column| rows[row][column])
}

#[test]
fn the_same_start_gives_the_mixture_of_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("../../../golden/mixture.json")).unwrap();
    let points = DMatrix::from_fn(golden.points[0].len(), golden.points.len(), |row, point| golden.points[point][row]);
    assert!(golden.cases.iter().any(|case| case.rounds > 10), "too easy");
    for case in golden.cases {
        let start = case.start.mixture();
        let (shares, _) = start.shares(&points).unwrap();
        case.first_round.assert_is(&Mixture::of_shares(&points, &shares), &points);
        case.end.assert_is(&start.improved(&points).unwrap(), &points);
    }
}

/// `count` clusters of `each` points in two features, with centres ten standard deviations apart.
fn clusters(count: usize, each: usize, seed: u64) -> DMatrix<f64> {
    let mut rng = Seed(seed).stream(&[]);
    DMatrix::from_fn(2, count * each, |row, point| {
        let place = if row == 0 { 10.0 * (point / each) as f64 } else { 0.0 };
        place + rng.sample::<f64, _>(StandardNormal)
    })
}

#[test]
fn clear_clusters_give_one_component_each() {
    for (seed, count) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4)] {
        let points = clusters(count, 200, seed);
        let chosen = Mixture::chosen(&points, &mut Seed(seed).stream(&["fit"])).unwrap();
        assert_eq!(chosen.components.len(), count);
        let mut places: Vec<f64> = chosen.components.iter().map(|component| component.mean[0]).collect();
        places.sort_by(f64::total_cmp);
        assert!(
            places.iter().enumerate().all(|(index, place)| (place - 10.0 * index as f64).abs() < 0.5),
            "{places:?}"
        );
        assert!(chosen.components.iter().all(|of| (of.covariance[(0, 0)] - 1.0).abs() < 0.5), "{chosen:?}");
    }
}

#[test]
fn numbers_of_components_without_enough_points_are_skipped() {
    // Three clusters of two points: the covariances of three components would be singular.
    let few = clusters(3, 2, 1);
    let chosen = Mixture::chosen(&few, &mut Seed(1).stream(&[])).unwrap();
    assert!(chosen.components.len() < 3, "{}", chosen.components.len());
    // Fewer points than features: one Gaussian, which the regularisation keeps regular.
    let flat = DMatrix::from_fn(6, 3, |row, point| (row * point) as f64);
    assert_eq!(Mixture::chosen(&flat, &mut Seed(1).stream(&[])).unwrap().components.len(), 1);
}

#[test]
fn components_without_a_point_stay_finite() {
    let chosen = Mixture::fitted(&DMatrix::from_element(2, 50, 3.0), 3, &mut Seed(1).stream(&[])).unwrap();
    let finite = |of: &Component| of.weight.is_finite() && of.mean.sum().is_finite() && of.covariance.sum().is_finite();
    assert!(chosen.components.iter().all(finite), "{chosen:?}");
}
