//! Fits that are looked at after every epoch, and broken off.

use std::cell::RefCell;
use std::ops::ControlFlow;

use anoonly_models::recipe::Schedule;
use anoonly_train::{ComputeDevice, Detector, Epoch, FittedDetector, Fitter};

use crate::{detectors, samples};

fn scores(fitted: &FittedDetector) -> Vec<f32> {
    fitted.score(samples().features()).unwrap()
}

/// What a fit gives that is broken off after so many epochs, and the scores after each of them.
fn broken_off(detector: &Detector, epochs: usize) -> (FittedDetector, Vec<Vec<f32>>) {
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
fn a_fit_that_is_watched_is_the_same_fit() {
    for detector in detectors() {
        let whole = detector.fit(&samples(), &ComputeDevice::default()).unwrap();
        let (watched, seen) = broken_off(&detector, usize::MAX);
        assert_eq!(scores(&watched), scores(&whole), "{detector:?}");
        assert_eq!(watched.history(), whole.history());
        assert_eq!(seen.len(), whole.history().losses.len());
        assert!(seen.last().is_none_or(|last| *last == scores(&whole)), "{detector:?}");
    }
}

#[test]
fn a_fit_that_is_broken_off_is_the_shorter_one() {
    for detector in detectors() {
        let Some(recipe) = detector.method().recipe() else { continue };
        let (short, seen) = broken_off(&detector, 2);
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
