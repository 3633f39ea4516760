//! `cargo xtask check-fresh`.

use std::process::{Command, Stdio};

use crate::bench::MAIN_JOB;
use crate::cargo::{cargo, run, words};

/// Settings of cargo that a developer may have put into the environment; every other `CARGO_` variable comes from cargo itself.
const SETTINGS: [&str; 11] = [
    "CARGO_BUILD_",
    "CARGO_CACHE_",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_INCREMENTAL",
    "CARGO_NET_",
    "CARGO_PROFILE_",
    "CARGO_REGISTR",
    "CARGO_TARGET_",
    "CARGO_TERM_",
];

/// Checks that the main job's build, the tests and the whole build do not invalidate one another: builds all three, then checks that
/// a second round builds nothing. The selection of packages and profile is `--release --workspace` unless `options` has another.
///
/// The main job is built as `cargo xtask bench` builds it, the others as a developer does from a shell.
pub fn check_fresh(options: &[String]) -> Result<(), String> {
    let selection: Vec<&str> = match options {
        [] => vec!["--release", "--workspace"],
        other => other.iter().map(String::as_str).collect(),
    };
    let main_job: Vec<&str> = match options {
        [] => MAIN_JOB.to_vec(),
        _ => [&["build"], &selection[..]].concat(),
    };
    let tests = [&["test", "--no-run"], &selection[..]].concat();
    let whole = [&["build"], &selection[..]].concat();
    let builds = || [with(cargo(), &main_job), with(typed(), &tests), with(typed(), &whole)];
    for mut build in builds() {
        run(&mut build)?;
    }
    for mut build in builds() {
        let words = words(&build);
        let built = artifacts_built(&mut build)?;
        if !built.is_empty() {
            return Err(format!(
                "`cargo {words}` built again what another build of this workspace had just built: {}",
                built.join(", ")
            ));
        }
    }
    Ok(())
}

fn with(mut command: Command, words: &[&str]) -> Command {
    command.args(words);
    command
}

/// Cargo as a developer calls it from a shell: with no variable that cargo has set. [`cargo`] removes a list of variables; this
/// function keeps a list, so that the check fails when the other list is incomplete.
fn typed() -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let of_cargo = |name: &str| {
            name == "CARGO"
                || name == "OUT_DIR"
                || name.starts_with("CARGO_") && !SETTINGS.iter().any(|s| name.starts_with(s))
        };
        if name.to_str().is_some_and(of_cargo) {
            command.env_remove(name);
        }
    }
    command
}

/// The packages of all artifacts that a build did not find fresh.
fn artifacts_built(command: &mut Command) -> Result<Vec<String>, String> {
    let output = command
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err("the second build failed".into());
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    if !messages.contains(r#""fresh":"#) {
        return Err("cargo's messages name no artifact".into());
    }
    Ok(not_fresh(&messages))
}

/// The packages in cargo's messages whose artifacts are not fresh, each once.
fn not_fresh(messages: &str) -> Vec<String> {
    let package = |line: &str| {
        let (_, rest) = line.split_once(r#""package_id":""#)?;
        let id = rest.split('"').next()?.rsplit('/').next()?;
        // `index#name@version` of a registry, `name#version` of a folder.
        Some(id.split_once('#').map_or(id, |(_, name)| if name.contains('@') { name } else { id }).to_owned())
    };
    let mut packages: Vec<String> =
        messages.lines().filter(|line| line.contains(r#""fresh":false"#)).filter_map(package).collect();
    packages.sort();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::not_fresh;

    #[test]
    fn packages_that_were_built_again_are_named_once() {
        let line = |package: &str, fresh: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"registry+https://example.org/index#{package}","fresh":{fresh}}}"#
            )
        };
        let messages = [line("ring@0.17.14", false), line("serde@1.0.0", true), line("ring@0.17.14", false)].join("\n");
        assert_eq!(not_fresh(&messages), ["ring@0.17.14"]);
        assert!(not_fresh(&line("serde@1.0.0", true)).is_empty());
    }
}
