//! The details of a run: the data that a report draws besides its row.

use anoonly_core::protocol::Trial;
use anoonly_core::{Samples, Seed};
use anoonly_eval::{precision_recall_curve, roc_curve};
use anoonly_train::{FittedDetector, History};
use ndarray::{Array2, Axis, concatenate};
use rand::Rng;
use rand::seq::index;
use serde::{Deserialize, Serialize};

/// The largest number of points kept of a curve.
const POINTS: usize = 200;
/// The largest numbers of rows kept of each kind.
const LABELLED: usize = 50;
const HIDDEN: usize = 100;
const NORMAL: usize = 200;

/// The curves, the losses and the layer before the score of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// The thinned ROC curve on the test rows: false-positive and true-positive rate.
    pub roc: Vec<(f32, f32)>,
    /// The thinned precision–recall curve on the test rows: recall and precision.
    pub precision_recall: Vec<(f32, f32)>,
    /// The history of the training loop.
    pub history: History,
    /// The outputs of the layer before the score for some rows; `None` for a method without such a layer.
    pub layer: Option<Vec<(RowKind, Vec<f32>)>>,
}

/// The role of a row in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// A training row labelled as an anomaly.
    Labelled,
    /// An anomaly of the test rows.
    Hidden,
    /// A normal row of the test rows.
    Normal,
}

impl Details {
    /// The details of a fitted detector with the given scores of the test rows. The rows of the layer depend on the trial and the
    /// seed only, so the methods and strategies of a trial can be compared.
    ///
    /// # Errors
    /// The reason why a curve or the layer cannot be computed.
    pub(crate) fn of(fitted: &FittedDetector, trial: &Trial, scores: &[f32], seed: Seed) -> Result<Self, String> {
        let curves = Self::of_scores(scores, &trial.test.anomalous())?;
        let (kinds, rows) = some_rows(trial, &mut seed.stream(&["rows of the layer"]));
        let layer = fitted.representation(&rows).map_err(|error| error.to_string())?;
        let kept = |layer: Array2<f32>| {
            let rows = layer.rows().into_iter().map(|row| row.iter().copied().map(short).collect());
            kinds.into_iter().zip(rows).collect()
        };
        Ok(Self {
            history: fitted.history().clone(),
            // JSON has no infinite numbers.
            layer: layer.filter(|layer| layer.iter().all(|cell| cell.is_finite())).map(kept),
            ..curves
        })
    }

    /// The curves of the scores of a method that shows nothing else.
    ///
    /// # Errors
    /// The reason why a curve cannot be computed.
    pub(crate) fn of_scores(scores: &[f32], truth: &[bool]) -> Result<Self, String> {
        let roc = roc_curve(scores, truth, Some(POINTS)).map_err(|error| error.to_string())?;
        let recall = precision_recall_curve(scores, truth, Some(POINTS)).map_err(|error| error.to_string())?;
        Ok(Self {
            roc: roc
                .iter()
                .map(|p| (short(p.false_positive_rate as f32), short(p.true_positive_rate as f32)))
                .collect(),
            precision_recall: recall.iter().map(|p| (short(p.recall as f32), short(p.precision as f32))).collect(),
            history: History::default(),
            layer: None,
        })
    }
}

/// Draws the rows to keep, with their kinds.
fn some_rows(trial: &Trial, rng: &mut impl Rng) -> (Vec<RowKind>, Array2<f32>) {
    let test = trial.test.by_class();
    let mut kinds = Vec::new();
    let mut some = |samples: &Samples, rows: &[usize], most: usize, kind: RowKind| {
        let drawn = index::sample(rng, rows.len(), most.min(rows.len()));
        kinds.extend(drawn.iter().map(|_| kind));
        let rows: Vec<usize> = drawn.iter().map(|place| rows[place]).collect();
        samples.features().select(Axis(0), &rows)
    };
    let parts = [
        some(&trial.train, &trial.train.by_class().anomalies, LABELLED, RowKind::Labelled),
        some(&trial.test, &test.anomalies, HIDDEN, RowKind::Hidden),
        some(&trial.test, &test.others, NORMAL, RowKind::Normal),
    ];
    let rows = concatenate![Axis(0), parts[0].view(), parts[1].view(), parts[2].view()];
    (kinds, rows)
}

/// Rounds to four digits, more than a picture shows, to keep the file small.
fn short(value: f32) -> f32 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
