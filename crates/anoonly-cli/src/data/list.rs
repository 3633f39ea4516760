//! `anoonly data list`.

use anoonly::data::catalogue::{CatalogueEntry, Source};
use anoonly::data::fetch::{KnownSet, LICENCE, SOURCE, cache_folder, known};
use anoonly_page::markdown_table;
use clap::Args;
use serde::Serialize;

use super::{cached, with_share};
use crate::error::CommandError;
use crate::{print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// One data set of the list.
#[derive(Serialize)]
struct Line {
    name: String,
    family: String,
    source: &'static str,
    licence: &'static str,
    at_hand: AtHand,
    rows: usize,
    features: usize,
    anomalies: usize,
    /// The size of the file; only of sets that can be fetched, like the digest.
    bytes: Option<u64>,
    sha256: Option<String>,
}

/// Whether a data set is available on this machine.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum AtHand {
    Embedded,
    Fetched,
    No,
}

impl Options {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let mut lines: Vec<Line> = Source::Embedded.entries()?.iter().map(embedded).collect::<Result<_, _>>()?;
        lines.extend(known().iter().map(adbench));
        match self.json {
            true => print_json(&serde_json::json!(lines))?,
            false => print(&render(&lines)),
        }
        Ok(())
    }
}

fn embedded(entry: &CatalogueEntry) -> Result<Line, CommandError> {
    let samples = entry.load()?.samples;
    Ok(Line {
        name: entry.name.clone(),
        family: entry.family.clone(),
        source: entry.source().unwrap_or_default(),
        licence: entry.licence().unwrap_or_default(),
        at_hand: AtHand::Embedded,
        rows: samples.rows(),
        features: samples.columns(),
        anomalies: samples.by_class().anomalies.len(),
        bytes: None,
        sha256: None,
    })
}

fn adbench(set: &KnownSet) -> Line {
    Line {
        name: set.path(),
        family: set.family().to_owned(),
        source: SOURCE,
        licence: LICENCE,
        at_hand: if cached(set).is_some() { AtHand::Fetched } else { AtHand::No },
        rows: set.rows,
        features: set.features,
        anomalies: set.anomalies,
        bytes: Some(set.bytes),
        sha256: Some(set.sha256.to_string()),
    }
}

fn render(lines: &[Line]) -> String {
    let header = ["data set", "family", "source", "licence", "at hand", "rows", "features", "anomalies"];
    let mut table = markdown_table(&header, 5);
    for line in lines {
        let at_hand = match line.at_hand {
            AtHand::Embedded => "embedded",
            AtHand::Fetched => "fetched",
            AtHand::No => "no",
        };
        table.add_row([
            line.name.clone(),
            line.family.clone(),
            line.source.to_owned(),
            line.licence.to_owned(),
            at_hand.to_owned(),
            line.rows.to_string(),
            line.features.to_string(),
            with_share(line.anomalies, line.rows),
        ]);
    }
    let folder = match cache_folder() {
        Ok(folder) => format!("`anoonly data fetch NAME` fetches a data set to {}.", folder.display()),
        Err(_) => "`anoonly data fetch NAME --to DIR` fetches a data set.".into(),
    };
    format!(
        "{table}\n\n{folder} The list has those data sets of ADBench whose digest the project has checked. To fetch another one, \
         give its folder and its digest: anoonly data fetch Classical/33_skin --sha256 HEX\n"
    )
}
