//! `cargo xtask check`.

use crate::cargo::{cargo, run};

/// The fast checks, cheapest first.
pub fn check() -> Result<(), String> {
    let all = |words: &str| run(cargo().args(words.split(' ')));
    all("fmt --all --check")?;
    // Workspaces of their own.
    all("fmt --manifest-path tests/tract/Cargo.toml --check")?;
    all("fmt --manifest-path tests/service/Cargo.toml --check")?;
    all("test --package xtask --quiet")?;
    all("clippy --workspace --all-targets --quiet -- --deny warnings")?;
    // With the library as a service has it, without its default features.
    all("clippy --manifest-path tests/service/Cargo.toml --all-targets --quiet -- --deny warnings")?;
    run(cargo().args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings"))
}
