//! The report of a bench, as a file and in a browser.

use std::collections::HashSet;
use std::path::Path;

use anoonly_system_tests::browser::{Browser, View};
use anoonly_system_tests::{anoonly, stderr};
use roxmltree::Document;

/// The figures in the report of a sweep.
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

/// A data set's name that must be escaped in HTML.
#[cfg(unix)]
const ODD: &str = "odd<script>&\"name\"";
#[cfg(not(unix))]
const ODD: &str = "odd&name";

/// Writes two data sets of two families into the folder; returns the options of a small sweep on them.
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

/// Runs the bench with a report; returns the report and the messages on standard error.
fn report(folder: &Path, options: &[String]) -> (String, String) {
    let path = folder.join("report.html");
    let more = ["--report".to_owned(), path.to_str().unwrap().to_owned()];
    let output = anoonly([options, &more].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    (std::fs::read_to_string(path).unwrap(), stderr(&output).to_owned())
}

#[test]
fn a_report_has_every_figure_and_is_self_contained() {
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
    // All figures except for the three tables are pictures.
    assert_eq!(svgs.len(), FIGURES.len() - 3);
    let mut ids = HashSet::new();
    for svg in svgs {
        let text = format!("<svg{svg}</svg>");
        let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let root = document.root_element();
        for (attribute, element) in [("aria-labelledby", "title"), ("aria-describedby", "desc")] {
            let label = root.children().find(|child| child.has_tag_name(element)).unwrap();
            assert_eq!(label.attribute("id"), root.attribute(attribute));
            assert!(label.text().is_some_and(|text| text.len() > 5), "{text}");
            assert!(ids.insert(label.attribute("id").unwrap().to_owned()), "an id is used twice");
        }
        assert!(!text.contains("NaN") && !text.contains("inf"), "a mark without a place: {text}");
        assert!(document.descendants().any(|node| ["path", "circle"].contains(&node.tag_name().name())), "{text}");
    }
}

#[test]
fn a_stored_bench_is_reported_without_new_runs_and_lost_details_are_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let options = sweep(folder.path());
    assert!(anoonly(&options).status.success());
    let stored = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let (runs, details) = (stored("runs.jsonl"), stored("details.jsonl"));
    // One seed and one noise level of two data sets, each with two strategies of two methods and a baseline.
    assert_eq!(details.lines().count(), 10);
    let (page, message) = report(folder.path(), &options);
    assert!(message.contains("40 runs on") && message.contains("40 of them are already in"), "{message}");
    assert_eq!((stored("runs.jsonl"), stored("details.jsonl")), (runs.clone(), details.clone()));
    assert_eq!(report(folder.path(), &options).0, page, "the same results give another report");

    // As after a kill while details were written, or without a file of details.
    let path = folder.path().join("out/details.jsonl");
    std::fs::write(&path, &details[..details.len() / 2]).unwrap();
    let (again, message) = report(folder.path(), &options);
    assert!(!message.contains("40 of them are already in"), "{message}");
    assert_eq!(again, page);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(report(folder.path(), &options).0, page);
    assert_eq!(stored("runs.jsonl"), runs, "a stored run was measured again");
}

#[test]
fn merged_shards_have_a_report() {
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
fn an_unusable_report_path_is_refused_before_the_bench() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let nowhere = folder.path().join("nowhere/report.html");
    for (place, expected) in [(folder.path(), "it is a folder"), (nowhere.as_path(), "no folder `")] {
        let output = anoonly(["bench", "--out", out.to_str().unwrap(), "--report", place.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert!(!out.exists());
    }
}

#[test]
fn a_sweep_is_drawn_as_an_svg_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sweep.svg");
    let figure = ["--figure", path.to_str().unwrap()];
    let mut options = sweep(folder.path());
    options.extend(figure.map(str::to_owned));
    let output = anoonly(&options);
    assert!(output.status.success() && stderr(&output).contains("figure: "), "{}", stderr(&output));
    let file = std::fs::read_to_string(&path).unwrap();
    let document = Document::parse(&file).unwrap();
    let texts: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .filter_map(|node| node.text())
        .collect();
    for text in [
        "AUROC",
        "Average precision",
        "DevNet, host",
        "DevNet, AnoOnly",
        "kNN distance",
        "level of the noise (2 data sets)",
    ] {
        assert!(texts.contains(&text), "{text}: {texts:?}");
    }
    let alone = anoonly(["bench", "--models", "knn", "--seeds", "1", figure[0], figure[1]]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(stderr(&alone).contains("needs a sweep"), "{}", stderr(&alone));
}

/// The ids of the figures of a page in a browser, and what the browser has against the page.
fn opened(browser: &Browser, page: &Path) -> (Vec<String>, Vec<String>) {
    let tab = browser.open(&format!("file://{}", page.display()), View::DESK);
    let ids = tab.evaluate("[...document.querySelectorAll('figure')].map(figure => figure.id)");
    let ids = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    (ids, tab.take_problems())
}

#[test]
#[cfg_attr(not(browser), ignore = "needs Chromium: install it or set ANOONLY_BROWSER")]
fn a_browser_shows_every_figure_without_console_messages() {
    let browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    report(folder.path(), &sweep(folder.path()));
    let (figures, problems) = opened(&browser, &folder.path().join("report.html"));
    for id in FIGURES {
        assert!(figures.iter().any(|figure| figure == id), "the browser knows no figure {id}");
    }
    assert_eq!(problems, Vec::<String>::new());

    // The figures of a sweep over labels and of an ablation.
    for (more, id) in [(["--label-count", "2,5"], "sweep-labels"), (["--ablation", "norm"], "strategies")] {
        let place = folder.path().join(id);
        std::fs::create_dir(&place).unwrap();
        let out = place.join("out");
        let words = ["bench", "--datasets", "wine,penguins", "--models", "devnet,knn", "--seeds", "1,2", "--out"];
        let words = words.into_iter().chain([out.to_str().unwrap()]).chain(more);
        report(&place, &words.map(str::to_owned).collect::<Vec<_>>());
        let (figures, problems) = opened(&browser, &place.join("report.html"));
        assert!(figures.iter().any(|figure| figure == id), "the browser knows no figure {id}");
        assert_eq!(problems, Vec::<String>::new());
    }

    // The check works: a script that the page's policy blocks is reported on the console.
    let bad = folder.path().join("bad.html");
    let text = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    std::fs::write(&bad, text.replace("</main>", "<script>1</script></main>")).unwrap();
    assert!(!opened(&browser, &bad).1.is_empty(), "the browser ran a script, or its console is not read");
}
