//! How values are written as text: decimal marks, currencies, and the order of the parts of a date.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::cells::{is_missing, number};
use super::written_dates::{PartOrder, parsed_date};

/// How the numbers or dates of a column are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Notation {
    /// Numbers with a point before the decimals. Dates with the year first, as in ISO 8601.
    #[default]
    Plain,
    /// Numbers with a comma before the decimals: `1.234,56`.
    DecimalComma,
    /// Dates with the day first: `31.03.2026`, `31/03/2026`.
    DayFirst,
    /// Dates with the month first: `03/31/2026`.
    MonthFirst,
    /// Dates as numbers of eight digits: `20260331`.
    Compact,
    /// Times as seconds since 1970 in UTC.
    UnixSeconds,
    /// Times as milliseconds since 1970 in UTC.
    UnixMilliseconds,
    /// Times as microseconds since 1970 in UTC.
    UnixMicroseconds,
    /// Times as nanoseconds since 1970 in UTC.
    UnixNanoseconds,
}

impl Notation {
    /// Whether this is the usual notation.
    pub fn is_plain(&self) -> bool {
        *self == Notation::Plain
    }

    /// The name for people; nothing for the usual notation.
    pub fn name(self) -> &'static str {
        match self {
            Notation::Plain => "",
            Notation::DecimalComma => "decimal comma",
            Notation::DayFirst => "day first",
            Notation::MonthFirst => "month first",
            Notation::Compact => "eight digits",
            Notation::UnixSeconds => "Unix time in seconds",
            Notation::UnixMilliseconds => "Unix time in milliseconds",
            Notation::UnixMicroseconds => "Unix time in microseconds",
            Notation::UnixNanoseconds => "Unix time in nanoseconds",
        }
    }

    /// A text as a number, without a currency sign or code around it.
    pub(super) fn number(self, text: &str) -> Option<f64> {
        match self {
            Notation::DecimalComma => decimal_comma(text),
            _ => number(text).or_else(|| number(bare_amount(text)?)),
        }
    }

    /// A text as a date, with or without a time of day. A time zone is ignored: the local time counts.
    pub(super) fn date(self, text: &str) -> Option<NaiveDateTime> {
        match self {
            Notation::Plain | Notation::DecimalComma => parsed_date(text, PartOrder::Year),
            Notation::DayFirst => parsed_date(text, PartOrder::Day),
            Notation::MonthFirst => parsed_date(text, PartOrder::Month),
            _ => self.date_of_number(number(text)?),
        }
    }

    /// A number as a date or time.
    pub(super) fn date_of_number(self, value: f64) -> Option<NaiveDateTime> {
        let unix = |per_second: f64| {
            let seconds = (value / per_second).floor();
            let nanoseconds = ((value / per_second - seconds) * 1e9) as u32;
            DateTime::from_timestamp(seconds as i64, nanoseconds.min(999_999_999)).map(|time| time.naive_utc())
        };
        match self {
            Notation::Compact if value.fract() == 0.0 && (1e7..1e8).contains(&value) => {
                let digits = value as u32;
                let day = NaiveDate::from_ymd_opt((digits / 10_000) as i32, digits / 100 % 100, digits % 100)?;
                day.and_hms_opt(0, 0, 0)
            }
            Notation::UnixSeconds => unix(1.0),
            Notation::UnixMilliseconds => unix(1e3),
            Notation::UnixMicroseconds => unix(1e6),
            Notation::UnixNanoseconds => unix(1e9),
            _ => None,
        }
    }
}

/// Whether a text stands for a missing value in a column of numbers or dates.
pub(super) fn is_placeholder(text: &str) -> bool {
    const WORDS: [&str; 21] = [
        "nat", "\\n", "(null)", "#ref!", "?", "-", "--", "---", ".", "..", "…", "–", "—", "n.a.", "na", "nil", "none",
        "missing", "unknown", "#div/0!", "#value!",
    ];
    let text = text.trim();
    // Most texts are numbers or dates, and none of the words begins like them.
    if text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    // Formats with missing values of their own have these words as text, and some programs write `-nan`.
    is_missing(text)
        || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || text.parse::<f64>().is_ok_and(f64::is_nan)
}

/// Whether a number in a column of dates as numbers marks a missing one.
pub(super) fn is_no_date(value: f64) -> bool {
    value == 0.0 || value == -1.0
}

/// An amount of money or a share without the sign or code of its currency and without `%`; `None` where there is none of them.
fn bare_amount(text: &str) -> Option<&str> {
    let text = text.trim();
    let mark = unit(text)?;
    text.strip_prefix(mark).or_else(|| text.strip_suffix(mark)).map(str::trim)
}

/// The currency, or the per cent sign, at the beginning or end of a text.
pub(super) fn unit(text: &str) -> Option<&'static str> {
    const UNITS: [&str; 17] =
        ["€", "$", "£", "¥", "₹", "%", "EUR", "USD", "GBP", "JPY", "CHF", "CNY", "INR", "SEK", "NOK", "DKK", "PLN"];
    let text = text.trim();
    UNITS.into_iter().find(|unit| text.starts_with(unit) || text.ends_with(unit))
}

/// A number with a decimal comma: `12,5`, `1.234,56`, `1 234,56`, each with or without a currency.
fn decimal_comma(text: &str) -> Option<f64> {
    let text = bare_amount(text).unwrap_or_else(|| text.trim());
    let (whole, decimals) = match text.split_once(',') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (text, None),
    };
    let whole = ungrouped(whole, &['.', ' ', '\u{a0}', '\u{202f}', '\''])?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match decimals {
        None => number(&whole),
        // An exponent may follow, as in `1,5e3`.
        Some(decimals) => {
            let mantissa = decimals.split(['e', 'E']).next().unwrap_or_default();
            let bare = whole.trim_start_matches(['+', '-']);
            let plausible = digits(bare) && digits(mantissa) && !(bare.is_empty() && mantissa.is_empty());
            plausible.then(|| format!("{whole}.{decimals}"))?.parse().ok()
        }
    }
}

/// A number whose digits stand in groups of three behind a comma, as in `1,480.05`. Only for messages: `1,480` may also be a number
/// with a decimal comma.
fn grouped_by_comma(text: &str) -> Option<f64> {
    let text = bare_amount(text).unwrap_or_else(|| text.trim());
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    format!("{}.{decimals}", ungrouped(whole, &[','])?).parse().ok()
}

/// Whether a person reads a text as a number, although programs may not agree on its value.
pub(super) fn looks_like_number(text: &str) -> bool {
    Notation::Plain.number(text).is_some() || decimal_comma(text).is_some() || grouped_by_comma(text).is_some()
}

/// Whether a text is a whole number of four or more digits in groups of three, such as `1,480`.
pub(super) fn is_grouped(text: &str, mark: char) -> bool {
    let text = bare_amount(text).unwrap_or_else(|| text.trim());
    // Groups do not begin with a 0, as in `0.125`.
    let begins = text.trim_start_matches(['+', '-']).starts_with(|c: char| ('1'..='9').contains(&c));
    begins && text.contains(mark) && ungrouped(text, &[mark]).is_some()
}

/// The digits of a whole number without the marks between groups of three. `None` where the groups are of another size.
fn ungrouped(text: &str, marks: &[char]) -> Option<String> {
    let Some(mark) = text.chars().find(|c| marks.contains(c)) else {
        return Some(text.to_owned());
    };
    let mut groups = text.split(mark);
    let first = groups.next()?;
    let digits = first.trim_start_matches(['+', '-']);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=3).contains(&digits.len()) || !is_digits(digits) {
        return None;
    }
    let mut joined = first.to_owned();
    for group in groups {
        if group.len() != 3 || !is_digits(group) {
            return None;
        }
        joined.push_str(group);
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::written_dates::is_zero_date;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, value) in [
            ("12.5", 12.5),
            ("€ 12.50", 12.5),
            ("12.50 €", 12.5),
            ("USD 3", 3.0),
            ("-4", -4.0),
            ("7 %", 7.0),
            (" 1e3 ", 1000.0),
        ] {
            assert_eq!(Notation::Plain.number(text), Some(value), "{text}");
        }
        for text in ["12,5", "1,480.05", "€", "", "1.2.3", "$", "ten", "12 13"] {
            assert_eq!(Notation::Plain.number(text), None, "{text}");
        }
        for (text, value) in [
            ("12,50", 12.5),
            ("1.234,56", 1234.56),
            ("-1.234.567,8", -1_234_567.8),
            ("1 234,5 €", 1234.5),
            ("3", 3.0),
            ("1.234", 1234.0),
            (",5", 0.5),
        ] {
            assert_eq!(Notation::DecimalComma.number(text), Some(value), "{text}");
        }
        for text in ["1.23,4", "1,2,3", "1.2345", ",", "a,b", "12.50", "1,480.05"] {
            assert_eq!(Notation::DecimalComma.number(text), None, "{text}");
        }
        for text in ["1,480.05", "12,5", "€ 3", "1.234,56"] {
            assert!(looks_like_number(text), "{text}");
        }
        for text in ["A,B", "1,2,3", "2026-03-31", "12 13"] {
            assert!(!looks_like_number(text), "{text}");
        }
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        let noon = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap().and_hms_opt(12, 0, 0).unwrap();
        for text in [
            "2026-03-31 12:00",
            "2026-03-31T12:00:00Z",
            "2026-03-31 12:00:00+00",
            "2026-03-31 12:00:00+0000",
            "2026-03-31 12:00:00-04:00",
            "2026-03-31 12:00:00.000 +0200",
            "2026-03-31 12:00:00 UTC",
            "2026-03-31 12.00",
            "2026/3/31 12:00 PM",
            "31-Mar-2026 12:00",
            "31 March 2026, 12:00",
            "Mar 31, 2026 12:00 PM",
        ] {
            assert_eq!(Notation::Plain.date(text), Some(noon), "{text}");
        }
        assert_eq!(Notation::DayFirst.date("31.03.2026 12:00"), Some(noon));
        assert_eq!(Notation::MonthFirst.date("3/31/2026 12:00:00 pm"), Some(noon));
        let midnight = noon.date().and_hms_opt(0, 0, 0);
        assert_eq!(Notation::Compact.date("20260331"), midnight);
        assert_eq!(Notation::UnixSeconds.date("1774958400"), Some(noon));
        assert_eq!(Notation::UnixMilliseconds.date_of_number(1_774_958_400_000.0), Some(noon));
        let fraction = Notation::Plain.date("2026-03-31 12:00:00.25").unwrap();
        assert_eq!((fraction - noon).num_milliseconds(), 250);
        for text in ["2026-02-30", "2026-03-31 24:00", "2026-03-31 12", "2026-03-31 12:00 +1", "12.5", "31-2026-03", ""]
        {
            assert_eq!(Notation::Plain.date(text), None, "{text}");
        }
        for text in ["0000-00-00", "0000-00-00 00:00:00", "0000/00/00"] {
            assert!(is_zero_date(text), "{text}");
        }
        assert!(!is_zero_date("0000-00-01") && !is_zero_date("00000000"));
    }
}
