//! Columns of dates and times, and their time zones.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use polars_arrow::array::Array;
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};

use super::columns::primitive;

/// A column of dates or times, in the local time of its zone; `None` where a value is missing or outside of what a date can be.
pub(crate) fn times(array: &dyn Array) -> Vec<Option<NaiveDateTime>> {
    let times = Times::of(array);
    (0..array.len()).map(|row| times.local(row)).collect()
}

/// A column of dates or times.
#[derive(Clone, Copy)]
pub(super) struct Times<'a> {
    array: &'a dyn Array,
    zone: Option<Zone>,
}

impl<'a> Times<'a> {
    pub(super) fn of(array: &'a dyn Array) -> Self {
        let zone = match array.dtype() {
            ArrowDataType::Timestamp(_, Some(zone)) => Zone::parse(zone),
            _ => None,
        };
        Self { array, zone }
    }

    /// The local time of a row.
    fn local(&self, row: usize) -> Option<NaiveDateTime> {
        let stored = self.stored(row)?;
        match self.zone {
            None => Some(stored),
            Some(zone) => zone.local(stored).map(|time| time.naive_local()),
        }
    }

    /// The time of a row as it is stored: in UTC where the column has a zone.
    fn stored(&self, row: usize) -> Option<NaiveDateTime> {
        let array = self.array;
        if array.is_null(row) {
            return None;
        }
        match array.dtype() {
            ArrowDataType::Date32 => {
                let days = TimeDelta::days(primitive::<i32>(array).value(row).into());
                DateTime::UNIX_EPOCH.naive_utc().checked_add_signed(days)
            }
            ArrowDataType::Timestamp(TimeUnit::Millisecond, _) => {
                let ticks = primitive::<i64>(array).value(row);
                DateTime::from_timestamp_millis(ticks).map(|time| time.naive_utc())
            }
            ArrowDataType::Timestamp(TimeUnit::Microsecond, _) => {
                let ticks = primitive::<i64>(array).value(row);
                DateTime::from_timestamp_micros(ticks).map(|time| time.naive_utc())
            }
            ArrowDataType::Timestamp(TimeUnit::Nanosecond, _) => {
                let ticks = primitive::<i64>(array).value(row);
                Some(DateTime::from_timestamp_nanos(ticks).naive_utc())
            }
            other => unreachable!("{other:?} is not a time"),
        }
    }

    /// The value of a row as text: a time with a zone as RFC 3339 writes it, with its distance from UTC. Another one is a day, or a
    /// day and a time of day with `between` between them. `None` where the value is missing.
    pub(super) fn text(&self, row: usize, between: char, fraction: &str) -> Option<String> {
        let stored = self.stored(row)?;
        Some(match (self.array.dtype(), self.zone) {
            (ArrowDataType::Date32, _) => stored.format("%F").to_string(),
            (_, None) => stored.format(&format!("%F{between}%T{fraction}")).to_string(),
            (_, Some(zone)) => zone.local(stored)?.format(&format!("%FT%T{fraction}%:z")).to_string(),
        })
    }

    /// The format of fractions of a second that has as many digits as the column.
    pub(super) fn fraction(&self) -> &'static str {
        match self.array.dtype() {
            ArrowDataType::Timestamp(TimeUnit::Microsecond, _) => "%.6f",
            ArrowDataType::Timestamp(TimeUnit::Nanosecond, _) => "%.9f",
            _ => "%.3f",
        }
    }
}

/// A time zone: a name of the IANA database, such as `America/New_York`, or a fixed offset, such as `+01:00`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// The zone of a column's type; `None` for an unknown one.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let named = || name.parse().ok().map(Zone::Named);
        named().or_else(|| name.parse().ok().map(Zone::Fixed))
    }

    /// The local time at an instant, with its distance from UTC; `None` where no date can express it.
    pub(super) fn local(self, utc: NaiveDateTime) -> Option<DateTime<FixedOffset>> {
        let offset = match self {
            Zone::Named(zone) => zone.offset_from_utc_datetime(&utc).fix(),
            Zone::Fixed(offset) => offset,
        };
        utc.checked_add_offset(offset).map(|_| DateTime::from_naive_utc_and_offset(utc, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    #[test]
    fn an_instant_has_a_local_time() {
        let utc = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap().and_hms_opt(14, 30, 0).unwrap();
        for (zone, time, local) in [
            ("America/New_York", utc(3, 31), "2026-03-31T10:30:00-04:00"),
            ("America/New_York", utc(1, 31), "2026-01-31T09:30:00-05:00"),
            ("US/Eastern", utc(1, 31), "2026-01-31T09:30:00-05:00"),
            ("Asia/Kolkata", utc(1, 31), "2026-01-31T20:00:00+05:30"),
            ("UTC", utc(1, 31), "2026-01-31T14:30:00+00:00"),
            ("+05:30", utc(1, 31), "2026-01-31T20:00:00+05:30"),
            ("-0330", utc(1, 31), "2026-01-31T11:00:00-03:30"),
        ] {
            assert_eq!(Zone::parse(zone).unwrap().local(time).unwrap().to_rfc3339(), local, "{zone}");
        }
        assert!(Zone::parse("+05:30").unwrap().local(NaiveDateTime::MAX).is_none());
        for unknown in ["", "Mars/Olympus", "25", "+99:00"] {
            assert!(Zone::parse(unknown).is_none(), "{unknown}");
        }
    }
}
