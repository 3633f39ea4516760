//! The layers of `docs/architecture.md`: what each crate and each folder of `anoonly-models` may use.

use std::fs;
use std::process::Command;

use crate::sources::{code, files, has_word, manifests, root};

/// The crates in the order of the table, each with the crates of the workspace that it may use.
const MAY_USE: [(&str, &[&str]); 12] = [
    ("anoonly-core", &[]),
    ("anoonly-data", &["anoonly-core"]),
    ("anoonly-models", &["anoonly-core"]),
    ("anoonly-train", &["anoonly-core", "anoonly-models"]),
    ("anoonly-eval", &[]),
    ("anoonly-page", &["anoonly-core", "anoonly-eval"]),
    (
        "anoonly-bench",
        &["anoonly-core", "anoonly-data", "anoonly-models", "anoonly-train", "anoonly-eval", "anoonly-page"],
    ),
    ("anoonly", &["anoonly-core", "anoonly-data", "anoonly-models", "anoonly-train", "anoonly-eval"]),
    ("anoonly-cli", &["anoonly-core", "anoonly-page", "anoonly-bench", "anoonly"]),
    ("anoonly-python", &["anoonly", "anoonly-cli"]),
    ("anoonly-system-tests", &["anoonly"]),
    ("xtask", &[]),
];

/// Libraries that only some crates may use outside of their tests. A `*` at the end stands for any ending; the first entry that
/// matches counts.
const ONLY_IN: [(&str, &[&str]); 20] = [
    ("polars*", &["anoonly-data"]),
    ("npyz", &["anoonly-data"]),
    ("ureq", &["anoonly-data"]),
    ("burn", &["anoonly-models", "anoonly-train"]),
    ("burn-flex", &["anoonly-models", "anoonly-train"]),
    ("burn*", &["anoonly-train"]),
    ("wgpu", &["anoonly-train"]),
    ("cudarc", &["anoonly-train"]),
    ("faer", &["anoonly-models"]),
    ("forust-ml", &["anoonly-models"]),
    ("safetensors", &["anoonly-train"]),
    ("prost", &["anoonly"]),
    ("numpy", &["anoonly-python"]),
    ("pyo3*", &["anoonly-python"]),
    ("clap*", &["anoonly-cli"]),
    ("indicatif", &["anoonly-cli"]),
    ("ctrlc", &["anoonly-cli"]),
    ("signal-hook", &["anoonly-cli"]),
    ("tracing-subscriber", &["anoonly-cli"]),
    ("maud", &["anoonly-page", "anoonly-bench", "anoonly-cli"]),
];

/// The crates above `anoonly-train`, which know no backend.
const ABOVE_TRAIN: [&str; 8] = [
    "anoonly-eval",
    "anoonly-page",
    "anoonly-bench",
    "anoonly",
    "anoonly-cli",
    "anoonly-python",
    "anoonly-system-tests",
    "xtask",
];

fn used<'a>(manifest: &'a toml::Table, section: &str) -> Vec<&'a str> {
    manifest.get(section).and_then(|s| s.as_table()).map(|s| s.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn crates_depend_only_on_crates_above_them() {
    let manifests = manifests();
    let mut known: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    for (at, (name, allowed)) in MAY_USE.iter().enumerate() {
        assert!(allowed.iter().all(|used| known[..at].contains(used)), "the table lets {name} use a crate below it");
    }
    known.sort_unstable();
    assert_eq!(manifests.keys().map(String::as_str).collect::<Vec<_>>(), known, "crates and their layers");
    for (name, allowed) in MAY_USE {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for used in used(&manifests[name].1, section).into_iter().filter(|used| known.contains(used)) {
                assert!(allowed.contains(&used), "{name} must not depend on {used}");
            }
        }
    }
}

#[test]
fn libraries_stay_in_their_layer() {
    let matches = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    for (name, (_, manifest)) in manifests() {
        for used in used(&manifest, "dependencies") {
            if let Some((_, crates)) = ONLY_IN.iter().find(|(library, _)| matches(library, used)) {
                assert!(crates.contains(&name.as_str()), "{name} must not depend on {used}");
            }
        }
    }
}

#[test]
fn no_crate_above_training_knows_a_backend() {
    let forbidden = [
        "burn::",
        "burn_",
        ": Backend",
        "+ Backend",
        "as Backend",
        "impl Backend",
        "backend::Backend",
        "AutodiffBackend",
        "OnBackend",
    ];
    let manifests = manifests();
    for name in ABOVE_TRAIN {
        let (folder, manifest) = &manifests[name];
        for file in files(folder, &["rs"]) {
            // The lines of tests, too: only comments may name these.
            for (at, line) in file.text.lines().enumerate() {
                let comment = line.trim_start().starts_with("//");
                // The patterns of this test itself.
                let pattern = file.path.starts_with("xtask/tests/");
                for word in forbidden.iter().filter(|_| !comment && !pattern) {
                    let found = if *word == "burn_" { has_prefix(line, word) } else { has_word(line, word) };
                    assert!(!found, "{}:{}: `{word}` above anoonly-train", file.path, at + 1);
                }
                let gpu = line.contains("feature = \"wgpu\"") || line.contains("feature = \"cuda\"");
                assert!(comment || pattern || !gpu, "{}:{}: a GPU feature above anoonly-train", file.path, at + 1);
            }
        }
        for (feature, parts) in manifest.get("features").and_then(|f| f.as_table()).into_iter().flatten() {
            if feature != "wgpu" && feature != "cuda" {
                continue;
            }
            for part in parts.as_array().unwrap().iter().map(|part| part.as_str().unwrap()) {
                let passed_on = part.starts_with("anoonly") && part.ends_with(&format!("/{feature}"));
                assert!(passed_on, "{name}: feature {feature} must only be passed on, but has {part}");
            }
        }
    }
}

/// Whether a name in the line begins with this.
fn has_prefix(line: &str, prefix: &str) -> bool {
    let starts = |at: usize| !line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(prefix).any(|(at, _)| starts(at))
}

#[test]
fn folders_of_the_models_keep_apart() {
    let src = "crates/anoonly-models/src";
    let methods = ["crate::networks", "crate::rules", "crate::registry", "AnyMethod", "AnyNetwork"];
    let burn = ["burn::", "burn_flex", "burn_ndarray"];
    let rules: [(&str, Vec<&str>); 5] = [
        ("kernels", methods.to_vec()),
        ("layers", methods.to_vec()),
        ("tools", [&methods[..], &burn].concat()),
        ("networks", vec!["crate::rules"]),
        ("rules", [&["crate::networks"][..], &burn].concat()),
    ];
    for (folder, forbidden) in rules {
        let mut found = files(&format!("{src}/{folder}"), &["rs"]);
        found.extend(files(&format!("{src}/{folder}.rs"), &["rs"]));
        assert!(found.len() > 2, "{folder} has no files");
        for file in &found {
            for (number, line) in code(file) {
                for word in &forbidden {
                    assert!(!has_word(line, word), "{}:{number}: {folder}/ must not use `{word}`", file.path);
                }
            }
        }
    }
}

/// Libraries that the slim form of `anoonly`, for services, must not contain. The names of all libraries in a line begin with its word.
const NOT_IN_A_SERVICE: [&str; 14] = [
    "anoonly-bench",
    "anoonly-cli",
    "anoonly-page",
    "burn",
    "clap",
    "faer",
    "forust",
    "gemm",
    "nalgebra",
    "polars",
    "prost",
    "tempfile",
    "toml",
    "ureq",
];

#[test]
fn a_service_contains_no_tables_fits_or_backends() {
    let words = "tree --package anoonly --no-default-features --features serve --edges normal --prefix none --locked";
    let output = Command::new("cargo").args(words.split(' ')).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.contains("anoonly-train") && tree.contains("safetensors"), "{tree}");
    for library in tree.lines() {
        assert!(!NOT_IN_A_SERVICE.iter().any(|name| library.starts_with(name)), "a service contains {library}");
    }
}

#[test]
fn the_architecture_page_names_every_crate() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    for (name, _) in MAY_USE.iter().filter(|(name, _)| *name != "anoonly-system-tests") {
        assert!(page.contains(&format!("`{name}`")), "docs/architecture.md does not name {name}");
    }
}

/// The manifest of the workspace is the only place for versions, lints and licences.
#[test]
fn manifests_take_their_versions_and_lints_from_the_workspace() {
    for (name, (_, manifest)) in manifests() {
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{name}");
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (used, value) in manifest.get(section).and_then(|s| s.as_table()).into_iter().flatten() {
                assert_eq!(value.get("workspace").and_then(|w| w.as_bool()), Some(true), "{name}: {used}");
            }
        }
    }
}
