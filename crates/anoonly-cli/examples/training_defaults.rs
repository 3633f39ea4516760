//! Measures the choices behind the defaults of `anoonly train`: the number of members and early stopping.
//!
//! ```sh
//! cargo run --release --package anoonly-cli --example training_defaults          # the data sets that ship with the program
//! cargo run --release --package anoonly-cli --example training_defaults DIR 3    # a folder, as for `anoonly bench`, 3 seeds
//! cargo run --release --package anoonly-cli --example training_defaults DIR 3 prenet
//! ```
//!
//! Each data set is split by protocol `clean` with 10 % of the training anomalies labelled. Twenty members are trained. They form
//! disjoint ensembles of 1, 2, 5, 10 and 20 members. Early stopping is measured if at least three anomalies are labelled.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its results")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use anoonly::TableDetector;
use anoonly::data::encode::Unknown;
use anoonly::eval::mean_interval;
use anoonly::prelude::{AnyMethod, LabelBudget, Protocol, Seed, Source, Table, Trial, auroc, average_precision};
use anoonly_page::markdown_table;

const MEMBERS: usize = 20;
const SIZES: [usize; 5] = [1, 2, 5, 10, 20];
/// The number of members of the ensembles with early stopping.
const STOPPED: usize = 5;

/// AUROC and average precision, in percent.
type Metrics = [f64; 2];

/// The results of one data set and seed.
struct Outcome {
    /// The metrics of each ensemble of each size.
    ensembles: Vec<Vec<Metrics>>,
    /// The metrics without and with early stopping, and the share of the epochs that were trained.
    stopping: Option<(Metrics, Metrics, f64)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let source = match words.first().map(String::as_str) {
        None | Some("embedded") => Source::Embedded,
        Some(folder) => Source::Folder(folder.into()),
    };
    let seeds: u64 = words.get(1).map_or(Ok(1), |seeds| seeds.parse())?;
    let method = AnyMethod::by_name(words.get(2).map_or("devnet", String::as_str))?;
    let mut families: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    for entry in source.select(&[])? {
        let dataset = entry.load()?;
        for seed in (1..=seeds).map(Seed) {
            let split = Protocol::Clean.split(&dataset, seed)?;
            let trial = Trial::new(&dataset, &split, LabelBudget::Ratio(0.1), seed)?;
            families.entry(dataset.family.clone()).or_default().push(measure(&method, &trial, seed)?);
        }
        eprintln!("{}", dataset.name);
    }
    print_tables(&families);
    Ok(())
}

fn measure(method: &AnyMethod, trial: &Trial, seed: Seed) -> Result<Outcome, Box<dyn Error>> {
    let train = Table::of_samples(Path::new("train"), &trial.train)?;
    let test = Table::of_samples(Path::new("test"), &trial.test)?;
    let truth = trial.test.anomalous();
    let metrics = |scores: &[f32]| -> Result<Metrics, Box<dyn Error>> {
        Ok([100.0 * auroc(scores, &truth)?, 100.0 * average_precision(scores, &truth)?])
    };
    let detector = TableDetector::new(method.clone()).seed(seed.derive(&["defaults"]));
    let model = detector.clone().members(MEMBERS).fit(&train, "label")?;
    let features = model.encoder().encode(&test, Unknown::Refuse)?.features;
    let mut members = Vec::new();
    for (member, scale) in model.members() {
        let scores = member.score(&features)?.into_iter();
        members
            .push(scores.map(|score| ((f64::from(score) - scale.mean) / scale.deviation) as f32).collect::<Vec<f32>>());
    }
    let of_size = |size: usize| {
        let sum = |group: &[Vec<f32>]| -> Vec<f32> {
            (0..truth.len()).map(|row| group.iter().map(|scores| scores[row]).sum()).collect()
        };
        members.chunks(size).map(|group| metrics(&sum(group))).collect::<Result<Vec<_>, _>>()
    };
    let ensembles = SIZES.into_iter().map(of_size).collect::<Result<Vec<_>, _>>()?;
    let stopping = match trial.labelled >= 3 {
        false => None,
        true => {
            let stopped = detector.members(STOPPED).early_stopping(true).fit(&train, "label")?;
            let share =
                stopped.provenance().stopping.map_or(1.0, |stopping| stopping.epochs as f64 / stopping.of as f64);
            let size = SIZES.iter().position(|&size| size == STOPPED).unwrap_or_default();
            Some((ensembles[size][0], metrics(&stopped.score(&test)?)?, share))
        }
    };
    Ok(Outcome { ensembles, stopping })
}

fn print_tables(families: &BTreeMap<String, Vec<Outcome>>) {
    let mut header: Vec<String> = vec!["family".into(), "sets × seeds".into()];
    for metric in ["AUROC", "AP"] {
        header.extend(SIZES.iter().map(|size| format!("{metric} {size}")));
    }
    header.extend(SIZES[..4].iter().map(|size| format!("spread {size}")));
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = markdown_table(&header, 1);
    let mut lines: Vec<Vec<f64>> = Vec::new();
    for (family, outcomes) in families {
        let mean = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / outcomes.len() as f64;
        let figure = |metric: usize, size: usize| {
            mean(&|outcome| {
                outcome.ensembles[size].iter().map(|metrics| metrics[metric]).sum::<f64>()
                    / outcome.ensembles[size].len() as f64
            })
        };
        let mut line: Vec<f64> = (0..2)
            .flat_map(|metric| (0..SIZES.len()).map(move |size| (metric, size)))
            .map(|(m, s)| figure(m, s))
            .collect();
        line.extend((0..4).map(|size| mean(&|outcome| spread(&outcome.ensembles[size]))));
        let cells = line.iter().map(|value| format!("{value:.1}"));
        table.add_row([family.clone(), outcomes.len().to_string()].into_iter().chain(cells));
        lines.push(line);
    }
    let over_families = (0..lines[0].len())
        .map(|place| format!("{:.1}", lines.iter().map(|line| line[place]).sum::<f64>() / lines.len() as f64));
    let all: usize = families.values().map(Vec::len).sum();
    table.add_row(["mean over families".to_owned(), all.to_string()].into_iter().chain(over_families));
    println!(
        "Percent, by the number of members. Spread: standard deviation of AP over ensembles that differ only in their seeds.\n\n{table}\n"
    );

    let stopping: Vec<(Metrics, Metrics, f64)> =
        families.values().flatten().filter_map(|outcome| outcome.stopping).collect();
    for (name, metric) in [("AUROC", 0), ("AP", 1)] {
        let gains: Vec<f64> = stopping.iter().map(|(without, with, _)| with[metric] - without[metric]).collect();
        let Some(gain) = mean_interval(&gains, 0.95) else { continue };
        let [better, worse] =
            [gains.iter().filter(|&&gain| gain > 0.0).count(), gains.iter().filter(|&&gain| gain < 0.0).count()];
        println!(
            "Early stopping, {STOPPED} members, {} sets × seeds: {name} {:+.2} ({:+.2} to {:+.2}), better on {better}, worse on {worse}.",
            gains.len(),
            gain.estimate,
            gain.low,
            gain.high
        );
    }
    let shares: Vec<f64> = stopping.iter().map(|(_, _, share)| *share).collect();
    if !shares.is_empty() {
        let stopped = shares.iter().filter(|&&share| share < 1.0).count();
        println!(
            "It stopped before the last epoch on {stopped} of them. On average over all, it trained {:.0} % of the epochs.",
            100.0 * shares.iter().sum::<f64>() / shares.len() as f64
        );
    }
}

/// The standard deviation of average precision over ensembles.
fn spread(ensembles: &[Metrics]) -> f64 {
    let n = ensembles.len() as f64;
    let mean = ensembles.iter().map(|metrics| metrics[1]).sum::<f64>() / n;
    (ensembles.iter().map(|metrics| (metrics[1] - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}
