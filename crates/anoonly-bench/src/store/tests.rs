//! Tests of the store.

use super::*;
use crate::results::{Scores, Status};
use anoonly_core::synthetic::Synthetic;
use anoonly_train::History;

fn row(seed: u64, status: Status) -> Row {
    Row { seed, status, ..Row::made() }
}

fn ok(auroc: f64) -> Status {
    Status::Ok(Scores { auroc, ap: 0.1 + 0.2, ap_normal: 1.0 / 3.0, fit_seconds: 1e-9, score_seconds: 0.0 })
}

fn at(place: usize) -> Place {
    Place { place, ..Place::default() }
}

fn key(name: &str) -> Key {
    Key(name.into())
}

#[test]
fn runs_are_read_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::<Row>::open(folder.path()).unwrap();
    store.add(key("b"), at(1), &row(2, ok(0.7))).unwrap();
    store.add(key("a"), at(0), &row(1, Status::Failed("no\nluck".into()))).unwrap();
    drop(store);
    let store = Store::<Row>::open(folder.path()).unwrap();
    assert_eq!(store.measured(&key("b")).unwrap(), &row(2, ok(0.7)));
    assert!(store.measured(&key("a")).is_none(), "a failed run is repeated");
    assert!(store.measured(&key("c")).is_none());
    store.add(key("a"), at(0), &row(1, ok(0.5))).unwrap();
    drop(store);
    assert!(Store::<Row>::open(folder.path()).unwrap().measured(&key("a")).is_some());
}

fn detailed(seed: u64, loss: f64) -> Row {
    let history = History { losses: vec![loss], kept_epoch: 1 };
    let details = Details { roc: vec![(0.0, 0.1)], precision_recall: vec![], history, layer: None };
    Row { details: Some(Arc::new(details)), ..row(seed, ok(0.5)) }
}

#[test]
fn details_belong_to_their_run_and_are_written_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::<Row>::open(folder.path()).unwrap();
    store.add(key("a"), at(0), &detailed(1, 0.25)).unwrap();
    store.add(key("b"), at(1), &row(2, ok(0.5))).unwrap();
    drop(store);
    // As after a kill between the two files: without its line in runs.jsonl the run does not exist.
    let runs = std::fs::read_to_string(folder.path().join(Row::RUNS)).unwrap();
    std::fs::write(folder.path().join(Row::RUNS), runs.split_inclusive('\n').skip(1).collect::<String>()).unwrap();
    let store = Store::<Row>::open(folder.path()).unwrap();
    assert!(store.measured(&key("a")).is_none());
    assert_eq!(store.measured(&key("b")).unwrap().details, None);
    store.add(key("a"), at(0), &detailed(1, 0.5)).unwrap();
    store.add_details(key("b"), &detailed(2, 0.75).details.unwrap()).unwrap();
    drop(store);
    let store = Store::<Row>::open(folder.path()).unwrap();
    assert_eq!(store.measured(&key("a")).unwrap(), &detailed(1, 0.5), "the last details count");
    assert_eq!(store.measured(&key("b")).unwrap(), &detailed(2, 0.75));
}

#[test]
fn a_missing_file_of_details_is_accepted_and_a_damaged_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    Store::<Row>::open(folder.path()).unwrap().add(key("a"), at(0), &row(1, ok(0.5))).unwrap();
    std::fs::remove_file(folder.path().join("details.jsonl")).unwrap();
    let store = Store::<Row>::open(folder.path()).unwrap();
    assert_eq!(store.measured(&key("a")).unwrap().details, None);
    drop(store);
    std::fs::write(folder.path().join("details.jsonl"), "{\"key\":\"a\",\"details\":{}}\n").unwrap();
    let message = Store::<Row>::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("details.jsonl: line 1: not the details of a run"), "{message}");
}

#[test]
fn a_merge_adds_details_to_runs_that_are_already_there() {
    let (all, sources) = folders(&[&[("a", 1)], &[], &[]]);
    Store::<Row>::open(&sources[1]).unwrap().add(key("a"), at(1), &detailed(1, 0.25)).unwrap();
    Store::<Row>::open(&sources[2]).unwrap().add(key("b"), at(2), &detailed(2, 0.5)).unwrap();
    let out = all.path().join("out");
    let merged = Store::<Row>::open(&out).unwrap().merge(&sources).unwrap().results;
    assert_eq!(merged.rows, [detailed(1, 0.25), detailed(2, 0.5)]);
    let again = Store::<Row>::open(&out).unwrap().merge(&[]).unwrap().results;
    assert_eq!(again.rows, merged.rows);
    assert_eq!(std::fs::read_to_string(out.join(Row::RUNS)).unwrap().lines().count(), 2);
}

#[test]
fn an_incomplete_line_is_dropped_and_a_foreign_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::<Row>::open(folder.path()).unwrap();
    store.add(key("a"), at(0), &row(1, ok(0.5))).unwrap();
    store.add(key("b"), at(1), &row(2, ok(0.6))).unwrap();
    drop(store);
    let path = folder.path().join(Row::RUNS);
    let text = std::fs::read(&path).unwrap();
    let first = text.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for end in [first + 1, text.len() - 1] {
        std::fs::write(&path, &text[..end]).unwrap();
        let store = Store::<Row>::open(folder.path()).unwrap();
        assert!(store.measured(&key("a")).is_some() && store.measured(&key("b")).is_none());
        store.add(key("b"), at(1), &row(2, ok(0.6))).unwrap();
        drop(store);
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }
    std::fs::write(&path, [&text[..], b"{}\n"].concat()).unwrap();
    let message = Store::<Row>::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("runs.jsonl: line 3: not a run"), "{message}");
}

#[test]
fn runs_on_synthetic_rows_are_kept_apart_from_those_on_real_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::<Row>::open(folder.path()).unwrap();
    let kinds = [None, Some(Synthetic::Local), Some(Synthetic::Global)];
    for (place, (name, synthetic)) in ["a", "b", "c"].into_iter().zip(kinds).enumerate() {
        store.add(key(name), at(place), &Row { synthetic, ..row(1, ok(0.5)) }).unwrap();
    }
    drop(store);
    let merged = Store::<Row>::open(folder.path()).unwrap().merge(&[]).unwrap().results;
    assert_eq!(merged.rows.iter().map(|row| row.synthetic).collect::<Vec<_>>(), kinds);
}

#[test]
fn a_folder_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Store::<Row>::open(folder.path()).unwrap();
    let message = Store::<Row>::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("another bench is writing to it"), "{message}");
}

/// Folders with runs of the given keys and seeds. The position of a run is its seed.
fn folders(runs: &[&[(&str, u64)]]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let all = tempfile::tempdir().unwrap();
    let folder = |(index, runs): (usize, &&[(&str, u64)])| {
        let folder = all.path().join(index.to_string());
        let store = Store::<Row>::open(&folder).unwrap();
        runs.iter().for_each(|&(name, seed)| store.add(key(name), at(seed as usize), &row(seed, ok(0.5))).unwrap());
        folder
    };
    let folders = runs.iter().enumerate().map(folder).collect();
    (all, folders)
}

fn seeds(merged: &Merged) -> Vec<u64> {
    merged.results.rows.iter().map(|row| row.seed).collect()
}

#[test]
fn a_merge_holds_every_run_once_in_the_order_of_the_grid() {
    let (all, sources) = folders(&[&[("a", 0), ("c", 2)], &[("b", 1), ("c", 2)]]);
    let out = all.path().join("out");
    assert_eq!(seeds(&Store::<Row>::open(&out).unwrap().merge(&sources).unwrap()), [0, 1, 2]);
    assert_eq!(std::fs::read_to_string(out.join(Row::RUNS)).unwrap().lines().count(), 3);
    // Merging into one of the sources, and merging again, changes nothing.
    assert_eq!(seeds(&Store::<Row>::open(&sources[0]).unwrap().merge(&sources).unwrap()), [0, 1, 2]);
    assert_eq!(seeds(&Store::<Row>::open(&out).unwrap().merge(&sources).unwrap()), [0, 1, 2]);
}

#[test]
fn the_last_measurement_in_a_folder_counts_and_folders_must_agree() {
    let (all, sources) = folders(&[&[("old", 0), ("new", 0), ("b", 1)], &[("new", 0)], &[("old", 0)]]);
    let merged = |out: &str, sources: &[PathBuf]| Store::<Row>::open(&all.path().join(out)).unwrap().merge(sources);
    assert_eq!(seeds(&merged("fine", &sources[..2]).unwrap()), [0, 1]);
    // The same if the target folder has two measurements.
    assert_eq!(seeds(&merged("0", &sources[1..2]).unwrap()), [0, 1]);
    assert!(merged("0", &sources[2..]).is_err());
    let message = merged("bad", &sources).unwrap_err().to_string();
    assert!(
        message.contains("run of devnet (anoonly) on made with seed 0 differs from the one in another"),
        "{message}"
    );
    let nowhere = [sources[0].clone(), all.path().join("nowhere")];
    assert!(merged("bad", &nowhere).unwrap_err().to_string().contains("not a folder of results"));
    assert_eq!(seeds(&merged("bad", &sources[..2]).unwrap()), [0, 1], "a refused merge leaves nothing behind");
}

#[test]
fn runs_of_two_builds_are_not_merged_and_missing_runs_are_counted() {
    let all = tempfile::tempdir().unwrap();
    let part = |name: &str, place: usize, made_by: &str| {
        let folder = all.path().join(name);
        let place = Place { place, of: 3, made_by: made_by.into(), outsider: false };
        let seed = place.place as u64;
        Store::<Row>::open(&folder).unwrap().add(key(name), place, &row(seed, ok(0.5))).unwrap();
        folder
    };
    let parts = [part("a", 0, "now"), part("b", 1, "now"), part("c", 2, "before"), part("d", 2, "now")];
    let merged = |out: &str, parts: &[&PathBuf]| {
        let parts: Vec<PathBuf> = parts.iter().map(|part| (*part).clone()).collect();
        Store::<Row>::open(&all.path().join(out)).unwrap().merge(&parts)
    };
    assert_eq!(merged("two", &[&parts[0], &parts[1]]).unwrap().missing, 1);
    assert_eq!(merged("three", &[&parts[0], &parts[1], &parts[3]]).unwrap().missing, 0);
    let message = merged("bad", &[&parts[0], &parts[1], &parts[2]]).unwrap_err().to_string();
    assert!(message.contains("made with seed 0 and on made with seed 2 come from two builds"), "{message}");
}
