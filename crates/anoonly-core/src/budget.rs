//! The number of training anomalies that keep their label.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::{CoreError, Label, Samples};

/// The share or number of training anomalies that stay labelled. All other rows become unlabelled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelBudget {
    /// `ceil(ratio × anomalies)` of them, at least one (ADBench, Han et al. 2022, section 3.2).
    Ratio(f64),
    /// Exactly this number of them; 0 for a comparison of methods that need no labels.
    Count(usize),
}

impl LabelBudget {
    /// Checks the budget itself.
    ///
    /// # Errors
    /// When the ratio is not in (0, 1].
    pub fn checked(self) -> Result<Self, CoreError> {
        match self {
            LabelBudget::Ratio(ratio) if !(ratio > 0.0 && ratio <= 1.0) => Err(CoreError::BadRatio { ratio }),
            budget => Ok(budget),
        }
    }

    /// The number of anomalies that stay labelled, of `anomalies` in the training part.
    ///
    /// # Errors
    /// When there are no anomalies, or fewer than the count.
    pub fn labelled(self, anomalies: usize) -> Result<usize, CoreError> {
        if anomalies == 0 {
            return Err(CoreError::NoAnomalies);
        }
        match self.checked()? {
            // Rounding may put the product slightly above the whole number that it should be.
            LabelBudget::Ratio(ratio) => Ok(((ratio * anomalies as f64 - 1e-9).ceil() as usize).clamp(1, anomalies)),
            LabelBudget::Count(count) if count > anomalies => Err(CoreError::TooFewAnomalies { count, anomalies }),
            LabelBudget::Count(count) => Ok(count),
        }
    }

    /// Keeps the labels of as many anomalies as the budget allows, drawn without replacement, and makes every other row unlabelled.
    ///
    /// # Errors
    /// As [`labelled`](Self::labelled).
    pub fn apply(self, samples: Samples, rng: &mut impl Rng) -> Result<Samples, CoreError> {
        let mut anomalies = samples.by_class().anomalies;
        let count = self.labelled(anomalies.len())?;
        let mut labels = vec![Label::Unlabelled; samples.rows()];
        let (kept, _) = anomalies.partial_shuffle(rng, count);
        for &mut row in kept {
            labels[row] = Label::Anomaly;
        }
        Ok(samples.relabelled(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;
    use ndarray::Array2;

    #[test]
    fn ratios_round_up_and_counts_are_exact() {
        assert_eq!(LabelBudget::Ratio(0.1).labelled(30).unwrap(), 3);
        assert_eq!(LabelBudget::Ratio(0.1).labelled(31).unwrap(), 4);
        assert_eq!(LabelBudget::Ratio(0.07).labelled(100).unwrap(), 7);
        assert_eq!(LabelBudget::Ratio(0.001).labelled(5).unwrap(), 1);
        assert_eq!(LabelBudget::Ratio(1.0).labelled(5).unwrap(), 5);
        assert_eq!(LabelBudget::Count(5).labelled(5).unwrap(), 5);
        assert_eq!(LabelBudget::Count(0).labelled(5).unwrap(), 0);
    }

    #[test]
    fn impossible_budgets_are_errors() {
        assert!(matches!(
            LabelBudget::Count(6).labelled(5),
            Err(CoreError::TooFewAnomalies { count: 6, anomalies: 5 })
        ));
        assert!(matches!(LabelBudget::Ratio(0.1).labelled(0), Err(CoreError::NoAnomalies)));
        for ratio in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(matches!(LabelBudget::Ratio(ratio).checked(), Err(CoreError::BadRatio { .. })));
        }
    }

    #[test]
    fn only_drawn_anomalies_stay_labelled() {
        let truth: Vec<Label> = (0..40).map(|row| if row % 4 == 0 { Label::Anomaly } else { Label::Normal }).collect();
        let samples = Samples::new(Array2::zeros((40, 2)), truth.clone()).unwrap();
        let draw = |seed| LabelBudget::Count(3).apply(samples.clone(), &mut Seed(seed).stream(&["labels"])).unwrap();
        let budgeted = draw(1);
        let kept = budgeted.by_class();
        assert_eq!(kept.anomalies.len(), 3);
        assert!(kept.anomalies.iter().all(|&row| truth[row].is_anomaly()));
        assert!(kept.others.iter().all(|&row| budgeted.labels()[row] == Label::Unlabelled));
        assert_eq!(budgeted, draw(1));
        assert!((2..20).any(|seed| draw(seed) != budgeted));
    }
}
