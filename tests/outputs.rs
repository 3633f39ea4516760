//! Outputs: none replaces an input, devices and links stay, permissions are kept, and nothing is left behind.

use std::fs;
use std::path::Path;

use anoonly_system_tests::{anoonly, command, done, stderr, tables, trained};

/// Expects an error of one line with exit code 2 and these words.
#[track_caller]
fn refused(arguments: &[&str], expected: &[&str]) {
    let output = anoonly(arguments);
    let error = stderr(&output);
    assert_eq!((output.status.code(), error.trim_end().lines().count()), (Some(2), 1), "{arguments:?}: {error}");
    for words in expected {
        assert!(error.contains(words), "{arguments:?}: `{words}` is not in: {error}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn no_output_replaces_an_input() {
    let (_folder, file) = tables();
    trained(&file, &[]);
    let (train, new, model) = (file("train.csv"), file("new.csv"), file("model.anoonly"));
    let config = file("settings.toml");
    fs::write(&config, "").unwrap();
    let other = file("other.csv");
    fs::hard_link(&new, &other).unwrap();
    let same = "is the same file as";
    let before: Vec<Vec<u8>> = [&train, &new, &model, &config].map(|path| fs::read(path).unwrap()).to_vec();
    let fit = ["train", &train, "--label", "fraud", "--out"];
    refused(&[&fit[..], &[&train]].concat(), &["--out", same, "the table", &train]);
    refused(&[&fit[..], &[&config, "--config", &config]].concat(), &["--out", same, "the settings"]);
    refused(&["score", &model, &new, "--out", &new], &["--out", same, "the table"]);
    refused(&["score", &model, &new, "--out", &other], &[&other, &new, same]);
    refused(&["explain", &model, &new, "--html", &model], &["--html", same, "the model"]);
    refused(&["explain", &model, &new, "--html", &other], &["--html", same, "the table"]);
    refused(&["evaluate", &model, &new, "--label", "fraud", "--report", &new], &["--report", same, "the table"]);
    refused(&["evaluate", &model, &new, "--label", "fraud", "--report", &model], &["--report", same, "the model"]);
    refused(&["export", &model, "--out", &model], &["--out", same, "the model"]);
    refused(&["bench", "--data", &new, "--out", &file("out"), "--report", &other], &["--report", same, "the data"]);
    refused(&["bench", "--plan", &config, "--out", &file("out"), "--report", &config], &["--report", same, "the plan"]);
    assert!(!Path::new(&file("out")).exists());
    let after: Vec<Vec<u8>> = [&train, &new, &model, &config].map(|path| fs::read(path).unwrap()).to_vec();
    assert_eq!(before, after);
    // From standard input as well.
    #[cfg(unix)]
    {
        let output = anoonly_system_tests::command(["score", &model, "-", "--out", &new])
            .stdin(fs::File::open(&new).unwrap())
            .output()
            .unwrap();
        assert!(stderr(&output).contains("is the same file as the table -"), "{}", stderr(&output));
        assert_eq!(fs::read(&new).unwrap(), before[1]);
    }
}

/// The table does not exist, so whatever is reported was noticed before it was opened.
#[test]
fn a_wrong_output_is_reported_before_any_work() {
    let (folder, file) = tables();
    trained(&file, &[]);
    let (absent, model) = (file("absent.csv"), file("model.anoonly"));
    let place = folder.path().to_str().unwrap();
    let nowhere = file("nowhere");
    let missing = format!("no folder `{nowhere}`");
    let in_nowhere = |name: &str| format!("{nowhere}/{name}");
    for (out, expected) in [(in_nowhere("m.anoonly").as_str(), missing.as_str()), (place, "it is a folder")] {
        refused(&["train", &absent, "--label", "fraud", "--out", out], &[out, expected]);
        refused(&["explain", &model, &absent, "--html", out], &[out, expected]);
        refused(&["evaluate", &model, &absent, "--label", "fraud", "--report", out], &[out, expected]);
        refused(&["export", &model, "--out", out], &[out, expected]);
    }
    refused(&["score", &model, &absent, "--out", &in_nowhere("s.csv")], &[&missing]);
    refused(&["score", &model, &absent, "--out", &file("scores.txt")], &["must end in .csv or .parquet"]);
    refused(&["bench", "--data", &absent, "--out", &file("train.csv")], &["it is a file, not a folder"]);
    refused(&["data", "fetch", "6_cardio", "--to", &file("train.csv")], &["it is a file, not a folder"]);
}

#[test]
fn names_of_columns_are_checked_at_once_and_may_hold_commas() {
    let (folder, file) = tables();
    let absent = file("absent.csv");
    for option in ["--id", "--drop", "--category"] {
        refused(&["train", &absent, "--label", "y", option, "x,x"], &[option, "`x` is named twice"]);
        refused(&["train", &absent, "--label", "y", option, "x", option, "\"x\",y"], &["`x` is named twice"]);
    }
    let rows: String = (0..60).map(|row| format!("{},{},{row},{}\n", row % 7, row * row % 57, row / 57)).collect();
    fs::write(folder.path().join("commas.csv"), format!("\"a, b\",c,\"d,\"\"e\"\"\",y\n{rows}")).unwrap();
    let arguments = ["--drop", "\"a, b\"", "--id", "\"d,\"\"e\"\"\"", "--out", &file("m.anoonly")];
    done(anoonly([&["train", &file("commas.csv"), "--label", "y"], &arguments[..]].concat()));
    let about = done(anoonly(["inspect", &file("m.anoonly"), "--json"]));
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    assert_eq!((about["ids"][0].as_str(), about["columns"].as_array().unwrap().len()), (Some("d,\"e\""), 1));
    let table = anoonly::Table::read(file("commas.csv").as_ref()).unwrap();
    let error = anoonly::TableDetector::quorum().ids(&["c", "c"]).fit(&table, "y").unwrap_err();
    assert_eq!(error.to_string(), "identifier columns: `c` is named twice");
}

#[cfg(unix)]
#[test]
fn links_and_devices_stay_and_permissions_are_kept() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let (folder, file) = tables();
    trained(&file, &[]);
    let (new, model, latest) = (file("new.csv"), file("model.anoonly"), file("latest.anoonly"));
    symlink("model.anoonly", &latest).unwrap();
    fs::set_permissions(&model, PermissionsExt::from_mode(0o600)).unwrap();
    done(anoonly(["threshold", &latest, "--fpr", "0.05"]));
    assert!(fs::symlink_metadata(&latest).unwrap().is_symlink());
    assert!(done(anoonly(["inspect", &model])).contains("flagged with a probability of at most 0.05"));
    done(anoonly(["train", &file("train.csv"), "--label", "fraud", "--out", &latest]));
    assert!(fs::symlink_metadata(&latest).unwrap().is_symlink());
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&model), 0o600);
    let scores = file("scores.csv");
    fs::write(&scores, "").unwrap();
    fs::set_permissions(&scores, PermissionsExt::from_mode(0o640)).unwrap();
    done(anoonly(["score", &model, &new, "--out", &scores]));
    assert_eq!((mode(&scores), fs::read_to_string(&scores).unwrap().lines().count()), (0o640, 401));

    done(anoonly(["train", &file("train.csv"), "--label", "fraud", "--out", "/dev/null"]));
    done(anoonly(["explain", &model, &new, "--top", "1", "--html", "/dev/null"]));
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    // A file to which the shell appends keeps what it has.
    let log = file("log.html");
    fs::write(&log, "before\n").unwrap();
    let appended = fs::OpenOptions::new().append(true).open(&log).unwrap();
    let mut explain = command(["explain", &model, &new, "--top", "1", "--html", "/dev/stdout"]);
    assert!(explain.stdout(appended).status().unwrap().success());
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.starts_with("before\n") && text.contains("</html>"), "{text}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().starts_with('.')), "{left:?}");
}

#[cfg(unix)]
#[test]
fn an_output_name_that_is_not_utf8_is_shown_as_far_as_it_is() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;
    let (folder, file) = tables();
    let name = |bytes: &[u8]| folder.path().join(OsStr::from_bytes(bytes)).into_os_string();
    let word = |text: &str| OsString::from(text);
    let model = name(b"o\xff.anoonly");
    let fit = ["train", &file("train.csv"), "--label", "fraud", "--json", "--out"].map(word);
    let printed = done(anoonly([&fit[..], std::slice::from_ref(&model)].concat()));
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(printed["model"].as_str().unwrap().ends_with("o\u{fffd}.anoonly"), "{printed}");
    let scores = [word("score"), model, word(&file("new.csv")), word("--json"), word("--out"), name(b"s\xff.csv")];
    let printed: serde_json::Value = serde_json::from_str(&done(anoonly(scores))).unwrap();
    assert!(printed["scores"].as_str().unwrap().ends_with("s\u{fffd}.csv"), "{printed}");
}

/// While `score` waits for more of its input, it has written identifiers to a temporary file, and its output has been begun or not.
#[cfg(unix)]
#[test]
fn a_signal_leaves_no_file_behind() {
    use std::io::Write;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};
    let (folder, file) = tables();
    trained(&file, &[]);
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let entries = |place: &Path| -> Vec<String> {
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    // A process inherits which signals are ignored, as under `nohup`.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    let rows = fs::read_to_string(file("new.csv")).unwrap();
    let (header, rows) = rows.split_once('\n').unwrap();
    let signals = [("INT", 2), ("TERM", 15), ("HUP", 1)];
    for (signal, number) in signals.into_iter().filter(|(_, number)| ignored >> (number - 1) & 1 == 0) {
        let mut scoring =
            anoonly_system_tests::command(["score", &file("model.anoonly"), "-", "--out", &file("scores.csv")])
                .env("TMPDIR", &temporary)
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
        let mut stdin = scoring.stdin.take().unwrap();
        // More than a pipe holds: when all is written, some of it has been read, after the signals are listened for.
        stdin.write_all(format!("{header}\n{}", rows.repeat(20)).as_bytes()).unwrap();
        assert!(entries(&temporary).is_empty(), "identifiers have a name: {:?}", entries(&temporary));
        let sent = Command::new("kill").args([format!("-{signal}"), scoring.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = scoring.wait().unwrap();
        drop(stdin);
        assert_eq!((ended.code(), ended.signal()), (Some(128 + number), None));
        assert!(entries(&temporary).is_empty());
        assert!(entries(folder.path()).iter().all(|name| !name.starts_with('.') && name != "scores.csv"));
    }
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
