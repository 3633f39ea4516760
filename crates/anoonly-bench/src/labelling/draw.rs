//! The rows that are labelled.

use anoonly_core::{Dataset, Label, Seed};
use rand::seq::index;
use serde::{Deserialize, Serialize};

use crate::BenchError;

/// The largest number of rows of a data set that a run labels.
pub const MOST_ROWS: usize = 5000;

/// The rows of a data set that the runs of one seed label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnRows {
    /// The name of the data set.
    pub dataset: String,
    /// The seed.
    pub seed: u64,
    /// The indices of the rows in the file of the data set, from 0, ascending.
    pub rows: Vec<usize>,
}

impl DrawnRows {
    /// All rows of a data set, or `most` of them, drawn without replacement. A draw without an anomaly or without a normal row is
    /// repeated.
    ///
    /// # Errors
    /// When the data set lacks anomalies or normal rows.
    pub(super) fn draw(dataset: &Dataset, most: usize, seed: Seed) -> Result<Self, BenchError> {
        let labels = dataset.samples.labels();
        let anomalies = labels.iter().filter(|label| label.is_anomaly()).count();
        if anomalies == 0 || anomalies == labels.len() {
            let kind = if anomalies == 0 { Label::Anomaly } else { Label::Normal };
            return Err(BenchError::OneClass { dataset: dataset.name.clone(), missing: kind });
        }
        let mut rng = seed.stream(&[&dataset.name, "rows to label"]);
        let rows = loop {
            let rows = match labels.len() <= most {
                true => (0..labels.len()).collect(),
                false => index::sample(&mut rng, labels.len(), most).into_vec(),
            };
            let anomalies = rows.iter().filter(|&&row| labels[row].is_anomaly()).count();
            if (1..rows.len()).contains(&anomalies) {
                break rows;
            }
        };
        let mut drawn = Self { dataset: dataset.name.clone(), seed: seed.0, rows };
        drawn.rows.sort_unstable();
        Ok(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Samples;
    use ndarray::Array2;

    fn dataset(rows: usize, anomalies: usize) -> Dataset {
        let labels = (0..rows).map(|row| if row < anomalies { Label::Anomaly } else { Label::Normal }).collect();
        let samples = Samples::new(Array2::zeros((rows, 1)), labels).unwrap();
        Dataset { name: "made".into(), family: "made".into(), samples }
    }

    #[test]
    fn a_small_set_is_kept_and_a_large_one_is_drawn_from_the_seed() {
        let draw = |rows, seed| DrawnRows::draw(&dataset(rows, 3), 50, Seed(seed)).unwrap().rows;
        assert_eq!(draw(50, 1), (0..50).collect::<Vec<usize>>());
        let drawn = draw(1000, 1);
        assert!(drawn.len() == 50 && drawn.is_sorted_by(|a, b| a < b) && drawn[49] < 1000);
        assert_eq!(drawn, draw(1000, 1));
        assert_ne!(drawn, draw(1000, 2));
    }

    #[test]
    fn every_draw_has_an_anomaly_and_a_normal_row() {
        for seed in 0..20 {
            // A draw of 5 of 1000 rows has one of 3 anomalies in 1.5 % of the cases.
            let rows = DrawnRows::draw(&dataset(1000, 3), 5, Seed(seed)).unwrap().rows;
            assert!(rows[0] < 3 && rows[4] >= 3, "{rows:?}");
        }
        for anomalies in [0, 10] {
            let error = DrawnRows::draw(&dataset(10, anomalies), 5, Seed(1)).unwrap_err();
            assert!(matches!(error, BenchError::OneClass { .. }), "{error}");
        }
    }
}
