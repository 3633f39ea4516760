//! The order of jobs: the longest first, so that the threads of a bench end at about the same time.

use std::collections::BTreeMap;

/// What decides how long a job takes, and when it can begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// The kind of its work, such as its method. Jobs of one kind take seconds in proportion to their size.
    pub kind: usize,
    /// The size of its input, above zero: the number of values.
    pub size: f64,
    /// The rows that it shares with other jobs; `None` if its rows are always there.
    pub rows: Option<SharedRows>,
}

/// Rows that the first of several jobs makes, and that are dropped after the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SharedRows(pub usize);

/// Jobs in order of the seconds that they are expected to take, the longest first.
///
/// The seconds per value of a kind are measured on its jobs that have ended. Until then, a kind is expected to be as slow as the slowest known
/// one. Jobs whose rows are there go before jobs whose rows have to be made, so that few rows are kept in memory. Jobs whose rows are being
/// made go last, because they would wait.
#[derive(Debug)]
pub(crate) struct LongestFirst {
    jobs: Vec<Expected>,
    /// The jobs that have not begun, in ascending order.
    left: Vec<usize>,
    /// The seconds and the values of the ended jobs of each kind.
    known: BTreeMap<usize, (f64, f64)>,
    /// The shared rows of jobs that have begun, and whether one of these jobs has ended.
    made: BTreeMap<SharedRows, bool>,
}

impl LongestFirst {
    /// The order of these jobs; the jobs are named by their indices.
    pub fn new(jobs: Vec<Expected>) -> Self {
        let left = (0..jobs.len()).collect();
        Self { jobs, left, known: BTreeMap::new(), made: BTreeMap::new() }
    }

    /// The job that a free thread begins, or `None` if no job is left.
    pub fn begin(&mut self) -> Option<usize> {
        let slowest = self.known.values().map(|(seconds, values)| seconds / values).fold(0.0, f64::max);
        let seconds = |job: &Expected| {
            let rate = self.known.get(&job.kind).map_or(slowest, |(seconds, values)| seconds / values);
            // Before anything is known, only the sizes decide.
            if slowest > 0.0 { rate * job.size } else { job.size }
        };
        let ready = |job: &Expected| match job.rows.map(|rows| self.made.get(&rows)) {
            None | Some(Some(true)) => 2,
            Some(None) => 1,
            Some(Some(false)) => 0,
        };
        let urgency = |job: &Expected| (ready(job), seconds(job));
        let mut best: Option<(usize, (i32, f64))> = None;
        for (place, &job) in self.left.iter().enumerate() {
            let urgency = urgency(&self.jobs[job]);
            if best.is_none_or(|(_, most)| urgency.0 > most.0 || (urgency.0 == most.0 && urgency.1 > most.1)) {
                best = Some((place, urgency));
            }
        }
        let job = self.left.remove(best?.0);
        if let Some(rows) = self.jobs[job].rows {
            self.made.entry(rows).or_insert(false);
        }
        Some(job)
    }

    /// Records that a job has ended, and how long it took.
    pub fn end(&mut self, job: usize, seconds: f64) {
        let Expected { kind, size, rows } = self.jobs[job];
        let known = self.known.entry(kind).or_insert((0.0, 0.0));
        *known = (known.0 + seconds, known.1 + size);
        if let Some(rows) = rows {
            self.made.insert(rows, true);
        }
    }

    /// Drops all jobs that have not begun.
    pub fn close(&mut self) {
        self.left.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: usize, size: f64) -> Expected {
        Expected { kind, size, rows: None }
    }

    #[test]
    fn before_anything_is_known_the_largest_jobs_begin() {
        let mut order = LongestFirst::new(vec![job(0, 1.0), job(1, 3.0), job(0, 2.0), job(1, 3.0)]);
        let begun: Vec<usize> = std::iter::from_fn(|| order.begin()).collect();
        assert_eq!(begun, [1, 3, 2, 0]);
    }

    #[test]
    fn measured_seconds_decide_which_kind_is_slow() {
        let mut order = LongestFirst::new(vec![job(0, 9.0), job(1, 8.0), job(0, 5.0), job(1, 1.0), job(2, 2.0)]);
        assert_eq!([order.begin(), order.begin()], [Some(0), Some(1)]);
        order.end(0, 9.0);
        order.end(1, 80.0);
        // Ten seconds per value of kind 1, one of kind 0, and kind 2 is expected to be as slow as kind 1.
        assert_eq!([order.begin(), order.begin(), order.begin()], [Some(4), Some(3), Some(2)]);
        assert_eq!(order.begin(), None);
    }

    #[test]
    fn few_shared_rows_are_open_and_no_thread_waits_for_them() {
        let shared = |rows, size| Expected { kind: 0, size, rows: Some(SharedRows(rows)) };
        let jobs = vec![shared(0, 4.0), shared(0, 3.0), shared(1, 2.0), shared(1, 1.0), shared(2, 0.5)];
        let mut order = LongestFirst::new(jobs);
        assert_eq!(order.begin(), Some(0));
        // The rows of job 1 are being made.
        assert_eq!(order.begin(), Some(2));
        order.end(2, 1.0);
        assert_eq!(order.begin(), Some(3), "its rows are there");
        assert_eq!([order.begin(), order.begin()], [Some(4), Some(1)]);
    }

    /// The share of the time in which four threads work, when `begin` chooses the jobs and learns which job has ended.
    fn busy(seconds: &[f64], mut begin: impl FnMut(Option<usize>) -> Option<usize>) -> f64 {
        let mut threads: Vec<(f64, Option<usize>)> = vec![(0.0, None); 4];
        loop {
            let free = (0..4).min_by(|&a, &b| threads[a].0.total_cmp(&threads[b].0)).unwrap();
            let Some(begun) = begin(threads[free].1) else { break };
            threads[free] = (threads[free].0 + seconds[begun], Some(begun));
        }
        seconds.iter().sum::<f64>() / (4.0 * threads.iter().map(|thread| thread.0).fold(0.0, f64::max))
    }

    /// Forty jobs of four methods on ten data sets.
    #[test]
    fn threads_end_at_about_the_same_time_unlike_in_the_order_of_the_grid() {
        let sizes = [3.0, 1.0, 0.5, 0.2, 2.0, 4.0, 0.1, 1.5, 0.7, 6.0];
        let rates = [0.01, 1.0, 0.1, 0.5];
        let jobs: Vec<Expected> =
            sizes.iter().flat_map(|&size| (0..rates.len()).map(move |kind| job(kind, size))).collect();
        let seconds: Vec<f64> = jobs.iter().map(|job| rates[job.kind] * job.size).collect();
        let mut order = LongestFirst::new(jobs);
        let longest_first = busy(&seconds, |ended| {
            if let Some(ended) = ended {
                order.end(ended, seconds[ended]);
            }
            order.begin()
        });
        let mut left = 0..seconds.len();
        let as_listed = busy(&seconds, |_| left.next());
        assert!(longest_first > 0.95 && as_listed < 0.9, "{longest_first}, {as_listed}");
    }
}
