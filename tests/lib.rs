//! Helpers of the whole-system tests.

pub mod accessibility;
pub mod browser;
pub mod draw;
pub mod http;
pub mod label_server;
pub mod survey;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the `anoonly` command.
///
/// # Panics
/// As [`command`].
pub fn anoonly<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    command(arguments).output().expect("the command starts")
}

/// The `anoonly` command that was built beside the tests, or beside a program of this package.
///
/// # Panics
/// When it was not built: `cargo test --workspace` builds it.
pub fn command<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let this = std::env::current_exe().expect("the path of the running test");
    // target/PROFILE/deps/TEST, or target/PROFILE/PROGRAM.
    let folder = this.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).expect("target/PROFILE");
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

/// The folder with ADBench's data sets: `ANOONLY_DATA`, or a folder beside the repository. Tests that need it are ignored unless
/// the build script has found it.
///
/// # Panics
/// When it is not there.
pub fn adbench_data() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/adbench");
    let folder = std::env::var_os("ANOONLY_DATA").map_or(beside, PathBuf::from);
    assert!(
        folder.is_dir(),
        "{} is no folder: set ANOONLY_DATA to a folder with ADBench's data sets",
        folder.display()
    );
    folder
}

/// A folder with `train.csv`, in which 20 anomalies are labelled, and `new.csv`, which has the truth of every row. Anomalies have
/// large amounts, another city and a time at night. The second value makes paths in the folder.
///
/// # Panics
/// When it cannot be made.
pub fn tables() -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |row: usize, label: &dyn Fn(bool) -> &'static str| {
        let bad = row.is_multiple_of(25);
        let amount = (row * 37 % 100) as f64 + if bad { 250.0 } else { 0.0 };
        let city = if bad { "Cairo" } else { ["Rome", "Oslo", "Lima"][row % 3] };
        let age = if row % 20 == 7 { String::new() } else { (18 + row * 13 % 60).to_string() };
        let hour = if bad { 2 } else { 8 + row % 12 };
        format!("T{row},{amount},{city},2026-03-{:02} {hour:02}:00,{age},EUR,{}\n", 1 + row % 28, label(bad))
    };
    let header = "id,amount,city,time,age,currency,fraud\n";
    let train: String = (0..1000).map(|i| row(i, &|bad| if bad && i < 500 { "yes" } else { "" })).collect();
    let new: String = (1000..1400).map(|i| row(i, &|bad| if bad { "1" } else { "0" })).collect();
    fs::write(folder.path().join("train.csv"), format!("{header}{train}")).expect("a file in it");
    fs::write(folder.path().join("new.csv"), format!("{header}{new}")).expect("a file in it");
    let root = folder.path().to_owned();
    (folder, move |name: &str| root.join(name).to_str().expect("a path in UTF-8").to_owned())
}

/// The standard output of a command that must succeed.
///
/// # Panics
/// When it failed.
#[track_caller]
pub fn done(output: Output) -> String {
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).expect("output in UTF-8")
}

/// Trains two members on `train.csv` into `model.anoonly`; returns the output.
///
/// # Panics
/// When it failed.
#[track_caller]
pub fn trained(file: &impl Fn(&str) -> String, more: &[&str]) -> String {
    let (train, model) = (file("train.csv"), file("model.anoonly"));
    let mut words = vec!["train", &train, "--label", "fraud", "--id", "id", "--ensemble", "2", "--out", &model];
    words.extend(more);
    done(anoonly(&words))
}

/// Asks again and again for a value; nothing if there is none in this time.
pub fn within<T>(patience: Duration, mut value: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        let found = value();
        if found.is_some() || Instant::now() > end {
            return found;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
