//! Stub.
#![allow(missing_docs)]
use super::{LabellingError, Session};
use anoonly_data::table::{CellValue, Table};
use serde::{Deserialize, Serialize};
#[derive(Clone, Debug)]
pub struct TableView {
    table: Table,
    columns: Vec<ViewedColumn>,
}
#[derive(Clone, Debug, Serialize)]
pub struct ViewedColumn {
    pub name: String,
    pub role: &'static str,
    pub kind: &'static str,
    pub reason: Option<String>,
    pub profile: Option<u8>,
}
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    pub lower: f64,
}
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "above {}", self.lower)
    }
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub column: String,
}
#[derive(Clone, Debug, Serialize)]
pub struct Rule {
    pub text: String,
}
#[derive(Clone, Debug)]
pub struct LearntSummary {
    pub columns: Vec<(String, f64)>,
    pub rules: Vec<Rule>,
}
pub struct SummaryJob;
impl SummaryJob {
    pub fn run(self) -> LearntSummary {
        LearntSummary { columns: vec![], rules: vec![] }
    }
}
pub struct RowFilter {
    pub text: String,
    pub conditions: Vec<Condition>,
}
impl TableView {
    pub fn columns(&self) -> &[ViewedColumn] {
        &self.columns
    }
    pub fn values(&self, row: usize) -> Vec<CellValue> {
        self.table.row_values(row)
    }
    pub fn place(&self, _row: usize) -> Vec<Option<Place>> {
        vec![None; self.columns.len()]
    }
    pub fn find(&self, _f: &RowFilter) -> Result<Vec<u32>, LabellingError> {
        Ok((0..self.table.rows() as u32).collect())
    }
    pub fn sort(&self, _rows: &mut [u32], _c: &str, _d: bool) -> Result<(), LabellingError> {
        Ok(())
    }
}
impl Session {
    pub fn view(&self) -> TableView {
        TableView {
            table: self.table.clone(),
            columns: self
                .table
                .columns()
                .into_iter()
                .map(|c| ViewedColumn { name: c.into(), role: "feature", kind: "number", reason: None, profile: None })
                .collect(),
        }
    }
    pub fn summary_job(&self) -> SummaryJob {
        SummaryJob
    }
    pub fn finds(&self) -> Vec<usize> {
        vec![]
    }
}
impl std::fmt::Display for super::StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stop")
    }
}
