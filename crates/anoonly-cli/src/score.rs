//! `anoonly score`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anoonly::data::encode::Unknown;
use anoonly::data::table::{Table, TableWriter, Values};
use anoonly::pipeline::{Model, PipelineError};
use anoonly_page::markdown_table;
use clap::Args;

use crate::compute::Compute;
use crate::{print, refuse, table_blocks};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// The table, of the columns that the model was trained on; `-` reads CSV from standard input
    table: PathBuf,
    /// Where the scores go: a .csv or .parquet file with a line a row, in their order; `-` writes CSV to standard output.
    /// Without it, the rows with the highest scores are shown
    #[arg(long, value_name = "FILE|-")]
    out: Option<PathBuf>,
    /// How many rows are shown
    #[arg(long, default_value_t = 20, value_name = "N", conflicts_with = "out")]
    top: usize,
    /// Take missing columns and values of another kind for missing, and new categories for none of the known ones
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    compute: Compute,
    /// Show the rows as JSON; with --out, what was written
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> ExitCode {
        match self.score() {
            Ok(told) => {
                print(&told);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        }
    }

    fn score(&self) -> Result<String, PipelineError> {
        let options = self;
        if options.json && options.out.as_ref().is_some_and(|path| path.as_os_str() == "-") {
            let reason = "the scores take standard output already: leave it out, or write them to a file".into();
            return Err(PipelineError::Option { option: "json", reason });
        }
        if options.top == 0 {
            return Err(PipelineError::Option { option: "top", reason: "at least 1 is needed".into() });
        }
        let model = Model::load_on(&options.model, &options.compute.device()?)?;
        // Only its identifiers are kept of a row, in a file of their own: the table may be larger than memory.
        let folder = tempfile::tempdir()
            .map_err(|error| PipelineError::Output { path: std::env::temp_dir(), reason: error.to_string() })?;
        let aside = folder.path().join("rows.parquet");
        let (scores, filled) = score_blocks(&model, options, &aside)?;
        let ranks = ranks(&scores);
        let p_values: Option<Vec<f64>> =
            model.calibration().ok().map(|known| scores.iter().map(|&score| known.p_value(score)).collect());
        let flags = model.flags(&scores)?;
        let mut writer = match &options.out {
            Some(path) if path.as_os_str() == "-" => Some(TableWriter::stream(path, std::io::stdout())),
            Some(path) => Some(TableWriter::create(path)?),
            None => None,
        };
        let mut shown = Shown::default();
        let mut start = 0;
        for block in Table::blocks(&aside)? {
            let block = block?;
            let rows = start..start + block.rows();
            let mut columns =
                vec![("score", Values::Scores(&scores[rows.clone()])), ("rank", Values::Counts(&ranks[rows.clone()]))];
            columns.extend(p_values.as_ref().map(|p_values| ("p_value", Values::Shares(&p_values[rows.clone()]))));
            columns.extend(flags.as_ref().map(|flags| ("flagged", Values::Truths(&flags[rows.clone()]))));
            let block = block.with_columns(&columns)?;
            match &mut writer {
                Some(writer) => writer.write(&block)?,
                None => shown.take(&block, &ranks[rows.clone()], options.top),
            }
            start = rows.end;
        }
        let flagged = flags.map(|flags| flags.iter().filter(|&&flag| flag).count());
        if options.json
            && let (Some(writer), Some(path)) = (writer.take(), &options.out)
        {
            writer.finish()?;
            let told =
                serde_json::json!({ "rows": scores.len(), "flagged": flagged, "filled": filled, "scores": path });
            return Ok(format!("{told}\n"));
        }
        let filled = if filled > 0 { format!("; {filled} missing values filled in") } else { String::new() };
        let flagged = flagged.map_or_else(String::new, |flagged| format!(", {flagged} of them flagged"));
        let heading = format!("{} rows{flagged}{filled}", scores.len());
        match (writer, &options.out) {
            (Some(writer), out) => {
                writer.finish()?;
                let goal = out.as_ref().filter(|path| path.as_os_str() != "-");
                Ok(goal.map_or_else(String::new, |path| format!("{heading}; scores written to {}\n", path.display())))
            }
            (None, _) if options.json => Ok(shown.json()),
            (None, _) => Ok(format!("{heading}; the highest scores:\n\n{}\n", shown.table())),
        }
    }
}

/// The scores of all rows, and how many missing values were filled in; the identifiers of the rows, or their numbers, go to
/// a file.
fn score_blocks(model: &Model, options: &Options, aside: &Path) -> Result<(Vec<f32>, usize), PipelineError> {
    let unknown = if options.lenient { Unknown::Accept } else { Unknown::Refuse };
    let blocks = table_blocks(&options.table)?;
    let mut rows = TableWriter::create(aside)?;
    let (mut scores, mut filled) = (Vec::new(), 0);
    for block in blocks {
        let block = block?;
        let ids = match model.ids() {
            [] => block.select(&[])?.with_columns(&[("row", Values::Counts(&block.row_numbers()))])?,
            ids => block.select(ids)?,
        };
        rows.write(&ids)?;
        let scored = model.scored(&block, unknown)?;
        scores.extend(scored.scores);
        filled += scored.filled;
    }
    rows.finish()?;
    Ok((scores, filled))
}

/// The rank of each score: 1 for the highest; equal ones share the better rank.
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
struct Shown {
    columns: Vec<String>,
    rows: Vec<(u64, Vec<String>)>,
}

impl Shown {
    fn take(&mut self, block: &Table, ranks: &[u64], most: usize) {
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

    fn json(&self) -> String {
        let value =
            |text: &String| serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text.as_str()));
        let object = |cells: &Vec<String>| -> serde_json::Value {
            self.columns.iter().cloned().zip(cells.iter().map(value)).collect::<serde_json::Map<_, _>>().into()
        };
        let rows: Vec<serde_json::Value> = self.rows.iter().map(|(_, cells)| object(cells)).collect();
        format!("{}\n", serde_json::Value::from(rows))
    }
}
