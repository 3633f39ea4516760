//! Errors of metrics, comparisons and thresholds.

/// Why a metric cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The numbers of scores and truths differ.
    #[error("{scores} scores but {truths} truths")]
    Lengths {
        /// The number of scores.
        scores: usize,
        /// The number of truths.
        truths: usize,
    },
    /// A score is NaN.
    #[error("the score of row {row} is NaN")]
    NanScore {
        /// The row, counted from 1.
        row: usize,
    },
    /// The rows are of one class only.
    #[error("{anomalies} anomalies among {rows} rows: the metric needs at least one anomaly and one normal row")]
    OneClass {
        /// The number of anomalies.
        anomalies: usize,
        /// The number of rows.
        rows: usize,
    },
    /// The number of top rows is 0 or larger than the number of rows.
    #[error("k = {k}: must be at least 1 and at most the number of rows, {rows}")]
    BadK {
        /// The number of top rows.
        k: usize,
        /// The number of rows.
        rows: usize,
    },
}

/// Why a comparison of methods cannot be computed. Positions are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// There are fewer than two methods.
    #[error("methods to compare: {methods}; at least two are needed")]
    TooFewMethods {
        /// The number of methods.
        methods: usize,
    },
    /// There are fewer than two data sets.
    #[error("data sets to compare methods on: {sets}; at least two are needed")]
    TooFewSets {
        /// The number of data sets.
        sets: usize,
    },
    /// A data set has another number of values than the first one.
    #[error(
        "data set {set} has {values} values, but the first has {methods}: every method needs one on every data set"
    )]
    Ragged {
        /// The data set.
        set: usize,
        /// The number of its values.
        values: usize,
        /// The number of values of the first data set.
        methods: usize,
    },
    /// A value is NaN or infinite.
    #[error("the value of method {method} on data set {set} is not finite")]
    NotFinite {
        /// The data set.
        set: usize,
        /// The method.
        method: usize,
    },
    /// A difference is NaN or infinite.
    #[error("difference {place} is not finite")]
    NotFiniteDifference {
        /// The position of the difference.
        place: usize,
    },
    /// A run is NaN or infinite.
    #[error("run {run} of set {set} in family {family} is not finite")]
    NotFiniteRun {
        /// The family.
        family: usize,
        /// The set in the family.
        set: usize,
        /// The run of the set.
        run: usize,
    },
    /// There are no values.
    #[error("there are no values")]
    NoValues,
    /// A family has no sets.
    #[error("family {family} has no sets")]
    EmptyFamily {
        /// The family.
        family: usize,
    },
    /// A set has no runs.
    #[error("set {set} of family {family} has no runs")]
    EmptySet {
        /// The family.
        family: usize,
        /// The set in the family.
        set: usize,
    },
    /// A p-value is not between 0 and 1.
    #[error("p-value {place} is {value}, but must be between 0 and 1")]
    BadPValue {
        /// The position of the p-value.
        place: usize,
        /// The value.
        value: f64,
    },
    /// A false-discovery rate is not between 0 and 1.
    #[error("the false-discovery rate is {rate}, but must be above 0 and below 1")]
    BadDiscoveryRate {
        /// The rate.
        rate: f64,
    },
}

/// Why a threshold cannot be chosen.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// There are no scores.
    #[error("a threshold needs at least one score, but there are no scores")]
    NoScores,
    /// A score is NaN or infinite.
    #[error("the score of row {row} is not finite")]
    NotFinite {
        /// The row, counted from 1.
        row: usize,
    },
    /// A share is not between 0 and 1.
    #[error("the share is {share}, but must be above 0 and below 1")]
    BadShare {
        /// The share.
        share: f64,
    },
    /// A false-positive rate is not between 0 and 1.
    #[error("the false-positive rate is {rate}, but must be above 0 and below 1")]
    BadRate {
        /// The rate.
        rate: f64,
    },
    /// There are too few held-out rows for a low rate.
    #[error("a false-positive rate of {rate} needs at least {needed} held-out rows, but there are {rows}")]
    TooFewRows {
        /// The rate.
        rate: f64,
        /// The number of rows that the rate needs.
        needed: usize,
        /// The number of held-out rows.
        rows: usize,
    },
    /// Stored calibration scores are not sorted.
    #[error("calibration score {place} is below the one before it; stored scores must be sorted")]
    Unsorted {
        /// The position of the score, counted from 1.
        place: usize,
    },
}
