//! What can be wrong with samples, splits and label budgets.

/// What is wrong with samples, a split, a label budget, noise or synthetic anomalies.
///
/// Rows and feature columns are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// A feature in memory is NaN or infinite.
    #[error("row {row}, feature column {column} holds {value}: every feature must be a finite number")]
    NotFinite {
        /// The row.
        row: usize,
        /// The feature column.
        column: usize,
        /// What stands there.
        value: f32,
    },
    /// There are more or fewer labels than rows.
    #[error("{rows} rows of features but {labels} labels")]
    LabelCount {
        /// Rows of features.
        rows: usize,
        /// Labels.
        labels: usize,
    },
    /// There is nothing to work on.
    #[error("{rows} rows of {columns} features: at least one row and one feature are needed")]
    Empty {
        /// Rows.
        rows: usize,
        /// Feature columns.
        columns: usize,
    },
    /// No row is labelled an anomaly.
    #[error("no row is labelled an anomaly: at least one is needed")]
    NoAnomalies,
    /// A label count above what the training side has.
    #[error("{count} labelled anomalies asked for, but the training rows hold only {anomalies}: lower the label count")]
    TooFewAnomalies {
        /// Labels asked for.
        count: usize,
        /// Anomalies there are.
        anomalies: usize,
    },
    /// A class has too few rows to stand on both sides of a split.
    #[error("{anomalies} anomalies and {others} other rows: a split needs at least two of each")]
    TooFewToSplit {
        /// Anomalies.
        anomalies: usize,
        /// Other rows.
        others: usize,
    },
    /// Rows that are equal must stay together, which leaves a side without one of the classes.
    #[error(
        "too many equal rows: kept together, they leave one side of the split without anomalies or without normal rows"
    )]
    EqualRowsPreventSplit,
    /// A label ratio that is no share.
    #[error("label ratio {ratio}: must be above 0 and at most 1")]
    BadRatio {
        /// The ratio.
        ratio: f64,
    },
    /// A noise with a level it cannot have.
    #[error("level {level} of {noise}: must be {must}")]
    NoiseLevel {
        /// The noise.
        noise: &'static str,
        /// The level.
        level: f64,
        /// What it has to be.
        must: &'static str,
    },
    /// A name that no noise has.
    #[error("unknown noise `{name}`: use one of {} or {}", crate::noise::Noise::NAMES.join(", "), crate::noise::Noise::NORMAL_CLEAN)]
    UnknownNoise {
        /// The name.
        name: String,
    },
    /// A name that no kind of synthetic anomalies has.
    #[error("unknown synthetic anomalies `{name}`: use {}", crate::synthetic::Synthetic::ALL.map(|kind| kind.name()).join(", "))]
    UnknownSynthetic {
        /// The name.
        name: String,
    },
    /// Too few normal rows to make synthetic rows like them.
    #[error("{normals} normal rows: synthetic rows need at least two to imitate; leave the set out")]
    TooFewToImitate {
        /// Normal rows.
        normals: usize,
    },
    /// No model for synthetic rows can be fitted to the normal ones.
    #[error(
        "no synthetic rows can be made from the normal ones: drop columns that follow from others, or leave the set out"
    )]
    TooCloseToImitate,
    /// A label count of 0.
    #[error("label count 0: at least one labelled anomaly is needed")]
    BadCount,
    /// A text that is not a digest.
    #[error("`{given}` is not a SHA-256 digest: 64 hexadecimal digits are needed")]
    BadDigest {
        /// The text.
        given: String,
    },
    /// No protocol has this name.
    #[error("unknown protocol `{name}`: use adbench or clean")]
    UnknownProtocol {
        /// The name given.
        name: String,
    },
    /// An error in a named data set.
    #[error("data set `{name}`: {source}")]
    InDataset {
        /// The data set.
        name: String,
        /// What is wrong with it.
        source: Box<CoreError>,
    },
}

impl CoreError {
    /// Names the data set that the error is about.
    pub fn in_dataset(self, name: &str) -> Self {
        CoreError::InDataset { name: name.into(), source: Box::new(self) }
    }
}
