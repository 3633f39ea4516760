//! What the whole-system tests share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the `anoonly` command.
///
/// # Panics
/// As [`command`].
pub fn anoonly<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    command(arguments).output().expect("the command starts")
}

/// The `anoonly` command that was built beside these tests.
///
/// # Panics
/// When it was not built: `cargo test --workspace` builds it.
pub fn command<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let tests = std::env::current_exe().expect("the path of the running test");
    let folder = tests.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    let program = folder.join(format!("anoonly{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} is not built: run the tests with --workspace", program.display());
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// A command's standard error as text.
///
/// # Panics
/// When it is not UTF-8.
pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("messages are UTF-8")
}

/// The folder with ADBench's data sets, from the variable `ANOONLY_DATA` or beside the repository. `None`, told on standard
/// error, where there is none.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn real_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/adbench");
    let folder = std::env::var_os("ANOONLY_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no data in {}; set ANOONLY_DATA to a folder with ADBench's data sets", folder.display());
    None
}
