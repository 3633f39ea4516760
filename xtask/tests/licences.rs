//! Where dependencies come from, and under which licences. `cargo deny` checks the same by `deny.toml`, and advisories too, where it is
//! installed; this test needs no other tool, and no network once the dependencies are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::sources::root;

/// The end of the name that Cargo gives to the public registry.
const CRATES_IO: &str = "/crates.io-index";

/// The lists of `deny.toml`.
struct Policy {
    /// Licences that any crate may have.
    allowed: BTreeSet<String>,
    /// Crates with another licence, as `name licence`.
    exceptions: BTreeSet<String>,
}

fn policy() -> Policy {
    let text = fs::read_to_string(root().join("deny.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let licences = &table["licenses"];
    let texts = |list: &toml::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let exceptions = licences["exceptions"].as_array().unwrap().iter().flat_map(|entry| {
        let name = entry["crate"].as_str().unwrap().to_owned();
        texts(&entry["allow"]).into_iter().map(move |licence| format!("{name} {licence}"))
    });
    Policy { allowed: texts(&licences["allow"]).into_iter().collect(), exceptions: exceptions.collect() }
}

/// What is wrong with a crate under a licence expression, if anything is.
fn problem(policy: &Policy, name: &str, licence: Option<&str>) -> Option<String> {
    let Some(licence) = licence else { return Some(format!("{name} states no licence")) };
    // Older manifests separate alternatives by a slash. Every part that is joined by AND must have an allowed alternative.
    let expression = licence.replace('/', " OR ").replace(['(', ')'], " ");
    let allowed =
        |licence: &str| policy.allowed.contains(licence) || policy.exceptions.contains(&format!("{name} {licence}"));
    let met = expression.split(" AND ").all(|part| part.split(" OR ").any(|licence| allowed(licence.trim())));
    (!met).then(|| format!("{name} has the licence {licence}"))
}

/// The licence of a package that is only in a file beside its manifest.
fn licence_in_file(package: &serde_json::Value) -> Option<&'static str> {
    let manifest = Path::new(package["manifest_path"].as_str()?);
    let text = fs::read_to_string(manifest.with_file_name(package["license_file"].as_str()?)).ok()?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let title = (lines.next()?, lines.next()?);
    (title == ("Apache License", "Version 2.0, January 2004")).then_some("Apache-2.0")
}

/// The packages that a build on this machine uses, as `cargo metadata` lists them.
fn packages() -> Vec<serde_json::Value> {
    let run = |program: String, arguments: &[&str]| {
        let output = Command::new(&program).args(arguments).current_dir(root()).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let version = run(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()), &["-vV"]);
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // Only what this machine builds: the crates of other platforms need not be fetched. Those of this one are, where they are missing.
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", host];
    let metadata = run(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), &arguments);
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn dependencies_have_permissive_licences_and_come_from_crates_io() {
    let policy = policy();
    let mut problems = Vec::new();
    let mut foreign = 0;
    for package in packages() {
        let (name, source) = (package["name"].as_str().unwrap(), package["source"].as_str());
        let licence = package["license"].as_str().or_else(|| licence_in_file(&package));
        problems.extend(problem(&policy, name, licence));
        foreign += usize::from(source.is_some());
        match source {
            Some(source) if source.ends_with(CRATES_IO) => {}
            None if package["manifest_path"].as_str().is_some_and(|path| root().join(path).starts_with(root())) => {}
            source => problems.push(format!("{name} comes from {source:?}")),
        }
    }
    assert!(foreign > 100, "only {foreign} dependencies are listed");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn other_licences_are_noticed() {
    let set = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let policy = Policy { allowed: set(&["MIT", "Zlib"]), exceptions: set(&["a MPL-2.0"]) };
    for (name, licence, fine) in [
        ("x", Some("MIT"), true),
        ("x", Some("GPL-3.0/MIT"), true),
        ("x", Some("(GPL-3.0 OR MIT) AND Zlib"), true),
        ("x", Some("MIT AND GPL-3.0"), false),
        ("x", Some("MPL-2.0"), false),
        ("a", Some("MPL-2.0"), true),
        ("x", None, false),
    ] {
        assert_eq!(problem(&policy, name, licence).is_none(), fine, "{name} {licence:?}");
    }
}
