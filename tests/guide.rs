//! The commands of the guide print what the guide shows.
//!
//! `ANOONLY_BLESS=1 cargo test --release --workspace --test system guide` writes their present output into the guide.

use std::fs;
use std::path::Path;
use std::process::Command;

const START: &str = "```console\n$ ";
const END: &str = "```";

/// A command of the guide and the output that the guide shows.
struct Step<'a> {
    before: &'a str,
    command: &'a str,
    printed: &'a str,
}

/// The steps of a page, and the text after the last one.
fn steps(page: &str) -> (Vec<Step<'_>>, &str) {
    let (mut steps, mut rest) = (Vec::new(), page);
    while let Some((before, block)) = rest.split_once(START) {
        let (command, block) = block.split_once('\n').unwrap();
        let (printed, after) = block.split_once(END).unwrap();
        steps.push(Step { before, command, printed });
        rest = after;
    }
    (steps, rest)
}

/// Whether words are equal and numbers nearly so: another processor may round differently.
fn alike(a: &str, b: &str) -> bool {
    // A number with a fraction, and the punctuation around it.
    let number = |word: &str| {
        let bare = word.trim_matches(['(', ')', ',', ';', '%', ':']);
        bare.contains('.').then(|| bare.parse::<f64>().ok().map(|number| (number, word.replace(bare, ""))))?
    };
    let same = |(a, b): (&str, &str)| match (number(a), number(b)) {
        (Some((x, around_x)), Some((y, around_y))) => {
            around_x == around_y && (x - y).abs() <= 0.011 + 1e-3 * x.abs().max(y.abs())
        }
        _ => a == b,
    };
    a.lines().count() == b.lines().count() && words(a).count() == words(b).count() && words(a).zip(words(b)).all(same)
}

/// The words of a text, including the cells of CSV lines.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c == ',')
}

/// Removes durations, which differ from run to run.
fn without_seconds(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" in ") {
        Some((before, after)) if after.trim_end().ends_with(" s") => before.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_guide_shows_what_its_commands_print() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide");
    let folder = tempfile::tempdir().unwrap();
    for table in ["survey.csv", "new.csv"] {
        fs::copy(guide.join(table), folder.path().join(table)).unwrap();
    }
    let tests = std::env::current_exe().unwrap();
    let programs = tests.parent().and_then(Path::parent).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let page = guide.join("README.md");
    let text = fs::read_to_string(&page).unwrap();
    let bless = std::env::var_os("ANOONLY_BLESS").is_some();
    let (steps, tail) = steps(&text);
    assert!(steps.len() >= 8);
    let mut new = String::new();
    for Step { before, command, printed } in steps {
        let output =
            Command::new("sh").args(["-c", command]).current_dir(folder.path()).env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let now = String::from_utf8(output.stdout).unwrap();
        if !bless {
            let (says, prints) = (without_seconds(printed), without_seconds(&now));
            assert!(alike(&says, &prints), "{command}\nprints\n{now}\nbut the guide says\n{printed}");
        }
        new.push_str(&format!("{before}{START}{command}\n{now}{END}"));
    }
    if bless {
        fs::write(page, new + tail).unwrap();
    }
}

#[test]
fn differences_in_words_or_numbers_are_detected() {
    assert!(alike("AUROC 0.951, of 12", "AUROC 0.950, of 12"));
    for other in ["AUROC 0.851, of 12", "AUROC 0.951, of 13", "AP 0.951, of 12", "AUROC 0.951, of 12\nmore"] {
        assert!(!alike("AUROC 0.951, of 12", other), "{other}");
    }
    for (a, b) in
        [("P302", "P297"), ("-0.44", "0.44"), ("(+2.04)", "(-2.04)"), ("49 of 50", "50 of 50"), ("0.4 %", "0.4")]
    {
        assert!(!alike(a, b), "{a} {b}");
    }
    assert_eq!(without_seconds("trained in 0.3 s\nrows in a file"), "trained\nrows in a file");
}
