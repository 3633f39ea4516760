//! Tests of fitted detectors: model files, explanations and watched fits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attributions;
mod damaged_files;
mod digests;
mod extremes;
mod model_files;
mod plain;
mod settings;
mod stopping;

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_models::overrides::overridden;
use anoonly_train::{ComputeDevice, Detector, FittedDetector, Supervision};
use ndarray::Array2;

/// 4 labelled anomalies around 2 and 40 unlabelled rows around 0, spread by a fixed sequence. The last column is constant.
fn samples() -> Samples {
    let spread = |row: usize, column: usize| ((row * 7919 + column * 104_729) % 1000) as f32 / 1000.0 - 0.5;
    let cell = |(row, column)| match column {
        2 => 7.0,
        _ => spread(row, column) + if row < 4 { 2.0 } else { 0.0 },
    };
    let labels = (0..44).map(|row| if row < 4 { Label::Anomaly } else { Label::Unlabelled });
    Samples::new(Array2::from_shape_fn((44, 3), cell), labels.collect()).unwrap()
}

/// Every method under both strategies, in a small configuration with a short training.
fn detectors() -> Vec<Detector> {
    let changes = "
        [devnet.recipe]
        epochs = 5
        optimiser.learning_rate = 1e-3
        [prenet.recipe]
        epochs = 2
        [deepsad]
        widths = [12, 8, 4]
        recipe.optimiser.learning_rate = 2e-3
        [feawad]
        pretraining.epochs = 2
        recipe.epochs = 3
        recipe.optimiser.learning_rate = 1e-3
        [rosas]
        recipe.epochs = 3
        [repen]
        width = 5
        samples = 4
        recipe.epochs = 3
        [mlp]
        widths = [8]
        recipe.epochs = 3
        [resnet]
        width = 6
        hidden = 8
        recipe.epochs = 2
        [ft-transformer]
        tokens = 2
        width = 6
        heads = 2
        hidden = 8
        recipe.epochs = 2
        [ganomaly]
        discriminator = [6, 4]
        [autoencoder]
        widths = [6, 2]
        [deepsvdd]
        widths = [8, 4]
        recipe.epochs = 20
        [dagmm]
        widths = [6, 1]
        estimation = 4
        components = 2
        recipe.epochs = 20
    ";
    let strategies = [Supervision::Full, Supervision::AnomalyOnly];
    let both = |method: AnyMethod| strategies.map(|strategy| Detector::new(method.clone(), strategy, Seed(1)).unwrap());
    overridden(AnyMethod::all(), changes).unwrap().into_iter().flat_map(both).collect()
}

fn fit(detector: &Detector) -> FittedDetector {
    detector.fit(&samples(), &ComputeDevice::default()).unwrap()
}
