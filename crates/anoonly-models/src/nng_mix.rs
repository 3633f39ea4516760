//! NNG-Mix: pseudo-anomalies, mixed from labelled anomalies and their neighbours.
//!
//! Dong, Frusque, Zhao, Chatzi and Fink, "NNG-Mix: Improving Semi-supervised Anomaly Detection with Pseudo-anomaly Generation",
//! arXiv 2311.11961.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::{Rng, RngExt};
use rand_distr::{Beta, Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::TrainingData;
use crate::layers::host::{cells, tensor, unlabelled};
use crate::tools::neighbours::Neighbours;

/// Settings of NNG-Mix.
///
/// A pseudo-anomaly is `λ·(a + ε) + (1 − λ)·(b + ε′)`. Here `a` is a labelled anomaly, and `b` is one of its nearest neighbours, with
/// equal probability among the unlabelled rows or among the other labelled anomalies. `λ` is drawn from `Beta(alpha, alpha)`, and `ε`
/// and `ε′` are Gaussian noise in each column. Columns range from 0 to 1.
///
/// The defaults are those that the paper uses for most of its data sets. A single labelled anomaly has no other anomaly as a
/// neighbour. It is mixed with itself, as in the authors' code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NngMix {
    /// The number of pseudo-anomalies for each labelled anomaly.
    pub times: usize,
    /// The number of neighbours of either kind to choose from. All are used if there are fewer.
    pub neighbours: usize,
    /// The parameter of the distribution of λ. 1 is the uniform distribution; smaller values concentrate λ near 0 and 1.
    pub alpha: f64,
    /// The standard deviation of the noise.
    pub noise: f64,
}

impl Default for NngMix {
    fn default() -> Self {
        Self { times: 10, neighbours: 10, alpha: 0.2, noise: 0.01 }
    }
}

impl NngMix {
    /// The training rows, followed by pseudo-anomalies, which are labelled as anomalies. Without a labelled anomaly there are none.
    ///
    /// # Panics
    /// When the settings do not pass [`Recipe::check`](crate::recipe::Recipe::check).
    pub fn augmented<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> TrainingData<B> {
        if data.anomalies.is_empty() {
            return data.clone();
        }
        let (columns, device) = (data.columns(), data.rows.device());
        let anomalies = cells(data.select(&data.anomalies));
        let unlabelled = unlabelled(data);
        let among_unlabelled = Neighbours::new(unlabelled.clone(), columns).of(&anomalies, self.neighbours);
        let among_anomalies = Neighbours::new(anomalies.clone(), columns).of_each(self.neighbours);
        let share = Beta::new(self.alpha, self.alpha).expect("the settings are checked");
        let row = |rows: &[f32], place: usize| rows[place * columns..][..columns].to_vec();
        let mut made = Vec::with_capacity(self.times * anomalies.len());
        for _ in 0..self.times * data.anomalies.len() {
            let anomaly = rng.random_range(0..data.anomalies.len());
            let (rows, nearest) = match rng.random::<bool>() {
                true => (&unlabelled, &among_unlabelled),
                false => (&anomalies, &among_anomalies),
            };
            let other = match nearest.count {
                0 => row(&anomalies, anomaly),
                count => row(rows, nearest.places[anomaly * count + rng.random_range(0..count)] as usize),
            };
            let lambda = share.sample(rng);
            for (cell, other) in row(&anomalies, anomaly).into_iter().zip(other) {
                let mut noisy = |cell: f32| {
                    let noise: f64 = StandardNormal.sample(rng);
                    f64::from(cell) + self.noise * noise
                };
                made.push((lambda * noisy(cell) + (1.0 - lambda) * noisy(other)) as f32);
            }
        }
        let (before, added) = (data.rows.dims()[0], made.len() / columns);
        let anomalies = data.anomalies.iter().copied().chain(before..before + added).collect();
        let rows = Tensor::cat(vec![data.rows.clone(), tensor(made, [added, columns], &device)], 0);
        TrainingData { rows, others: data.others.clone(), anomalies, normals: data.normals.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use burn_ndarray::NdArray;

    fn data(rows: &[[f32; 2]], anomalies: usize) -> TrainingData<NdArray> {
        let unlabelled = rows.len() - anomalies;
        TrainingData {
            rows: tensor(rows.concat(), [rows.len(), 2], &Default::default()),
            others: (0..unlabelled).collect(),
            anomalies: (unlabelled..rows.len()).collect(),
            normals: Vec::new(),
        }
    }

    fn added(mix: &NngMix, data: &TrainingData<NdArray>) -> Vec<Vec<f32>> {
        let augmented = mix.augmented(data, &mut Seed(1).stream(&[]));
        let before = data.rows.dims()[0];
        assert_eq!(cells(augmented.rows.clone().narrow(0, 0, before)), cells(data.rows.clone()));
        assert_eq!(augmented.others, data.others);
        assert!(augmented.anomalies.is_sorted(), "batches rely on the order of the indices");
        assert_eq!(augmented.anomalies.len(), data.anomalies.len() * (1 + mix.times));
        let new = augmented.anomalies[data.anomalies.len()..].to_vec();
        cells(augmented.select(&new)).chunks(2).map(<[f32]>::to_vec).collect()
    }

    /// Without noise, pseudo-anomalies lie on the lines to the nearest neighbour of either kind, never on the line to the distant
    /// row.
    #[test]
    fn pseudo_anomalies_lie_between_an_anomaly_and_its_neighbours() {
        let rows = [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.9, 1.0]];
        let mix = NngMix { times: 100, neighbours: 1, noise: 0.0, ..Default::default() };
        let made = added(&mix, &data(&rows, 2));
        assert!(made.iter().all(|row| (row[1] - 1.0).abs() < 1e-6 && (0.0..=1.0).contains(&row[0])), "{made:?}");
        // Half of them are mixed with the other anomaly. About a fifth of the rest is very close to an anomaly. The expected number
        // is 118, with a standard deviation of 7; the bounds are four deviations away.
        let between = made.iter().filter(|row| row[0] >= 0.9 - 1e-6).count();
        assert!((90..=146).contains(&between), "{between}");
        // λ is usually near 0 or 1.
        let ends = made.iter().filter(|row| row[0] < 0.1 || row[0] > 0.8).count();
        assert!(ends > 140, "{ends}");
    }

    #[test]
    fn noise_has_the_configured_deviation() {
        let mix = NngMix { times: 2000, noise: 0.1, ..Default::default() };
        let made = added(&mix, &data(&[[0.5, 0.5], [0.5, 0.5]], 1));
        let variance = made.iter().map(|row| f64::from(row[0] - 0.5).powi(2)).sum::<f64>() / made.len() as f64;
        // The mean of λ² + (1 − λ)² is 1 − 2·E[λ(1 − λ)] = 1 − α/(2α + 1).
        let expected = 0.01 * (1.0 - 0.2 / 1.4);
        assert!((variance / expected - 1.0).abs() < 0.15, "{variance} {expected}");
    }

    #[test]
    fn without_a_labelled_anomaly_no_rows_are_added() {
        assert!(added(&NngMix::default(), &data(&[[0.5, 0.5], [0.1, 0.5]], 0)).is_empty());
    }
}
