//! How the command reads tables: no row is lost, and nothing that is not needed stops it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anoonly::data::table::{Table, TableWriter};
use anoonly_system_tests::{anoonly, command, done, stderr, tables, trained};
use flate2::Compression;
use flate2::write::GzEncoder;

/// A file with a line of a table replaced; `line` counts from 1.
fn with_line(from: &str, to: &str, line: usize, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(from).unwrap();
    let lines = text.lines().enumerate();
    let changed: String =
        lines.map(|(place, text)| if place + 1 == line { change(text) } else { text.to_owned() } + "\n").collect();
    fs::write(to, changed).unwrap();
}

#[track_caller]
fn refused(output: &std::process::Output, expected: &str) {
    let error = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(expected) && error.trim_end().lines().count() == 1, "`{expected}` is not in: {error}");
}

#[test]
fn an_open_quotation_mark_is_refused_by_every_command() {
    let (_folder, file) = tables();
    trained(&file, &[]);
    let (model, train, new) = (file("model.anoonly"), file("open-train.csv"), file("open-new.csv"));
    let opened = |line: &str| line.replacen("EUR", "\"EUR", 1);
    with_line(&file("train.csv"), &train, 101, opened);
    with_line(&file("new.csv"), &new, 151, opened);
    let message = "row 150 (line 151), column currency: a quotation mark is opened and never closed";
    let (out, scores) = (file("refused.anoonly"), file("refused.csv"));
    refused(
        &anoonly(["train", &train, "--label", "fraud", "--out", &out]),
        "row 100 (line 101), column currency: a quotation mark is opened and never closed",
    );
    refused(&anoonly(["score", &model, &new, "--out", &scores]), message);
    refused(&anoonly(["explain", &model, &new]), message);
    refused(&anoonly(["evaluate", &model, &new, "--label", "fraud"]), message);
    let zipped = file("open.csv.gz");
    let mut encoder = GzEncoder::new(fs::File::create(&zipped).unwrap(), Compression::fast());
    encoder.write_all(&fs::read(&new).unwrap()).unwrap();
    encoder.finish().unwrap();
    refused(&anoonly(["score", &model, &zipped, "--out", &scores]), message);
    let mut piped = command(["score", &model, "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(&fs::read(&new).unwrap()).unwrap();
    refused(&piped.wait_with_output().unwrap(), message);
    assert!(!Path::new(&out).exists() && !Path::new(&scores).exists());
}

#[test]
fn rows_of_the_file_are_rows_of_the_model_and_of_the_output() {
    let (_folder, file) = tables();
    let rewritten = |from: &str, to: &str| {
        // Windows line ends, empty lines, values of two lines, and no end of the last line.
        let text = fs::read_to_string(file(from)).unwrap().replace(",Rome,", ",\"Rome\r\nand around\",");
        let text = text.replace('\n', "\r\n").replace("\r\r\n", "\r\n");
        let text = text.replace("EUR,yes\r\n", "EUR,yes\r\n\r\n").replace("EUR,1\r\n", "EUR,1\r\n\r\n\r\n");
        fs::write(file(to), text.trim_end()).unwrap();
    };
    rewritten("train.csv", "odd-train.csv");
    rewritten("new.csv", "odd-new.csv");
    let model = file("odd.anoonly");
    let train = ["train", &file("odd-train.csv"), "--label", "fraud", "--id", "id", "--out", &model, "--json"]
        .map(str::to_owned);
    let trained: serde_json::Value = serde_json::from_str(&done(anoonly(&train))).unwrap();
    assert_eq!(trained["about"]["counts"]["rows"], 1000);
    let parquet = file("odd.parquet");
    let mut writer = TableWriter::create(Path::new(&parquet)).unwrap();
    writer.write(&Table::read(Path::new(&file("odd-new.csv"))).unwrap()).unwrap();
    writer.finish().unwrap();
    for table in [file("odd-new.csv"), parquet] {
        let out = file("odd-scores.csv");
        done(anoonly(["score", &model, &table, "--out", &out]));
        let scores = Table::read(Path::new(&out)).unwrap();
        assert_eq!((scores.rows(), scores.row_text(399)[0].as_str()), (400, "T1399"), "{table}");
    }
}

#[test]
fn columns_that_are_not_used_stop_nothing() {
    let (_folder, file) = tables();
    let (train, new, model) = (file("wide.csv"), file("wide-new.csv"), file("wide.anoonly"));
    // Two columns of one name, and one without a name.
    let widened = |from: &str, to: &str| {
        let text = fs::read_to_string(file(from)).unwrap();
        let wider = |(place, line): (usize, &str)| match place {
            0 => format!("{line},twice,twice,\n"),
            _ => format!("{line},1,2,3\n"),
        };
        fs::write(to, text.lines().enumerate().map(wider).collect::<String>()).unwrap();
    };
    widened("train.csv", &train);
    widened("new.csv", &new);
    let fit =
        |drop: &str| anoonly(["train", &train, "--label", "fraud", "--id", "id", "--drop", drop, "--out", &model]);
    refused(&fit("twice"), "column 10 has no name");
    refused(
        &fit(""),
        "two columns are named `twice`; rename or remove one of them; or leave both out with --drop twice",
    );
    refused(&fit("twice,,twcie"), "no column `twcie`; did you mean twice");
    let printed = done(fit("twice,"));
    assert!(printed.contains("left out") && printed.contains("it was dropped on request"), "{printed}");
    done(anoonly(["score", &model, &new, "--out", &file("wide-scores.csv")]));
    done(anoonly(["explain", &model, &new, "--top", "1"]));
    done(anoonly(["evaluate", &model, &new, "--label", "fraud"]));
    done(anoonly(["threshold", &model, "--max-f1", &new, "--label", "fraud"]));
}

#[test]
fn the_delimiter_can_be_named() {
    let (_folder, file) = tables();
    let (train, model) = (file("colons.csv"), file("colons.anoonly"));
    let text = fs::read_to_string(file("train.csv")).unwrap().replace(':', ".").replace(',', ":");
    fs::write(&train, text).unwrap();
    let arguments = ["train", &train, "--label", "fraud", "--out", &model].map(str::to_owned);
    assert_eq!(anoonly(&arguments).status.code(), Some(2));
    let named = [&arguments[..], &["--delimiter".to_owned(), ":".to_owned()]].concat();
    assert!(done(anoonly(&named)).contains("colons.csv: 1000 rows"));
    let wrong = [&arguments[..], &["--delimiter".to_owned(), "::".to_owned()]].concat();
    refused(&anoonly(&wrong), "must be one ASCII character, or `tab`");
}

#[test]
fn the_limit_of_memory_is_an_option() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.csv.gz");
    let mut encoder = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::best());
    encoder.write_all(format!("x,fraud\n{}", "1,0\n".repeat(400_000)).as_bytes()).unwrap();
    encoder.finish().unwrap();
    let train = ["train", path.to_str().unwrap(), "--label", "fraud", "--memory-limit", "1MiB"];
    refused(&anoonly(train), "the table takes more than 1 MiB of memory, which is the limit");
    refused(&anoonly(train), "--memory-limit sets the limit");
    refused(&anoonly([&train[..5], &["1"]].concat()), "must be a whole number with a unit");
}
