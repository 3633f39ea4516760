//! Seconds of the refits of a labelling session, on one core: the first ranking, with what all refits share, one refit with confirmed
//! normals alone, and the median of refits with labelled anomalies. Each includes the ranking of all rows.
//!
//! ```sh
//! cargo run --release -p anoonly-train --example refits
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::time::Instant;

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_train::labelling::Refitter;
use anoonly_train::{ComputeDevice, Detector, Supervision};
use ndarray::Array2;
use rand::RngExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One thread for all parts of the program.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    println!("{:>6} × {:<3} {:>8} {:>8} {:>8}", "rows", "columns", "first", "normals", "refit");
    for (rows, columns) in [(5000, 10), (50_000, 50)] {
        let mut rng = Seed(1).stream(&["rows"]);
        // One row in a hundred is an anomaly, shifted in half of the columns.
        let cell = |(row, column): (usize, usize)| {
            let shift = if row % 100 == 0 && column % 2 == 0 { 1.0 } else { 0.0 };
            (0..4).map(|_| rng.random_range(0.0..1.0)).sum::<f32>() + shift
        };
        let features = Array2::from_shape_fn((rows, columns), cell);
        let samples = Samples::new(features, vec![Label::Unlabelled; rows])?;
        let detector = Detector::new(AnyMethod::by_name("pu-forest")?, Supervision::Full, Seed(1))?;
        let mut refitter = Refitter::new(samples, detector, &ComputeDevice::default())?;
        let mut labels = vec![Label::Unlabelled; rows];
        let mut timed = |labels: &[Label]| -> Result<f64, Box<dyn std::error::Error>> {
            let began = Instant::now();
            refitter.refit(labels)?;
            Ok(began.elapsed().as_secs_f64())
        };
        let first = timed(&labels)?;
        (1..6).for_each(|row| labels[row] = Label::Normal);
        let normals = timed(&labels)?;
        let mut seconds = Vec::new();
        for batch in 0..20 {
            (0..2).for_each(|row| labels[100 * (2 * batch + row)] = Label::Anomaly);
            (0..3).for_each(|row| labels[100 * batch + 10 + row] = Label::Normal);
            seconds.push(timed(&labels)?);
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        println!("{rows:>6} × {columns:<7} {first:>8.3} {normals:>8.3} {median:>8.3}");
    }
    Ok(())
}
