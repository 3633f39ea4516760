//! XGBOD: gradient-boosted trees on the columns and on what unsupervised methods say of a row.
//!
//! Zhao and Hryniewicki, "XGBOD: Improving Supervised Outlier Detection with Unsupervised Representation Learning", IJCNN 2018.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::layers::host::{cells, tensor};
use crate::rules::gbdt::GbdtConfig;
use crate::rules::hbos::{Hbos, HbosConfig};
use crate::rules::isolation_forest::{IsolationForest, IsolationForestConfig};
use crate::rules::knn::{Knn, KnnConfig};
use crate::rules::lof::{Lof, LofConfig};
use crate::rules::ocsvm::{Ocsvm, OcsvmConfig};
use crate::tools::trees::{self, SavedForest};
use crate::{ConfigError, Kind, Method, MethodInfo, Network, Shapes, TrainingData};

/// Configuration of XGBOD: of the methods whose scores are added to the columns, fitted on all training rows whether labelled or not,
/// and of the trees on top. The score of a row is its log odds.
///
/// Departs from the paper in that each method has one setting, where the paper takes many of each and chooses among the scores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct XgbodConfig {
    /// The distance to a neighbour.
    pub knn: KnnConfig,
    /// The local outlier factor.
    pub lof: LofConfig,
    /// The rarity by histograms.
    pub hbos: HbosConfig,
    /// The isolation forest.
    pub isolation_forest: IsolationForestConfig,
    /// The one-class support vector machine.
    pub ocsvm: OcsvmConfig,
    /// The trees.
    pub gbdt: GbdtConfig,
}

impl Method for XgbodConfig {
    type Network<B: Backend> = Xgbod<B>;

    const INFO: MethodInfo =
        MethodInfo { name: "xgbod", title: "XGBOD", kind: Kind::FewLabels, source: "Zhao and Hryniewicki, IJCNN 2018" };

    fn check(&self) -> Result<(), ConfigError> {
        self.knn.check()?;
        self.lof.check()?;
        self.hbos.check()?;
        self.isolation_forest.check()?;
        self.ocsvm.check()?;
        self.gbdt.check()
    }

    fn weights(&self, columns: usize, saved: &Shapes) -> usize {
        let forest = trees::weights(&saved.within("forest"));
        let saved = saved.within("unsupervised");
        let parts = [
            forest,
            self.knn.weights(columns, &saved.within("knn")),
            self.lof.weights(columns, &saved.within("lof")),
            self.hbos.weights(columns, &saved.within("hbos")),
            self.isolation_forest.weights(columns, &saved.within("isolation_forest")),
            self.ocsvm.weights(columns, &saved.within("ocsvm")),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }

    fn blank<B: Backend>(&self, columns: usize, saved: &Shapes, device: &B::Device) -> Xgbod<B> {
        let forest = SavedForest::blank(&saved.within("forest"), device);
        let saved = saved.within("unsupervised");
        let unsupervised = Unsupervised {
            knn: self.knn.blank(columns, &saved.within("knn"), device),
            lof: self.lof.blank(columns, &saved.within("lof"), device),
            hbos: self.hbos.blank(columns, &saved.within("hbos"), device),
            isolation_forest: self.isolation_forest.blank(columns, &saved.within("isolation_forest"), device),
            ocsvm: self.ocsvm.blank(columns, &saved.within("ocsvm"), device),
        };
        Xgbod { unsupervised, forest }
    }

    fn init<B: Backend>(&self, data: &TrainingData<B>, rng: &mut impl Rng) -> Xgbod<B> {
        // A row that a method was fitted on scores lower than a new one. So that this tells no labels, it goes for both classes.
        let mut all = [&data.unlabelled[..], &data.anomalies].concat();
        all.sort_unstable();
        let all = TrainingData { rows: data.rows.clone(), unlabelled: all, anomalies: data.anomalies.clone() };
        let unsupervised = Unsupervised {
            knn: self.knn.init(&all, rng),
            lof: self.lof.init(&all, rng),
            hbos: self.hbos.init(&all, rng),
            isolation_forest: self.isolation_forest.init(&all, rng),
            ocsvm: self.ocsvm.init(&all, rng),
        };
        let wide = |rows: &[usize]| unsupervised.added(data.select(rows));
        let width = data.columns() + ADDED;
        let forest = self.gbdt.grow(&wide(&data.unlabelled), &wide(&data.anomalies), width, rng);
        Xgbod { unsupervised, forest: SavedForest::new(forest, &data.rows.device()) }
    }
}

/// Scores that are added to the columns.
const ADDED: usize = 5;
/// Rows looked at together.
const BLOCK: usize = 2048;

/// The methods whose scores are added.
#[derive(Module, Debug)]
struct Unsupervised<B: Backend> {
    knn: Knn<B>,
    lof: Lof<B>,
    hbos: Hbos<B>,
    isolation_forest: IsolationForest<B>,
    ocsvm: Ocsvm<B>,
}

impl<B: Backend> Unsupervised<B> {
    /// Rows one after the other, each with its scores behind its cells.
    fn added(&self, rows: Tensor<B, 2>) -> Vec<f32> {
        let columns = rows.dims()[1];
        let mut wide = Vec::with_capacity(rows.dims()[0] * (columns + ADDED));
        for rows in rows.split(BLOCK, 0) {
            let scores = [
                self.knn.score(rows.clone()),
                self.lof.score(rows.clone()),
                self.hbos.score(rows.clone()),
                self.isolation_forest.score(rows.clone()),
                self.ocsvm.score(rows.clone()),
            ];
            let scores = scores.map(cells);
            for (place, row) in cells(rows).chunks_exact(columns).enumerate() {
                wide.extend(row);
                wide.extend(scores.iter().map(|scores| scores[place]));
            }
        }
        wide
    }
}

/// The methods whose scores are added, and the trees on top.
#[derive(Module, Debug)]
pub struct Xgbod<B: Backend> {
    unsupervised: Unsupervised<B>,
    forest: SavedForest<B>,
}

impl<B: Backend> Network<B> for Xgbod<B> {
    fn smooth(&self) -> bool {
        false
    }

    fn score(&self, rows: Tensor<B, 2>) -> Tensor<B, 1> {
        let ([count, columns], device) = (rows.dims(), rows.device());
        let forest = self.forest.read();
        let wide = self.unsupervised.added(rows);
        let scores = wide.chunks_exact(columns + ADDED).map(|row| forest.sum(row) as f32).collect();
        tensor(scores, [count], &device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use burn_ndarray::NdArray;

    /// Unlabelled rows within a disc, anomalies around it on all sides, of which two that lie to the right are labelled: no column tells
    /// of those to the left, but how far a row is from the others does.
    #[test]
    fn anomalies_on_sides_without_a_label_are_found() {
        let point = |angle: f32, radius: f32| [radius * angle.cos(), radius * angle.sin()];
        let disc = (0..200).map(|row| point(row as f32 * 2.4, (row as f32 / 200.0).sqrt()));
        let rows: Vec<f32> = disc.chain([point(0.1, 2.0), point(-0.1, 2.1)]).flatten().collect();
        let data = TrainingData::<NdArray> {
            rows: tensor(rows, [202, 2], &Default::default()),
            unlabelled: (0..200).collect(),
            anomalies: vec![200, 201],
        };
        let asked = [point(3.1, 2.0), point(3.1, 0.5)].concat();
        let asked = || tensor::<NdArray, 2>(asked.clone(), [2, 2], &Default::default());
        let rng = || Seed(1).stream(&[]);
        let with = cells(XgbodConfig::default().init(&data, &mut rng()).score(asked()));
        let without = cells(GbdtConfig::default().init(&data, &mut rng()).score(asked()));
        assert!(with[0] > with[1], "{with:?}");
        assert!(without[0] <= without[1], "{without:?}");
    }
}
