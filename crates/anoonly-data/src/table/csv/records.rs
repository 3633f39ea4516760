//! The records and fields of CSV text, by RFC 4180.
//!
//! Fields are separated by one delimiter, and records by `\n`, `\r\n` or `\r`. A field that begins with a quotation mark ends at the
//! next single one, and `""` inside of it stands for a quotation mark. Elsewhere a quotation mark is a character like any other.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use crate::error::QuoteFault;

/// The bytes that are read at once.
const CHUNK: usize = 1 << 17;

/// The longest record in bytes.
const LONGEST_RECORD: usize = 64 << 20;

/// The longest header in bytes.
const LONGEST_HEADER: usize = 16 << 20;

/// A field of a record: a range of its bytes, without quotation marks around it. A record may have millions of them, and is far
/// shorter than 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldRange {
    start: u32,
    end: u32,
    /// Whether it contains quotation marks, each written twice.
    doubled: bool,
}

impl FieldRange {
    fn of(self, record: &[u8]) -> &[u8] {
        &record[self.start as usize..self.end as usize]
    }
}

/// What a record is made of, besides its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordEnd {
    /// The number of bytes with the line end.
    pub length: usize,
    /// The line ends inside of quoted fields.
    pub breaks: u64,
}

/// A quotation mark that is out of place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MisplacedQuote {
    pub fault: QuoteFault,
    /// The place of the field among the fields of its record.
    pub field: usize,
    /// The line ends in the record before the field.
    pub breaks: u64,
}

/// Splits the first record of `bytes` into fields. `Ok(None)` when the record continues after these bytes, which cannot be when
/// they are the `last` ones.
pub(super) fn split(
    bytes: &[u8],
    delimiter: u8,
    last: bool,
    fields: &mut Vec<FieldRange>,
) -> Result<Option<RecordEnd>, MisplacedQuote> {
    fields.clear();
    let (mut at, mut breaks) = (0, 0);
    loop {
        let in_quotes = bytes.get(at) == Some(&b'"');
        let start = at + usize::from(in_quotes);
        let (length, doubled) = match in_quotes {
            true => match quoted(&bytes[start..], last) {
                Quoted::Whole { length, doubled } => (length, doubled),
                Quoted::Continues => return Ok(None),
                Quoted::NeverCloses => {
                    return Err(MisplacedQuote { fault: QuoteFault::NeverClosed, field: fields.len(), breaks });
                }
            },
            false => {
                let ends = |&byte: &u8| byte == delimiter || byte == b'\n' || byte == b'\r';
                (bytes[start..].iter().position(ends).unwrap_or(bytes.len() - start), false)
            }
        };
        at = start + length + usize::from(in_quotes);
        let end = match (bytes.get(at), bytes.get(at + 1)) {
            (Some(&byte), _) if byte == delimiter => None,
            (Some(b'\n'), _) => Some(at + 1),
            (Some(b'\r'), Some(b'\n')) => Some(at + 2),
            (Some(b'\r'), Some(_)) => Some(at + 1),
            (Some(b'\r') | None, None) if last => Some(bytes.len()),
            (Some(b'\r') | None, _) => return Ok(None),
            (Some(_), _) => {
                return Err(MisplacedQuote { fault: QuoteFault::TextAfter, field: fields.len(), breaks });
            }
        };
        if in_quotes {
            breaks += line_ends(&bytes[start..start + length]);
        }
        fields.push(FieldRange { start: start as u32, end: (start + length) as u32, doubled });
        match end {
            Some(length) => return Ok(Some(RecordEnd { length, breaks })),
            None => at += 1,
        }
    }
}

enum Quoted {
    /// The field ends after `length` bytes.
    Whole {
        length: usize,
        doubled: bool,
    },
    Continues,
    NeverCloses,
}

/// The extent of a field after its opening quotation mark.
fn quoted(bytes: &[u8], last: bool) -> Quoted {
    let (mut at, mut doubled) = (0, false);
    loop {
        match memchr::memchr(b'"', &bytes[at..]) {
            None if last => return Quoted::NeverCloses,
            None => return Quoted::Continues,
            Some(distance) => at += distance,
        }
        match bytes.get(at + 1) {
            Some(b'"') => {
                doubled = true;
                at += 2;
            }
            None if !last => return Quoted::Continues,
            _ => return Quoted::Whole { length: at, doubled },
        }
    }
}

/// The number of line ends. `\r\n` is a single one.
fn line_ends(bytes: &[u8]) -> u64 {
    let ends = |(place, &byte): (usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(place + 1) != Some(&b'\n'),
        _ => false,
    };
    bytes.iter().enumerate().filter(|&pair| ends(pair)).count() as u64
}

/// So many delimiters in the places where rows have them make a quoted field with line ends suspicious.
const EVIDENCE: usize = 12;

/// Whether each line of a record, without regard to quotation marks, has as many fields as the header. Then a stray quotation mark
/// joined rows until the next one. Few lines with few delimiters may look so by chance, unless all of them have numbers in the
/// columns in which the first row has numbers.
fn looks_like_rows(record: &[u8], delimiter: u8, width: usize, numeric: &[usize]) -> bool {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    let lines = || record.split(|&byte| byte == b'\n');
    let has_width = |line: &[u8]| line.iter().filter(|&&byte| byte == delimiter).count() + 1 == width;
    if !lines().all(has_width) {
        return false;
    }
    // A value may be missing.
    let has_numbers = |line: &[u8]| {
        let mut number = false;
        let mut fields = line.split(|&byte| byte == delimiter).enumerate();
        let fits = fields.all(|(place, field)| {
            let here = is_number(field);
            let judged = numeric.binary_search(&place).is_ok();
            number |= here && judged;
            here || field.trim_ascii().is_empty() || !judged
        });
        fits && number
    };
    (lines().count() - 1) * (width - 1) >= EVIDENCE || (!numeric.is_empty() && lines().all(has_numbers))
}

/// The places of the fields of a line that are numbers, without regard to quotation marks.
fn numeric_fields(line: &[u8], delimiter: u8) -> Vec<usize> {
    let fields = line.split(|&byte| byte == delimiter).enumerate();
    fields.filter(|(_, field)| is_number(field)).map(|(place, _)| place).collect()
}

fn is_number(field: &[u8]) -> bool {
    std::str::from_utf8(field).is_ok_and(|text| text.trim().parse::<f64>().is_ok())
}

/// Why no further record can be read.
#[derive(Debug)]
pub(super) enum RecordFault {
    Io(std::io::Error),
    Quote(MisplacedQuote),
    /// The record is longer than this number of bytes.
    TooLong(usize),
}

/// Reads records one after another. Empty lines are skipped.
pub(super) struct RecordReader {
    source: Box<dyn Read + Send>,
    delimiter: u8,
    /// The number of fields of the header, once it is known.
    width: Option<usize>,
    /// The places of the numbers in the first row of one line, once it is known.
    numeric: Option<Vec<usize>>,
    buffer: Vec<u8>,
    /// The bytes of the buffer that belong to no earlier record.
    start: usize,
    end: usize,
    /// Whether the source has no more bytes.
    ended: bool,
    /// The line on which the present record begins, counted from 1.
    line: u64,
    /// The bytes and line ends of the present record.
    present: RecordEnd,
    fields: Vec<FieldRange>,
}

impl RecordReader {
    pub(super) fn new(source: impl Read + Send + 'static) -> Self {
        Self {
            source: Box::new(source),
            delimiter: b',',
            width: None,
            numeric: None,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            ended: false,
            line: 1,
            present: RecordEnd { length: 0, breaks: 0 },
            fields: Vec::new(),
        }
    }

    /// The first bytes of the text, with all of the first line, for a look at the delimiter. Called before the first record is read.
    pub(super) fn beginning(&mut self) -> Result<(&[u8], bool), RecordFault> {
        self.fill()?;
        if self.buffer[..self.end].starts_with(b"\xef\xbb\xbf") {
            self.start = 3;
        }
        loop {
            self.skip_empty_lines()?;
            let bytes = &self.buffer[self.start..self.end];
            if self.ended || bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
                break;
            }
            self.grow(LONGEST_HEADER)?;
        }
        Ok((&self.buffer[self.start..self.end], self.ended))
    }

    /// Sets the delimiter.
    pub(super) fn delimit(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// Goes to the next record. Returns whether there is one.
    pub(super) fn advance(&mut self) -> Result<bool, RecordFault> {
        self.start += self.present.length;
        self.line += u64::from(self.present.length > 0) + self.present.breaks;
        self.present = RecordEnd { length: 0, breaks: 0 };
        self.skip_empty_lines()?;
        let most = if self.width.is_some() { LONGEST_RECORD } else { LONGEST_HEADER };
        loop {
            let bytes = &self.buffer[self.start..self.end];
            if bytes.is_empty() && self.ended {
                return Ok(false);
            }
            match split(bytes, self.delimiter, self.ended, &mut self.fields).map_err(RecordFault::Quote)? {
                Some(end) => {
                    self.present = end;
                    break;
                }
                None => self.grow(most)?,
            }
        }
        let is_header = self.width.is_none();
        let width = *self.width.get_or_insert(self.fields.len());
        let record = &self.buffer[self.start..][..self.present.length];
        if self.present.breaks == 0 && !is_header && self.numeric.is_none() {
            self.numeric = Some(numeric_fields(record, self.delimiter));
        }
        if self.present.breaks > 0 && self.fields.len() == width {
            let numeric = self.numeric.as_deref().unwrap_or_default();
            if looks_like_rows(record, self.delimiter, width, numeric) {
                let spans = |field: &FieldRange| field.of(record).contains(&b'\n');
                let field = self.fields.iter().position(spans).unwrap_or_default();
                let fault = QuoteFault::SpansRows { lines: self.present.breaks + 1 };
                return Err(RecordFault::Quote(MisplacedQuote { fault, field, breaks: 0 }));
            }
        }
        Ok(true)
    }

    /// The number of fields of the present record.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field of the present record.
    ///
    /// # Panics
    /// When the record has fewer fields.
    pub(super) fn field(&self, place: usize) -> Cow<'_, [u8]> {
        let field = self.fields[place];
        let bytes = field.of(&self.buffer[self.start..self.end]);
        match field.doubled {
            false => Cow::Borrowed(bytes),
            true => Cow::Owned(single_quotes(bytes)),
        }
    }

    /// The line on which the present record begins, counted from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Moves past line ends at the beginning of a record.
    fn skip_empty_lines(&mut self) -> Result<(), RecordFault> {
        loop {
            match self.buffer[self.start..self.end].first() {
                Some(b'\n') => {
                    self.start += 1;
                    self.line += 1;
                }
                Some(b'\r') => match self.buffer[self.start..self.end].get(1) {
                    Some(b'\n') => self.start += 1,
                    None if !self.ended => self.grow(LONGEST_RECORD)?,
                    _ => {
                        self.start += 1;
                        self.line += 1;
                    }
                },
                None if !self.ended => self.grow(LONGEST_RECORD)?,
                _ => return Ok(()),
            }
        }
    }

    /// Makes room for a longer record, of at most `most` bytes, and reads on.
    fn grow(&mut self, most: usize) -> Result<(), RecordFault> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end >= most {
            return Err(RecordFault::TooLong(most));
        }
        self.fill()
    }

    /// Reads until the buffer is full, with at least as many bytes free as it holds.
    fn fill(&mut self) -> Result<(), RecordFault> {
        if self.buffer.len() < CHUNK || self.buffer.len() < 2 * self.end {
            self.buffer.resize(CHUNK.max(2 * self.end), 0);
        }
        while self.end < self.buffer.len() && !self.ended {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(bytes) => self.end += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(RecordFault::Io(error)),
            }
        }
        Ok(())
    }
}

/// A text with `"` for each `""`.
fn single_quotes(bytes: &[u8]) -> Vec<u8> {
    let mut single = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(place) = memchr::memchr(b'"', rest) {
        single.extend(&rest[..=place]);
        rest = &rest[(place + 2).min(rest.len())..];
    }
    single.extend(rest);
    single
}
