//! Columns of CSV text in the narrowest form that keeps every text: numbers as they are written, repeated texts once, other texts.

use std::borrow::Cow;
use std::collections::HashMap;

use polars_arrow::array::{DictionaryArray, MutableBinaryViewArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::{ArrowDataType, IntegerType};

use super::fields::{RecordLayout, SplitRecords};
use crate::table::batch::{ArrayRef, text_bytes};
use crate::table::written::{WrittenNumber, WrittenNumbers};

/// The number of rows that show whether texts repeat.
const FIRST_ROWS: usize = 512;
/// Fewer different texts among the first rows may be categories.
const FIRST_TEXTS: usize = 500;
/// A column with more different texts than this, and than half of its rows, holds them as they are.
const MANY_TEXTS: usize = 1 << 16;
/// The memory of a category besides its characters.
const CATEGORY_BYTES: u64 = 64;
/// The key of a missing value.
const NONE: u32 = u32::MAX;

/// The values of a column, some rows after others.
#[derive(Debug)]
pub(super) enum TypedColumn {
    /// Written numbers in 4 bytes each.
    Small(Vec<u32>),
    /// Written numbers in 8 bytes each.
    Large(Vec<WrittenNumber>),
    /// Texts that repeat.
    Repeated(RepeatedTexts),
    /// Other texts, and the bytes that they take.
    Texts(MutableBinaryViewArray<str>, u64),
}

/// Texts that repeat: each once, and for each row the key of its text, or [`NONE`].
#[derive(Debug, Default)]
pub(super) struct RepeatedTexts {
    keys: Vec<u32>,
    places: HashMap<Box<str>, u32>,
    values: MutableBinaryViewArray<str>,
    bytes: u64,
}

/// The first row whose text is not UTF-8.
#[derive(Debug)]
pub(super) struct NotUtf8 {
    pub row: usize,
}

impl TypedColumn {
    /// A column of some records.
    pub(super) fn of(records: &SplitRecords, slot: usize, layout: &RecordLayout) -> Result<Self, NotUtf8> {
        if let Some(numbers) = Self::numbers(records, slot, layout) {
            return Ok(numbers);
        }
        match RepeatedTexts::of(records, slot, layout)? {
            Some(repeated) => Ok(TypedColumn::Repeated(repeated)),
            None => {
                let mut texts = MutableBinaryViewArray::with_capacity(records.rows);
                let mut bytes = 0;
                for row in 0..records.rows {
                    let field = records.field(row, slot, layout);
                    bytes += text_bytes(field.len());
                    match std::str::from_utf8(&field) {
                        Ok("") => texts.push_null(),
                        Ok(text) => texts.push_value(text),
                        Err(_) => return Err(NotUtf8 { row }),
                    }
                }
                Ok(TypedColumn::Texts(texts, bytes))
            }
        }
    }

    /// The column as written numbers, if all of its values are such.
    fn numbers(records: &SplitRecords, slot: usize, layout: &RecordLayout) -> Option<Self> {
        let mut small = Vec::with_capacity(records.rows);
        let read = |row: usize| WrittenNumber::read(&records.field(row, slot, layout));
        for row in 0..records.rows {
            let number = read(row)?;
            match number.small() {
                Some(number) => small.push(number),
                None => {
                    let before = small.iter().map(|&small| WrittenNumber::of_small(small));
                    let mut large: Vec<WrittenNumber> = before.collect();
                    large.push(number);
                    for row in row + 1..records.rows {
                        large.push(read(row)?);
                    }
                    return Some(TypedColumn::Large(large));
                }
            }
        }
        Some(TypedColumn::Small(small))
    }

    /// The number of rows.
    fn rows(&self) -> usize {
        match self {
            TypedColumn::Small(values) => values.len(),
            TypedColumn::Large(values) => values.len(),
            TypedColumn::Repeated(texts) => texts.keys.len(),
            TypedColumn::Texts(texts, _) => texts.len(),
        }
    }

    /// The bytes that the values take.
    pub(super) fn memory(&self) -> u64 {
        match self {
            TypedColumn::Small(values) => 4 * values.len() as u64,
            TypedColumn::Large(values) => 8 * values.len() as u64,
            TypedColumn::Repeated(texts) => 4 * texts.keys.len() as u64 + texts.bytes,
            TypedColumn::Texts(_, bytes) => *bytes,
        }
    }

    /// Adds the rows of another part of the same column, which will have about `expected` rows.
    pub(super) fn append(&mut self, part: TypedColumn, expected: usize) {
        if self.rows() == 0 {
            *self = part;
            self.reserve(expected);
            return;
        }
        match (&mut *self, part) {
            (TypedColumn::Small(values), TypedColumn::Small(part)) => values.extend(part),
            (TypedColumn::Large(values), TypedColumn::Large(part)) => values.extend(part),
            (TypedColumn::Large(values), TypedColumn::Small(part)) => {
                values.extend(part.into_iter().map(WrittenNumber::of_small));
            }
            (TypedColumn::Small(values), TypedColumn::Large(part)) => {
                let mut large: Vec<WrittenNumber> =
                    values.iter().map(|&small| WrittenNumber::of_small(small)).collect();
                large.extend(part);
                *self = TypedColumn::Large(large);
                self.reserve(expected);
            }
            (TypedColumn::Texts(texts, bytes), part) => {
                *bytes += part.memory_as_texts();
                part.for_each_text(|text| texts.push(text));
            }
            (TypedColumn::Repeated(texts), part) => {
                texts.append(part);
                if texts.values.len() > MANY_TEXTS && 2 * texts.values.len() > texts.keys.len() {
                    self.become_texts(expected);
                }
            }
            (TypedColumn::Small(_) | TypedColumn::Large(_), part @ TypedColumn::Repeated(_)) => {
                let mut texts = RepeatedTexts::default();
                texts.append(std::mem::replace(self, TypedColumn::Small(Vec::new())));
                *self = TypedColumn::Repeated(texts);
                self.reserve(expected);
                self.append(part, expected);
            }
            (TypedColumn::Small(_) | TypedColumn::Large(_), part @ TypedColumn::Texts(..)) => {
                self.become_texts(expected);
                self.append(part, expected);
            }
        }
    }

    /// Makes room for this number of rows, if there is room.
    fn reserve(&mut self, expected: usize) {
        let more = expected.saturating_sub(self.rows());
        let reserved = match self {
            TypedColumn::Small(values) => values.try_reserve_exact(more),
            TypedColumn::Large(values) => values.try_reserve_exact(more),
            TypedColumn::Repeated(texts) => texts.keys.try_reserve_exact(more),
            TypedColumn::Texts(texts, _) => {
                texts.reserve(more);
                Ok(())
            }
        };
        // Without, the column grows when it must.
        drop(reserved);
    }

    /// Holds every text as it is.
    fn become_texts(&mut self, expected: usize) {
        let before = std::mem::replace(self, TypedColumn::Small(Vec::new()));
        let bytes = before.memory_as_texts();
        let mut texts = MutableBinaryViewArray::with_capacity(before.rows().max(expected));
        before.for_each_text(|text| texts.push(text));
        *self = TypedColumn::Texts(texts, bytes);
    }

    /// The bytes that the values take as texts, at least.
    fn memory_as_texts(&self) -> u64 {
        match self {
            TypedColumn::Texts(_, bytes) => *bytes,
            other => other.memory().max(text_bytes(0) * other.rows() as u64),
        }
    }

    /// Calls a function with each text, `None` for an empty field.
    fn for_each_text(self, mut with: impl FnMut(Option<&str>)) {
        match self {
            TypedColumn::Repeated(texts) => {
                let values: Utf8ViewArray = texts.values.into();
                texts.keys.iter().for_each(|&key| with((key != NONE).then(|| values.get(key as usize)).flatten()));
            }
            numbers @ (TypedColumn::Small(_) | TypedColumn::Large(_)) => {
                WrittenNumbers::of(numbers.into_array().as_ref()).texts().iter().for_each(with);
            }
            TypedColumn::Texts(texts, _) => Utf8ViewArray::from(texts).iter().for_each(with),
        }
    }

    /// The column as an array.
    pub(super) fn into_array(self) -> ArrayRef {
        match self {
            TypedColumn::Small(values) => WrittenNumbers::small(values),
            TypedColumn::Large(values) => WrittenNumbers::large(values),
            TypedColumn::Repeated(texts) => texts.into_array(),
            TypedColumn::Texts(texts, _) => Utf8ViewArray::from(texts).boxed(),
        }
    }
}

impl RepeatedTexts {
    /// The column as texts that repeat; `None` where they hardly do.
    fn of(records: &SplitRecords, slot: usize, layout: &RecordLayout) -> Result<Option<Self>, NotUtf8> {
        let mut places: HashMap<&[u8], u32> = HashMap::new();
        let mut texts = Self { keys: Vec::with_capacity(records.rows), ..Self::default() };
        for row in 0..records.rows {
            let field = records.field(row, slot, layout);
            let key = match &field {
                Cow::Borrowed([]) => NONE,
                Cow::Borrowed(field) => match places.get(field) {
                    Some(&key) => key,
                    None => {
                        let text = std::str::from_utf8(field).map_err(|_| NotUtf8 { row })?;
                        let key = texts.key(text);
                        places.insert(field, key);
                        key
                    }
                },
                Cow::Owned(field) => texts.key(std::str::from_utf8(field).map_err(|_| NotUtf8 { row })?),
            };
            texts.keys.push(key);
            if row + 1 == FIRST_ROWS && texts.values.len() > FIRST_TEXTS {
                return Ok(None);
            }
        }
        Ok(Some(texts))
    }

    /// The key of a text.
    fn key(&mut self, text: &str) -> u32 {
        if let Some(&key) = self.places.get(text) {
            return key;
        }
        let key = self.values.len() as u32;
        self.values.push_value(text);
        self.places.insert(text.into(), key);
        self.bytes += CATEGORY_BYTES + text.len() as u64;
        key
    }

    fn append(&mut self, part: TypedColumn) {
        match part {
            TypedColumn::Repeated(part) => {
                let values: Utf8ViewArray = part.values.into();
                let keys: Vec<u32> = values.values_iter().map(|text| self.key(text)).collect();
                let key = |key: u32| if key == NONE { NONE } else { keys[key as usize] };
                self.keys.extend(part.keys.into_iter().map(key));
            }
            part => part.for_each_text(|text| {
                let key = text.map_or(NONE, |text| self.key(text));
                self.keys.push(key);
            }),
        }
    }

    fn into_array(self) -> ArrayRef {
        let Self { mut keys, values, .. } = self;
        let present = keys.contains(&NONE).then(|| keys.iter().map(|&key| key != NONE).collect::<Bitmap>());
        keys.iter_mut().filter(|key| **key == NONE).for_each(|key| *key = 0);
        let keys = PrimitiveArray::from_vec(keys).with_validity(present);
        let dtype = ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::Utf8View), false);
        match DictionaryArray::try_new(dtype, keys, Utf8ViewArray::from(values).boxed()) {
            Ok(array) => array.boxed(),
            Err(error) => unreachable!("every key has a value: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::columns::TextColumn;

    fn column(texts: &[&str]) -> TypedColumn {
        let layout = RecordLayout { delimiter: b',', width: 2, slots: vec![0, super::super::fields::UNREAD], read: 1 };
        let text: String = texts.iter().map(|text| format!("{text},x\n")).collect();
        TypedColumn::of(&SplitRecords::of(text.into_bytes(), &layout, None), 0, &layout).unwrap()
    }

    fn texts(column: TypedColumn) -> Vec<String> {
        let column = TextColumn::of(column.into_array().as_ref(), true);
        column.iter().map(|text| text.unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn parts_of_any_form_keep_every_text() {
        let many: Vec<String> = (0..600).map(|row| format!("row {row}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let parts: [&[&str]; 6] = [
            &["1", "-2.50", "", "NA"],
            &["1.7640523459673412", "5e-05"],
            &["red", "", "NA", "red"],
            &["007", "1e5"],
            &many,
            &["\"a \"\"b\"\" c\"", "\"\""],
        ];
        let plain = |text: &&str| text.trim_matches('"').replace("\"\"", "\"");
        for first in parts {
            for second in parts {
                for third in parts {
                    let mut joined = column(first);
                    joined.append(column(second), 9);
                    joined.append(column(third), 9);
                    let expected: Vec<String> = [first, second, third].concat().iter().map(plain).collect();
                    let memory = joined.memory();
                    assert_eq!(texts(joined), expected);
                    assert!(memory >= 4 * expected.len() as u64);
                }
            }
        }
    }

    #[test]
    fn the_form_follows_from_the_values() {
        assert!(matches!(column(&["1", "", "2.5"]), TypedColumn::Small(_)));
        assert!(matches!(column(&["1", "0.123456789012"]), TypedColumn::Large(_)));
        assert!(matches!(column(&["1", "x", "x"]), TypedColumn::Repeated(_)));
        let many: Vec<String> = (0..600).map(|row| format!("{row:04}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(matches!(column(&many), TypedColumn::Texts(..)));
    }
}
