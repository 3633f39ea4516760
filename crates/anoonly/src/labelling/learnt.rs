//! What a session has learnt, in words.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anoonly_core::{Label, Seed};
use serde::Serialize;

use super::rules::{KnownRows, LearntRule, find_rules};
use super::{Explainer, LabellingError, Session, TableView};

/// Describes the anomalies found so far ([`Session::summary_job`]). Another thread may run it.
#[derive(Debug)]
pub struct SummaryJob {
    view: TableView,
    explainer: Explainer,
    labels: Vec<Label>,
    open: Vec<bool>,
    seed: Seed,
}

/// The anomalies found so far, described.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LearntSummary {
    /// The columns that count most for the scores of these anomalies, the first one most. Columns that do not count are not listed.
    pub columns: Vec<ColumnShare>,
    /// Short rules that describe them, at most five. Each describes anomalies that no earlier one matches. There may be none.
    pub rules: Vec<LearntRule>,
}

/// How much a column counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnShare {
    /// The column.
    pub column: String,
    /// Its share of the contributions to the scores; the shares of all columns add up to 1.
    pub share: f64,
}

/// The number of anomalies that are explained.
const EXPLAINED: usize = 20;
/// No further anomaly is explained after this time.
const PATIENCE: Duration = Duration::from_secs(3);

impl Session {
    /// What was learnt: the columns that count, and rules that describe the anomalies found. It takes up to some seconds, and another
    /// thread may run it.
    pub fn summary_job(&self) -> SummaryJob {
        SummaryJob {
            view: self.view(),
            explainer: self.explainer(),
            labels: self.labels(),
            open: (0..self.state.rows()).map(|row| self.state.is_open(row)).collect(),
            seed: self.detector.first_seed(),
        }
    }
}

impl SummaryJob {
    /// The summary; `None` as long as no row is an anomaly, by its answer or by its label in the table.
    ///
    /// # Errors
    /// When a row cannot be scored.
    pub fn run(&self) -> Result<Option<LearntSummary>, LabellingError> {
        let anomalies: Vec<usize> = (0..self.labels.len()).filter(|&row| self.labels[row].is_anomaly()).collect();
        if anomalies.is_empty() {
            return Ok(None);
        }
        let known = KnownRows { labels: &self.labels, open: &self.open };
        Ok(Some(LearntSummary {
            columns: self.columns(&anomalies)?,
            rules: find_rules(&self.view, &known, self.seed)?,
        }))
    }

    /// The mean size of the contributions to the scores of anomalies. Of many, some from all over the ranking are explained.
    fn columns(&self, anomalies: &[usize]) -> Result<Vec<ColumnShare>, LabellingError> {
        let begin = Instant::now();
        let mut order = anomalies.to_vec();
        order.sort_by_key(|&row| (self.explainer.rank(row), row));
        let count = order.len().min(EXPLAINED);
        let mut sizes: HashMap<String, f64> = HashMap::new();
        for place in 0..count {
            let explained = self.explainer.explain(order[place * order.len() / count])?;
            for part in explained.contributions {
                *sizes.entry(part.column).or_default() += f64::from(part.contribution.abs());
            }
            if begin.elapsed() > PATIENCE {
                break;
            }
        }
        let mut shares: Vec<ColumnShare> =
            sizes.into_iter().map(|(column, share)| ColumnShare { column, share }).collect();
        shares.retain(|share| share.share > 0.0);
        shares.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.column.cmp(&b.column)));
        // In order, so that the sum is always the same.
        let sum: f64 = shares.iter().map(|share| share.share).sum();
        shares.iter_mut().for_each(|share| share.share /= sum);
        Ok(shares)
    }
}
