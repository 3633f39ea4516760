//! The two ways of splitting a data set into a training and a test part.

use std::fmt;
use std::str::FromStr;

use rand::RngExt;
use rand::seq::index;
use serde::{Deserialize, Serialize};

use crate::budget::LabelBudget;
use crate::noise::Noise;
use crate::split::{self, Split};
use crate::synthetic::Synthetic;
use crate::{CoreError, Dataset, Samples, Seed};

/// The share of rows on the test side.
pub const TEST_SHARE: f64 = 0.3;
/// Under [`Protocol::Adbench`], a set with fewer rows is resampled to this number.
pub const SMALLEST: usize = 1_000;
/// A set with more rows is thinned to this number.
pub const LARGEST: usize = 10_000;

/// How a data set is split into a training and a test part. Results of the two protocols never share a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// ADBench's protocol (Han et al., NeurIPS 2022), which the AnoOnly paper follows. A set of fewer than [`SMALLEST`] rows is
    /// resampled to that size *with replacement before the split*, so copies of a row may be on both sides. For reproduction.
    Adbench,
    /// No row is on both sides: no row is drawn twice, and rows with equal features stay together.
    Clean,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Protocol; 2] = [Protocol::Adbench, Protocol::Clean];

    /// The name in settings and results.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Adbench => "adbench",
            Protocol::Clean => "clean",
        }
    }

    /// Draws the rows of both sides for one seed: thinning or resampling, then a stratified split of 70 to 30.
    ///
    /// # Errors
    /// When a class is too small to be on both sides.
    pub fn split(self, dataset: &Dataset, seed: Seed) -> Result<Split, CoreError> {
        let samples = &dataset.samples;
        let mut rng = seed.stream(&[&dataset.name, "split"]);
        let mut part = |samples: &Samples| match self {
            Protocol::Adbench => split::stratified(samples, TEST_SHARE, &mut rng),
            Protocol::Clean => split::stratified_without_shared_rows(samples, TEST_SHARE, &mut rng),
        };
        match self.drawn(dataset, seed) {
            None => part(samples),
            Some(rows) => {
                let Split { train, test } = part(&samples.select(&rows))?;
                let original = |side: Vec<usize>| side.into_iter().map(|row| rows[row]).collect();
                Ok(Split { train: original(train), test: original(test) })
            }
        }
    }

    /// The data set, thinned or resampled as in [`split`](Self::split), with synthetic rows instead of its own. Split the result
    /// instead of the data set. Its rows are all different and `split` does not resample it again, so no row is on both sides
    /// even under [`Protocol::Adbench`].
    ///
    /// # Errors
    /// As [`Synthetic::apply`].
    pub fn synthesised(self, dataset: &Dataset, synthetic: Synthetic, seed: Seed) -> Result<Dataset, CoreError> {
        match self.drawn(dataset, seed) {
            None => synthetic.apply(dataset, seed),
            Some(rows) => {
                let samples = dataset.samples.select(&rows);
                synthetic.apply(&Dataset { samples, name: dataset.name.clone(), family: dataset.family.clone() }, seed)
            }
        }
    }

    /// The rows that are drawn from a set that is too small or too large.
    fn drawn(self, dataset: &Dataset, seed: Seed) -> Option<Vec<usize>> {
        let mut rng = seed.stream(&[&dataset.name, "rows"]);
        let rows = dataset.samples.rows();
        match self {
            _ if rows > LARGEST => Some(index::sample(&mut rng, rows, LARGEST).into_vec()),
            Protocol::Adbench if rows < SMALLEST => Some((0..SMALLEST).map(|_| rng.random_range(0..rows)).collect()),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Protocol {
    type Err = CoreError;

    fn from_str(name: &str) -> Result<Self, CoreError> {
        Protocol::ALL
            .into_iter()
            .find(|p| p.name() == name)
            .ok_or_else(|| CoreError::UnknownProtocol { name: name.into() })
    }
}

/// The rows of one experiment: those that the detector is fitted on, and those that it is evaluated on.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The training rows; only the anomalies of the budget are labelled, all other rows are unlabelled.
    pub train: Samples,
    /// The test rows with their true labels.
    pub test: Samples,
    /// The number of labelled anomalies in `train`.
    pub labelled: usize,
}

impl Trial {
    /// Takes the rows of a split and leaves the training side only the labels of the budget, drawn from the seed.
    ///
    /// # Errors
    /// When the budget asks for more anomalies than the training side has.
    pub fn new(dataset: &Dataset, split: &Split, budget: LabelBudget, seed: Seed) -> Result<Self, CoreError> {
        Self::noisy(dataset, split, budget, Noise::None, seed)
    }

    /// The same with a noise, drawn from the seed.
    ///
    /// # Errors
    /// When the budget asks for more anomalies than the training side has.
    pub fn noisy(
        dataset: &Dataset,
        split: &Split,
        budget: LabelBudget,
        noise: Noise,
        seed: Seed,
    ) -> Result<Self, CoreError> {
        let mut chance = seed.stream(&[&dataset.name, "noise", noise.name()]);
        let truly: Vec<bool> = split.train.iter().map(|&row| dataset.samples.labels()[row].is_anomaly()).collect();
        let sides = [&split.train, &split.test].map(|rows| dataset.samples.select(rows));
        let [train, test] = noise.on_sides(sides, &mut chance);
        let train = budget.apply(train, &mut seed.stream(&[&dataset.name, "labels"]))?;
        let train = noise.on_hidden(train, &truly, &mut chance);
        let labelled = train.by_class().anomalies.len();
        Ok(Self { train, test, labelled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;
    use ndarray::Array2;
    use std::collections::HashSet;

    fn dataset(rows: usize, anomalies: usize) -> Dataset {
        let features = Array2::from_shape_fn((rows, 2), |(row, column)| (row * 2 + column) as f32);
        let labels = (0..rows).map(|row| if row < anomalies { Label::Anomaly } else { Label::Normal }).collect();
        Dataset { name: "made".into(), family: "made".into(), samples: Samples::new(features, labels).unwrap() }
    }

    #[test]
    fn adbench_resamples_small_sets_to_a_thousand_rows_and_shares_rows() {
        let split = Protocol::Adbench.split(&dataset(200, 40), Seed(1)).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (700, 300));
        let train: HashSet<_> = split.train.iter().collect();
        assert!(split.test.iter().any(|row| train.contains(row)));
    }

    #[test]
    fn clean_shares_no_row_and_resamples_nothing() {
        let split = Protocol::Clean.split(&dataset(200, 40), Seed(1)).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (140, 60));
        let train: HashSet<_> = split.train.iter().collect();
        assert!(split.test.iter().all(|row| !train.contains(row)));
    }

    #[test]
    fn large_sets_are_thinned_without_replacement() {
        for protocol in Protocol::ALL {
            let split = protocol.split(&dataset(12_000, 600), Seed(1)).unwrap();
            assert_eq!((split.train.len(), split.test.len()), (7_000, 3_000), "{protocol}");
            let all: HashSet<_> = split.train.iter().chain(&split.test).collect();
            assert_eq!(all.len(), LARGEST, "{protocol}");
        }
    }

    #[test]
    fn synthetic_rows_replace_the_rows_of_a_split_and_none_is_on_both_sides() {
        for (protocol, rows, drawn) in [
            (Protocol::Adbench, 200, SMALLEST),
            (Protocol::Clean, 200, 200),
            (Protocol::Adbench, 12_000, LARGEST),
            (Protocol::Clean, 12_000, LARGEST),
        ] {
            let dataset = dataset(rows, rows / 5);
            let made = protocol.synthesised(&dataset, Synthetic::Local, Seed(1)).unwrap();
            assert_eq!(made.samples.rows(), drawn, "{protocol}");
            let (own, other) = (protocol.split(&made, Seed(1)).unwrap(), protocol.split(&dataset, Seed(1)).unwrap());
            let anomalies = |dataset: &Dataset, rows: &[usize]| dataset.samples.select(rows).by_class().anomalies.len();
            for (own, other) in [(&own.train, &other.train), (&own.test, &other.test)] {
                assert_eq!(own.len(), other.len(), "{protocol}");
                assert_eq!(anomalies(&made, own), anomalies(&dataset, other), "{protocol}");
            }
            let all: HashSet<_> = own.train.iter().chain(&own.test).collect();
            assert_eq!(all.len(), drawn, "{protocol}");
        }
    }

    #[test]
    fn a_trial_hides_all_labels_but_the_budget_and_keeps_the_truth_for_the_test() {
        let dataset = dataset(2_000, 200);
        let split = Protocol::Clean.split(&dataset, Seed(3)).unwrap();
        let trial = Trial::new(&dataset, &split, LabelBudget::Ratio(0.1), Seed(3)).unwrap();
        assert_eq!(trial.labelled, 14);
        assert_eq!(trial.train.by_class().anomalies.len(), 14);
        assert!(trial.train.labels().iter().all(|&label| label != Label::Normal));
        assert_eq!(trial.test.by_class().anomalies.len(), 60);
        assert!(trial.test.labels().iter().all(|&label| label != Label::Unlabelled));
    }
}
