//! Noise that is added to an experiment to measure how robust a detector is (ADBench, Han et al. 2022, section 3.4).

use std::fmt;

use ndarray::{Array2, Axis, concatenate};
use rand::seq::{SliceRandom, index};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::{CoreError, Label, Samples};

/// A kind of noise and its level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// No noise.
    #[default]
    None,
    /// This share of all training rows, drawn at random, gets the opposite label before the label budget is applied. Some labelled
    /// anomalies are then normal rows.
    LabelContamination(f64),
    /// This share of the labelled anomalies, rounded, loses its label to normal training rows, all drawn at random. The number of labelled
    /// anomalies stays.
    WrongLabels(f64),
    /// This share of the hidden anomalies, drawn at random, stays among the unlabelled rows; the others are removed. 1 changes
    /// nothing, 0 leaves only normal rows unlabelled.
    AnomalyContamination(f64),
    /// The anomalies of each side are drawn with replacement until there are this many times their number; 1 changes nothing.
    DuplicatedAnomalies(usize),
    /// Columns of uniform noise are added until they are this share of all columns. Each lies in the range of a real column drawn
    /// at random. All columns are shuffled.
    IrrelevantFeatures(f64),
}

impl Noise {
    /// ADBench's name for [`AnomalyContamination(0.0)`](Self::AnomalyContamination): no unlabelled row is an anomaly.
    pub const NORMAL_CLEAN: &str = "normal-clean";

    /// The names, in the order of the variants.
    pub const NAMES: [&str; 6] = [
        "none",
        "label-contamination",
        "wrong-labels",
        "anomaly-contamination",
        "duplicated-anomalies",
        "irrelevant-features",
    ];

    /// The noise with a name and level. The level of [`NORMAL_CLEAN`](Self::NORMAL_CLEAN) is 0.
    ///
    /// # Errors
    /// When the name is unknown, or the level is outside of the range of this noise.
    pub fn named(name: &str, level: f64) -> Result<Self, CoreError> {
        let noise = match name {
            "none" => Noise::None,
            "label-contamination" => Noise::LabelContamination(level),
            "wrong-labels" => Noise::WrongLabels(level),
            "anomaly-contamination" => Noise::AnomalyContamination(level),
            "duplicated-anomalies" if level.fract() == 0.0 && (1.0..=1000.0).contains(&level) => {
                Noise::DuplicatedAnomalies(level as usize)
            }
            "duplicated-anomalies" => {
                return Err(CoreError::NoiseLevel { noise: Noise::NAMES[4], level, must: "a whole number from 1" });
            }
            "irrelevant-features" => Noise::IrrelevantFeatures(level),
            Noise::NORMAL_CLEAN if level == 0.0 => Noise::AnomalyContamination(0.0),
            Noise::NORMAL_CLEAN => {
                return Err(CoreError::NoiseLevel { noise: Noise::NORMAL_CLEAN, level, must: "left out" });
            }
            _ => return Err(CoreError::UnknownNoise { name: name.into() }),
        };
        let bad = |must| Err(CoreError::NoiseLevel { noise: noise.name(), level, must });
        match noise {
            Noise::LabelContamination(share) | Noise::WrongLabels(share) | Noise::AnomalyContamination(share)
                if !(0.0..=1.0).contains(&share) =>
            {
                bad("from 0 to 1")
            }
            Noise::IrrelevantFeatures(share) if !(0.0..=0.99).contains(&share) => bad("from 0 to 0.99"),
            noise => Ok(noise),
        }
    }

    /// The name in settings and results.
    pub fn name(self) -> &'static str {
        Noise::NAMES[match self {
            Noise::None => 0,
            Noise::LabelContamination(_) => 1,
            Noise::WrongLabels(_) => 2,
            Noise::AnomalyContamination(_) => 3,
            Noise::DuplicatedAnomalies(_) => 4,
            Noise::IrrelevantFeatures(_) => 5,
        }]
    }

    /// The level; 0 without noise.
    pub fn level(self) -> f64 {
        match self {
            Noise::None => 0.0,
            Noise::LabelContamination(level)
            | Noise::WrongLabels(level)
            | Noise::AnomalyContamination(level)
            | Noise::IrrelevantFeatures(level) => level,
            Noise::DuplicatedAnomalies(times) => times as f64,
        }
    }

    /// Applies the noise to the two sides of a split, before the labels are hidden.
    pub(crate) fn on_sides(self, [train, test]: [Samples; 2], rng: &mut impl Rng) -> [Samples; 2] {
        match self {
            Noise::None | Noise::WrongLabels(_) | Noise::AnomalyContamination(_) => [train, test],
            Noise::DuplicatedAnomalies(1) | Noise::IrrelevantFeatures(0.0) => [train, test],
            Noise::LabelContamination(share) => [flipped(train, share, rng), test],
            Noise::DuplicatedAnomalies(times) => [train, test].map(|side| {
                let mut rows = side.by_class();
                let count = times * rows.anomalies.len();
                rows.others.extend((0..count).map(|_| rows.anomalies[rng.random_range(0..rows.anomalies.len())]));
                side.select(&rows.others)
            }),
            Noise::IrrelevantFeatures(share) => widened([train, test], share, rng),
        }
    }

    /// Applies the noise to the training side after the labels are hidden; `truly` marks its anomalies.
    pub(crate) fn on_hidden(self, train: Samples, truly: &[bool], rng: &mut impl Rng) -> Samples {
        match self {
            Noise::WrongLabels(share) => mislabelled(train, truly, share, rng),
            Noise::AnomalyContamination(share) => {
                let hidden = |row: usize| truly[row] && !train.labels()[row].is_anomaly();
                let (mut hidden, mut kept): (Vec<usize>, Vec<usize>) = (0..train.rows()).partition(|&row| hidden(row));
                let count = (share * hidden.len() as f64).round() as usize;
                kept.extend_from_slice(hidden.partial_shuffle(rng, count).0);
                kept.sort_unstable();
                train.select(&kept)
            }
            _ => train,
        }
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Noise::None => f.pad("none"),
            noise => f.pad(&format!("{} {}", noise.name(), noise.level())),
        }
    }
}

fn flipped(samples: Samples, share: f64, rng: &mut impl Rng) -> Samples {
    let count = (share * samples.rows() as f64) as usize;
    let mut labels = samples.labels().to_vec();
    for row in index::sample(rng, samples.rows(), count) {
        labels[row] = if labels[row].is_anomaly() { Label::Normal } else { Label::Anomaly };
    }
    samples.relabelled(labels)
}

/// Exchanges the labels of a share of the labelled anomalies with those of as many normal rows, as far as there are enough of these.
fn mislabelled(train: Samples, truly: &[bool], share: f64, rng: &mut impl Rng) -> Samples {
    let mut labels = train.labels().to_vec();
    let rows = |wanted: &dyn Fn(usize) -> bool| (0..labels.len()).filter(|&row| wanted(row)).collect::<Vec<_>>();
    let mut anomalies = rows(&|row| labels[row].is_anomaly());
    let mut normals = rows(&|row| !truly[row] && !labels[row].is_anomaly());
    let count = ((share * anomalies.len() as f64).round() as usize).min(normals.len());
    let lost = anomalies.partial_shuffle(rng, count).0;
    let wrong = normals.partial_shuffle(rng, count).0;
    for (&lost, &wrong) in lost.iter().zip(wrong.iter()) {
        labels.swap(lost, wrong);
    }
    train.relabelled(labels)
}

fn widened(sides: [Samples; 2], share: f64, rng: &mut impl Rng) -> [Samples; 2] {
    let columns = sides[0].columns();
    let more = (share / (1.0 - share) * columns as f64).round() as usize;
    let ranges: Vec<(f32, f32)> = (0..more)
        .map(|_| {
            let column = rng.random_range(0..columns);
            let cells = sides.iter().flat_map(|side| side.features().column(column).to_vec());
            cells.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), cell| (low.min(cell), high.max(cell)))
        })
        .collect();
    let mut order: Vec<usize> = (0..columns + more).collect();
    order.shuffle(rng);
    sides.map(|side| {
        let noise = Array2::from_shape_fn((side.rows(), more), |(_, column)| {
            let (low, high) = ranges[column];
            // In f64, because the range of f32 values may overflow f32.
            let share: f64 = rng.random();
            (f64::from(low) + share * (f64::from(high) - f64::from(low))) as f32
        });
        let views = [side.features().view(), noise.view()];
        match concatenate(Axis(1), &views) {
            Ok(wide) => side.with_features(wide.select(Axis(1), &order)),
            Err(error) => unreachable!("both parts have the rows of the side: {error}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;
    use crate::Seed;
    use crate::budget::LabelBudget;
    use crate::protocol::{Protocol, Trial};
    use std::collections::HashSet;

    /// 1000 rows. The first 100 are anomalies. The first column is the number of the row.
    fn dataset() -> Dataset {
        let features = Array2::from_shape_fn((1000, 4), |(row, column)| (row + column * 10_000) as f32);
        let labels = (0..1000).map(|row| if row < 100 { Label::Anomaly } else { Label::Normal }).collect();
        Dataset { name: "made".into(), family: "made".into(), samples: Samples::new(features, labels).unwrap() }
    }

    fn trial(noise: Noise, seed: u64) -> Trial {
        let split = Protocol::Clean.split(&dataset(), Seed(1)).unwrap();
        Trial::noisy(&dataset(), &split, LabelBudget::Ratio(0.5), noise, Seed(seed)).unwrap()
    }

    fn truly_anomalous(samples: &Samples) -> usize {
        samples.features().column(0).iter().filter(|&&number| number < 100.0).count()
    }

    #[test]
    fn no_noise_and_neutral_levels_change_nothing() {
        let plain = trial(Noise::None, 1);
        assert_eq!((plain.train.rows(), plain.labelled, plain.test.rows()), (700, 35, 300));
        let neutral = [
            Noise::LabelContamination(0.0),
            Noise::WrongLabels(0.0),
            Noise::AnomalyContamination(1.0),
            Noise::DuplicatedAnomalies(1),
            Noise::IrrelevantFeatures(0.0),
        ];
        for neutral in neutral {
            let same = trial(neutral, 1);
            assert_eq!((&same.train, &same.test), (&plain.train, &plain.test), "{neutral}");
        }
    }

    #[test]
    fn the_given_share_of_labels_is_flipped_and_the_test_side_keeps_its_truth() {
        let noisy = trial(Noise::LabelContamination(0.1), 1);
        assert_eq!(noisy.test, trial(Noise::None, 1).test);
        // 70 of the 700 rows flip: about 7 anomalies become normal and 63 normal rows anomalies; half of the 126 are labelled.
        assert!((55..=71).contains(&noisy.labelled), "{}", noisy.labelled);
        let labelled = noisy.train.select(&noisy.train.by_class().anomalies);
        let wrong = labelled.rows() - truly_anomalous(&labelled);
        assert!((20..=43).contains(&wrong), "{wrong} of {} labelled anomalies are normal rows", labelled.rows());
    }

    /// 3.5 of the 35 labels are rounded to 4.
    #[test]
    fn the_given_share_of_labelled_anomalies_is_wrong_and_their_number_stays() {
        let plain = trial(Noise::None, 1);
        for (share, wrong) in [(0.05, 2), (0.1, 4), (0.2, 7), (1.0, 35)] {
            let noisy = trial(Noise::WrongLabels(share), 1);
            let labelled = noisy.train.select(&noisy.train.by_class().anomalies);
            assert_eq!((noisy.labelled, truly_anomalous(&labelled)), (35, 35 - wrong), "{share}");
            assert_eq!((noisy.train.features(), &noisy.test), (plain.train.features(), &plain.test), "{share}");
            let unlabelled = noisy.train.labels().iter().filter(|label| **label == Label::Unlabelled);
            assert_eq!(unlabelled.count(), 665, "{share}");
        }
    }

    #[test]
    fn the_given_share_of_hidden_anomalies_stays() {
        for (share, hidden) in [(0.0, 0), (0.4, 14), (1.0, 35)] {
            let noisy = trial(Noise::AnomalyContamination(share), 1);
            assert_eq!((noisy.labelled, noisy.train.rows()), (35, 665 + hidden));
            assert_eq!(truly_anomalous(&noisy.train), 35 + hidden);
        }
    }

    #[test]
    fn anomalies_are_duplicated_within_their_side() {
        let noisy = trial(Noise::DuplicatedAnomalies(3), 1);
        assert_eq!((truly_anomalous(&noisy.train), truly_anomalous(&noisy.test)), (210, 90));
        assert_eq!((noisy.train.rows(), noisy.test.rows()), (630 + 210, 270 + 90));
        let numbers = |samples: &Samples| -> HashSet<i64> {
            samples.features().column(0).iter().map(|&number| number as i64).collect()
        };
        assert!(numbers(&noisy.train).is_disjoint(&numbers(&noisy.test)));
    }

    #[test]
    fn irrelevant_features_lie_in_the_range_of_real_ones_and_real_ones_remain() {
        let noisy = trial(Noise::IrrelevantFeatures(0.75), 1);
        assert_eq!((noisy.train.columns(), noisy.test.columns()), (16, 16));
        let plain = trial(Noise::None, 1).train;
        let of = |samples: &Samples, column: usize| samples.features().column(column).to_vec();
        let places: Vec<usize> = (0..4)
            .map(|real| (0..16).find(|&column| of(&noisy.train, column) == of(&plain, real)).expect("a real column"))
            .collect();
        assert_ne!(places, [0, 1, 2, 3], "the columns are shuffled");
        let mut means = Vec::new();
        for column in (0..16).filter(|column| !places.contains(column)) {
            let cells = of(&noisy.train, column);
            let of_column = |cell: f32| (cell / 10_000.0).floor();
            assert!(cells.iter().all(|&cell| of_column(cell) == of_column(cells[0])));
            means.push(cells.iter().map(|cell| cell % 10_000.0).sum::<f32>() / 700.0);
        }
        // Uniform from 0 to 999: a mean of 700 draws has a standard error of 11.
        assert!(means.iter().all(|mean| (mean - 499.5).abs() < 55.0), "{means:?}");
    }

    #[test]
    fn the_seed_decides() {
        for (name, level) in Noise::NAMES.into_iter().zip([0.0, 0.2, 0.2, 0.5, 2.0, 0.5]).skip(1) {
            let noise = Noise::named(name, level).unwrap();
            assert_eq!((noise.name(), noise.level()), (name, level));
            // Here the labelled anomalies are the same for all seeds, so only the noise depends on them.
            let rows = |seed: u64| {
                let mut rng = Seed(seed).stream(&[]);
                let samples = dataset().samples;
                let truly: Vec<bool> = samples.labels().iter().map(|label| label.is_anomaly()).collect();
                let [train, test] = noise.on_sides([samples.clone(), samples.clone()], &mut rng);
                let label = |row: usize| if row < 50 { Label::Anomaly } else { Label::Unlabelled };
                let budgeted = samples.relabelled((0..1000).map(label).collect());
                (train, test, noise.on_hidden(budgeted, &truly, &mut rng))
            };
            assert_eq!(rows(1), rows(1));
            assert_ne!(rows(1), rows(2), "{noise}");
        }
    }

    #[test]
    fn normal_clean_leaves_no_hidden_anomaly() {
        let noise = Noise::named(Noise::NORMAL_CLEAN, 0.0).unwrap();
        assert_eq!((noise, noise.name()), (Noise::AnomalyContamination(0.0), "anomaly-contamination"));
        let clean = trial(noise, 1);
        assert_eq!((truly_anomalous(&clean.train), clean.labelled), (35, 35));
    }

    #[test]
    fn bad_names_and_levels_are_refused() {
        for (name, level, part) in [
            ("label-contamination", 1.1, "level 1.1 of label-contamination: must be from 0 to 1"),
            ("irrelevant-features", 1.0, "level 1 of irrelevant-features: must be from 0 to 0.99"),
            ("duplicated-anomalies", 1.5, "level 1.5 of duplicated-anomalies: must be a whole number from 1"),
            ("anomaly-contamination", f64::NAN, "level NaN of anomaly-contamination: must be from 0 to 1"),
            ("normal-clean", 0.1, "level 0.1 of normal-clean: must be left out"),
            ("flips", 0.1, "unknown noise `flips`: use one of none, label-contamination"),
        ] {
            let message = Noise::named(name, level).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
