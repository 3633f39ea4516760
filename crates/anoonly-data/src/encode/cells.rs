//! The values of a column, and their kind.

#[cfg(feature = "tables")]
use chrono::NaiveDateTime;
#[cfg(feature = "tables")]
use polars_arrow::array::Array;
#[cfg(feature = "tables")]
use polars_arrow::datatypes::ArrowDataType;
use serde::{Deserialize, Serialize};

#[cfg(feature = "tables")]
use crate::table::{TextColumn, WrittenNumbers, numbers, times, truths, whole_numbers};

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// True or false.
    Truth,
    /// Dates, with or without a time of day.
    Date,
    /// Categories.
    Category,
}

impl ColumnKind {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            ColumnKind::Number => "number",
            ColumnKind::Truth => "truth value",
            ColumnKind::Date => "date",
            ColumnKind::Category => "category",
        }
    }
}

/// The values of a column as its file types them. Text may turn out to be of any kind.
#[cfg(feature = "tables")]
pub(crate) enum Cells {
    /// A column of integers, floats or decimals, as the file holds it.
    Numbers(Box<dyn Array>),
    /// As 0 and 1.
    Truths(Vec<Option<f64>>),
    Dates(Vec<Option<NaiveDateTime>>),
    Text(TextColumn),
    /// Numbers of a text file, and words for missing values.
    Written(WrittenNumbers),
    /// A column of this many rows in which every value is missing.
    Missing(usize),
}

#[cfg(feature = "tables")]
impl Cells {
    /// The values of a column. `words_are_missing` is whether words such as `NA` in a text stand for missing values.
    pub(crate) fn of(column: &dyn Array, words_are_missing: bool) -> Self {
        match column.dtype() {
            ArrowDataType::Null => Cells::Missing(column.len()),
            ArrowDataType::Boolean => {
                Cells::Truths(truths(column).map(|truth| truth.map(|truth| f64::from(u8::from(truth)))).collect())
            }
            ArrowDataType::Date32 | ArrowDataType::Timestamp(..) => Cells::Dates(times(column)),
            ArrowDataType::Utf8View | ArrowDataType::Dictionary(..) => {
                Cells::Text(TextColumn::of(column, words_are_missing))
            }
            dtype if WrittenNumbers::is(dtype) => Cells::Written(WrittenNumbers::of(column)),
            _ => Cells::Numbers(column.to_boxed()),
        }
    }

    /// Written numbers as the texts that they are; anything else stays.
    pub(crate) fn with_texts(self) -> Self {
        match self {
            Cells::Written(_) => self.as_texts(),
            other => other,
        }
    }

    /// Written numbers as the texts that they are. Words among them stand for missing values, as in every text file.
    ///
    /// # Panics
    /// When the column is another one.
    pub(super) fn as_texts(&self) -> Self {
        match self {
            Cells::Written(numbers) => Cells::Text(TextColumn::of(&numbers.texts(), true)),
            _ => unreachable!("only written numbers are asked for"),
        }
    }

    /// The values as floats, truth values as 0 and 1; `None` for the whole column where it holds something else.
    pub(crate) fn floats(&self) -> Option<Vec<Option<f64>>> {
        match self {
            // pandas writes a missing number as NaN.
            Cells::Numbers(array) => {
                let mut values = numbers(array.as_ref());
                values.iter_mut().for_each(|value| *value = value.filter(|value| !value.is_nan()));
                Some(values)
            }
            Cells::Truths(values) => Some(values.clone()),
            Cells::Written(numbers) => Some(numbers.values()),
            Cells::Missing(rows) => Some(vec![None; *rows]),
            Cells::Dates(_) | Cells::Text(_) => None,
        }
    }

    /// The values as categories, whole numbers with all their digits; `None` where one is missing.
    pub(super) fn categories(&self) -> Box<dyn Iterator<Item = Option<String>> + '_> {
        match self {
            Cells::Numbers(array) => match whole_numbers(array.as_ref()) {
                Some(values) => Box::new(values.into_iter().map(|value| value.map(|value| value.to_string()))),
                None => {
                    let values = self.floats().unwrap_or_default();
                    Box::new(values.into_iter().map(|value| value.map(|value| value.to_string())))
                }
            },
            Cells::Truths(values) => Box::new(values.iter().map(|value| value.map(|value| (value == 1.0).to_string()))),
            Cells::Dates(values) => Box::new(values.iter().map(|value| value.map(|value| value.to_string()))),
            Cells::Text(texts) => Box::new(texts.iter_known().map(|text| text.map(str::to_owned))),
            Cells::Written(numbers) => {
                let texts = TextColumn::of(&numbers.texts(), true);
                Box::new((0..numbers.len()).map(move |row| texts.known(row).map(str::to_owned)))
            }
            Cells::Missing(rows) => Box::new(std::iter::repeat_n(None, *rows)),
        }
    }
}

/// The texts that stand for a missing value: none at all, and the words that pandas reads as missing.
pub const MISSING_WORDS: [&str; 11] = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None"];

/// Whether a text stands for a missing value: it is one of [`MISSING_WORDS`], with or without spaces around it.
pub fn is_missing(text: &str) -> bool {
    let text = text.trim();
    // None of the words is longer, and most texts do not begin like one.
    text.is_empty()
        || text.len() <= 4 && matches!(text.as_bytes()[0], b'N' | b'n' | b'#' | b'<') && MISSING_WORDS.contains(&text)
}

/// A text as a number. The words for NaN are no number.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|value: &f64| !value.is_nan())
}

/// A text as a truth value, 0 or 1.
pub(crate) fn truth(text: &str) -> Option<f64> {
    let text = text.trim();
    let is = |words: [&str; 2]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match () {
        () if is(["true", "yes"]) => Some(1.0),
        () if is(["false", "no"]) => Some(0.0),
        () => None,
    }
}

/// The digits of a whole number, without a fraction of zeros: `117` for `117.0`, as pandas writes whole numbers once a value is
/// missing. `None` where the text is no whole number.
pub(super) fn whole_digits(text: &str) -> Option<&str> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_digits(digits) && !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0')).then_some(whole)
}
