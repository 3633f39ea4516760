//! Files that are written completely or not at all.

use std::collections::BTreeSet;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

/// An output: a file that gets its name once it is complete and on the disk, or a device or pipe that is written to as it is.
///
/// A symbolic link is followed: the file that it points to is replaced, and the link stays. A file that is replaced keeps its
/// permissions and, where the system allows it, its owner. A new file has the default permissions.
///
/// Messages of errors name neither the file nor its temporary name.
#[derive(Debug)]
pub struct WholeFile(OutputPlace);

#[derive(Debug)]
enum OutputPlace {
    /// A file under a temporary name, and the name that it will get.
    Beside { file: NamedTempFile, target: PathBuf, listed: Unfinished },
    /// A device or pipe.
    Stream(File),
}

/// The temporary names of the files that are not complete.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An entry of [`UNFINISHED`].
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        unfinished().remove(&self.0);
    }
}

/// Removes the temporary files of all outputs that are not complete. Only for a process that ends now: from here on, no output can be
/// started or completed.
pub fn remove_unfinished_files() {
    let unfinished = unfinished();
    for path in unfinished.iter() {
        // A file that is gone already needs no removal, and nobody could be informed of any other failure.
        let _ = fs::remove_file(path);
    }
    // The lock is kept: other threads wait for it until the process has ended.
    std::mem::forget(unfinished);
}

/// Writes a file completely or not at all; see [`WholeFile`].
///
/// # Errors
/// When the file cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let output = WholeFile::create(path)?;
    output.file().write_all(bytes).map_err(plain)?;
    output.finish()
}

/// Checks before long work whether a file can be written. Devices and pipes are not opened.
///
/// # Errors
/// When it is a folder or a block device, its folder does not exist, or no file can be created there.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match stream(path)? {
        true => Ok(()),
        false => WholeFile::create(path).map(drop),
    }
}

impl WholeFile {
    /// Starts an output.
    ///
    /// # Errors
    /// As [`check_writable`], or when a device or pipe cannot be opened.
    pub fn create(path: &Path) -> io::Result<Self> {
        if stream(path)? {
            return OpenOptions::new()
                .append(true)
                .open(path)
                .map(|file| Self(OutputPlace::Stream(file)))
                .map_err(plain);
        }
        let target = target(path)?;
        let replaced = fs::metadata(&target).ok();
        let mut builder = tempfile::Builder::new();
        // The permissions of any new file; by default only the owner could read a temporary file.
        #[cfg(unix)]
        if replaced.is_none() {
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        }
        let mut unfinished = unfinished();
        let file = builder.tempfile_in(folder(&target)).map_err(|error| match folder(&target).is_dir() {
            true => plain(error),
            false => io::Error::new(error.kind(), format!("no folder `{}`", folder(&target).display())),
        })?;
        let listed = Unfinished(file.path().to_owned());
        unfinished.insert(listed.0.clone());
        drop(unfinished);
        if let Some(replaced) = replaced {
            keep_permissions(file.as_file(), &replaced)?;
        }
        Ok(Self(OutputPlace::Beside { file, target, listed }))
    }

    /// The file to write to.
    pub fn file(&self) -> &File {
        match &self.0 {
            OutputPlace::Beside { file, .. } => file.as_file(),
            OutputPlace::Stream(file) => file,
        }
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When that fails; an earlier file of that name is unchanged then.
    pub fn finish(self) -> io::Result<()> {
        let OutputPlace::Beside { file, target, listed } = self.0 else { return Ok(()) };
        file.as_file().sync_all().map_err(plain)?;
        let unfinished = unfinished();
        file.persist(&target).map_err(|error| plain(error.error))?;
        drop(unfinished);
        drop(listed);
        // Syncs the new name too. Not every file system supports this, and the file is complete without it.
        #[cfg(unix)]
        File::open(folder(&target)).and_then(|folder| folder.sync_all()).ok();
        Ok(())
    }
}

/// Whether a path leads to a device or pipe, which is written to as it is.
fn stream(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        // `/dev/stdout` may lead to a file to which a shell appends.
        Ok(metadata) if metadata.is_file() && ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder)) => {
            Ok(true)
        }
        Ok(metadata) if metadata.is_file() => Ok(false),
        Ok(metadata) if metadata.is_dir() => Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder")),
        Ok(metadata) if is_stream(metadata.file_type()) => Ok(true),
        Ok(_) => Err(io::Error::new(ErrorKind::InvalidInput, "it is neither a file nor a pipe or character device")),
        // A new file, or a link to one.
        Err(_) => Ok(false),
    }
}

#[cfg(unix)]
fn is_stream(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_char_device() || kind.is_fifo()
}

#[cfg(not(unix))]
fn is_stream(_: FileType) -> bool {
    false
}

/// The file that a path leads to when all symbolic links are followed. It need not exist.
fn target(path: &Path) -> io::Result<PathBuf> {
    /// As many links as Linux follows.
    const LINKS: usize = 40;
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&target) {
            Ok(link) => target = folder(&target).join(link),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "too many symbolic links"))
}

/// Gives a new file the permissions and, where the system allows it, the owner of the file that it replaces.
#[cfg(unix)]
fn keep_permissions(file: &File, replaced: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    // Only the superuser may give a file away, and others may choose only among their own groups.
    let group_kept = fchown(file, None, Some(replaced.gid())).is_ok();
    let _ = fchown(file, Some(replaced.uid()), None);
    let mut permissions = replaced.permissions();
    if !group_kept {
        // What one group may do, another may not.
        permissions.set_mode(permissions.mode() & !0o070);
    }
    file.set_permissions(permissions).map_err(plain)
}

#[cfg(not(unix))]
fn keep_permissions(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// The error without the name of the temporary file.
fn plain(error: io::Error) -> io::Error {
    error.kind().into()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_when_it_is_complete_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let output = WholeFile::create(&path).unwrap();
        output.file().write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(output);
        assert!(entries(folder.path()).is_empty());
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap(), entries(folder.path())), (b"two".to_vec(), vec!["a".to_owned()]));
        check_writable(&path).unwrap();
        assert_eq!(entries(folder.path()), ["a"]);
    }

    #[test]
    fn a_missing_folder_is_named_and_a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("nowhere");
        let expected = format!("no folder `{}`", missing.display());
        assert_eq!(check_writable(&missing.join("a")).unwrap_err().to_string(), expected);
        assert_eq!(write_whole(&missing.join("a"), b"").unwrap_err().to_string(), expected);
        assert_eq!(check_writable(folder.path()).unwrap_err().to_string(), "it is a folder");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_the_file_behind_it_is_replaced() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("store")).unwrap();
        fs::write(path("store/v3"), "old").unwrap();
        symlink("store/v3", path("latest")).unwrap();
        symlink("latest", path("newest")).unwrap();
        // A link to a file that does not exist creates the file.
        symlink("store/v4", path("next")).unwrap();
        write_whole(&path("newest"), b"new").unwrap();
        write_whole(&path("next"), b"next").unwrap();
        assert_eq!(fs::read(path("store/v3")).unwrap(), b"new");
        assert_eq!(fs::read(path("store/v4")).unwrap(), b"next");
        assert_eq!(fs::read_link(path("latest")).unwrap(), Path::new("store/v3"));
        assert_eq!((entries(folder.path()).len(), entries(&path("store")).len()), (4, 2));
        symlink("round", path("round")).unwrap();
        assert_eq!(write_whole(&path("round"), b"").unwrap_err().to_string(), "too many symbolic links");
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_whole(&path, b"one").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let other = folder.path().join("b");
        fs::write(&other, "").unwrap();
        assert_eq!(mode(&path), mode(&other), "a new file has the default permissions");
        for kept in [0o600, 0o640, 0o444] {
            fs::set_permissions(&path, PermissionsExt::from_mode(kept)).unwrap();
            write_whole(&path, b"two").unwrap();
            assert_eq!(mode(&path), kept);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to() {
        let null = Path::new("/dev/null");
        write_whole(null, b"text").unwrap();
        check_writable(null).unwrap();
        assert!(is_stream(fs::metadata(null).unwrap().file_type()));
    }
}
