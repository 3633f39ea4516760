//! Long work outside of the interpreter: its threads, its progress, and Ctrl-C.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anoonly::data::table::is_reading;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// How often waiting for work looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

/// The threads that compute.
static THREADS: Mutex<Threads> = Mutex::new(Threads { wanted: None, pool: None });

/// Work that was given up: whether it has ended.
static GIVEN_UP: Mutex<Vec<Arc<AtomicBool>>> = Mutex::new(Vec::new());

/// Waits for work that was given up, but not longer than some seconds: at its end, it hands memory back to other libraries, which must
/// not end before.
#[pyfunction]
pub fn wait_for_given_up_work(py: Python<'_>, seconds: f64) {
    py.detach(|| {
        let start = Instant::now();
        let is_running = |ended: &Arc<AtomicBool>| !ended.load(Ordering::Acquire);
        while GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner).iter().any(is_running)
            && start.elapsed().as_secs_f64() < seconds
        {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

struct Threads {
    /// The number of threads; `None` for one a core.
    wanted: Option<usize>,
    /// The threads, and the process that they belong to. After a fork, the new process has none of them.
    pool: Option<(u32, Arc<ThreadPool>)>,
}

fn internal(reason: impl std::fmt::Display) -> PyErr {
    PyRuntimeError::new_err(format!("internal error: {reason}"))
}

/// The threads of this process.
fn pool() -> PyResult<Arc<ThreadPool>> {
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, pool)) = &threads.pool
        && *owner == process
    {
        return Ok(Arc::clone(pool));
    }
    // The threads of the process that was forked are not waited for.
    std::mem::forget(threads.pool.take());
    let pool = ThreadPoolBuilder::new().num_threads(threads.wanted.unwrap_or(0)).build().map_err(internal)?;
    let pool = Arc::new(pool);
    threads.pool = Some((process, Arc::clone(&pool)));
    Ok(pool)
}

/// Sets the number of threads that compute, from the next call on; `None` for one a core.
#[pyfunction]
#[pyo3(signature = (threads))]
pub fn set_threads(threads: Option<usize>) {
    let mut known = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    if known.wanted != threads {
        known.wanted = threads;
        // Threads of another process, which was forked, are not waited for.
        match known.pool.take() {
            Some((owner, pool)) if owner != std::process::id() => std::mem::forget(pool),
            _ => {}
        }
    }
}

/// Does not print the panics of readers, which are caught and reported as errors of the file.
pub fn silence_readers() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_reading() {
            hook(panic);
        }
    }));
}

/// What work says while it runs, and whether it should stop.
pub struct Reporter<P> {
    stop: Arc<AtomicBool>,
    steps: Sender<Message<P>>,
}

enum Message<P> {
    Step(P),
    Done,
}

impl<P> Reporter<P> {
    /// Whether the work should stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Says where the work stands.
    pub fn step(&self, step: P) {
        // Nobody listens any more after Ctrl-C.
        let _ = self.steps.send(Message::Step(step));
    }
}

/// Runs work on the threads of this process, without the interpreter, and waits for it. Steps of its progress are handed to `each`, in
/// the calling thread. When that fails or Ctrl-C was pressed, the error is returned at once; the work is asked to stop and ends in the
/// background.
pub fn run<P: Send + 'static, T: Send + 'static>(
    py: Python<'_>,
    mut each: impl FnMut(P) -> PyResult<()>,
    work: impl FnOnce(&Reporter<P>) -> T + Send + 'static,
) -> PyResult<T> {
    let (steps, received) = channel::<Message<P>>();
    let (give, take) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    let progress = Reporter { stop: Arc::clone(&stop), steps };
    let pool = pool()?;
    let ended = Arc::new(AtomicBool::new(false));
    let has_ended = Arc::clone(&ended);
    pool.spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&progress)));
        let _ = give.send(result);
        let _ = progress.steps.send(Message::Done);
        has_ended.store(true, Ordering::Release);
    });
    let mut received = received;
    loop {
        let (message, back) = py.detach(move || (received.recv_timeout(LOOK), received));
        received = back;
        let checked = match message {
            Ok(Message::Step(step)) => each(step),
            Ok(Message::Done) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => Ok(()),
        };
        if let Err(error) = checked.and_then(|()| py.check_signals()) {
            stop.store(true, Ordering::Relaxed);
            let mut given_up = GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner);
            given_up.retain(|ended| !ended.load(Ordering::Acquire));
            given_up.push(ended);
            // The work keeps its threads until it ends, and they end with it; the next call gets others.
            let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
            if threads.pool.as_ref().is_some_and(|(_, known)| Arc::ptr_eq(known, &pool)) {
                threads.pool = None;
            }
            return Err(error);
        }
    }
    match take.recv() {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(internal(text.unwrap_or_default()))
        }
        Err(_) => Err(internal("the work ended without a result")),
    }
}

/// Runs work without progress, which ends in the background after Ctrl-C.
pub fn run_quietly<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> PyResult<T> {
    run(py, |()| Ok(()), |_| work())
}
