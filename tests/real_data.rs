//! Figures of the published implementation on ADBench's data.

use std::collections::BTreeMap;

use anoonly_system_tests::{adbench_data, anoonly, stderr};

/// Mean AUROC over sets of image features and five seeds is near the published implementation's over three seeds.
/// `docs/reproduction.md` has the whole comparison, over all sets and ten seeds, and its command.
#[test]
#[cfg_attr(not(adbench_data), ignore = "needs ADBench's data sets: set ANOONLY_DATA")]
fn devnet_reproduces_the_published_implementation() {
    let data = adbench_data();
    let folder = tempfile::tempdir().unwrap();
    let options = "--models devnet --protocol adbench --datasets SVHN_*,MVTec-AD_wood,MVTec-AD_leather,MVTec-AD_tile";
    let mut arguments: Vec<&str> = ["bench"].into_iter().chain(options.split(' ')).collect();
    arguments.extend(["--data", data.to_str().unwrap(), "--out", folder.path().to_str().unwrap()]);
    let output = anoonly(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));

    let mut means: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    let mut reader = csv::Reader::from_path(folder.path().join("results.csv")).unwrap();
    for record in reader.records() {
        let record = record.unwrap();
        means.entry((record[1].into(), record[3].into())).or_default().push(record[13].parse().unwrap());
    }
    // From the published implementation's results on the same sets, label ratio 0.1, percent.
    for (family, strategy, published) in PUBLISHED {
        let values = &means[&(family.to_string(), strategy.to_string())];
        let mean = 100.0 * values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - published).abs() < 5.0, "{family} {strategy}: {mean:.1}, published {published}");
    }
}

const PUBLISHED: [(&str, &str, f64); 4] =
    [("SVHN", "host", 77.7), ("SVHN", "anoonly", 75.9), ("MVTec-AD", "host", 85.6), ("MVTec-AD", "anoonly", 75.7)];
