//! Work that is divided among the cores, with results that do not depend on their number.

use std::ops::Range;

use rayon::prelude::*;

/// The results of a function for each number below `count`, in their order.
///
/// Runs on all cores, unless the caller itself runs on a thread pool: there, other work keeps the cores busy, and a thread that waits for
/// a part of this work would begin other work instead.
pub(crate) fn each<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    match rayon::current_thread_index() {
        Some(_) => (0..count).map(&work).collect(),
        None => (0..count).into_par_iter().map(&work).collect(),
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
}
