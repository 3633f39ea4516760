//! Why a figure has no value.

/// Why a metric has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// There is not one score for each truth.
    #[error("{scores} scores but {truths} truths")]
    Lengths {
        /// Scores given.
        scores: usize,
        /// Truths given.
        truths: usize,
    },
    /// A score that cannot be ranked.
    #[error("the score of row {row} is NaN")]
    NanScore {
        /// The row, counted from 1.
        row: usize,
    },
    /// The metric needs at least one row of each class.
    #[error("{anomalies} anomalies among {rows} rows: the metric needs at least one anomaly and one normal row")]
    OneClass {
        /// Anomalies.
        anomalies: usize,
        /// All rows.
        rows: usize,
    },
    /// More top rows asked for than there are, or none.
    #[error("k = {k}: must be at least 1 and at most the number of rows, {rows}")]
    BadK {
        /// The number asked for.
        k: usize,
        /// All rows.
        rows: usize,
    },
}

/// Why a comparison of methods has no value. Places are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// Nothing to compare.
    #[error("methods to compare: {methods}; at least two are needed")]
    TooFewMethods {
        /// Methods given.
        methods: usize,
    },
    /// Nothing to compare on.
    #[error("data sets to compare methods on: {sets}; at least two are needed")]
    TooFewSets {
        /// Data sets given.
        sets: usize,
    },
    /// A data set without one value for each method.
    #[error(
        "data set {set} has {values} values, but the first has {methods}: every method needs one on every data set"
    )]
    Ragged {
        /// The data set.
        set: usize,
        /// Its values.
        values: usize,
        /// The values of the first data set.
        methods: usize,
    },
    /// A value that cannot be compared.
    #[error("the value of method {method} on data set {set} is not finite")]
    NotFinite {
        /// The data set.
        set: usize,
        /// The method.
        method: usize,
    },
    /// A difference that cannot be ranked.
    #[error("difference {place} is not finite")]
    NotFiniteDifference {
        /// Its place.
        place: usize,
    },
    /// A run that cannot be averaged.
    #[error("run {run} of set {set} in family {family} is not finite")]
    NotFiniteRun {
        /// The family.
        family: usize,
        /// The set in the family.
        set: usize,
        /// The run of the set.
        run: usize,
    },
    /// There are no values at all.
    #[error("there are no values")]
    NoValues,
    /// A family without sets.
    #[error("family {family} has no sets")]
    EmptyFamily {
        /// The family.
        family: usize,
    },
    /// A set without runs.
    #[error("set {set} of family {family} has no runs")]
    EmptySet {
        /// The family.
        family: usize,
        /// The set in the family.
        set: usize,
    },
    /// A p-value that is no probability.
    #[error("p-value {place} is {value}: must lie between 0 and 1")]
    BadPValue {
        /// Its place.
        place: usize,
        /// The value.
        value: f64,
    },
    /// A rate of false discoveries that cannot be kept.
    #[error("a false-discovery rate of {rate}: must lie between 0 and 1, both excluded")]
    BadDiscoveryRate {
        /// The rate asked for.
        rate: f64,
    },
}

/// Why there is no threshold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// There are no scores.
    #[error("there are no scores to choose a threshold by")]
    NoScores,
    /// A score that no threshold can be chosen by.
    #[error("the score of row {row} is not finite")]
    NotFinite {
        /// The row, counted from 1.
        row: usize,
    },
    /// A share of rows that cannot be flagged.
    #[error("a share of {share}: must lie between 0 and 1, both excluded")]
    BadShare {
        /// The share asked for.
        share: f64,
    },
    /// A rate of false alarms that cannot be kept.
    #[error("a false-alarm rate of {rate}: must lie between 0 and 1, both excluded")]
    BadRate {
        /// The rate asked for.
        rate: f64,
    },
    /// Too few held-out rows for so low a rate.
    #[error("a false-alarm rate of {rate} needs at least {needed} held-out rows, but there are {rows}")]
    TooFewRows {
        /// The rate asked for.
        rate: f64,
        /// Rows it needs.
        needed: usize,
        /// Rows there are.
        rows: usize,
    },
    /// Stored calibration scores that are out of order.
    #[error("calibration score {place} is below the one before it: stored scores must not fall")]
    Unsorted {
        /// Its place, counted from 1.
        place: usize,
    },
}
