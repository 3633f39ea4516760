//! The loss of a classifier of labelled anomalies against unlabelled rows, with equal class weights.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::backend::Backend;

use crate::{Batch, LossTerms};

/// The cross-entropy of the scores of a batch: `−ln σ(s)` of each labelled anomaly and `−ln(1 − σ(s))` of each other row. As in
/// scikit-learn's `class_weight="balanced"`, each value is multiplied by the number of rows in the batch over twice the number of
/// rows of its class.
pub(crate) fn balanced_cross_entropy<B: Backend>(
    batch: &Batch<B>,
    others: Tensor<B, 1>,
    anomalies: Tensor<B, 1>,
) -> LossTerms<B> {
    let counts = [others.dims()[0], anomalies.dims()[0]];
    let weight = |count: usize| (counts[0] + counts[1]) as f64 / (2 * count.max(1)) as f64;
    LossTerms::by_row(
        batch,
        log_sigmoid(others.neg()).mul_scalar(-weight(counts[0])),
        log_sigmoid(anomalies).mul_scalar(-weight(counts[1])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::host::cells;
    use burn::backend::Autodiff;
    use burn_flex::Flex;
    use burn_ndarray::NdArray;

    fn agrees<B: Backend>() {
        let scores = |values: &[f32]| Tensor::<Autodiff<B>, 1>::from_data(values, &Default::default()).require_grad();
        let (unlabelled, anomalies) = (scores(&[0.5, -1.0, 300.0]), scores(&[2.0]));
        let batch = Batch::new(Tensor::zeros([4, 1], &Default::default()), 3);
        let LossTerms { normal, anomalous, .. } = balanced_cross_entropy(&batch, unlabelled.clone(), anomalies.clone());
        let close = |ours: Vec<f32>, theirs: &[f64]| {
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!((f64::from(*ours) - theirs).abs() <= 1e-5 * (1.0 + theirs.abs()), "{ours}, not {theirs}");
            }
        };
        // Four rows: the weight of an unlabelled row is 4/6, that of the anomaly 4/2.
        let (two_thirds, softplus) = (2.0 / 3.0, |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p());
        let expected = [0.5, -1.0, 300.0].map(|score: f64| two_thirds * softplus(score));
        close(cells(normal.clone()), &expected);
        close(cells(anomalous.clone()), &[2.0 * softplus(-2.0)]);
        let gradients = (normal.sum() + anomalous.sum()).backward();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let expected = [0.5, -1.0, 300.0].map(|score: f64| two_thirds * sigmoid(score));
        close(cells(unlabelled.grad(&gradients).unwrap()), &expected);
        close(cells(anomalies.grad(&gradients).unwrap()), &[-2.0 * sigmoid(-2.0)]);
    }

    /// Also far from 0, where `ln(1 − σ)` is infinite in f32.
    #[test]
    fn losses_and_gradients_match_the_formula() {
        agrees::<NdArray>();
        agrees::<Flex>();
    }
}
