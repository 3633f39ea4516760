//! Memory and processor time of this process, read from `/proc` on Linux and unknown elsewhere.

use std::fs::{DirEntry, read_to_string};
use std::time::Instant;

/// Measures the seconds that this thread spends on some work.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Instant,
    processor: Option<f64>,
}

impl Stopwatch {
    /// Begins to measure.
    pub fn start() -> Self {
        Self { wall: Instant::now(), processor: thread_seconds() }
    }

    /// The seconds since the start, and whether they are the processor seconds of this thread; otherwise those of the clock.
    pub fn seconds(&self) -> (f64, bool) {
        match thread_seconds().zip(self.processor) {
            Some((now, start)) => (now - start, true),
            None => (self.wall.elapsed().as_secs_f64(), false),
        }
    }
}

/// The processor seconds of this thread; `None` if unknown.
fn thread_seconds() -> Option<f64> {
    schedule(&read_to_string("/proc/thread-self/schedstat").ok()?)
}

/// The peak resident memory of this process in MiB; 0 if unknown.
pub fn peak_mib() -> f64 {
    memory("VmHWM:")
}

/// The resident memory of this process in MiB; 0 if unknown.
pub fn resident_mib() -> f64 {
    memory("VmRSS:")
}

/// The processor seconds of all threads of this process together; `None` if unknown.
pub fn cpu_seconds() -> Option<f64> {
    // The kernel reports hundredths of a second, whatever unit it uses internally.
    let stat = read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may contain anything. The times are words 12 and 13 after it.
    let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |word: usize| words.get(word)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// The processor seconds of all present threads of this process together, to the nanosecond or to a tick of the kernel; `None` if unknown.
pub fn threads_seconds() -> Option<f64> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let seconds =
        |thread: std::io::Result<DirEntry>| schedule(&read_to_string(thread.ok()?.path().join("schedstat")).ok()?);
    threads.map(seconds).sum()
}

/// The processor seconds in the kernel's account of a thread.
fn schedule(text: &str) -> Option<f64> {
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn memory(name: &str) -> f64 {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map_or(0.0, |kib| kib / 1024.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted() {
        let (start, before, watch) = (Instant::now(), cpu_seconds().unwrap(), Stopwatch::start());
        while start.elapsed().as_secs_f64() < 0.2 {
            std::hint::black_box(vec![1u8; 1 << 16]);
        }
        assert!(cpu_seconds().unwrap() > before && threads_seconds().unwrap() > 0.0);
        let (seconds, processor) = watch.seconds();
        assert!(seconds > 0.0 && (seconds <= start.elapsed().as_secs_f64() || !processor), "{seconds}");
    }

    #[test]
    fn resident_memory_is_that_of_now_and_the_peak_remembers_what_was_freed() {
        // Other tests allocate at the same time, so the two are compared with a known size and not with each other.
        let bytes = vec![1u8; 64 << 20];
        std::hint::black_box(&bytes);
        assert!(resident_mib() > 64.0);
        drop(bytes);
        assert!(peak_mib() > 64.0);
    }
}
