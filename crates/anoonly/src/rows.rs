//! Rows of plain values: their scores, p-values, flags and reasons.

use anoonly_data::encode::{RowColumns, RowError, RowValue, Unknown, ValueContext};
use anoonly_train::Attributions;
use ndarray::Array2;
use serde::{Serialize, Serializer};

use crate::error::PipelineError;
use crate::model::{Model, ScoreScale};

/// The score of a row, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScoredRow {
    /// Higher means more anomalous.
    pub score: f32,
    /// The conformal p-value; `None` for a model without held-out rows.
    pub p_value: Option<f64>,
    /// Whether the row is flagged; `None` for a model without a threshold.
    pub flagged: Option<bool>,
}

/// Why a row has its score: how much each column contributes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowReasons {
    /// The score of the row.
    pub score: f32,
    /// The score of a typical row ([`Model::baseline`]), to which the contributions are relative.
    pub baseline: f32,
    /// The contribution of each column, in descending order of its absolute value.
    pub reasons: Vec<Reason>,
    /// The part of the difference between the two scores that the contributions do not explain.
    pub remainder: f32,
}

/// The contribution of a column to the score of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// The column.
    pub column: String,
    /// Where its value lies among the training rows; `None` where the model does not know. Serialised with its text.
    #[serde(serialize_with = "with_text")]
    pub context: Option<ValueContext>,
    /// In units of the score. Above 0, the column makes the row more anomalous than the typical row, below 0 less.
    pub contribution: f32,
}

/// A context with its text.
#[derive(Serialize)]
struct DescribedContext<'a> {
    #[serde(flatten)]
    context: &'a ValueContext,
    text: String,
}

/// Serialises a context together with its text.
pub(crate) fn with_text<S: Serializer>(context: &Option<ValueContext>, serializer: S) -> Result<S::Ok, S::Error> {
    context.as_ref().map(|context| DescribedContext { context, text: context.to_string() }).serialize(serializer)
}

impl Model {
    /// Scores one row, given as values by column name, on the calling thread alone. Identifiers and columns that training left out may be
    /// given and are ignored.
    ///
    /// A threshold that keeps a false-discovery rate looks at all rows that are scored together: here at one.
    ///
    /// # Errors
    /// [`RowError`] if `unknown` refuses a column or value, or no column is known.
    pub fn score_row<'a, N: AsRef<str>>(
        &self,
        row: impl IntoIterator<Item = (N, RowValue<'a>)>,
        unknown: Unknown,
    ) -> Result<ScoredRow, PipelineError> {
        let (columns, values) = self.by_name(row, unknown)?;
        self.score_values(&columns, &values)
    }

    /// Explains the score of one row, given as values by column name, as [`explain_values`](Self::explain_values) does.
    ///
    /// # Errors
    /// As [`score_row`](Self::score_row).
    pub fn explain_row<'a, N: AsRef<str>>(
        &self,
        row: impl IntoIterator<Item = (N, RowValue<'a>)>,
        unknown: Unknown,
    ) -> Result<RowReasons, PipelineError> {
        let (columns, values) = self.by_name(row, unknown)?;
        self.explain_values(&columns, &[values])?
            .pop()
            .ok_or_else(|| RowError::ValueCount { expected: 1, found: 0 }.into())
    }

    /// Matches the columns of rows with those of the model, once for many rows. Identifiers and columns that training left out may be
    /// named and are ignored.
    ///
    /// # Errors
    /// [`RowError`] if a column is named twice, if `unknown` refuses one that is missing or unknown, or if none is known.
    pub fn row_columns(&self, names: &[impl AsRef<str>], unknown: Unknown) -> Result<RowColumns, PipelineError> {
        let provenance = self.provenance();
        let left_out = provenance.left_out.iter().map(|left_out| left_out.column.as_str());
        let others = self.ids.iter().chain(&provenance.label).map(String::as_str).chain(left_out);
        Ok(self.encoder.row_columns(names, others, unknown)?)
    }

    /// Scores one row, whose values are in the order of the columns, on the calling thread alone.
    ///
    /// # Errors
    /// [`RowError`] if there is not one value for each column, or a value is refused.
    pub fn score_values(&self, columns: &RowColumns, values: &[RowValue<'_>]) -> Result<ScoredRow, PipelineError> {
        let mut features = Array2::zeros((1, self.encoder.width()));
        let cells = features.as_slice_mut().unwrap_or_default();
        let far = self.encoder.encode_row(columns, values, cells)?;
        let score = if far { f32::MAX } else { self.score_features_here(&features)?[0] };
        let flagged = self.flags(&[score])?.map(|flags| flags[0]);
        Ok(self.scored_row(score, flagged))
    }

    /// Scores rows, whose values are in the order of the columns. Large numbers of rows are scored in parallel, in the rayon pool of the
    /// caller.
    ///
    /// # Errors
    /// As [`score_values`](Self::score_values); [`RowError::InRow`] names the row.
    pub fn score_all_values<'a, R: AsRef<[RowValue<'a>]>>(
        &self,
        columns: &RowColumns,
        rows: &[R],
    ) -> Result<Vec<ScoredRow>, PipelineError> {
        let scores = self.score_plain(columns, rows)?.1;
        let flags = self.flags(&scores)?;
        let flagged = |row: usize| flags.as_ref().map(|flags| flags[row]);
        Ok(scores.iter().enumerate().map(|(row, &score)| self.scored_row(score, flagged(row))).collect())
    }

    /// Explains the scores of rows, whose values are in the order of the columns, by integrated gradients along the straight line from a
    /// typical row ([`Model::baseline`]), or by Shapley values if the score of the method has no gradient. The features of a column change
    /// together and have one contribution. The contributions of a row and its remainder add up to the difference between its score and
    /// that of the typical row.
    ///
    /// # Errors
    /// As [`score_all_values`](Self::score_all_values).
    pub fn explain_values<'a, R: AsRef<[RowValue<'a>]>>(
        &self,
        columns: &RowColumns,
        rows: &[R],
    ) -> Result<Vec<RowReasons>, PipelineError> {
        let (features, scores) = self.score_plain(columns, rows)?;
        let explained = self.contributions(&features)?;
        let row = |(row, score): (usize, f32)| {
            let names = self.encoder.columns().iter().map(|column| column.name.clone());
            let contexts = self.encoder.row_contexts(columns, rows[row].as_ref());
            let parts = names.zip(contexts).zip(explained.contributions.row(row));
            let mut reasons: Vec<Reason> =
                parts.map(|((column, context), &contribution)| Reason { column, context, contribution }).collect();
            reasons.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
            // The score of a row with a far number is not that of its features.
            let remainder = explained.remainders[row] + (score - explained.scores[row]);
            RowReasons { score, baseline: explained.baseline, reasons, remainder }
        };
        Ok(scores.into_iter().enumerate().map(row).collect())
    }

    /// The columns and the values of a row that is given by name.
    fn by_name<'a, N: AsRef<str>>(
        &self,
        row: impl IntoIterator<Item = (N, RowValue<'a>)>,
        unknown: Unknown,
    ) -> Result<(RowColumns, Vec<RowValue<'a>>), PipelineError> {
        let (names, values): (Vec<N>, Vec<RowValue<'a>>) = row.into_iter().unzip();
        Ok((self.row_columns(&names, unknown)?, values))
    }

    /// The features and the scores of rows.
    fn score_plain<'a, R: AsRef<[RowValue<'a>]>>(
        &self,
        columns: &RowColumns,
        rows: &[R],
    ) -> Result<(Array2<f32>, Vec<f32>), PipelineError> {
        let mut features = Array2::zeros((rows.len(), self.encoder.width()));
        let mut far = Vec::new();
        let cells = features.as_slice_mut().unwrap_or_default().chunks_exact_mut(self.encoder.width());
        for (place, (row, cells)) in rows.iter().zip(cells).enumerate() {
            let is_far = self.encoder.encode_row(columns, row.as_ref(), cells);
            let in_row = |error| RowError::InRow { row: place + 1, error: Box::new(error) };
            if is_far.map_err(in_row)? {
                far.push(place);
            }
        }
        let mut scores = self.score_features(&features)?;
        far.into_iter().for_each(|row| scores[row] = f32::MAX);
        Ok((features, scores))
    }

    fn scored_row(&self, score: f32, flagged: Option<bool>) -> ScoredRow {
        let p_value = self.calibration.as_ref().map(|calibration| calibration.p_value(score));
        ScoredRow { score, p_value, flagged }
    }

    /// The contributions of columns to the scores of encoded rows: the mean of the members' standardised contributions.
    pub(crate) fn contributions(&self, features: &Array2<f32>) -> Result<Attributions, PipelineError> {
        let spans = self.encoder.spans();
        let mut contributions = Array2::<f64>::zeros((features.nrows(), spans.len()));
        let mut remainders = vec![0.0f64; features.nrows()];
        let mut baseline = 0.0;
        for (member, ScoreScale { mean, deviation }) in self.members() {
            let attributions = member.attributions(features, &self.baseline, &spans)?;
            let unit = deviation * self.members.len() as f64;
            baseline += (f64::from(attributions.baseline) - mean) / unit;
            contributions.zip_mut_with(&attributions.contributions, |sum, &part| *sum += f64::from(part) / unit);
            remainders.iter_mut().zip(attributions.remainders).for_each(|(sum, left)| *sum += f64::from(left) / unit);
        }
        Ok(Attributions {
            baseline: baseline as f32,
            scores: self.score_features(features)?,
            contributions: contributions.mapv(|sum| sum as f32),
            remainders: remainders.into_iter().map(|left| left as f32).collect(),
        })
    }
}
