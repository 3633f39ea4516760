use ndarray::{Array2, Axis};
use rand_distr::StandardNormal;

use super::*;
use crate::Label;

const NORMALS: usize = 3000;
const ANOMALIES: usize = 1500;
/// A value whose mean over many rows differs from it by a rounding error.
const CONSTANT: f32 = 0.3;

/// Two clusters of normal rows in four features, at the given distance. The second feature depends on the first, the third is
/// positive and skewed, and the fourth is constant. Every third row is an anomaly far away, which the models must not use.
fn dataset_of(apart: f64) -> Dataset {
    let mut rng = Seed(5).stream(&["made"]);
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let rows = NORMALS + ANOMALIES;
    let mut features = Array2::from_elem((rows, 4), 1e6);
    let mut labels = vec![Label::Anomaly; rows];
    for row in (0..rows).filter(|row| row % 3 != 0) {
        let (place, shared) = (10.0 + if row % 2 == 0 { apart } else { 0.0 }, normal());
        let cells =
            [place + shared, 3.0 - place + 0.8 * shared + 0.6 * normal(), (0.5 * normal()).exp(), f64::from(CONSTANT)];
        (0..4).for_each(|column| features[[row, column]] = cells[column] as f32);
        labels[row] = Label::Normal;
    }
    Dataset { name: "made".into(), family: "made".into(), samples: Samples::new(features, labels).unwrap() }
}

fn dataset() -> Dataset {
    dataset_of(10.0)
}

/// The normal rows and the anomalies.
fn made(kind: Synthetic, seed: u64) -> [Array2<f64>; 2] {
    parts(&kind.apply(&dataset(), Seed(seed)).unwrap())
}

fn parts(dataset: &Dataset) -> [Array2<f64>; 2] {
    let classes = dataset.samples.by_class();
    [classes.others, classes.anomalies].map(|rows| dataset.samples.features().select(Axis(0), &rows).mapv(f64::from))
}

fn covariance(rows: &Array2<f64>) -> Array2<f64> {
    let centred = rows - &rows.mean_axis(Axis(0)).unwrap();
    centred.t().dot(&centred) / rows.nrows() as f64
}

fn ranks(rows: &Array2<f64>) -> Array2<f64> {
    let mut ranks = rows.clone();
    for (column, mut of) in rows.columns().into_iter().zip(ranks.columns_mut()) {
        let mut order: Vec<usize> = (0..column.len()).collect();
        order.sort_by(|a, b| column[*a].total_cmp(&column[*b]));
        order.into_iter().enumerate().for_each(|(rank, row)| of[row] = rank as f64);
    }
    ranks
}

/// Spearman's rank correlation of two columns.
fn correlation(rows: &Array2<f64>, a: usize, b: usize) -> f64 {
    let covariance = covariance(&ranks(rows));
    covariance[[a, b]] / (covariance[[a, a]] * covariance[[b, b]]).sqrt()
}

/// The largest distance between the distribution functions of two samples.
fn distance(a: &Array2<f64>, b: &Array2<f64>, column: usize) -> f64 {
    let sorted = |rows: &Array2<f64>| {
        let mut values = rows.column(column).to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (a, b) = (sorted(a), sorted(b));
    let share = |values: &[f64], at: f64| values.partition_point(|value| *value <= at) as f64 / values.len() as f64;
    a.iter().chain(&b).map(|at| (share(&a, *at) - share(&b, *at)).abs()).fold(0.0, f64::max)
}

/// The rows of each of the two clusters.
fn by_cluster(rows: &Array2<f64>, border: f64) -> [Array2<f64>; 2] {
    let (left, right) = (0..rows.nrows()).partition::<Vec<usize>, _>(|row| rows[[*row, 0]] < border);
    [left, right].map(|of| rows.select(Axis(0), &of))
}

#[test]
fn every_row_keeps_its_label_and_gets_other_features() {
    for kind in Synthetic::ALL {
        let (plain, made) = (dataset(), kind.apply(&dataset(), Seed(1)).unwrap());
        assert_eq!((&made.name, &made.family), (&plain.name, &plain.family));
        assert_eq!(made.samples.labels(), plain.samples.labels());
        assert_eq!(made.samples.features().dim(), plain.samples.features().dim());
        assert!(made.samples.features().iter().all(|value| value.is_finite()), "{kind}");
        let changed = (0..plain.samples.rows()).filter(|row| made.samples.row(*row) != plain.samples.row(*row));
        assert_eq!(changed.count(), NORMALS + ANOMALIES, "{kind}");
    }
}

#[test]
fn the_seed_decides_and_the_kinds_of_the_mixture_share_their_normal_rows() {
    for kind in Synthetic::ALL {
        assert_eq!(made(kind, 1), made(kind, 1));
        let [[normals, anomalies], [other_normals, other_anomalies]] = [made(kind, 1), made(kind, 2)];
        assert_ne!(normals, other_normals, "{kind}");
        assert_ne!(anomalies, other_anomalies, "{kind}");
    }
    let [local, global, cluster, dependency] = Synthetic::ALL.map(|kind| made(kind, 1));
    assert!(local[0] == global[0] && local[0] == cluster[0] && local[0] != dependency[0]);
    assert!(local[1] != global[1] && local[1] != cluster[1]);
}

#[test]
fn normal_rows_are_like_those_of_the_data_set() {
    let [plain, _] = parts(&dataset());
    for kind in Synthetic::ALL {
        let [normals, _] = made(kind, 1);
        // Two samples of 3000 are farther apart than 0.05 once in 700 times. Scott's bandwidth, which goes by the scatter of both
        // clusters together, blurs each of them.
        let most = if kind == Synthetic::Dependency { 0.12 } else { 0.06 };
        for column in 0..3 {
            let distance = distance(&plain, &normals, column);
            assert!(distance < most, "{kind}: {distance} in column {column}");
        }
        assert!(normals.column(3).iter().all(|value| *value == f64::from(CONSTANT)), "{kind}: the constant column");
        for (own, other) in by_cluster(&plain, 15.0).iter().zip(&by_cluster(&normals, 15.0)) {
            assert!((own.nrows() as f64 - other.nrows() as f64).abs() < 150.0, "{kind}");
        }
    }
}

#[test]
fn local_anomalies_scatter_alpha_times_as_wide_about_the_same_places() {
    let [normals, anomalies] = parts(&Synthetic::Local.apply(&dataset_of(100.0), Seed(1)).unwrap());
    let means = |rows: &Array2<f64>| rows.mean_axis(Axis(0)).unwrap();
    for (normals, anomalies) in by_cluster(&normals, 60.0).iter().zip(&by_cluster(&anomalies, 60.0)) {
        assert!((means(normals) - means(anomalies)).iter().all(|apart| apart.abs() < 0.4));
        let [tight, wide] = [normals, anomalies].map(covariance);
        for (a, b) in [(0, 0), (0, 1), (1, 1)] {
            let times = wide[[a, b]] / tight[[a, b]];
            assert!((times - ALPHA).abs() < 1.0, "{times} times the covariance of {a} and {b}");
        }
    }
}

#[test]
fn clusters_of_anomalies_are_alpha_times_as_far_from_zero() {
    let [normals, anomalies] = parts(&Synthetic::Cluster.apply(&dataset_of(100.0), Seed(1)).unwrap());
    for (normals, anomalies) in by_cluster(&normals, 60.0).iter().zip(&by_cluster(&anomalies, ALPHA * 60.0)) {
        let [near, far] = [normals, anomalies].map(|rows| rows.mean_axis(Axis(0)).unwrap());
        for column in 0..3 {
            let times = far[column] / near[column];
            assert!((times - ALPHA).abs() < 0.25, "{times} times the mean of {column}");
        }
        let [near, far] = [normals, anomalies].map(covariance);
        assert!((far[[0, 0]] / near[[0, 0]] - 1.0).abs() < 0.3, "{} {}", far[[0, 0]], near[[0, 0]]);
    }
    assert!(anomalies.column(3).iter().all(|value| *value == f64::from((5.0 * f64::from(CONSTANT)) as f32)));
}

#[test]
fn global_anomalies_fill_the_bounds_of_the_normal_rows_times_1_1() {
    let [normals, anomalies] = made(Synthetic::Global, 1);
    let ends = |rows: &Array2<f64>, column: usize| {
        let column = rows.column(column);
        (column.iter().copied().fold(f64::INFINITY, f64::min), column.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    };
    let mut signs = Vec::new();
    for column in 0..4 {
        let (low, high) = ends(&normals, column);
        signs.push(low > 0.0);
        let (low, high) = ((low * 1.1) as f32, (high * 1.1) as f32);
        let (lowest, highest) = ends(&anomalies, column);
        assert!(lowest >= f64::from(low) && highest <= f64::from(high), "{column}");
        let room = 0.01 * f64::from(high - low);
        assert!(lowest <= f64::from(low) + room && highest >= f64::from(high) - room, "{column}");
        let mean = anomalies.column(column).mean().unwrap();
        assert!((mean - f64::from(low + high) / 2.0).abs() <= 4.0 * room, "{column}");
    }
    assert!(signs.contains(&true) && signs.contains(&false), "both signs of bounds occur");
    assert!(anomalies.column(3).iter().all(|value| *value == f64::from((1.1 * f64::from(CONSTANT)) as f32)));
}

#[test]
fn dependency_anomalies_lose_the_dependence_and_nothing_else() {
    let [plain, _] = parts(&dataset());
    let [normals, anomalies] = made(Synthetic::Dependency, 1);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let [real, kept, lost] = [&plain, &normals, &anomalies].map(|rows| correlation(rows, a, b));
        assert!((kept - real).abs() < 0.06, "{a} {b}: {kept} for {real}");
        assert!(lost.abs() < 0.1, "{a} {b}: {lost}");
    }
    assert!(correlation(&plain, 0, 1) < -0.2, "there is a dependence to lose");
    for column in 0..3 {
        assert!(distance(&normals, &anomalies, column) < 0.06, "{column}");
    }
    assert!(anomalies.column(3).iter().all(|value| *value == f64::from(CONSTANT)));
}

#[test]
fn difficult_data_stays_finite() {
    let set = |cell: fn(usize, usize) -> f32, rows: usize| {
        let labels = (0..rows).map(|row| if row % 4 == 3 { Label::Anomaly } else { Label::Normal }).collect();
        let samples = Samples::new(Array2::from_shape_fn((rows, 3), |(row, column)| cell(row, column)), labels);
        Dataset { name: "hard".into(), family: "hard".into(), samples: samples.unwrap() }
    };
    let sets = [
        ("constant", set(|_, _| 0.0, 40)),
        ("two values", set(|row, column| (row >> column & 1) as f32, 40)),
        ("columns that repeat each other", set(|row, _| (row * row) as f32, 40)),
        ("tiny", set(|row, column| 1e-40 * (row * (column + 1)) as f32, 40)),
        ("huge", set(|row, _| if row % 2 == 0 { f32::MAX } else { f32::MIN }, 40)),
        ("far from 0", set(|row, _| 1e7 + (row % 8) as f32, 40)),
        ("two rows twice", set(|row, column| (row % 2 * (column + 1)) as f32, 8)),
        ("three rows", set(|row, column| (row + column) as f32, 3)),
    ];
    for (case, set) in sets {
        for kind in Synthetic::ALL {
            let made = kind.apply(&set, Seed(1)).unwrap();
            assert!(made.samples.features().iter().all(|value| value.is_finite()), "{case}, {kind}");
        }
    }
}

#[test]
fn errors_name_the_data_set() {
    let one = dataset().samples.select(&[0, 1, 3, 6]);
    let set = Dataset { name: "few".into(), family: "few".into(), samples: one };
    for kind in Synthetic::ALL {
        assert_eq!(kind.name().parse::<Synthetic>().unwrap(), kind);
        let message = kind.apply(&set, Seed(1)).unwrap_err().to_string();
        assert!(message.starts_with("data set `few`: 1 normal rows: synthetic rows need at least two"), "{message}");
    }
    let message = "vine".parse::<Synthetic>().unwrap_err().to_string();
    assert_eq!(message, "unknown synthetic anomalies `vine`: use one of local, global, cluster, dependency");
}
