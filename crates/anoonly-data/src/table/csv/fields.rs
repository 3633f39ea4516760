//! Where the fields of a part of a CSV file are.

use std::borrow::Cow;

use super::records::{MisplacedQuote, RecordEnd, looks_like_rows, numeric_fields, single_quotes, split};
use crate::error::QuoteFault;

/// What the records of a file have in common.
#[derive(Debug)]
pub(super) struct RecordLayout {
    pub delimiter: u8,
    /// The number of fields of the header.
    pub width: usize,
    /// The place of each field among those that are read; [`UNREAD`] for the others.
    pub slots: Vec<u32>,
    /// The number of fields that are read.
    pub read: usize,
}

/// The slot of a field that is not read.
pub(super) const UNREAD: u32 = u32::MAX;

/// Whole records of a file, one after another, and where their fields are.
#[derive(Debug, Default)]
pub(super) struct SplitRecords {
    bytes: Vec<u8>,
    /// The fields that are read, row by row.
    fields: Vec<Field>,
    /// The number of rows.
    pub rows: usize,
    /// The number of line ends; `\r\n` is a single one.
    pub lines: u64,
    /// The places of the numbers in the first record of a single line, if it was not known before.
    pub numeric: Option<Vec<usize>>,
    /// Why the record after these rows cannot be split.
    pub fault: Option<SplitFault>,
}

/// Why a record cannot be split.
#[derive(Debug)]
pub(super) enum SplitFault {
    Quote(MisplacedQuote),
    /// It has this number of fields, and not that of the header.
    Unequal(u64),
}

/// A field: where it begins, and its length. The highest bit of the length is set where it contains quotation marks, each written twice.
#[derive(Clone, Copy, Debug)]
struct Field {
    start: u32,
    length: u32,
}

const DOUBLED: u32 = 1 << 31;

impl SplitRecords {
    /// Splits whole records. `numeric` are the places of the numbers in the first record of a single line, if they are known.
    pub(super) fn of(bytes: Vec<u8>, layout: &RecordLayout, numeric: Option<&[usize]>) -> Self {
        let mut records = Self { fields: Vec::with_capacity(bytes.len() / 8), ..Self::default() };
        match memchr::memchr(b'"', &bytes) {
            None => records.split_plain(&bytes, layout, numeric),
            Some(_) => records.split_quoted(&bytes, layout, numeric),
        }
        records.bytes = bytes;
        records
    }

    /// The bytes of a field, by its place among those that are read.
    #[inline]
    pub(super) fn field(&self, row: usize, slot: usize, layout: &RecordLayout) -> Cow<'_, [u8]> {
        let Field { start, length } = self.fields[row * layout.read + slot];
        let bytes = &self.bytes[start as usize..][..(length & !DOUBLED) as usize];
        match length & DOUBLED {
            0 => Cow::Borrowed(bytes),
            _ => Cow::Owned(single_quotes(bytes)),
        }
    }

    /// Splits records without quotation marks.
    fn split_plain(&mut self, bytes: &[u8], layout: &RecordLayout, numeric: Option<&[usize]>) {
        let RecordLayout { delimiter, width, slots, .. } = layout;
        // The number of the present field, where it begins, and where its record begins.
        let (mut field, mut start, mut record) = (0, 0, 0);
        let end_record = |records: &mut Self, field: usize, record: usize, end: usize| {
            if numeric.is_none() && records.numeric.is_none() {
                records.numeric = Some(numeric_fields(&bytes[record..end], *delimiter));
            }
            if field != *width {
                records.fault = Some(SplitFault::Unequal(field as u64));
                return false;
            }
            records.rows += 1;
            true
        };
        for place in Specials::new(bytes, *delimiter) {
            // The second byte of `\r\n`.
            if place < start {
                continue;
            }
            if bytes[place] != *delimiter {
                let next = match (bytes[place], bytes.get(place + 1)) {
                    (b'\r', Some(b'\n')) => place + 2,
                    _ => place + 1,
                };
                if place > record {
                    self.push(slots, field, start, place);
                    if !end_record(self, field + 1, record, next) {
                        return;
                    }
                }
                self.lines += 1;
                (field, start, record) = (0, next, next);
                continue;
            }
            self.push(slots, field, start, place);
            field += 1;
            start = place + 1;
        }
        if record < bytes.len() {
            self.push(slots, field, start, bytes.len());
            if end_record(self, field + 1, record, bytes.len()) {
                self.lines += 1;
            }
        }
    }

    #[inline]
    fn push(&mut self, slots: &[u32], field: usize, start: usize, end: usize) {
        if slots.get(field).is_some_and(|&slot| slot != UNREAD) {
            self.fields.push(Field { start: start as u32, length: (end - start) as u32 });
        }
    }

    /// Splits records some of whose fields may stand in quotation marks.
    fn split_quoted(&mut self, bytes: &[u8], layout: &RecordLayout, numeric: Option<&[usize]>) {
        let mut ranges = Vec::new();
        let mut at = 0;
        loop {
            match bytes.get(at) {
                None => return,
                Some(b'\n') => {
                    self.lines += 1;
                    at += 1;
                    continue;
                }
                Some(b'\r') => {
                    // The end of the line is counted with its second byte.
                    self.lines += u64::from(bytes.get(at + 1) != Some(&b'\n'));
                    at += 1;
                    continue;
                }
                Some(_) => {}
            }
            let end = match split(&bytes[at..], layout.delimiter, true, &mut ranges) {
                Ok(Some(end)) => end,
                // Nothing comes after these bytes.
                Ok(None) => return,
                Err(quote) => {
                    self.fault = Some(SplitFault::Quote(quote));
                    return;
                }
            };
            let record = &bytes[at..at + end.length];
            if end.breaks == 0 && numeric.is_none() && self.numeric.is_none() {
                self.numeric = Some(numeric_fields(record, layout.delimiter));
            }
            if end.breaks > 0 && ranges.len() == layout.width {
                let numeric = numeric.or(self.numeric.as_deref()).unwrap_or_default();
                if looks_like_rows(record, layout.delimiter, layout.width, numeric) {
                    let field = ranges.iter().position(|range| range.of(record).contains(&b'\n')).unwrap_or_default();
                    let fault = QuoteFault::SpansRows { lines: end.breaks + 1 };
                    self.fault = Some(SplitFault::Quote(MisplacedQuote { fault, field, breaks: 0 }));
                    return;
                }
            }
            if ranges.len() != layout.width {
                self.fault = Some(SplitFault::Unequal(ranges.len() as u64));
                return;
            }
            for (range, &slot) in ranges.iter().zip(&layout.slots) {
                if slot != UNREAD {
                    let doubled = if range.doubled { DOUBLED } else { 0 };
                    let (start, length) = (at as u32 + range.start, (range.end - range.start) | doubled);
                    self.fields.push(Field { start, length });
                }
            }
            self.rows += 1;
            let RecordEnd { length, breaks } = end;
            self.lines += 1 + breaks;
            at += length;
        }
    }
}

/// The places of delimiters and line ends, eight bytes at a time.
struct Specials<'a> {
    bytes: &'a [u8],
    needles: [u64; 3],
    /// The place of the present eight bytes, and the highest bit of each special byte among them.
    at: usize,
    found: u64,
}

const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

impl<'a> Specials<'a> {
    fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        let needles = [delimiter, b'\n', b'\r'].map(|byte| u64::from_le_bytes([byte; 8]));
        let mut specials = Self { bytes, needles, at: 0, found: 0 };
        specials.look();
        specials
    }

    /// Marks the special bytes among the present eight.
    #[inline]
    fn look(&mut self) {
        let bytes = match self.bytes[self.at..].first_chunk::<8>() {
            Some(eight) => *eight,
            None => {
                // A byte that is in no text is not special.
                let mut few = [0xff; 8];
                let rest = &self.bytes[self.at..];
                few[..rest.len()].copy_from_slice(rest);
                few
            }
        };
        let word = u64::from_le_bytes(bytes);
        // The highest bit of each byte is set where the byte is 0.
        let zeros = |word: u64| !(((word & LOW) + LOW) | word | LOW);
        self.found = self.needles.iter().fold(0, |found, needle| found | zeros(word ^ needle));
    }
}

impl Iterator for Specials<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            if self.at + 8 >= self.bytes.len() {
                return None;
            }
            self.at += 8;
            self.look();
        }
        let place = self.at + (self.found.trailing_zeros() / 8) as usize;
        self.found &= self.found - 1;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(delimiter: u8, width: usize) -> RecordLayout {
        RecordLayout { delimiter, width, slots: (0..width as u32).collect(), read: width }
    }

    fn cells(records: &SplitRecords, layout: &RecordLayout) -> Vec<Vec<u8>> {
        let rows = 0..records.rows;
        rows.flat_map(|row| (0..layout.width).map(move |slot| records.field(row, slot, layout).into_owned())).collect()
    }

    proptest! {
        /// Both ways of splitting agree where there are no quotation marks.
        #[test]
        fn plain_records_are_split_like_others(text in "[ab,\\xff\n\r]{0,60}", width in 1usize..4) {
            let layout = layout(b',', width);
            let (mut plain, mut other) = (SplitRecords::default(), SplitRecords::default());
            plain.split_plain(text.as_bytes(), &layout, None);
            other.split_quoted(text.as_bytes(), &layout, None);
            plain.bytes = text.clone().into_bytes();
            other.bytes = text.into_bytes();
            prop_assert_eq!(cells(&plain, &layout), cells(&other, &layout));
            prop_assert_eq!(plain.lines, other.lines);
            prop_assert_eq!(&plain.numeric, &other.numeric);
            prop_assert_eq!(format!("{:?}", plain.fault), format!("{:?}", other.fault));
        }
    }
}
