//! `anoonly score`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};

use anoonly::data::DataError;
use anoonly::data::encode::{Unknown, UnseenValues};
use anoonly::data::table::{Blocks, CellValue, Table, TableWriter, Values};
use anoonly::eval::{Calibration, ranks};
use anoonly::pipeline::{Model, ScoreShift, Scored};
use anoonly_page::markdown_table;
use clap::Args;
use rayon::prelude::*;
use serde::{Serialize, Serializer};

use crate::compute::Compute;
use crate::error::CommandError;
use crate::findings::warn_of_unseen;
use crate::reading::{Reading, columns_of, table_name};
use crate::terminal::one_line;
use crate::{counted, outputs, print, print_json, warn};

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
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
    /// Write identifiers to CSV exactly as they are. By default, those that a spreadsheet would run as a formula get a `'` before
    /// them: text that begins with =, +, -, @, a tab or a carriage return, and is not a number
    #[arg(long, requires = "out")]
    verbatim_ids: bool,
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
        if let Some(path) = self.out.as_ref().filter(|_| !to_stdout) {
            outputs::check_table("--out", path, &[("the model", &self.model), ("the table", &self.table)])?;
        }
        let model = Model::load_on(&self.model, &self.compute.device()?)?;
        // The table may be larger than memory, so that only the identifiers of its rows are kept, in a file without a name: nobody
        // else can open it, and it is gone when the process ends, in whatever way.
        let id_file = tempfile::tempfile().map_err(|error| CommandError::Output {
            path: std::env::temp_dir(),
            reason: format!("no temporary file can be created: {}", error.kind()),
        })?;
        let Scored { scores, filled, unseen } = self.score_blocks(&model, &id_file)?;
        if !self.lenient {
            unseen.refuse_many(table_name(&self.table))?;
        }
        warn_of_unseen(&unseen);
        let shift = model.score_shift(&scores)?;
        self.warn_of_shift(&model, shift, scores.len())?;
        let p_value = |known: &Calibration| scores.par_iter().map(|&score| known.p_value(score)).collect();
        let p_values = || -> Option<Vec<f64>> { model.calibration().ok().map(p_value) };
        let (ranks, p_values) = rayon::join(|| ranks(&scores), p_values);
        let flags = model.flags(&scores)?;
        let mut writer = match &self.out {
            Some(path) if to_stdout => Some(TableWriter::stream(path, std::io::stdout())),
            Some(path) => Some(TableWriter::create(path)?),
            None => None,
        };
        if !self.verbatim_ids {
            writer = writer.map(TableWriter::guarded);
        }
        let mut highest = HighestRows::default();
        let mut start = 0;
        let mut write = |block: Table| -> Result<(), CommandError> {
            let rows = start..start + block.rows();
            start = rows.end;
            let mut columns =
                vec![("score", Values::Scores(&scores[rows.clone()])), ("rank", Values::Counts(&ranks[rows.clone()]))];
            columns.extend(p_values.as_ref().map(|p_values| ("p_value", Values::Shares(&p_values[rows.clone()]))));
            columns.extend(flags.as_ref().map(|flags| ("flagged", Values::Truths(&flags[rows.clone()]))));
            let block = block.with_columns(&columns)?;
            match &mut writer {
                Some(writer) => writer.write(&block)?,
                None => highest.add(&block, &ranks[rows], self.top),
            }
            Ok(())
        };
        let mut blocks = Table::parquet_blocks(Path::new(IDS), id_file)?;
        let mut present = blocks.next();
        while let Some(block) = present {
            let block = block?;
            // The next rows are read while these are written.
            let (written, following) = rayon::join(|| write(block), || blocks.next());
            written?;
            present = following;
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
                    "scores": path.to_string_lossy(),
                })),
                None => print_json(&highest),
            };
        }
        let filled = if filled > 0 { format!("; {filled} missing values filled in") } else { String::new() };
        let flagged = flagged.map_or_else(String::new, |flagged| format!(", {flagged} of them flagged"));
        let heading = format!("{}{flagged}{filled}", counted(scores.len(), "row", "rows"));
        match &self.out {
            Some(_) if to_stdout => {}
            Some(path) => print(&format!("{heading}; scores written to {}\n", path.display())),
            None => print(&format!("{heading}; the highest scores:\n\n{}\n", highest.table())),
        }
        Ok(())
    }

    /// Scores all rows, and writes the identifiers of the rows, or their numbers, to a file. Rows are read, scored and written at the same
    /// time.
    fn score_blocks(&self, model: &Model, id_file: &File) -> Result<Scored, CommandError> {
        let file = id_file
            .try_clone()
            .map_err(|error| CommandError::Output { path: IDS.into(), reason: error.kind().to_string() })?;
        let (sender, identifiers) = sync_channel(WAITING);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let mut rows = TableWriter::parquet(Path::new(IDS), file);
                identifiers.into_iter().try_for_each(|ids: Table| rows.write(&ids))?;
                rows.finish()
            });
            let scored = self.score_and_send(model, sender);
            match writer.join() {
                // If the identifiers cannot be written, nobody takes them, and the scores end early.
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(())) => scored,
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        })
    }

    /// Scores all rows, and sends the identifiers of the rows, or their numbers, in the order of the rows.
    fn score_and_send(&self, model: &Model, sender: SyncSender<Table>) -> Result<Scored, CommandError> {
        let unknown = if self.lenient { Unknown::Accept } else { Unknown::Refuse };
        let mut blocks = self.reading.blocks(&self.table, columns_of(model, None))?;
        let mut all = Scored { scores: Vec::new(), filled: 0, unseen: UnseenValues::default() };
        let ids_of = |block: &Table| match model.ids() {
            [] => block.select(&[])?.with_columns(&[("row", Values::Counts(&block.row_numbers()))]),
            ids => block.select(ids),
        };
        let mut present = ReadBlocks::next(&mut blocks);
        loop {
            let score = |block: &Table| Ok((ids_of(block)?, model.scored(block, unknown)?));
            let (scored, following) = rayon::join(
                || present.blocks.par_iter().map(score).collect::<Vec<Result<(Table, Scored), CommandError>>>(),
                || ReadBlocks::next(&mut blocks),
            );
            for scored in scored {
                let (ids, scored) = scored?;
                if sender.send(ids).is_err() {
                    return Ok(all);
                }
                all.scores.extend(scored.scores);
                all.filled += scored.filled;
                all.unseen.add(scored.unseen);
            }
            match present.unread {
                Some(error) => return Err(error.into()),
                None if present.blocks.is_empty() => return Ok(all),
                None => present = following,
            }
        }
    }

    /// Warns if the scores do not look like those of the held-out rows, and says whether the table is the training table: then they
    /// differ because the model has seen its rows.
    fn warn_of_shift(&self, model: &Model, shift: Option<ScoreShift>, rows: usize) -> Result<(), CommandError> {
        let Some(shift) = shift.filter(ScoreShift::is_clear) else { return Ok(()) };
        // A second look at the table, which standard input does not allow.
        let seen = rows == model.provenance().counts.rows
            && self.table.as_os_str() != "-"
            && model.is_training_table(self.reading.blocks(&self.table, columns_of(model, None))?)?;
        match seen {
            true => warn(
                "the model was trained on this table: the scores and p-values of its rows are not those of new rows",
            ),
            false => warn(&shift.to_string()),
        }
        Ok(())
    }
}

/// What messages call the file of identifiers.
const IDS: &str = "temporary file";

/// The most blocks of identifiers that wait to be written.
const WAITING: usize = 16;

/// Some blocks that are scored at a time. What is wrong with their rows comes before a block that cannot be read.
struct ReadBlocks {
    blocks: Vec<Table>,
    unread: Option<DataError>,
}

impl ReadBlocks {
    /// The next blocks, one for each thread; none at the end.
    fn next(blocks: &mut Blocks) -> Self {
        let mut read = Self { blocks: Vec::new(), unread: None };
        for block in blocks.take(rayon::current_num_threads()) {
            match block {
                Ok(block) => read.blocks.push(block),
                Err(error) => read.unread = Some(error),
            }
        }
        read
    }
}

/// The rows with the highest scores.
#[derive(Default)]
struct HighestRows {
    columns: Vec<String>,
    rows: Vec<(u64, Vec<CellValue>)>,
}

impl HighestRows {
    /// Adds the rows of a block and keeps the highest ones.
    fn add(&mut self, block: &Table, ranks: &[u64], most: usize) {
        self.columns = block.columns().into_iter().map(str::to_owned).collect();
        let high = ranks.iter().enumerate().filter(|(_, rank)| **rank <= most as u64);
        self.rows.extend(high.map(|(row, &rank)| (rank, block.row_values(row))));
        self.rows.sort_by_key(|(rank, _)| *rank);
        self.rows.truncate(most);
    }

    fn table(&self) -> String {
        let header: Vec<_> = self.columns.iter().map(|name| one_line(name)).collect();
        let header: Vec<&str> = header.iter().map(|name| name.as_ref()).collect();
        let mut table = markdown_table(&header, 0);
        for (_, cells) in &self.rows {
            table.add_row(cells.iter().map(|value| one_line(&value.to_string()).into_owned()));
        }
        table.to_string()
    }
}

/// A list with an object for each row, whose keys are in the order of the columns.
impl Serialize for HighestRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Object<'a>(&'a [String], &'a [CellValue]);

        impl Serialize for Object<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().zip(self.1))
            }
        }

        serializer.collect_seq(self.rows.iter().map(|(_, cells)| Object(&self.columns, cells)))
    }
}
