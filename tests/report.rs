//! The report of a bench through the command, as a file and in a browser.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anoonly_system_tests::{anoonly, stderr};
use roxmltree::Document;

/// What the report of a sweep holds.
const FIGURES: [&str; 11] = [
    "table",
    "gain",
    "settings",
    "sweep-noise",
    "ranks",
    "pairs",
    "roc",
    "precision-recall",
    "layer",
    "training",
    "time",
];

/// A name as only a file can have it.
#[cfg(unix)]
const ODD: &str = "odd<script>&\"name\"";
#[cfg(not(unix))]
const ODD: &str = "odd&name";

/// A folder with two data sets of two families, and the options of a small sweep on them.
fn sweep(folder: &Path) -> Vec<String> {
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    for (name, shift) in [(ODD, 0.5), ("plain", 0.8)] {
        let cell = |row: usize, column: usize| ((row * 7919 + column * 104_729) % 1000) as f64 / 1000.0;
        let row = |row: usize| {
            let anomaly = row.is_multiple_of(8);
            let at = |column| cell(row, column) + if anomaly { shift } else { 0.0 };
            format!("{},{},{},{}\n", at(0), at(1), at(2), u8::from(anomaly))
        };
        let rows: String = (0..160).map(row).collect();
        std::fs::write(data.join(format!("{name}.csv")), format!("a,b,c,label\n{rows}")).unwrap();
    }
    let out = folder.join("out");
    let options = [
        "bench",
        "--models",
        "devnet,deepsad,knn",
        "--seeds",
        "1,2",
        "--noise",
        "label-contamination",
        "--noise-level",
        "0,0.1",
        "--data",
        data.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    options.map(str::to_owned).into()
}

/// Runs the bench with a report, which is returned, and what it said.
fn report(folder: &Path, options: &[String]) -> (String, String) {
    let path = folder.join("report.html");
    let more = ["--report".to_owned(), path.to_str().unwrap().to_owned()];
    let output = anoonly([options, &more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    (std::fs::read_to_string(path).unwrap(), stderr(&output).to_owned())
}

#[test]
fn a_report_holds_every_figure_and_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (page, _) = report(folder.path(), &sweep(folder.path()));
    for id in FIGURES {
        assert!(page.contains(&format!("<figure id=\"{id}\"")), "no figure {id}");
    }
    for outside in ["http:", "https:", "//", "src=", "<script", "@import", "url("] {
        assert!(!page.contains(outside), "the page holds {outside}");
    }
    assert!(page.contains(&ODD.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")));

    let svgs: Vec<&str> = page.split("<svg").skip(1).map(|rest| rest.split_once("</svg>").unwrap().0).collect();
    // All figures but the three tables are pictures.
    assert_eq!(svgs.len(), FIGURES.len() - 3);
    let mut ids = HashSet::new();
    for svg in svgs {
        let text = format!("<svg{svg}</svg>");
        let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let root = document.root_element();
        for (attribute, element) in [("aria-labelledby", "title"), ("aria-describedby", "desc")] {
            let told = root.children().find(|child| child.has_tag_name(element)).unwrap();
            assert_eq!(told.attribute("id"), root.attribute(attribute));
            assert!(told.text().is_some_and(|text| text.len() > 5), "{text}");
            assert!(ids.insert(told.attribute("id").unwrap().to_owned()), "an id stands twice");
        }
        assert!(!text.contains("NaN") && !text.contains("inf"), "a mark without a place: {text}");
        assert!(document.descendants().any(|node| ["path", "circle"].contains(&node.tag_name().name())), "{text}");
    }
}

#[test]
fn the_report_of_a_stored_bench_is_only_written_and_a_bench_that_lost_details_makes_them_anew() {
    let folder = tempfile::tempdir().unwrap();
    let options = sweep(folder.path());
    assert!(anoonly(&options).status.success());
    let stored = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let (runs, details) = (stored("runs.jsonl"), stored("details.jsonl"));
    // One seed and one level of two data sets, each with two strategies of two methods and a floor.
    assert_eq!(details.lines().count(), 10);
    let (page, told) = report(folder.path(), &options);
    assert!(told.contains("40 runs on") && told.contains("40 of them stand in"), "{told}");
    assert_eq!((stored("runs.jsonl"), stored("details.jsonl")), (runs.clone(), details.clone()));
    assert_eq!(report(folder.path(), &options).0, page, "the same results give another report");

    // As after a kill while details were written, or with a store from before there were any.
    let path = folder.path().join("out/details.jsonl");
    std::fs::write(&path, &details[..details.len() / 2]).unwrap();
    let (again, told) = report(folder.path(), &options);
    assert!(!told.contains("40 of them stand in"), "{told}");
    assert_eq!(again, page);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(report(folder.path(), &options).0, page);
    assert_eq!(stored("runs.jsonl"), runs, "a run that stood there was measured again");
}

#[test]
fn parts_that_were_joined_have_a_report_too() {
    let folder = tempfile::tempdir().unwrap();
    let options = sweep(folder.path());
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for part in ["1", "2"] {
        let more = ["--shard".to_owned(), format!("{part}/2"), "--out".to_owned(), place(part)];
        assert!(anoonly([&options[..options.len() - 2], &more].concat()).status.success());
    }
    let words = ["bench", "merge", &place("1"), &place("2"), "--out", &place("all")].map(str::to_owned);
    let (page, _) = report(folder.path(), &words);
    for id in FIGURES {
        assert!(page.contains(&format!("<figure id=\"{id}\"")), "no figure {id}");
    }
    assert!(page.contains("joined from several folders"));
}

#[test]
fn a_place_where_no_report_can_be_is_told_before_the_bench() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let nowhere = folder.path().join("nowhere/report.html");
    for (place, told) in [(folder.path(), "it is a folder"), (nowhere.as_path(), "there is no such folder")] {
        let output = anoonly(["bench", "--out", out.to_str().unwrap(), "--report", place.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
        assert!(!out.exists());
    }
}

/// A browser that needs no screen, if there is one.
fn browser() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

/// The page as the browser understood it, and what the browser wrote on its console.
fn opened(browser: &Path, page: &Path, profile: &Path) -> (String, Vec<String>) {
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        "--dump-dom",
    ];
    let mut command = Command::new(browser);
    command.args(flags).arg(format!("--user-data-dir={}", profile.display())).arg(page);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let told = String::from_utf8_lossy(&output.stderr);
    let console = told.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    (String::from_utf8(output.stdout).unwrap(), console)
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_browser_shows_every_figure_and_complains_of_nothing() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no chromium on PATH");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    report(folder.path(), &sweep(folder.path()));
    let profile = folder.path().join("profile");
    let (page, console) = opened(&browser, &folder.path().join("report.html"), &profile);
    for id in FIGURES {
        assert!(page.contains(&format!("<figure id=\"{id}\"")), "the browser knows no figure {id}");
    }
    assert_eq!(console, Vec::<String>::new());

    // The figures of a sweep over labels and of an ablation.
    for (more, id) in [(["--label-count", "2,5"], "sweep-labels"), (["--ablation", "norm"], "strategies")] {
        let place = folder.path().join(id);
        std::fs::create_dir(&place).unwrap();
        let out = place.join("out");
        let words = ["bench", "--datasets", "wine,penguins", "--models", "devnet,knn", "--seeds", "1,2", "--out"];
        let words = words.into_iter().chain([out.to_str().unwrap()]).chain(more);
        report(&place, &words.map(str::to_owned).collect::<Vec<_>>());
        let (page, console) = opened(&browser, &place.join("report.html"), &profile);
        assert!(page.contains(&format!("<figure id=\"{id}\"")), "the browser knows no figure {id}");
        assert_eq!(console, Vec::<String>::new());
    }

    // The console is listened to: what the page's policy keeps out is told there.
    let bad = folder.path().join("bad.html");
    let text = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    std::fs::write(&bad, text.replace("</main>", "<script>1</script></main>")).unwrap();
    assert!(!opened(&browser, &bad, &profile).1.is_empty(), "a script was let in, or the console is silent");
}
