//! Work that is divided among the cores, with results that do not depend on their number.

use std::cell::Cell;
use std::ops::Range;

use rayon::prelude::*;

thread_local! {
    /// Whether fits on this thread run on one core.
    static ON_ONE_CORE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a fit on one core. It is for fits that run beside each other: they keep the cores busy, and a thread that waits for a part of its
/// fit would begin another fit meanwhile.
pub fn on_one_core<T>(fit: impl FnOnce() -> T) -> T {
    /// Sets the mark back, also after a panic.
    struct Restored(bool);

    impl Drop for Restored {
        fn drop(&mut self) {
            ON_ONE_CORE.set(self.0);
        }
    }

    let _restored = Restored(ON_ONE_CORE.replace(true));
    fit()
}

/// The results of a function for each number below `count`, in their order.
///
/// Runs on the threads of the caller's pool, or on all cores outside of a pool; within [`on_one_core`], on the calling thread.
pub(crate) fn each<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    match ON_ONE_CORE.get() {
        true => (0..count).map(&work).collect(),
        false => (0..count).into_par_iter().map(&work).collect(),
    }
}

/// The results of a function for consecutive parts of `rows` rows, in their order: parts of at least `least` rows, as far as there are so
/// many, and at most `most` parts. They depend on these numbers only, so that sums over their results have the same bits on every machine.
pub(crate) fn each_part<T: Send>(
    rows: usize,
    least: usize,
    most: usize,
    work: impl Fn(Range<usize>) -> T + Sync,
) -> Vec<T> {
    let count = (rows / least.max(1)).clamp(1, most.max(1));
    let start = |part: usize| part * (rows / count) + part.min(rows % count);
    each(count, |part| work(start(part)..start(part + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_rows_in_order_on_any_number_of_threads() {
        for (rows, least, most, count) in [(0, 10, 4, 1), (9, 10, 4, 1), (25, 10, 4, 2), (1003, 10, 4, 4), (7, 1, 9, 7)]
        {
            let parts = || each_part(rows, least, most, |rows| rows);
            let found = parts();
            assert_eq!((found.len(), found[0].start, found[count - 1].end), (count, 0, rows));
            assert!(found.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() >= pair[1].len()));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
            assert_eq!(pool.install(parts), found);
        }
    }

    #[test]
    fn a_fit_on_one_core_stays_on_its_thread_and_others_use_the_pool() {
        use std::collections::HashSet;
        use std::sync::Barrier;
        use std::thread;

        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let ids = |work: &(dyn Fn(usize) + Sync)| -> HashSet<thread::ThreadId> {
            let id = |number| {
                work(number);
                thread::current().id()
            };
            pool.install(|| each(2, id)).into_iter().collect()
        };
        // Both parts wait for each other, so they are on two threads.
        let both = Barrier::new(2);
        assert_eq!(ids(&|_| _ = both.wait()).len(), 2);
        let here = thread::current().id();
        let panicked = std::panic::catch_unwind(|| on_one_core(|| panic!("made")));
        assert!(panicked.is_err() && !ON_ONE_CORE.get());
        assert_eq!(on_one_core(|| each(8, |_| thread::current().id())), [here; 8]);
    }
}
