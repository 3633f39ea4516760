//! Benchmarks of the time-critical parts: `cargo bench --workspace --bench pieces`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fs::File;
use std::io::Write;

use anoonly_bench::speed::{random, samples, with_epochs};
use anoonly_core::Seed;
use anoonly_data::table::{LabelColumn, Table};
use anoonly_eval::{auroc, average_precision};
use anoonly_models::AnyMethod;
use anoonly_models::recipe::Batches;
use anoonly_train::{ComputeDevice, Detector, FittedDetector, Supervision};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use npyz::WriterBuilder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const ROWS: usize = 5000;
const COLUMNS: usize = 512;
const ANOMALIES: usize = 25;
const METHODS: [&str; 4] = ["devnet", "prenet", "feawad", "deepsad"];

fn main() {
    divan::main();
}

/// Twenty training steps, with scaling and initialisation.
#[divan::bench(args = METHODS)]
fn twenty_steps(bencher: Bencher, method: &str) {
    let mut method = AnyMethod::by_name(method).unwrap();
    if let AnyMethod::Feawad(feawad) = &mut method {
        feawad.pretraining.epochs = 1;
        if let Batches::Balanced { steps, .. } = &mut feawad.pretraining.batches {
            *steps = 1;
        }
    }
    // An epoch of DeepSAD is one pass over the rows.
    let (rows, epochs) = if method.info().name == "deepsad" { (128, 20) } else { (ROWS, 1) };
    method.recipe_mut().unwrap().epochs = epochs;
    let detector = Detector::new(method, Supervision::AnomalyOnly, Seed(1)).unwrap();
    let samples = samples(rows, COLUMNS, ANOMALIES);
    bencher
        .counter(ItemsCount::new(20usize))
        .bench_local(|| detector.fit(black_box(&samples), &ComputeDevice::default()).unwrap());
}

fn fitted(method: &str) -> FittedDetector {
    let method = with_epochs(AnyMethod::by_name(method).unwrap(), |_| 1);
    let detector = Detector::new(method, Supervision::AnomalyOnly, Seed(1)).unwrap();
    detector.fit(&samples(1000, COLUMNS, ANOMALIES), &ComputeDevice::default()).unwrap()
}

/// Scoring on one thread.
#[divan::bench(args = METHODS)]
fn scoring(bencher: Bencher, method: &str) {
    let (fitted, rows) = (fitted(method), random(8192, COLUMNS, "bench"));
    bencher.counter(ItemsCount::new(8192usize)).bench_local(|| fitted.score_on_one_thread(black_box(&rows)).unwrap());
}

fn scores() -> (Vec<f32>, Vec<bool>) {
    let scores = random(100_000, 1, "bench").into_raw_vec_and_offset().0;
    let truth = (0..scores.len()).map(|row| row % 20 == 0).collect();
    (scores, truth)
}

#[divan::bench]
fn area_under_roc(bencher: Bencher) {
    let (scores, truth) = scores();
    bencher.counter(ItemsCount::new(scores.len())).bench_local(|| auroc(black_box(&scores), &truth).unwrap());
}

#[divan::bench]
fn area_under_precision_recall(bencher: Bencher) {
    let (scores, truth) = scores();
    bencher
        .counter(ItemsCount::new(scores.len()))
        .bench_local(|| average_precision(black_box(&scores), &truth).unwrap());
}

/// Reading a file as a table and its columns as samples.
#[divan::bench(args = ["npz", "csv"])]
fn reading(bencher: Bencher, kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("table.{kind}"));
    let features = random(ROWS, 64, "bench");
    let mut file = File::create(&path).unwrap();
    match kind {
        "npz" => {
            let labels = vec![0.0f32; ROWS];
            let mut archive = ZipWriter::new(file);
            let mut put = |name: &str, shape: &[u64], cells: &[f32]| {
                archive.start_file(name, SimpleFileOptions::default()).unwrap();
                let array = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut archive);
                let mut array = array.begin_nd().unwrap();
                array.extend(cells.iter().copied()).unwrap();
                array.finish().unwrap();
            };
            put("X.npy", &[ROWS as u64, 64], features.as_slice().unwrap());
            put("y.npy", &[ROWS as u64], &labels);
            archive.finish().unwrap();
        }
        _ => {
            let names: Vec<String> = (0..64).map(|column| format!("x{column}")).collect();
            writeln!(file, "{},y", names.join(",")).unwrap();
            for row in features.rows() {
                let cells: Vec<String> = row.iter().map(f32::to_string).collect();
                writeln!(file, "{},0", cells.join(",")).unwrap();
            }
        }
    }
    let label = LabelColumn { names: vec!["y".into()], anomaly: None };
    bencher
        .counter(BytesCount::new(std::fs::metadata(&path).unwrap().len()))
        .bench_local(|| Table::read(black_box(&path)).unwrap().samples(&label).unwrap());
}
