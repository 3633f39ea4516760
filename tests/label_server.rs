//! `anoonly label`, started as a user starts it.

mod site;

use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use self::site::Site;
use crate::command;

/// How long the program may take until it listens, or until it has ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program with its server. Dropping it kills it.
pub struct LabelServer {
    running: Running,
    site: Site,
}

/// What a program left behind that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, or nothing if a signal has ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl LabelServer {
    /// Starts `anoonly label` in a folder with these words and a free port, and without opening a browser; waits until it listens.
    ///
    /// # Panics
    /// When it ends instead.
    #[track_caller]
    pub fn start(folder: &Path, words: &[&str]) -> Self {
        Self::try_start(folder, words).unwrap_or_else(|ended| panic!("the server has ended: {ended:#?}"))
    }

    /// As [`start`](Self::start).
    ///
    /// # Errors
    /// What it left behind, if it has ended without listening.
    ///
    /// # Panics
    /// When it neither listens nor ends.
    pub fn try_start(folder: &Path, words: &[&str]) -> Result<Self, Ended> {
        let mut command = command(["label"]);
        command.current_dir(folder).args(words).args(["--no-open", "--port", "0"]);
        Self::listening(command)
    }

    /// Starts `anoonly label` as on a desktop, where it opens a browser with a program of this folder.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[track_caller]
    pub fn opening(folder: &Path, words: &[&str], programs: &Path) -> Self {
        let mut command = command(["label"]);
        command.current_dir(folder).args(words).env("PATH", programs).env("DISPLAY", ":0");
        Self::listening(command).unwrap_or_else(|ended| panic!("the server has ended: {ended:#?}"))
    }

    fn listening(mut command: Command) -> Result<Self, Ended> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the command starts");
        let (sender, receiver) = mpsc::channel();
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let stdout = thread::spawn(move || {
            let mut all = String::new();
            for line in output.lines().map_while(Result::ok) {
                if let Some(site) = Site::in_line(&line) {
                    let _ = sender.send(site);
                }
                all += &line;
                all.push('\n');
            }
            all
        });
        let errors = process.stderr.take().expect("a pipe");
        let stderr = thread::spawn(move || {
            let mut all = Vec::new();
            let _ = BufReader::new(errors).read_to_end(&mut all);
            String::from_utf8_lossy(&all).into_owned()
        });
        let running = Running { process, output: Some((stdout, stderr)) };
        match receiver.recv_timeout(PATIENCE) {
            Ok(site) => Ok(Self { running, site }),
            Err(RecvTimeoutError::Disconnected) => Err(running.ended()),
            Err(RecvTimeoutError::Timeout) => panic!("the server does not listen"),
        }
    }

    /// The process's id.
    pub fn process_id(&self) -> u32 {
        self.running.process.id()
    }

    /// Ends the program as Ctrl-C does, and waits for it.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn interrupt(self) -> Ended {
        let sent = Command::new("kill").args(["-INT", &self.process_id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -INT");
        self.running.ended()
    }

    /// Ends the program as `kill -9` does.
    pub fn kill(mut self) -> Ended {
        let _ = self.running.process.kill();
        self.running.ended()
    }
}

impl Deref for LabelServer {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

/// The process, and the threads that read its output.
struct Running {
    process: Child,
    output: Option<(JoinHandle<String>, JoinHandle<String>)>,
}

impl Running {
    #[track_caller]
    fn ended(mut self) -> Ended {
        let waited = crate::within(PATIENCE, || self.process.try_wait().ok().flatten());
        let status = waited.expect("the program ends");
        let (stdout, stderr) = self.output.take().expect("its output");
        let text = |thread: JoinHandle<String>| thread.join().expect("its output is read");
        Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
