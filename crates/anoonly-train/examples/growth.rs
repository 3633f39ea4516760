//! How the cost of fits and scores grows with the rows and the columns of a table. Takes some minutes and 4 GB of memory.
//!
//! ```sh
//! cargo run --release -p anoonly-train --example growth
//! ```
//!
//! A number as an argument leaves out tables with more cells than that.
//!
//! Seconds are those of the processor on all cores together; where the system does not tell them, those of the clock.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::fs;
use std::time::Instant;

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_train::{ComputeDevice, Detector, Supervision};
use ndarray::{Array2, Axis};
use rand::RngExt;

type Failed = Box<dyn std::error::Error>;

/// The methods, by name.
const METHODS: [&str; 6] = ["quorum", "logistic", "mean-difference", "mahalanobis", "hbos", "isolation-forest"];
const ROWS: [usize; 4] = [10_000, 100_000, 1_000_000, 5_000_000];
const COLUMNS: [usize; 4] = [10, 40, 200, 2000];
/// Larger tables are left out.
const MOST_CELLS: usize = 200_000_000;
/// The most rows that are scored.
const SCORED: usize = 50_000;
/// Work is repeated until it takes this many seconds in total.
const LEAST_SECONDS: f64 = 0.2;

/// Seconds of a fit and microseconds of a scored row, by columns and rows; `None` for a table that is left out.
type Costs = [[Option<[f64; 2]>; ROWS.len()]; COLUMNS.len()];

fn main() -> Result<(), Failed> {
    let most_cells = std::env::args().nth(1).map_or(Ok(MOST_CELLS), |cells| cells.parse())?;
    let mut costs = vec![Costs::default(); METHODS.len()];
    for (column, columns) in COLUMNS.into_iter().enumerate() {
        for (row, rows) in ROWS.into_iter().enumerate().filter(|(_, rows)| rows * columns <= most_cells) {
            let samples = samples(rows, columns)?;
            for (costs, name) in costs.iter_mut().zip(METHODS) {
                costs[column][row] = Some(measured(name, &samples)?);
            }
        }
    }
    for (place, (title, decimals)) in [("Fit, seconds", 4), ("Score, microseconds a row", 3)].into_iter().enumerate() {
        let rows = ROWS.map(|rows| format!(" {rows} rows |")).concat();
        println!("| {title} | columns |{rows} exponent in rows |");
        println!("|---|---|{}---|", "---|".repeat(ROWS.len()));
        for (name, costs) in METHODS.iter().zip(&costs) {
            let cost = |column: usize, row: usize| costs[column][row].map(|cost| cost[place]);
            for (column, columns) in COLUMNS.into_iter().enumerate() {
                let shown = (0..ROWS.len()).map(|row| match cost(column, row) {
                    Some(cost) => format!(" {cost:.decimals$} |"),
                    None => " – |".into(),
                });
                let of_rows: Vec<(usize, f64)> =
                    ROWS.into_iter().enumerate().filter_map(|(row, rows)| Some((rows, cost(column, row)?))).collect();
                // The cost of all rows, where the cost of one is given.
                let all =
                    of_rows.into_iter().map(|(rows, cost)| (rows, cost * if place == 1 { rows as f64 } else { 1.0 }));
                println!(
                    "| {name} | {columns} |{} {} |",
                    shown.collect::<String>(),
                    exponent(&all.collect::<Vec<_>>())
                );
            }
            let in_columns = (0..ROWS.len()).map(|row| {
                let of_columns = COLUMNS.into_iter().enumerate();
                let known: Vec<(usize, f64)> =
                    of_columns.filter_map(|(column, columns)| Some((columns, cost(column, row)?))).collect();
                format!(" {} |", exponent(&known))
            });
            println!("| {name} | exponent in columns |{} |", in_columns.collect::<String>());
        }
        println!();
    }
    Ok(())
}

/// The exponent of the growth between the two largest sizes.
fn exponent(costs: &[(usize, f64)]) -> String {
    match costs {
        [.., (small, low), (large, high)] => {
            format!("{:.2}", (high / low).ln() / (*large as f64 / *small as f64).ln())
        }
        _ => "–".into(),
    }
}

/// Seconds of a fit, and microseconds of a scored row.
fn measured(name: &str, samples: &Samples) -> Result<[f64; 2], Failed> {
    let detector = Detector::new(AnyMethod::by_name(name)?, Supervision::Full, Seed(1))?;
    let (fitted, fit) = timed(|| Ok(detector.fit(samples, &ComputeDevice::default())?))?;
    let count = samples.rows().min(SCORED);
    let rows = samples.features().select(Axis(0), &(0..count).collect::<Vec<_>>());
    // The first scores prepare the detector.
    fitted.score(&rows)?;
    let (_, score) = timed(|| Ok(fitted.score(&rows)?))?;
    Ok([fit, 1e6 * score / count as f64])
}

/// The result of a function and the seconds that one call takes, a mean over as many calls as take [`LEAST_SECONDS`].
fn timed<T>(work: impl Fn() -> Result<T, Failed>) -> Result<(T, f64), Failed> {
    let (began, before, mut calls) = (Instant::now(), processor_seconds(), 0);
    loop {
        let result = work()?;
        calls += 1;
        if began.elapsed().as_secs_f64() < LEAST_SECONDS {
            continue;
        }
        let seconds = before.zip(processor_seconds()).map(|(before, after)| after - before);
        return Ok((result, seconds.unwrap_or_else(|| began.elapsed().as_secs_f64()) / f64::from(calls)));
    }
}

/// The seconds that all threads of this process together have run; `None` where the system does not say it.
fn processor_seconds() -> Option<f64> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let nanoseconds = tasks.flatten().map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    Some(nanoseconds.sum::<Option<f64>>()? / 1e9)
}

/// Training rows whose columns have something in common. One in two hundred is a labelled anomaly, shifted in half of its columns.
fn samples(rows: usize, columns: usize) -> Result<Samples, Failed> {
    let mut rng = Seed(1).stream(&["training rows"]);
    let mut features = Array2::zeros((rows, columns));
    for (row, mut cells) in features.rows_mut().into_iter().enumerate() {
        let shared: f32 = rng.random();
        for (column, cell) in cells.iter_mut().enumerate() {
            let shift = if row % 200 == 0 && column % 2 == 0 { 0.5 } else { 0.0 };
            *cell = rng.random::<f32>() + 0.3 * shared + shift;
        }
    }
    let labels = (0..rows).map(|row| if row % 200 == 0 { Label::Anomaly } else { Label::Unlabelled }).collect();
    Ok(Samples::new(features, labels)?)
}
