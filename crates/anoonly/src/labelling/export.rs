//! The table with its labels.

use std::path::Path;

use anoonly_core::{Label, excerpt};
use anoonly_data::table::{Table, TableWriter, Values};

use super::{LabellingError, LabellingSetting, Session};

/// The values of the label column.
const ANOMALY: &str = "anomaly";
const NORMAL: &str = "normal";

impl Session {
    /// The table as it was read, with the labels of all answers.
    ///
    /// The label column holds `anomaly`, `normal`, or nothing for a row that is unsure or has no answer. If the
    /// label column of the table was read with a value that marks anomalies, it holds this value instead of `anomaly`. Either way, the
    /// label column is read back with the same settings. It stands in the place of the table's label column, or after all columns.
    ///
    /// `notes` is the name of a column of notes after all others; `None` for no such column. Notes may give the labels away, so that this
    /// column must not be a feature of a model.
    ///
    /// # Errors
    /// When the table has a column with the name of the notes already.
    pub fn labelled_table(&self, notes: Option<&str>) -> Result<Table, LabellingError> {
        let anomaly = self.label.as_ref().and_then(|label| label.anomaly.as_deref()).unwrap_or(ANOMALY);
        let text = |label: Label| match label {
            Label::Anomaly => Some(anomaly),
            Label::Normal => Some(NORMAL),
            Label::Unlabelled => None,
        };
        let labels: Vec<Option<&str>> = self.labels().into_iter().map(text).collect();
        let mut order: Vec<String> = self.table.columns().into_iter().map(str::to_owned).collect();
        let others: Vec<String> = order.iter().filter(|name| **name != self.label_name).cloned().collect();
        if others.len() == order.len() {
            order.push(self.label_name.clone());
        }
        let mut added = vec![(self.label_name.as_str(), Values::Texts(&labels))];
        let note = |row: usize| self.answer_on(row).and_then(|given| given.note.as_deref());
        let of_rows: Vec<Option<&str>> = (0..self.table.rows()).map(note).collect();
        if let Some(name) = notes {
            self.check_notes(name)?;
            order.push(name.into());
            added.push((name, Values::Texts(&of_rows)));
        }
        Ok(self.table.select(&others)?.with_columns(&added)?.select(&order)?)
    }

    /// Checks that the labelled table has no other column with the name of a column of notes.
    ///
    /// # Errors
    /// When it has one.
    pub fn check_notes(&self, name: &str) -> Result<(), LabellingError> {
        match name == self.label_name || self.table.columns().contains(&name) {
            false => Ok(()),
            true => {
                let reason = format!("the table has a column `{}` already; choose another name", excerpt(name));
                Err(LabellingError::Setting { setting: LabellingSetting::Notes, reason })
            }
        }
    }

    /// Writes the [labelled table](Self::labelled_table) to a `.csv` or `.parquet` file, completely or not at all. A CSV file has the
    /// delimiter of the table's file.
    ///
    /// # Errors
    /// As `labelled_table`, or when the file cannot be written.
    pub fn export(&self, path: &Path, notes: Option<&str>) -> Result<(), LabellingError> {
        let table = self.labelled_table(notes)?;
        let mut writer = TableWriter::create(path)?.delimited_as(&table);
        writer.write(&table)?;
        Ok(writer.finish()?)
    }
}
