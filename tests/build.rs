//! Finds out what this machine offers to tests that need more than the repository. A test whose need is not met is ignored.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let offers =
        [("adbench_data", adbench_data()), ("browser", browser().is_some()), ("private_mounts", private_mounts())];
    for (name, offered) in offers {
        println!("cargo::rustc-check-cfg=cfg({name})");
        if offered {
            println!("cargo::rustc-cfg={name}");
        }
    }
}

/// Whether there are ADBench's data sets: in the folder `ANOONLY_DATA`, or beside the repository. The tests look there again and fail
/// when the folder is gone.
fn adbench_data() -> bool {
    println!("cargo::rerun-if-env-changed=ANOONLY_DATA");
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/adbench");
    if beside.is_dir() {
        println!("cargo::rerun-if-changed={}", beside.display());
    }
    env::var_os("ANOONLY_DATA").is_some() || beside.is_dir()
}

/// A browser that runs without a screen: the one in `ANOONLY_BROWSER`, or Chromium or Chrome on `PATH`.
fn browser() -> Option<PathBuf> {
    println!("cargo::rerun-if-env-changed=ANOONLY_BROWSER");
    let on_path = || {
        let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
    };
    let browser = env::var_os("ANOONLY_BROWSER").map(PathBuf::from).or_else(on_path);
    println!("cargo::rustc-env=ANOONLY_TEST_BROWSER={}", browser.as_deref().unwrap_or(Path::new("")).display());
    browser
}

/// Whether this user may mount a file system that only its own process sees.
fn private_mounts() -> bool {
    let Some(folder) = env::var_os("OUT_DIR") else { return false };
    let tried = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", r#"mount -t tmpfs -o size=64k tmpfs "$0""#])
        .arg(folder)
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}
