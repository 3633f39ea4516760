//! Tests of fits that are watched after every epoch and stopped early.

use std::cell::RefCell;
use std::ops::ControlFlow;

use anoonly_models::recipe::Schedule;
use anoonly_train::{ComputeDevice, Detector, Epoch, FittedDetector, Fitter};

use crate::{detectors, samples};

fn scores(fitted: &FittedDetector) -> Vec<f32> {
    fitted.score(samples().features()).unwrap()
}

/// The detector of a fit that is stopped after `epochs` epochs, and the scores after each epoch.
fn stopped_after(detector: &Detector, epochs: usize) -> (FittedDetector, Vec<Vec<f32>>) {
    let seen = RefCell::new(Vec::new());
    let watch = |epoch: Epoch<'_>| {
        seen.borrow_mut().push(scores(&epoch.fitted()));
        assert_eq!(epoch.number(), seen.borrow().len());
        if epoch.number() == epochs { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let fitted = Fitter::new(&samples(), &ComputeDevice::default()).unwrap().fit_watched(detector, watch).unwrap();
    (fitted, seen.into_inner())
}

#[test]
fn watching_a_fit_does_not_change_it() {
    for detector in detectors() {
        let whole = detector.fit(&samples(), &ComputeDevice::default()).unwrap();
        let (watched, seen) = stopped_after(&detector, usize::MAX);
        assert_eq!(scores(&watched), scores(&whole), "{detector:?}");
        assert_eq!(watched.history(), whole.history());
        assert_eq!(seen.len(), whole.history().losses.len());
        assert!(seen.last().is_none_or(|last| *last == scores(&whole)), "{detector:?}");
    }
}

#[test]
fn a_stopped_fit_equals_a_fit_of_fewer_epochs() {
    for detector in detectors() {
        let Some(recipe) = detector.method().recipe() else { continue };
        let (short, seen) = stopped_after(&detector, 2);
        assert_eq!((seen.len(), short.history().losses.len()), (2, 2));
        assert_eq!(scores(&short), seen[1]);
        if recipe.schedule == Schedule::Constant {
            let mut method = detector.method().clone();
            method.recipe_mut().unwrap().epochs = 2;
            let shorter = Detector::new(method, detector.supervision(), detector.seed()).unwrap();
            let shorter = shorter.fit(&samples(), &ComputeDevice::default()).unwrap();
            assert_eq!(scores(&short), scores(&shorter), "{detector:?}");
        }
    }
}
