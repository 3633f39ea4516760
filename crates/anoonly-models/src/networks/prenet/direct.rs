//! Training steps of PReNet in plain memory.

use std::any::Any;

use burn::module::ParamId;
use burn::tensor::backend::AutodiffBackend;
use burn_flex::FlexTensor;

use super::{PReNet, Pairs};
use crate::kernels::direct::dense::DirectDense;
use crate::kernels::direct::norm::{DirectNorm, NormPass};
use crate::kernels::direct::stack::{gather_rows, spread_rows};
use crate::kernels::direct::{Direct, ExampleCounts, ExampleWeights, Trained, Weigh, rows, sign, total};
use crate::kernels::products::StridedRows;
use crate::kernels::{Differentiating, columns, values};
use crate::layers::activation::Activation;
use crate::network::Distinct;
use crate::{StepRows, TrainingData};

struct DirectPReNet {
    rows: FlexTensor,
    feature: DirectDense,
    norm: Option<DirectNorm>,
    pair: DirectDense,
    targets: [f32; 2],
    /// The left and the right rows of the pairs.
    sides: [PairSide; 2],
    both: Vec<f32>,
    gradient: Vec<f32>,
    of_both: Vec<f32>,
    of_hidden: Vec<f32>,
}

/// The rows on one side of the pairs.
#[derive(Default)]
struct PairSide {
    places: Vec<usize>,
    hidden: Vec<f32>,
    pass: NormPass,
}

/// The training steps; `None` unless the backend is [`Flex`](burn_flex::Flex).
pub(super) fn direct<B: AutodiffBackend>(
    network: &PReNet<B>,
    data: &TrainingData<B::InnerBackend>,
) -> Option<Box<dyn Direct>> {
    let rows = rows::<B>(data)?;
    let network = (network as &dyn Any).downcast_ref::<PReNet<Differentiating>>()?;
    let norm =
        if network.norm.is_none() { None } else { Some(DirectNorm::new(network.norm.batch()?, Activation::Linear)) };
    let [both, gradient, of_both, of_hidden] = Default::default();
    Some(Box::new(DirectPReNet {
        rows,
        feature: DirectDense::new(&network.feature, Activation::Relu),
        norm,
        pair: DirectDense::new(&network.pair, Activation::Linear),
        targets: [network.anomalous_target as f32, network.mixed_target as f32],
        sides: Default::default(),
        both,
        gradient,
        of_both,
        of_hidden,
    }))
}

impl Direct for DirectPReNet {
    fn descend(&mut self, step: &StepRows, weigh: Weigh<'_>) -> f32 {
        let Self { rows, feature, norm, pair, targets, sides, both, gradient, of_both, of_hidden } = self;
        let batch = Distinct::of(&step.indices, step.others());
        let rows = StridedRows { cells: values(rows), width: columns(rows), indices: Some(&batch.rows) };
        let pairs = Pairs::of(step.indices.len(), step.others(), step.normals);
        let count = pairs.count();
        feature.forward(rows);
        let width = feature.outputs();
        norm.iter_mut().for_each(DirectNorm::begin);
        both.resize(2 * width * count, 0.0);
        for (side, (taken, into)) in sides.iter_mut().zip([(pairs.left(), 0), (pairs.right(), width)]) {
            side.places.clear();
            side.places.extend(taken.into_iter().flatten().map(|row| batch.place(row)));
            let halves = both.chunks_exact_mut(2 * width).map(|both| &mut both[into..][..width]);
            match norm {
                Some(norm) if count > 0 => {
                    spread_rows(&feature.output, width, &side.places, &mut side.hidden);
                    norm.forward(&side.hidden, &mut side.pass);
                    halves.zip(side.pass.output.chunks_exact(width)).for_each(|(half, row)| half.copy_from_slice(row));
                }
                _ => halves.zip(&side.places).for_each(|(half, place)| {
                    half.copy_from_slice(&feature.output[place * width..][..width]);
                }),
            }
        }
        pair.forward(StridedRows::all(both, 2 * width));
        let Pairs { anomalies, mixed, unlabelled: normal, confirmed, .. } = pairs;
        let anomalous = anomalies + mixed;
        let weights = ExampleWeights::new(ExampleCounts { normal, confirmed, anomalous }, weigh);
        let weight_of = |pair: usize| match pair {
            pair if pair < anomalous => weights.anomalous,
            pair if pair < anomalous + normal => weights.normal,
            _ => weights.confirmed,
        };
        let scores = &pair.output;
        let loss = total(weight_of, [count, 1], gradient, |pair, gradient| {
            let target = match pair {
                pair if pair < anomalies => targets[0],
                pair if pair < anomalous => targets[1],
                _ => 0.0,
            };
            let score = scores[pair];
            // NaN stays NaN.
            let (value, slope) = match pair {
                pair if pair < anomalous + normal => ((score - target).abs(), sign(score - target)),
                _ if score > 0.0 => (score, 1.0),
                _ => (0.0 * score, 0.0),
            };
            gradient[0] = slope;
            value
        });
        pair.backward(StridedRows::all(both, 2 * width), gradient, Some(of_both));
        of_hidden.clear();
        of_hidden.resize(batch.rows.len() * width, 0.0);
        for (side, from) in sides.iter_mut().zip([0, width]) {
            let halves = of_both.chunks_exact(2 * width).map(|both| &both[from..][..width]);
            match norm {
                Some(norm) if count > 0 => {
                    side.hidden.clear();
                    halves.for_each(|half| side.hidden.extend_from_slice(half));
                    norm.backward(&mut side.hidden, &side.pass);
                    gather_rows(side.hidden.chunks_exact(width), &side.places, of_hidden);
                }
                _ => gather_rows(halves, &side.places, of_hidden),
            }
        }
        feature.backward(rows, of_hidden, None);
        loss
    }

    fn trained(&mut self) -> Vec<&mut Trained> {
        let norm = self.norm.iter_mut().flat_map(DirectNorm::trained);
        self.feature.trained().chain(norm).chain(self.pair.trained()).collect()
    }

    fn values(&self) -> Vec<(ParamId, Vec<f32>)> {
        let norm = self.norm.iter().flat_map(DirectNorm::values);
        self.feature.values().chain(norm).chain(self.pair.values()).collect()
    }
}
