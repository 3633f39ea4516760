//! `anoonly data list`.

use anoonly::data::catalogue::{CatalogueEntry, Source};
use anoonly::data::fetch::{KnownSet, LICENCE, SOURCE, cache_folder, known};
use anoonly_page::markdown_table;
use clap::Args;
use serde::Serialize;

use super::{Failure, cached, with_share};

#[derive(Debug, Args)]
pub struct Options {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A line of the list.
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
    /// Of the file of a set that can be fetched, as its digest.
    bytes: Option<u64>,
    sha256: Option<String>,
}

/// Where a data set is.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum AtHand {
    Embedded,
    Fetched,
    No,
}

impl Options {
    pub(super) fn run(self) -> Result<String, Failure> {
        let mut lines: Vec<Line> = Source::Embedded.entries()?.iter().map(embedded).collect::<Result<_, _>>()?;
        lines.extend(known().iter().map(adbench));
        Ok(if self.json { format!("{}\n", serde_json::json!(lines)) } else { told(&lines) })
    }
}

fn embedded(entry: &CatalogueEntry) -> Result<Line, Failure> {
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

fn told(lines: &[Line]) -> String {
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
        Ok(folder) => format!("`anoonly data fetch NAME` fetches to {}.", folder.display()),
        Err(_) => "`anoonly data fetch NAME --to DIR` fetches.".into(),
    };
    format!(
        "{table}\n\n{folder} Of ADBench, the list has the data sets whose digest the project has checked; \
         any other goes by its folder and the digest you give: anoonly data fetch Classical/33_skin --sha256 HEX\n"
    )
}
