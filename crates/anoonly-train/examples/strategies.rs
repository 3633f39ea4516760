//! Trains every method that takes a strategy twice: by its whole loss, and by the loss of its labelled anomalies only.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_train::{ComputeDevice, Detector, Supervision};
use ndarray::Array2;

fn main() -> Result<(), Box<dyn Error>> {
    // 300 rows. The first 20 are anomalies, and 6 of these are labelled.
    let cell = |(row, column): (usize, usize)| {
        ((row * 7919 + column * 104_729) % 1000) as f32 / 1000.0 + if row < 20 && column < 2 { 0.7 } else { 0.0 }
    };
    let features = Array2::from_shape_fn((300, 5), cell);
    let labels = (0..300).map(|row| if row < 6 { Label::Anomaly } else { Label::Unlabelled }).collect();
    let samples = Samples::new(features.clone(), labels)?;
    for method in AnyMethod::all().into_iter().filter(|method| method.takes_strategy()) {
        for (name, supervision) in [("host", Supervision::Full), ("anoonly", Supervision::AnomalyOnly)] {
            let fitted =
                Detector::new(method.clone(), supervision, Seed(1))?.fit(&samples, &ComputeDevice::default())?;
            let scores = fitted.score(&features)?;
            let mut order: Vec<usize> = (6..300).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let found = order[..14].iter().filter(|&&row| row < 20).count();
            println!(
                "{:10} {name:8} has {found} of the 14 unlabelled anomalies among its 14 highest scores",
                method.info().name
            );
        }
    }
    Ok(())
}
