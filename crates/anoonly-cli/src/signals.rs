//! What happens when the user presses Ctrl-C or the system asks the process to end.
//!
//! Incomplete files are removed, and the exit code is 128 and the number of the signal. A benchmark finishes what it has begun and ends
//! with the exit code of Ctrl-C ([`stop_gently`]).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anoonly::core::remove_unfinished_files;

use crate::error::CommandError;
use crate::terminal::note;

/// The flag of a command that ends by itself after the first signal, and what is said then.
static STOP: OnceLock<(AtomicBool, &'static str)> = OnceLock::new();

/// A flag that the first signal sets, instead of ending the process. `note` is printed then. The second signal ends the process.
pub fn stop_gently(note: &'static str) -> &'static AtomicBool {
    &STOP.get_or_init(|| (AtomicBool::default(), note)).0
}

fn received(exit_code: i32) {
    match STOP.get().map(|(stop, note)| (stop.swap(true, Ordering::Relaxed), note)) {
        Some((false, text)) => note(text),
        Some((true, _)) | None => {
            remove_unfinished_files();
            std::process::exit(exit_code);
        }
    }
}

/// Listens for signals, except those that the process was started to ignore, as `nohup` does.
#[cfg(unix)]
pub fn listen() -> Result<(), CommandError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let signals = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal));
    let mut signals = signal_hook::iterator::Signals::new(signals)
        .map_err(|error| CommandError::Internal { reason: format!("cannot listen for signals: {error}") })?;
    std::thread::spawn(move || signals.forever().for_each(|signal| received(128 + signal)));
    Ok(())
}

/// Whether the process was started to ignore a signal; known on Linux only.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Listens for Ctrl-C.
#[cfg(not(unix))]
pub fn listen() -> Result<(), CommandError> {
    let handler = || received(crate::error::STOPPED.into());
    ctrlc::set_handler(handler)
        .map_err(|error| CommandError::Internal { reason: format!("cannot listen for signals: {error}") })
}
