//! The delimiter of CSV text.

use std::str::FromStr;

use super::records::split;

/// The character between the fields of a CSV file: an ASCII character other than a quotation mark and a line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(u8);

impl Delimiter {
    pub(super) fn byte(self) -> u8 {
        self.0
    }
}

impl FromStr for Delimiter {
    type Err = String;

    /// Reads a single character, or `tab`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            b"tab" | b"\\t" => Ok(Delimiter(b'\t')),
            [b'"' | b'\n' | b'\r'] => Err("a quotation mark or a line end cannot be the delimiter".into()),
            &[byte] if byte.is_ascii() => Ok(Delimiter(byte)),
            _ => Err("must be one ASCII character, or `tab`".into()),
        }
    }
}

/// The delimiters that are recognised. Of two that fit equally well, it is the first.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// The number of rows that are looked at.
const ROWS: usize = 20;

/// The delimiter of a text that begins with these bytes: the one by which the most rows have as many fields as the header, and of
/// several such ones that with the most fields. `whole` is whether the text ends with the bytes.
pub(super) fn recognised(bytes: &[u8], whole: bool) -> u8 {
    let fit = |delimiter: u8| {
        let mut fields = Vec::new();
        let mut rest = bytes;
        let mut next = || {
            let end = split(rest, delimiter, whole, &mut fields).ok().flatten()?;
            rest = &rest[end.length..];
            rest = &rest[rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count()..];
            let more = !rest.is_empty();
            Some((fields.len(), more))
        };
        let (width, mut more) = next().unwrap_or((0, false));
        if width < 2 {
            return (0, 0);
        }
        let mut rows = 0;
        while rows < ROWS && more {
            match next() {
                Some((fields, further)) if fields == width => more = further,
                _ => break,
            }
            rows += 1;
        }
        (rows, width)
    };
    // Of equal ones, `max_by_key` takes the last.
    DELIMITERS.into_iter().rev().max_by_key(|&delimiter| fit(delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_gives_the_header_and_the_rows_equal_numbers_of_fields() {
        for (text, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n", b';'),
            ("a\tb\n1\t2\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            // Other delimiters in the names, in the values and in quotes.
            ("a;x;y;z,b\n1,2\n3,4\n", b','),
            ("\"a,b,c\";d\n1;2\n", b';'),
            ("a,b\n1;2;3,4\n1;2,3\n", b','),
            ("a;b\n\n\"1;2\n3\";4\n", b';'),
            // A row that does not fit, and headers without rows.
            ("a;x;y;z,b\n1,2\n3,4,5\n", b','),
            ("a;b,c;d\n", b';'),
            ("a;b", b';'),
            // One column.
            ("a\n1;2\n", b','),
            ("", b','),
        ] {
            assert_eq!(char::from(recognised(text.as_bytes(), true)), char::from(delimiter), "{text:?}");
        }
        // The last row is not whole.
        assert_eq!(recognised(b"a;x;y,b\n1,2\n3", false), b',');
    }

    #[test]
    fn a_delimiter_is_one_character() {
        assert_eq!(";".parse::<Delimiter>().unwrap().byte(), b';');
        assert_eq!("tab".parse::<Delimiter>().unwrap().byte(), b'\t');
        for text in ["", ";;", "\"", "\n", "é"] {
            assert!(text.parse::<Delimiter>().is_err(), "{text:?}");
        }
    }
}
