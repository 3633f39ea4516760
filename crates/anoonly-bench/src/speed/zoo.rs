//! The seconds that every method takes from a matrix to a fitted detector, and from another matrix to its scores.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_train::{ComputeDevice, Detector, Supervision};
use ndarray::Array2;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use super::failed;
use crate::BenchError;
use crate::usage::threads_seconds;

/// The size of a synthetic table: one to fit on and another one to score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ZooTable {
    /// The number of rows of each.
    pub rows: usize,
    /// The number of columns.
    pub columns: usize,
}

/// The number of labelled anomalies among the rows to fit on; they come first.
pub const LABELLED: usize = 50;
/// The share of anomalies is the inverse of this number.
const ANOMALIES: usize = 100;
/// The number of clusters that normal rows are drawn from.
const CLUSTERS: usize = 5;

impl ZooTable {
    /// The tables that are measured.
    pub const ALL: [Self; 2] = [Self { rows: 10_000, columns: 50 }, Self { rows: 100_000, columns: 20 }];

    /// The rows to fit on, and the rows to score. Normal rows belong to five normal distributions, and the first hundredth of the rows are
    /// anomalies, which have normal noise added.
    pub fn draw(self) -> [Array2<f32>; 2] {
        let mut rng = Seed(1).stream(&["zoo", &self.to_string()]);
        let centres = normal(&mut rng, CLUSTERS, self.columns) * 3.0;
        [(); 2].map(|()| {
            let mut table = normal(&mut rng, self.rows, self.columns);
            for mut row in table.rows_mut() {
                row += &centres.row(rng.random_range(0..CLUSTERS));
            }
            let anomalies = self.rows / ANOMALIES;
            let noise = normal(&mut rng, anomalies, self.columns) * 4.0;
            let mut first = table.slice_mut(ndarray::s![..anomalies, ..]);
            first += &noise;
            table
        })
    }
}

/// Draws a matrix from the standard normal distribution.
fn normal(rng: &mut impl Rng, rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_simple_fn((rows, columns), || rng.sample(StandardNormal))
}

impl fmt::Display for ZooTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}

impl FromStr for ZooTable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes = text.split_once('x').and_then(|(rows, columns)| Some((rows.parse().ok()?, columns.parse().ok()?)));
        match sizes {
            Some((rows, columns)) if rows >= LABELLED * ANOMALIES && columns > 0 => Ok(Self { rows, columns }),
            _ => Err(format!("{text} is no size such as 10000x50, with at least {} rows", LABELLED * ANOMALIES)),
        }
    }
}

/// What seconds are counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The clock on the wall.
    #[default]
    Wall,
    /// The processor seconds of all threads together. On one thread of a busy machine they are comparable all the same.
    Process,
}

impl Clock {
    /// The seconds since some moment.
    fn seconds(self, start: Instant) -> f64 {
        match self {
            Clock::Wall => start.elapsed().as_secs_f64(),
            Clock::Process => threads_seconds().unwrap_or_else(|| start.elapsed().as_secs_f64()),
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Clock::Wall => "wall",
            Clock::Process => "process",
        })
    }
}

impl FromStr for Clock {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Clock::Wall, Clock::Process]
            .into_iter()
            .find(|clock| clock.to_string() == text)
            .ok_or_else(|| format!("{text} is neither wall nor process"))
    }
}

/// The seconds of a fit and of the scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitAndScore {
    /// Seconds of the fit.
    pub fit: f64,
    /// Seconds of the scores.
    pub score: f64,
}

impl FitAndScore {
    /// Seconds of both.
    pub fn sum(self) -> f64 {
        self.fit + self.score
    }
}

/// The methods that are measured: all.
pub fn zoo() -> Vec<AnyMethod> {
    AnyMethod::all()
}

/// Turns are repeated until they have taken this many seconds together, or until there are [`MOST_TURNS`].
const ENOUGH: f64 = 3.0;
/// The largest number of turns.
const MOST_TURNS: usize = 5;
/// Each turn repeats short work for this many seconds, so that a coarse clock measures it.
const LONG: f64 = 0.2;

/// Measures a method on a table: the least seconds of a fit and of the scores. Both use the threads of rayon's
/// global pool, or of the pool of the caller.
///
/// # Errors
/// When the method cannot be fitted.
pub fn fit_and_score(
    method: &AnyMethod,
    table: ZooTable,
    clock: Clock,
    compute: &ComputeDevice,
) -> Result<FitAndScore, BenchError> {
    let [training, rows] = table.draw();
    let label = |row| if row < LABELLED { Label::Anomaly } else { Label::Unlabelled };
    let samples = Samples::new(training, (0..table.rows).map(label).collect()).map_err(failed)?;
    let detector = Detector::new(method.clone(), Supervision::Full, Seed(1)).map_err(failed)?;
    let (start, mut turns) = (Instant::now(), 0);
    let mut best = FitAndScore { fit: f64::INFINITY, score: f64::INFINITY };
    while turns == 0 || turns < MOST_TURNS && start.elapsed().as_secs_f64() < ENOUGH {
        turns += 1;
        let (fitted, fit) = repeat(clock, || detector.fit(&samples, compute).map_err(failed))?;
        let (_, score) = repeat(clock, || fitted.score(&rows).map_err(failed))?;
        best = FitAndScore { fit: best.fit.min(fit), score: best.score.min(score) };
    }
    Ok(best)
}

/// Repeats work until it has taken long enough; returns the last result, and the mean seconds.
fn repeat<T>(clock: Clock, mut work: impl FnMut() -> Result<T, BenchError>) -> Result<(T, f64), BenchError> {
    let (wall, mut times) = (Instant::now(), 0.0);
    let start = clock.seconds(wall);
    loop {
        let made = work()?;
        times += 1.0;
        if wall.elapsed().as_secs_f64() > LONG {
            return Ok((made, (clock.seconds(wall) - start) / times));
        }
    }
}

#[cfg(test)]
mod tests {
    use anoonly_train::BackendName;

    use super::*;

    #[test]
    fn tables_are_the_same_each_time_and_anomalies_lie_farther_out() {
        let table: ZooTable = "5000x4".parse().unwrap();
        let [training, rows] = table.draw();
        assert_eq!((training.dim(), rows.dim()), ((5000, 4), (5000, 4)));
        assert_eq!([training.clone(), rows.clone()], table.draw());
        assert_ne!(training, rows);
        let spread = |rows: ndarray::ArrayView2<'_, f32>| rows.std(1.0);
        let (anomalies, others) = training.view().split_at(ndarray::Axis(0), 50);
        assert!(spread(anomalies) > 1.2 * spread(others), "{} {}", spread(anomalies), spread(others));
    }

    #[test]
    fn sizes_and_clocks_are_read_and_others_refused() {
        for text in ["10000x50", "100000x20"] {
            assert_eq!(text.parse::<ZooTable>().unwrap().to_string(), text);
        }
        for text in ["", "10x50", "10000", "10000x0", "10000x5x5"] {
            assert!(text.parse::<ZooTable>().is_err(), "{text}");
        }
        assert_eq!(("wall".parse(), "process".parse()), (Ok(Clock::Wall), Ok(Clock::Process)));
        assert!("cpu".parse::<Clock>().is_err());
    }

    #[test]
    fn a_fit_and_its_scores_take_time() {
        let method = AnyMethod::by_name("mean-difference").unwrap();
        let compute = ComputeDevice::new(BackendName::default(), None).unwrap();
        let table = ZooTable { rows: 5000, columns: 4 };
        for clock in [Clock::Wall, Clock::Process] {
            let taken = fit_and_score(&method, table, clock, &compute).unwrap();
            assert!(taken.fit > 0.0 && taken.score > 0.0 && taken.sum() < 5.0, "{taken:?}");
        }
    }
}
