//! The contributions of columns to scores.

use std::path::PathBuf;

use anoonly_data::encode::{Unknown, UnseenValues, ValueContext};
use anoonly_data::table::{Blocks, CellValue, Table};
use ndarray::Array2;
use serde::Serialize;

use super::{Model, PipelineError};
use crate::rows::with_text;

/// A row and the contributions of its columns to its score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedRow {
    /// Its rank among all rows: 1 for the highest score. Equal scores share the better rank.
    pub rank: u64,
    /// Its identifiers, or its row number in the file, each with the name of the column.
    pub row: Vec<(String, CellValue)>,
    /// Its score.
    pub score: f32,
    /// The score of a typical row ([`Model::baseline`]), to which the contributions are relative.
    pub baseline: f32,
    /// The contribution of each column, in descending order of its absolute value.
    pub contributions: Vec<Contribution>,
    /// The part of the difference between the two scores that the contributions do not explain.
    pub remainder: f32,
}

/// The contribution of a column to the score of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// The column.
    pub column: String,
    /// Its value in the row.
    pub value: CellValue,
    /// Where the value lies among the training rows. Serialised, it also has its `text`. `None` where the model does not know.
    #[serde(serialize_with = "with_text")]
    pub context: Option<ValueContext>,
    /// In units of the score. Above 0, the column makes the row more anomalous than the typical row, below 0 less.
    pub contribution: f32,
}

/// How contributions are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributionMethod {
    /// By integrated gradients, for a score with a gradient.
    IntegratedGradients,
    /// As Shapley values, for a score without one.
    ShapleyValues,
    /// By integrated gradients for some members of an ensemble, and as Shapley values for the others.
    Both,
}

impl AttributionMethod {
    /// Its name with its source.
    pub fn name(self) -> &'static str {
        match self {
            AttributionMethod::IntegratedGradients => "integrated gradients (Sundararajan, Taly and Yan 2017)",
            AttributionMethod::ShapleyValues => "Shapley values (Štrumbelj and Kononenko 2014)",
            AttributionMethod::Both => {
                "integrated gradients (Sundararajan, Taly and Yan 2017), or Shapley values (Štrumbelj and Kononenko 2014) for members \
                 without a gradient"
            }
        }
    }

    /// What the contributions are, as a sentence for people.
    pub fn description(self) -> &'static str {
        match self {
            AttributionMethod::IntegratedGradients => {
                "All columns change together, in small steps, from the values of the typical row to those of the explained row. The \
                 contribution of a column is the sum of the changes of the score that its steps make."
            }
            AttributionMethod::ShapleyValues => {
                "The columns change one after the other from the values of the typical row to those of the explained row, in many orders \
                 drawn at random. The contribution of a column is the change of the score that it makes, averaged over the orders."
            }
            AttributionMethod::Both => {
                "The columns change from the values of the typical row to those of the explained row: all together in small steps, or one \
                 after the other in many orders drawn at random. The contribution of a column is the change of the score that it makes."
            }
        }
    }
}

/// A row with one of the highest scores of the blocks read so far.
struct Candidate {
    row: Vec<(String, CellValue)>,
    values: Vec<CellValue>,
    contexts: Vec<Option<ValueContext>>,
    features: Vec<f32>,
    score: f32,
}

impl Model {
    /// Explains the scores of the `top` rows with the highest scores, by integrated gradients along the straight line from a typical
    /// row ([`Model::baseline`], [`FittedDetector::attributions`]), or by Shapley values if the score of the method has no gradient. The
    /// features of a column change together and have one contribution. The contributions of a row and its remainder add up to the
    /// difference between its score and that of the typical row. The second value counts the values of all rows outside of what the
    /// training rows held.
    ///
    /// [`FittedDetector::attributions`]: anoonly_train::FittedDetector::attributions
    ///
    /// # Errors
    /// If a row cannot be read or scored, or if half of the rows lie outside of what the training rows held in a column and that is
    /// refused.
    pub fn explain_top(
        &self,
        blocks: Blocks,
        top: usize,
        unknown: Unknown,
    ) -> Result<(Vec<ExplainedRow>, UnseenValues), PipelineError> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let (mut unseen, mut path) = (UnseenValues::default(), PathBuf::new());
        for block in blocks {
            let block = block?;
            // A row that equals the last one comes after it.
            let lowest = candidates.last().filter(|_| candidates.len() == top).map(|last| last.score);
            candidates.extend(self.candidates(&block, top, lowest, unknown, &mut unseen)?);
            path = block.path().into();
            // The sort is stable: of rows with equal scores, the first ones stay.
            candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
            candidates.truncate(top);
        }
        if unknown == Unknown::Refuse {
            unseen.refuse_many(&path)?;
        }
        let width = self.encoder.width();
        let cells = candidates.iter().flat_map(|candidate| candidate.features.iter().copied()).collect();
        let features = Array2::from_shape_vec((candidates.len(), width), cells).unwrap_or_default();
        let explained = self.contributions(&features)?;
        let scores: Vec<f32> = candidates.iter().map(|candidate| candidate.score).collect();
        let row = |(place, candidate): (usize, Candidate)| {
            let names = self.encoder.columns().iter().map(|column| column.name.clone());
            let values = candidate.values.into_iter().zip(candidate.contexts);
            let columns = names.zip(values).zip(explained.contributions.row(place));
            let mut contributions: Vec<Contribution> = columns
                .map(|((column, (value, context)), &contribution)| Contribution {
                    column,
                    value,
                    context,
                    contribution,
                })
                .collect();
            contributions.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
            ExplainedRow {
                rank: 1 + scores.iter().filter(|&&score| score > candidate.score).count() as u64,
                row: candidate.row,
                score: candidate.score,
                baseline: explained.baseline,
                contributions,
                // The score of a row with a far number is not that of its features.
                remainder: explained.remainders[place] + (candidate.score - explained.scores[place]),
            }
        };
        Ok((candidates.into_iter().enumerate().map(row).collect(), unseen))
    }

    /// How [`explain_top`](Self::explain_top) computes contributions.
    pub fn attribution_method(&self) -> AttributionMethod {
        match self.members().filter(|(member, _)| member.has_gradient()).count() {
            0 => AttributionMethod::ShapleyValues,
            all if all == self.members.len() => AttributionMethod::IntegratedGradients,
            _ => AttributionMethod::Both,
        }
    }

    /// The rows of a block with its highest scores, as far as they are above `lowest`.
    fn candidates(
        &self,
        block: &Table,
        top: usize,
        lowest: Option<f32>,
        unknown: Unknown,
        unseen: &mut UnseenValues,
    ) -> Result<Vec<Candidate>, PipelineError> {
        let encoded = self.encoder.encode(block, unknown)?;
        let scores = self.score_encoded(&encoded)?;
        unseen.add(encoded.unseen);
        let mut order: Vec<usize> =
            (0..scores.len()).filter(|&row| lowest.is_none_or(|lowest| scores[row] > lowest)).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.truncate(top);
        let ids = block.select(&self.ids)?;
        let present = block.columns();
        let known: Vec<String> = self.encoder.columns().iter().map(|column| column.name.clone()).collect();
        let (held, absent): (Vec<String>, Vec<String>) =
            known.iter().cloned().partition(|name| present.contains(&name.as_str()));
        let shown = block.select(&held)?;
        let numbers = block.row_numbers();
        let candidate = |row: usize| -> Result<Candidate, PipelineError> {
            let mut values = shown.row_values(row).into_iter();
            let value = |name: &String| match absent.contains(name) {
                true => CellValue::Missing,
                false => values.next().unwrap_or(CellValue::Missing),
            };
            Ok(Candidate {
                values: known.iter().map(value).collect(),
                contexts: self.encoder.contexts(block, row)?,
                row: match self.ids.is_empty() {
                    true => vec![("row".to_owned(), CellValue::Integer(numbers[row].into()))],
                    false => self.ids.iter().cloned().zip(ids.row_values(row)).collect(),
                },
                features: encoded.features.row(row).to_vec(),
                score: scores[row],
            })
        };
        order.into_iter().map(candidate).collect()
    }
}
