//! The file to which a session writes what happens, one JSON object a line.

mod event;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub(super) use event::{Event, FORMAT, Header, LabelRole};

use super::LabellingError;

/// An open journal. No other process can open it at the same time.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// The length of all complete lines.
    length: u64,
    /// Whether this process created the file.
    created: bool,
}

/// What a journal holds.
#[derive(Debug)]
pub(super) struct Recorded {
    /// `None` for a new journal.
    pub header: Option<Header>,
    /// The events, each with its line.
    pub events: Vec<(usize, Event)>,
    /// The number of bytes of an incomplete last line, which was removed.
    pub removed: usize,
}

impl Journal {
    /// Opens a journal, or creates it. A last line that was not written completely is removed from the file.
    pub fn open(path: &Path) -> Result<(Self, Recorded), LabellingError> {
        let failed = |source| LabellingError::JournalIo { path: path.into(), source };
        let created = !path.exists();
        if !created && !path.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::new(ErrorKind::InvalidInput, "it is no regular file")));
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LabellingError::JournalInUse { path: path.into() }),
            // A file system without locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut journal = Self { path: path.into(), file, length: 0, created };
        let mut bytes = Vec::new();
        journal.file.read_to_end(&mut bytes).map_err(failed)?;
        let recorded = journal.read(&bytes)?;
        Ok((journal, recorded))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, source: io::Error) -> LabellingError {
        LabellingError::JournalIo { path: self.path.clone(), source }
    }

    /// Reads the lines, and repairs the last one.
    fn read(&mut self, bytes: &[u8]) -> Result<Recorded, LabellingError> {
        let complete = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let (lines, torn) = bytes.split_at(complete);
        let mut lines = lines.split(|&byte| byte == b'\n').enumerate().map(|(at, line)| (at + 1, line));
        let header = match lines.next() {
            // A line that is not complete is nothing but the beginning of a header, or the file is no journal.
            Some((_, [])) if complete == 0 => {
                if !torn.is_empty() && !Header::may_begin(torn) {
                    let reason = "its first line is no header".into();
                    return Err(LabellingError::NotAJournal { path: self.path.clone(), reason });
                }
                None
            }
            Some((_, line)) => Some(Header::read(line, &self.path)?),
            None => None,
        };
        let mut events = Vec::new();
        for (number, line) in lines.filter(|&(_, line)| !line.is_empty()) {
            let damaged = |error: serde_json::Error| LabellingError::DamagedLine {
                path: self.path.clone(),
                line: number,
                reason: format!("the line is damaged: {error}"),
            };
            events.push((number, serde_json::from_slice(line).map_err(damaged)?));
        }
        self.length = complete as u64;
        if !torn.is_empty() {
            self.file.set_len(self.length).and_then(|()| self.file.sync_all()).map_err(|error| self.failed(error))?;
        }
        Ok(Recorded { header, events, removed: torn.len() })
    }

    /// Writes lines. They are on the disk when this returns. After an error, the file holds none of them.
    pub fn append<T: Serialize>(&mut self, lines: &[T]) -> Result<(), LabellingError> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|error| self.failed(error.into()))?;
            text.push(b'\n');
        }
        let written = self.write(&text);
        match written {
            Ok(()) => self.length += text.len() as u64,
            // If this fails too, the next write begins with it again.
            Err(_) => drop(self.file.set_len(self.length)),
        }
        written.map_err(|error| self.failed(error))
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        // What is written to a file without a name is lost when it is closed.
        if !self.has_its_name()? {
            return Err(io::Error::new(ErrorKind::NotFound, "the file was deleted or replaced by another one"));
        }
        // Nothing but an earlier write that failed leaves more than the complete lines.
        if self.file.seek(SeekFrom::End(0))? != self.length {
            self.file.set_len(self.length)?;
        }
        self.file.write_all(text)?;
        self.file.sync_data()?;
        // The name of a new file must be on the disk, too. Not every file system supports this.
        #[cfg(unix)]
        if self.length == 0 {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder).and_then(|folder| folder.sync_all()).ok();
        }
        Ok(())
    }
}

impl Journal {
    /// Whether the path still leads to the open file.
    #[cfg(unix)]
    fn has_its_name(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let file = self.file.metadata()?;
        Ok(self.path.metadata().is_ok_and(|named| (named.dev(), named.ino()) == (file.dev(), file.ino())))
    }

    /// Whether the path still leads to a file. An open file cannot be deleted here.
    #[cfg(not(unix))]
    fn has_its_name(&self) -> io::Result<bool> {
        self.path.try_exists()
    }
}

impl Drop for Journal {
    /// A session that could not be opened leaves no empty file.
    fn drop(&mut self) {
        if self.created && self.length == 0 {
            std::fs::remove_file(&self.path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_to_a_journal_that_was_deleted_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.jsonl");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&["header"]).unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = journal.append(&["lost"]).unwrap_err().to_string();
        assert!(error.ends_with("the file was deleted or replaced by another one"), "{error}");
        std::fs::write(&path, "another").unwrap();
        assert!(journal.append(&["lost"]).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "another");
    }

    #[test]
    fn what_a_failed_write_left_behind_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let (mut journal, recorded) = Journal::open(&path).unwrap();
        assert!(recorded.header.is_none() && recorded.events.is_empty());
        journal.append(&["one"]).unwrap();
        // As when the disk is full in the middle of a line, and the file cannot be shortened.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\"half").unwrap();
        journal.append(&["two", "three"]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "\"one\"\n\"two\"\n\"three\"\n");
    }

    #[test]
    fn an_answer_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "\"one\"\n").unwrap();
        let file = File::open(&path).unwrap();
        let mut journal = Journal { path: path.clone(), file, length: 6, created: false };
        assert!(matches!(journal.append(&["two"]), Err(LabellingError::JournalIo { .. })));
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), journal.length), ("\"one\"\n", 6));
    }

    #[cfg(unix)]
    #[test]
    fn folders_and_devices_are_no_journals() {
        for path in ["/dev/zero", "/dev"] {
            assert!(matches!(Journal::open(Path::new(path)), Err(LabellingError::JournalIo { .. })));
        }
    }
}
