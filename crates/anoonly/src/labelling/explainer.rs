//! Explanations of single rows.

use std::ops::Range;
use std::sync::Arc;

use anoonly_data::encode::Encoder;
use anoonly_data::table::{CellValue, Table};
use anoonly_train::{Attributions, FittedDetector};
use ndarray::{Array2, Axis};

use super::LabellingError;
use super::ranked::Ranked;
use crate::pipeline::{Contribution, ExplainedRow};

/// Explains the scores of rows by the fit that a session had when it gave this value. Another thread may use it.
#[derive(Clone, Debug)]
pub struct Explainer {
    pub(super) features: Arc<Array2<f32>>,
    pub(super) ranked: Arc<Ranked>,
    pub(super) columns: Arc<ExplainedColumns>,
}

/// What explanations need to know of the table.
#[derive(Debug)]
pub(super) struct ExplainedColumns {
    /// The columns that are features.
    shown: Table,
    encoder: Arc<Encoder>,
    spans: Vec<Range<usize>>,
    ids: Table,
    /// The features of a typical row.
    baseline: Vec<f32>,
}

impl ExplainedColumns {
    pub fn new(
        table: &Table,
        encoder: Arc<Encoder>,
        ids: &[String],
        baseline: Vec<f32>,
    ) -> Result<Self, LabellingError> {
        let names: Vec<String> = encoder.columns().iter().map(|column| column.name.clone()).collect();
        let (shown, spans) = (table.select(&names)?, encoder.spans());
        Ok(Self { shown, encoder, spans, ids: table.select(ids)?, baseline })
    }

    /// The identifiers of a row, each with the name of the column.
    pub fn identifiers(&self, row: usize) -> Vec<(String, CellValue)> {
        let names = self.ids.columns().into_iter().map(str::to_owned);
        names.zip(self.ids.row_values(row)).collect()
    }
}

impl Explainer {
    /// The rank of a row by this fit.
    pub(super) fn rank(&self, row: usize) -> u32 {
        self.ranked.ranks[row]
    }

    /// The contributions of the columns to the score of a row, relative to a typical row, as
    /// [`Model::explain_top`](crate::Model::explain_top) gives them.
    ///
    /// # Errors
    /// When the row does not exist.
    pub fn explain(&self, row: usize) -> Result<ExplainedRow, LabellingError> {
        let (columns, ranked) = (&self.columns, &self.ranked);
        if row >= self.features.nrows() {
            return Err(LabellingError::NoRow { row: row as u64 + 1, rows: self.features.nrows() });
        }
        let features = self.features.select(Axis(0), &[row]);
        let explained = match &ranked.fitted {
            Some(fitted) => attributions(fitted, &features, columns)?,
            None => Attributions {
                baseline: ranked.raw[row],
                scores: vec![ranked.raw[row]],
                contributions: Array2::zeros((1, columns.spans.len())),
                remainders: vec![0.0],
            },
        };
        let unit = |part: f32| (f64::from(part) / ranked.scale.deviation) as f32;
        let values = columns.shown.row_values(row).into_iter().zip(columns.encoder.contexts(&columns.shown, row)?);
        let parts = columns.encoder.columns().iter().zip(values).zip(explained.contributions.row(0));
        let mut contributions: Vec<Contribution> = parts
            .map(|((column, (value, context)), &part)| Contribution {
                column: column.name.clone(),
                value,
                context,
                contribution: unit(part),
            })
            .collect();
        contributions.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        let ids = columns.identifiers(row);
        Ok(ExplainedRow {
            rank: ranked.ranks[row].into(),
            row: match ids.is_empty() {
                true => vec![("row".to_owned(), CellValue::Integer(row as i128 + 1))],
                false => ids,
            },
            score: ranked.score(row),
            baseline: ranked.standardised(explained.baseline),
            contributions,
            remainder: unit(explained.remainders[0]),
        })
    }
}

fn attributions(
    fitted: &FittedDetector,
    features: &Array2<f32>,
    columns: &ExplainedColumns,
) -> Result<Attributions, LabellingError> {
    Ok(fitted.attributions(features, &columns.baseline, &columns.spans)?)
}
