//! What the columns of a table contribute to the scores of its rows.

use anoonly_data::encode::{Encoded, Unknown};
use anoonly_data::table::{Blocks, Table};
use anoonly_train::Attributions;
use ndarray::Array2;
use serde::Serialize;

use super::{Model, PipelineError};

/// A row and what makes its score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedRow {
    /// Its place among all rows: 1 for the highest score; equal ones share the better rank.
    pub rank: u64,
    /// Its identifiers, or its number in the file, by the name of their column.
    pub row: Vec<(String, String)>,
    /// Its score.
    pub score: f32,
    /// The score of the usual row, from which the contributions lead to the score of this one.
    pub baseline: f32,
    /// What each column contributes, the largest contributions first.
    pub contributions: Vec<Contribution>,
    /// What the contributions leave of the difference between the two scores.
    pub remainder: f32,
}

/// What a column contributes to the score of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// The column.
    pub column: String,
    /// Its value in the row; empty where it is missing.
    pub value: String,
    /// In units of the score: above 0, it makes the row more anomalous than the usual row, below 0 less.
    pub contribution: f32,
}

/// A row with a high score, as far as its table has been read.
struct Candidate {
    row: Vec<(String, String)>,
    values: Vec<String>,
    features: Vec<f32>,
    score: f32,
}

impl Model {
    /// Explains the scores of the `top` rows with the highest ones, by integrated gradients along the straight line from a
    /// usual row ([`Model::baseline`], [`FittedDetector::attributions`]); the features that a column became are taken together. The
    /// contributions of a row and its remainder sum to the difference between its score and that of the usual row.
    ///
    /// [`FittedDetector::attributions`]: anoonly_train::FittedDetector::attributions
    ///
    /// # Errors
    /// When a row cannot be read or scored, or when the score of the method has no gradient.
    pub fn explain_top(
        &self,
        blocks: Blocks,
        top: usize,
        unknown: Unknown,
    ) -> Result<Vec<ExplainedRow>, PipelineError> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for block in blocks {
            candidates.extend(self.candidates(&block?, top, unknown)?);
            // The sort is stable: of equal scores, the rows that come first stay.
            candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
            candidates.truncate(top);
        }
        let width = self.encoder.width();
        let cells = candidates.iter().flat_map(|candidate| candidate.features.iter().copied()).collect();
        let features = Array2::from_shape_vec((candidates.len(), width), cells).unwrap_or_default();
        let explained = self.contributions(&features)?;
        let scores: Vec<f32> = candidates.iter().map(|candidate| candidate.score).collect();
        let row = |(place, candidate): (usize, Candidate)| {
            let names = self.encoder.columns().iter().map(|column| column.name.clone());
            let columns = names.zip(candidate.values).zip(explained.contributions.row(place));
            let mut contributions: Vec<Contribution> =
                columns.map(|((column, value), &contribution)| Contribution { column, value, contribution }).collect();
            contributions.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
            ExplainedRow {
                rank: 1 + scores.iter().filter(|&&score| score > candidate.score).count() as u64,
                row: candidate.row,
                score: candidate.score,
                baseline: explained.baseline,
                contributions,
                remainder: explained.remainders[place],
            }
        };
        Ok(candidates.into_iter().enumerate().map(row).collect())
    }

    /// The rows of a block that may be among those with the highest scores.
    fn candidates(&self, block: &Table, top: usize, unknown: Unknown) -> Result<Vec<Candidate>, PipelineError> {
        let Encoded { features, .. } = self.encoder.encode(block, unknown)?;
        let scores = self.score_features(&features)?;
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.truncate(top);
        let ids = block.select(&self.ids)?;
        let there = block.columns();
        let known: Vec<String> = self.encoder.columns().iter().map(|column| column.name.clone()).collect();
        let (held, absent): (Vec<String>, Vec<String>) =
            known.iter().cloned().partition(|name| there.contains(&name.as_str()));
        let shown = block.select(&held)?;
        let numbers = block.row_numbers();
        let candidate = |row: usize| {
            let mut texts = shown.row_text(row).into_iter();
            let value = |name: &String| match absent.contains(name) {
                true => String::new(),
                false => texts.next().unwrap_or_default(),
            };
            Candidate {
                values: known.iter().map(value).collect(),
                row: match self.ids.is_empty() {
                    true => vec![("row".to_owned(), numbers[row].to_string())],
                    false => self.ids.iter().cloned().zip(ids.row_text(row)).collect(),
                },
                features: features.row(row).to_vec(),
                score: scores[row],
            }
        };
        Ok(order.into_iter().map(candidate).collect())
    }

    /// What the columns contribute to the scores of encoded rows: the members' contributions, each on the scale of all.
    fn contributions(&self, features: &Array2<f32>) -> Result<Attributions, PipelineError> {
        let spans = self.encoder.spans();
        let mut contributions = Array2::<f64>::zeros((features.nrows(), spans.len()));
        let mut remainders = vec![0.0f64; features.nrows()];
        let mut baseline = 0.0;
        for (member, standard) in self.members() {
            let told = member.attributions(features, &self.baseline, &spans)?;
            let scale = standard.deviation * self.members.len() as f64;
            baseline += (f64::from(told.baseline) - standard.mean) / scale;
            contributions.zip_mut_with(&told.contributions, |sum, &part| *sum += f64::from(part) / scale);
            remainders.iter_mut().zip(told.remainders).for_each(|(sum, left)| *sum += f64::from(left) / scale);
        }
        Ok(Attributions {
            baseline: baseline as f32,
            scores: self.score_features(features)?,
            contributions: contributions.mapv(|sum| sum as f32),
            remainders: remainders.into_iter().map(|left| left as f32).collect(),
        })
    }
}
