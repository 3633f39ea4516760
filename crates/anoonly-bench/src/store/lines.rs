//! An append-only file of JSON lines.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BenchError;

/// An open file, locked so that one program writes to it at a time.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: Mutex<File>,
}

impl Lines {
    /// Opens or creates the file and reads its lines. An incomplete last line is cut off.
    ///
    /// # Errors
    /// When the file cannot be created or written to, another program writes to it, or a line is not `expected`.
    pub fn open<T: DeserializeOwned>(path: PathBuf, expected: &'static str) -> Result<(Self, Vec<T>), BenchError> {
        let failed = |reason: String| BenchError::Output { path: path.clone(), reason };
        if path.is_dir() {
            return Err(failed("it is a folder".into()));
        }
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let mut file = opened.map_err(|error| failed(error.kind().to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BenchError::InUse { path });
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|error| failed(error.to_string()))?;
        let (lines, whole) = parse(&text, &path, expected)?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(|error| failed(error.to_string()))?;
        }
        Ok((Self { path, file: Mutex::new(file) }, lines))
    }

    /// Appends a line.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn add(&self, line: &impl Serialize) -> Result<(), BenchError> {
        let failed = |reason: String| BenchError::Output { path: self.path.clone(), reason };
        let mut line = serde_json::to_vec(line).map_err(|error| failed(error.to_string()))?;
        line.push(b'\n');
        let mut file = self.file.lock().map_err(|error| failed(error.to_string()))?;
        let before = file.metadata().map_err(|error| failed(error.to_string()))?.len();
        file.write_all(&line).map_err(|error| {
            // An incomplete line would make the next one unreadable. If it cannot be removed now, it is cut off when the file is
            // opened again, unless another line follows.
            let _ = file.set_len(before);
            failed(error.to_string())
        })
    }
}

/// Reads all complete lines of a file to which another program may be writing.
///
/// # Errors
/// When the file cannot be read or a line is not `expected`.
pub fn read<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<Vec<T>, BenchError> {
    let failed = |error: std::io::Error| BenchError::File { path: path.into(), reason: error.to_string() };
    Ok(parse(&std::fs::read(path).map_err(failed)?, path, expected)?.0)
}

/// Parses the complete lines in their order. The second value is the number of bytes they take.
fn parse<T: DeserializeOwned>(text: &[u8], path: &Path, expected: &'static str) -> Result<(Vec<T>, usize), BenchError> {
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let lines = text[..whole].split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let entry = |(index, line): (usize, &[u8])| {
        serde_json::from_slice(line).map_err(|error| BenchError::BadLine {
            path: path.into(),
            line: index + 1,
            expected,
            reason: error.to_string(),
        })
    };
    Ok((lines.map(entry).collect::<Result<_, _>>()?, whole))
}
