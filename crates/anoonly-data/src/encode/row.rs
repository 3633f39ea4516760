//! Rows of plain values, as a program has them in memory.

mod error;
mod value;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use anoonly_core::did_you_mean;

use super::column::{Bounds, EncodedColumn, Encoding, date_features, number_feature};
use super::value::{Reading, ValueReader, whole_category};
use super::{Encoder, ReadValue, Unknown, ValueContext};

pub use error::RowError;
pub use value::RowValue;

/// The columns of rows of plain values, matched with those of an encoder.
#[derive(Clone, Debug)]
pub struct RowColumns {
    /// The names of the encoder's columns.
    names: Vec<String>,
    /// For each column of the encoder, the place of its value in a row.
    places: Vec<Option<usize>>,
    /// The number of values of a row.
    given: usize,
    unknown: Unknown,
}

impl RowColumns {
    /// The place of the value of each column of the encoder in a row; `None` for a column that rows do not have.
    pub fn places(&self) -> &[Option<usize>] {
        &self.places
    }
}

impl Encoder {
    /// Matches the columns of rows with those of the encoder, by name. `others` are columns that rows may have, too; they are ignored.
    ///
    /// # Errors
    /// When a column is named twice, or when `unknown` refuses a column that is missing or unknown. Without any column of the encoder,
    /// every row would get the same features, which is always an error.
    pub fn row_columns<'a>(
        &self,
        names: &[impl AsRef<str>],
        others: impl IntoIterator<Item = &'a str>,
        unknown: Unknown,
    ) -> Result<RowColumns, RowError> {
        let mut given: HashMap<&str, usize> = HashMap::with_capacity(names.len());
        for (place, name) in names.iter().map(AsRef::as_ref).enumerate() {
            if given.insert(name, place).is_some() {
                return Err(RowError::DuplicateColumn { column: name.into() });
            }
        }
        let places: Vec<Option<usize>> =
            self.columns.iter().map(|column| given.get(column.name.as_str()).copied()).collect();
        let found = places.iter().flatten().count();
        if found == 0 || (unknown == Unknown::Refuse && found < places.len()) {
            let missing = self.columns.iter().zip(&places).filter(|(_, place)| place.is_none());
            return Err(RowError::MissingColumns { missing: missing.map(|(column, _)| column.name.clone()).collect() });
        }
        if unknown == Unknown::Refuse && found < given.len() {
            let mut known: HashSet<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
            known.extend(others.into_iter().map(|name: &str| name));
            let unknown = given.into_iter().filter(|(name, _)| !known.contains(name));
            if let Some((name, _)) = unknown.min_by_key(|(_, place)| *place) {
                let hint = did_you_mean(name, self.columns.iter().map(|column| column.name.as_str()));
                return Err(RowError::UnknownColumn { column: name.into(), hint });
            }
        }
        let own = self.columns.iter().map(|column| column.name.clone()).collect();
        Ok(RowColumns { names: own, places, given: names.len(), unknown })
    }

    /// Writes the features of a row into `features`. Returns whether a number of the row is infinite or very far from those of the
    /// training rows, so that the row gets the highest score.
    ///
    /// # Errors
    /// When there is not one value for each column, when the columns are those of another encoder, or when a value is refused.
    ///
    /// # Panics
    /// When there is not one place for each feature.
    pub fn encode_row(
        &self,
        columns: &RowColumns,
        values: &[RowValue<'_>],
        features: &mut [f32],
    ) -> Result<bool, RowError> {
        if values.len() != columns.given {
            return Err(RowError::ValueCount { expected: columns.given, found: values.len() });
        }
        if !self.columns.iter().map(|column| &column.name).eq(&columns.names) {
            return Err(RowError::OtherColumns);
        }
        features.fill(0.0);
        let (mut rest, mut far) = (features, false);
        for (column, place) in self.columns.iter().zip(&columns.places) {
            let (own, others) = rest.split_at_mut(column.width());
            rest = others;
            let value = place.map_or(&RowValue::Missing, |place| &values[place]);
            far |= column.write_value(value, columns.unknown, own)?;
        }
        Ok(far)
    }
}

impl Encoder {
    /// Where the values of a row lie among the training rows, in the order of the encoder's columns. A column that rows do not have counts
    /// as missing. `None` where the model does not know ([`EncodedColumn::context`]).
    pub fn row_contexts(&self, columns: &RowColumns, values: &[RowValue<'_>]) -> Vec<Option<ValueContext>> {
        let value = |place: &Option<usize>| place.and_then(|place| values.get(place)).unwrap_or(&RowValue::Missing);
        self.columns.iter().zip(&columns.places).map(|(column, place)| column.context_of(value(place))).collect()
    }
}

impl EncodedColumn {
    fn context_of(&self, value: &RowValue<'_>) -> Option<ValueContext> {
        let reader = ValueReader { kind: self.kind, notation: self.notation };
        self.context(match &self.encoding {
            Encoding::Number { .. } => match value.number(reader) {
                Reading::Value(number) => ReadValue::Number(number),
                Reading::Missing => ReadValue::Missing,
                Reading::Other => return None,
            },
            Encoding::Date { .. } => match value.date(reader) {
                Reading::Value(date) => ReadValue::Date(date),
                Reading::Missing => ReadValue::Missing,
                Reading::Other => return None,
            },
            Encoding::OneHot { whole, .. } | Encoding::Frequency { whole, .. } => {
                let category = category(value, *whole);
                return self.context(category.as_deref().map_or(ReadValue::Missing, ReadValue::Category));
            }
        })
    }

    /// Writes the features of a value into zeros. Returns whether it is far.
    fn write_value(&self, value: &RowValue<'_>, unknown: Unknown, features: &mut [f32]) -> Result<bool, RowError> {
        let reader = ValueReader { kind: self.kind, notation: self.notation };
        let (mut missing, mut far) = (false, false);
        match &self.encoding {
            Encoding::Number { median, unit } => match self.known(value.number(reader), value, unknown)? {
                None => missing = true,
                Some(number) => {
                    let near = Bounds::of(self.seen.as_ref()).nearest(number);
                    far = near != number;
                    features[0] = number_feature(near, *median, *unit);
                    if !features[0].is_finite() {
                        return Err(RowError::NotFinite { column: self.name.clone(), value: number });
                    }
                }
            },
            Encoding::Date { parts } => match self.known(value.date(reader), value, unknown)? {
                None => missing = true,
                Some(date) => {
                    features.iter_mut().zip(date_features(parts, date)).for_each(|(cell, feature)| *cell = feature);
                }
            },
            Encoding::OneHot { categories, whole } => match category(value, *whole) {
                None => missing = true,
                Some(category) => match categories.binary_search_by(|known| known.as_str().cmp(&category)) {
                    Ok(place) => features[place] = 1.0,
                    Err(_) if unknown == Unknown::Refuse => {
                        return Err(RowError::NewCategory { column: self.name.clone(), value: category.into_owned() });
                    }
                    Err(_) => {}
                },
            },
            Encoding::Frequency { shares, whole } => match category(value, *whole) {
                None => missing = true,
                Some(category) => features[0] = shares.get(&*category).copied().unwrap_or_default() as f32,
            },
        }
        if missing
            && self.indicator
            && let Some(last) = features.last_mut()
        {
            *last = 1.0;
        }
        Ok(far)
    }

    /// The value that was read; `None` where it is missing, or of another kind and accepted.
    fn known<T>(&self, read: Reading<T>, value: &RowValue<'_>, unknown: Unknown) -> Result<Option<T>, RowError> {
        match read {
            Reading::Value(value) => Ok(Some(value)),
            Reading::Missing => Ok(None),
            Reading::Other if unknown == Unknown::Accept => Ok(None),
            Reading::Other => {
                let value = value.category().unwrap_or_default().into_owned();
                Err(RowError::OtherKind { column: self.name.clone(), value, kind: self.kind })
            }
        }
    }
}

/// A value as a category of a column; `None` where it is missing.
fn category<'a>(value: &'a RowValue<'_>, whole: bool) -> Option<Cow<'a, str>> {
    let category = value.category()?;
    Some(if whole { Cow::Owned(whole_category(category.into_owned())) } else { category })
}

#[cfg(test)]
#[cfg(feature = "tables")]
mod tests;
