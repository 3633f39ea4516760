//! Rows of the kernel matrix that are kept because they may be needed again.

use super::kernel::Kernel;

/// Kernels of active rows with all active rows, as many as memory allows.
pub(super) struct Cache<'a> {
    rows: &'a [f32],
    kernel: &'a Kernel,
    columns: usize,
    /// The kernels, each with the place of its row and whether it was asked for since the hand has passed.
    slots: Vec<Slot>,
    /// The slot of each row.
    slot_of: Vec<Option<usize>>,
    /// The most slots.
    most: usize,
    /// The next slot that may be taken from its row.
    hand: usize,
}

struct Slot {
    row: usize,
    wanted: bool,
    kernels: Vec<f32>,
}

impl<'a> Cache<'a> {
    /// A cache of at most `bytes`, and of at least two rows.
    pub fn new(rows: &'a [f32], columns: usize, kernel: &'a Kernel, bytes: usize) -> Self {
        let most = (bytes / (kernel.stride() * size_of::<f32>())).max(2);
        Self { rows, kernel, columns, slots: Vec::new(), slot_of: vec![None; rows.len() / columns], most, hand: 0 }
    }

    /// The kernels of a row. The kernels of `kept` stay in the cache.
    fn slot(&mut self, row: usize, kept: Option<usize>) -> usize {
        if let Some(slot) = self.slot_of[row] {
            self.slots[slot].wanted = true;
            return slot;
        }
        let slot = self.free(kept);
        let Slot { row: owner, wanted, kernels } = &mut self.slots[slot];
        (*owner, *wanted) = (row, true);
        self.kernel.of(&self.rows[row * self.columns..][..self.columns], 1.0, kernels);
        // Rounding may make the distance of a row from itself positive.
        kernels[row] = 1.0;
        self.slot_of[row] = Some(slot);
        slot
    }

    /// A slot without a row: the first one after the hand that nobody has asked for since the hand passed last.
    fn free(&mut self, kept: Option<usize>) -> usize {
        if self.slots.len() < self.most {
            self.slots.push(Slot { row: 0, wanted: false, kernels: vec![0.0; self.kernel.stride()] });
            return self.slots.len() - 1;
        }
        loop {
            let at = self.hand;
            self.hand = (at + 1) % self.slots.len();
            let slot = &mut self.slots[at];
            if Some(slot.row) != kept && !std::mem::take(&mut slot.wanted) {
                self.slot_of[slot.row] = None;
                return at;
            }
        }
    }

    /// The kernels of a row with all rows.
    pub fn row(&mut self, row: usize) -> &[f32] {
        let slot = self.slot(row, None);
        &self.slots[slot].kernels[..self.slot_of.len()]
    }

    /// The kernels of two rows with all rows.
    pub fn pair(&mut self, rows: [usize; 2]) -> [&[f32]; 2] {
        let first = self.slot(rows[0], None);
        let second = self.slot(rows[1], Some(rows[0]));
        [first, second].map(|slot| &self.slots[slot].kernels[..self.slot_of.len()])
    }
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    /// Two slots for five rows: every answer is that of a cache without a limit.
    #[test]
    fn a_full_cache_answers_as_an_empty_one() {
        let rows = [0.0, 0.1, 0.5, 0.9, 1.7];
        let kernel = Kernel::new(&rows, 1);
        let (mut small, mut large) = (Cache::new(&rows, 1, &kernel, 0), Cache::new(&rows, 1, &kernel, 1 << 20));
        for step in 0..60 {
            let pair = [step * 7 % 5, (step * 3 + 1) % 5];
            assert_eq!(small.row(pair[0]), large.row(pair[0]));
            assert_eq!(small.pair(pair), large.pair(pair), "{step}");
            assert!((small.pair(pair)[0][pair[1]] - (-(rows[pair[0]] - rows[pair[1]]).powi(2)).exp()).abs() < 1e-6);
        }
        assert_eq!((small.slots.len(), large.slots.len()), (2, 5));
    }
}
