//! Errors of samples, splits, label budgets, noise and synthetic anomalies.

/// What is wrong with samples, a split, a label budget, noise or synthetic anomalies.
///
/// Rows and feature columns are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// A feature in memory is NaN or infinite.
    #[error("row {row}, feature column {column}: {value} is not a finite number")]
    NotFinite {
        /// The row.
        row: usize,
        /// The feature column.
        column: usize,
        /// The value.
        value: f32,
    },
    /// The numbers of labels and rows differ.
    #[error("{rows} rows of features but {labels} labels")]
    LabelCount {
        /// The number of rows.
        rows: usize,
        /// The number of labels.
        labels: usize,
    },
    /// There are no rows or no features.
    #[error("{rows} rows of {columns} features: at least one row and one feature are needed")]
    Empty {
        /// The number of rows.
        rows: usize,
        /// The number of feature columns.
        columns: usize,
    },
    /// No row is labelled an anomaly.
    #[error("no row is labelled an anomaly: at least one is needed")]
    NoAnomalies,
    /// A label count above the number of training anomalies.
    #[error(
        "{count} labelled anomalies were requested, but the training rows hold only {anomalies}; lower the label count"
    )]
    TooFewAnomalies {
        /// The number of labels requested.
        count: usize,
        /// The number of anomalies.
        anomalies: usize,
    },
    /// A class has too few rows to be on both sides of a split.
    #[error("{anomalies} anomalies and {others} other rows: a split needs at least two of each")]
    TooFewToSplit {
        /// The number of anomalies.
        anomalies: usize,
        /// The number of other rows.
        others: usize,
    },
    /// Equal rows stay together, which leaves a side without one of the classes.
    #[error(
        "too many equal rows: they stay together, which leaves one side of the split without anomalies or without normal rows"
    )]
    EqualRowsPreventSplit,
    /// A label ratio outside of its range.
    #[error("label ratio {ratio}: must be above 0 and at most 1")]
    BadRatio {
        /// The ratio.
        ratio: f64,
    },
    /// A noise level outside of its range.
    #[error("level {level} of {noise}: must be {must}")]
    NoiseLevel {
        /// The noise.
        noise: &'static str,
        /// The level.
        level: f64,
        /// The values that are allowed.
        must: &'static str,
    },
    /// An unknown name of a noise.
    #[cfg(feature = "trials")]
    #[error("unknown noise `{name}`: use one of {} or {}", crate::noise::Noise::NAMES.join(", "), crate::noise::Noise::NORMAL_CLEAN)]
    UnknownNoise {
        /// The name.
        name: String,
    },
    /// An unknown name of a kind of synthetic anomalies.
    #[cfg(feature = "trials")]
    #[error("unknown synthetic anomalies `{name}`: use one of {}", crate::synthetic::Synthetic::ALL.map(|kind| kind.name()).join(", "))]
    UnknownSynthetic {
        /// The name.
        name: String,
    },
    /// Too few normal rows to fit a model of them.
    #[error("{normals} normal rows: synthetic rows need at least two; leave the set out")]
    TooFewToImitate {
        /// The number of normal rows.
        normals: usize,
    },
    /// No model can be fitted to the normal rows.
    #[error(
        "no model for synthetic rows can be fitted to the normal ones; drop columns that follow from others, or leave the set out"
    )]
    TooCloseToImitate,
    /// A text that is not a digest.
    #[error("`{given}` is not a SHA-256 digest: 64 hexadecimal digits are needed")]
    BadDigest {
        /// The text.
        given: String,
    },
    /// An unknown name of a protocol.
    #[error("unknown protocol `{name}`: use adbench or clean")]
    UnknownProtocol {
        /// The name.
        name: String,
    },
    /// An error in a named data set.
    #[error("data set `{name}`: {source}")]
    InDataset {
        /// The data set.
        name: String,
        /// The error.
        source: Box<CoreError>,
    },
}

impl CoreError {
    /// The same error with the name of its data set.
    pub fn in_dataset(self, name: &str) -> Self {
        CoreError::InDataset { name: name.into(), source: Box::new(self) }
    }
}
