//! The repository's files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

/// A text file: its path from the root of the repository, with `/` between folders, and its text.
pub struct File {
    pub path: String,
    pub text: String,
}

/// All text files with one of these extensions in a file or folder of the repository, build outputs excluded.
pub fn files(place: &str, extensions: &[&str]) -> Vec<File> {
    fn visit(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            let hidden = |path: &Path| path.file_name().is_some_and(|name| name == "target" || name == "__pycache__");
            let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
            entries.filter(|path| !hidden(path)).for_each(|path| visit(&path, found));
        } else {
            found.push(path.to_owned());
        }
    }
    let mut paths = Vec::new();
    visit(&root().join(place), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted)));
    paths.sort();
    let read = |path: PathBuf| File {
        path: path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/"),
        text: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    };
    paths.into_iter().map(read).collect()
}

/// Every package of the workspace with its folder and its manifest.
pub fn manifests() -> BTreeMap<String, (String, toml::Table)> {
    let mut folders = vec!["tests".to_owned(), "xtask".to_owned()];
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        folders.push(format!("crates/{}", entry.unwrap().file_name().to_str().unwrap()));
    }
    let manifest = |folder: String| {
        let text = fs::read_to_string(root().join(&folder).join("Cargo.toml")).unwrap();
        let table: toml::Table = text.parse().unwrap();
        (table["package"]["name"].as_str().unwrap().to_owned(), (folder, table))
    };
    folders.into_iter().map(manifest).collect()
}

/// The lines of a Rust file with their numbers, without comments and without the test modules, which stand at the end of a file or in
/// a file of their own.
pub fn code(file: &File) -> Vec<(usize, &str)> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if name == "tests.rs" || name.ends_with("_tests.rs") || file.path.contains("/tests/") {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let is_test_module = |at: usize| {
        let module = lines.get(at + 1).is_some_and(|next| next.contains("mod ") && next.trim_end().ends_with('{'));
        lines[at] == "#[cfg(test)]" && module
    };
    let end = (0..lines.len()).find(|at| is_test_module(*at)).unwrap_or(lines.len());
    let numbered = lines[..end].iter().enumerate().map(|(at, line)| (at + 1, *line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

/// Whether a line has a text that is not part of a longer name on either side; where the text itself begins or ends with a sign, that
/// side does not matter.
pub fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let named = |c: Option<char>| c.is_some_and(part_of_name);
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        let joined_before = named(before) && named(word.chars().next());
        let joined_after = named(after) && named(word.chars().next_back());
        !joined_before && !joined_after
    })
}

#[test]
fn code_is_read_without_comments_and_test_modules() {
    let text = "//! Doc.\nuse a;\n#[cfg(test)]\nmod golden;\n    // b\nuse c;\n#[cfg(test)]\nmod tests {\nuse d;\n}\n";
    let file = File { path: "crates/x/src/y.rs".into(), text: text.into() };
    let lines: Vec<&str> = code(&file).into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["use a;", "#[cfg(test)]", "mod golden;", "use c;"]);
    assert!(code(&File { path: "crates/x/src/y_tests.rs".into(), text: text.into() }).is_empty());
}

#[test]
fn words_are_found_by_themselves() {
    assert!(has_word("fn f<B: Backend>()", ": Backend"));
    assert!(!has_word("backend: BackendName", ": Backend"));
    assert!(has_word("use burn::tensor;", "burn::") && !has_word("use sunburn::tensor;", "burn::"));
}
