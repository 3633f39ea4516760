//! A batch normalisation with its activation.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::module::RunningState;
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_flex::{Flex, FlexTensor};
use pulp::Arch;

use super::{Differentiating, back, bent, cast, columns, finish, flex, primitive, same, tensor, unbend, values};
use crate::activation::Activation;

/// `activation(batch normalisation)`: by the statistics of the rows, which the running ones take in, on a backend that
/// differentiates, and by the running ones on one that does not.
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
    Arch::new().dispatch(|| {
        for row in cells.chunks_exact_mut(width) {
            for ((cell, mean), (factor, shift)) in row.iter_mut().zip(mean).zip(factor.iter().zip(shift)) {
                *cell = bent((*cell - mean) * factor + shift, slope);
            }
        }
    });
    Ok(back(tensor::<Flex, 2>(output)))
}

#[derive(Clone, Debug)]
struct NormState {
    /// The rows, centred and divided by their deviation.
    whitened: FlexTensor,
    /// One over the deviation of each column.
    inverse: Vec<f32>,
    scale: FlexTensor,
    output: Option<FlexTensor>,
    slope: f32,
}

#[derive(Debug)]
struct Norm;

fn batch_norm_node(
    rows: Tensor<Differentiating, 2>,
    norm: &BatchNorm<Differentiating>,
    activation: Activation,
) -> Tensor<Differentiating, 2> {
    let rows = primitive(rows);
    let (scale, shift) = (primitive(norm.gamma.val()), primitive(norm.beta.val()));
    let input = rows.primitive.to_contiguous();
    let (cells, width) = (values(&input), columns(&input));
    // In f64: a pass that recomputes the statistics goes over the whole training set.
    let count = (cells.len() / width) as f64;
    let means = column_sums(cells, width, |cell, _| f64::from(cell)).map(|sum| (sum / count) as f32);
    let means: Vec<f32> = means.collect();
    let variances = column_sums(cells, width, |cell, column| f64::from(cell - means[column]).powi(2));
    let variances: Vec<f32> = variances.map(|sum| (sum / count) as f32).collect();
    let keep = |running: &RunningState<Tensor<Differentiating, 1>>, new: &[f32]| {
        let mut old = primitive(running.value_sync().inner()).to_contiguous();
        let taken = norm.momentum as f32;
        old.storage_mut::<f32>().iter_mut().zip(new).for_each(|(old, new)| *old = *old * (1.0 - taken) + new * taken);
        running.update(Tensor::from_inner(tensor::<Flex, 1>(old)));
    };
    keep(&norm.running_mean, &means);
    keep(&norm.running_var, &variances);

    let inverse: Vec<f32> = variances.iter().map(|variance| 1.0 / (variance + norm.epsilon as f32).sqrt()).collect();
    let slope = activation.slope();
    let (scale_values, shift_values) = (scale.primitive.to_contiguous(), shift.primitive.to_contiguous());
    let mut whitened = cells.to_vec();
    let mut output = vec![0.0; cells.len()];
    let (scales, shifts) = (values(&scale_values), values(&shift_values));
    Arch::new().dispatch(|| {
        for (row, output) in whitened.chunks_exact_mut(width).zip(output.chunks_exact_mut(width)) {
            let columns = means.iter().zip(&inverse).zip(scales.iter().zip(shifts));
            for ((cell, output), ((mean, inverse), (scale, shift))) in row.iter_mut().zip(output).zip(columns) {
                *cell = (*cell - mean) * inverse;
                *output = bent(*cell * scale + shift, slope);
            }
        }
    });
    let height = cells.len() / width;
    let output = flex(output, [height, width]);
    let state = NormState {
        whitened: flex(whitened, [height, width]),
        inverse,
        scale: scale_values,
        output: (slope != 1.0).then(|| output.clone()),
        slope,
    };
    tensor(finish(Norm.prepare([rows.node, scale.node, shift.node]), state, output))
}

/// The sum over the rows of what `f` makes of each cell and the index of its column.
fn column_sums(cells: &[f32], width: usize, f: impl Fn(f32, usize) -> f64) -> impl Iterator<Item = f64> {
    let mut sums = vec![0.0; width];
    for row in cells.chunks_exact(width) {
        for (column, (sum, &cell)) in sums.iter_mut().zip(row).enumerate() {
            *sum += f(cell, column);
        }
    }
    sums.into_iter()
}

impl Backward<Flex, 3> for Norm {
    type State = NormState;

    /// With `x̂` the whitened rows, `g` the gradient and `n` the rows: `γ/(n·σ) · (n·g − Σg − x̂·Σ(g·x̂))`.
    fn backward(self, ops: Ops<NormState, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let NormState { whitened, inverse, scale, output, slope } = ops.state;
        let mut gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(output) = output {
            unbend(&mut gradient, &output, slope);
        }
        let width = inverse.len();
        let white = values(&whitened);
        let (mut of_shift, mut of_scale) = (vec![0.0f32; width], vec![0.0f32; width]);
        let cells = values(&gradient);
        Arch::new().dispatch(|| {
            for (row, white) in cells.chunks_exact(width).zip(white.chunks_exact(width)) {
                let sums = of_shift.iter_mut().zip(&mut of_scale);
                for ((of_shift, of_scale), (cell, white)) in sums.zip(row.iter().zip(white)) {
                    *of_shift += cell;
                    *of_scale += cell * white;
                }
            }
        });
        let [rows, gamma, beta] = ops.parents;
        if let Some(node) = rows {
            let count = (white.len() / width) as f32;
            let factors: Vec<f32> =
                values(&scale).iter().zip(&inverse).map(|(scale, inverse)| scale * inverse / count).collect();
            let cells = gradient.storage_mut::<f32>();
            Arch::new().dispatch(|| {
                for (row, white) in cells.chunks_exact_mut(width).zip(white.chunks_exact(width)) {
                    let columns = factors.iter().zip(of_shift.iter().zip(&of_scale));
                    for ((cell, white), (factor, (of_shift, of_scale))) in row.iter_mut().zip(white).zip(columns) {
                        *cell = factor * (count * *cell - of_shift - white * of_scale);
                    }
                }
            });
            gradients.register::<Flex>(node.id, gradient);
        }
        if let Some(node) = gamma {
            gradients.register::<Flex>(node.id, flex(of_scale, [width]));
        }
        if let Some(node) = beta {
            gradients.register::<Flex>(node.id, flex(of_shift, [width]));
        }
    }
}
