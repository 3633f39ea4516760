//! Public names, words, links and paths of scripts across the repository.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sources::{File, code, files, has_word, manifests, root};

/// The name of the type that a line declares.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let rest =
        ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|keyword| rest.strip_prefix(keyword))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

#[test]
fn public_types_have_one_name_each() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, (folder, _)) in manifests() {
        // Programs have no interface.
        if !folder.starts_with("crates/") || name == "anoonly-cli" {
            continue;
        }
        for file in files(&format!("{folder}/src"), &["rs"]) {
            for (number, line) in code(&file) {
                if let Some(found) = public_type(line) {
                    places.entry(found.to_owned()).or_default().push(format!("{}:{number}", file.path));
                }
            }
        }
    }
    assert!(places.len() > 100, "{places:?}");
    let repeated: Vec<_> = places.iter().filter(|(_, places)| places.len() > 1).collect();
    assert!(repeated.is_empty(), "public types with the same name: {repeated:#?}");
}

/// Sources and pages that people read.
fn prose() -> Vec<File> {
    let extensions = ["rs", "md", "toml", "py"];
    let mut found = Vec::new();
    for place in ["crates", "docs", "tests", "xtask", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Cargo.toml"] {
        if root().join(place).exists() {
            found.extend(files(place, &extensions));
        }
    }
    // This file names the words that it looks for.
    found.retain(|file| file.path != "xtask/tests/tidy.rs");
    found
}

/// Whether a line has a word of the old style: `told`, or `floor` for a baseline. The function `floor` rounds down, as does the operator
/// "Floor" of ONNX.
fn has_odd_word(line: &str) -> Option<&'static str> {
    let line = line.to_lowercase();
    let rounded = line.replace("\"floor\"", "").replace(".floor()", "").replace("::floor", "").replace("floor(", "");
    let words = ["told", "floor", "floors"];
    words.into_iter().find(|word| has_word(&rounded, word))
}

#[test]
fn prose_is_plain() {
    let mut found = Vec::new();
    for file in prose() {
        for (at, line) in file.text.lines().enumerate() {
            if let Some(word) = has_odd_word(line) {
                found.push(format!("{}:{}: `{word}`: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "write plainly (docs and CONTRIBUTING.md say how):\n{}", found.join("\n"));
}

#[test]
fn odd_words_are_found() {
    assert_eq!(has_odd_word("As told above."), Some("told"));
    assert_eq!(has_odd_word("Three floors stand beside it."), Some("floors"));
    for plain in ["x.floor() as usize", "np.floor(x)", "f64::floor", "untold riches"] {
        assert_eq!(has_odd_word(plain), None, "{plain}");
    }
}

/// The targets of links in a Markdown page that are files of the repository.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#') && !target.contains(' '));
    files.map(|target| target.split('#').next().unwrap_or_default()).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut broken = Vec::new();
    for file in prose().iter().filter(|file| file.path.ends_with(".md")) {
        let page = root().join(&file.path);
        let folder = page.parent().unwrap_or(Path::new("."));
        // The READMEs of crates may also link to items of their documentation.
        let links = links(&file.text).into_iter().filter(|link| !link.contains("::") && link.contains(['.', '/']));
        broken.extend(links.filter(|link| !folder.join(link).exists()).map(|link| format!("{}: {link}", file.path)));
    }
    assert!(broken.is_empty(), "links to files that do not exist:\n{}", broken.join("\n"));
}

/// The commands in docstrings and comments name scripts where they are.
#[test]
fn scripts_are_where_texts_say() {
    let mut missing = Vec::new();
    for file in prose() {
        let words = file.text.split(|c: char| c.is_whitespace() || "`()[]\"'<>,;".contains(c));
        for word in words.map(|word| word.trim_end_matches(['.', ':'])).filter(|word| word.ends_with(".py")) {
            let from_root =
                ["scripts/", "xtask/", "docs/", "crates/", "tests/"].iter().any(|start| word.starts_with(start));
            if from_root && !root().join(word).exists() {
                missing.push(format!("{}: {word}", file.path));
            }
        }
    }
    assert!(missing.is_empty(), "scripts that do not exist:\n{}", missing.join("\n"));
}
