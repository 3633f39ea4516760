//! A file of JSON lines that is only ever added to.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BenchError;

/// The file, open and locked: one program writes to it at a time.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: Mutex<File>,
}

impl Lines {
    /// Opens the file, or makes it, and reads what is there. A last line that was not written to its end is cut off.
    ///
    /// # Errors
    /// When it cannot be made or written to, when another program writes to it, or when a line is not `what` it should be.
    pub fn open<T: DeserializeOwned>(path: PathBuf, what: &str) -> Result<(Self, Vec<T>), BenchError> {
        let failed = |reason: String| BenchError::Output { path: path.clone(), reason };
        if path.is_dir() {
            return Err(failed("it is a folder".into()));
        }
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let mut file = opened.map_err(|error| failed(error.kind().to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(failed("another bench is writing to it; give this one another --out".into()));
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|error| failed(error.to_string()))?;
        let (lines, whole) = parse(&text, &path, what)?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(|error| failed(error.to_string()))?;
        }
        Ok((Self { path, file: Mutex::new(file) }, lines))
    }

    /// Writes a line, at once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, line: &impl Serialize) -> Result<(), BenchError> {
        let failed = |reason: String| BenchError::Output { path: self.path.clone(), reason };
        let mut line = serde_json::to_vec(line).map_err(|error| failed(error.to_string()))?;
        line.push(b'\n');
        let mut file = self.file.lock().map_err(|error| failed(error.to_string()))?;
        let before = file.metadata().map_err(|error| failed(error.to_string()))?.len();
        file.write_all(&line).map_err(|error| {
            // A line that stands there in part would spoil the next one. If not even that can be done, it is cut off when
            // the file is opened, unless another line follows.
            let _ = file.set_len(before);
            failed(error.to_string())
        })
    }
}

/// Every whole line of a file that another program may be writing to.
///
/// # Errors
/// When it cannot be read, or a line is not `what` it should be.
pub fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<Vec<T>, BenchError> {
    let failed = |error: std::io::Error| BenchError::File { path: path.into(), reason: error.to_string() };
    Ok(parse(&std::fs::read(path).map_err(failed)?, path, what)?.0)
}

/// Every line in its order, and the length of the whole lines.
fn parse<T: DeserializeOwned>(text: &[u8], path: &Path, what: &str) -> Result<(Vec<T>, usize), BenchError> {
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let lines = text[..whole].split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let entry = |(index, line): (usize, &[u8])| {
        serde_json::from_slice(line).map_err(|error| BenchError::File {
            path: path.into(),
            reason: format!("line {}: not {what} ({error}); move the file away or give another --out", index + 1),
        })
    };
    Ok((lines.map(entry).collect::<Result<_, _>>()?, whole))
}
