//! Fast network blocks on the backend `Flex`.
//!
//! Written with burn's operations, a layer with its activation or a batch normalisation is a dozen nodes of the autodiff graph, each
//! with its own buffers. In the small networks of this field, these nodes cost more than the matrix products. Here each block is a
//! single node with its own backward pass.
//!
//! On another backend, the functions return their input as an error and the caller uses burn's operations. Those operations are the
//! definition, and the tests compare the two.

#[cfg(feature = "fit")]
mod batch_norm;
pub(crate) mod boxes;
#[cfg(feature = "fit")]
mod dense;
#[cfg(feature = "fit")]
pub(crate) mod direct;
pub(crate) mod exponential;
pub(crate) mod narrow;
#[cfg(feature = "fit")]
mod on_flex;
#[cfg(feature = "fit")]
pub(crate) mod packed;
pub(crate) mod panels;
pub(crate) mod products;
mod scorer;
#[cfg(test)]
#[cfg(feature = "fit")]
mod tests;

use pulp::{Arch, Simd, WithSimd};

#[cfg(feature = "fit")]
pub(crate) use batch_norm::batch_norm;
#[cfg(feature = "fit")]
pub(crate) use dense::dense;
#[cfg(feature = "fit")]
pub use direct::{Direct, ExampleCounts, NormalWeights, Put, Trained, Weigh};
#[cfg(feature = "fit")]
pub(crate) use on_flex::{Differentiating, columns, sum_of_squares, values};
#[cfg(feature = "fit")]
use on_flex::{activation_backward, add_and_activate, back, cast, finish, flex, primitive, same, tensor};
#[cfg(feature = "fit")]
pub use on_flex::{in_place, scorer};
pub use scorer::Scorer;

/// Computes an expression with the vector instructions of the machine's processor.
///
/// [`Arch::dispatch`] also takes a closure, but the compiler may compile the closure as a function of its own, without these instructions.
/// The same goes for what the expression calls: long functions have to be `#[inline(always)]`.
macro_rules! vectorised {
    ($work:expr) => {
        pulp::Arch::new().dispatch($crate::kernels::Vectorised(
            #[inline(always)]
            || $work,
        ))
    };
}
pub(crate) use vectorised;

/// What [`vectorised`] computes. As it is `FnMut`, the closure itself is called; `FnOnce` puts a function in between, which is not always
/// inlined.
pub(crate) struct Vectorised<F>(pub F);

impl<R, F: FnMut() -> R> WithSimd for Vectorised<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// The activation with the given slope below 0. NaN stays NaN.
#[inline(always)]
fn activate(value: f32, slope: f32) -> f32 {
    if value > 0.0 { value } else { slope * value }
}

/// The sum of the squares.
pub(crate) fn squares(values: &[f32]) -> f32 {
    Arch::new().dispatch(SumOfSquares { values })
}

struct SumOfSquares<'a> {
    values: &'a [f32],
}

impl WithSimd for SumOfSquares<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (vectors, rest) = S::as_simd_f32s(self.values);
        // Four independent sums, so that no addition waits for another one.
        let (parts, others) = vectors.as_chunks::<4>();
        let mut sums = [simd.splat_f32s(0.0); 4];
        for part in parts {
            sums.iter_mut().zip(part).for_each(|(sum, values)| *sum = simd.mul_add_e_f32s(*values, *values, *sum));
        }
        let last = simd.partial_load_f32s(rest);
        for (sum, values) in sums.iter_mut().zip(others.iter().chain([&last])) {
            *sum = simd.mul_add_e_f32s(*values, *values, *sum);
        }
        let [a, b, c, d] = sums;
        simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)))
    }
}
