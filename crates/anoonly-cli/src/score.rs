//! `anoonly score`.

use std::path::{Path, PathBuf};

use anoonly::data::encode::{Unknown, UnseenValues};
use anoonly::data::table::{Table, TableWriter, Values};
use anoonly::pipeline::{Model, Scored};
use anoonly_page::markdown_table;
use clap::Args;

use crate::columns::{warn_of_shift, warn_of_unseen};
use crate::compute::Compute;
use crate::error::CommandError;
use crate::reading::{Reading, columns_of};
use crate::{print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// The table, with the columns that the model was trained on; `-` reads CSV from standard input
    table: PathBuf,
    /// Where to write the scores of all rows, in the order of the table: a .csv or .parquet file, or `-` for CSV on standard
    /// output. Without this option, the rows with the highest scores are shown
    #[arg(long, value_name = "FILE|-")]
    out: Option<PathBuf>,
    /// How many rows to show
    #[arg(long, default_value_t = 20, value_name = "N", conflicts_with = "out")]
    top: usize,
    /// Treat missing columns and values of the wrong kind as missing, accept unknown categories, and score the table even if half of
    /// its rows lie outside of what training held
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    compute: Compute,
    /// Print the rows as JSON; with --out, a summary of what was written
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        let to_stdout = self.out.as_ref().is_some_and(|path| path.as_os_str() == "-");
        if self.json && to_stdout {
            let reason = "the scores already use standard output: leave this option out, or write the scores to a file";
            return Err(CommandError::option("--json", reason));
        }
        if self.top == 0 {
            return Err(CommandError::option("--top", "must be at least 1"));
        }
        let model = Model::load_on(&self.model, &self.compute.device()?)?;
        // The table may be larger than memory, so that only the identifiers of its rows are kept, in a temporary file.
        let folder = tempfile::tempdir()
            .map_err(|error| CommandError::Output { path: std::env::temp_dir(), reason: error.to_string() })?;
        let id_file = folder.path().join("rows.parquet");
        let Scored { scores, filled, unseen } = self.score_blocks(&model, &id_file)?;
        if !self.lenient {
            unseen.refuse_many(&self.table)?;
        }
        let shift = model.score_shift(&scores)?;
        warn_of_unseen(&unseen);
        warn_of_shift(shift);
        let ranks = ranks(&scores);
        let p_values: Option<Vec<f64>> =
            model.calibration().ok().map(|known| scores.iter().map(|&score| known.p_value(score)).collect());
        let flags = model.flags(&scores)?;
        let mut writer = match &self.out {
            Some(path) if to_stdout => Some(TableWriter::stream(path, std::io::stdout())),
            Some(path) => Some(TableWriter::create(path)?),
            None => None,
        };
        let mut highest = HighestRows::default();
        let mut start = 0;
        for block in Table::blocks(&id_file)? {
            let block = block?;
            let rows = start..start + block.rows();
            let mut columns =
                vec![("score", Values::Scores(&scores[rows.clone()])), ("rank", Values::Counts(&ranks[rows.clone()]))];
            columns.extend(p_values.as_ref().map(|p_values| ("p_value", Values::Shares(&p_values[rows.clone()]))));
            columns.extend(flags.as_ref().map(|flags| ("flagged", Values::Truths(&flags[rows.clone()]))));
            let block = block.with_columns(&columns)?;
            match &mut writer {
                Some(writer) => writer.write(&block)?,
                None => highest.add(&block, &ranks[rows.clone()], self.top),
            }
            start = rows.end;
        }
        if let Some(writer) = writer {
            writer.finish()?;
        }
        let flagged = flags.map(|flags| flags.iter().filter(|&&flag| flag).count());
        if self.json {
            return match &self.out {
                Some(path) => print_json(&serde_json::json!({
                    "rows": scores.len(),
                    "flagged": flagged,
                    "filled": filled,
                    "unseen": unseen.columns,
                    "shift": shift,
                    "scores": path,
                })),
                None => print_json(&highest.json()),
            };
        }
        let filled = if filled > 0 { format!("; {filled} missing values filled in") } else { String::new() };
        let flagged = flagged.map_or_else(String::new, |flagged| format!(", {flagged} of them flagged"));
        let heading = format!("{} rows{flagged}{filled}", scores.len());
        match &self.out {
            Some(_) if to_stdout => {}
            Some(path) => print(&format!("{heading}; scores written to {}\n", path.display())),
            None => print(&format!("{heading}; the highest scores:\n\n{}\n", highest.table())),
        }
        Ok(())
    }

    /// Scores all rows, and writes the identifiers of the rows, or their
    /// numbers, to a file.
    fn score_blocks(&self, model: &Model, id_file: &Path) -> Result<Scored, CommandError> {
        let unknown = if self.lenient { Unknown::Accept } else { Unknown::Refuse };
        let blocks = self.reading.blocks(&self.table, columns_of(model, None))?;
        let mut rows = TableWriter::create(id_file)?;
        let mut all = Scored { scores: Vec::new(), filled: 0, unseen: UnseenValues::default() };
        for block in blocks {
            let block = block?;
            let ids = match model.ids() {
                [] => block.select(&[])?.with_columns(&[("row", Values::Counts(&block.row_numbers()))])?,
                ids => block.select(ids)?,
            };
            rows.write(&ids)?;
            let scored = model.scored(&block, unknown)?;
            all.scores.extend(scored.scores);
            all.filled += scored.filled;
            all.unseen.add(scored.unseen);
        }
        rows.finish()?;
        Ok(all)
    }
}

/// The rank of each score: 1 for the highest. Equal scores share the better rank.
fn ranks(scores: &[f32]) -> Vec<u64> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
    let mut ranks = vec![0; scores.len()];
    let mut rank = 0;
    for (place, &row) in order.iter().enumerate() {
        if place == 0 || scores[row as usize] != scores[order[place - 1] as usize] {
            rank = place as u64 + 1;
        }
        ranks[row as usize] = rank;
    }
    ranks
}

/// The rows with the highest scores.
#[derive(Default)]
struct HighestRows {
    columns: Vec<String>,
    rows: Vec<(u64, Vec<String>)>,
}

impl HighestRows {
    /// Adds the rows of a block and keeps the highest ones.
    fn add(&mut self, block: &Table, ranks: &[u64], most: usize) {
        self.columns = block.columns().into_iter().map(str::to_owned).collect();
        let high = ranks.iter().enumerate().filter(|(_, rank)| **rank <= most as u64);
        self.rows.extend(high.map(|(row, &rank)| (rank, block.row_text(row))));
        self.rows.sort_by_key(|(rank, _)| *rank);
        self.rows.truncate(most);
    }

    fn table(&self) -> String {
        let header: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let mut table = markdown_table(&header, 0);
        for (_, cells) in &self.rows {
            table.add_row(cells);
        }
        table.to_string()
    }

    fn json(&self) -> Vec<serde_json::Value> {
        let value =
            |text: &String| serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text.as_str()));
        let object = |cells: &Vec<String>| -> serde_json::Value {
            self.columns.iter().cloned().zip(cells.iter().map(value)).collect::<serde_json::Map<_, _>>().into()
        };
        self.rows.iter().map(|(_, cells)| object(cells)).collect()
    }
}
