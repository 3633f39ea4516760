//! Corrections for multiple tests.

use crate::StatisticsError;

/// Holm's step-down adjustment (Holm 1979), in the order of the given p-values. If adjusted values of at most α are called
/// significant, the probability of any false rejection is at most α, whatever the dependence between the tests.
///
/// # Errors
/// When a p-value is not between 0 and 1.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, StatisticsError> {
    check(p_values)?;
    Ok(holm_checked(p_values))
}

/// [`holm`] for valid p-values.
pub(crate) fn holm_checked(p_values: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (smaller, place) in ascending(p_values).into_iter().enumerate() {
        least = least.max(((p_values.len() - smaller) as f64 * p_values[place]).min(1.0));
        adjusted[place] = least;
    }
    adjusted
}

/// The step-up adjustment of Benjamini and Hochberg (1995), in the order of the given p-values
/// (`scipy.stats.false_discovery_control`). See [`discoveries`] for its guarantee.
///
/// # Errors
/// When a p-value is not between 0 and 1.
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, StatisticsError> {
    check(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut most: f64 = 1.0;
    for (before, place) in ascending(p_values).into_iter().enumerate().rev() {
        most = most.min(p_values[place] * (p_values.len() as f64 / (before + 1) as f64));
        adjusted[place] = most;
    }
    Ok(adjusted)
}

/// The discoveries at a false-discovery rate: the tests whose [adjusted p-value](benjamini_hochberg) is at most `rate`.
///
/// The expected share of false discoveries (0 without discoveries) is at most `rate` times the share of true null hypotheses, if the p-values are independent or positively dependent in the sense of PRDS (Benjamini and
/// Yekutieli 2001). [Conformal p-values](crate::Calibration::p_value) of new rows against one calibration sample satisfy this
/// (Bates, Candès, Lei, Romano and Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 2023),
/// if calibration rows and new normal rows are independent draws of one distribution whose scores do not tie.
///
/// # Errors
/// When a p-value is not between 0 and 1, or the rate is not strictly between 0 and 1.
pub fn discoveries(p_values: &[f64], rate: f64) -> Result<Vec<bool>, StatisticsError> {
    if !(rate > 0.0 && rate < 1.0) {
        return Err(StatisticsError::BadDiscoveryRate { rate });
    }
    Ok(benjamini_hochberg(p_values)?.into_iter().map(|adjusted| adjusted <= rate).collect())
}

fn check(p_values: &[f64]) -> Result<(), StatisticsError> {
    match p_values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        Some(place) => Err(StatisticsError::BadPValue { place: place + 1, value: p_values[place] }),
        None => Ok(()),
    }
}

/// The positions of the values in ascending order.
fn ascending(values: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    places
}
