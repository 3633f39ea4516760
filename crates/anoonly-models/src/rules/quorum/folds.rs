//! The folds of the training rows, and what the fits on them share.

use rand::Rng;
use rand::seq::SliceRandom;

use super::opinions::FitRows;
use crate::RuleData;
use crate::kernels::products::StridedRows;
use crate::tools::covariance::{Covariance, CovarianceSums, is_wide, rough_mean, summing_memory};

/// The most cells in the sums of all folds that are kept: 256 MiB. Beyond, each covariance is computed from its rows.
const MOST_CELLS: usize = 1 << 25;

/// What stands for the fold of a row that is in none. A method has at most 100 folds.
const NO_FOLD: u8 = u8::MAX;

/// Training rows in random folds.
pub(super) struct Folds {
    /// All rows, in random order. The row at a place is in the fold `place % count`.
    all: FitRows,
    count: usize,
    /// About the mean of the rows that are no anomalies, from which the sums count.
    origin: Vec<f64>,
    /// For each fold, the sums over its rows that are no anomalies; empty if they are not kept.
    sums: Vec<CovarianceSums>,
}

impl Folds {
    /// Draws folds.
    pub fn of(folds: usize, data: &RuleData, rng: &mut impl Rng) -> Self {
        let mut all = FitRows::all(data);
        [&mut all.unlabelled, &mut all.anomalies, &mut all.normals].into_iter().for_each(|rows| rows.shuffle(rng));
        let count = folds.min(all.unlabelled.len()).max(2);
        let mut folds = Self { all, count, origin: rough_mean(data.at(&data.others)), sums: Vec::new() };
        if folds.all.unlabelled.len() > 1
            && shared_cells(count, data.columns).is_some()
            && !is_wide(data.others.len(), data.columns)
        {
            folds.sums = folds.sums_of_all(data);
        }
        folds
    }

    /// The sums of each fold, with all rows read once and in their order.
    fn sums_of_all(&self, data: &RuleData) -> Vec<CovarianceSums> {
        let all = StridedRows::all(&data.rows, data.columns);
        let mut folds = vec![NO_FOLD; all.len()];
        for rows in [&self.all.unlabelled, &self.all.normals] {
            rows.iter().enumerate().for_each(|(place, &row)| folds[row] = (place % self.count) as u8);
        }
        let fold = |row: usize| Some(usize::from(folds[row])).filter(|_| folds[row] != NO_FOLD);
        CovarianceSums::of_groups(all, &self.origin, self.count, fold)
    }

    /// The number of folds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The rows of a fold.
    pub fn inside(&self, fold: usize) -> FitRows {
        self.part(|place| place % self.count == fold)
    }

    /// The rows of the other folds. A single unlabelled row or a single anomaly is among them in any case: there is no other one.
    pub fn outside(&self, fold: usize) -> FitRows {
        let mut others = self.part(|place| place % self.count != fold);
        for (others, all) in
            [(&mut others.unlabelled, &self.all.unlabelled), (&mut others.anomalies, &self.all.anomalies)]
        {
            if let [_] = all[..] {
                others.clone_from(all);
            }
        }
        others
    }

    fn part(&self, of: impl Fn(usize) -> bool) -> FitRows {
        let part = |rows: &[usize]| -> Vec<usize> {
            rows.iter().enumerate().filter(|(place, _)| of(*place)).map(|(_, &row)| row).collect()
        };
        let FitRows { unlabelled, normals, anomalies } = &self.all;
        FitRows { unlabelled: part(unlabelled), normals: part(normals), anomalies: part(anomalies) }
    }

    /// The shrunk covariance of the rows that are no anomalies, without those of a fold.
    pub fn covariance(&self, data: &RuleData, left_out: Option<usize>) -> Covariance {
        let rows = || left_out.map_or_else(|| self.all.clone(), |fold| self.outside(fold));
        if is_wide(self.others(left_out), data.columns) {
            let rows = rows();
            return Covariance::ledoit_wolf(&data.select(&[rows.unlabelled, rows.normals].concat()), data.columns);
        }
        let mut parts = self.sums.iter().enumerate().filter(|(fold, _)| Some(*fold) != left_out).map(|(_, sums)| sums);
        let sums = match parts.next() {
            None => self.sums(data, &rows()),
            Some(first) => parts.fold(first.clone(), |mut sums, part| {
                sums.join(part);
                sums
            }),
        };
        sums.ledoit_wolf()
    }

    /// The number of rows that are no anomalies, without those of a fold.
    fn others(&self, left_out: Option<usize>) -> usize {
        let count = |rows: &[usize]| match left_out {
            // A place in the fold for every `count` places.
            Some(fold) => rows.len() - rows.len().saturating_sub(fold).div_ceil(self.count),
            None => rows.len(),
        };
        // A single unlabelled row is outside of every fold.
        let unlabelled = count(&self.all.unlabelled).max(usize::from(self.all.unlabelled.len() == 1));
        unlabelled + count(&self.all.normals)
    }

    /// The sums over rows that are no anomalies.
    fn sums(&self, data: &RuleData, rows: &FitRows) -> CovarianceSums {
        let mut rows = [&rows.unlabelled[..], &rows.normals].concat();
        rows.sort_unstable();
        CovarianceSums::of(data.at(&rows), &self.origin)
    }
}

/// The number of cells in the sums of all folds; `None` if they are too many to be kept.
fn shared_cells(folds: usize, columns: usize) -> Option<usize> {
    Some(folds.saturating_mul(CovarianceSums::cells(columns))).filter(|cells| *cells <= MOST_CELLS)
}

/// The number of bytes that the sums of all folds and of one more take.
pub(super) fn memory(folds: usize, columns: usize) -> u64 {
    let one = (CovarianceSums::cells(columns) as u64).saturating_mul(8);
    let shared = shared_cells(folds, columns).map_or(0, |cells| 8 * cells as u64 + summing_memory(folds, columns));
    one.saturating_add(shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anoonly_core::Seed;

    fn data(anomalies: usize, normals: usize, others: usize) -> RuleData {
        let count = anomalies + others;
        let cell = |cell: usize| ((cell * 7919 + cell / 3 * 104_729) % 1009) as f32 / 1009.0;
        RuleData {
            rows: (0..count * 3).map(cell).collect(),
            columns: 3,
            anomalies: (0..anomalies).collect(),
            others: (anomalies..count).collect(),
            normals: (anomalies..anomalies + normals).collect(),
        }
    }

    /// As a covariance computed from copies of the rows.
    #[test]
    fn covariances_are_those_of_the_rows_outside() {
        for data in [data(4, 7, 60), data(0, 0, 12), data(1, 0, 1)] {
            let folds = Folds::of(5, &data, &mut Seed(1).stream(&[]));
            for left_out in (0..folds.count()).map(Some).chain([None]) {
                let rows = left_out.map_or_else(|| FitRows::all(&data), |fold| folds.outside(fold));
                let rows = [rows.unlabelled, rows.normals].concat();
                assert_eq!(folds.others(left_out), rows.len());
                let expected = Covariance::ledoit_wolf(&data.select(&rows), 3);
                let ours = folds.covariance(&data, left_out);
                assert!((ours.shrinkage - expected.shrinkage).abs() < 1e-9, "{left_out:?}");
                for (ours, expected) in ours.variances.iter().zip(&expected.variances) {
                    assert!((ours - expected).abs() <= 1e-9 * expected, "{left_out:?}: {ours}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn each_row_is_inside_one_fold_and_outside_the_others() {
        let data = data(1, 9, 50);
        let folds = Folds::of(4, &data, &mut Seed(2).stream(&[]));
        let mut seen = vec![0; 51];
        for fold in 0..folds.count() {
            let (inside, outside) = (folds.inside(fold), folds.outside(fold));
            for (inside, outside, count) in
                [(&inside.unlabelled, &outside.unlabelled, 41), (&inside.normals, &outside.normals, 9)]
            {
                assert_eq!(inside.len() + outside.len(), count);
                assert!(inside.iter().all(|row| !outside.contains(row)));
                inside.iter().for_each(|&row| seen[row] += 1);
            }
            assert_eq!(outside.anomalies, [0]);
        }
        assert_eq!(seen[1..], [1; 50]);
    }
}
