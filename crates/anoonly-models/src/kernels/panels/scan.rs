//! The search through the products of rows with many packed vectors for the largest products and the smallest distances.

use pulp::{Arch, Simd, WithSimd};

use super::{OnPanels, Panels, TALL, add_products, by_width};
use crate::kernels::products::StridedRows;

/// Vectors scaled to length 1, with their original lengths. Some may have no direction.
///
/// For a row, the search picks out the vectors that may have the largest products with it, and those that may be nearest to it at their
/// original lengths. It computes in single precision and allows for rounding errors, so the wanted vectors are among those it picks. Vectors
/// whose length is not finite are never picked.
#[derive(Clone, Debug)]
pub(crate) struct ScanVectors {
    panels: Panels,
    /// The original lengths, `[stride]`.
    lengths: Vec<f32>,
    /// Lower and upper bounds of the squared lengths, for the rounding error of a squared distance, `[stride]`; infinite for the padding.
    squares: [Vec<f32>; 2],
    /// What products are subtracted from, `[stride]`: 0, or infinity for the padding and for vectors without a direction.
    offsets: Vec<f32>,
    /// The vectors without a direction.
    undirected: Vec<u32>,
    /// The rounding error of a product, and of a squared distance as a share of the two squared lengths together.
    slack: f32,
}

/// What is searched for, for one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// How many of the largest products are wanted, at most [`MOST`]. The product with a vector without a direction counts as 0.
    pub products: usize,
    /// How many of the smallest distances are wanted, at most [`MOST`].
    pub distances: usize,
    /// The length of the row before it was scaled to length 1; 0 if no distances are wanted.
    pub length: f32,
}

/// The most products or distances that can be wanted. With more than half as many as there are groups, the bounds would be loose.
const MOST: usize = KEPT / 2;

/// The vectors that a search has picked for each row.
#[derive(Debug, Default)]
pub(crate) struct Picked {
    pub products: Lists,
    pub distances: Lists,
}

/// A list of indices for each row.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    indices: Vec<u32>,
    ends: Vec<usize>,
}

impl Lists {
    pub fn of(&self, row: usize) -> &[u32] {
        let from = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.indices[from..self.ends[row]]
    }
}

impl ScanVectors {
    /// Packs vectors, `[vectors, inputs]`, at least one, which are scaled to length 1. `lengths` are their original lengths, and `directed`
    /// says whether a vector of a length has a direction.
    pub fn new(vectors: &[f32], inputs: usize, lengths: &[f64], directed: impl Fn(f64) -> bool, slack: f32) -> Self {
        assert!(!lengths.is_empty() && vectors.len() == lengths.len() * inputs, "each vector has a length");
        let mut vectors = vectors.to_vec();
        for (vector, length) in vectors.chunks_exact_mut(inputs).zip(lengths) {
            // The minimum of NaN and a number can be either, so a product that is NaN could hide others.
            if !length.is_finite() {
                vector.fill(0.0);
            }
        }
        let panels = Panels::of_rows(StridedRows::all(&vectors, inputs), |_, cell| cell);
        let padded = |of: &dyn Fn(f64) -> f32, padding: f32| {
            let of = |&length: &f64| if length.is_finite() { of(length) } else { padding };
            let mut cells: Vec<f32> = lengths.iter().map(of).collect();
            cells.resize(panels.stride(), padding);
            cells
        };
        let undirected = |&(_, &length): &(u32, &f64)| length.is_finite() && !directed(length);
        Self {
            lengths: padded(&|length| (length as f32).min(f32::MAX), 0.0),
            squares: [1.0 - slack, 1.0 + slack]
                .map(|factor| padded(&|length| factor * (length * length) as f32, f32::INFINITY)),
            offsets: padded(&|length| if directed(length) { 0.0 } else { f32::INFINITY }, f32::INFINITY),
            undirected: (0..).zip(lengths).filter(undirected).map(|(vector, _)| vector).collect(),
            slack,
            panels,
        }
    }

    /// The number of rows to be scanned together. Their products stay in the cache.
    pub fn block(&self) -> usize {
        let most = (PRODUCTS / self.panels.stride()).clamp(TALL, MOST_ROWS);
        most - most % TALL
    }

    /// The vectors that may be wanted for each of the rows, `[rows, inputs]`, which have length 1.
    ///
    /// What is wanted of a row is among those, whatever the other rows. `space` is used for the products.
    pub fn scan(&self, rows: &[f32], wanted: &[Wanted], space: &mut Vec<f32>) -> Picked {
        assert_eq!(rows.len(), wanted.len() * self.panels.inputs);
        assert!(wanted.iter().all(|wanted| wanted.products.max(wanted.distances) <= MOST));
        let mut picked = Picked::default();
        space.resize(wanted.len() * self.panels.stride(), 0.0);
        let best = vec![f32::INFINITY; wanted.len() * 2 * KEPT];
        Arch::new().dispatch(Scan { vectors: self, rows, wanted, products: space, best, picked: &mut picked });
        picked
    }
}

/// The most lanes of a vector.
pub(super) const MOST_LANES: usize = 16;
/// The largest product and the smallest distance are kept for each of this number of groups of vectors. The wanted vectors are seldom in one
/// group. So the bound that follows from the best of each group lets few others through.
const KEPT: usize = 32;
/// Products that are computed before some are picked, unless the rows would be fewer than a tile has: 256 KiB.
const PRODUCTS: usize = 1 << 16;
/// The most rows that are scanned together.
const MOST_ROWS: usize = 96;
/// Panels that are looked at together when vectors are picked.
const TOGETHER: usize = 4;

struct Scan<'a> {
    vectors: &'a ScanVectors,
    rows: &'a [f32],
    wanted: &'a [Wanted],
    /// `[rows, stride]`.
    products: &'a mut [f32],
    /// The least of each group, `[rows, 2, KEPT]`: of the negated products, and of upper bounds of the squared distances, without the squared
    /// length of the row.
    best: Vec<f32>,
    picked: &'a mut Picked,
}

impl WithSimd for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panels = self.vectors.panels.stride() / self.vectors.panels.lanes;
        by_width(simd, 0..panels, &mut self);
        (0..self.wanted.len()).for_each(|row| self.pick(simd, row));
    }
}

impl OnPanels for Scan<'_> {
    #[inline(always)]
    fn some<S: Simd, const V: usize>(&mut self, simd: S, column: usize) {
        let count = self.wanted.len();
        let whole = count - count % TALL;
        (0..whole).step_by(TALL).for_each(|row| self.tile::<S, TALL, V>(simd, row, column));
        (whole..count).for_each(|row| self.tile::<S, 1, V>(simd, row, column));
    }
}

impl Scan<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, row: usize, column: usize) {
        let Panels { inputs, ref weights, .. } = self.vectors.panels;
        let (lanes, stride) = (S::F32_LANES, self.vectors.panels.stride());
        let rows: [&[f32]; R] = std::array::from_fn(|offset| &self.rows[(row + offset) * inputs..][..inputs]);
        let weights: [&[S::f32s]; V] = std::array::from_fn(|offset| {
            &S::as_simd_f32s(&weights[(column + offset) * inputs * lanes..][..inputs * lanes]).0[..inputs]
        });
        let sums = add_products(simd, rows, weights, 0..inputs, [[simd.splat_f32s(0.0); V]; R]);
        let place = column * lanes..(column + V) * lanes;
        let [lengths, squares, offsets] = [&self.vectors.lengths, &self.vectors.squares[1], &self.vectors.offsets]
            .map(|cells| &S::as_simd_f32s(&cells[place.clone()]).0[..V]);
        let products: [_; R] = std::array::from_fn(|offset| (row + offset) * stride + place.start);
        for (from, sums) in products.iter().zip(&sums) {
            S::as_mut_simd_f32s(&mut self.products[*from..][..V * lanes]).0.copy_from_slice(sums);
        }
        for (offset, from) in products.into_iter().enumerate() {
            let row = row + offset;
            let products = &S::as_simd_f32s(&self.products[from..][..V * lanes]).0[..V];
            let factor = simd.splat_f32s(-2.0 * self.wanted[row].length);
            let (aligned, near) = self.best[row * 2 * KEPT..][..2 * KEPT].split_at_mut(KEPT);
            let [aligned, near] = [aligned, near].map(|best| S::as_mut_simd_f32s(best).0);
            let value = |part: usize| {
                let factor = simd.mul_f32s(factor, lengths[part]);
                let square = simd.mul_add_e_f32s(factor, products[part], squares[part]);
                (simd.sub_f32s(offsets[part], products[part]), square)
            };
            // With three or four parts, a vector has 16 lanes and there are two vectors of groups, which the parts take in turn.
            for part in 0..V.min(2) {
                let (mut product, mut square) = value(part);
                if part + 2 < V {
                    let later = value(part + 2);
                    (product, square) = (simd.min_f32s(later.0, product), simd.min_f32s(later.1, square));
                }
                let group = (column + part) % (KEPT / lanes);
                aligned[group] = simd.min_f32s(product, aligned[group]);
                near[group] = simd.min_f32s(square, near[group]);
            }
        }
    }

    /// Picks the vectors of a row within the bounds that follow from the best of each group.
    #[inline(always)]
    fn pick<S: Simd>(&mut self, simd: S, row: usize) {
        let Wanted { products, distances, length } = self.wanted[row];
        let ScanVectors { undirected, slack, .. } = self.vectors;
        self.picked.products.indices.extend(undirected.iter().take(products));
        let (aligned, near) = self.best[row * 2 * KEPT..][..2 * KEPT].split_at(KEPT);
        let least = match products {
            0 => f32::MAX,
            _ => -nth_smallest(simd, products, aligned) - 2.0 * slack,
        };
        let farthest = match distances {
            0 => f32::MIN,
            // Squares below the range of normal numbers have a larger error.
            _ => nth_smallest(simd, distances, near) + 2.0 * slack * length * length + f32::MIN_POSITIVE,
        };
        // Finite, so that no difference with an infinite square is NaN.
        let bounds = [least, farthest].map(|bound| bound.clamp(f32::MIN, f32::MAX));
        let panels = self.vectors.panels.stride() / S::F32_LANES;
        let whole = panels - panels % TOGETHER;
        (0..whole).step_by(TOGETHER).for_each(|from| self.pick_some::<S, TOGETHER>(simd, row, from, bounds));
        (whole..panels).for_each(|from| self.pick_some::<S, 1>(simd, row, from, bounds));
        for list in [&mut self.picked.products, &mut self.picked.distances] {
            list.ends.push(list.indices.len());
        }
    }

    /// Picks from `V` panels, given the least product and the farthest squared distance.
    #[inline(always)]
    fn pick_some<S: Simd, const V: usize>(&mut self, simd: S, row: usize, panel: usize, bounds: [f32; 2]) {
        let ScanVectors { panels, lengths, squares, offsets, .. } = self.vectors;
        let (lanes, stride) = (S::F32_LANES, panels.stride());
        let [least, farthest] = bounds.map(|bound| simd.splat_f32s(bound));
        let factor = simd.splat_f32s(-2.0 * self.wanted[row].length);
        let products = &self.products[row * stride..][..stride];
        let [products, lengths, squares] =
            [products, lengths, &squares[0]].map(|cells| &S::as_simd_f32s(&cells[panel * lanes..][..V * lanes]).0[..V]);
        // Not negative for what is picked.
        let beyond = |part: usize| {
            let square = simd.mul_add_e_f32s(simd.mul_f32s(factor, lengths[part]), products[part], squares[part]);
            [simd.sub_f32s(products[part], least), simd.sub_f32s(farthest, square)]
        };
        let [mut most, near] = beyond(0);
        most = simd.max_f32s(most, near);
        for part in 1..V {
            let [aligned, near] = beyond(part);
            most = simd.max_f32s(most, simd.max_f32s(aligned, near));
        }
        let zero = simd.splat_f32s(0.0);
        if simd.first_true_m32s(simd.greater_than_or_equal_f32s(most, zero)) == lanes {
            return;
        }
        let mut marks = [0; 2];
        for part in 0..V {
            for (marks, value) in marks.iter_mut().zip(beyond(part)) {
                *marks |= u64::from(bits::<S>(simd.greater_than_or_equal_f32s(value, zero))) << (part * lanes);
            }
        }
        let Picked { products, distances } = &mut *self.picked;
        for (list, mut marks, directed) in [(products, marks[0], true), (distances, marks[1], false)] {
            while marks > 0 {
                let vector = panel * lanes + marks.trailing_zeros() as usize;
                if vector < panels.outputs && !(directed && offsets[vector] > 0.0) {
                    list.indices.push(vector as u32);
                }
                marks &= marks - 1;
            }
        }
    }
}

/// The `n`-th smallest value, from 1; infinite if there are fewer. NaN does not count.
#[inline(always)]
fn nth_smallest<S: Simd>(simd: S, n: usize, values: &[f32]) -> f32 {
    let [zero, one, wanted, infinite] = [0.0, 1.0, n as f32, f32::INFINITY].map(|value| simd.splat_f32s(value));
    let mut found = infinite;
    for part in S::as_simd_f32s(values).0 {
        let mut count = zero;
        for &other in values {
            let counts = simd.less_than_or_equal_f32s(simd.splat_f32s(other), *part);
            count = simd.add_f32s(count, simd.select_f32s(counts, one, zero));
        }
        let enough = simd.greater_than_or_equal_f32s(count, wanted);
        found = simd.min_f32s(simd.select_f32s(enough, *part, infinite), found);
    }
    simd.reduce_min_f32s(found)
}

/// The marked lanes as bits, the first lane as the lowest bit.
#[inline(always)]
pub(in crate::kernels) fn bits<S: Simd>(mask: S::m32s) -> u32 {
    let bytes = pulp::bytemuck::bytes_of(&mask);
    match *bytes {
        // AVX-512 has masks of bits.
        [low, high] if S::F32_LANES == MOST_LANES => u16::from_le_bytes([low, high]).into(),
        _ => {
            let lanes = bytes.chunks_exact(bytes.len() / S::F32_LANES).enumerate();
            lanes.map(|(lane, mask)| u32::from(mask[0] != 0) << lane).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|cell| (cell * step % 1009) as f32 / 1009.0 - 0.5).collect()
    }

    fn units(rows: &[f32], inputs: usize) -> (Vec<f32>, Vec<f64>) {
        let length = |row: &[f32]| row.iter().map(|&cell| f64::from(cell).powi(2)).sum::<f64>().sqrt();
        let lengths: Vec<f64> = rows.chunks_exact(inputs).map(length).collect();
        let cells =
            rows.iter().enumerate().map(|(cell, &value)| (f64::from(value) / lengths[cell / inputs].max(1e-9)) as f32);
        (cells.collect(), lengths)
    }

    /// Fewer and more vectors than groups and than fill the panels, some of them without a direction, and rows that fill tiles of each
    /// height. By hand, in double precision.
    #[test]
    fn the_largest_products_and_the_smallest_distances_are_picked_and_few_others() {
        let (inputs, rows) = (7, 20);
        for (count, zeros, wanted) in
            [(3, 1, [10, 2]), (75, 0, [10, 1]), (800, 3, [10, 2]), (800, 790, [10, 2]), (300, 0, [0, 1])]
        {
            let mut vectors = cells(inputs * count, 7919);
            vectors[..zeros * inputs].fill(0.0);
            let queries = cells(rows * inputs, 104_729);
            let [(vectors, lengths), (queries, own)] = [&vectors, &queries].map(|rows| units(rows, inputs));
            let packed = ScanVectors::new(&vectors, inputs, &lengths, |length| length > 0.0, 1e-6);
            let wanted = wanted.map(|wanted| wanted.min(count));
            let of_row = |&length: &f64| Wanted { products: wanted[0], distances: wanted[1], length: length as f32 };
            let picked = packed.scan(&queries, &own.iter().map(of_row).collect::<Vec<_>>(), &mut Vec::new());
            for (row, query) in queries.chunks_exact(inputs).enumerate() {
                let products: Vec<f64> = vectors
                    .chunks_exact(inputs)
                    .map(|vector| query.iter().zip(vector).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum())
                    .collect();
                let square = |(product, length): (&f64, &f64)| length * length - 2.0 * own[row] * length * product;
                let squares: Vec<f64> = products.iter().zip(&lengths).map(square).collect();
                let negative: Vec<f64> = products.iter().map(|product| -product).collect();
                for (values, list, wanted) in
                    [(&negative, &picked.products, wanted[0]), (&squares, &picked.distances, wanted[1])]
                {
                    let mut sorted = values.clone();
                    sorted.sort_unstable_by(f64::total_cmp);
                    let ours = list.of(row);
                    let mut best: Vec<f64> = ours.iter().map(|&vector| values[vector as usize]).collect();
                    best.sort_unstable_by(f64::total_cmp);
                    assert!(
                        best.len() >= wanted && best[..wanted] == sorted[..wanted],
                        "{count}: {best:?}, {sorted:?}"
                    );
                    assert!(best.len() <= 3 * wanted + zeros, "{count}: {} are picked", best.len());
                    let mut once = ours.to_vec();
                    once.sort_unstable();
                    once.dedup();
                    assert_eq!(once.len(), ours.len(), "a vector is picked twice");
                }
            }
        }
    }

    /// Vectors in nearly the same direction: rounding decides the order of their products.
    #[test]
    fn wanted_vectors_are_picked_where_rounding_decides() {
        let (inputs, count) = (7, 300);
        let noise = cells(inputs * count, 7919);
        for query in 0..20 {
            let base = cells(inputs, 104_729 + query);
            let vectors: Vec<f32> = (0..inputs * count).map(|cell| base[cell % inputs] + 4e-7 * noise[cell]).collect();
            let row: Vec<f32> =
                base.iter().zip(cells(inputs, 31 + query)).map(|(base, noise)| 3.0 * base + 0.1 * noise).collect();
            let [(vectors, lengths), (row, own)] = [&vectors, &row].map(|rows| units(rows, inputs));
            let packed = ScanVectors::new(&vectors, inputs, &lengths, |_| true, (2 * inputs + 16) as f32 * 6e-8);
            let wanted = Wanted { products: 10, distances: 2, length: own[0] as f32 };
            let picked = packed.scan(&row, &[wanted], &mut Vec::new());
            let product = |vector: usize| -> f64 {
                let vector = &vectors[vector * inputs..][..inputs];
                row.iter().zip(vector).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
            };
            let square = |vector: usize| lengths[vector].powi(2) - 2.0 * own[0] * lengths[vector] * product(vector);
            let best = |of: &dyn Fn(usize) -> f64, count: usize| {
                let mut vectors: Vec<u32> = (0..lengths.len() as u32).collect();
                vectors.sort_by(|a, b| of(*a as usize).total_cmp(&of(*b as usize)));
                vectors.truncate(count);
                vectors
            };
            let (aligned, near) = (best(&|vector| -product(vector), 10), best(&square, 2));
            assert!(aligned.iter().all(|vector| picked.products.of(0).contains(vector)), "query {query}");
            assert!(near.iter().all(|vector| picked.distances.of(0).contains(vector)), "query {query}");
        }
    }

    /// Vectors that cannot be compared hide no others, whatever the width of the machine's vectors.
    #[test]
    fn vectors_that_are_not_finite_are_never_picked() {
        let (inputs, count) = (3, 200);
        for value in [f32::NAN, f32::INFINITY] {
            let (mut vectors, mut lengths) = units(&cells(inputs * count, 7919), inputs);
            for vector in (0..count).filter(|vector| vector % 16 != 5) {
                vectors[vector * inputs] = value;
                lengths[vector] = value.into();
            }
            let packed = ScanVectors::new(&vectors, inputs, &lengths, |length| length > 0.0, 1e-6);
            let (row, own) = units(&[0.3, -0.2, 0.1], inputs);
            let wanted = Wanted { products: 16, distances: 16, length: own[0] as f32 };
            let picked = packed.scan(&row, &[wanted], &mut Vec::new());
            let expected: Vec<u32> = (0..count as u32).filter(|vector| vector % 16 == 5).collect();
            assert_eq!((picked.products.of(0), picked.distances.of(0)), (&expected[..], &expected[..]));
        }
    }
}
