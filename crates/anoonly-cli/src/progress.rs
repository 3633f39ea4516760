//! The progress of a benchmark.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anoonly_bench::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::terminal::one_line;

/// One bar for all runs, and below it one line for each running job. Nothing is shown unless standard error is a terminal.
pub struct Bars {
    all: MultiProgress,
    runs: ProgressBar,
    running: Mutex<Vec<(String, ProgressBar)>>,
}

impl Bars {
    /// Bars for a number of runs, some of which are already done.
    pub fn new(runs: usize, done: usize) -> Self {
        let all = MultiProgress::new();
        let bar = all.add(ProgressBar::new(runs as u64).with_position(done as u64));
        bar.reset_eta();
        bar.set_style(style("{bar:30} {pos}/{len} runs, {elapsed} elapsed, {eta} left"));
        Self { all, runs: bar, running: Mutex::default() }
    }

    /// Shows a progress event of the grid.
    pub fn show(&self, progress: Progress) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Run { done } => self.runs.set_position(done as u64),
            Progress::Begun(name) => {
                let line = self.all.add(ProgressBar::new_spinner().with_message(one_line(&name).into_owned()));
                line.set_style(style("  {spinner} {msg}, {elapsed}"));
                line.enable_steady_tick(Duration::from_millis(200));
                running.push((name, line));
            }
            Progress::Ended(name) => {
                if let Some(place) = running.iter().position(|(job, _)| *job == name) {
                    running.swap_remove(place).1.finish_and_clear();
                }
            }
        }
    }

    /// Removes the bars from the terminal.
    pub fn clear(&self) {
        self.runs.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
