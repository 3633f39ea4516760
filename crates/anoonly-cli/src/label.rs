//! `anoonly label`.

mod desk;
mod files;
mod guard;
mod list;
mod messages;
mod save;
mod server;
mod serving;
mod terminal;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anoonly::core::Seed;
use anoonly::data::DataError;
use anoonly::data::table::{LabelColumn, Table, WantedColumns};
use anoonly::labelling::{LabellingSetup, Query, Session};
use anoonly::models::AnyMethod;
use anoonly::pipeline::TableDetector;
use clap::Args;

use self::save::DEFAULT_THRESHOLD;
use self::server::Service;
pub use self::serving::{LabellingPage, PageFiles};
use crate::columns::ColumnUse;
use crate::compute::Compute;
use crate::error::CommandError;
use crate::findings::column_table;
use crate::reading::Reading;
use crate::terminal::one_line;
use crate::train::{LISTED_COLUMNS as SUMMARISED_COLUMNS, label_lines};
use crate::{counted, note, outputs, print, signals, warn};

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub struct Options {
    /// The table: .csv, .tsv, .csv.gz, .parquet, .arrow, .feather, .ipc or .npz
    table: PathBuf,
    /// The label column, if the table has one. Its labels count as answers
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    label: Option<String>,
    /// The value of the label column that marks anomalies; all other values are normal
    #[arg(long, value_name = "VALUE", requires = "label", allow_hyphen_values = true)]
    anomaly: Option<String>,
    /// The name of the label column of the labelled table, if the table has none [default: label]
    #[arg(long, value_name = "NAME", conflicts_with = "label", allow_hyphen_values = true)]
    label_name: Option<String>,
    #[command(flatten)]
    columns: ColumnUse,
    /// The method, one of those that `anoonly models` lists [default: pu-forest]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Share of the rows without a label to hold out, at most 2000 rows. They are never asked, and their scores calibrate p-values and
    /// thresholds; with 0 there are none [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    held_out: Option<f64>,
    /// Seed of the method and of held-out and random rows [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How rows are chosen: `top` (the highest scores), `diverse`, `margin` or `random`, and with `+0.1` a tenth of them at random
    /// [default: top]
    #[arg(long, value_name = "QUERY")]
    query: Option<Query>,
    /// The file that keeps the answers. If it exists, the session goes on where it ended; options that are left out are then those of the
    /// journal [default: the table's name with .answers.jsonl, in this folder]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Where to write the labelled table, .csv or .parquet; the model is written beside it, with the ending .anoonly. They are
    /// written when the page asks for it and, with this option, when the command ends [default: the table's name with .labelled.csv, in
    /// this folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write the notes to the labelled table, as a column of this name
    #[arg(long, value_name = "NAME")]
    notes: Option<String>,
    /// The port of the page on this computer [default: any that is free]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Do not open the page in the browser
    #[arg(long)]
    no_open: bool,
    /// Ask in the terminal instead of on a page
    #[arg(long, conflicts_with_all = ["port", "no_open"])]
    terminal: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    compute: Compute,
}

/// What is said when the first signal ends the command.
const ENDING: &str = "\nending";

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        if self.table.as_os_str() == "-" {
            let reason = "a table to be labelled must be a file that can be read again".into();
            return Err(CommandError::File { path: self.table.clone(), reason });
        }
        let journal = self.journal.clone().unwrap_or_else(|| PathBuf::from(format!("{}.answers.jsonl", self.name())));
        let out =
            self.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.labelled.{}", self.stem(), self.ending())));
        let model = out.with_extension("anoonly");
        let inputs = [("the table", self.table.as_path()), ("the journal", journal.as_path())];
        let check_outputs = || {
            outputs::check_table("--out", &out, &inputs)?;
            outputs::check("--out", &model, &inputs)
        };
        check_outputs()?;
        let (table, setup) = self.setup(&journal)?;
        note(&format!("ranking {} by {}", counted(table.rows(), "row", "rows"), setup.detector().method().info().name));
        let start = Instant::now();
        let session = setup.open(&table)?;
        // Now that the journal exists, it is known by whatever name.
        check_outputs()?;
        self.notes.iter().try_for_each(|name| session.check_notes(name))?;
        self.describe(&session, start.elapsed())?;
        for file in [&out, &model].into_iter().filter(|file| file.exists()) {
            print(&format!(
                "{} exists, and is replaced when results are written\n",
                one_line(&file.display().to_string())
            ));
        }
        let files =
            PageFiles { name: self.name(), journal: journal.clone(), table: out, model, notes: self.notes.clone() };
        let service = files.service(session)?;
        let stopped = signals::stop_gently(ENDING);
        match self.terminal {
            true => terminal::ask(&service, stopped)?,
            false => self.serve(&service, stopped)?,
        }
        self.end(&service, &journal)
    }

    /// The file name of the table.
    fn name(&self) -> String {
        self.table.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// The file name without the ending of its format.
    fn stem(&self) -> String {
        let name = self.name();
        let bare = name.strip_suffix(".gz").unwrap_or(&name);
        bare.rsplit_once('.').map_or(bare, |(stem, _)| stem).to_owned()
    }

    /// The ending of the labelled table.
    fn ending(&self) -> &'static str {
        match self.name().to_ascii_lowercase().rsplit_once('.') {
            Some((_, "parquet" | "arrow" | "feather" | "ipc")) => "parquet",
            _ => "csv",
        }
    }

    /// The table and the session's setup: that of the options or, without any, that of the journal.
    fn setup(&self, journal: &Path) -> Result<(Table, LabellingSetup), CommandError> {
        let own = self.label.is_some()
            || self.label_name.is_some()
            || self.model.is_some()
            || self.held_out.is_some()
            || self.seed.is_some()
            || !self.columns.is_empty();
        let known = journal.metadata().is_ok_and(|file| file.len() > 0);
        let mut setup = match known && !own {
            true => LabellingSetup::of_journal(journal)?,
            false => self.given()?.journal(journal),
        };
        if let Some(query) = self.query {
            setup = setup.query(query);
        }
        let drop = setup.detector().column_options().drop.clone();
        // The labelled table has all columns, unless one of those that are not used cannot be read.
        let table = match self.reading.table(&self.table, WantedColumns::All) {
            Err(error) if !drop.is_empty() && is_of_columns(&error) => {
                let kept = self.reading.table(&self.table, WantedColumns::Except(drop))?;
                warn(&format!("the labelled table has no dropped columns, because one cannot be read: {error}"));
                kept
            }
            other => other?,
        };
        Ok((table, setup.device(&self.compute.device()?)))
    }

    /// The setup of the options.
    fn given(&self) -> Result<LabellingSetup, CommandError> {
        let ids = self.columns.ids()?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut detector = match &self.model {
            Some(name) => TableDetector::new(AnyMethod::by_name(name)?),
            None => TableDetector::pu_forest(),
        };
        detector = detector.ids(&ids).columns(self.columns.encoding()?);
        if let Some(share) = self.held_out {
            detector = detector.held_out(share);
        }
        if let Some(seed) = self.seed {
            detector = detector.seed(Seed(seed));
        }
        let mut setup = LabellingSetup::new(detector);
        if let Some(name) = &self.label_name {
            setup = setup.label_name(name);
        }
        if let Some(name) = &self.label {
            setup = setup.label(LabelColumn { names: vec![name.clone()], anomaly: self.anomaly.clone() });
        }
        Ok(setup)
    }

    /// Says what was made of the table, and where the session stands.
    fn describe(&self, session: &Session, took: Duration) -> Result<(), CommandError> {
        let mut lines = vec![format!("{}: {}", self.name(), counted(session.table().rows(), "row", "rows"))];
        if let Some(label) = session.label_column() {
            lines.extend(label_lines(&session.table().labels(label)?, Some(session.detector().method())));
        }
        let table = column_table(session.encoder(), session.left_out(), SUMMARISED_COLUMNS);
        lines.extend(table.lines().map(|row| format!("  {row}")));
        if session.left_out().iter().any(|left| left.usable) {
            lines.push("  --keep COLUMN uses a column that was left out although it holds information".into());
        }
        lines.push(format!("  {} filled in", counted(session.filled(), "missing value", "missing values")));
        let progress = session.progress();
        if progress.held_out > 0 {
            lines.push(format!(
                "{} held out: never asked, their scores calibrate p-values and thresholds",
                counted(progress.held_out, "row", "rows")
            ));
        }
        lines.push(format!(
            "{} ranked the rows in {:.1} s",
            session.detector().method().info().name,
            took.as_secs_f64()
        ));
        if let Some(path) = session.journal() {
            if session.removed_bytes() > 0 {
                warn(&format!(
                    "{}: an incomplete last line of {} bytes was removed; its answer was never confirmed",
                    path.display(),
                    session.removed_bytes()
                ));
            }
            lines.push(match session.answers().len() {
                0 => format!("answers are kept in {}", path.display()),
                answers => format!("{} in {}", counted(answers, "answer", "answers"), path.display()),
            });
        }
        let text: String = lines.iter().map(|line| format!("{}\n", one_line(line))).collect();
        print(&text);
        Ok(())
    }

    /// Serves the page until a signal comes.
    fn serve(&self, service: &Arc<Service>, stopped: &'static AtomicBool) -> Result<(), CommandError> {
        let mut page = LabellingPage::of(Arc::clone(service), self.port)?;
        print(&format!("{}\n", page.address()));
        note("every answer is saved at once; Ctrl-C ends the program");
        if !self.no_open && !page.open() {
            note("no browser could be opened: open the address yourself");
        }
        while !stopped.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        page.stop();
        Ok(())
    }

    /// Writes the results if a file was named for them, and says what there is.
    fn end(&self, service: &Service, journal: &Path) -> Result<(), CommandError> {
        let answers = service.desk.with(|session| session.answers().len());
        if service.saving.is_writing() {
            note("the files that a page has asked for are being written; press Ctrl-C again to stop immediately");
            service.saving.wait();
        }
        if self.out.is_some() {
            let report = service.saving.save(&service.desk, Some(DEFAULT_THRESHOLD))?;
            print(&report.text());
        }
        print(&format!(
            "{} in {}; the same command goes on from there\n",
            counted(answers, "answer", "answers"),
            one_line(&journal.display().to_string())
        ));
        Ok(())
    }
}

/// Whether an error is about single columns, so that a table without them may be read.
fn is_of_columns(error: &DataError) -> bool {
    matches!(
        error,
        DataError::UnsupportedType { .. }
            | DataError::UnknownZone { .. }
            | DataError::NamelessColumn { .. }
            | DataError::DuplicateColumn { .. }
    )
}
