//! The balance between labelled anomalies, confirmed normals and unlabelled rows.

/// Rows by what is known about them, each `[rows, columns]`, row by row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassRows<'a> {
    /// The unlabelled rows.
    pub unlabelled: &'a [f32],
    /// The confirmed normals.
    pub normals: &'a [f32],
    /// The labelled anomalies.
    pub anomalies: &'a [f32],
}

impl<'a> ClassRows<'a> {
    /// The rows, kind after kind.
    pub fn iter(self, columns: usize) -> impl Iterator<Item = &'a [f32]> {
        [self.unlabelled, self.normals, self.anomalies].into_iter().flat_map(move |rows| rows.chunks_exact(columns))
    }

    /// The number of rows of each kind.
    pub fn counts(self, columns: usize) -> [usize; 3] {
        [self.unlabelled, self.normals, self.anomalies].map(|rows| rows.len() / columns)
    }
}

/// What the number of all rows is divided by to give the weight of one row: of an unlabelled one, of a confirmed normal and of a labelled
/// anomaly, given their counts.
///
/// Anomalies have half of the total weight, and all other rows have the other half, as in scikit-learn's `class_weight="balanced"`. If
/// only some of those are confirmed as normal, these and the unlabelled rows have a quarter each.
pub(crate) fn weight_divisors(counts: [usize; 3]) -> [f64; 3] {
    let [unlabelled, normals, _] = counts;
    let of_other = if unlabelled > 0 && normals > 0 { 4.0 } else { 2.0 };
    let size = |place: usize| counts[place].max(1) as f64;
    [of_other * size(0), of_other * size(1), 2.0 * size(2)]
}

#[cfg(test)]
#[cfg(feature = "fit")]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_rows_have_their_shares_of_the_weight() {
        for (counts, shares) in [
            ([12, 3, 5], [0.25, 0.25, 0.5]),
            ([15, 0, 5], [0.5, 0.0, 0.5]),
            ([0, 15, 5], [0.0, 0.5, 0.5]),
            ([15, 5, 0], [0.25, 0.25, 0.0]),
        ] {
            let divisors = weight_divisors(counts);
            for kind in 0..3 {
                assert_eq!(counts[kind] as f64 / divisors[kind], shares[kind], "{counts:?}, kind {kind}");
            }
        }
    }

    #[test]
    fn rows_come_kind_after_kind() {
        let rows = ClassRows { unlabelled: &[1.0, 2.0, 3.0, 4.0], normals: &[], anomalies: &[5.0, 6.0] };
        assert_eq!(rows.counts(2), [2, 0, 1]);
        assert_eq!(rows.iter(2).collect::<Vec<_>>(), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    }
}
