//! The main job through the command.

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;

use anoonly_system_tests::{anoonly, command, stderr};

const HEADER: &str = "dataset,family,model,strategy,protocol,label_ratio,n_labeled,noise,noise_level,seed,n_train,n_test,\
                      n_features,auroc,ap,ap_normal,fit_seconds,score_seconds,backend,status,message,synthetic";

/// Runs a bench and returns its standard output and the rows of its file, without the columns that hold seconds.
fn bench(options: &[&str]) -> (String, Vec<Vec<String>>) {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = vec!["bench", "--out", folder.path().to_str().unwrap()];
    arguments.extend(options);
    let output = anoonly(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    (String::from_utf8(output.stdout).unwrap(), rows(&folder.path().join("results.csv")))
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header.join(","), HEADER);
    let timeless = |record: csv::StringRecord| {
        let cells = record.iter().zip(&header).filter(|(_, name)| !name.ends_with("_seconds"));
        cells.map(|(cell, _)| cell.to_owned()).collect()
    };
    reader.records().map(|record| timeless(record.unwrap())).collect()
}

#[test]
fn results_do_not_depend_on_threads_and_the_table_matches_the_file() {
    let options =
        ["--seeds", "1,2", "--datasets", "wine,penguins", "--models", "devnet,mean-difference,knn", "--threads"];
    let (table, one) = bench(&[&options[..], &["1"]].concat());
    let (_, three) = bench(&[&options[..], &["3"]].concat());
    assert_eq!(one, three);
    // Two sets × two seeds × (DevNet under two strategies + two baselines).
    assert_eq!(one.len(), 16);
    assert!(one.iter().all(|row| row[17] == "ok"));

    // The table's AUROC of the host on wine is the mean of the two rows.
    let of = |row: &&Vec<String>| row[0] == "wine" && row[2] == "devnet" && row[3] == "host";
    let mean = one.iter().filter(of).map(|row| row[13].parse::<f64>().unwrap()).sum::<f64>() / 2.0;
    let line = table.lines().find(|line| line.starts_with("| wine") && line.contains("devnet")).unwrap();
    let shown = line.split('|').nth(4).unwrap().trim();
    assert!(shown.starts_with(&format!("{:.1} ±", 100.0 * mean)), "{shown} is not the mean {mean}");
    assert!(table.contains("devnet: in AUROC, AnoOnly is above its host on"));
}

#[test]
fn options_reach_the_runs() {
    let options = ["--datasets", "digits_*", "--models", "devnet", "--strategies", "anoonly", "--seeds", "7"];
    let (_, clean) = bench(&options);
    assert_eq!(clean.len(), 2);
    assert_eq!(clean[0][..7], ["digits_4", "digits", "devnet", "anoonly", "clean", "0.1", "13"]);
    assert_eq!(clean[0][9..13], ["7", "1257", "540", "64"]);
    let more =
        ["--protocol", "adbench", "--backend", "ndarray", "--label-count", "5", "--datasets", "wine", "--seeds", "1"];
    let (_, adbench) = bench(&[&["--models", "devnet", "--strategies", "host"], &more[..]].concat());
    assert_eq!(adbench[0][3..7], ["host", "adbench", "", "5"]);
    assert_eq!(adbench[0][10..12], ["700", "300"]);
    assert_eq!(adbench[0][16], "ndarray");
}

#[test]
fn seeds_give_different_runs() {
    let (_, rows) = bench(&["--datasets", "penguins", "--models", "devnet", "--seeds", "1,2,3"]);
    let scores: HashSet<&String> = rows.iter().map(|row| &row[13]).collect();
    assert!(scores.len() > 1);
}

#[test]
fn an_ablation_is_listed_beside_host_and_anoonly() {
    let options = ["--datasets", "penguins", "--models", "devnet", "--seeds", "1,2", "--ablation"];
    let (table, rows) = bench(&[&options[..], &["lambda"]].concat());
    assert_eq!(rows.len(), 14);
    for strategy in ["host", "anoonly", "lambda-0.1", "lambda-1"] {
        assert!(
            table.lines().any(|line| line.starts_with("| devnet") && line.contains(strategy)),
            "{strategy}: {table}"
        );
        assert_eq!(rows.iter().filter(|row| row[3] == strategy).count(), 2);
    }
    let (_, norms) = bench(&[&options[..], &["norm"]].concat());
    let of = |rows: &[Vec<String>], strategy: &str| -> Vec<String> {
        rows.iter().filter(|row| row[3] == strategy).map(|row| row[13].clone()).collect()
    };
    assert_eq!(of(&rows, "anoonly"), of(&norms, "anoonly"), "the same runs under another ablation");
    assert_ne!(of(&norms, "no-norm"), of(&norms, "anoonly"));
}

#[test]
fn a_configuration_file_and_a_reference_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("methods.toml");
    std::fs::write(&config, "[devnet]\ndepth = 1\nrecipe.epochs = 3\n").unwrap();
    let reference = folder.path().join("reference.csv");
    let header = "dataset,model,strategy,label_ratio,noise,auroc,ap";
    std::fs::write(&reference, format!("{header}\nwine,devnet,host,0.1,none,0.5,0.25\n")).unwrap();
    let options = ["--datasets", "wine", "--models", "devnet", "--seeds", "1"];
    let (_, plain) = bench(&options);
    let (config, reference) = (config.to_str().unwrap(), reference.to_str().unwrap());
    let (table, changed) = bench(&[&options[..], &["--config", config, "--reference", reference]].concat());
    assert_ne!(plain[0][13], changed[0][13]);
    let own = 100.0 * changed[0][13].parse::<f64>().unwrap();
    let line = table.lines().find(|line| line.contains("50.0")).unwrap();
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    assert_eq!(
        cells[1..8],
        ["devnet", "wine", "1", "host", &format!("{own:.1}"), "50.0", &format!("{:+.1}", own - 50.0)]
    );
}

fn lines(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("runs.jsonl")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_killed_bench_resumes_and_ends_with_the_same_rows() {
    let options = ["--datasets", "wine,penguins,cancer", "--models", "devnet,prenet,knn", "--seeds", "1,2"];
    let (_, whole) = bench(&options);
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["bench", "--threads", "2", "--out", folder.path().to_str().unwrap()], &options[..]].concat();
    let (mut kills, mut before) = (0, 0);
    loop {
        let mut child = command(arguments.iter()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Killed as soon as it has measured five more runs.
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if lines(folder.path()).len() >= before + 5 {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        match ended {
            Some(status) => {
                assert!(status.success());
                break;
            }
            None => kills += 1,
        }
        before = lines(folder.path()).len();
    }
    assert!(kills >= 2, "killed {kills} times");
    assert_eq!(rows(&folder.path().join("results.csv")), whole);
    assert_eq!(lines(folder.path()).len(), whole.len(), "a run was measured twice");

    // A further start finds everything stored; with other settings, nothing of DevNet and PReNet.
    let message = |more: &[&str]| stderr(&anoonly([&arguments[..], more].concat())).to_owned();
    assert!(message(&[]).contains("30 runs on 2 threads; 30 of them are already in"), "{}", message(&[]));
    let config = folder.path().join("methods.toml");
    std::fs::write(&config, "[devnet]\nrecipe.epochs = 2\n[prenet]\nrecipe.epochs = 2\n").unwrap();
    let message = message(&["--config", config.to_str().unwrap()]);
    assert!(message.contains("30 runs on 2 threads; 6 of them are already in"), "{message}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_bench_finishes_its_current_runs_and_says_how_to_resume() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let arguments = ["bench", "--threads", "1", "--out", place, "--datasets", "wine", "--models", "prenet"];
    let mut child = command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while lines(folder.path()).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "ended before it was stopped");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let stopped = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let kept = lines(folder.path()).len();
    assert!((1..10).contains(&kept), "{kept} of 10 runs");
    let expected = format!("stopped: {kept} of 10 runs are measured and kept; the same bench continues from there");
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
    assert!(!folder.path().join("results.csv").exists(), "a table of an incomplete bench");

    let output = anoonly(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains(&format!("; {kept} of them are already in")), "{}", stderr(&output));
    assert_eq!(lines(folder.path()).len(), 10);
}

#[test]
fn shards_merge_into_the_whole_grid() {
    let options = ["--datasets", "wine,penguins", "--models", "devnet,knn", "--seeds", "1,2,3"];
    let (table, whole) = bench(&options);
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for part in ["1", "2", "3"] {
        let output =
            anoonly([&["bench", "--out", &place(part), "--shard", &format!("{part}/3")], &options[..]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let merge = |out: &str, parts: &[&str]| {
        let parts: Vec<String> = parts.iter().map(|part| place(part)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        anoonly([&["bench", "--out", &place(out), "merge"], &parts[..]].concat())
    };
    let output = merge("all", &["3", "1", "2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(rows(&folder.path().join("all/results.csv")), whole);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), table);

    let other = anoonly([&["bench", "--out", &place("other"), "--protocol", "adbench"], &options[..]].concat());
    assert!(other.status.success(), "{}", stderr(&other));
    for (parts, expected) in
        [(["1", "other"], "do not belong in one table"), (["1", "nowhere"], "not a folder of results")]
    {
        let output = merge("bad", &parts);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

/// Slow methods are spread over all machines.
#[test]
fn every_shard_has_every_method() {
    let options = ["--datasets", "wine", "--models", "mean-difference,logistic,knn,devnet", "--seeds", "1,2,3,4,5"];
    let mut all = 0;
    for part in 1..=4 {
        let (_, rows) = bench(&[&options[..], &["--shard", &format!("{part}/4")]].concat());
        let models: HashSet<&str> = rows.iter().map(|row| row[2].as_str()).collect();
        assert_eq!(models.len(), 4, "part {part}: {models:?}");
        all += rows.len();
    }
    assert_eq!(all, 25);
}

#[test]
fn shards_of_two_configurations_are_not_merged_and_missing_runs_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let config = place("methods.toml");
    std::fs::write(&config, "[devnet]\nrecipe.epochs = 3\n").unwrap();
    let options = ["bench", "--datasets", "wine", "--models", "devnet", "--seeds", "1,2", "--shard"];
    for (out, more) in [("1", &["1/2"][..]), ("2", &["2/2", "--config", &config])] {
        let output = anoonly([&options[..], more, &["--out", &place(out)]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let output = anoonly(["bench", "merge", &place("1"), "--out", &place("half")]);
    assert!(
        output.status.success() && stderr(&output).contains("2 of the grid's 4 runs are in none"),
        "{}",
        stderr(&output)
    );
    let output = anoonly(["bench", "merge", &place("1"), &place("2"), "--out", &place("all")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("two configurations"), "{}", stderr(&output));
}

#[test]
fn noise_on_the_command_line_overrides_the_noise_and_levels_of_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    let text =
        "datasets = \"wine\"\nmodels = \"knn\"\nseeds = 1\nnoise = \"label-contamination\"\nnoise-level = [0, 0.1]\n";
    std::fs::write(&plan, text).unwrap();
    assert_eq!(bench(&["--plan", plan.to_str().unwrap()]).1.len(), 2);
    assert_eq!(bench(&["--plan", plan.to_str().unwrap(), "--noise", "none"]).1.len(), 1);
}

#[test]
fn the_command_line_overrides_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    let text = "datasets = [\"wine\", \"penguins\"]\nmodels = \"devnet\"\nseeds = [1, 2]\nlabel-ratio = 0.5\n\
                [settings.devnet]\nrecipe.epochs = 3\n";
    std::fs::write(&plan, text).unwrap();
    let plan = plan.to_str().unwrap();
    let (_, planned) = bench(&["--plan", plan]);
    assert_eq!(planned.len(), 8);
    assert!(planned.iter().all(|row| row[5] == "0.5"));
    let (_, other) = bench(&["--plan", plan, "--seeds", "1", "--label-count", "3", "--datasets=wine"]);
    assert_eq!(other.iter().map(|row| &row[6]).collect::<Vec<_>>(), ["3", "3"]);
    let config = folder.path().join("methods.toml");
    std::fs::write(&config, "[devnet]\nrecipe.epochs = 3\n").unwrap();
    let options = ["--datasets", "wine,penguins", "--models", "devnet", "--seeds", "1,2", "--label-ratio", "0.5"];
    let (_, same) = bench(&[&options[..], &["--config", config.to_str().unwrap()]].concat());
    assert_eq!(planned, same);
}

#[cfg(unix)]
#[test]
fn a_plan_works_beside_arguments_that_are_not_unicode() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    std::fs::write(&plan, "datasets = \"wine\"\nmodels = \"knn\"\nseeds = 1\n").unwrap();
    let out = folder.path().join(OsStr::from_bytes(b"results-\xff"));
    let words: Vec<OsString> = vec!["bench".into(), "--plan".into(), plan.into(), "--out".into(), out.clone().into()];
    let output = anoonly(words);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(rows(&out.join("results.csv")).len(), 1);
}

#[test]
fn a_sweep_has_a_row_and_a_column_for_each_level() {
    let options = ["--datasets", "wine", "--models", "devnet,knn", "--seeds", "1,2", "--noise", "label-contamination"];
    let (table, rows) = bench(&[&options[..], &["--noise-level", "0,0.25"]].concat());
    assert_eq!(rows.len(), 12);
    let noise: HashSet<&[String]> = rows.iter().map(|row| &row[7..9]).collect();
    assert_eq!(noise.len(), 2);
    let (_, plain) = bench(&options[..6]);
    let at = |level: &str| rows.iter().filter(|row| row[8] == level).map(|row| row[13].clone()).collect::<Vec<_>>();
    assert_eq!(at("0"), plain.iter().map(|row| row[13].clone()).collect::<Vec<_>>());
    assert_ne!(at("0"), at("0.25"));
    let swept = table.split("AUROC by label-contamination").nth(1).unwrap();
    assert!(swept.lines().any(|line| line.starts_with("| model") && line.contains(" 0.25 ")));
    let line = swept.lines().find(|line| line.starts_with("| knn")).unwrap();
    let mean = 50.0
        * rows
            .iter()
            .filter(|row| row[2] == "knn" && row[8] == "0.25")
            .map(|row| row[13].parse::<f64>().unwrap())
            .sum::<f64>();
    assert!(line.split('|').nth(4).unwrap().trim().starts_with(&format!("{mean:.1} ±")), "{line} is not {mean}");
}

#[test]
fn synthetic_anomalies_are_an_axis_of_the_grid_and_do_not_change_real_ones() {
    let options = ["--datasets", "wine", "--models", "devnet,knn", "--seeds", "1,2"];
    let (_, plain) = bench(&options);
    let (table, rows) = bench(&[&options[..], &["--synthetic", "none,local,dependency"]].concat());
    assert_eq!(rows.len(), 3 * plain.len());
    let of = |kind: &str| rows.iter().filter(|row| row[19] == kind).cloned().collect::<Vec<_>>();
    assert_eq!(of("none"), plain);
    for kind in ["local", "dependency"] {
        let made = of(kind);
        assert!(made.iter().all(|row| row[17] == "ok"));
        assert!(made.iter().zip(&plain).all(|(made, plain)| made[..10] == plain[..10]));
        let auroc = |rows: &[Vec<String>]| rows.iter().map(|row| row[13].clone()).collect::<Vec<_>>();
        assert_ne!(auroc(&made), auroc(&plain));
        assert!(table.contains(&format!("labelled, synthetic anomalies {kind}, backend")), "{table}");
    }
    let swept = table.split("AUROC by synthetic anomalies").nth(1).unwrap();
    let header = swept.lines().find(|line| line.starts_with("| model")).unwrap();
    assert!(["none", "local", "dependency"].iter().all(|kind| header.contains(kind)), "{header}");

    let output = anoonly(["bench", "--synthetic", "local,vine"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("unknown synthetic anomalies `vine`"), "{}", stderr(&output));
    let output = anoonly(["bench", "--synthetic", "local,local"]);
    assert!(stderr(&output).contains("--synthetic: local is listed twice"), "{}", stderr(&output));
}

#[test]
fn normal_clean_is_anomaly_contamination_at_level_zero() {
    let options = ["--datasets", "wine", "--models", "knn", "--seeds", "1", "--noise"];
    let (_, named) = bench(&[&options[..], &["normal-clean"]].concat());
    let (_, level) = bench(&[&options[..], &["anomaly-contamination", "--noise-level", "0"]].concat());
    assert_eq!(named, level);
    assert_eq!(named[0][7..9], ["anomaly-contamination", "0"]);
}

/// Fails when an option changes that a plan in the documentation uses.
#[test]
fn the_plans_in_the_documentation_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/experiments");
    let plans: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let plans: Vec<_> = plans.iter().filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    assert!(plans.len() >= 5);
    let empty = tempfile::tempdir().unwrap();
    for plan in plans {
        // The folder has no data. That must be the only error.
        let output = anoonly(["bench", "--plan", plan.to_str().unwrap(), "--data", empty.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        let message = stderr(&output);
        assert!(message.contains(empty.path().to_str().unwrap()) && !message.contains(".toml"), "{message}");
    }
}

/// Without labels, methods that need none are measured, and the others are left out.
#[test]
fn without_labels_only_methods_that_need_none_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let options = ["bench", "--out", out, "--datasets", "wine", "--seeds", "1", "--label-count"];
    let output = anoonly([&options[..], &["0,2", "--models", "mean-difference,knn"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("without labels, mean-difference is left out, which needs"),
        "{}",
        stderr(&output)
    );
    let rows = rows(&folder.path().join("results.csv"));
    let found: Vec<[&str; 3]> = rows.iter().map(|row| [&row[2], &row[6], &row[17]].map(String::as_str)).collect();
    assert_eq!(found, [["knn", "0", "ok"], ["mean-difference", "2", "ok"], ["knn", "2", "ok"]]);
    assert!(rows[0][13].parse::<f64>().unwrap() > 0.5);
    let table = String::from_utf8(output.stdout).unwrap();
    let swept = table.split("AUROC by labels").nth(1).unwrap();
    let line = swept.lines().find(|line| line.starts_with("| mean-difference")).unwrap();
    assert_eq!(line.split('|').nth(3).unwrap().trim(), "–", "{line}");

    let output = anoonly([&options[..], &["0", "--models", "mean-difference,logistic"]].concat());
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("none of these methods can be fitted: mean-difference, logistic; choose"), "{message}");
    assert!(message.contains("with --models: ") && message.contains("isolation-forest"), "{message}");
}

/// A sweep over label counts works on data sets that have fewer anomalies, and says on how many each count was measured.
#[test]
fn a_set_is_left_out_at_label_counts_that_it_does_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let report = folder.path().join("report.html");
    let options = ["bench", "--datasets", "wine,digits_4", "--models", "mean-difference,knn", "--seeds", "1,2"];
    let words = ["--label-count", "20,3", "--out", out, "--report", report.to_str().unwrap()];
    let output = anoonly([&options[..], &words].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let note = "data sets without enough training anomalies are left out: 20 labelled anomalies on 1 of 2";
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
    let rows = rows(&folder.path().join("results.csv"));
    let of = |count: &str| rows.iter().filter(|row| row[6] == count).map(|row| row[0].as_str()).collect::<HashSet<_>>();
    assert_eq!((of("20"), of("3")), (HashSet::from(["digits_4"]), HashSet::from(["digits_4", "wine"])));
    let table = String::from_utf8(output.stdout).unwrap();
    for part in [
        "Protocol clean, 20 labelled anomalies, 1 of 2 data sets, backend",
        "Protocol clean, 3 labelled anomalies, backend",
        "20 labelled, 1 set | 3 labelled, 2 sets",
        "mean over families of the data sets that have a setting",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let page = std::fs::read_to_string(report).unwrap();
    assert!(page.contains("Data sets: 2 at 3, 1 at 20."), "the figure says nothing about the sets");

    let output = anoonly([&options[..], &["--label-count", "30,20", "--out", out, "--datasets", "wine"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("data set `wine`: 20 labelled anomalies were requested"), "{}", stderr(&output));
}
