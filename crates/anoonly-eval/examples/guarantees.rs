//! Compares the stated false-positive and false-discovery rates with those on random rows.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;

use anoonly_eval::{Calibration, discoveries};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DRAWS: usize = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // Scores are uniform; those of anomalies are twenty times closer to 1.
    let mut score = |anomaly: bool| {
        let score = rng.random::<f32>();
        if anomaly { 1.0 - (1.0 - score) / 20.0 } else { score }
    };
    let (mut alarms, mut false_share) = (0.0, 0.0);
    for _ in 0..DRAWS {
        let held_out: Vec<f32> = (0..199).map(|_| score(false)).collect();
        let calibration = Calibration::new(&held_out)?;
        let threshold = calibration.threshold(0.05)?;
        let new: Vec<(f32, bool)> = (0..100).map(|row| (score(row < 10), row < 10)).collect();
        alarms += new[10..].iter().filter(|(score, _)| *score >= threshold).count() as f64 / 90.0;
        let p_values: Vec<f64> = new.iter().map(|(score, _)| calibration.p_value(*score)).collect();
        let found = discoveries(&p_values, 0.2)?;
        let all = found.iter().filter(|&&found| found).count();
        let wrong = found[10..].iter().filter(|&&found| found).count();
        false_share += wrong as f64 / all.max(1) as f64;
    }
    println!("stated false-positive rate 5 %: {:.1} % of the normal rows were flagged", 100.0 * alarms / DRAWS as f64);
    println!(
        "stated false-discovery rate 20 %: {:.1} % of the flagged rows were normal",
        100.0 * false_share / DRAWS as f64
    );
    Ok(())
}
