//! `cargo xtask check`.

use std::process::ExitCode;

use xshell::{Shell, cmd};

/// The fast checks, cheapest first.
pub fn run() -> ExitCode {
    match checks() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn checks() -> xshell::Result<()> {
    let shell = Shell::new()?;
    cmd!(shell, "cargo fmt --all --check").run()?;
    // Apart from the workspace.
    cmd!(shell, "cargo fmt --manifest-path tests/tract/Cargo.toml --check").run()?;
    cmd!(shell, "cargo test --package xtask --quiet").run()?;
    cmd!(shell, "cargo clippy --workspace --all-targets --quiet -- --deny warnings").run()?;
    let _guard = shell.push_env("RUSTDOCFLAGS", "--deny warnings");
    cmd!(shell, "cargo doc --workspace --no-deps --quiet").run()
}
