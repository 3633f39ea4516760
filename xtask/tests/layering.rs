//! Each crate depends only on those above it in the table of `docs/architecture.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates in the order of the table, each with the crates of the workspace it may use.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("anoonly-data", &[]),
    ("anoonly-models", &["anoonly-data"]),
    ("anoonly-train", &["anoonly-data", "anoonly-models"]),
    ("anoonly-eval", &[]),
    ("anoonly-bench", &["anoonly-data", "anoonly-models", "anoonly-train", "anoonly-eval"]),
    ("anoonly", &["anoonly-data", "anoonly-models", "anoonly-train", "anoonly-eval", "anoonly-bench"]),
    ("anoonly-system-tests", &["anoonly"]),
    ("xtask", &[]),
];

/// Libraries that only some crates may name, tests apart.
const ONLY_IN: [(&str, &[&str]); 10] = [
    ("polars", &["anoonly-data"]),
    ("npyz", &["anoonly-data"]),
    ("ureq", &["anoonly-data"]),
    ("burn", &["anoonly-models", "anoonly-train", "anoonly-bench"]),
    ("burn-ndarray", &["anoonly-train"]),
    ("burn-flex", &["anoonly-models", "anoonly-train"]),
    ("burn-cuda", &["anoonly-train"]),
    ("burn-wgpu", &["anoonly-train"]),
    ("clap", &["anoonly"]),
    ("indicatif", &["anoonly"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

/// Every package of the workspace with its manifest.
fn manifests() -> BTreeMap<String, toml::Table> {
    let mut folders: Vec<PathBuf> = vec![root().join("tests"), root().join("xtask")];
    folders.extend(fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()));
    let manifest = |folder: PathBuf| {
        let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let table: toml::Table = text.parse().unwrap();
        (table["package"]["name"].as_str().unwrap().to_owned(), table)
    };
    folders.into_iter().map(manifest).collect()
}

fn names<'a>(manifest: &'a toml::Table, section: &str) -> Vec<&'a str> {
    manifest.get(section).and_then(|s| s.as_table()).map(|s| s.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn crates_depend_only_on_those_above_them() {
    let manifests = manifests();
    let known: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        manifests.keys().map(String::as_str).filter(|name| !known.contains(name)).count(),
        0,
        "a crate without a layer"
    );
    for (name, allowed) in MAY_USE {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for used in names(&manifests[name], section).into_iter().filter(|used| known.contains(used)) {
                assert!(allowed.contains(&used), "{name} may not depend on {used}");
            }
        }
    }
}

#[test]
fn libraries_stay_in_their_layer() {
    for (name, manifest) in manifests() {
        for used in names(&manifest, "dependencies") {
            if let Some((_, crates)) = ONLY_IN.iter().find(|(library, _)| *library == used) {
                assert!(crates.contains(&name.as_str()), "{name} may not depend on {used}");
            }
        }
    }
}

#[test]
fn the_architecture_page_names_every_crate() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    for (name, _) in MAY_USE.iter().filter(|(name, _)| *name != "anoonly-system-tests") {
        assert!(page.contains(&format!("`{name}`")), "docs/architecture.md does not name {name}");
    }
}

/// Versions, lints and licences stand once, in the workspace's manifest.
#[test]
fn manifests_take_their_versions_and_lints_from_the_workspace() {
    for (name, manifest) in manifests() {
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{name}");
        for section in ["dependencies", "dev-dependencies"] {
            for (used, value) in manifest.get(section).and_then(|s| s.as_table()).into_iter().flatten() {
                assert_eq!(value.get("workspace").and_then(|w| w.as_bool()), Some(true), "{name}: {used}");
            }
        }
    }
}
