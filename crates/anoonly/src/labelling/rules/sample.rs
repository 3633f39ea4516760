//! The rows that rules are compared on.

use anoonly_core::{Label, Seed};

/// The largest number of unlabelled rows.
const UNLABELLED: usize = 4000;

/// All labelled rows and a sample of the others: first the anomalies, then the confirmed normals, then unlabelled rows.
pub(super) struct SampledRows {
    pub rows: Vec<u32>,
    /// The number of anomalies.
    pub anomalies: usize,
    /// The number of confirmed normals.
    pub normals: usize,
    /// The number of unlabelled rows in the sample.
    pub unlabelled: usize,
    /// The number of unlabelled rows of the table.
    pub all_unlabelled: usize,
}

impl SampledRows {
    /// The seed decides which unlabelled rows are drawn.
    pub fn draw(labels: &[Label], seed: Seed) -> Self {
        let with = |label: Label| -> Vec<u32> {
            (0..labels.len()).filter(|&row| labels[row] == label).map(|row| row as u32).collect()
        };
        let mut rows = with(Label::Anomaly);
        let anomalies = rows.len();
        rows.extend(with(Label::Normal));
        let normals = rows.len() - anomalies;
        let others = with(Label::Unlabelled);
        let mut rng = seed.stream(&["labelling", "rules"]);
        let drawn = rand::seq::index::sample(&mut rng, others.len(), others.len().min(UNLABELLED));
        let mut drawn: Vec<u32> = drawn.into_iter().map(|place| others[place]).collect();
        drawn.sort_unstable();
        let unlabelled = drawn.len();
        rows.extend(drawn);
        Self { rows, anomalies, normals, unlabelled, all_unlabelled: others.len() }
    }
}
