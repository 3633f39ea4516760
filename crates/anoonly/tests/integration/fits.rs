//! Fits that are followed and stopped, and models in memory.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;

use anoonly::models::AnyMethod;
use anoonly::models::networks::devnet::DevNetConfig;
use anoonly::pipeline::{FitStep, PipelineError};
use anoonly::train::ModelFileError;
use anoonly::{ComputeDevice, Model, Table, TableDetector};

const EPOCHS: usize = 3;

fn table() -> Table {
    let row = |row: usize| {
        format!("{},{},{}\n", row * 37 % 100, row * row % 23, if row.is_multiple_of(12) { "1" } else { "" })
    };
    let text = format!("size,age,bad\n{}", (0..120).map(row).collect::<String>());
    Table::read_csv(Path::new("memory"), Cursor::new(text)).unwrap()
}

fn detector() -> TableDetector {
    let mut method = DevNetConfig::default();
    method.recipe.epochs = EPOCHS;
    TableDetector::new(AnyMethod::DevNet(method)).members(2)
}

#[test]
fn every_member_and_epoch_of_a_fit_is_a_step() {
    let steps = Mutex::new(Vec::new());
    let watch = |step: FitStep| {
        steps.lock().unwrap().push((step.member, step.epoch));
        assert_eq!((step.members, step.epochs), (2, EPOCHS));
        ControlFlow::Continue(())
    };
    let device = ComputeDevice::default();
    let watched = detector().fit_watched(&table(), "bad", &device, &watch).unwrap();
    let mut steps = steps.into_inner().unwrap();
    steps.sort_unstable();
    let expected: Vec<(usize, usize)> =
        (0..2).flat_map(|member| (0..=EPOCHS).map(move |epoch| (member, epoch))).collect();
    assert_eq!(steps, expected);
    let alone = detector().fit(&table(), "bad").unwrap();
    assert_eq!(watched.score(&table()).unwrap(), alone.score(&table()).unwrap());
}

#[test]
fn a_fit_ends_when_its_watch_breaks() {
    for last in [(0, 0), (1, 2)] {
        let watch = |step: FitStep| match (step.member, step.epoch) == last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let stopped = detector().fit_watched(&table(), "bad", &ComputeDevice::default(), &watch);
        assert!(matches!(stopped, Err(PipelineError::Stopped)), "{last:?}");
    }
}

#[test]
fn bytes_in_memory_are_those_of_the_file() {
    let model = detector().fit(&table(), "bad").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.anoonly");
    model.save(&path).unwrap();
    let mut bytes = model.to_bytes().unwrap();
    assert_eq!(bytes, std::fs::read(&path).unwrap());
    let back = Model::from_bytes(&bytes).unwrap();
    assert_eq!(back.score(&table()).unwrap(), model.score(&table()).unwrap());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let damaged = Model::from_bytes(&bytes).map(drop);
    assert!(matches!(damaged, Err(PipelineError::ModelFile(ModelFileError::Damaged { .. }))), "{damaged:?}");
    bytes.truncate(20);
    let short = Model::from_bytes(&bytes).map(drop);
    assert!(matches!(short, Err(PipelineError::ModelFile(ModelFileError::Malformed { .. }))), "{short:?}");
}

#[test]
fn rows_are_taken_in_any_order() {
    let rows = table().rows_at(&[5, 0, 5]).unwrap();
    assert_eq!((0..3).map(|row| rows.row_text(row)).collect::<Vec<_>>(), [5, 0, 5].map(|row| table().row_text(row)));
    assert!(table().rows_at(&[]).is_err());
}
