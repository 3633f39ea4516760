//! Local outlier factor: rows in a sparser place than their neighbours are in.
//!
//! Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers", SIGMOD 2000.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::host::{cells, parameter, tensor, unlabelled};
use crate::tools::neighbours::Neighbours;
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of the local outlier factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LofConfig {
    /// Neighbours of a row, MinPts in the paper. All others where there are fewer.
    pub k: usize,
}

impl Default for LofConfig {
    fn default() -> Self {
        Self { k: 20 }
    }
}

/// Added to a mean reachability distance, as scikit-learn does: rows with as many copies as neighbours have a density too.
const GAP: f64 = 1e-10;

impl Method for LofConfig {
    type Network<B: Backend> = Lof<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "lof",
        title: "Local outlier factor",
        kind: Kind::Unsupervised,
        source: "Breunig, Kriegel, Ng, Sander, SIGMOD 2000",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name).at_least_one("k", self.k).done()
    }

    fn weights(&self, columns: usize, saved: &Shapes) -> usize {
        columns.saturating_add(2).saturating_mul(saved.entries("rows"))
    }

    fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> Lof<B> {
        let rows = saved.entries("rows");
        let zeros = |count: usize| vec![0.0; count];
        Lof {
            rows: parameter(zeros(rows * columns), [rows, columns], device),
            reaches: parameter(zeros(rows), [rows], device),
            densities: parameter(zeros(rows), [rows], device),
            k: self.k,
        }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, _: &mut impl Rng) -> Lof<B> {
        let (rows, columns, device) = (unlabelled(data), data.columns(), data.rows.device());
        let count = data.unlabelled.len();
        let nearest = Neighbours::new(rows.clone(), columns).of_each(self.k);
        let mut reaches: Vec<f32> = nearest.by_row().map(|(_, distances)| farthest(distances)).collect();
        let mut densities: Vec<f32> =
            nearest.by_row().map(|(places, distances)| density(places, distances, &reaches) as f32).collect();
        // A row without another one has no neighbour to reach.
        reaches.resize(count, 0.0);
        densities.resize(count, (1.0 / GAP) as f32);
        Lof {
            rows: parameter(rows, [count, columns], &device),
            reaches: parameter(reaches, [count], &device),
            densities: parameter(densities, [count], &device),
            k: self.k,
        }
    }
}

fn farthest(distances: &[f64]) -> f32 {
    distances.last().map_or(0.0, |&distance| distance as f32)
}

/// One over the mean reachability distance to neighbours: the distance, or the one to which the neighbour's own neighbours reach
/// where that is larger.
fn density(places: &[u32], distances: &[f64], reaches: &[f32]) -> f64 {
    let reached = |(&place, &distance): (&u32, &f64)| distance.max(f64::from(reaches[place as usize]));
    let sum: f64 = places.iter().zip(distances).map(reached).sum();
    1.0 / (sum / places.len() as f64 + GAP)
}

/// The unlabelled rows, `[rows, columns]`; of each the distance to its farthest neighbour and its local reachability density,
/// `[rows]`.
#[derive(Module, Debug)]
pub struct Lof<B: Backend> {
    rows: Param<Tensor<B, 2>>,
    reaches: Param<Tensor<B, 1>>,
    densities: Param<Tensor<B, 1>>,
    k: usize,
}

impl<B: Backend> Network<B> for Lof<B> {
    /// It leaps where a row gets another neighbour.
    fn smooth(&self) -> bool {
        false
    }

    /// The mean density of the neighbours over that of the row: 1 for a row as among its like. The row is not one of those
    /// fitted on, so that a copy of it there is its nearest neighbour.
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let ([count, columns], device) = (rows.dims(), rows.device());
        let (reaches, densities) = (cells(self.reaches.val()), cells(self.densities.val()));
        let nearest = Neighbours::new(cells(self.rows.val()), columns).of(&cells(rows), self.k);
        let factor = |(places, distances): (&[u32], &[f64])| {
            let sum: f64 = places.iter().map(|&place| f64::from(densities[place as usize])).sum();
            (sum / places.len() as f64 / density(places, distances, &reaches)) as f32
        };
        tensor(nearest.by_row().map(factor).collect(), [count], &device)
    }
}
