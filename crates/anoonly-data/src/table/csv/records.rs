//! The records and fields of CSV text, by RFC 4180.
//!
//! Fields are separated by one delimiter, and records by `\n`, `\r\n` or `\r`. A field that begins with a quotation mark ends at the
//! next single one, and `""` inside of it stands for a quotation mark. Elsewhere a quotation mark is a character like any other.

use std::io::Read;

use crate::error::QuoteFault;

/// The bytes that are read at once for the header, and for a record that is longer than a part.
const CHUNK: usize = 1 << 17;

/// The bytes of a part of the text, unless a record is longer.
const PART: usize = 1 << 20;

/// The longest record in bytes.
const LONGEST_RECORD: usize = 64 << 20;

/// The longest header in bytes.
const LONGEST_HEADER: usize = 16 << 20;

/// A field of a record: a range of its bytes, without quotation marks around it. A record may have millions of them, and is far
/// shorter than 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldRange {
    pub start: u32,
    pub end: u32,
    /// Whether it contains quotation marks, each written twice.
    pub doubled: bool,
}

impl FieldRange {
    pub(super) fn of(self, record: &[u8]) -> &[u8] {
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
pub(super) fn looks_like_rows(record: &[u8], delimiter: u8, width: usize, numeric: &[usize]) -> bool {
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
pub(super) fn numeric_fields(line: &[u8], delimiter: u8) -> Vec<usize> {
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

/// The end of the last whole record of some records, 0 where there is none. More bytes may follow.
fn last_end(bytes: &[u8], delimiter: u8) -> usize {
    let (mut at, mut end) = (0, 0);
    loop {
        let quote = memchr::memchr(b'"', &bytes[at..]).map(|distance| at + distance);
        let plain = &bytes[at..quote.unwrap_or(bytes.len())];
        // A `\r` at the very end may be the first half of a line end.
        let found = memchr::memrchr(b'\n', plain).or_else(|| {
            let whole = if quote.is_none() { &plain[..plain.len().saturating_sub(1)] } else { plain };
            memchr::memrchr(b'\r', whole)
        });
        if let Some(place) = found {
            end = at + place + 1;
        }
        let Some(quote) = quote else { return end };
        let opens = quote == 0 || matches!(bytes[quote - 1], b'\n' | b'\r') || bytes[quote - 1] == delimiter;
        at = match opens.then(|| quoted(&bytes[quote + 1..], false)) {
            None => quote + 1,
            Some(Quoted::Whole { length, .. }) => quote + 1 + length + 1,
            Some(Quoted::Continues | Quoted::NeverCloses) => return end,
        };
    }
}

/// Reads the header, and then parts of whole records.
pub(super) struct RecordReader {
    source: Box<dyn Read + Send>,
    delimiter: u8,
    /// The bytes that belong to no earlier part.
    buffer: Vec<u8>,
    /// Whether the source has no more bytes.
    ended: bool,
    /// Why it has no more bytes, if it failed. What was read before comes first.
    failed: Option<std::io::Error>,
    /// The line on which the header begins, or the line after it once it is read, counted from 1.
    line: u64,
    /// The bytes of the part before.
    part_bytes: usize,
}

impl RecordReader {
    pub(super) fn new(source: impl Read + Send + 'static) -> Self {
        let source = Box::new(source);
        Self { source, delimiter: b',', buffer: Vec::new(), ended: false, failed: None, line: 1, part_bytes: 1 }
    }

    /// The first bytes of the text, with all of the first line, for a look at the delimiter. Called before the header is read.
    pub(super) fn beginning(&mut self) -> Result<(&[u8], bool), RecordFault> {
        self.read(CHUNK)?;
        if self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.buffer.drain(..3);
        }
        self.skip_empty_lines()?;
        while !self.ended && !self.buffer.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            self.grow(LONGEST_HEADER)?;
        }
        Ok((&self.buffer, self.ended))
    }

    /// Sets the delimiter.
    pub(super) fn delimit(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// The fields of the header; none where there is no header.
    pub(super) fn header(&mut self) -> Result<Vec<Vec<u8>>, RecordFault> {
        let mut fields = Vec::new();
        let end = loop {
            if self.buffer.is_empty() && self.ended {
                return self.failed.take().map_or(Ok(Vec::new()), |error| Err(RecordFault::Io(error)));
            }
            match split(&self.buffer, self.delimiter, self.ended, &mut fields).map_err(RecordFault::Quote)? {
                Some(end) => break end,
                None => self.grow(LONGEST_HEADER)?,
            }
        };
        let text = |field: &FieldRange| {
            let bytes = field.of(&self.buffer);
            if field.doubled { single_quotes(bytes) } else { bytes.to_vec() }
        };
        let fields = fields.iter().map(text).collect();
        self.buffer.drain(..end.length);
        self.line += 1 + end.breaks;
        Ok(fields)
    }

    /// The next part of the text, of whole records; empty at its end.
    pub(super) fn part(&mut self) -> Result<Vec<u8>, RecordFault> {
        loop {
            if self.buffer.len() < PART && !self.ended {
                self.read(PART - self.buffer.len())?;
            }
            let end = if self.ended { self.buffer.len() } else { last_end(&self.buffer, self.delimiter) };
            if end > 0 {
                let rest = self.buffer.split_off(end);
                let mut next = Vec::with_capacity(PART.max(2 * rest.len()));
                next.extend(rest);
                self.part_bytes = end;
                return Ok(std::mem::replace(&mut self.buffer, next));
            }
            match self.failed.take() {
                Some(error) => return Err(RecordFault::Io(error)),
                None if self.ended => return Ok(Vec::new()),
                None => self.grow(LONGEST_RECORD)?,
            }
        }
    }

    /// The line after the header, counted from 1. If the header cannot be read, the line on which it begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The number of bytes of the part before, at least 1.
    pub(super) fn part_bytes(&self) -> usize {
        self.part_bytes
    }

    /// Moves past line ends before the header.
    fn skip_empty_lines(&mut self) -> Result<(), RecordFault> {
        let mut at = 0;
        loop {
            match (self.buffer.get(at), self.buffer.get(at + 1)) {
                (Some(b'\n'), _) => self.line += 1,
                (Some(b'\r'), Some(b'\n')) => {}
                (Some(b'\r') | None, None) if !self.ended => {
                    self.buffer.drain(..at);
                    at = 0;
                    self.grow(LONGEST_RECORD)?;
                    continue;
                }
                (Some(b'\r'), _) => self.line += 1,
                _ => break,
            }
            at += 1;
        }
        self.buffer.drain(..at);
        Ok(())
    }

    /// Reads on after a record that is not whole yet, which may have at most `most` bytes.
    fn grow(&mut self, most: usize) -> Result<(), RecordFault> {
        if self.buffer.len() >= most {
            return Err(RecordFault::TooLong(most));
        }
        self.read(CHUNK.max(self.buffer.len()))
    }

    /// Reads this number of bytes, or all that are left.
    fn read(&mut self, bytes: usize) -> Result<(), RecordFault> {
        let before = self.buffer.len();
        self.buffer.reserve(bytes.min(PART));
        let read = (&mut self.source).take(bytes as u64).read_to_end(&mut self.buffer);
        match read {
            Ok(read) => self.ended = read < bytes,
            Err(error) if self.buffer.len() > before && self.failed.is_none() => {
                // Records before the fault may have faults of their own.
                self.buffer.truncate(last_end(&self.buffer, self.delimiter));
                (self.ended, self.failed) = (true, Some(error));
            }
            Err(error) => return Err(RecordFault::Io(error)),
        }
        Ok(())
    }
}

/// A text with `"` for each `""`.
pub(super) fn single_quotes(bytes: &[u8]) -> Vec<u8> {
    let mut single = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(place) = memchr::memchr(b'"', rest) {
        single.extend(&rest[..=place]);
        rest = &rest[(place + 2).min(rest.len())..];
    }
    single.extend(rest);
    single
}
