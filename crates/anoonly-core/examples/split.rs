//! Splits a small data set under both protocols and counts what a detector would see.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use anoonly_core::budget::LabelBudget;
use anoonly_core::protocol::{Protocol, Trial};
use anoonly_core::{CoreError, Dataset, Label, Samples, Seed};
use ndarray::Array2;

fn main() -> Result<(), CoreError> {
    let features = Array2::from_shape_fn((200, 2), |(row, column)| (row * (column + 3) % 199) as f32);
    let labels = (0..200).map(|row| if row % 10 == 0 { Label::Anomaly } else { Label::Normal }).collect();
    let samples = Samples::new(features, labels)?;
    let dataset = Dataset { name: "example".into(), family: "example".into(), samples };
    for protocol in [Protocol::Clean, Protocol::Adbench] {
        let split = protocol.split(&dataset, Seed(1))?;
        let trial = Trial::new(&dataset, &split, LabelBudget::Ratio(0.25), Seed(1))?;
        let labelled = trial.train.labels().iter().filter(|label| label.is_anomaly()).count();
        println!(
            "{}: {} training rows with {labelled} labelled anomalies, {} test rows",
            protocol.name(),
            trial.train.rows(),
            trial.test.rows()
        );
    }
    Ok(())
}
