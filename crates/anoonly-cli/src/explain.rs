//! `anoonly explain`.

use std::path::PathBuf;
use std::process::ExitCode;

use anoonly::data::encode::Unknown;
use anoonly::pipeline::{Contribution, ExplainedRow, Model, PipelineError};
use anoonly_page::{check_page_path, markdown_table, write_page};
use clap::Args;
use maud::{Markup, html};

use crate::error::CommandError;
use crate::{print, refuse, table_blocks};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// The table, of the columns that the model was trained on; `-` reads CSV from standard input
    table: PathBuf,
    /// How many of the rows with the highest scores are explained
    #[arg(long, default_value_t = 20, value_name = "N")]
    top: usize,
    /// How many columns of a row are shown, those that contribute most
    #[arg(long, default_value_t = 3, value_name = "N")]
    columns: usize,
    /// Take missing columns and values of another kind for missing, and new categories for none of the known ones
    #[arg(long)]
    lenient: bool,
    /// Tell the contributions of all columns as JSON
    #[arg(long)]
    json: bool,
    /// Also write a page with a bar for each contribution
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Options {
    pub fn run(self) -> ExitCode {
        match self.explain() {
            Ok(told) => {
                print(&told);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        }
    }

    fn explain(&self) -> Result<String, CommandError> {
        let wrong =
            |option| Err(CommandError::from(PipelineError::Option { option, reason: "at least 1 is needed".into() }));
        match () {
            () if self.top == 0 => return wrong("top"),
            () if self.columns == 0 => return wrong("columns"),
            () => {}
        }
        if let Some(path) = &self.html {
            check_page_path(path).map_err(CommandError::Page)?;
        }
        let model = Model::load(&self.model)?;
        let unknown = if self.lenient { Unknown::Accept } else { Unknown::Refuse };
        let rows = model.explain_top(table_blocks(&self.table)?, self.top, unknown)?;
        let mut told = match self.json {
            // As text at once, and not by way of a value, which would widen the scores.
            true => match serde_json::to_string(&rows) {
                Ok(text) => text + "\n",
                Err(error) => unreachable!("plain data is JSON: {error}"),
            },
            false => self.table(&rows),
        };
        if let Some(path) = &self.html {
            let page = anoonly_page::page("What makes these scores", &page(&rows));
            write_page(path, &page).map_err(CommandError::Page)?;
            if !self.json {
                told.push_str(&format!("\n{} written\n", path.display()));
            }
        }
        Ok(told)
    }

    fn table(&self, rows: &[ExplainedRow]) -> String {
        let Some(first) = rows.first() else { return "no rows\n".into() };
        let ids = first.row.iter().map(|(name, _)| name.as_str());
        let header: Vec<&str> = ["rank"].into_iter().chain(ids).chain(["score", "what makes it most"]).collect();
        let mut table = markdown_table(&header, 0);
        for row in rows {
            let parts: Vec<String> = row.contributions.iter().take(self.columns).map(short).collect();
            let ids = row.row.iter().map(|(_, value)| value.clone());
            let cells =
                [row.rank.to_string()].into_iter().chain(ids).chain([format!("{:.2}", row.score), parts.join("; ")]);
            table.add_row(cells);
        }
        format!(
            "{table}\n\nContributions lead from a usual row, whose score is {:.2}, to the score of the row.\n",
            first.baseline
        )
    }
}

fn short(part: &Contribution) -> String {
    let value = if part.value.is_empty() { "missing" } else { &part.value };
    format!("{} = {value} ({:+.2})", part.column, part.contribution)
}

fn page(rows: &[ExplainedRow]) -> Markup {
    let largest =
        rows.iter().flat_map(|row| &row.contributions).map(|part| part.contribution.abs()).fold(0.0, f32::max);
    // Half of the width for each side.
    let width = |part: &Contribution| if largest > 0.0 { 50.0 * part.contribution.abs() / largest } else { 0.0 };
    let bar = |part: &Contribution| {
        let (class, left) = match part.contribution >= 0.0 {
            true => ("vermilion", 50.0),
            false => ("blue", 50.0 - width(part)),
        };
        html! { div { span class=(class) style={ "left:" (left) "%;width:" (width(part)) "%" } {} } }
    };
    html! {
        h1 { "What makes these scores" }
        p class="lead" {
            "The " (rows.len()) " rows with the highest scores. A bar to the right says how much a column makes a row more anomalous \
             than the median of the usual training rows, a bar to the left how much less; all bars of the page have one scale."
        }
        @if let Some(first) = rows.first() {
            p { "From the score of the median row, " (format!("{:.2}", first.baseline)) ", the contributions of a row lead to its own. \
                 They are integrated gradients (Sundararajan, Taly and Yan 2017): they tell what the model looks at, not what \
                 causes an anomaly, and columns that say the same share their part." }
        }
        @for row in rows {
            section {
                h2 {
                    (row.rank) ". "
                    @for (place, (name, value)) in row.row.iter().enumerate() {
                        @if place > 0 { ", " }
                        (name) " " (value)
                    }
                    ": score " (format!("{:.2}", row.score))
                }
                table class="parts" {
                    thead { tr { th scope="col" { "column" } th scope="col" { "value" } th scope="col" class="number" { "contribution" } th scope="col" class="bars" {} } }
                    tbody {
                        @for part in &row.contributions {
                            tr {
                                td { (part.column) }
                                td { @if part.value.is_empty() { em { "missing" } } @else { (part.value) } }
                                td class="number" { (format!("{:+.2}", part.contribution)) }
                                td class="bars" { (bar(part)) }
                            }
                        }
                    }
                }
                @if row.remainder.abs() >= 0.005 {
                    p { "Not explained: " (format!("{:+.2}", row.remainder)) }
                }
            }
        }
    }
}
