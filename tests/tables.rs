//! From a table to a ranked list, a threshold and a model file, with the command and the library.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anoonly::data::table::Table;
use anoonly_system_tests::{anoonly, command, done, stderr, tables, trained};

#[test]
fn a_table_becomes_a_model_a_ranked_list_and_flags() {
    let (_folder, file) = tables();
    let printed = trained(&file, &[]);
    for words in [
        "label `yes`: 20 rows, anomalies",
        "label (empty): 980 rows, unlabelled",
        "left out",
        "its value is the same",
        "held out",
    ] {
        assert!(printed.contains(words), "`{words}` is not in: {printed}");
    }
    let (model, new) = (file("model.anoonly"), file("new.csv"));
    let figures = || -> serde_json::Value {
        serde_json::from_str(&done(anoonly(["evaluate", &model, &new, "--label", "fraud", "--json"]))).unwrap()
    };
    let figure = |path: &str| figures().pointer(path).unwrap().as_f64().unwrap();
    assert!(figure("/auroc/estimate") > 0.9, "{}", figures());
    assert!(figures()["at_threshold"].is_null());

    // Scores keep the order of the rows and their identifiers; ranks and flags agree with them.
    done(anoonly(["threshold", &model, "--fpr", "0.05"]));
    assert!(figures()["at_threshold"]["flagged"].as_u64().unwrap() > 0);
    let out = file("scores.csv");
    done(anoonly(["score", &model, &new, "--out", &out]));
    let mut rows = csv::Reader::from_path(&out).unwrap();
    assert_eq!(rows.headers().unwrap(), vec!["id", "score", "rank", "p_value", "flagged"]);
    let rows: Vec<(String, f32, u64, f64, bool)> = rows.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 400);
    assert!(rows.iter().enumerate().all(|(place, row)| row.0 == format!("T{}", 1000 + place)));
    for row in &rows {
        assert_eq!(row.2, 1 + rows.iter().filter(|other| other.1 > row.1).count() as u64);
        assert_eq!(row.4, row.3 <= 0.05, "{row:?}");
    }

    // Through a pipe, into Parquet, as JSON: the same.
    let mut piped =
        command(["score", &model, "-", "--out", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(&fs::read(&new).unwrap()).unwrap();
    assert_eq!(done(piped.wait_with_output().unwrap()), fs::read_to_string(&out).unwrap());
    let parquet = file("scores.parquet");
    done(anoonly(["score", &model, &new, "--out", &parquet]));
    let table = Table::read(Path::new(&parquet)).unwrap();
    assert_eq!((table.rows(), table.columns()), (400, vec!["id", "score", "rank", "p_value", "flagged"]));
    let top: serde_json::Value =
        serde_json::from_str(&done(anoonly(["score", &model, &new, "--top", "3", "--json"]))).unwrap();
    assert_eq!((top.as_array().unwrap().len(), &top[0]["rank"]), (3, &serde_json::json!(1)));

    // The library scores as the command does.
    let model = anoonly::Model::load(Path::new(&model)).unwrap();
    let scores = model.score(&Table::read(Path::new(&new)).unwrap()).unwrap();
    assert!(scores.iter().zip(&rows).all(|(score, row)| (score - row.1).abs() <= 1e-5 * row.1.abs().max(1.0)));
}

#[test]
fn thresholds_change_without_another_fit() {
    let (_folder, file) = tables();
    trained(&file, &[]);
    let (model, new) = (file("model.anoonly"), file("new.csv"));
    let scores = |name: &str| {
        done(anoonly(["score", &model, &new, "--out", &file(name)]));
        let mut rows = csv::Reader::from_path(file(name)).unwrap();
        rows.records().map(|row| row.unwrap()).collect::<Vec<_>>()
    };
    let before = scores("before.csv");
    let flagged = |rule: &[&str]| {
        done(anoonly([&["threshold", model.as_str()], rule].concat()));
        let after = scores("after.csv");
        assert!(before.iter().zip(&after).all(|(a, b)| a.iter().zip(b.iter()).take(4).all(|(a, b)| a == b)));
        after.iter().filter(|row| &row[4] == "true").count()
    };
    let strict = flagged(&["--fpr", "0.02"]);
    let loose = flagged(&["--share", "0.3"]);
    assert!(strict < loose && loose < 400, "{strict}, {loose}");
    assert_eq!(flagged(&["--score", "-1e30"]), 400);
    // Benjamini and Hochberg's rule flags no row whose p-value is above the rate.
    assert!(flagged(&["--fdr", "0.9"]) <= flagged(&["--fpr", "0.9"]));
    assert!(flagged(&["--max-f1", &new, "--label", "fraud"]) >= 10);
    for (rule, expected) in [
        (&["--fpr", "0.000001"][..], "needs at least"),
        (&["--share", "2"], "share"),
        (&["--fdr", "0"], "0"),
        (&["--score", "nan"], "finite"),
        (&[], "--fpr"),
        (&["--fpr", "0.1", "--share", "0.1"], "cannot be used with"),
    ] {
        let output = anoonly([&["threshold", model.as_str()], rule].concat());
        assert_eq!(output.status.code(), Some(2), "{rule:?}");
        assert!(stderr(&output).contains(expected), "{rule:?}: {}", stderr(&output));
    }
    trained(&file, &["--held-out", "0"]);
    let output = anoonly(["threshold", &model, "--fpr", "0.1"]);
    assert!(stderr(&output).contains("--held-out"), "{}", stderr(&output));
}

#[test]
fn values_unseen_in_training_are_refused_unless_lenient() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let model = file("model.anoonly");
    for (name, content, expected) in [
        (
            "category.csv",
            "id,amount,city,time,age\nA,1,Rome,2026-01-01,3\nB,1,Bonn,2026-01-01,3\n",
            "`city`, row 2: the category `Bonn` did not occur in training",
        ),
        ("column.csv", "id,amount,city,age\nA,1,Rome,3\n", "no column `time`"),
        ("kind.csv", "id,amount,city,time,age\nA,much,Rome,2026-01-01,3\n", "`amount`, row 1: `much` is not a number"),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
        let output = anoonly(["score", &model, &file(name)]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        done(anoonly(["score", &model, &file(name), "--lenient"]));
    }
}

/// Files that no model can be trained on: a message of one line, exit code 2, and no file is written.
#[test]
fn bad_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rows = |cell: &dyn Fn(usize) -> String| -> String {
        (0..30).map(|row| format!("{},{}\n", cell(row), row / 28)).collect()
    };
    let with_header = |rows: String| format!("x,label\n{rows}").into_bytes();
    let number = |row: usize| row.to_string();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.csv", Vec::new(), "the table has no rows"),
        ("header.csv", b"x,label\n".to_vec(), "the table has no rows"),
        ("twice.csv", b"x,x,label\n1,2,0\n".to_vec(), "two columns are named `x`"),
        ("ragged.csv", b"x,label\n1,0\n2\n".to_vec(), "row 2 (line 3) has 1 field, but the header has 2"),
        (
            "mixed.csv",
            with_header(rows(&|row| if row == 20 { "red".into() } else { row.to_string() })),
            "row 21: `red` is not a number",
        ),
        ("missing.csv", with_header(rows(&|_| String::new())), "no column to learn from"),
        ("constant.csv", with_header(rows(&|_| "7".into())), "no column to learn from"),
        (
            "infinite.csv",
            with_header(rows(&|row| if row == 4 { "inf".into() } else { row.to_string() })),
            "row 5: the value is inf",
        ),
        ("latin1.csv", b"x,label\n\xe9,0\n".to_vec(), "column `x`, row 1: the value is not UTF-8"),
        ("all.csv", with_header((0..30).map(|row| format!("{row},1\n")).collect()), "every row is labelled an anomaly"),
        (
            "words.csv",
            with_header((0..30).map(|row| format!("{row},maybe\n")).collect()),
            "`maybe` is neither an anomaly nor a normal label",
        ),
        ("nolabel.csv", b"x,y\n1,0\n".to_vec(), "no label column `label`"),
        ("notgzip.csv.gz", with_header(rows(&number)), "not gzip"),
        ("noparquet.parquet", with_header(rows(&number)), "noparquet.parquet"),
        ("noarrow.arrow", with_header(rows(&number)), "noarrow.arrow"),
        ("table.xlsx", with_header(rows(&number)), "unknown file format"),
        ("folder.csv", Vec::new(), "directory"),
    ];
    for (name, content, expected) in cases {
        let path: PathBuf = folder.path().join(name);
        match name {
            "folder.csv" => fs::create_dir(&path).unwrap(),
            _ => fs::write(&path, content).unwrap(),
        }
        let model = folder.path().join("model.anoonly");
        let output = anoonly(["train", path.to_str().unwrap(), "--label", "label", "--out", model.to_str().unwrap()]);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{name}: {error}");
        assert!(error.contains(expected), "{name}: `{expected}` is not in: {error}");
        assert!(!model.exists(), "{name}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 17, "{left:?}");
}

#[test]
fn options_are_checked_before_the_fit() {
    let (_folder, file) = tables();
    for (options, expected) in [
        (&["--drop", "amuont"][..], "no column `amuont`; did you mean amount"),
        (&["--ensemble", "0"], "--ensemble: at least one member"),
        (&["--held-out", "1"], "--held-out"),
        (&["--model", "devnt"], "did you mean devnet"),
        (&["--anomaly", "fraudulent"], "column `fraud`: no row holds `fraudulent`"),
        (&["--config", "/no/such.toml"], "/no/such.toml"),
        (&["--drop", "amount,city,time,age,currency"], "no column to learn from"),
    ] {
        let (train, model) = (file("train.csv"), file("model.anoonly"));
        let output = anoonly([&["train", &train, "--label", "fraud", "--id", "id", "--out", &model], options].concat());
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {error}");
        assert!(error.contains(expected), "{options:?}: {error}");
        assert!(!Path::new(&model).exists());
    }
}

#[test]
fn inspect_describes_a_model() {
    let (_folder, file) = tables();
    trained(&file, &["--validate", "--model", "deepsad", "--strategy", "host"]);
    let printed = done(anoonly(["inspect", &file("model.anoonly")]));
    for words in [
        "trained on train.csv",
        "20 labelled anomalies",
        "| city     | category | one of Cairo, Lima, Oslo, Rome ",
        "| currency |          | left out ",
        "deepsad",
        "validated on 5 folds",
    ] {
        assert!(printed.contains(words), "`{words}` is not in: {printed}");
    }
    let threshold = done(anoonly(["threshold", &file("model.anoonly"), "--fpr", "0.1", "--json"]));
    let inspected = done(anoonly(["inspect", &file("model.anoonly"), "--json"]));
    // With the same digits.
    assert!(inspected.contains(&format!("\"threshold\":{}", threshold.trim())), "{threshold} is not in {inspected}");
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["members"].as_array().unwrap().len(), 2);
    let output = anoonly(["inspect", &file("train.csv")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("train.csv"), "{}", stderr(&output));
}

/// A file of format 1 has no digest: this is said once on standard error, and by `inspect`. Setting a threshold adds a digest.
#[test]
fn a_model_without_a_digest_is_read_with_a_warning() {
    let (_folder, file) = tables();
    let model = file("model.anoonly");
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/anoonly/fixtures/format-1.anoonly");
    std::fs::copy(old, &model).unwrap();
    let output = anoonly(["inspect", &model]);
    let (said, warning) = (String::from_utf8(output.stdout.clone()).unwrap(), stderr(&output));
    assert!(said.starts_with("model format 1: no digest"), "{said}");
    assert!(warning.lines().count() == 1 && warning.contains("has no digest"), "{warning}");
    done(anoonly(["threshold", &model, "--fpr", "0.1"]));
    let output = anoonly(["inspect", &model, "--json"]);
    assert_eq!(stderr(&output), "");
    let inspected: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&inspected["file"]["format"], &inspected["file"]["verified"]), (&2.into(), &true.into()));
}

#[test]
fn the_highest_scores_are_explained_by_the_columns_of_the_table() {
    let (_folder, file) = tables();
    trained(&file, &[]);
    let (model, new, page) = (file("model.anoonly"), file("new.csv"), file("page.html"));
    let explained: serde_json::Value =
        serde_json::from_str(&done(anoonly(["explain", &model, &new, "--top", "5", "--json"]))).unwrap();
    let rows = explained.as_array().unwrap();
    assert_eq!(rows.len(), 5);
    let scored: serde_json::Value =
        serde_json::from_str(&done(anoonly(["score", &model, &new, "--top", "5", "--json"]))).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    for (row, scored) in rows.iter().zip(scored.as_array().unwrap()) {
        assert_eq!(row["rank"], scored["rank"]);
        assert!((number(&row["score"]) - number(&scored["score"])).abs() <= 1e-5, "{row} and {scored}");
        assert_eq!(row["row"][0][1], scored["id"]);
        let parts = row["contributions"].as_array().unwrap();
        let mut columns: Vec<&str> = parts.iter().map(|part| part["column"].as_str().unwrap()).collect();
        columns.sort_unstable();
        assert_eq!(columns, ["age", "amount", "city", "time"]);
        let sum: f64 = parts.iter().map(|part| number(&part["contribution"])).sum();
        let difference = number(&row["score"]) - number(&row["baseline"]);
        assert!((sum + number(&row["remainder"]) - difference).abs() <= 1e-4 * difference.abs(), "{row}");
        assert!(number(&row["remainder"]).abs() <= 2e-3 * difference.abs(), "{row}");
        // Anomalies differ by amount, city and hour, but not by age.
        let of = |name: &str| parts.iter().find(|part| part["column"] == name).unwrap();
        assert_eq!(of("city")["value"], "Cairo");
        let context = |name: &str| of(name)["context"].clone();
        assert_eq!((&context("city")["kind"], &context("amount")["kind"]), (&"category".into(), &"number".into()));
        assert_eq!(
            context("city")["text"],
            format!("{} % of rows", (1000.0 * number(&context("city")["share"])).round() / 10.0)
        );
        assert!(number(&context("amount")["lower"]) > 0.9, "{row}");
        assert!(number(&of("amount")["contribution"]) > 0.0 && number(&of("city")["contribution"]) > 0.0, "{row}");
    }

    let table = done(anoonly(["explain", &model, &new, "--top", "5", "--columns", "2", "--html", &page]));
    assert!(
        table.contains("| rank ") && table.contains("city = Cairo, ") && table.contains(" % of rows (+"),
        "{table}"
    );
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("Cairo") && !html.contains("http:") && !html.contains("https:"));
    assert_eq!(html.matches("<section>").count(), 5);

    for (words, expected) in [(["--top", "0"], "--top"), (["--html", "/no/such/folder/page.html"], "/no/such/folder")] {
        let output = anoonly(["explain", &model, &new, words[0], words[1]]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
    trained(&file, &["--model", "mean-difference"]);
    done(anoonly(["explain", &model, &new, "--top", "1"]));
}

/// The names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// On a full disk, every output is an error and leaves nothing behind. The disk is a small file system of its own.
#[cfg(target_os = "linux")]
#[test]
#[cfg_attr(not(private_mounts), ignore = "needs the right to mount a file system")]
fn a_full_disk_is_reported_and_leaves_no_partial_file() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let program = command([""; 0]).get_program().to_owned();
    let script = r#"
        mount -t tmpfs -o size=64k tmpfs disk || exit 77
        head -c 65536 /dev/zero > disk/filler 2>/dev/null
        run() { "$0" "$@" 2>> errors; echo "$?"; }
        run train train.csv --label fraud --id id --ensemble 1 --out disk/model.anoonly > codes
        run score model.anoonly new.csv --out disk/scores.csv >> codes
        run score model.anoonly new.csv --out disk/scores.parquet >> codes
        run explain model.anoonly new.csv --html disk/page.html > last
        tail -n 1 last >> codes
        ls -A disk > left
    "#;
    let done = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(program)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", stderr(&done));
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("codes").lines().filter(|line| *line == "2").count(), 4, "{}{}", read("codes"), read("errors"));
    for path in ["disk/model.anoonly", "disk/scores.csv", "disk/scores.parquet", "disk/page.html"] {
        assert!(read("errors").contains(&format!("cannot write {path}: ")), "{path}: {}", read("errors"));
    }
    assert_eq!(read("left"), "filler\n");
}

#[test]
fn unreadable_and_unwritable_paths_are_named() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let (train, model, new) = (file("train.csv"), file("model.anoonly"), file("new.csv"));
    let before = names(folder.path());
    for (words, expected) in [
        (
            &["train", &train, "--label", "fraud", "--ensemble", "1", "--out", "/proc/model.anoonly"][..],
            "/proc/model.anoonly",
        ),
        (&["score", &model, &new, "--out", "/proc/scores.csv"], "/proc/scores.csv"),
        (&["score", &model, "/no/such/table.csv"], "/no/such/table.csv"),
        (&["score", "/no/such/model.anoonly", &new], "/no/such/model.anoonly"),
        (&["evaluate", &model, "/no/such/table.csv", "--label", "fraud"], "/no/such/table.csv"),
        (&["inspect", folder.path().to_str().unwrap()], folder.path().to_str().unwrap()),
    ] {
        let output = anoonly(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{words:?}: {}", stderr(&output));
    }
    assert_eq!(names(folder.path()), before);
}

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
