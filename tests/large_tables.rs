//! Tables of many rows or columns: they are read, and take no more memory than they must.

use std::fs;
#[cfg(target_os = "linux")]
use std::process::Stdio;

use anoonly_system_tests::{anoonly, done};
#[cfg(target_os = "linux")]
use anoonly_system_tests::{command, tables};

#[test]
fn a_hundred_thousand_columns_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.csv");
    let mut text = (0..100_000).map(|column| format!("c{column},")).collect::<String>() + "label\n";
    for row in 0..30 {
        text.extend((0..100_000).map(|column| format!("{},", (row * 7 + column * row) % 10)));
        text.push_str(if row > 26 { "1\n" } else { "0\n" });
    }
    fs::write(&path, text).unwrap();
    let (table, model) = (path.to_str().unwrap(), folder.path().join("model.anoonly"));
    let words = ["train", table, "--label", "label", "--model", "mean-difference", "--out", model.to_str().unwrap()];
    assert!(done(anoonly(words)).contains("columns encoded as"));
}

/// Runs the program; returns its peak memory in MiB.
#[cfg(target_os = "linux")]
fn peak_memory<const N: usize>(words: [&str; N]) -> f64 {
    let mut child = command(words).stdout(Stdio::null()).spawn().unwrap();
    let mut most = 0.0f64;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        most = most.max(kib.unwrap_or(0.0) / 1024.0);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    most
}

/// Scores a CSV file of `rows` rows and 100 columns; returns the peak memory and the size of the file, in MiB.
#[cfg(target_os = "linux")]
fn memory_of_scoring(rows: usize, file: &impl Fn(&str) -> String) -> (f64, f64) {
    let (few, many, model) = (file("few.csv"), file("many.csv"), file("wide.anoonly"));
    let cells = |row: usize| {
        (0..100).map(|column| format!("0.{:06},", (row % 500) * 7919 + column * 104_729)).collect::<String>()
    };
    let header: String = (0..100).map(|column| format!("c{column},")).collect();
    let lines: Vec<String> = (0..500).map(cells).collect();
    let table = |rows: usize| {
        (0..rows).fold(format!("{header}label\n"), |text, row| {
            text + &lines[row % 500] + if row % 100 == 0 { "1\n" } else { "0\n" }
        })
    };
    fs::write(&few, table(500)).unwrap();
    fs::write(&many, table(rows)).unwrap();
    done(anoonly(["train", &few, "--label", "label", "--ensemble", "1", "--out", &model]));
    let most = peak_memory(["score", &model, &many, "--out", &file("scores.csv")]);
    assert_eq!(fs::read_to_string(file("scores.csv")).unwrap().lines().count(), rows + 1);
    (most, fs::metadata(&many).unwrap().len() as f64 / f64::from(1 << 20))
}

#[cfg(target_os = "linux")]
#[test]
fn scoring_takes_no_more_memory_for_a_larger_file() {
    let (_folder, file) = tables();
    let (small, small_file) = memory_of_scoring(40_000, &file);
    let (large, large_file) = memory_of_scoring(140_000, &file);
    assert!(small > 1.0 && large_file > small_file + 70.0);
    // A score and a rank for each row, twice while they are sorted, and the noise of the measurement.
    assert!(large - small < 20.0, "{large:.0} MiB for {large_file:.0} MiB of rows, {small:.0} MiB for {small_file:.0}");
}

/// Trains on a table of `rows` rows and 40 columns of all kinds; returns the peak memory and that of the features, in MiB.
#[cfg(target_os = "linux")]
fn memory_of_training(rows: usize, file: &impl Fn(&str) -> String) -> (f64, f64) {
    use std::fmt::Write as _;
    let (path, model) = (file("train.csv"), file("train.anoonly"));
    let mut text: String = (0..34).map(|column| format!("x{column},")).collect();
    text.push_str("kind,shop,code,day,known,waited,label\n");
    for row in 0..rows {
        let draw = |column: usize| (row * 7919 + column * 104_729 + row / 97 * column) % 1_000_003;
        (0..34).for_each(|column| write!(text, "{}.{:06},", column % 3, draw(column)).unwrap());
        let (day, shop) = (1 + draw(34) % 28, draw(35) % 300);
        let waited = if row % 40 == 0 { String::new() } else { format!("{}", draw(36) % 5000) };
        let label = if row % 500 == 0 { "1" } else { "" };
        let known = ["false", "true"][row / 3 % 2];
        writeln!(
            text,
            "k{},shop {shop},{:017.15},2026-{:02}-{day:02},{known},{waited},{label}",
            row % 5,
            draw(37) as f64 / 7e5,
            1 + row % 12
        )
        .unwrap();
    }
    fs::write(&path, text).unwrap();
    let most = peak_memory(["train", &path, "--label", "label", "--model", "mean-difference", "--out", &model]);
    // Numbers, categories and dates: 34 + 5 + 1 + 1 + 4 + 1 + 2 features.
    (most, (rows * 48 * size_of::<f32>()) as f64 / f64::from(1 << 20))
}

/// Twice the features, their source and what a fit needs besides; the difference of two tables leaves out the program itself.
#[cfg(target_os = "linux")]
#[test]
fn training_takes_a_bounded_multiple_of_the_memory_of_its_features() {
    let (_folder, file) = tables();
    let (small, small_features) = memory_of_training(50_000, &file);
    let (large, large_features) = memory_of_training(300_000, &file);
    let multiple = (large - small) / (large_features - small_features);
    assert!(small > 1.0 && multiple > 1.0, "{multiple:.2}");
    assert!(
        multiple < 3.0,
        "{large:.0} MiB for {large_features:.0} MiB of features, {small:.0} for {small_features:.0}"
    );
}
