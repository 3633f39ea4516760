//! The limit of a machine on one thread: the time of the matrix products of a method alone, or of reading its rows.

use std::hint::black_box;
use std::time::Instant;

use anoonly_models::AnyMethod;
use anoonly_train::matrix_product;
use pulp::{Arch, Simd, WithSimd};
use serde::Serialize;

use super::{TRAINING, Task};

/// How often a step or a block computes a product `[m, k] · [k, n]`, and its sizes.
type Product = (f64, [usize; 3]);

/// The speed of a machine on one thread.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Machine {
    /// The floating-point operations of a product of two 512 × 512 matrices by the kernels of Flex, in 10⁹ per second.
    pub gflops: f64,
    /// The floating-point operations of fused multiplications and additions in registers, in 10⁹ per second: no product is faster.
    pub peak_gflops: f64,
    /// The bytes read from memory, in 10⁹ per second.
    pub bandwidth: f64,
}

impl Machine {
    /// Measures this machine.
    pub fn measure() -> Self {
        let size = 512;
        let gflops = 2.0 * (size as f64).powi(3) / seconds([size; 3]) / 1e9;
        Self { gflops, peak_gflops: peak_gflops(), bandwidth: bandwidth() }
    }

    /// An upper limit of the steps or rows per second: the time of the matrix products by the kernels of Flex, or of reading the rows
    /// if that takes longer. No hand-written loop around these products could be faster. `None` for a task without equal steps.
    pub fn limit(&self, task: Task, method: &AnyMethod) -> Option<f64> {
        let (columns, products) = match task {
            Task::Train => return Some(products_seconds(&training(method)).recip()),
            Task::ScoreNarrow => (64, forward(BLOCK, &widths(method, 64))),
            Task::ScoreWide => (512, forward(BLOCK, &widths(method, 512))),
            Task::Whole => return None,
        };
        let reading = (BLOCK * columns * size_of::<f32>()) as f64 / (self.bandwidth * 1e9);
        Some(BLOCK as f64 / products_seconds(&products).max(reading))
    }
}

/// The floating-point operations of the products of a training step, in 10⁹: without last layers of width 1, which are cheap. An anomaly
/// that a batch repeats is computed once.
pub fn gflop_of_a_step(method: &AnyMethod) -> f64 {
    let operations = |[m, k, n]: [usize; 3]| 2.0 * (m * k * n) as f64;
    training(method).into_iter().map(|(share, shape)| share * operations(shape)).sum::<f64>() / 1e9
}

/// The rows of a block that is scored at once.
const BLOCK: usize = 2048;

/// The widths of the layers of a method, from input to output. A last layer of width 1 is left out, because its product is cheap
/// compared with the others.
fn widths(method: &AnyMethod, columns: usize) -> Vec<usize> {
    match method {
        AnyMethod::DevNet(_) | AnyMethod::PReNet(_) => vec![columns, 20],
        AnyMethod::DeepSad(_) => vec![columns, 100, 20, 10],
        AnyMethod::Feawad(_) => vec![columns, columns, 128, 64, 128, columns, 256, 32],
        AnyMethod::Mlp(_) => vec![columns, 100],
        AnyMethod::ResNet(_) => vec![columns, 128, 256, 128, 256, 128],
        _ => Vec::new(),
    }
}

fn pairs(widths: &[usize]) -> impl Iterator<Item = [usize; 2]> {
    widths.windows(2).map(|pair| [pair[0], pair[1]])
}

fn forward(rows: usize, widths: &[usize]) -> Vec<Product> {
    pairs(widths).map(|[inputs, outputs]| (1.0, [rows, inputs, outputs])).collect()
}

/// The products of a training step: forward, and backward with respect to the weights and, except in the first layer, to the rows. For
/// FEAWAD, the mean over its two trainings, weighted by their steps.
fn training(method: &AnyMethod) -> Vec<Product> {
    let columns = TRAINING.1;
    let layers = |rows: usize, share: f64, widths: &[usize]| {
        let of = move |(index, [inputs, outputs]): (usize, [usize; 2])| {
            let mut products = vec![(share, [rows, inputs, outputs]), (share, [inputs, rows, outputs])];
            if index > 0 {
                products.push((share, [rows, outputs, inputs]));
            }
            products
        };
        pairs(widths).enumerate().flat_map(of).collect::<Vec<_>>()
    };
    // A batch that draws an anomaly several times computes it once. 32 draws from 25 anomalies give 18 different ones on average. Batch
    // normalisation needs the repetitions.
    let anomalies = TRAINING.2;
    match method {
        AnyMethod::DevNet(_) => layers(32 + 18, 1.0, &[columns, 20]),
        AnyMethod::PReNet(_) => layers(640 + anomalies, 1.0, &[columns, 20]),
        AnyMethod::DeepSad(_) => layers(128, 1.0, &[columns, 100, 20, 10]),
        AnyMethod::Feawad(_) => {
            let autoencoder = [columns, columns, 128, 64, 128, columns];
            let (first, second) = (2000.0 / 2600.0, 600.0 / 2600.0);
            let mut all = layers(512, first, &autoencoder);
            all.extend(layers(256 + anomalies, second, &autoencoder));
            let mut head = layers(256 + anomalies, second, &[columns + 65, 256]);
            head.push((second, [256 + anomalies, 256, columns + 65]));
            all.extend(head);
            all
        }
        AnyMethod::Mlp(_) => layers(100 + anomalies, 1.0, &[columns, 100]),
        AnyMethod::ResNet(_) => {
            let mut all = layers(32 + 18, 1.0, &[columns, 128]);
            for [inputs, outputs] in [[128, 256], [256, 128], [128, 256], [256, 128]] {
                let rows = 64;
                all.extend([
                    (1.0, [rows, inputs, outputs]),
                    (1.0, [inputs, rows, outputs]),
                    (1.0, [rows, outputs, inputs]),
                ]);
            }
            all
        }
        _ => Vec::new(),
    }
}

fn products_seconds(products: &[Product]) -> f64 {
    products.iter().map(|&(share, shape)| share * seconds(shape)).sum()
}

/// The seconds of a product by the kernels of Flex, the best of several turns.
fn seconds(shape: [usize; 3]) -> f64 {
    best(matrix_product(shape))
}

/// The speed of fused multiplications and additions in registers, in 10⁹ floating-point operations per second.
fn peak_gflops() -> f64 {
    let work = || Arch::new().dispatch(Registers { turns: 1000 });
    let operations = work();
    let seconds = best(|| {
        black_box(work());
    });
    operations as f64 / seconds / 1e9
}

/// Independent sums, as many as keep the units of a core busy. The result is the number of floating-point operations.
struct Registers {
    turns: usize,
}

impl WithSimd for Registers {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let factor = simd.splat_f32s(black_box(0.5));
        // The compiler must not see that sums are equal.
        let mut sums = [0.0; 12].map(|start| simd.splat_f32s(black_box(start)));
        for _ in 0..self.turns {
            sums.iter_mut().for_each(|sum| *sum = simd.mul_add_e_f32s(*sum, factor, factor));
        }
        sums.iter().for_each(|sum| {
            black_box(simd.reduce_sum_f32s(*sum));
        });
        2 * self.turns * sums.len() * S::F32_LANES
    }
}

/// The bandwidth of memory in 10⁹ bytes per second, measured on more data than a cache holds.
fn bandwidth() -> f64 {
    let values = vec![1u64; 32 << 20];
    let seconds = best(|| {
        let sums = values.chunks_exact(8).fold([0u64; 8], |mut sums, chunk| {
            sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
            sums
        });
        black_box(sums);
    });
    size_of_val(values.as_slice()) as f64 / seconds / 1e9
}

fn best(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let (start, mut turns) = (Instant::now(), 0);
        while start.elapsed().as_secs_f64() < 0.01 {
            work();
            turns += 1;
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(turns));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::methods;
    use super::*;

    #[test]
    fn every_measured_method_has_products() {
        for method in methods() {
            assert!(gflop_of_a_step(&method) > 0.0, "{method:?}");
            assert_eq!(widths(&method, 64).first(), Some(&64), "{method:?}");
        }
    }

    /// Batches of 128 rows through 512 – 100 – 20 – 10 units: forward, and backward to the weights and, after the first layer, to the rows.
    #[test]
    fn the_operations_of_a_step_of_deepsad_are_those_of_its_products() {
        let weights = [512 * 100, 100 * 20, 20 * 10];
        let expected = 2 * 128 * (2 * weights.iter().sum::<usize>() + weights[1] + weights[2]);
        let found = gflop_of_a_step(&AnyMethod::by_name("deepsad").unwrap());
        assert!((found * 1e9 - expected as f64).abs() < 1.0, "{found} and {expected}");
    }
}
