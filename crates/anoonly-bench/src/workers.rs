//! Threads that each do one job at a time.

mod order;

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::BenchError;
pub(crate) use order::{Expected, LongestFirst, SharedRows};

/// Passes the index of every job to `work`, on several threads, in the given order. Returns the results in the order of the indices.
/// After an error, no further job begins.
///
/// Each thread has a rayon pool of its own with one thread, so that a job uses one thread only, and waiting for a part of it never
/// begins another job. The seconds of a job are therefore its own.
pub(crate) fn each<T: Send>(
    threads: usize,
    order: LongestFirst,
    work: impl Fn(usize) -> Result<T, BenchError> + Sync,
) -> Result<Vec<T>, BenchError> {
    let order = Mutex::new(order);
    let order = || order.lock().unwrap_or_else(PoisonError::into_inner);
    let done: Mutex<Vec<(usize, T)>> = Mutex::default();
    let run = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        let pool = pool.map_err(|error| {
            order().close();
            BenchError::Threads { threads, reason: error.to_string() }
        })?;
        pool.install(|| {
            loop {
                let Some(job) = order().begin() else { return Ok(()) };
                let start = Instant::now();
                let result = work(job).inspect_err(|_| order().close())?;
                order().end(job, start.elapsed().as_secs_f64());
                done.lock().unwrap_or_else(PoisonError::into_inner).push((job, result));
            }
        })
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let outcomes = workers.into_iter().map(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        outcomes.collect::<Result<(), BenchError>>()
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(job, _)| *job);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn order(jobs: usize) -> LongestFirst {
        LongestFirst::new((0..jobs).map(|job| Expected { kind: 0, size: job as f64, rows: None }).collect())
    }

    #[test]
    fn every_job_is_done_once_on_one_thread_and_results_keep_their_order() {
        let work = |job| Ok((job, rayon::current_num_threads()));
        let expected: Vec<(usize, usize)> = (0..50).map(|job| (job, 1)).collect();
        for threads in [1, 4] {
            assert_eq!(each(threads, order(50), work).unwrap(), expected);
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let begun = AtomicUsize::new(0);
        let work = |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(BenchError::Measure { reason: "made".into() })
        };
        assert!(each(2, order(50), work).is_err());
        assert!(begun.into_inner() <= 2);
    }
}
