//! Time zones of columns.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

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
