//! Assembly of batches: `cargo bench --package anoonly-models --bench batches`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use anoonly_core::Seed;
use anoonly_models::{Batch, StepRows, TrainingData};
use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use divan::Bencher;
use divan::counter::ItemsCount;
use rand::RngExt;

const ROWS: usize = 5000;
const COLUMNS: usize = 512;
const ANOMALIES: usize = 25;

fn main() {
    divan::main();
}

/// Gathers the rows of a batch from the training rows. Half of them are anomalies.
#[divan::bench(args = [64, 512])]
fn batch_assembly(bencher: Bencher, rows: usize) {
    let mut rng = Seed(1).stream(&["bench", "batch"]);
    let cells: Vec<f32> = (0..ROWS * COLUMNS).map(|_| rng.random()).collect();
    let rows_on_device = Tensor::<Flex, 2>::from_data(TensorData::new(cells, [ROWS, COLUMNS]), &Default::default());
    let (anomalies, unlabelled) = ((0..ANOMALIES).collect(), (ANOMALIES..ROWS).collect());
    let data = TrainingData { rows: rows_on_device, others: unlabelled, anomalies, normals: Vec::new() };
    let mut drawn = || {
        let unlabelled: Vec<usize> = (0..rows / 2).map(|_| rng.random_range(ANOMALIES..ROWS)).collect();
        let indices = unlabelled.into_iter().chain((0..rows / 2).map(|row| row % ANOMALIES)).collect();
        StepRows { indices, unlabelled: rows / 2, normals: 0 }
    };
    let batches: Vec<StepRows> = (0..64).map(|_| drawn()).collect();
    let mut next = batches.iter().cycle();
    bencher.counter(ItemsCount::new(rows)).bench_local(|| Batch::<Autodiff<Flex>>::gather(&data, next.next().unwrap()));
}
