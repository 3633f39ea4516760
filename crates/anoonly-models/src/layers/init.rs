//! Weights drawn from the project's own random streams.
//!
//! burn draws a layer's first weights from one process-wide generator, at their first use. Here they come from the stream of
//! the run, so that neither other threads nor the order of layers has a part in them.

use burn::module::{Param, ParamId};
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// The distribution of a linear layer's first weights. `i` inputs, `o` outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightInit {
    /// Uniform within ±√(6/(i + o)), bias 0 (Glorot and Bengio 2010; the default of Keras).
    GlorotUniform,
    /// Normal with standard deviation √(2/(i + o)), bias 0. As in Keras, draws beyond two standard deviations of the
    /// underlying normal are drawn anew, and that normal is widened so that the deviation of what remains is right.
    GlorotNormal,
    /// Uniform within ±1/√i, weights and bias alike (the default of PyTorch's `nn.Linear`).
    PytorchUniform,
}

/// The standard deviation of a standard normal cut off at ±2.
const CUT_DEVIATION: f64 = 0.879_625_661_034_239_8;

impl WeightInit {
    /// Draws a layer from `inputs` to `outputs` features.
    pub fn linear<B: Backend>(
        self,
        inputs: usize,
        outputs: usize,
        bias: bool,
        rng: &mut impl Rng,
        device: &B::Device,
    ) -> Linear<B> {
        let (i, o) = (inputs as f64, outputs as f64);
        let mut weight = || match self {
            WeightInit::GlorotUniform => uniform((6.0 / (i + o)).sqrt(), rng),
            WeightInit::GlorotNormal => cut_normal(rng) * (2.0 / (i + o)).sqrt() / CUT_DEVIATION,
            WeightInit::PytorchUniform => uniform(1.0 / i.sqrt(), rng),
        };
        let weights: Vec<f32> = (0..inputs * outputs).map(|_| weight() as f32).collect();
        let biases: Option<Vec<f32>> = bias.then(|| {
            let bias = |_| match self {
                WeightInit::GlorotUniform | WeightInit::GlorotNormal => 0.0,
                WeightInit::PytorchUniform => uniform(1.0 / i.sqrt(), rng) as f32,
            };
            (0..outputs).map(bias).collect()
        });
        let biases = biases.map(|biases| parameter(Tensor::from_data(TensorData::new(biases, [outputs]), device)));
        Linear {
            weight: parameter(Tensor::from_data(TensorData::new(weights, [inputs, outputs]), device)),
            bias: biases,
        }
    }
}

/// The number of values in a layer, with its bias where it has one.
pub(crate) fn linear_weights(inputs: usize, outputs: usize, bias: bool) -> usize {
    inputs.saturating_add(usize::from(bias)).saturating_mul(outputs)
}

/// The layer with the same values, to be trained on. A clone would be taken for a constant, as told below.
pub(crate) fn trainable_copy<B: Backend>(layer: &Linear<B>) -> Linear<B> {
    Linear { weight: parameter(layer.weight.val()), bias: layer.bias.as_ref().map(|bias| parameter(bias.val())) }
}

/// The layer with the same values as constants: a gradient flows through it, and none to it.
pub(crate) fn constant_copy<B: Backend>(layer: &Linear<B>) -> Linear<B> {
    fn constant<B: Backend, const D: usize>(param: &Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        Param::initialized(ParamId::new(), param.val().set_require_grad(false))
    }
    Linear { weight: constant(&layer.weight), bias: layer.bias.as_ref().map(constant) }
}

/// Values drawn uniformly within ±`limit`, to be trained.
pub(crate) fn uniform_parameter<B: Backend, const D: usize>(
    shape: [usize; D],
    limit: f64,
    rng: &mut impl Rng,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| uniform(limit, rng) as f32).collect();
    parameter(Tensor::from_data(TensorData::new(values, shape), device))
}

/// A tensor as a parameter that is trained.
fn parameter<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Param<Tensor<B, D>> {
    // A parameter made with `Param::initialized` on a backend that does not differentiate is taken for a constant when the
    // network moves to one that does; one that is made lazily says itself that it is trained.
    let (device, shape) = (tensor.device(), tensor.shape());
    let trained = Param::uninitialized(ParamId::new(), move |_, _| tensor.clone(), device, true, shape);
    trained.val();
    trained
}

fn uniform(limit: f64, rng: &mut impl Rng) -> f64 {
    rng.random_range(-limit..=limit)
}

fn cut_normal(rng: &mut impl Rng) -> f64 {
    loop {
        let draw: f64 = rng.sample(StandardNormal);
        if draw.abs() <= 2.0 {
            return draw;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;
    use burn_ndarray::NdArray;

    fn draw(init: WeightInit) -> (Vec<f32>, Vec<f32>) {
        let layer = init.linear::<NdArray>(200, 300, true, &mut Seed(1).stream(&["weights"]), &Default::default());
        let values = |data: TensorData| data.to_vec::<f32>().unwrap();
        (values(layer.weight.val().into_data()), values(layer.bias.unwrap().val().into_data()))
    }

    fn deviation(values: &[f32]) -> f32 {
        (values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32).sqrt()
    }

    /// 60 000 draws: the standard error of a deviation is about a third of a percent of it.
    #[test]
    fn distributions_have_the_deviations_and_limits_they_are_named_for() {
        let glorot = (2.0f32 / 500.0).sqrt();
        for (init, expected, limit) in [
            (WeightInit::GlorotUniform, glorot, (6.0f32 / 500.0).sqrt()),
            (WeightInit::GlorotNormal, glorot, 2.0 * glorot / CUT_DEVIATION as f32),
            (WeightInit::PytorchUniform, (1.0f32 / 600.0).sqrt(), (1.0f32 / 200.0).sqrt()),
        ] {
            let (weights, _) = draw(init);
            assert!((deviation(&weights) / expected - 1.0).abs() < 0.02, "{init:?}");
            let largest = weights.iter().fold(0.0f32, |max, w| max.max(w.abs()));
            assert!(largest <= limit * 1.000_01 && largest > 0.98 * limit, "{init:?}: {largest} against {limit}");
        }
    }

    #[test]
    fn biases_are_zero_for_glorot_and_drawn_for_pytorch() {
        assert!(draw(WeightInit::GlorotUniform).1.iter().all(|&bias| bias == 0.0));
        let (_, biases) = draw(WeightInit::PytorchUniform);
        assert!(biases.iter().any(|&bias| bias > 0.02) && biases.iter().any(|&bias| bias < -0.02));
    }
}
