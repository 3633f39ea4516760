//! Numbers that are no features: identifiers, counters, and time that goes on.
//!
//! New rows lie outside of what such a column held in training, however normal they are.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::cells::{Cells, whole_digits};
use crate::table::whole_numbers;

/// A column of text or long numbers with more distinct values than this share of its rows is taken for identifiers.
pub(super) const IDENTIFIER_SHARE: f64 = 0.9;
/// A column with at most this many distinct values is not.
pub(super) const IDENTIFIER_VALUES: usize = 50;
/// Numbers from here on have twelve digits, as account numbers have.
const LONG_NUMBER: u128 = 100_000_000_000;
/// Whole numbers that were drawn at random from their range would contain at least this many repetitions. Where there are hardly any,
/// the numbers were given one by one.
const EXPECTED_REPETITIONS: f64 = 10.0;
/// Whole numbers up to here are exact as floats of 64 bits.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// So many steps are taken before a single one that turns back counts.
const FIRST_STEPS: usize = 100;
/// The number of values that are looked at first.
const FIRST_VALUES: usize = 10_000;
/// The number of values that tell most columns with fractions.
const FEW_VALUES: usize = 100;
/// A column counts on with the rows of the file when its correlation with the row number has at least this square.
const STEADY: f64 = 0.98;

/// Why a column of this name is no feature.
pub(super) fn reason_by_name(name: &str) -> Option<String> {
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.trim_end_matches('_').bytes().all(|byte| byte.is_ascii_digit()))
    };
    (numbered("__index_level_") || numbered("Unnamed: "))
        .then(|| "pandas wrote it: it holds the row names of a data frame".into())
}

/// Why a column of numbers is no feature. `values` are its values in file order.
pub(super) fn reason_by_values(cells: &Cells, values: &[Option<f64>]) -> Option<String> {
    // Fractions are no identifiers, and most columns that have any have one among their first values.
    let has_fractions = values.iter().flatten().take(FEW_VALUES).any(|value| value.fract() != 0.0);
    if !has_fractions
        && hardly_repeats(values)
        && let Some(mut whole) = all_whole(cells)
    {
        whole.sort_unstable();
        if counts_on(&whole) {
            return Some("its whole numbers count on and hardly repeat, as row numbers and keys do".into());
        }
        if is_long_identifier(&whole) {
            return Some(
                "nearly every row has a different number of twelve or more digits, as in a column of identifiers"
                    .into(),
            );
        }
    }
    let direction = steady(values)?;
    Some(format!(
        "its values {direction} steadily from row to row, as time and counters do, and new rows would lie beyond them; or the table is \
         sorted by it"
    ))
}

/// Whether the first values are nearly all different, as those of an identifier are. A look at all of them is slow.
fn hardly_repeats(values: &[Option<f64>]) -> bool {
    let first: Vec<f64> = values.iter().flatten().take(FIRST_VALUES).copied().collect();
    let distinct: HashSet<u64> = first.iter().map(|value| value.to_bits()).collect();
    // Different numbers of more than 53 bits may look the same here.
    let may_differ = first.iter().any(|value| value.abs() > EXACT);
    may_differ || distinct.len() as f64 >= IDENTIFIER_SHARE * first.len() as f64
}

/// The values, if all of them are whole numbers.
fn all_whole(cells: &Cells) -> Option<Vec<i128>> {
    match cells {
        Cells::Numbers(array) => match whole_numbers(array.as_ref()) {
            Some(values) => Some(values.into_iter().flatten().collect()),
            None => {
                let whole = |value: f64| (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i128);
                cells.floats()?.into_iter().flatten().map(whole).collect()
            }
        },
        Cells::Written(numbers) => numbers.all_whole(),
        Cells::Text(texts) => texts
            .iter_known()
            .flatten()
            .filter(|text| !super::notation::is_placeholder(text))
            .map(|text| whole_digits(text)?.parse().ok())
            .collect(),
        _ => None,
    }
}

/// Whether sorted whole numbers were given one by one, from a range that is hardly wider than their number. Only the middle of the
/// values is looked at: a single other number says nothing about the rest.
fn counts_on(sorted: &[i128]) -> bool {
    let edge = sorted.len() / 10;
    let middle = &sorted[edge..sorted.len() - edge];
    let (Some(&low), Some(&high)) = (middle.first(), middle.last()) else { return false };
    let step = middle.windows(2).fold(0, |step, pair| greatest_common_divisor(step, pair[1].saturating_sub(pair[0])));
    if step == 0 {
        return false;
    }
    let repetitions = middle.windows(2).filter(|pair| pair[0] == pair[1]).count();
    let (rows, places) = (middle.len() as f64, (high.saturating_sub(low) / step) as f64 + 1.0);
    // Draws from `places` numbers find this many of them anew.
    let expected = rows + places * (-rows / places).exp_m1();
    expected >= EXPECTED_REPETITIONS && repetitions as f64 <= expected / 10.0
}

fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn is_long_identifier(sorted: &[i128]) -> bool {
    let distinct = 1 + sorted.windows(2).filter(|pair| pair[0] != pair[1]).count();
    distinct > IDENTIFIER_VALUES
        && distinct as f64 > IDENTIFIER_SHARE * sorted.len() as f64
        && sorted[sorted.len() / 2].unsigned_abs() >= LONG_NUMBER
}

/// Whether values hardly ever turn back and keep pace with the rows: of a hundred steps, one may go back. A table that is sorted by a measurement does the first only.
fn steady(values: &[Option<f64>]) -> Option<&'static str> {
    let mut before: Option<f64> = None;
    let (mut rises, mut falls) = (0usize, 0usize);
    for &value in values.iter().flatten() {
        match before.map(|before| value.total_cmp(&before)) {
            Some(Ordering::Greater) => rises += 1,
            Some(Ordering::Less) => falls += 1,
            _ => {}
        }
        // A column that goes up and down ends here, after few values.
        if rises.min(falls) > 1 + (rises + falls + FIRST_STEPS) / 100 {
            return None;
        }
        before = Some(value);
    }
    let steps = rises + falls;
    if steps < IDENTIFIER_VALUES || rises.min(falls) > steps / 100 {
        return None;
    }
    // Without the edges, where single values may mark a missing one.
    let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let edge = sorted.len() / 100;
    let usual = sorted[edge]..=sorted[sorted.len() - 1 - edge];
    let known: Vec<(f64, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(row, value)| Some((row as f64, value.filter(|value| usual.contains(value))?)))
        .collect();
    let first = known.first()?.1;
    let rows = known.len() as f64;
    // From the first value, so that large values such as times lose no digits.
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| known.iter().map(of).sum::<f64>() / rows;
    let (mean_row, mean_value) = (mean(&|pair| pair.0), mean(&|pair| pair.1 - first));
    let (mut both, mut row_part, mut value_part) = (0.0, 0.0, 0.0);
    for (row, value) in &known {
        let (row, value) = (row - mean_row, value - first - mean_value);
        both += row * value;
        row_part += row * row;
        value_part += value * value;
    }
    let determination = both * both / (row_part * value_part);
    (determination >= STEADY).then_some(if rises > falls { "grow" } else { "fall" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look drawn at random, the same in every run.
    fn draws(count: usize, range: u64) -> Vec<i128> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i128::from((state >> 33) % range)
        };
        let mut values: Vec<i128> = (0..count).map(|_| next()).collect();
        values.sort_unstable();
        values
    }

    #[test]
    fn numbers_given_one_by_one_differ_from_draws() {
        assert!(counts_on(&(1_000_001..1_000_101).collect::<Vec<_>>()));
        assert!(counts_on(&(0..100).map(|row| 7 + 10 * row).collect::<Vec<_>>()));
        // A tenth of the rows of a larger table.
        let mut part: Vec<i128> = draws(2000, 20_000);
        part.dedup();
        assert!(counts_on(&part));
        let mut with_marker: Vec<i128> = (1..200).collect();
        with_marker.push(i128::from(i64::MAX));
        assert!(counts_on(&with_marker));
        for (count, range) in [(100, 100), (100, 1000), (1000, 100_000), (5000, 1_000_000), (50, 7), (5000, 7)] {
            assert!(!counts_on(&draws(count, range)), "{count} of {range}");
        }
        assert!(!counts_on(&[]) && !counts_on(&[1, 2, 3]) && !counts_on(&[5; 100]));
        // Decimals of 38 digits lie further apart than an integer can tell.
        let ends = [[i128::MIN; 50], [i128::MAX; 50]].concat();
        assert!(!counts_on(&ends));
    }

    #[test]
    fn time_that_goes_on_differs_from_a_sorted_measurement() {
        let values = |of: &dyn Fn(f64) -> f64| (0..400).map(|row| Some(of(f64::from(row)))).collect::<Vec<_>>();
        assert_eq!(steady(&values(&|row| 1.7e9 + 37.5 * row + (row * 0.7).sin())), Some("grow"));
        assert_eq!(steady(&values(&|row| -row)), Some("fall"));
        // A marker of a missing value, and a row that came late.
        assert_eq!(steady(&values(&|row| if row == 70.0 { -1.0 } else { 1.7e9 + 9.5 * row })), Some("grow"));
        // Sorted draws from a normal distribution, by its quantiles as a logistic one has them.
        assert_eq!(steady(&values(&|row| ((row + 0.5) / (399.5 - row)).ln())), None);
        assert_eq!(steady(&values(&|row| (row / 400.0).exp().powi(8))), None);
        assert_eq!(steady(&values(&|row| row % 300.0)), None);
        assert_eq!(steady(&values(&|_| 3.0)), None);
        assert_eq!(steady(&[]), None);
    }
}
