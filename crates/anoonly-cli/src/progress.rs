//! The progress of a benchmark, and how its user stops it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anoonly_bench::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::error::{CommandError, STOPPED};

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
                let line = self.all.add(ProgressBar::new_spinner().with_message(name.clone()));
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

/// A flag that becomes true when the user presses Ctrl-C or the system asks the process to end. The second signal ends the
/// process immediately.
pub fn stopped_by_user() -> Result<Arc<AtomicBool>, CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let handler = move || match flag.swap(true, Ordering::Relaxed) {
        false => eprintln!("\nstopping when the current runs have finished; press Ctrl-C again to stop immediately"),
        true => std::process::exit(STOPPED.into()),
    };
    ctrlc::set_handler(handler).map_err(|error| CommandError::Internal { reason: error.to_string() })?;
    Ok(stop)
}
