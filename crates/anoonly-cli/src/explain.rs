//! `anoonly explain`.

use std::path::PathBuf;

use anoonly::data::encode::Unknown;
use anoonly::data::table::CellValue;
use anoonly::pipeline::{AttributionMethod, Contribution, ExplainedRow, Model};
use anoonly_page::{markdown_table, write_page};
use clap::Args;
use maud::{Markup, html};

use crate::error::CommandError;
use crate::findings::warn_of_unseen;
use crate::reading::{Reading, columns_of};
use crate::terminal::one_line;
use crate::{outputs, print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// The table, with the columns that the model was trained on; `-` reads CSV from standard input
    table: PathBuf,
    /// How many rows to explain, those with the highest scores
    #[arg(long, default_value_t = 20, value_name = "N")]
    top: usize,
    /// How many columns to show for each row, those with the largest contributions
    #[arg(long, default_value_t = 3, value_name = "N")]
    columns: usize,
    /// Treat missing columns and values of the wrong kind as missing, accept unknown categories, and score the table even if half of
    /// its rows lie outside of what training held
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    reading: Reading,
    /// Print the contributions of all columns as JSON
    #[arg(long)]
    json: bool,
    /// Also write an HTML page with a bar for each contribution
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        match () {
            () if self.top == 0 => return Err(CommandError::option("--top", "must be at least 1")),
            () if self.columns == 0 => return Err(CommandError::option("--columns", "must be at least 1")),
            () => {}
        }
        if let Some(path) = &self.html {
            outputs::check("--html", path, &[("the model", &self.model), ("the table", &self.table)])?;
        }
        let model = Model::load(&self.model)?;
        let unknown = if self.lenient { Unknown::Accept } else { Unknown::Refuse };
        let blocks = self.reading.blocks(&self.table, columns_of(&model, None))?;
        let (rows, unseen) = model.explain_top(blocks, self.top, unknown)?;
        warn_of_unseen(&unseen);
        if let Some(path) = &self.html {
            write_page(path, &anoonly_page::page("Explained scores", &page(&rows, &model)))?;
        }
        if self.json {
            return print_json(&rows);
        }
        print(&self.table(&rows));
        if let Some(path) = &self.html {
            print(&format!("\n{} written\n", path.display()));
        }
        Ok(())
    }

    fn table(&self, rows: &[ExplainedRow]) -> String {
        let Some(first) = rows.first() else { return "no rows\n".into() };
        let ids: Vec<_> = first.row.iter().map(|(name, _)| one_line(name)).collect();
        let ids = ids.iter().map(|name| name.as_ref());
        let header: Vec<&str> = ["rank"].into_iter().chain(ids).chain(["score", "largest contributions"]).collect();
        let mut table = markdown_table(&header, 0);
        for row in rows {
            let parts: Vec<String> = row.contributions.iter().take(self.columns).map(short).collect();
            let ids = row.row.iter().map(|(_, value)| one_line(&value.to_string()).into_owned());
            let cells = [row.rank.to_string()].into_iter().chain(ids).chain([short_score(row.score), parts.join("; ")]);
            table.add_row(cells);
        }
        let shares = match has_contexts(rows) {
            true => "Shares of rows are those of the training rows that have a value in the column.\n",
            false => "",
        };
        let typical = format!("{:.2}", first.baseline);
        format!(
            "{table}\n\nThe contributions of a row add up to the difference between its score and the score {typical} of a typical \
             row.\n{shares}"
        )
    }
}

fn short(part: &Contribution) -> String {
    let place = part.context.as_ref().map_or_else(String::new, |context| format!(", {context}"));
    let text = format!("{} = {}{place} ({})", part.column, shown(&part.value), signed(part.contribution));
    one_line(&text).into_owned()
}

/// Whether it is known of any value where it lies among the training rows.
fn has_contexts(rows: &[ExplainedRow]) -> bool {
    rows.iter().flat_map(|row| &row.contributions).any(|part| part.context.is_some())
}

/// A value for people.
fn shown(value: &CellValue) -> String {
    match value.to_string() {
        empty if empty.is_empty() => "missing".into(),
        text => text,
    }
}

fn page(rows: &[ExplainedRow], model: &Model) -> Markup {
    let largest =
        rows.iter().flat_map(|row| &row.contributions).map(|part| part.contribution.abs()).fold(0.0, f32::max);
    // Each side takes half of the width.
    let width = |part: &Contribution| if largest > 0.0 { 50.0 * part.contribution.abs() / largest } else { 0.0 };
    let bar = |part: &Contribution| {
        let (class, left) = match part.contribution >= 0.0 {
            true => ("vermilion", 50.0),
            false => ("blue", 50.0 - width(part)),
        };
        html! { div { span class=(class) style={ "left:" (left) "%;width:" (width(part)) "%" } {} } }
    };
    let places = has_contexts(rows);
    html! {
        h1 { "Explained scores" }
        p class="lead" {
            "The " (rows.len()) " rows with the highest scores. A bar to the right shows how much a column makes the row more anomalous \
             than a typical training row, a bar to the left how much less. All bars of the page have the same scale."
        }
        @if let Some(first) = rows.first() {
            (about(first.baseline, model.attribution_method(), places))
        }
        @for row in rows {
            section {
                h2 {
                    (row.rank) ". "
                    @for (place, (name, value)) in row.row.iter().enumerate() {
                        @if place > 0 { ", " }
                        (name) " " (value.to_string())
                    }
                    ": score " (short_score(row.score))
                }
                table class="parts" {
                    thead { tr {
                        th scope="col" { "column" }
                        th scope="col" { "value" }
                        @if places { th scope="col" { "among the training rows" } }
                        th scope="col" class="number" { "contribution" }
                        th scope="col" class="bars" {}
                    } }
                    tbody {
                        @for part in &row.contributions {
                            tr {
                                td { (part.column) }
                                td { @if part.value == CellValue::Missing { em { "missing" } } @else { (shown(&part.value)) } }
                                @if places { td { @if let Some(context) = &part.context { (context.to_string()) } } }
                                td class="number" { (signed(part.contribution)) }
                                td class="bars" { (bar(part)) }
                            }
                        }
                    }
                }
                @if row.remainder.abs() >= 0.005 {
                    p { "Not explained: " (signed(row.remainder)) }
                }
            }
        }
    }
}

/// What the numbers of the page are.
fn about(baseline: f32, method: AttributionMethod, places: bool) -> Markup {
    html! {
        p {
            "The contributions of a row add up to the difference between its score and the score of a typical row, "
            (format!("{baseline:.2}")) ". The typical row is the training row nearest to the middle of those without an anomaly label."
        }
        p {
            "They are " (method.name()) ". " (method.description()) " Contributions show what the model looks at, not what causes an \
             anomaly, and columns with the same information share their contribution."
        }
        @if places {
            p {
                "Shares of rows are those of the training rows that have a value in the column; “above 99 %” says that 99 % of them or \
                 more have a smaller value. A missing value is compared with all training rows."
            }
        }
    }
}

/// Scores of this size and more, which rows with far values have, are shown with an exponent.
const LARGE: f32 = 1e6;

fn short_score(score: f32) -> String {
    if score.abs() < LARGE { format!("{score:.2}") } else { format!("{score:.4e}") }
}

fn signed(part: f32) -> String {
    if part.abs() < LARGE { format!("{part:+.2}") } else { format!("{part:+.4e}") }
}
