//! The position of dates in the year, the week and the day, from seconds since 1970 in integers.

use std::f64::consts::TAU;

use anoonly_data::encode::{DatePart, Encoding};

use super::{Builder, Source};
use crate::pipeline::onnx::proto::DataType;

const SECONDS_PER_DAY: i64 = 86_400;
/// The calendar repeats itself after 400 years, and so does the week.
const CYCLE_DAYS: i64 = 146_097;
/// The number of days from the 1st of March of year 0, after the leap day of a year that begins a cycle, to 1970.
const DAYS_TO_1970: i64 = 719_468;
/// 280 000 years, which is further than the encoder knows dates. A time further from 1970 is none.
const MOST_SECONDS: i64 = 700 * CYCLE_DAYS * SECONDS_PER_DAY;
/// Added to seconds since 1970, so that none is negative: runtimes do not agree on the remainder of negative numbers.
const SHIFT: i64 = MOST_SECONDS + DAYS_TO_1970 * SECONDS_PER_DAY;
/// The 1st of March of year 0 was a Wednesday; Mondays are 0.
const FIRST_WEEKDAY: usize = 2;
/// The days from the 1st of March to the 31st of December.
const DAYS_FROM_MARCH: i64 = 306;
/// The time of day is looked up in two parts, so that the tables are small: in steps of this many seconds, and the rest.
const STEP_SECONDS: i64 = 300;

/// A sine and a cosine.
type Wave = [String; 2];

impl Builder<'_> {
    /// Adds the features of dates.
    pub(super) fn dates(&mut self, sources: &[Source<'_>]) {
        if sources.is_empty() {
            return;
        }
        let seconds = self.cells(sources);
        let late = self.nodes.with_row("Greater", &seconds, &[-MOST_SECONDS]);
        let early = self.nodes.with_row("Less", &seconds, &[MOST_SECONDS]);
        let known = self.nodes.node("And", &[&late, &early], None);
        let epoch = self.nodes.row(&[0i64]);
        let seconds = self.nodes.node("Where", &[&known, &seconds, &epoch], None);
        let seconds = self.nodes.with_row("Add", &seconds, &[SHIFT]);
        let days = self.nodes.with_row("Div", &seconds, &[SECONDS_PER_DAY]);
        for part in [DatePart::Year, DatePart::Week, DatePart::Day] {
            let place = |source: &Source<'_>| match &source.column.encoding {
                Encoding::Date { parts } => parts.iter().position(|&used| used == part).map(|at| source.place + 2 * at),
                _ => None,
            };
            let places: Vec<Option<usize>> = sources.iter().map(place).collect();
            if places.iter().all(Option::is_none) {
                continue;
            }
            let [sine, cosine] = match part {
                DatePart::Year => self.day_of_year(&days),
                DatePart::Week => self.day_of_week(&days),
                DatePart::Day => self.time_of_day(&seconds),
            };
            let zero = self.nodes.row(&[0.0f32]);
            for (wave, next) in [(sine, 0), (cosine, 1)] {
                let value = self.nodes.node("Where", &[&known, &wave, &zero], None);
                self.add(value, places.iter().map(|place| place.map(|place| place + next)));
            }
        }
        if sources.iter().any(|source| source.column.indicator) {
            let missing = self.nodes.node("Not", &[&known], None);
            self.add_indicators(&missing, sources);
        }
    }

    /// `days` since the 1st of March of year 0, up to whole cycles.
    fn day_of_year(&mut self, days: &str) -> Wave {
        let day = self.nodes.with_row("Mod", days, &[CYCLE_DAYS]);
        // The year of the cycle, with years that begin in March: leap days count as none, and a century lacks its last one.
        let [fours, centuries, cycles] =
            [1_460i64, 36_524, 146_096].map(|length| self.nodes.with_row("Div", &day, &[length]));
        let even = self.nodes.node("Sub", &[&day, &fours], None);
        let even = self.nodes.node("Add", &[&even, &centuries], None);
        let even = self.nodes.node("Sub", &[&even, &cycles], None);
        let year = self.nodes.with_row("Div", &even, &[365i64]);
        // The days of years with 366 days lie behind those of years with 365 days in the tables.
        let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year == 0);
        let first = |year: i64| 365 * year + year / 4 - year / 100;
        let offsets: Vec<i64> = (0..400).map(|year| i64::from(is_leap(year)) * 366 - first(year)).collect();
        let offset = self.looked_up(&offsets, &year);
        let place = self.nodes.node("Add", &[&day, &offset], None);
        let position = |place: i64| {
            let (leap, day) = (place / 366, place % 366);
            let ordinal = if day < DAYS_FROM_MARCH { day + 59 + leap } else { day - DAYS_FROM_MARCH };
            ordinal as f64 / 366.0
        };
        self.waves(&(0..732).map(position).collect::<Vec<_>>(), &place)
    }

    fn day_of_week(&mut self, days: &str) -> Wave {
        let day = self.nodes.with_row("Mod", days, &[7i64]);
        let positions: Vec<f64> = (0..7).map(|day| ((day + FIRST_WEEKDAY) % 7) as f64 / 7.0).collect();
        self.waves(&positions, &day)
    }

    /// By the sine and cosine of the sum of two angles.
    fn time_of_day(&mut self, seconds: &str) -> Wave {
        let second = self.nodes.with_row("Mod", seconds, &[SECONDS_PER_DAY]);
        let step = self.nodes.with_row("Div", &second, &[STEP_SECONDS]);
        let rest = self.nodes.with_row("Mod", &second, &[STEP_SECONDS]);
        let angle = |seconds: i64| TAU * (seconds as f64 / SECONDS_PER_DAY as f64);
        let mut waves = |count: i64, length: i64, place: &str| {
            [f64::sin, f64::cos].map(|wave| {
                let values: Vec<f64> = (0..count).map(|at| wave(angle(at * length))).collect();
                self.looked_up(&values, place)
            })
        };
        let [sine, cosine] = waves(SECONDS_PER_DAY / STEP_SECONDS, STEP_SECONDS, &step);
        let [small_sine, small_cosine] = waves(STEP_SECONDS, 1, &rest);
        let mut sum = |operator: &str, [a, b, c, d]: [&String; 4]| {
            let first = self.nodes.node("Mul", &[a, b], None);
            let second = self.nodes.node("Mul", &[c, d], None);
            let sum = self.nodes.node(operator, &[&first, &second], None);
            self.nodes.cast(&sum, DataType::Float)
        };
        [
            sum("Add", [&sine, &small_cosine, &cosine, &small_sine]),
            sum("Sub", [&cosine, &small_cosine, &sine, &small_sine]),
        ]
    }

    /// The sine and cosine of positions in a period, from 0 to 1, at places.
    fn waves(&mut self, positions: &[f64], places: &str) -> Wave {
        [f64::sin, f64::cos].map(|wave| {
            let values: Vec<f32> = positions.iter().map(|&position| wave(TAU * position) as f32).collect();
            self.looked_up(&values, places)
        })
    }
}
