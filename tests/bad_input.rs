//! Errors in the input: one line that names the place, exit code 2, and no file is written.

use std::fs;
use std::path::Path;

use anoonly_system_tests::{anoonly, stderr};

/// Runs a bench on a folder with this one file and expects an error about it.
#[track_caller]
fn refused(file: &str, content: &[u8], options: &[&str], expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    if !file.is_empty() {
        fs::write(data.join(file), content).unwrap();
    }
    refused_in(&data, options, expected);
}

#[track_caller]
fn refused_in(data: &Path, options: &[&str], expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut arguments = vec!["bench", "--data", data.to_str().unwrap(), "--out", out.to_str().unwrap(), "--seeds", "1"];
    arguments.extend(options);
    let output = anoonly(&arguments);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{options:?}: {error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{options:?}: {error}");
    for words in expected {
        assert!(error.contains(words), "`{words}` is not in: {error}");
    }
    assert!(output.stdout.is_empty());
    assert!(!out.exists(), "something was written");
}

/// A CSV file of `rows` rows. The first `anomalies` rows are anomalies; `cell` gives the feature of a row.
fn csv(rows: usize, anomalies: usize, cell: impl Fn(usize) -> String) -> Vec<u8> {
    let lines = (0..rows).map(|row| format!("{},{}\n", cell(row), usize::from(row < anomalies)));
    format!("amount,label\n{}", lines.collect::<String>()).into_bytes()
}

#[test]
fn files() {
    refused_in(Path::new("/no/such/folder"), &[], &["/no/such/folder", "No such file"]);
    refused("", b"", &[], &["no .npz, .csv, .parquet or Arrow file"]);
    refused("a.npz", b"PK", &[], &["a.npz", "not an npz archive"]);
    refused("a.parquet", b"PAR1", &[], &["a.parquet"]);
    refused("a.csv", b"amount,kind\n1,0\n", &[], &["a.csv", "no label column `label` or `y`", "amount, kind"]);
    // An empty zip archive: an npz file without X and y.
    let empty_zip = [&b"PK\x05\x06"[..], &[0; 18]].concat();
    refused("a.npz", &empty_zip, &[], &["a.npz", "no array `X`"]);
}

#[test]
fn cells() {
    let with = |row: usize, value: &'static str| move |r: usize| if r == row { value.into() } else { r.to_string() };
    refused("a.csv", &csv(50, 5, with(3, "red")), &[], &["a.csv", "`amount`", "row 4", "`red`", "not a number"]);
    refused("a.csv", &csv(50, 5, with(7, "NaN")), &[], &["a.csv", "`amount`", "row 8", "NaN"]);
    refused("a.csv", &csv(50, 5, with(7, "inf")), &[], &["a.csv", "`amount`", "row 8", "inf"]);
    refused("a.csv", &csv(50, 5, with(0, "")), &[], &["a.csv", "`amount`", "row 1", "missing"]);
    refused("a.csv", b"x,label\n1,0\n2,\n", &[], &["a.csv", "row 2 has no label"]);
    refused("a.csv", b"x,label,y\n1,0,0\n2,1,1\n", &[], &["a.csv", "`label` and `y`"]);
    refused("a\n.csv", b"x,label\n1,0\n2,7\n", &[], &["a\\n.csv", "row 2"]);
    refused("a.csv", b"x,label\n1,0\n2,7\n", &[], &["a.csv", "`label`", "row 2", "`7`", "1 for an anomaly"]);
}

#[test]
fn labels() {
    let plain = |row: usize| row.to_string();
    refused("a.csv", &csv(50, 0, plain), &[], &["data set `a`", "no row is labelled an anomaly"]);
    refused("a.csv", &csv(50, 1, plain), &[], &["data set `a`", "1 anomalies and 49 other rows"]);
    refused("a.csv", &csv(50, 50, plain), &[], &["data set `a`", "50 anomalies and 0 other rows"]);
    let few = &["--label-count", "30"];
    refused("a.csv", &csv(100, 20, plain), few, &["data set `a`", "30 labelled anomalies", "hold only 14"]);
    refused("a.csv", &csv(100, 20, plain), &["--label-ratio", "1.5"], &["label ratio 1.5"]);
    refused("a.csv", &csv(100, 20, |_| "1".into()), &[], &["data set `a`", "too many equal rows"]);
}

#[test]
fn names_and_options() {
    let embedded = Path::new("embedded");
    refused_in(embedded, &["--datasets", "vine"], &["`vine`", "did you mean wine"]);
    refused_in(embedded, &["--datasets", "wine,sign*"], &["`sign*`", "digits"]);
    refused_in(embedded, &["--models", "devnte"], &["`devnte`", "devnet"]);
    refused_in(embedded, &["--threads", "0"], &["--threads"]);
    refused_in(embedded, &["--models", "devnet,devnet"], &["--models", "devnet", "twice"]);
    refused_in(embedded, &["--config", "/no/such.toml"], &["/no/such.toml", "No such file"]);
    refused_in(embedded, &["--reference", "/no/such.csv"], &["/no/such.csv", "No such file"]);
    refused_in(embedded, &["--strategies", "host,host"], &["--strategies", "twice"]);
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
        let path = folder.path().join(name);
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
