//! Tests of the settings of a bench.

use super::*;
use clap::{Command, FromArgMatches};

fn command() -> Command {
    BenchSettings::augment_args(Command::new("bench"))
}

fn options(words: &[&str]) -> BenchSettings {
    let words = std::iter::once("bench").chain(words.iter().copied());
    BenchSettings::from_arg_matches(&command().try_get_matches_from(words).unwrap()).unwrap()
}

/// Every option, with values as a user would give them.
const EVERY: [&str; 30] = [
    "--data=folder",
    "--datasets=a*,b",
    "--models=devnet,knn",
    "--strategies=anoonly",
    "--ablation=norm",
    "--label-ratio=0.1,1",
    "--label-count=3",
    "--noise=label-contamination",
    "--noise-level=0,0.5",
    "--synthetic=none,local",
    "--labelling",
    "--budget=50",
    "--batch=10",
    "--query=top,diverse+0.1",
    "--write-rows=rows.jsonl",
    "--seeds=1,2",
    "--protocol=adbench",
    "--backend=ndarray",
    "--device=1",
    "--threads=2",
    "--config=c.toml",
    "--reference=r.csv",
    "--export-splits=splits",
    "--import=scores.jsonl",
    "--shard=2/5",
    "--out=o",
    "--report=r.html",
    "--figure=f.svg",
    "--standings",
    "--json",
];

/// The same setting in a plan file.
fn in_a_file(word: &str) -> String {
    match word.trim_start_matches("--").split_once('=') {
        None => format!("{} = true", word.trim_start_matches("--")),
        Some((name @ ("label-ratio" | "label-count" | "noise-level" | "seeds"), values)) => {
            format!("{name} = [{values}]")
        }
        Some((name @ ("threads" | "device" | "budget" | "batch"), value)) => format!("{name} = {value}"),
        Some((name, value)) => format!("{name} = \"{value}\""),
    }
}

#[test]
fn every_option_is_a_key_of_a_plan_with_the_same_meaning() {
    let known: Vec<String> = command().get_arguments().filter_map(|a| a.get_long().map(str::to_owned)).collect();
    let tested: Vec<&str> = EVERY.iter().map(|word| word.trim_start_matches("--").split('=').next().unwrap()).collect();
    assert_eq!(known, tested);
    for word in EVERY {
        let option = options(&[word]);
        assert_ne!(option, BenchSettings::default(), "{word}");
        assert_eq!(BenchSettings::parse(&in_a_file(word)), Ok(option.clone()), "{word}");
        assert_eq!(option.clone().or(BenchSettings::default()), option, "{word}");
        assert_eq!(BenchSettings::default().or(option.clone()), option, "{word}");
    }
}

#[test]
fn the_defaults_are_those_of_the_help() {
    let mut words = Vec::new();
    for argument in command().get_arguments() {
        let help = argument.get_help().unwrap().to_string().replace('\n', " ");
        let Some((_, default)) = help.split_once("[default: ") else { continue };
        let default = default.trim_end_matches(']');
        if !["all", "all cores", "the first"].contains(&default) {
            words.push(format!("--{}={default}", argument.get_long().unwrap()));
        }
    }
    assert_eq!(words.len(), 13, "{words:?}");
    let used = |settings: BenchSettings| {
        let grid =
            (settings.models(), settings.strategies(), settings.budgets(), settings.seeds(), settings.protocol());
        let rows = (settings.data().to_owned(), settings.noise().to_owned(), settings.synthetic());
        // The settings of an analyst count with --labelling only, which excludes others.
        let analyst = BenchSettings {
            labelling: true,
            budget: settings.budget,
            batch: settings.batch,
            query: settings.query.clone(),
            ..BenchSettings::default()
        };
        let analyst = analyst.labelling().unwrap();
        (grid, rows, analyst, settings.compute().backend, settings.out().to_owned())
    };
    let given = options(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(used(given), used(BenchSettings::default()));
}

#[test]
fn an_option_replaces_what_contradicts_it_in_the_plan() {
    let file = |text: &str| BenchSettings::parse(text).unwrap();
    let count = options(&["--label-count=3"]).or(file("label-ratio = 0.5\nseeds = 7"));
    assert_eq!((count.label_ratio, count.label_count, count.seeds), (vec![], vec![3], vec![7]));
    let ablation = options(&["--ablation=norm"]).or(file("strategies = \"host\""));
    assert!(ablation.strategies.is_empty());
    let noise = options(&["--noise=none"]).or(file("noise = \"label-contamination\"\nnoise-level = [0, 0.1]"));
    assert!(noise.noise_level.is_empty());
    let level = options(&["--noise-level=0.2"]).or(file("noise = \"label-contamination\"\nnoise-level = 0.1"));
    assert_eq!((level.noise.as_deref(), level.noise_level), (Some("label-contamination"), vec![0.2]));
    assert_eq!(options(&["--backend=flex"]).or(file("backend = \"cuda\"\ndevice = 1")).device, None);
    assert!(!options(&["--json"]).or(file("standings = true")).standings);
}

/// A plan for a bench also serves its export. What has no effect on an export is refused only where it is asked for together with it.
#[test]
fn an_export_ignores_what_a_plan_says_about_tables() {
    let file = |text: &str| BenchSettings::parse(text).unwrap();
    let tables = [
        ("--standings", "standings = true"),
        ("--json", "json = true"),
        ("--reference=r.csv", "reference = \"r.csv\""),
        ("--report=r.html", "report = \"r.html\""),
        ("--figure=f.svg", "figure = \"f.svg\""),
    ];
    let export = options(&["--export-splits=splits"]);
    for (option, key) in tables {
        assert_eq!(export.clone().or(file(key)), export, "{key}");
        let both = options(&["--export-splits=splits", option]);
        assert!(both.or(file("seeds = 1")).export_splits().is_err(), "{option}");
    }
    // These change what is measured, and are not silently left out.
    for key in ["shard = \"1/2\"", "import = \"scores.jsonl\""] {
        assert!(export.clone().or(file(key)).export_splits().is_err(), "{key}");
    }
}

#[test]
fn an_error_names_the_key_and_what_is_allowed() {
    for (text, parts) in [
        ("seeds = [1, \"x\"]", &["key `seeds`", "string \"x\"", "u64"][..]),
        ("seeds = []", &["key `seeds`", "at least one value"]),
        ("label-ratio = \"a\"", &["key `label-ratio`", "f64"]),
        ("protocol = \"dirty\"", &["key `protocol`", "`adbench` or `clean`"]),
        ("strategies = [\"both\"]", &["key `strategies`", "unknown strategy `both`", "host or anoonly"]),
        ("ablation = \"x\"", &["key `ablation`", "norm, lambda"]),
        ("query = \"best\"", &["key `query`", "unknown query strategy `best`", "top, diverse"]),
        ("shard = \"6/5\"", &["key `shard`", "PART/PARTS"]),
        ("device = 0.5", &["key `device`", "a number or a name"]),
        ("settings = 3", &["key `settings`", "map"]),
        ("sedes = 1", &["unknown key `sedes`", "`seeds`", "`settings`"]),
        ("label-ratio = 0.1\nlabel-count = 3", &["either `label-ratio` or `label-count`"]),
        ("seeds = 1\nseeds = 2", &["line 2", "duplicate key"]),
    ] {
        let message = BenchSettings::parse(text).unwrap_err();
        assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
    }
}
