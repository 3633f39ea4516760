//! Files that are there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Writes a file under its name only once it is whole and on the disk, with the given permissions or those of any new file.
///
/// # Errors
/// When it cannot be written. The message of the error may name the temporary file; its kind does not.
pub fn write_whole(path: &Path, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The new name, too. Not every file system can do this, and the file is whole without it.
    #[cfg(unix)]
    File::open(folder(path)).and_then(|folder| folder.sync_all()).ok();
    Ok(())
}

/// A temporary file in the folder of another one, whose name it may take.
///
/// # Errors
/// When none can be made there.
pub fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // Readable as any new file is; a temporary file would be its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder(path))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
