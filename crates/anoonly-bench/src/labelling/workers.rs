//! Threads that each do one piece of work at a time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::BenchError;

/// Passes every job to `work`, on several threads, and returns the results in the order of the jobs. After an error, no further job
/// begins.
///
/// Each thread has a rayon pool of its own with one thread, so that a job uses one thread only, and waiting for a part of it never
/// begins another job. That makes the processor seconds of the thread those of the job.
pub(super) fn each<J: Sync, T: Send>(
    threads: usize,
    jobs: &[J],
    work: impl Fn(&J) -> Result<T, BenchError> + Sync,
) -> Result<Vec<T>, BenchError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done: Mutex<Vec<(usize, T)>> = Mutex::default();
    let run = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        let pool = pool.map_err(|error| BenchError::Threads { threads, reason: error.to_string() })?;
        pool.install(|| {
            while !failed.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(place) else { break };
                match work(job) {
                    Ok(result) => done.lock().unwrap_or_else(PoisonError::into_inner).push((place, result)),
                    Err(error) => {
                        failed.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
            Ok(())
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
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once_on_one_thread_and_results_keep_their_order() {
        let jobs: Vec<usize> = (0..50).collect();
        let work = |&job: &usize| Ok((job, rayon::current_num_threads()));
        let expected: Vec<(usize, usize)> = jobs.iter().map(|&job| (job, 1)).collect();
        for threads in [1, 4] {
            assert_eq!(each(threads, &jobs, work).unwrap(), expected);
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let begun = AtomicUsize::new(0);
        let work = |_: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(BenchError::Measure { reason: "made".into() })
        };
        assert!(each(2, &[0; 50], work).is_err());
        assert!(begun.into_inner() <= 2);
    }
}
