use super::*;

/// Figures from scikit-learn 1.9.1: `OneClassSVM(gamma=1, nu=0.5, tol=1e-10)`, `dual_coef_` and `offset_`.
#[test]
fn the_solution_of_a_small_problem_agrees_with_scikit_learn() {
    let points = [0.0, 0.3, 0.5, 1.1, 1.2, 2.0, 4.0];
    let Solution { weights, offset } = solve(&points, 1, 3.5, 1e-10);
    for (ours, theirs) in weights.iter().chain([&offset]).zip(WEIGHTS.iter().chain([&OFFSET])) {
        assert!((ours - theirs).abs() < 1e-5, "{ours}, but scikit-learn says {theirs}");
    }
}

const WEIGHTS: [f64; 7] = [1.0, 0.0, 0.016_087_31, 0.497_589_32, 0.0, 0.986_323_37, 1.0];
const OFFSET: f64 = 1.246_006_87;

/// The conditions of every solution. The rows in one column need thousands of steps and leave rows out, those in five do not.
#[test]
fn weights_keep_their_sum_and_no_pair_can_be_improved() {
    for (count, columns) in [(200, 1), (3000, 1), (400, 5)] {
        let cell = |cell: usize| (cell * 7919 % 10_007) as f32 / 1000.0;
        let rows: Vec<f32> = (0..count * columns).map(cell).collect();
        for share in [0.1, 0.5, 1.0] {
            let all = share * count as f64;
            let Solution { weights, offset } = solve(&rows, columns, all, 1e-3);
            assert!((weights.iter().sum::<f64>() - all).abs() < 1e-6);
            assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
            for (row, &weight) in rows.chunks_exact(columns).zip(&weights) {
                let kernel = |known: &[f32]| {
                    let squares = row.iter().zip(known).map(|(a, b)| f64::from(a - b).powi(2));
                    (-squares.sum::<f64>() / columns as f64).exp()
                };
                let sum: f64 = rows.chunks_exact(columns).zip(&weights).map(|(known, w)| w * kernel(known)).sum();
                assert!(weight >= 1.0 || sum >= offset - 2e-3, "{share}: {weight}, {sum} and {offset}");
                assert!(weight <= 0.0 || sum <= offset + 2e-3, "{share}: {weight}, {sum} and {offset}");
            }
        }
    }
}

#[test]
fn the_offset_for_equal_rows_is_the_sum_of_their_weights() {
    for rows in [1, 4] {
        let Solution { weights, offset } = solve(&vec![3.0; rows], 1, rows as f64 / 2.0, 1e-3);
        assert_eq!((weights.iter().sum::<f64>(), offset), (rows as f64 / 2.0, rows as f64 / 2.0));
    }
}

/// Several blocks of targets and of sources, some without a factor.
#[test]
fn threads_do_not_matter() {
    let rows: Vec<f32> = (0..3000).map(|cell| (cell * 7919 % 10_007) as f32 / 1000.0).collect();
    let factors: Vec<f64> = (0..3000).map(|row| f64::from(row % 3)).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    assert_eq!(sums(&rows, &factors, &rows, 1), pool.install(|| sums(&rows, &factors, &rows, 1)));
}
