//! Where the labels of a training table are.

use anoonly_core::Label;
use anoonly_data::table::{LabelColumn, Labels, Table};

use super::PipelineError;

/// The labels of a training table: in a column, or none.
///
/// ```
/// # use anoonly::{Table, TableDetector};
/// # use anoonly::models::AnyMethod;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let rows: String = (0..100).map(|row| format!("{},{}\n", row % 7, row * row % 11)).collect();
/// # let table = Table::read_csv("in memory".as_ref(), std::io::Cursor::new(format!("size,age\n{rows}")))?;
/// let detector = TableDetector::new(AnyMethod::by_name("isolation-forest")?);
/// let model = detector.fit(&table, None)?;
/// # assert_eq!(model.provenance().label, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSource {
    /// In a column.
    Column(LabelColumn),
    /// The table has no labels: every row is unlabelled.
    None,
}

impl LabelSource {
    /// The name of the label column, and one label a row.
    pub(super) fn read(&self, table: &Table) -> Result<(Option<String>, Vec<Label>), PipelineError> {
        match self {
            LabelSource::Column(column) => {
                let Labels { column, labels, .. } = table.labels(column)?;
                Ok((Some(column), labels))
            }
            LabelSource::None => Ok((None, vec![Label::Unlabelled; table.rows()])),
        }
    }
}

impl From<&str> for LabelSource {
    fn from(column: &str) -> Self {
        LabelSource::Column(column.into())
    }
}

impl From<LabelColumn> for LabelSource {
    fn from(column: LabelColumn) -> Self {
        LabelSource::Column(column)
    }
}

impl From<Option<LabelColumn>> for LabelSource {
    fn from(column: Option<LabelColumn>) -> Self {
        column.map_or(LabelSource::None, LabelSource::Column)
    }
}
