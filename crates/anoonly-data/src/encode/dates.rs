//! Positions of dates in periods that come again.

use chrono::{Datelike, NaiveDateTime, Timelike};
use serde::{Deserialize, Serialize};

/// A period in which a date has a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatePart {
    /// The day of the year.
    Year,
    /// The day of the week.
    Week,
    /// The time of day.
    Day,
}

/// A circle without a gap of more than this share counts as closed.
const GAP: f64 = 0.1;
/// A gap that stays open in at least this many rounds is a habit of the data, such as weekends without rows.
const ROUNDS: usize = 3;

/// Rounds follow one another when at most one is left out between them.
const SKIPPED: u64 = 2;

impl DatePart {
    pub(super) const ALL: [DatePart; 3] = [DatePart::Year, DatePart::Week, DatePart::Day];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            DatePart::Year => "day of the year",
            DatePart::Week => "day of the week",
            DatePart::Day => "time of day",
        }
    }

    /// The position within the period, from 0 to 1.
    pub(super) fn share(self, date: NaiveDateTime) -> f64 {
        match self {
            DatePart::Year => f64::from(date.ordinal0()) / 366.0,
            DatePart::Week => f64::from(date.weekday().num_days_from_monday()) / 7.0,
            DatePart::Day => f64::from(date.num_seconds_from_midnight()) / 86_400.0,
        }
    }

    /// The number of intervals that the period is divided into for people: months, weekdays or hours.
    pub(super) fn intervals(self) -> usize {
        match self {
            DatePart::Year => 12,
            DatePart::Week => 7,
            DatePart::Day => 24,
        }
    }

    /// The interval of a date, counted from 0.
    pub(super) fn interval(self, date: NaiveDateTime) -> usize {
        let place = match self {
            DatePart::Year => date.month0(),
            DatePart::Week => date.weekday().num_days_from_monday(),
            DatePart::Day => date.hour(),
        };
        place as usize
    }

    /// The name of an interval, as `March`, `Sunday` or `03:00 to 04:00`.
    pub(super) fn interval_name(self, interval: usize) -> String {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        match self {
            DatePart::Year => MONTHS[interval % 12].into(),
            DatePart::Week => DAYS[interval % 7].into(),
            DatePart::Day => format!("{interval:02}:00 to {:02}:00", interval + 1),
        }
    }

    /// The length of the period in days.
    fn days(self) -> f64 {
        match self {
            DatePart::Year => 365.2425,
            DatePart::Week => 7.0,
            DatePart::Day => 1.0,
        }
    }

    /// The share of the period between neighbouring positions.
    fn step(self) -> f64 {
        match self {
            DatePart::Year => 1.0 / 366.0,
            DatePart::Week => 1.0 / 7.0,
            DatePart::Day => 0.0,
        }
    }
}

/// Whether dates go all around a period, so that later dates find positions that were there before. It also counts when they went
/// around several times, as working days do, which leave out the weekend.
pub(super) fn closed_circles(dates: &[NaiveDateTime], part: DatePart) -> bool {
    let Some(first) = dates.iter().min() else { return false };
    let mut positions: Vec<f64> = dates.iter().map(|&date| part.share(date)).collect();
    positions.sort_unstable_by(f64::total_cmp);
    let around = positions.first().zip(positions.last()).map_or(1.0, |(low, high)| 1.0 + low - high);
    let gap = positions.windows(2).map(|pair| pair[1] - pair[0]).fold(around, f64::max);
    if gap <= GAP + part.step() {
        return true;
    }
    let seconds = part.days() * 86_400.0;
    let mut rounds: Vec<u64> =
        dates.iter().map(|&date| ((date - *first).num_seconds() as f64 / seconds) as u64).collect();
    rounds.sort_unstable();
    rounds.dedup();
    // Most rounds in a row: a date that marks a missing one, such as 1900-01-01, is a round of its own.
    let mut longest = 0;
    let mut length = 0;
    for (place, round) in rounds.iter().enumerate() {
        length = if place > 0 && round - rounds[place - 1] <= SKIPPED { length + 1 } else { 1 };
        longest = longest.max(length);
    }
    longest >= ROUNDS
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, TimeDelta};

    use super::*;

    fn days(start: &str, days: i64) -> Vec<NaiveDateTime> {
        let start: NaiveDate = start.parse().unwrap();
        let start = start.and_hms_opt(9, 0, 0).unwrap();
        (0..days).map(|day| start + TimeDelta::days(day)).collect()
    }

    #[test]
    fn a_year_is_a_circle_once_the_dates_go_around_it() {
        for (span, closed) in [(60, false), (180, false), (320, false), (340, true), (365, true), (800, true)] {
            assert_eq!(closed_circles(&days("2025-02-01", span), DatePart::Year), closed, "{span} days");
        }
        // Two winters say nothing of the summer between them.
        let winters = [days("2024-12-01", 60), days("2025-12-01", 60)].concat();
        assert!(!closed_circles(&winters, DatePart::Year));
        // Nor do dates that mark missing ones.
        let marked = [days("1900-01-01", 1), days("2025-12-01", 60), days("2099-12-31", 1)].concat();
        assert!(!closed_circles(&marked, DatePart::Year));
    }

    #[test]
    fn weekends_without_rows_are_a_habit_after_some_weeks() {
        let working = |span| {
            days("2026-03-02", span)
                .into_iter()
                .filter(|day| day.weekday().num_days_from_monday() < 5)
                .collect::<Vec<_>>()
        };
        assert!(!closed_circles(&working(5), DatePart::Week));
        assert!(!closed_circles(&working(12), DatePart::Week));
        assert!(closed_circles(&working(30), DatePart::Week));
        assert!(closed_circles(&days("2026-03-02", 7), DatePart::Week));
        // So is the night, after some days.
        assert!(!closed_circles(&days("2026-03-02", 2), DatePart::Day));
        assert!(closed_circles(&days("2026-03-02", 3), DatePart::Day));
        assert!(!closed_circles(&[], DatePart::Day));
    }
}
