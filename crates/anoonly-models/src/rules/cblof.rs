//! CBLOF: rows far from every large cluster.
//!
//! He, Xu and Deng, "Discovering cluster-based local outliers", Pattern Recognition Letters 2003.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Checks;
use crate::layers::host::{parameter, unlabelled};
use crate::tools::kmeans::Clusters;
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of CBLOF. The score of a row is its distance from the nearest centre of a large cluster: a row of a small cluster
/// has no large one nearer, and one of a large cluster has its own.
///
/// Departs from the paper, as PyOD does by default, in that clusters come from k-means and a score is not multiplied by the size
/// of the cluster. Where no number of clusters passes for large, all do; PyOD refuses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CblofConfig {
    /// Clusters; fewer where there are not so many different rows.
    pub clusters: usize,
    /// The largest clusters are large that together hold this share of the rows,
    pub alpha: f64,
    /// and the last of which is so many times as large as the next one. If both cannot be, the share decides.
    pub beta: f64,
}

impl Default for CblofConfig {
    fn default() -> Self {
        Self { clusters: 8, alpha: 0.9, beta: 5.0 }
    }
}

impl Method for CblofConfig {
    type Network<B: Backend> = Cblof<B>;

    const INFO: MethodInfo = MethodInfo {
        name: "cblof",
        title: "CBLOF",
        kind: Kind::Unsupervised,
        source: "He, Xu, Deng, Pattern Recognition Letters 2003",
    };

    fn check(&self) -> Result<(), ConfigError> {
        Checks::of(Self::INFO.name)
            .at_least_one("clusters", self.clusters)
            .share("alpha", self.alpha)
            .that(self.beta > 1.0 && self.beta.is_finite(), "beta", self.beta, "a finite number above 1")
            .done()
    }

    fn weights(&self, columns: usize, saved: &Shapes) -> usize {
        columns.saturating_mul(saved.entries("centres"))
    }

    fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> Cblof<B> {
        let centres = saved.entries("centres");
        Cblof { centres: parameter(vec![0.0; centres * columns], [centres, columns], device) }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Cblof<B> {
        let columns = data.columns();
        let Clusters { centres, sizes } = Clusters::of(&unlabelled(data), columns, self.clusters, rng);
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by(|&a, &b| sizes[b].cmp(&sizes[a]));
        let sorted: Vec<usize> = order.iter().map(|&cluster| sizes[cluster]).collect();
        let large = large(&sorted, self.alpha, self.beta);
        let kept = order[..large].iter().flat_map(|&cluster| &centres[cluster * columns..][..columns]).copied();
        Cblof { centres: parameter(kept.collect(), [large, columns], &data.rows.device()) }
    }
}

/// How many of the clusters are large, given their sizes, largest first.
fn large(sizes: &[usize], alpha: f64, beta: f64) -> usize {
    let all: usize = sizes.iter().sum();
    let most = |count: &usize| sizes[..*count].iter().sum::<usize>() as f64 >= all as f64 * alpha;
    let falls = |count: &usize| sizes[count - 1] as f64 >= beta * sizes[*count] as f64;
    let counts = 1..sizes.len();
    let found = counts.clone().find(|count| most(count) && falls(count));
    found.or_else(|| counts.clone().find(most)).or_else(|| counts.clone().find(falls)).unwrap_or(sizes.len())
}

/// The centres of the large clusters, `[clusters, columns]`.
#[derive(Module, Debug)]
pub struct Cblof<B: Backend> {
    centres: Param<Tensor<B, 2>>,
}

/// The least squared distance that is told from 0: a gradient needs one above it.
const NEAREST: f32 = 1e-30;

impl<B: Backend> Network<B> for Cblof<B> {
    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let centres = self.centres.val().split(1, 0).into_iter();
        let squares = centres.map(|centre| (rows.clone() - centre).square().sum_dim(1)).collect();
        Tensor::cat(squares, 1).min_dim(1).clamp_min(NEAREST).sqrt().squeeze_dim(1)
    }
}

#[cfg(test)]
mod tests {
    use super::large;

    /// By the rules of PyOD 3.6.7, `CBLOF._set_small_large_clusters`.
    #[test]
    fn clusters_are_large_by_both_rules_or_by_the_share() {
        for (sizes, expected) in [
            (&[50, 45, 5][..], 2),
            // The fall alone comes too early; the share decides.
            (&[60, 10, 10, 10, 10], 4),
            // Both hold later than the share alone.
            (&[90, 40, 1], 2),
            // Only the fall holds.
            (&[30, 6], 1),
            (&[1, 1, 1], 3),
            (&[7], 1),
        ] {
            assert_eq!(large(sizes, 0.9, 5.0), expected, "{sizes:?}");
        }
    }
}
