//! Cargo, called by a task as a developer would call it from a shell.

use std::path::Path;
use std::process::Command;

/// Variables that `cargo run` and build scripts set for the package at hand; a name that ends in `_` is a prefix.
const PACKAGE_VARIABLES: [&str; 12] = [
    "CARGO_BIN_EXE_",
    "CARGO_BIN_NAME",
    "CARGO_CFG_",
    "CARGO_CRATE_NAME",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "OUT_DIR",
];

/// The cargo that runs this task, without the variables that describe the package `xtask`.
///
/// Build scripts may ask cargo to run them again when one of these variables changes; `ring`'s does. With them, every task would
/// invalidate the developer's own builds, and the next `cargo test` the task's.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_package_variable) {
            command.env_remove(name);
        }
    }
    command
}

fn is_package_variable(name: &str) -> bool {
    let matches = |known: &str| if known.ends_with('_') { name.starts_with(known) } else { name == known };
    PACKAGE_VARIABLES.into_iter().any(matches)
}

/// The arguments of a command, for messages.
pub fn words(command: &Command) -> String {
    command.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy();
    if status.success() { Ok(()) } else { Err(format!("`{program} {}` failed: {status}", words(command))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_package_are_removed_and_settings_are_kept() {
        for name in [
            "CARGO_MANIFEST_DIR",
            "CARGO_MANIFEST_PATH",
            "CARGO_PKG_NAME",
            "CARGO_PKG_VERSION_MAJOR",
            "CARGO_CRATE_NAME",
            "CARGO_BIN_NAME",
            "CARGO_PRIMARY_PACKAGE",
            "OUT_DIR",
        ] {
            assert!(is_package_variable(name), "{name}");
        }
        for name in [
            "CARGO",
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_TERM_COLOR",
            "CARGO_NET_OFFLINE",
            "CARGO_BUILD_JOBS",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_INCREMENTAL",
            "RUSTFLAGS",
            "PATH",
        ] {
            assert!(!is_package_variable(name), "{name}");
        }
    }

    /// This test has itself been started by cargo, so its environment describes the package `xtask`.
    #[test]
    fn cargo_is_called_without_the_variables_of_xtask() {
        let command = cargo();
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            assert!(std::env::var_os(name).is_some(), "{name} is not set: run this test with cargo");
            assert!(removed.iter().any(|removed| *removed == name), "{name} is passed on");
        }
    }
}
