//! Files that are written completely or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Writes a file to a temporary name, and gives it its own name once it is complete and on the disk. It gets the given
/// permissions, or the default ones of a new file.
///
/// # Errors
/// When the file cannot be written. The message may name the temporary file, so report the kind of the error to people.
pub fn write_whole(path: &Path, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    // Syncs the new name too. Not every file system supports this, and the file is complete without it.
    #[cfg(unix)]
    File::open(folder(path)).and_then(|folder| folder.sync_all()).ok();
    Ok(())
}

/// Creates a temporary file in the folder of `path`, from where it can be renamed to `path`.
///
/// # Errors
/// When no file can be created in that folder.
pub fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // The permissions of any new file; by default only the owner could read a temporary file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder(path))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
