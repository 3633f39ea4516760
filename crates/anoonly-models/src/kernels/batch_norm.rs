//! Batch normalisation with an activation.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::module::RunningState;
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::{Flex, FlexTensor};

use super::narrow::{sums_of_columns, sums_of_terms, together};
use super::{
    Differentiating, activate, activation_backward, back, cast, columns, finish, flex, primitive, same, tensor, values,
    vectorised,
};
use crate::layers::activation::Activation;

/// `activation(batch normalisation)`. An autodiff backend uses the statistics of the rows and updates the running statistics. A plain
/// backend uses the running statistics.
pub(crate) fn batch_norm<B: Backend>(
    rows: Tensor<B, 2>,
    norm: &BatchNorm<B>,
    activation: Activation,
) -> Result<Tensor<B, 2>, Tensor<B, 2>> {
    let rows = match cast::<_, Tensor<Differentiating, 2>>(rows) {
        Ok(rows) => {
            return Ok(back(batch_norm_node(rows, same(norm), activation)));
        }
        Err(rows) => rows,
    };
    let rows = cast::<_, Tensor<Flex, 2>>(rows)?;
    let norm: &BatchNorm<Flex> = same(norm);
    let [mean, variance, scale, shift] =
        [norm.running_mean.value(), norm.running_var.value(), norm.gamma.val(), norm.beta.val()]
            .map(|values| primitive(values).to_contiguous());
    let (mean, scale, shift) = (values(&mean), values(&scale), values(&shift));
    let epsilon = norm.epsilon as f32;
    let factor: Vec<f32> =
        values(&variance).iter().zip(scale).map(|(variance, scale)| scale / (variance + epsilon).sqrt()).collect();
    let slope = activation.slope();
    let mut output = primitive(rows).to_contiguous();
    let width = columns(&output);
    let cells = output.storage_mut::<f32>();
    vectorised!({
        for row in cells.chunks_exact_mut(width) {
            for ((cell, mean), (factor, shift)) in row.iter_mut().zip(mean).zip(factor.iter().zip(shift)) {
                *cell = activate((*cell - mean) * factor + shift, slope);
            }
        }
    });
    Ok(back(tensor::<Flex, 2>(output)))
}

#[derive(Clone, Debug)]
struct NormState {
    /// The standardised rows.
    whitened: FlexTensor,
    /// The inverse standard deviation of each column.
    inverse: Vec<f32>,
    scale: FlexTensor,
    output: Option<FlexTensor>,
    slope: f32,
}

#[derive(Debug)]
struct BatchNormNode;

fn batch_norm_node(
    rows: Tensor<Differentiating, 2>,
    norm: &BatchNorm<Differentiating>,
    activation: Activation,
) -> Tensor<Differentiating, 2> {
    let rows = primitive(rows);
    let (scale, shift) = (primitive(norm.gamma.val()), primitive(norm.beta.val()));
    let input = rows.primitive.to_contiguous();
    let (cells, width) = (values(&input), columns(&input));
    let Moments { means, variances } = Moments::of(cells, width);
    let keep = |running: &RunningState<Tensor<Differentiating, 1>>, new: &[f32]| {
        let mut old = primitive(running.value_sync().inner()).to_contiguous();
        let taken = norm.momentum as f32;
        old.storage_mut::<f32>().iter_mut().zip(new).for_each(|(old, new)| *old = *old * (1.0 - taken) + new * taken);
        running.update(Tensor::from_inner(tensor::<Flex, 1>(old)));
    };
    keep(&norm.running_mean, &means);
    keep(&norm.running_var, &variances);

    let inverse = inverse_deviations(&variances, norm.epsilon);
    let slope = activation.slope();
    let (scale_values, shift_values) = (scale.primitive.to_contiguous(), shift.primitive.to_contiguous());
    let mut whitened = vec![0.0; cells.len()];
    let mut output = vec![0.0; cells.len()];
    let columns =
        NormColumns { means: &means, inverse: &inverse, scale: values(&scale_values), shift: values(&shift_values) };
    columns.normalise(cells, slope, &mut whitened, &mut output);
    let height = cells.len() / width;
    let output = flex(output, [height, width]);
    let state = NormState {
        whitened: flex(whitened, [height, width]),
        inverse,
        scale: scale_values,
        output: (slope != 1.0).then(|| output.clone()),
        slope,
    };
    tensor(finish(BatchNormNode.prepare([rows.node, scale.node, shift.node]), state, output))
}

/// The mean and the biased variance of each column.
pub(super) struct Moments {
    pub means: Vec<f32>,
    pub variances: Vec<f32>,
}

impl Moments {
    /// Computes the moments in f64, because the rows may be the whole training set.
    pub fn of(cells: &[f32], width: usize) -> Self {
        let count = (cells.len() / width) as f64;
        let mean_of = |sums: Vec<f64>| sums.into_iter().map(|sum| (sum / count) as f32).collect::<Vec<f32>>();
        let means = mean_of(sums_of_columns(cells, width));
        let square = |cell: f32, _, mean: f32| f64::from(cell - mean) * f64::from(cell - mean);
        let variances = mean_of(sums_of_terms([cells; 2], &means, square));
        Self { means, variances }
    }
}

/// The inverse standard deviation of each column.
pub(super) fn inverse_deviations(variances: &[f32], epsilon: f64) -> Vec<f32> {
    variances.iter().map(|variance| 1.0 / (variance + epsilon as f32).sqrt()).collect()
}

/// The statistics and parameters of each column.
pub(super) struct NormColumns<'a> {
    pub means: &'a [f32],
    pub inverse: &'a [f32],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
}

impl NormColumns<'_> {
    /// Computes the standardised rows, `whitened`, and the scaled and shifted rows after an activation, `output`.
    pub fn normalise(&self, cells: &[f32], slope: f32, whitened: &mut [f32], output: &mut [f32]) {
        let Self { means, inverse, scale, shift } = self;
        let rows = together(means.len());
        let [means, inverse, scale, shift] = [*means, *inverse, *scale, *shift].map(|columns| columns.repeat(rows));
        let width = means.len();
        vectorised!({
            let outputs = whitened.chunks_mut(width).zip(output.chunks_mut(width));
            for (cells, (white, output)) in cells.chunks(width).zip(outputs) {
                let columns = means.iter().zip(&inverse).zip(scale.iter().zip(&shift));
                let cells = cells.iter().zip(white).zip(output);
                for (((cell, white), output), ((mean, inverse), (scale, shift))) in cells.zip(columns) {
                    *white = (*cell - mean) * inverse;
                    *output = activate(*white * scale + shift, slope);
                }
            }
        });
    }
}

/// The gradients of scale and shift.
pub(super) struct NormGradients {
    pub of_scale: Vec<f32>,
    pub of_shift: Vec<f32>,
}

impl NormGradients {
    /// Computes them from the gradient of the scaled and shifted rows and the standardised rows.
    pub fn of(gradient: &[f32], white: &[f32], width: usize) -> Self {
        Self {
            of_scale: sums_of_terms([gradient, white], &vec![(); width], |cell, white, ()| cell * white),
            of_shift: sums_of_columns(gradient, width),
        }
    }
}

/// Turns the gradient of the scaled and shifted rows into the gradient of the input rows: `γ/(n·σ) · (n·g − Σg − x̂·Σ(g·x̂))`, with
/// the standardised rows `x̂`, the gradient `g` and the number of rows `n`.
pub(super) fn rows_backward(
    gradient: &mut [f32],
    white: &[f32],
    [scale, inverse]: [&[f32]; 2],
    NormGradients { of_scale, of_shift }: &NormGradients,
) {
    let count = (white.len() / inverse.len()) as f32;
    let factors: Vec<f32> = scale.iter().zip(inverse).map(|(scale, inverse)| scale * inverse / count).collect();
    let rows = together(inverse.len());
    let [factors, of_scale, of_shift] = [&factors, of_scale, of_shift].map(|columns| columns.repeat(rows));
    let width = factors.len();
    vectorised!({
        for (cells, white) in gradient.chunks_mut(width).zip(white.chunks(width)) {
            let columns = factors.iter().zip(of_shift.iter().zip(&of_scale));
            for ((cell, white), (factor, (of_shift, of_scale))) in cells.iter_mut().zip(white).zip(columns) {
                *cell = factor * (count * *cell - of_shift - white * of_scale);
            }
        }
    });
}

impl Backward<Flex, 3> for BatchNormNode {
    type State = NormState;

    fn backward(self, ops: Ops<NormState, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let NormState { whitened, inverse, scale, output, slope } = ops.state;
        let mut gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(output) = output {
            activation_backward(gradient.storage_mut::<f32>(), values(&output), slope);
        }
        let width = inverse.len();
        let white = values(&whitened);
        let sums = NormGradients::of(values(&gradient), white, width);
        let [rows, gamma, beta] = ops.parents;
        if let Some(node) = rows {
            rows_backward(gradient.storage_mut::<f32>(), white, [values(&scale), &inverse], &sums);
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some(node) = gamma {
            gradients.register::<Flex>(node.id, flex(sums.of_scale, [width]));
        }
        if let Some(node) = beta {
            gradients.register::<Flex>(node.id, flex(sums.of_shift, [width]));
        }
    }
}
