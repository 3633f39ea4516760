//! What a bench does instead of measuring its methods, and the settings that do not apply then.

use std::path::Path;

use anoonly::train::labelling::Query;

use super::BenchSettings;
use crate::error::CommandError;

/// The settings for a simulated analyst.
#[derive(Debug, PartialEq)]
pub struct AnalystSettings {
    /// How rows are chosen.
    pub queries: Vec<Query>,
    /// The number of rows that are labelled.
    pub budget: usize,
    /// The number of rows that are labelled between two fits.
    pub batch: usize,
}

impl BenchSettings {
    /// The settings for a simulated analyst, if there is one.
    ///
    /// # Errors
    /// When an option is given that does not apply.
    pub fn labelling(&self) -> Result<Option<AnalystSettings>, CommandError> {
        let only = [
            ("--budget", self.budget.is_some()),
            ("--batch", self.batch.is_some()),
            ("--query", !self.query.is_empty()),
            ("--write-rows", self.write_rows.is_some()),
        ];
        let never = [
            ("--ablation", self.ablation.is_some()),
            ("--label-ratio", !self.label_ratio.is_empty()),
            ("--label-count", !self.label_count.is_empty()),
            ("--noise", self.noise.is_some()),
            ("--noise-level", !self.noise_level.is_empty()),
            ("--synthetic", !self.synthetic.is_empty()),
            ("--protocol", self.protocol.is_some()),
            ("--export-splits", self.export_splits.is_some()),
            ("--import", !self.import.is_empty()),
            ("--standings", self.standings),
            ("--figure", self.figure.is_some()),
        ];
        let (wrong, reason) = match self.labelling {
            true => (&never[..], "does not apply with --labelling, which starts without labels and has no test rows"),
            false => (&only[..], "needs --labelling"),
        };
        if let Some((option, _)) = wrong.iter().find(|(_, given)| *given) {
            return Err(CommandError::option(option, reason));
        }
        let queries = if self.query.is_empty() { vec![Query::default()] } else { self.query.clone() };
        let (budget, batch) = (self.budget.unwrap_or(100), self.batch.unwrap_or(5));
        Ok(self.labelling.then_some(AnalystSettings { queries, budget, batch }))
    }

    /// The folder for the rows of every split, if nothing is to be measured.
    ///
    /// # Errors
    /// When an option is given that applies to measurements only.
    pub fn export_splits(&self) -> Result<Option<&Path>, CommandError> {
        let never = [
            ("--import", !self.import.is_empty()),
            ("--shard", self.shard.is_some()),
            ("--reference", self.reference.is_some()),
            ("--report", self.report.is_some()),
            ("--figure", self.figure.is_some()),
            ("--standings", self.standings),
            ("--json", self.json),
        ];
        let wrong = never.iter().find(|(_, given)| *given && self.export_splits.is_some());
        match wrong {
            Some((option, _)) => {
                Err(CommandError::option(option, "does not apply with --export-splits, which measures nothing"))
            }
            None => Ok(self.export_splits.as_deref()),
        }
    }
}
