//! The examples of the crates, which are built with the tests, run and print something.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anoonly_system_tests::stderr;

/// The names of all examples, from their source files.
fn names() -> Vec<String> {
    let crates = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")).unwrap();
    // The example of the Python package is a notebook, which its own tests run.
    let folders = crates.map(|folder| folder.unwrap().path()).filter(|folder| !folder.join("pyproject.toml").exists());
    let mut names = Vec::new();
    for folder in folders {
        let files = fs::read_dir(folder.join("examples"));
        let files: Vec<PathBuf> = files.into_iter().flatten().map(|file| file.unwrap().path()).collect();
        assert!(!files.is_empty(), "{} has no example", folder.display());
        assert!(folder.join("README.md").is_file(), "{} has no README", folder.display());
        names.extend(files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()));
    }
    names
}

#[test]
fn every_crate_has_an_example_that_runs() {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().and_then(Path::parent).unwrap().join("examples");
    // A small data set for the example that would otherwise measure on all embedded sets, and small sizes for others.
    let data = tempfile::tempdir().unwrap();
    let row = |row: usize| {
        let anomaly = row.is_multiple_of(5);
        let cell = |column: usize| ((row * 7919 + column * 104_729) % 1000) as f64 / 1000.0 + f64::from(anomaly) * 0.4;
        format!("{},{},{},{}\n", cell(0), cell(1), cell(2), u8::from(anomaly))
    };
    fs::write(data.path().join("small.csv"), "a,b,c,label\n".to_owned() + &(0..250).map(row).collect::<String>())
        .unwrap();
    for name in names() {
        let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        assert!(program.is_file(), "{name} is not built: run the tests with --workspace");
        let mut command = Command::new(program);
        let figures = data.path().join("figures.json");
        match &*name {
            "training_defaults" => command.arg(data.path()).arg("1"),
            "growth" => command.arg("1000000"),
            "gpu" => command.args(["measure", "flex"]).arg(&figures).arg("tiny"),
            _ => &mut command,
        };
        let output = command.output().unwrap();
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let printed = if name == "gpu" { fs::read(figures).unwrap() } else { output.stdout };
        assert!(printed.len() > 50, "{name} prints next to nothing");
    }
}
