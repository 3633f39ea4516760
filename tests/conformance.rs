//! What every method of the registry must have: a page, reference figures, a batch-normalised form if AnoOnly trains it, and scores that
//! follow the answers of a person.

use std::fs;
use std::path::{Path, PathBuf};

use anoonly::prelude::*;
use anoonly::train::model_file;
use ndarray::Array2;
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names() -> Vec<&'static str> {
    AnyMethod::all().iter().map(|method| method.info().name).collect()
}

#[test]
fn every_method_has_a_page_and_every_page_a_method() {
    let mut pages: Vec<String> = fs::read_dir(repository().join("docs/models"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        // The index, and a way to make pseudo-anomalies that goes with any method.
        .filter(|name| !["README", "nng-mix"].contains(&name.as_str()))
        .collect();
    let mut names = names();
    pages.sort();
    names.sort_unstable();
    assert_eq!(pages, names);
    let index = read("docs/models/README.md");
    for name in names {
        assert!(index.contains(&format!("({name}.md)")), "docs/models/README.md has no link to {name}.md");
    }
}

/// Where a method is compared with figures that its own code did not compute.
enum Figures {
    /// In a JSON file: of networks by their configuration, or of scores by their method.
    File(&'static str),
    /// In a test, by file and name.
    Test(&'static str, &'static str),
    /// Nowhere, for this reason.
    Missing(&'static str),
}

const FILES: [&str; 2] = ["crates/anoonly-models/golden/networks.json", "tests/golden/zoo.json"];
const NETWORKS: Figures = Figures::File(FILES[0]);
const SCORES: Figures = Figures::File(FILES[1]);

const FIGURES: [(&str, Figures); 35] = [
    ("autoencoder", Figures::Missing("its layers, loss and optimiser are those of methods that are compared")),
    ("cblof", SCORES),
    ("copod", SCORES),
    ("dagmm", Figures::Missing("no reference figures yet")),
    ("deepsad", Figures::Missing("the published results are compared in docs/reproduction.md")),
    ("deepsvdd", Figures::Missing("it has the network of deepsad and a loss of one line")),
    ("devnet", Figures::Test("crates/anoonly-train/src/golden_tests.rs", "golden/steps.json")),
    ("ecod", SCORES),
    (
        "extra-trees",
        Figures::Test("crates/anoonly-models/src/rules/extra_trees.rs", "fn shares_agree_with_scikit_learn"),
    ),
    ("feawad", Figures::Missing("the published results are compared in docs/reproduction.md")),
    ("fisher", SCORES),
    ("ft-transformer", NETWORKS),
    ("ganomaly", NETWORKS),
    ("gbdt", Figures::Test("crates/anoonly-models/src/rules/gbdt.rs", "fn log_odds_agree_with_scikit_learn")),
    ("hbos", SCORES),
    ("isolation-forest", SCORES),
    ("knn", SCORES),
    ("loda", SCORES),
    ("lof", SCORES),
    ("logistic", Figures::Test("crates/anoonly-models/src/rules/logistic.rs", "fn weights_agree_with_scikit_learn")),
    ("mahalanobis", SCORES),
    ("mean-difference", Figures::Missing("it is one mean and one product")),
    ("mlp", Figures::Missing("its layers are those of deepsad, and its loss has figures in layers/cross_entropy.rs")),
    ("ocsvm", SCORES),
    ("pca", SCORES),
    ("prenet", Figures::Missing("the published results are compared in docs/reproduction.md")),
    ("pu-forest", Figures::Missing("no other program has it; its trees are those of extra-trees")),
    ("quorum", Figures::Missing("no other program has it; its parts are compared with figures worked out by hand")),
    ("random-forest", Figures::Missing("no reference figures yet")),
    ("repen", Figures::Test("crates/anoonly-models/src/networks/repen.rs", "fn triplets_and_scores_match_the_formula")),
    ("resnet", Figures::Missing("no reference figures yet")),
    ("rosas", Figures::Test("crates/anoonly-models/src/networks/rosas.rs", "fn losses_match_the_formula")),
    ("whitened-cosine", SCORES),
    ("whitened-cosine-mahalanobis", Figures::Missing("it is the sum of two methods that are compared")),
    ("xgbod", Figures::Missing("it is gbdt on columns of methods that are compared")),
];

/// The methods whose figures are in a JSON file: strings under `model`, and the keys of `exact` and `by_chance`.
fn methods_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("model", Value::String(name)) => found.push(name.clone()),
                    ("exact" | "by_chance", Value::Object(methods)) => found.extend(methods.keys().cloned()),
                    _ => methods_in(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| methods_in(item, found)),
        _ => {}
    }
}

#[test]
fn every_method_has_reference_figures_or_a_reason_why_not() {
    let mut listed: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
    let mut names = names();
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names);

    let in_file = |path: &str| {
        let mut found = Vec::new();
        methods_in(&serde_json::from_str(&read(path)).unwrap(), &mut found);
        found
    };
    for (name, figures) in FIGURES {
        match figures {
            Figures::File(path) => assert!(in_file(path).iter().any(|found| found == name), "{path} has no {name}"),
            Figures::Test(path, text) => assert!(read(path).contains(text), "{path} has no `{text}`"),
            Figures::Missing(reason) => {
                assert!(!reason.is_empty());
                for path in FILES {
                    assert!(!in_file(path).iter().any(|found| found == name), "{path} has figures of {name} now");
                }
            }
        }
    }
}

/// Rows whose unlabelled ones are moved by `shift`, except for the first two, which keep the range of each column.
fn samples(shift: f32) -> Samples {
    let noise = |row: usize, column: usize| ((row * 7919 + column * 104_729) % 1000) as f32 / 1000.0;
    let cell = |(row, column): (usize, usize)| match row {
        0 => 0.0,
        1 => 2.0,
        2..8 => 1.5 + noise(row, column) / 2.0,
        _ => noise(row, column) * (1.0 - shift) + shift,
    };
    let labels = (0..88).map(|row| if (2..8).contains(&row) { Label::Anomaly } else { Label::Unlabelled });
    Samples::new(Array2::from_shape_fn((88, 4), cell), labels.collect()).unwrap()
}

/// AnoOnly leaves out the loss on normal rows. Their only way into the training is batch normalisation, so a method that ignores
/// [`Norm::Batch`](anoonly::models::Norm::Batch) would train on the labelled anomalies alone.
#[test]
fn unlabelled_rows_reach_every_training_under_anoonly_through_batch_normalisation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.anoonly");
    let mut checked = 0;
    for mut method in AnyMethod::all() {
        if !method.takes_strategy() {
            continue;
        }
        let name = method.info().name;
        method.recipe_mut().unwrap().epochs = 1;
        if let Some(pretraining) = method.pretraining_mut() {
            pretraining.epochs = 1;
        }
        let detector = Detector::new(method, Supervision::AnomalyOnly, Seed(1)).unwrap();
        assert_eq!(serde_json::to_value(detector.method()).unwrap()["norm"], "batch", "{name}");

        let fitted = [0.0, 0.25].map(|shift| detector.fit(&samples(shift), &ComputeDevice::default()).unwrap());
        assert_ne!(fitted[0].history().losses, fitted[1].history().losses, "{name}: unlabelled rows change nothing");

        model_file::write(&path, &fitted[..1], &()).unwrap();
        let tensors = model_file::inspect(&path).unwrap().tensors;
        let layers = tensors.keys().filter(|tensor| tensor.contains("running_mean")).count();
        assert!(layers > 0, "{name} has no layer of batch normalisation: {:?}", tensors.keys());
        checked += 1;
    }
    assert!(checked >= 8, "only {checked} methods take a strategy");
}

/// 150 rows around 0, and after them 6 labelled anomalies and 4 false alarms. Both are shifted: the anomalies in the first three of five
/// columns, and the false alarms in the first two and the last.
pub fn with_false_alarms(confirmed: bool, seed: usize) -> (Samples, std::ops::Range<usize>) {
    let noise = |row: usize, column: usize| {
        ((row * 7919 + column * 104_729 + (row + 3 * seed) * (row + column) * 31) % 1009) as f32 / 1009.0
    };
    let shifted = |row: usize, column: usize| match row {
        150..156 => column < 3,
        156.. => column < 2 || column == 4,
        _ => false,
    };
    let cell = |(row, column)| noise(row, column) + if shifted(row, column) { 0.8 } else { 0.0 };
    let labels = (0..160).map(|row| match row {
        150..156 => Label::Anomaly,
        156.. if confirmed => Label::Normal,
        _ => Label::Unlabelled,
    });
    (Samples::new(Array2::from_shape_fn((160, 5), cell), labels.collect()).unwrap(), 156..160)
}

/// Rows that a person confirms as normal do not rank higher than before. Among the lower three quarters of the rows, ranks say little and
/// change with every fit; above, 2 % of the rows are allowed for chance. The figures are means over the rows and two tables.
#[test]
fn confirming_rows_as_normal_does_not_raise_them() {
    for detector in crate::detectors::detectors(1) {
        if !detector.method().learns_from_normals() {
            continue;
        }
        let mean_rank = |confirmed: bool| {
            let of_table = |seed: usize| {
                let (samples, alarms) = with_false_alarms(confirmed, seed);
                let fitted = detector.fit(&samples, &ComputeDevice::default()).unwrap();
                let scores = fitted.score(samples.features()).unwrap();
                let below = |row: usize| scores.iter().filter(|&&score| score < scores[row]).count();
                alarms.clone().map(|row| below(row) as f64).sum::<f64>() / (alarms.len() * scores.len()) as f64
            };
            (0..2).map(of_table).sum::<f64>() / 2.0
        };
        let (before, after) = (mean_rank(false), mean_rank(true));
        assert!(after <= before.max(0.75) + 0.02, "{detector:?}: from {before} to {after}");
        let direct = ["logistic", "mean-difference", "fisher", "whitened-cosine"];
        if direct.contains(&detector.method().info().name) {
            assert!(after < before, "{detector:?}: from {before} to {after}");
        }
    }
}
