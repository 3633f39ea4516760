//! Initial weights, drawn from the project's own random streams.
//!
//! burn draws a layer's initial weights from one process-wide generator at their first use. Here they come from the stream of the
//! run, so they depend neither on other threads nor on the order in which layers are used.

use burn::module::{Param, ParamId};
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// The distribution of the initial weights of a linear layer with `i` inputs and `o` outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightInit {
    /// Uniform within ±√(6/(i + o)), with bias 0 (Glorot and Bengio 2010; Keras's default).
    GlorotUniform,
    /// Normal with standard deviation √(2/(i + o)), with bias 0. As in Keras, the normal is truncated at two standard deviations
    /// and widened, so that the truncated distribution has the stated deviation.
    GlorotNormal,
    /// Uniform within ±1/√i, for weights and bias (the default of PyTorch's `nn.Linear`).
    PytorchUniform,
}

/// The standard deviation of a standard normal truncated at ±2.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

impl WeightInit {
    /// Draws a linear layer.
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
            WeightInit::GlorotNormal => truncated_normal(rng) * (2.0 / (i + o)).sqrt() / TRUNCATED_DEVIATION,
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

/// The inputs and outputs of consecutive layers with the given widths.
pub(crate) fn layer_sizes(inputs: usize, widths: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    std::iter::once(inputs).chain(widths.iter().copied()).zip(widths.iter().copied())
}

/// The sum of sizes; `usize::MAX` on overflow.
pub(crate) fn total(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(0, usize::saturating_add)
}

/// The number of values in a linear layer, with or without a bias.
pub(crate) fn linear_weights(inputs: usize, outputs: usize, bias: bool) -> usize {
    inputs.saturating_add(usize::from(bias)).saturating_mul(outputs)
}

/// A trainable layer with the same values. burn would treat a clone as a constant; see [`parameter`].
pub(crate) fn trainable_copy<B: Backend>(layer: &Linear<B>) -> Linear<B> {
    Linear { weight: parameter(layer.weight.val()), bias: layer.bias.as_ref().map(|bias| parameter(bias.val())) }
}

/// A constant layer with the same values. Gradients flow through it, but not into its values.
pub(crate) fn constant_copy<B: Backend>(layer: &Linear<B>) -> Linear<B> {
    fn constant<B: Backend, const D: usize>(param: &Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        Param::initialized(ParamId::new(), param.val().set_require_grad(false))
    }
    Linear { weight: constant(&layer.weight), bias: layer.bias.as_ref().map(constant) }
}

/// A trainable parameter, drawn uniformly within ±`limit`.
pub(crate) fn uniform_parameter<B: Backend, const D: usize>(
    shape: [usize; D],
    limit: f64,
    rng: &mut impl Rng,
    device: &B::Device,
) -> Param<Tensor<B, D>> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| uniform(limit, rng) as f32).collect();
    parameter(Tensor::from_data(TensorData::new(values, shape), device))
}

/// A trainable parameter.
fn parameter<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Param<Tensor<B, D>> {
    // burn treats a parameter from `Param::initialized` on a plain backend as a constant when the network moves to an autodiff
    // backend. A lazily initialised parameter states that it requires a gradient.
    let (device, shape) = (tensor.device(), tensor.shape());
    let parameter = Param::uninitialized(ParamId::new(), move |_, _| tensor.clone(), device, true, shape);
    parameter.val();
    parameter
}

fn uniform(limit: f64, rng: &mut impl Rng) -> f64 {
    rng.random_range(-limit..=limit)
}

fn truncated_normal(rng: &mut impl Rng) -> f64 {
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

    /// With 60 000 draws, the relative standard error of a deviation is about a third of a percent.
    #[test]
    fn distributions_have_the_documented_deviations_and_limits() {
        let glorot = (2.0f32 / 500.0).sqrt();
        for (init, expected, limit) in [
            (WeightInit::GlorotUniform, glorot, (6.0f32 / 500.0).sqrt()),
            (WeightInit::GlorotNormal, glorot, 2.0 * glorot / TRUNCATED_DEVIATION as f32),
            (WeightInit::PytorchUniform, (1.0f32 / 600.0).sqrt(), (1.0f32 / 200.0).sqrt()),
        ] {
            let (weights, _) = draw(init);
            assert!((deviation(&weights) / expected - 1.0).abs() < 0.02, "{init:?}");
            let largest = weights.iter().fold(0.0f32, |max, w| max.max(w.abs()));
            assert!(largest <= limit * 1.000_01 && largest > 0.98 * limit, "{init:?}: {largest}, limit {limit}");
        }
    }

    #[test]
    fn biases_are_zero_for_glorot_and_drawn_for_pytorch() {
        assert!(draw(WeightInit::GlorotUniform).1.iter().all(|&bias| bias == 0.0));
        let (_, biases) = draw(WeightInit::PytorchUniform);
        assert!(biases.iter().any(|&bias| bias > 0.02) && biases.iter().any(|&bias| bias < -0.02));
    }
}
