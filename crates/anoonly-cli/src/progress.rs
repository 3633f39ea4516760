//! How far a bench is, and how it is stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anoonly_bench::{BenchError, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// One bar for all runs, and below it a line for each job at work. Where standard error is no terminal, nothing is shown.
pub struct Bars {
    all: MultiProgress,
    runs: ProgressBar,
    at_work: Mutex<Vec<(String, ProgressBar)>>,
}

impl Bars {
    /// Bars for so many runs, of which some are done.
    pub fn new(runs: usize, done: usize) -> Self {
        let all = MultiProgress::new();
        let bar = all.add(ProgressBar::new(runs as u64).with_position(done as u64));
        bar.reset_eta();
        bar.set_style(style("{bar:30} {pos}/{len} runs, {elapsed} so far, {eta} left"));
        Self { all, runs: bar, at_work: Mutex::default() }
    }

    /// Shows what a grid tells.
    pub fn show(&self, progress: Progress) {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Run { done } => self.runs.set_position(done as u64),
            Progress::Begun(name) => {
                let line = self.all.add(ProgressBar::new_spinner().with_message(name.clone()));
                line.set_style(style("  {spinner} {msg}, {elapsed}"));
                line.enable_steady_tick(Duration::from_millis(200));
                at_work.push((name, line));
            }
            Progress::Ended(name) => {
                if let Some(place) = at_work.iter().position(|(at_work, _)| *at_work == name) {
                    at_work.swap_remove(place).1.finish_and_clear();
                }
            }
        }
    }

    /// Takes everything from the screen.
    pub fn clear(&self) {
        self.runs.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// True once the user has pressed Ctrl-C, or the system asks the process to end. A second time ends it at once.
pub fn stopped_by_user() -> Result<Arc<AtomicBool>, BenchError> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let handler = move || match told.swap(true, Ordering::Relaxed) {
        false => eprintln!("\nstopping once the runs at work have ended; press Ctrl-C again to stop at once"),
        true => std::process::exit(STOPPED.into()),
    };
    ctrlc::set_handler(handler).map_err(|error| BenchError::Measure { reason: error.to_string() })?;
    Ok(stop)
}

/// The exit code of a command that its user has stopped.
pub const STOPPED: u8 = 130;
