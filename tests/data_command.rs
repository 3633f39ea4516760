//! `anoonly data`: the list, the description of a data set, and downloads from a local server.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;

use anoonly::core::Digest;
use anoonly::data::fetch::known;
use anoonly_system_tests::{adbench_data, command, stderr};

/// Serves the files of a folder until the tests end; returns the address.
fn serve(root: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let lines: Vec<String> =
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let Some(path) = lines.first().and_then(|line| line.split(' ').nth(1)) else { continue };
            let (status, body) = match fs::read(root.join(path.trim_start_matches('/'))) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = (&stream).write_all(&[head.as_bytes(), &body].concat());
        }
    });
    format!("http://{address}")
}

/// `anoonly data` with its own cache folder. A proxy is set that does not exist: requests to this machine must not use it.
fn data(cache: &Path, words: &[&str]) -> Output {
    let mut command = command(["data"].iter().chain(words));
    command
        .env("ANOONLY_CACHE", cache)
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    command.output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> &str {
    assert!(output.status.success(), "{}", stderr(output));
    assert_eq!(stderr(output), "");
    std::str::from_utf8(&output.stdout).unwrap()
}

#[track_caller]
fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(done(output)).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32, expected: &[&str]) {
    let error = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    assert!(output.stdout.is_empty());
    for words in expected {
        assert!(error.contains(words), "`{words}` is not in: {error}");
    }
}

/// A table of two rows and three features; one row is an anomaly.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/anoonly-data/fixtures/float64.npz")
}

/// A server with [`fixture`] as a data set that the catalogue does not list. Returns its folder, its address and the file's digest.
fn mirror() -> (tempfile::TempDir, String, String) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("Classical")).unwrap();
    fs::copy(fixture(), root.path().join("Classical/99_made.npz")).unwrap();
    let digest = Digest::of_file(&fixture()).unwrap().to_string();
    let url = serve(root.path().to_owned());
    (root, url, digest)
}

#[test]
fn the_list_names_embedded_and_fetchable_sets() {
    let cache = tempfile::tempdir().unwrap();
    let list = data(cache.path(), &["list", "--json"]);
    let list = json(&list);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 5 + known().len());
    let line = |name: &str| list.iter().find(|line| line["name"] == name).unwrap();
    let wine = line("wine");
    assert_eq!((&wine["rows"], &wine["features"], &wine["anomalies"]), (&132.into(), &13.into(), &13.into()));
    assert_eq!((&wine["at_hand"], &wine["licence"]), (&"embedded".into(), &"CC BY 4.0".into()));
    let cardio = line("Classical/6_cardio");
    assert_eq!((&cardio["rows"], &cardio["anomalies"]), (&1831.into(), &176.into()));
    assert_eq!((&cardio["family"], &cardio["at_hand"]), (&"Classical".into(), &"no".into()));
    assert!(cardio["source"].as_str().unwrap().contains("ADBench"));

    let table = data(cache.path(), &["list"]);
    let table = done(&table);
    let cells = |name: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.contains(&format!("| {name} "))).unwrap();
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    assert_eq!(cells("Classical/6_cardio")[4..], ["no", "1831", "21", "176 (9.6 %)"]);
    assert_eq!(cells("penguins")[3..5], ["CC0 1.0", "embedded"]);
    assert!(table.contains(cache.path().to_str().unwrap()));
}

#[test]
fn info_describes_names_and_files() {
    let cache = tempfile::tempdir().unwrap();
    let about = |target: &str| json(&data(cache.path(), &["info", target, "--json"]));
    let file = about(fixture().to_str().unwrap());
    for (key, value) in [("rows", 2), ("features", 3), ("anomalies", 1), ("repeated_rows", 0)] {
        assert_eq!(file[key], value, "{key}: {file}");
    }
    assert_eq!(file["types"], serde_json::json!(["f64"]));
    assert_eq!(file["sha256"], Digest::of_file(&fixture()).unwrap().to_string());

    let table = cache.path().join("table.csv");
    fs::write(&table, "x,kind\n1,a\n1,a\n").unwrap();
    let plain = about(table.to_str().unwrap());
    assert_eq!((&plain["rows"], &plain["features"]), (&2.into(), &2.into()));
    assert!(plain.get("anomalies").is_none(), "{plain}");
    fs::write(&table, "x,label\n1,0\n1,1\n1,\n").unwrap();
    let repeated = about(table.to_str().unwrap());
    assert_eq!((&repeated["repeated_rows"], &repeated["unlabelled"]), (&2.into(), &1.into()));

    let digits = about("digits_4");
    assert_eq!((&digits["features"], &digits["licence"]), (&64.into(), &"CC BY 4.0".into()));
    let cardio = about("6_cardio");
    assert_eq!(cardio, about("Classical/6_cardio"));
    assert!(cardio["url"].as_str().unwrap().ends_with("/adbench/datasets/Classical/6_cardio.npz"));
    assert!(cardio.get("file").is_none());
    let printed = data(cache.path(), &["info", "6_cardio"]);
    assert!(done(&printed).contains("anomalies      176 (9.6 %)"), "{}", done(&printed));
}

#[test]
fn info_refuses_unknown_names_and_folders() {
    let cache = tempfile::tempdir().unwrap();
    refused(&data(cache.path(), &["info", "penguin"]), 2, &["`penguin`", "did you mean penguins", "anoonly data list"]);
    refused(&data(cache.path(), &["info", "6_cardo"]), 2, &["did you mean 6_cardio"]);
    refused(&data(cache.path(), &["info", "no/such.csv"]), 2, &["no/such.csv", "No such file"]);
    let folder = cache.path().to_str().unwrap();
    refused(&data(cache.path(), &["info", folder]), 2, &[folder, "a folder"]);
}

#[test]
fn a_fetched_set_is_verified_and_cached() {
    let (_root, url, digest) = mirror();
    let cache = tempfile::tempdir().unwrap();
    let words = ["fetch", "Classical/99_made", "--sha256", &digest, "--url", &url];
    let printed = data(cache.path(), &words);
    assert!(done(&printed).contains("Classical/99_made: fetched to "), "{}", done(&printed));
    assert!(done(&printed).contains("anoonly bench --data fetched"));
    assert_eq!(fs::read(cache.path().join("Classical/99_made.npz")).unwrap(), fs::read(fixture()).unwrap());
    let again = data(cache.path(), &words);
    assert!(done(&again).contains("already there"), "{}", done(&again));

    let other = tempfile::tempdir().unwrap();
    let folder = other.path().join("sets");
    let to = data(cache.path(), &[&words[..], &["--to", folder.to_str().unwrap()]].concat());
    assert!(done(&to).contains(&format!("anoonly bench --data {folder:?}")));
    assert!(folder.join("Classical/99_made.npz").is_file());
}

#[test]
fn a_failed_fetch_is_reported_and_leaves_no_file() {
    let (_root, url, digest) = mirror();
    let cache = tempfile::tempdir().unwrap();
    let fetch = |words: &[&str]| data(cache.path(), &[&["fetch", "--url", &url][..], words].concat());
    refused(&fetch(&["6_cardo"]), 2, &["`6_cardo`", "did you mean 6_cardio"]);
    refused(&fetch(&["penguins"]), 2, &["`penguins` ships with the program"]);
    refused(&fetch(&["Classical/33_skin"]), 2, &["Classical/33_skin", "--sha256 HEX"]);
    refused(&fetch(&["Classical/99_made", "--sha256", "abc"]), 2, &["`abc`", "64 hexadecimal digits"]);
    refused(&fetch(&["SVHN_*", "--sha256", &digest]), 2, &["--sha256", "2 data sets"]);
    refused(&fetch(&["6_cardio", "--sha256", &digest]), 2, &["6_cardio", &digest, "leave out --sha256"]);
    refused(&data(cache.path(), &["fetch", "6_cardio", "--url", "ftp://a/b"]), 2, &["ftp://a/b", "https://"]);
    // Errors of the server or the network.
    let missing = format!("{url}/Classical/6_cardio.npz");
    refused(&fetch(&["6_cardio"]), 1, &[&missing, "404 Not Found", "--url"]);
    let other = Digest::of(b"other").to_string();
    refused(&fetch(&["Classical/99_made", "--sha256", &other]), 1, &[&other, &digest, "deleted"]);
    assert!(fs::read_dir(cache.path().join("Classical")).unwrap().next().is_none());
}

#[test]
fn a_bench_runs_on_fetched_sets() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("sets");
    let out = cache.path().join("out");
    let words = ["bench", "--data", "fetched", "--models", "mean-difference", "--seeds", "1", "--out"];
    let bench = || command(words).arg(&out).env("ANOONLY_CACHE", &folder).output().unwrap();
    refused(&bench(), 2, &["--data fetched", "anoonly data fetch NAME"]);
    fs::create_dir_all(folder.join("Classical")).unwrap();
    let lines: String = (0..100).map(|row| format!("{row},{}\n", u8::from(row < 20))).collect();
    fs::write(folder.join("Classical/1_made.csv"), format!("x,label\n{lines}")).unwrap();
    fs::write(folder.join("Classical/2_made.npz.part"), "half").unwrap();
    fs::write(folder.join(".lock"), "").unwrap();
    let ran = bench();
    assert!(ran.status.success(), "{}", stderr(&ran));
    let results = fs::read_to_string(out.join("results.csv")).unwrap();
    assert!(results.contains("1_made") && !results.contains("2_made"), "{results}");
}

#[test]
#[cfg_attr(not(adbench_data), ignore = "needs ADBench's data sets: set ANOONLY_DATA")]
fn the_catalogue_matches_the_downloaded_files() {
    let folder = adbench_data();
    let there = known().iter().filter(|set| folder.join(format!("{}.npz", set.path())).is_file());
    let there: Vec<_> = there.collect();
    assert!(!there.is_empty());
    for set in &there {
        let file = folder.join(format!("{}.npz", set.path()));
        assert_eq!(Digest::of_file(&file).unwrap(), set.sha256, "{}", set.path());
        assert_eq!(fs::metadata(&file).unwrap().len(), set.bytes, "{}", set.path());
    }
    let cache = tempfile::tempdir().unwrap();
    let smallest = there.iter().min_by_key(|set| set.bytes).unwrap();
    let url = serve(folder);
    done(&data(cache.path(), &["fetch", smallest.name, "--url", &url]));
    let about = json(&data(cache.path(), &["info", smallest.name, "--json"]));
    assert_eq!((&about["rows"], &about["sha256"]), (&smallest.rows.into(), &smallest.sha256.to_string().into()));
    assert!(about["file"].is_string() && !about["types"].as_array().unwrap().is_empty(), "{about}");
    let list = json(&data(cache.path(), &["list", "--json"]));
    let fetched = list.as_array().unwrap().iter().filter(|line| line["at_hand"] == "fetched").count();
    assert_eq!(fetched, 1);
}
