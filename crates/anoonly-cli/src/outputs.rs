//! Checks of the files that a command is to write. Each command makes them before it reads anything large.

use std::fs;
#[cfg(unix)]
use std::fs::{File, Metadata};
use std::path::Path;

use anoonly::core::check_writable;
use anoonly::data::table::{Table, TableWriter};

use crate::error::CommandError;

/// A file that a command reads: what it is, as `the table`, and its path. `-` is standard input; of a folder, the tables in it are read.
pub type Input<'a> = (&'static str, &'a Path);

/// Checks that a file can be written and is none of the inputs.
///
/// # Errors
/// When it is an input, by whatever name, is a folder, or cannot be written.
pub fn check(option: &'static str, output: &Path, inputs: &[Input<'_>]) -> Result<(), CommandError> {
    is_no_input(option, output, inputs)?;
    check_writable(output).map_err(|error| CommandError::Output { path: output.into(), reason: error.to_string() })
}

/// As [`check`], for a table of scores, whose name has one of two endings.
pub fn check_table(option: &'static str, output: &Path, inputs: &[Input<'_>]) -> Result<(), CommandError> {
    is_no_input(option, output, inputs)?;
    Ok(TableWriter::check(output)?)
}

/// Checks that files can be written to a folder, which is created if it does not exist.
///
/// # Errors
/// When it is a file, or no file can be created in it or in the folder in which it is to be created.
pub fn check_folder(output: &Path) -> Result<(), CommandError> {
    let failed = |reason: String| CommandError::Output { path: output.into(), reason };
    let nearest = output.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    match nearest.is_dir() {
        true => tempfile::tempfile_in(nearest).map(drop).map_err(|error| failed(error.kind().to_string())),
        false if nearest == output => Err(failed("it is a file, not a folder".into())),
        false => Err(failed(format!("`{}` is a file, not a folder", nearest.display()))),
    }
}

fn is_no_input(option: &'static str, output: &Path, inputs: &[Input<'_>]) -> Result<(), CommandError> {
    // Nothing is lost by writing to a device.
    if !output.is_file() {
        return Ok(());
    }
    let same = |path: &Path| match path.is_dir() {
        true => Table::can_read(output) && is_below(output, path),
        false => is_same(output, path),
    };
    match inputs.iter().find(|(_, path)| same(path)) {
        None => Ok(()),
        Some((role, input)) => {
            Err(CommandError::Overwrites { option, output: output.into(), role, input: input.to_path_buf() })
        }
    }
}

/// Whether two names lead to one file: by device and inode, which hard links and letter case do not hide.
#[cfg(unix)]
fn is_same(output: &Path, input: &Path) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let input = match input.as_os_str() == "-" {
        true => std::io::stdin().as_fd().try_clone_to_owned().map(File::from).and_then(|stdin| stdin.metadata()),
        false => fs::metadata(input),
    };
    let id = |file: &Metadata| (file.dev(), file.ino());
    matches!((fs::metadata(output), input), (Ok(output), Ok(input)) if id(&output) == id(&input))
}

/// Whether two names lead to one file.
#[cfg(not(unix))]
fn is_same(output: &Path, input: &Path) -> bool {
    matches!((output.canonicalize(), input.canonicalize()), (Ok(output), Ok(input)) if output == input)
}

fn is_below(file: &Path, folder: &Path) -> bool {
    matches!((file.canonicalize(), folder.canonicalize()), (Ok(file), Ok(folder)) if file.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_recognised_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("data")).unwrap();
        for name in ["t.csv", "other.csv", "data/a.csv"] {
            fs::write(path(name), "").unwrap();
        }
        fs::hard_link(path("t.csv"), path("hard.csv")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("t.csv", path("soft.csv")).unwrap();
        let (table, data) = (path("t.csv"), path("data"));
        let inputs: [Input<'_>; 2] = [("the table", &table), ("the data", &data)];
        let unix = if cfg!(unix) { &["hard.csv", "soft.csv"][..] } else { &[] };
        for name in [&["t.csv", "data/../t.csv", "data/a.csv"], unix].concat() {
            let error = check("--out", &path(name), &inputs).unwrap_err().to_string();
            assert!(error.starts_with("option --out: ") && error.contains("is the same file as the "), "{error}");
            assert!(check_table("--out", &path(name), &inputs).is_err(), "{name}");
        }
        for name in ["other.csv", "new.csv", "data/new.csv"] {
            check("--out", &path(name), &inputs).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3 + unix.len(), "a check leaves nothing behind");
    }

    #[test]
    fn a_folder_that_can_be_created_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        check_folder(&folder.path().join("new/newer")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let message = |name: &str| check_folder(&folder.path().join(name)).unwrap_err().to_string();
        assert!(message("file").ends_with("it is a file, not a folder"));
        assert!(message("file/new").ends_with("file` is a file, not a folder"));
    }
}
