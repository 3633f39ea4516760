//! Steps on the pairs of some rows.

use crate::kernels::vectorised;
use crate::rules::ocsvm::cache::Cache;

/// The smallest curvature along a pair.
const FLAT: f32 = 1e-12;
/// Rows that are searched together for an extreme value.
const CHUNK: usize = 64;

/// Rows with their weights and the slopes of the objective.
pub(super) struct Active<'a> {
    /// α, `[rows]`.
    weights: Vec<f64>,
    /// The gradient, `[rows]`.
    slopes: Vec<f64>,
    /// 0 for a weight that can grow, infinity for another one.
    grows: Vec<f64>,
    /// 0 for a weight that can fall, minus infinity for another one.
    falls: Vec<f64>,
    kernels: Cache<'a>,
}

impl<'a> Active<'a> {
    pub fn new(weights: Vec<f64>, slopes: Vec<f64>, kernels: Cache<'a>) -> Self {
        let grows = weights.iter().map(|&weight| grows(weight)).collect();
        let falls = weights.iter().map(|&weight| falls(weight)).collect();
        Self { weights, slopes, grows, falls, kernels }
    }

    /// The weights and the slopes.
    pub fn into_parts(self) -> (Vec<f64>, Vec<f64>) {
        (self.weights, self.slopes)
    }

    /// Improves pairs, at most `most`, until none violates the conditions by the tolerance. Returns the number of steps.
    pub fn improve(&mut self, tolerance: f64, most: usize) -> usize {
        let zeros = vec![0.0; self.slopes.len()];
        let (mut up, mut lowest) = move_slopes(&mut self.slopes, &self.grows, [&zeros, &zeros], 0.0);
        for step in 0..most {
            let partner = partner(&self.slopes, &self.falls, self.kernels.row(up), lowest);
            if partner.highest - lowest < tolerance || partner.highest.is_nan() {
                return step;
            }
            let down = partner.down;
            let [from, to] = self.kernels.pair([up, down]);
            let curvature = f64::from((2.0 - 2.0 * from[down]).max(FLAT));
            // One weight grows and the other falls by the same amount, within the bounds of both.
            let wanted = (self.slopes[down] - lowest) / curvature;
            let by = wanted.min(1.0 - self.weights[up]).min(self.weights[down]);
            // Reaches a bound exactly.
            self.weights[up] = if by == 1.0 - self.weights[up] { 1.0 } else { self.weights[up] + by };
            self.weights[down] -= by;
            for row in [up, down] {
                (self.grows[row], self.falls[row]) = (grows(self.weights[row]), falls(self.weights[row]));
            }
            (up, lowest) = move_slopes(&mut self.slopes, &self.grows, [from, to], by);
        }
        most
    }

    /// The rows that violate the conditions together with another one, or whose weights are between the bounds.
    pub fn undecided(&self) -> Vec<usize> {
        let lowest =
            self.slopes.iter().zip(&self.grows).fold(f64::INFINITY, |least, (slope, bar)| least.min(slope + bar));
        let highest =
            self.slopes.iter().zip(&self.falls).fold(f64::NEG_INFINITY, |most, (slope, bar)| most.max(slope + bar));
        let stays = |row: &usize| match self.weights[*row] {
            weight if weight >= 1.0 => self.slopes[*row] >= lowest,
            weight if weight <= 0.0 => self.slopes[*row] <= highest,
            _ => true,
        };
        (0..self.weights.len()).filter(stays).collect()
    }
}

fn grows(weight: f64) -> f64 {
    if weight < 1.0 { 0.0 } else { f64::INFINITY }
}

fn falls(weight: f64) -> f64 {
    if weight > 0.0 { 0.0 } else { f64::NEG_INFINITY }
}

/// Adds `by · (kernels[0] − kernels[1])` to the slopes. Returns the row with the lowest slope among those that can grow, and this slope.
fn move_slopes(slopes: &mut [f64], grows: &[f64], kernels: [&[f32]; 2], by: f64) -> (usize, f64) {
    vectorised!({
        let (mut up, mut lowest) = (0, f64::INFINITY);
        let [from, to] = kernels.map(|kernels| kernels.chunks(CHUNK));
        let chunks = slopes.chunks_mut(CHUNK).zip(grows.chunks(CHUNK)).zip(from.zip(to));
        for (chunk, ((slopes, grows), (from, to))) in chunks.enumerate() {
            let cells = from.iter().zip(to);
            slopes.iter_mut().zip(cells).for_each(|(slope, (&a, &b))| *slope += by * f64::from(a - b));
            let mut values = [f64::INFINITY; CHUNK];
            values.iter_mut().zip(slopes.iter().zip(grows)).for_each(|(value, (slope, bar))| *value = slope + bar);
            let least = extreme(&values, |a, b| if b < a { b } else { a });
            if least < lowest {
                lowest = least;
                up = chunk * CHUNK + place(&values, least);
            }
        }
        (up, lowest)
    })
}

struct Partner {
    /// The row with which a step gains most.
    down: usize,
    /// The highest slope of a row that can fall.
    highest: f64,
}

/// The row that gains most together with the one that has the lowest slope and these kernels.
fn partner(slopes: &[f64], falls: &[f64], kernels: &[f32], lowest: f64) -> Partner {
    vectorised!({
        let (mut down, mut most) = (None, 0.0);
        let (mut steepest, mut highest) = (0, f64::NEG_INFINITY);
        let chunks = slopes.chunks(CHUNK).zip(falls.chunks(CHUNK)).zip(kernels.chunks(CHUNK));
        for (chunk, ((slopes, falls), kernels)) in chunks.enumerate() {
            let mut values = [f64::NEG_INFINITY; CHUNK];
            values.iter_mut().zip(slopes.iter().zip(falls)).for_each(|(value, (slope, bar))| *value = slope + bar);
            let mut gains = [0.0f32; CHUNK];
            for (gain, (&value, &kernel)) in gains.iter_mut().zip(values.iter().zip(kernels)) {
                let slope = (value - lowest) as f32;
                let slope = if slope > 0.0 { slope } else { 0.0 };
                let curvature = 2.0 - 2.0 * kernel;
                *gain = slope * slope / if curvature > FLAT { curvature } else { FLAT };
            }
            let top = extreme(&values, |a, b| if b > a { b } else { a });
            if top > highest {
                highest = top;
                steepest = chunk * CHUNK + place(&values, top);
            }
            let gain = extreme(&gains, |a, b| if b > a { b } else { a });
            if gain > most {
                most = gain;
                down = Some(chunk * CHUNK + place(&gains, gain));
            }
        }
        // A gain below the range of `f32` counts as none.
        Partner { down: down.unwrap_or(steepest), highest }
    })
}

/// The least or largest of the values.
#[inline(always)]
fn extreme<T: Copy>(values: &[T; CHUNK], of: impl Fn(T, T) -> T) -> T {
    let mut lanes: [T; 16] = std::array::from_fn(|lane| values[lane]);
    for values in values[16..].chunks_exact(16) {
        lanes.iter_mut().zip(values).for_each(|(lane, value)| *lane = of(*lane, *value));
    }
    lanes[1..].iter().fold(lanes[0], |a, &b| of(a, b))
}

/// The first place of a value.
#[inline(always)]
fn place<T: PartialEq>(values: &[T; CHUNK], value: T) -> usize {
    values.iter().position(|other| *other == value).unwrap_or(0)
}
