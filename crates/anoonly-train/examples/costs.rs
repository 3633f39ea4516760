//! What fits, scores and explanations cost on one core: seconds of a fit, microseconds of a row in a table and of a row alone, and
//! seconds of the explanations of 100 rows.
//!
//! ```sh
//! cargo run --release -p anoonly-train --example costs
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::time::Instant;

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_train::{ComputeDevice, Detector, ScoreError, Supervision};
use ndarray::{Array2, s};
use rand::RngExt;

/// The methods, by name.
const METHODS: [&str; 5] = ["quorum", "pu-forest", "isolation-forest", "devnet", "logistic"];
/// Training rows and columns.
const TABLES: [(usize, usize); 2] = [(5000, 10), (50_000, 50)];
/// Rows that are scored together.
const SCORED: usize = 100_000;
/// Rows that are scored alone.
const ALONE: usize = 200;
/// Rows that are explained.
const EXPLAINED: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One thread for all parts of the program.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    println!("| method | trained on | fit | a row of {SCORED} | a row alone, median | {EXPLAINED} explanations |");
    println!("|---|---|---|---|---|---|");
    for (rows, columns) in TABLES {
        let samples = samples(rows, columns)?;
        let new = features(SCORED, columns, "new rows");
        for name in METHODS {
            let detector = Detector::new(AnyMethod::by_name(name)?, Supervision::Full, Seed(1))?;
            let (fitted, fit) = timed(|| detector.fit(&samples, &ComputeDevice::default()))?;
            let (_, together) = timed(|| fitted.score(&new))?;
            let alone = |row: usize| -> Result<f64, ScoreError> {
                let row = new.slice(s![row..=row, ..]).to_owned();
                Ok(timed(|| fitted.score(&row))?.1)
            };
            let mut seconds = (0..ALONE).map(alone).collect::<Result<Vec<f64>, ScoreError>>()?;
            seconds.sort_by(f64::total_cmp);
            let explained = new.slice(s![..EXPLAINED, ..]).to_owned();
            let baseline = samples.features().row(1).to_vec();
            let parts: Vec<_> = (0..columns).map(|column| column..column + 1).collect();
            let (_, explain) = timed(|| fitted.attributions(&explained, &baseline, &parts))?;
            let [together, alone] = [together / SCORED as f64, seconds[ALONE / 2]].map(|seconds| 1e6 * seconds);
            println!(
                "| {name} | {rows} × {columns} | {fit:.2} s | {together:.2} µs | {alone:.0} µs | {explain:.2} s |"
            );
        }
    }
    Ok(())
}

/// The result of a function and the seconds that it took.
fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, f64), E> {
    let began = Instant::now();
    let result = work()?;
    Ok((result, began.elapsed().as_secs_f64()))
}

/// Training rows. One in a hundred is an anomaly, and half of the anomalies are labelled.
fn samples(rows: usize, columns: usize) -> Result<Samples, Box<dyn std::error::Error>> {
    let labels = (0..rows).map(|row| if row % 200 == 0 { Label::Anomaly } else { Label::Unlabelled }).collect();
    Ok(Samples::new(features(rows, columns, "training rows"), labels)?)
}

/// Rows. One in a hundred is shifted in half of its columns.
fn features(rows: usize, columns: usize, purpose: &str) -> Array2<f32> {
    let mut rng = Seed(1).stream(&[purpose]);
    Array2::from_shape_fn((rows, columns), |(row, column)| {
        let shift = if row % 100 == 0 && column % 2 == 0 { 1.0 } else { 0.0 };
        (0..4).map(|_| rng.random_range(0.0..1.0)).sum::<f32>() + shift
    })
}
