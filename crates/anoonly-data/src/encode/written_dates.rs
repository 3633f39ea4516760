//! Dates that are written as text, and the order of their parts.

use std::str::FromStr;

use chrono::{Month, NaiveDate, NaiveDateTime};

/// Cells that stand for a missing date in databases that have no other way to say so.
pub(super) fn is_zero_date(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit);
    text.starts_with("0000")
        && text.len() >= 8
        && text.contains(['-', '/'])
        && digits.clone().all(|digit| digit == b'0')
}

/// Which part of a date is first. The year is first or last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PartOrder {
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
pub(super) fn parsed_date(text: &str, order: PartOrder) -> Option<NaiveDateTime> {
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

pub(super) fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

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
