//! How values are written as text: decimal marks, currencies, and the order of the parts of a date.

use std::str::FromStr;

use chrono::{DateTime, Month, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::cells::{is_missing, number};

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
    // Formats with missing values of their own have these words as text, and some programs write `-nan`.
    is_missing(text)
        || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || text.parse::<f64>().is_ok_and(f64::is_nan)
}

/// Whether a number in a column of dates as numbers marks a missing one.
pub(super) fn is_no_date(value: f64) -> bool {
    value == 0.0 || value == -1.0
}

/// Cells that stand for a missing date in databases that have no other way to say so.
pub(super) fn is_zero_date(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit);
    text.starts_with("0000")
        && text.len() >= 8
        && text.contains(['-', '/'])
        && digits.clone().all(|digit| digit == b'0')
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

/// Which part of a date is first. The year is first or last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartOrder {
    Year,
    Day,
    Month,
}

/// What a text shows about the order of day and month, when its year is the last part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DateShape {
    /// The year is first.
    YearFirst,
    /// The day is first: the part is above 12, or dots separate the parts.
    DayFirst,
    /// The month is first: the second part is above 12.
    MonthFirst,
    /// Either is possible.
    Ambiguous,
}

/// What a text shows about the order of its parts; `None` where it is no date, whatever the order.
pub(super) fn date_shape(text: &str) -> Option<DateShape> {
    if parsed_date(text, PartOrder::Year).is_some() {
        return Some(DateShape::YearFirst);
    }
    let day_first = parsed_date(text, PartOrder::Day).is_some();
    let month_first = parsed_date(text, PartOrder::Month).is_some();
    match (day_first, month_first) {
        (false, false) => None,
        (true, _) if text.trim().split(' ').next().is_some_and(|day| day.contains('.')) => Some(DateShape::DayFirst),
        (true, false) => Some(DateShape::DayFirst),
        (false, true) => Some(DateShape::MonthFirst),
        (true, true) => Some(DateShape::Ambiguous),
    }
}

/// Whether a person would read a text as a date, even one that no notation here reads, such as 31/03/26.
pub(super) fn looks_like_date(text: &str) -> bool {
    let day = text.split_whitespace().next().unwrap_or_default();
    let parts: Vec<&str> = day.split(['/', '.', '-']).collect();
    let numbers: Vec<u32> =
        parts.iter().filter_map(|part| (1..=4).contains(&part.len()).then(|| digits(part))?).collect();
    // Part numbers and telephone numbers have such forms too: one part must be a year, and the others a day and a month.
    let year = |place: usize| match parts[place].len() {
        4 => (1000..=2999).contains(&numbers[place]),
        length => length == 2 && place == 2,
    };
    let small = |place: usize| parts[place].len() <= 2 && numbers[place] <= 31;
    let month = |a: usize, b: usize| numbers[a].min(numbers[b]) <= 12;
    parts.len() == 3
        && numbers.len() == 3
        && ((year(0) && small(1) && small(2) && month(1, 2)) || (year(2) && small(0) && small(1) && month(0, 1)))
}

/// A date with the parts in this order, and the time of day after it.
fn parsed_date(text: &str, order: PartOrder) -> Option<NaiveDateTime> {
    let text = text.trim();
    // Most texts are not dates.
    if text.len() < 8 {
        return None;
    }
    if text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && let Some(date) = named_month(text).filter(|_| order == PartOrder::Year)
    {
        return Some(date);
    }
    if !text.as_bytes()[0].is_ascii_digit() {
        return None;
    }
    let (day, time) = match text.find([' ', 'T']) {
        Some(place) => (&text[..place], Some(text[place + 1..].trim_start())),
        None => (text, None),
    };
    let separator = day.chars().find(|c| ['-', '/', '.'].contains(c))?;
    let mut parts = day.split(separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let small = |text: &str| ((1..=2).contains(&text.len())).then(|| digits(text))?;
    let year = |text: &str| (text.len() == 4).then(|| digits(text))?;
    let (year, month, day) = match order {
        PartOrder::Year if separator != '.' => (year(first)?, small(second)?, small(third)?),
        PartOrder::Year => return None,
        PartOrder::Day => (year(third)?, small(second)?, small(first)?),
        PartOrder::Month => (year(third)?, small(first)?, small(second)?),
    };
    let date = NaiveDate::from_ymd_opt(year as i32, month, day)?;
    match time {
        None => date.and_hms_opt(0, 0, 0),
        Some(time) => {
            let (seconds, nanoseconds) = time_of_day(time)?;
            date.and_hms_nano_opt(seconds / 3600, seconds / 60 % 60, seconds % 60, nanoseconds)
        }
    }
}

/// A date with the name of its month: `01-Jan-2026`, `1 January 2026`, `Jan 1, 2026`, and the time of day after it.
fn named_month(text: &str) -> Option<NaiveDateTime> {
    let mut rest = text;
    let mut part = || {
        rest = rest.trim_start_matches([' ', '-', ',', '/', '.']);
        let end = rest.find([' ', '-', ',', '/', '.']).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        part
    };
    let parts = [part(), part(), part()];
    let month = |part: &str| Month::from_str(part).ok().map(|month| month.number_from_month());
    let small = |text: &str| ((1..=2).contains(&text.len())).then(|| digits(text))?;
    let year = |text: &str| (text.len() == 4).then(|| digits(text))?;
    let (day, month, year) = match parts {
        [first, second, third] if month(second).is_some() => match small(first) {
            Some(day) => (day, month(second)?, year(third)?),
            None => (small(third)?, month(second)?, year(first)?),
        },
        [first, second, third] => (small(second)?, month(first)?, year(third)?),
    };
    let date = NaiveDate::from_ymd_opt(year as i32, month, day)?;
    match rest.trim_start_matches([',', ' ']) {
        "" => date.and_hms_opt(0, 0, 0),
        time => {
            let (seconds, nanoseconds) = time_of_day(time)?;
            date.and_hms_nano_opt(seconds / 3600, seconds / 60 % 60, seconds % 60, nanoseconds)
        }
    }
}

/// A time of day in seconds and nanoseconds: `10:00`, `10.00`, `10:00:00.5`, `10:00 PM`, each with or without a time zone after it.
fn time_of_day(text: &str) -> Option<(u32, u32)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(text.len());
    let (clock, rest) = text.split_at(end);
    let rest = rest.trim();
    let (half, zone) = match rest.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("am") => (Some(0), rest[2..].trim()),
        Some("pm") => (Some(12), rest[2..].trim()),
        _ => (None, rest),
    };
    if !is_zone(zone) {
        return None;
    }
    // Some write `10.30`.
    let mut parts = clock.split(if clock.contains(':') { ':' } else { '.' });
    let two = |text: &str| (1..=2).contains(&text.len()).then(|| digits(text))?;
    let hour = two(parts.next()?)?;
    let hour = match half {
        None => hour,
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
    };
    let minute = two(parts.next()?)?;
    let (second, nanoseconds) = match parts.next() {
        None => (0, 0),
        Some(second) => match second.split_once('.') {
            None => (two(second)?, 0),
            Some((second, fraction)) => {
                let fraction = fraction.get(..fraction.len().min(9))?;
                (
                    two(second)?,
                    if fraction.is_empty() { 0 } else { digits(fraction)? * 10u32.pow(9 - fraction.len() as u32) },
                )
            }
        },
    };
    let valid = parts.next().is_none() && hour < 24 && minute < 60 && second < 60;
    valid.then_some((hour * 3600 + minute * 60 + second, nanoseconds))
}

/// Whether a text is a time zone: nothing, `Z`, `UTC`, or an offset such as `+00`, `+0000` or `-04:00`.
fn is_zone(text: &str) -> bool {
    if matches!(text, "" | "Z" | "z" | "UTC" | "GMT") {
        return true;
    }
    let Some(offset) = text.strip_prefix(['+', '-', '−']) else { return false };
    let digits = offset.bytes().filter(u8::is_ascii_digit).count();
    let colons = offset.bytes().filter(|&byte| byte == b':').count();
    digits + colons == offset.len() && matches!((digits, colons), (2 | 4 | 6, 0) | (4, 1) | (6, 2))
}

fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_order_of_day_and_month_follows_from_a_part_above_12() {
        for (text, shape) in [
            ("2026-03-04", Some(DateShape::YearFirst)),
            ("31/03/2026", Some(DateShape::DayFirst)),
            ("04.03.2026", Some(DateShape::DayFirst)),
            ("03/31/2026", Some(DateShape::MonthFirst)),
            ("03/04/2026", Some(DateShape::Ambiguous)),
            ("31/31/2026", None),
            ("31/03/26", None),
        ] {
            assert_eq!(date_shape(text), shape, "{text}");
        }
        for text in ["31/03/26", "2026-13-01", "31.12.1999"] {
            assert!(looks_like_date(text), "{text}");
        }
        for code in ["100-10-1000", "555-10-3456", "1234-56-70", "7732-18-0", "45.67.8910", "1-2-3"] {
            assert!(!looks_like_date(code), "{code}");
        }
    }
}
