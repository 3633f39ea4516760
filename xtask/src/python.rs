//! `cargo xtask wheel` and `cargo xtask test-python`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::{cargo, run};

const PACKAGE: &str = "crates/anoonly-python";

/// Builds the wheel and returns its file.
pub fn wheel() -> Result<PathBuf, String> {
    let tools = environment("maturin", false)?;
    run(Command::new(&tools).args(["-m", "pip", "install", "--quiet", "--require-virtualenv", "maturin>=1.9,<2"]))?;
    let wheels = target().join("wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels).map_err(|error| format!("cannot remove {}: {error}", wheels.display()))?;
    }
    // The environment of cargo, as for every other build of the workspace.
    let mut build = Command::new(&tools);
    for (name, _) in cargo().get_envs().filter(|(_, value)| value.is_none()) {
        build.env_remove(name);
    }
    build.args(["-m", "maturin", "build", "--release", "--locked", "--strip", "--manifest-path"]);
    run(build.arg(format!("{PACKAGE}/Cargo.toml")).arg("--out").arg(&wheels))?;
    let entries = fs::read_dir(&wheels).map_err(|error| format!("{}: {error}", wheels.display()))?;
    let mut found = entries.filter_map(Result::ok).map(|entry| entry.path());
    let wheel = found.find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    wheel.ok_or_else(|| format!("{} holds no wheel", wheels.display()))
}

/// Builds the wheel, installs it with what its tests need in a new environment, and runs the tests there. `options` are those of
/// pytest.
pub fn test_python(options: &[String]) -> Result<(), String> {
    let wheel = wheel()?;
    let python = environment("python-tests", true)?;
    let requirements = format!("{PACKAGE}/tests/requirements.txt");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement", &requirements]).arg(&wheel))?;
    // A test whose library is missing would be skipped.
    let libraries = "import combo, duckdb, fsspec, onnxruntime, pyod, pyspark, ray.data, shutil, sklearn, suod; assert shutil.which('java')";
    run(Command::new(&python).args(["-c", libraries]).current_dir(env::temp_dir()))?;
    // From another folder, so that both take the package as it is installed, not its sources.
    let types = ["-m", "mypy", "--strict", "--ignore-missing-imports", "--package", "anoonly"];
    run(Command::new(&python).args(types).current_dir(env::temp_dir()))?;
    let stubs = ["-m", "mypy.stubtest", "--ignore-disjoint-bases", "anoonly._native"];
    run(Command::new(&python).args(stubs).current_dir(env::temp_dir()))?;
    let mut tests = Command::new(&python);
    // The program of the workspace starts sooner than Python.
    let program = target().join("release/anoonly");
    if program.exists() {
        tests.env("ANOONLY_COMMAND", program);
    }
    run(tests.args(["-m", "pytest", "--quiet"]).args(options).current_dir(PACKAGE))
}

/// The Python of a virtual environment of this workspace, which is made if it does not exist, or made again if `new`.
fn environment(name: &str, new: bool) -> Result<PathBuf, String> {
    let folder = target().join("xtask").join(name);
    if new && folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    let python = folder.join("bin/python");
    if !python.exists() {
        let creator = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        run(Command::new(creator).args(["-m", "venv"]).arg(&folder))?;
    }
    Ok(python)
}

/// The folder of everything that is built.
fn target() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    std::path::absolute(Path::new(&folder)).unwrap_or(folder)
}
