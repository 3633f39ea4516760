//! Members that are trained as one network, compared with each of them alone, on ndarray and on a GPU.

use std::ops::ControlFlow;

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::networks::devnet::DevNetConfig;
use anoonly_models::recipe::{Batches, Optimiser, Recipe};
use anoonly_models::{AnyMethod, MethodForm, NetworkMethod, TrainingData};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn_ndarray::NdArray;
use ndarray::Array2;

use crate::backend::{BackendName, ComputeDevice};
use crate::detector::MOST_MEMORY;
use crate::fit::{Objective, train};
use crate::member_rows::MemberRows;
use crate::network::to_tensor;
use crate::together::{MemberFit, MemberWatch, fit_together, score_together, stackable};
use crate::{Detector, FitError, FittedDetector, Fitter, Supervision};

/// The largest difference between a member and the same network alone, as a share of the largest score.
const TOLERANCE: f32 = 1e-4;

/// The tolerance after several steps of the method's own optimiser. Some biases of FEAWAD have a gradient of zero but for rounding: the rows
/// of a batch pull them up as much as down, or batch normalisation takes their effect away. Adam divides a gradient by its own size, so it
/// moves such a bias by its learning rate in the direction of the rounding. With gradient descent, the members agree as those of others do.
fn tolerance_of_training(name: &str) -> f32 {
    if name == "feawad" { 5e-3 } else { TOLERANCE }
}

const ROWS: usize = 200;
const HOSTS: [&str; 5] = ["devnet", "deepsad", "prenet", "feawad", "mlp"];

/// The tolerance after one step.
fn tolerance_of_a_step(name: &str) -> f32 {
    if name == "feawad" { 1e-3 } else { TOLERANCE }
}

/// Rows with an anomaly in each ten and, with `normals`, a confirmed normal in each twenty.
fn samples(normals: bool) -> Samples {
    let noise = |row: usize, column: usize| ((row * 7919 + column * 104_729) % 1000) as f32 / 500.0 - 1.0;
    let value = |(row, column)| 3.0 * noise(row, column) + if row % 10 == 0 { 2.0 + column as f32 } else { 0.0 };
    let label = |row: usize| match row {
        row if row % 10 == 0 => Label::Anomaly,
        row if normals && row % 20 == 1 => Label::Normal,
        _ => Label::Unlabelled,
    };
    Samples::new(Array2::from_shape_fn((ROWS, 5), value), (0..ROWS).map(label).collect()).unwrap()
}

/// A detector that is trained for three epochs of a few steps.
fn detector(name: &str, supervision: Supervision, seed: u64) -> Detector {
    shortened(name, supervision, seed, [3, 4])
}

/// A detector that is trained for a number of epochs and, if its batches are balanced, of steps in each.
fn shortened(name: &str, supervision: Supervision, seed: u64, [epochs, of_epoch]: [usize; 2]) -> Detector {
    let mut method = AnyMethod::by_name(name).unwrap();
    let shorten = |recipe: &mut Recipe| {
        recipe.epochs = epochs;
        match &mut recipe.batches {
            Batches::Balanced { steps, .. } => *steps = of_epoch,
            Batches::Shuffled { rows } | Batches::Unlabelled { rows } => *rows = 30,
        }
    };
    method.recipe_mut().into_iter().for_each(shorten);
    method.pretraining_mut().into_iter().for_each(shorten);
    Detector::new(method, supervision, Seed(seed)).unwrap()
}

fn ndarray() -> ComputeDevice {
    ComputeDevice::new(BackendName::Ndarray, None).unwrap()
}

const TO_THE_END: &MemberWatch<'static> = &|_, _| ControlFlow::Continue(());

fn together(
    samples: &Samples,
    fits: &[MemberFit<'_>],
    device: &ComputeDevice,
    most: u64,
) -> Result<Vec<FittedDetector>, FitError> {
    fit_together(samples, fits, &stackable(fits).unwrap(), device, TO_THE_END, most)
}

#[track_caller]
fn same_scores(together: &FittedDetector, alone: &FittedDetector, samples: &Samples, tolerance: f32, what: &str) {
    let [a, b] = [together, alone].map(|fitted| fitted.score(samples.features()).unwrap());
    let largest = b.iter().fold(0.0f32, |max, score| max.max(score.abs()));
    let worst = a.iter().zip(&b).fold(0.0f32, |max, (a, b)| max.max((a - b).abs()));
    assert!(worst <= tolerance * largest, "{what}: {worst:e} of {largest:e}");
    let [losses, of_alone] = [together, alone].map(|fitted| &fitted.history().losses);
    assert_eq!(losses.len(), of_alone.len(), "{what}");
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= f64::from(tolerance) * (1.0 + b.abs());
    assert!(losses.iter().zip(of_alone).all(close), "{what}: {losses:?} and {of_alone:?}");
    assert_eq!(together.history().kept_epoch, alone.history().kept_epoch, "{what}");
    assert_eq!(together.detector(), alone.detector(), "{what}");
    assert_eq!(together.scaler(), alone.scaler(), "{what}");
}

/// Three seeds on all rows, and on two parts of the rows each. The members differ, so that one cannot pass for another.
fn members_score_as_they_do_alone(name: &str, supervision: Supervision, normals: bool, device: &ComputeDevice) {
    let samples = samples(normals);
    let parts = [7, 3].map(|left_out| (0..ROWS).filter(|row| row % left_out != 5 % left_out).collect::<Vec<_>>());
    let whole = || (0..3).map(|seed| MemberFit { detector: detector(name, supervision, seed), rows: None });
    let of_parts = whole().enumerate().map(|(at, fit)| MemberFit { rows: Some(&parts[at % 2]), ..fit });
    for fits in [whole().collect::<Vec<_>>(), of_parts.collect()] {
        let fitted = together(&samples, &fits, device, MOST_MEMORY).unwrap();
        let mut scores = Vec::new();
        for (fit, member) in fits.iter().zip(&fitted) {
            let own = fit.rows.map_or_else(|| samples.clone(), |rows| samples.select(rows));
            let alone = fit.detector.fit(&own, device).unwrap();
            let what = format!("{name}, {supervision}, seed {:?}, {} rows", fit.detector.seed(), own.rows());
            same_scores(member, &alone, &samples, tolerance_of_training(name), &what);
            scores.push(member.score(samples.features()).unwrap());
        }
        assert!(scores[0] != scores[1] && scores[1] != scores[2], "{name}");
    }
}

/// Gradient descent, which does not enlarge rounding, shows that all members have the gradients of the network alone: one step and several.
fn members_descend_as_they_do_alone(name: &str, supervision: Supervision, device: &ComputeDevice) {
    let samples = samples(true);
    for steps in [[1, 1], [3, 4]] {
        let detector = |seed| {
            let mut method = shortened(name, supervision, seed, steps).method().clone();
            let descent = Optimiser::Sgd { learning_rate: 1e-2, momentum: 0.0 };
            method.recipe_mut().into_iter().for_each(|recipe| recipe.optimiser = descent.clone());
            method.pretraining_mut().into_iter().for_each(|recipe| recipe.optimiser = descent.clone());
            Detector::new(method, supervision, Seed(seed)).unwrap()
        };
        let fits = [0, 1, 2].map(|seed| MemberFit { detector: detector(seed), rows: None });
        for (member, fit) in together(&samples, &fits, device, MOST_MEMORY).unwrap().iter().zip(&fits) {
            let alone = fit.detector.fit(&samples, device).unwrap();
            same_scores(member, &alone, &samples, 1e-5, &format!("{name}, {supervision}, {steps:?}"));
        }
    }
}

/// After one step of pretraining, where there is one, and one of training.
fn one_step_agrees(name: &str, supervision: Supervision, device: &ComputeDevice) {
    let samples = samples(true);
    let detector = |seed| shortened(name, supervision, seed, [1, 1]);
    let fits = [0, 1].map(|seed| MemberFit { detector: detector(seed), rows: None });
    for (member, fit) in together(&samples, &fits, device, MOST_MEMORY).unwrap().iter().zip(&fits) {
        same_scores(member, &fit.detector.fit(&samples, device).unwrap(), &samples, tolerance_of_a_step(name), name);
    }
}

/// A stack scores as its members do.
fn a_stack_scores_as_its_members(name: &str, device: &ComputeDevice) {
    let samples = samples(false);
    let fits = [0, 1, 2].map(|seed| MemberFit { detector: detector(name, Supervision::AnomalyOnly, seed), rows: None });
    let members = together(&samples, &fits, device, MOST_MEMORY).unwrap();
    let stack = score_together(&members, samples.features()).unwrap().unwrap();
    for (stack, member) in stack.iter().zip(&members) {
        let alone = member.score(samples.features()).unwrap();
        let largest = alone.iter().fold(0.0f32, |max, score| max.max(score.abs()));
        assert_eq!(stack.len(), alone.len());
        assert!(stack.iter().zip(&alone).all(|(a, b)| (a - b).abs() <= TOLERANCE * largest), "{name}");
    }
}

fn a_member_that_stops_keeps_its_last_epoch(device: &ComputeDevice) {
    let samples = samples(false);
    let fits: Vec<_> =
        (0..3).map(|seed| MemberFit { detector: detector("devnet", Supervision::Full, seed), rows: None }).collect();
    let last = [3, 1, 2];
    let watch: &MemberWatch<'_> = &|member, epoch| match epoch {
        Some(epoch) if epoch.number() == last[member] => ControlFlow::Break(()),
        Some(epoch) => {
            assert!(epoch.number() < last[member], "a stopped member is not watched");
            ControlFlow::Continue(())
        }
        None => ControlFlow::Continue(()),
    };
    let fitted = fit_together(&samples, &fits, &stackable(&fits).unwrap(), device, watch, MOST_MEMORY).unwrap();
    for ((member, fit), last) in fitted.iter().zip(&fits).zip(last) {
        assert_eq!(member.history().losses.len(), last);
        let alone = Fitter::new(&samples, device).unwrap().fit_watched(&fit.detector, |epoch| {
            if epoch.number() == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        same_scores(member, &alone.unwrap(), &samples, TOLERANCE, &format!("stopped after {last}"));
    }
}

#[test]
fn every_host_scores_as_it_does_alone() {
    for name in HOSTS {
        for supervision in [Supervision::Full, Supervision::AnomalyOnly] {
            one_step_agrees(name, supervision, &ndarray());
            members_descend_as_they_do_alone(name, supervision, &ndarray());
            for normals in [false, true] {
                members_score_as_they_do_alone(name, supervision, normals, &ndarray());
            }
        }
    }
}

#[test]
fn a_network_without_labels_scores_as_it_does_alone() {
    members_score_as_they_do_alone("deepsvdd", Supervision::Full, false, &ndarray());
}

#[test]
fn stacks_score_as_their_members() {
    HOSTS.iter().for_each(|name| a_stack_scores_as_its_members(name, &ndarray()));
    // Members on the CPU are not scored together, and those of different methods cannot be.
    let fitted =
        ["devnet", "mlp"].map(|name| detector(name, Supervision::Full, 1).fit(&samples(false), &ndarray()).unwrap());
    assert_eq!(score_together(&fitted, samples(false).features()), Ok(None));
    assert_eq!(crate::score_members(&fitted[..1], samples(false).features()), Ok(None));
}

#[test]
fn early_stopping_keeps_each_members_epoch() {
    a_member_that_stops_keeps_its_last_epoch(&ndarray());
}

/// Memory for one member at a time gives the same members in the same order.
#[test]
fn members_are_trained_in_chunks() {
    let samples = samples(false);
    let fits: Vec<_> = (0..3)
        .map(|seed| MemberFit { detector: detector("prenet", Supervision::AnomalyOnly, seed), rows: None })
        .collect();
    let [in_one, in_three] = [MOST_MEMORY, 0].map(|most| together(&samples, &fits, &ndarray(), most).unwrap());
    for (one, three) in in_one.iter().zip(&in_three) {
        same_scores(three, one, &samples, TOLERANCE, "one at a time");
    }
}

#[test]
fn a_stop_before_the_fit_is_an_error() {
    let fits = [0, 1].map(|seed| MemberFit { detector: detector("devnet", Supervision::Full, seed), rows: None });
    let watch: &MemberWatch<'_> = &|_, _| ControlFlow::Break(());
    let result = fit_together(&samples(false), &fits, &stackable(&fits).unwrap(), &ndarray(), watch, MOST_MEMORY);
    assert_eq!(result.unwrap_err(), FitError::Stopped);
}

/// Replaces each value of a network.
struct Fill(f32);

impl<B: Backend> ModuleMapper<B> for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|tensor| tensor.full_like(self.0))
    }
}

/// Only the second of three members starts with weights whose loss overflows.
#[test]
fn a_member_that_diverges_is_named() {
    let samples = samples(false);
    let rows = to_tensor::<NdArray>(samples.features().clone(), &Default::default());
    let classes = samples.by_class();
    let data = TrainingData { rows, others: classes.others, anomalies: classes.anomalies, normals: Vec::new() };
    let method = DevNetConfig::default();
    let seeds = [Seed(1), Seed(2), Seed(3)];
    let starts = |diverges: Option<usize>| -> Vec<_> {
        let start = |(at, seed): (usize, &Seed)| {
            let network = method.init(&data, &mut seed.stream(&["weights"]));
            if diverges == Some(at) { network.map(&mut Fill(1e30)) } else { network }
        };
        seeds.iter().enumerate().map(start).collect()
    };
    let objective = Objective::Detect(Supervision::Full);
    let recipe = Recipe { epochs: 2, ..method.recipe.clone() };
    let rows = MemberRows::all(&data, 3);
    let run = |diverges| {
        let to_the_end = &mut |_: usize, _: &_, _: &dyn Fn() -> _| ControlFlow::Continue(());
        train::<NdArray, DevNetConfig>(objective, &recipe, starts(diverges), &rows, &seeds, to_the_end)
    };
    assert_eq!(run(None).unwrap().len(), 3);
    assert_eq!(run(Some(1)).unwrap_err(), (1, FitError::Diverged { member: None, epoch: 1 }));
    let message = FitError::Diverged { member: Some(1), epoch: 4 }.to_string();
    assert!(message.starts_with("member 2: ") && message.contains("epoch 4"), "{message}");
}

/// A fit of members that diverge names the first of them.
#[test]
fn the_error_of_a_fit_names_the_member() {
    let mut method = DevNetConfig::default();
    method.recipe.optimiser = Optimiser::Sgd { learning_rate: 1e12, momentum: 0.9 };
    let fits = [1, 2].map(|seed| {
        let detector = Detector::new(method.clone(), Supervision::Full, Seed(seed)).unwrap();
        MemberFit { detector, rows: None }
    });
    for result in [
        together(&samples(false), &fits, &ndarray(), MOST_MEMORY),
        crate::fit_members(&samples(false), &fits, &ndarray(), TO_THE_END),
    ] {
        assert!(matches!(result, Err(FitError::Diverged { member: Some(0 | 1), .. })), "{result:?}");
    }
}

#[test]
fn the_registry_says_which_methods_stack() {
    let stacks = |method: &AnyMethod| match method.form() {
        MethodForm::Network(method) => method.stacks(),
        MethodForm::Rule(_) => false,
    };
    let names: Vec<&str> = AnyMethod::all().iter().filter(|method| stacks(method)).map(|m| m.info().name).collect();
    for host in HOSTS {
        assert!(names.contains(&host), "{names:?}");
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu_members {
    use super::*;
    use crate::agreement_tests::gpu;

    /// One step of every host, because a software driver compiles programs for each shape of a tensor.
    #[test]
    fn score_as_they_do_alone_after_a_step() {
        for name in HOSTS {
            for supervision in [Supervision::Full, Supervision::AnomalyOnly] {
                one_step_agrees(name, supervision, &gpu());
            }
        }
    }

    /// Balanced batches, and shuffled ones, in which members have different numbers of anomalies.
    #[test]
    fn score_as_they_do_alone() {
        for name in ["devnet", "deepsad"] {
            members_score_as_they_do_alone(name, Supervision::AnomalyOnly, true, &gpu());
        }
    }

    #[test]
    fn score_as_a_stack() {
        HOSTS.iter().for_each(|name| a_stack_scores_as_its_members(name, &gpu()));
    }

    #[test]
    fn that_stop_keep_their_last_epoch() {
        a_member_that_stops_keeps_its_last_epoch(&gpu());
    }
}
