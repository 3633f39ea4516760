//! Libraries name no option of the command in their messages: `hints.rs` of the command adds what to type.

use std::fs;
use std::path::{Path, PathBuf};

/// The Rust sources in a folder and below it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let source = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => {
            Some(path).filter(|path| path.extension().is_some_and(|extension| extension == "rs")).into_iter().collect()
        }
    };
    entries.flat_map(source).collect()
}

/// The string literals of a source file that is free of raw strings with quotes in them. Comments are left out.
fn string_literals(text: &str) -> Vec<String> {
    let mut literals = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['"', '/', '\'']) {
        let from = &rest[start..];
        if from.starts_with("//") {
            rest = from.split_once('\n').map_or("", |(_, after)| after);
        } else if from.starts_with("'\"'") || from.starts_with("'\\\"'") {
            rest = &from[from[1..].find('\'').unwrap() + 2..];
        } else if let Some(inner) = from.strip_prefix('"') {
            let mut escaped = false;
            let end = inner
                .char_indices()
                .find(|&(_, c)| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                })
                .map_or(inner.len(), |(end, _)| end);
            literals.push(inner[..end].to_owned());
            rest = inner.get(end + 1..).unwrap_or_default();
        } else {
            rest = &from[1..];
        }
    }
    literals
}

/// Whether a text names an option, such as `--anomaly`.
fn names_an_option(text: &str) -> bool {
    text.match_indices("--").any(|(place, _)| {
        let before = text[..place].chars().next_back();
        let after = text[place + 2..].chars().next();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '-') && after.is_some_and(|c| c.is_ascii_lowercase())
    })
}

#[test]
fn no_library_message_names_an_option() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    let mut literals = 0;
    for folder in fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path()) {
        if folder.ends_with("anoonly-cli") {
            continue;
        }
        for path in sources(&folder.join("src")) {
            for literal in string_literals(&fs::read_to_string(&path).unwrap()) {
                literals += 1;
                if names_an_option(&literal) {
                    found.push(format!("{}: {literal}", path.display()));
                }
            }
        }
    }
    assert!(literals > 1000, "only {literals} string literals were read");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn options_in_literals_are_found_and_comments_are_not_read() {
    let text = "let a = \"name it with --anomaly\"; // \"--not-this\"\nlet quote = '\"'; let b = \"a \\\" -- b\"; let c = \"--css\";";
    let literals = string_literals(text);
    assert_eq!(literals, ["name it with --anomaly", "a \\\" -- b", "--css"]);
    assert_eq!(literals.iter().map(|text| names_an_option(text)).collect::<Vec<_>>(), [true, false, true]);
}
