//! The messages before and after a bench.

use std::path::Path;
use std::time::Instant;

use anoonly_bench::{RunRecord, usage};

use crate::note;

/// The time that a bench takes.
pub(super) struct Watch<'a> {
    start: Instant,
    processor: Option<f64>,
    threads: usize,
    out: &'a Path,
}

impl<'a> Watch<'a> {
    /// Starts, and says what is to be done.
    pub fn start(runs: usize, measured: usize, threads: usize, out: &'a Path) -> Self {
        match measured {
            0 => note(&format!("{runs} runs on {threads} threads")),
            measured => {
                note(&format!("{runs} runs on {threads} threads; {measured} of them are already in {}", out.display()));
            }
        }
        Self { start: Instant::now(), processor: usage::cpu_seconds(), threads, out }
    }

    /// Says how long it took, and where the results are.
    pub fn stop<R: RunRecord>(self) {
        let seconds = self.start.elapsed().as_secs_f64();
        let threads = self.threads;
        // The share is meaningless if hardly anything was measured.
        let busy = usage::cpu_seconds().zip(self.processor).map(|(after, before)| 100.0 * (after - before) / seconds);
        let busy = busy.filter(|_| seconds >= 1.0).map_or_else(String::new, |busy| {
            format!(
                ", using {:.0} % of {threads} {}",
                busy / threads as f64,
                if threads == 1 { "core" } else { "cores" }
            )
        });
        let table = self.out.join(R::TABLE);
        note(&format!("done in {seconds:.0} s{busy}; every run is a row of {}\n", table.display()));
    }
}
