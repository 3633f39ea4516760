//! The conditions that rules are made of.

mod cuts;

use anoonly_data::encode::{CategoryValues, ColumnValues};
use rayon::prelude::*;

use self::cuts::cuts;
use super::sample::SampledRows;
use super::{UNLABELLED_WEIGHT, gain};
use crate::labelling::{Condition, ConditionTest, LabellingError, TableView, ViewedKind};

/// The number of columns that rules may use: those whose best condition has the highest value.
const COLUMNS: usize = 40;
/// The largest number of values in a list.
const VALUES: usize = 4;
/// The largest number of lists for a column.
const LISTS: usize = 16;

/// A condition that a rule may have.
pub(super) struct Choice {
    pub condition: Condition,
    /// The rows of the sample that meet it.
    pub rows: RowSet,
    /// The bits that it takes to write it down.
    pub cost: f64,
}

/// Rows of a sample.
#[derive(Clone, PartialEq)]
pub(super) struct RowSet {
    words: Vec<u64>,
    /// The words at which the normals and the unlabelled rows begin. No word has rows of two classes.
    starts: [usize; 2],
}

/// The numbers of rows of each class.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub anomalies: usize,
    pub normals: usize,
    pub unlabelled: usize,
}

impl RowSet {
    /// The rows, by their places in the sample.
    pub fn of(sample: &SampledRows, is_in: impl Fn(usize) -> bool) -> Self {
        let classes = [sample.anomalies, sample.normals, sample.unlabelled];
        let lengths = classes.map(|rows| rows.div_ceil(64));
        let mut words = vec![0; lengths.iter().sum()];
        let (mut word, mut place) = (0, 0);
        for (rows, length) in classes.into_iter().zip(lengths) {
            for row in 0..rows {
                words[word + row / 64] |= u64::from(is_in(place + row)) << (row % 64);
            }
            word += length;
            place += rows;
        }
        Self { words, starts: [lengths[0], lengths[0] + lengths[1]] }
    }

    pub fn and(&self, other: &Self) -> Self {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect();
        Self { words, starts: self.starts }
    }

    pub fn without(&self, other: &Self) -> Self {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| a & !b).collect();
        Self { words, starts: self.starts }
    }

    /// The numbers of rows; of anomalies, those that are `left` without a rule.
    pub fn count(&self, left: &Self) -> Counts {
        self.count_both(self, left)
    }

    /// The numbers of rows in both sets; of anomalies, those that are `left`.
    pub fn count_both(&self, other: &Self, left: &Self) -> Counts {
        let count = |from: usize, to: usize| -> usize {
            let pairs = self.words[from..to].iter().zip(&other.words[from..to]);
            pairs.map(|(a, b)| (a & b).count_ones() as usize).sum()
        };
        let [normals, unlabelled] = self.starts;
        let anomalies = self.words[..normals].iter().zip(&other.words).zip(&left.words);
        Counts {
            anomalies: anomalies.map(|((a, b), left)| (a & b & left).count_ones() as usize).sum(),
            normals: count(normals, unlabelled),
            unlabelled: count(unlabelled, self.words.len()),
        }
    }
}

/// The conditions on the columns that tell anomalies best from other rows.
pub(super) fn choices(view: &TableView, sample: &SampledRows) -> Result<Vec<Choice>, LabellingError> {
    let features = view.features();
    let all = RowSet::of(sample, |_| true);
    let of_column = |&place: &usize| -> Result<(f64, Vec<Choice>), LabellingError> {
        let (name, kind, values) = view.feature_values(place)?;
        let mut choices = of_values(name, kind, values, sample);
        let column = (features.len() as f64).log2();
        choices.iter_mut().for_each(|choice| choice.cost += column);
        let value = |choice: &Choice| gain(choice.rows.count(&all), sample.anomalies, sample) - choice.cost;
        let best = choices.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
        Ok((best, choices))
    };
    let mut columns = Vec::new();
    // Not all columns at once, so that few choices are in memory.
    for places in features.chunks(COLUMNS) {
        let more: Result<Vec<_>, LabellingError> = places.par_iter().map(of_column).collect();
        columns.extend(places.iter().zip(more?));
        columns.sort_by(|(a, (value, _)), (b, (other, _))| other.total_cmp(value).then(a.cmp(b)));
        columns.truncate(COLUMNS);
    }
    columns.sort_by_key(|(place, _)| *place);
    Ok(columns.into_iter().flat_map(|(_, (_, choices))| choices).collect())
}

/// The conditions on a column. Their cost is without that of the column.
fn of_values(name: &str, kind: ViewedKind, values: &ColumnValues, sample: &SampledRows) -> Vec<Choice> {
    let choice = |test: ConditionTest, cost: f64, is_in: &dyn Fn(usize) -> bool| Choice {
        condition: Condition { column: name.to_owned(), test },
        rows: RowSet::of(sample, |place| is_in(sample.rows[place] as usize)),
        cost,
    };
    let mut choices = Vec::new();
    match values {
        ColumnValues::Numbers(numbers) => {
            let of_sample: Vec<f64> = sample.rows.iter().map(|&row| numbers[row as usize]).collect();
            let cuts = cuts(&of_sample, sample.anomalies, kind == ViewedKind::Time);
            let cost = (cuts.number.max(1) as f64).log2();
            for value in cuts.above {
                choices.push(choice(ConditionTest::Above { value }, cost, &|row| numbers[row] > value));
            }
            for value in cuts.at_most {
                choices.push(choice(ConditionTest::AtMost { value }, cost, &|row| numbers[row] <= value));
            }
        }
        ColumnValues::Categories(categories) => {
            let names = categories.names();
            for codes in lists(categories, sample) {
                let values = codes.iter().map(|&code| names[code].clone()).collect();
                let cost = codes.len() as f64 * (names.len() as f64).log2();
                let is_in = |row: usize| categories.code(row).is_some_and(|code| codes.contains(&code));
                choices.push(choice(ConditionTest::In { values }, cost, &is_in));
            }
        }
        ColumnValues::Texts(_) => {}
    }
    let missing = sample.rows.iter().filter(|&&row| values.is_missing(row as usize)).count();
    if missing > 0 && missing < sample.rows.len() {
        choices.push(choice(ConditionTest::Missing, 1.0, &|row| values.is_missing(row)));
        choices.push(choice(ConditionTest::Present, 1.0, &|row| !values.is_missing(row)));
    }
    choices
}

/// Lists of categories: single ones, and the ones that are most typical of anomalies together.
fn lists(categories: &CategoryValues, sample: &SampledRows) -> Vec<Vec<usize>> {
    let mut counts = vec![[0usize; 3]; categories.names().len()];
    for (place, &row) in sample.rows.iter().enumerate() {
        let class = usize::from(place >= sample.anomalies) + usize::from(place >= sample.anomalies + sample.normals);
        if let Some(code) = categories.code(row as usize) {
            counts[code][class] += 1;
        }
    }
    // The share of anomalies, with the weights of the gain.
    let weight = UNLABELLED_WEIGHT * sample.anomalies as f64 / (sample.unlabelled as f64 + 1.0);
    let purity = |&code: &usize| {
        let [anomalies, normals, unlabelled] = counts[code].map(|count| count as f64);
        anomalies / (anomalies + normals + weight * (unlabelled + 0.5))
    };
    let mut codes: Vec<usize> = (0..counts.len()).filter(|&code| counts[code][0] > 0).collect();
    // Lists of the frequent ones: a single anomaly makes a rare category look typical.
    codes.sort_by(|a, b| counts[*b][0].cmp(&counts[*a][0]).then(a.cmp(b)));
    codes.truncate(LISTS);
    codes.sort_by(|a, b| purity(b).total_cmp(&purity(a)).then(a.cmp(b)));
    let single = codes.iter().map(|&code| vec![code]);
    let several = (2..=VALUES.min(codes.len())).map(|length| {
        let mut list = codes[..length].to_vec();
        list.sort_unstable();
        list
    });
    single.chain(several).collect()
}
