//! The exponential function, in a form that the compiler turns into vector instructions.

/// Below this, the result is 0; the exact one is at most 1.6e-38.
const LEAST: f32 = -87.0;
/// Adding this rounds a number of small size to a whole one, which is then in the lowest bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts. The first one has few bits, so that its multiples are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// The coefficients of `(eˣ − 1 − x)/x²` for `|x| ≤ ½ ln 2`, the highest power first: those of the Taylor series.
const POWERS: [f32; 6] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];

/// `eˣ` for `x ≤ 0`, with a relative error of 2e-7 at most. NaN stays NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let rest = x - whole * LN_2[0] - whole * LN_2[1];
    let sum = POWERS.into_iter().fold(0.0, |sum, power| sum * rest + power);
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < LEAST { 0.0 } else { (1.0 + (rest + rest * rest * sum)) * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_standard_library() {
        for step in 0..870_000 {
            let x = -(step as f32) / 10_000.0;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) - expected).abs() <= 2e-7 * expected, "{x}: {} and {expected}", exp(x));
        }
        assert_eq!([exp(0.0), exp(-100.0), exp(f32::MIN), exp(f32::NEG_INFINITY)], [1.0, 0.0, 0.0, 0.0]);
        assert!(exp(f32::NAN).is_nan());
    }
}
