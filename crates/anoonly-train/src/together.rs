//! Fits of several members of one detector: one after the other on the CPU, as one network on a GPU.

use std::ops::ControlFlow;

use anoonly_core::scale::MinMaxScaler;
use anoonly_core::{ByClass, Label, Samples, Seed};
use anoonly_models::recipe::{Augmentation, Recipe};
use anoonly_models::tools::parallel::on_one_core;
use anoonly_models::{AnyNetworkMethod, MethodForm, NetworkMethod, Shapes, TrainingData, members};
use burn::tensor::backend::Backend;
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::backend::OnBackend;
use crate::detector::{BYTES_PER_WEIGHT, Detector, Epoch, Fitter, MOST_MEMORY};
use crate::fit::MemberError;
use crate::fitted::{FittedDetector, Ready, make_finite, not_finite};
use crate::member_rows::{FoldRows, MemberRows};
use crate::network::{MemberDetector, pretrained, to_tensor, trained};
use crate::sampler::Sampler;
use crate::{ComputeDevice, FitError, ScoreError};

/// One of several fits on the same samples.
#[derive(Clone, Debug)]
pub struct MemberFit<'a> {
    /// What is fitted.
    pub detector: Detector,
    /// The indices of the rows it is fitted on, in ascending order; `None` for all rows.
    pub rows: Option<&'a [usize]>,
}

/// A function that is called before each member is fitted, without an epoch, and after each of its epochs, possibly from several threads
/// at a time. The first argument is the index of the member. It decides whether the training of this member continues.
pub type MemberWatch<'a> = dyn Fn(usize, Option<Epoch<'_>>) -> ControlFlow<()> + Sync + 'a;

/// Fits the members of an ensemble or of the folds of a validation. Each gets the scores that it has alone, up to rounding. A member that
/// `watch` stops keeps the result of its last epoch.
///
/// On a GPU, members that differ only in their seeds and rows are trained as one network, if their method can be: its work in a step
/// then fills the device. On the CPU, and where the method cannot, members that are fitted on the same rows are fitted in parallel, one
/// thread each.
///
/// # Errors
/// As [`Fitter::fit`], or [`FitError::Stopped`] when `watch` stops a member before its fit. The error of a training that diverged names the
/// member.
pub fn fit_members(
    samples: &Samples,
    fits: &[MemberFit<'_>],
    device: &ComputeDevice,
    watch: &MemberWatch<'_>,
) -> Result<Vec<FittedDetector>, FitError> {
    match stackable(fits).filter(|_| device.is_gpu() && fits.len() > 1) {
        Some(method) => fit_together(samples, fits, &method, device, watch, MOST_MEMORY),
        None => fit_apart(samples, fits, device, watch),
    }
}

impl Detector {
    /// Whether [`fit_members`] trains members of this detector together on a device. If not, there is nothing to gain from fitting those
    /// of several folds in one call.
    pub fn trains_together(&self, device: &ComputeDevice) -> bool {
        device.is_gpu() && stackable(&[MemberFit { detector: self.clone(), rows: None }]).is_some()
    }
}

/// The scores of each member for the rows of `features`; `None` where members are not scored together: on the CPU, where each scores on all
/// cores, and where they differ in more than their weights.
///
/// # Errors
/// As [`FittedDetector::score`].
pub fn score_members(members: &[FittedDetector], features: &Array2<f32>) -> Result<Option<Vec<Vec<f32>>>, ScoreError> {
    match members {
        [first, ..] if first.ready.is_on_gpu() => score_together(members, features),
        _ => Ok(None),
    }
}

/// As [`score_members`], on any backend.
pub(crate) fn score_together(
    members: &[FittedDetector],
    features: &Array2<f32>,
) -> Result<Option<Vec<Vec<f32>>>, ScoreError> {
    let Some(first) = members.first() else { return Ok(None) };
    let alike = |member: &FittedDetector| {
        member.scaler() == first.scaler() && member.detector().method() == first.detector().method()
    };
    let stacks = matches!(first.detector().method().form(), MethodForm::Network(method) if method.stacks());
    if !stacks || !members.iter().all(alike) {
        return Ok(None);
    }
    let networks: Vec<&dyn Ready> = members.iter().map(|member| &*member.ready).collect();
    let Some((score, block)) = first.ready.stacked(&networks) else { return Ok(None) };
    let mut scores = vec![Vec::with_capacity(features.nrows()); members.len()];
    for rows in first.blocks(features, block)? {
        let count = rows.nrows();
        let scaled = first.scaler().transform_finite(rows).ok_or_else(|| not_finite(features))?;
        let all = score(scaled);
        scores.iter_mut().zip(all.chunks(count)).for_each(|(scores, of_member)| scores.extend_from_slice(of_member));
    }
    scores.iter_mut().for_each(|scores| make_finite(scores));
    Ok(Some(scores))
}

/// The method of all members, if their networks can be trained as one.
pub(crate) fn stackable(fits: &[MemberFit<'_>]) -> Option<AnyNetworkMethod> {
    let first = &fits.first()?.detector;
    let MethodForm::Network(method) = first.method.form() else { return None };
    let alike =
        |fit: &MemberFit<'_>| fit.detector.method == first.method && fit.detector.supervision == first.supervision;
    let plain = method.recipe().augmentation == Augmentation::None;
    (method.stacks() && plain && fits.iter().all(alike)).then_some(method)
}

/// Fits the members that have the same rows in parallel.
fn fit_apart(
    samples: &Samples,
    fits: &[MemberFit<'_>],
    device: &ComputeDevice,
    watch: &MemberWatch<'_>,
) -> Result<Vec<FittedDetector>, FitError> {
    let mut fitted = Vec::with_capacity(fits.len());
    for group in fits.chunk_by(|a, b| a.rows == b.rows) {
        let own = group[0].rows.map(|rows| samples.select(rows));
        let (samples, before) = (own.as_ref().unwrap_or(samples), fitted.len());
        let fit = |(index, fit): (usize, &MemberFit<'_>)| {
            let index = before + index;
            if watch(index, None).is_break() {
                return Err(FitError::Stopped);
            }
            let result = Fitter::new(samples, device)?.fit_watched(&fit.detector, |epoch| watch(index, Some(epoch)));
            result.map_err(|error| of_member(error, index, fits.len()))
        };
        match group {
            // Some methods use all cores.
            [one] => fitted.push(fit((0, one))?),
            _ => {
                let fits = group.par_iter().enumerate().map(|member| on_one_core(|| fit(member)));
                fitted.extend(fits.collect::<Result<Vec<_>, FitError>>()?);
            }
        }
    }
    Ok(fitted)
}

/// The error of one of several members.
fn of_member(error: FitError, index: usize, members: usize) -> FitError {
    match error {
        FitError::Diverged { epoch, .. } if members > 1 => FitError::Diverged { member: Some(index), epoch },
        error => error,
    }
}

/// Trains the members as one network, or as several where their batches have different sizes or `most` bytes would not do.
pub(crate) fn fit_together(
    samples: &Samples,
    fits: &[MemberFit<'_>],
    method: &AnyNetworkMethod,
    device: &ComputeDevice,
    watch: &MemberWatch<'_>,
    most: u64,
) -> Result<Vec<FittedDetector>, FitError> {
    let whole = fits.iter().all(|fit| fit.rows.is_none()).then(|| MinMaxScaler::fit(samples.features()));
    let classes = samples.by_class().for_fit();
    let mut folds: Vec<FoldRows> = Vec::new();
    let mut of = Vec::with_capacity(fits.len());
    let all: Vec<usize> = if whole.is_some() { Vec::new() } else { (0..samples.rows()).collect() };
    for fit in fits {
        if whole.is_some() {
            fit.detector.check_fit(samples.columns(), &classes)?;
            continue;
        }
        let rows = fit.rows.unwrap_or(&all);
        let place = match folds.iter().position(|fold| fold.rows == rows) {
            Some(place) => place,
            None => {
                let Some(fold) = fold(samples, rows)? else { return fit_apart(samples, fits, device, watch) };
                folds.push(fold);
                folds.len() - 1
            }
        };
        fit.detector.check_fit(samples.columns(), &folds[place].classes)?;
        of.push(place);
    }
    for index in 0..fits.len() {
        if watch(index, None).is_break() {
            return Err(FitError::Stopped);
        }
    }
    device.run(Together { samples, fits, method, whole, classes, folds, of, watch, most })
}

/// A part of the rows; `None` if its values are too large to be scaled on a device.
fn fold(samples: &Samples, rows: &[usize]) -> Result<Option<FoldRows>, FitError> {
    let labels: Vec<Label> = rows.iter().map(|&row| samples.labels()[row]).collect();
    let classes = ByClass::of(&labels).for_fit();
    if classes.others.is_empty() {
        return Err(FitError::OnlyAnomalies);
    }
    let scaler = MinMaxScaler::fit(&samples.features().select(Axis(0), rows));
    let scale = scaler.short_scale();
    Ok(scale.map(|scale| FoldRows { rows: rows.to_vec(), classes, scaler, scale }))
}

/// Fits members together on a backend.
struct Together<'a> {
    samples: &'a Samples,
    fits: &'a [MemberFit<'a>],
    method: &'a AnyNetworkMethod,
    /// The scaling of all rows, if all members are fitted on them.
    whole: Option<MinMaxScaler>,
    classes: ByClass,
    folds: Vec<FoldRows>,
    /// The fold of each member, unless all members are fitted on all rows.
    of: Vec<usize>,
    watch: &'a MemberWatch<'a>,
    most: u64,
}

impl OnBackend for Together<'_> {
    type Output = Result<Vec<FittedDetector>, FitError>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let features = self.samples.features();
        let rows = match &self.whole {
            Some(scaler) => scaler.transform(features.view()),
            None => features.clone(),
        };
        let ByClass { anomalies, others, normals } = self.classes.clone();
        let data = TrainingData::<B> { rows: to_tensor(rows, &device), anomalies, others, normals };
        let mut fitted: Vec<Option<FittedDetector>> = self.fits.iter().map(|_| None).collect();
        for group in self.groups(&data) {
            let each = self.bytes_of_a_member(&data);
            let rows = (features.len() * size_of::<f32>()) as u64;
            let together = (self.most.saturating_sub(rows) / each.max(1)).max(1);
            for chunk in group.chunks(usize::try_from(together).unwrap_or(usize::MAX)) {
                let results = self.fit_chunk(&data, chunk);
                let results = results.map_err(|(place, error)| of_member(error, chunk[place], self.fits.len()))?;
                chunk.iter().zip(results).for_each(|(&index, result)| fitted[index] = Some(result));
            }
        }
        Ok(fitted.into_iter().flatten().collect())
    }
}

impl Together<'_> {
    /// The training rows of some members.
    fn rows_of<'a, B: Backend>(&'a self, data: &'a TrainingData<B>, members: &[usize]) -> MemberRows<'a, B> {
        match self.whole {
            Some(_) => MemberRows::all(data, members.len()),
            None => MemberRows::of_folds(data, members.iter().map(|&member| &self.folds[self.of[member]]).collect()),
        }
    }

    fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        self.method.pretraining().into_iter().chain([self.method.recipe()])
    }

    /// The members whose epochs and batches have the same sizes.
    fn groups<B: Backend>(&self, data: &TrainingData<B>) -> Vec<Vec<usize>> {
        let mut groups: Vec<(Vec<[usize; 3]>, Vec<usize>)> = Vec::new();
        for member in 0..self.fits.len() {
            let rows = self.rows_of(data, &[member]);
            let shape = |recipe: &Recipe| Sampler::new(&recipe.batches, rows.classes(0), Seed(0).stream(&[])).shape();
            let shapes: Vec<_> = self.recipes().map(shape).collect();
            match groups.iter_mut().find(|(known, _)| *known == shapes) {
                Some((_, group)) => group.push(member),
                None => groups.push((shapes, vec![member])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// An estimate of the memory that a member takes besides the rows: its weights with their gradients and averages, and the values and
    /// gradients of all layers for a batch.
    fn bytes_of_a_member<B: Backend>(&self, data: &TrainingData<B>) -> u64 {
        let columns = data.columns();
        let blank = self.method.blank::<B>(columns, &Shapes::default(), &data.rows.device());
        let weights = (self.method.weights(columns, &Shapes::default()) as u64).saturating_mul(BYTES_PER_WEIGHT);
        let rows = self.recipes().map(|recipe| recipe.batches.most_rows()).max().unwrap_or_default();
        let cells = (rows * members::cells_of_a_row(&blank)) as u64;
        weights.saturating_add(cells.saturating_mul(BYTES_PER_CELL))
    }

    fn fit_chunk<B: Backend>(
        &self,
        data: &TrainingData<B>,
        chunk: &[usize],
    ) -> Result<Vec<FittedDetector>, MemberError> {
        let rows = self.rows_of(data, chunk);
        let scaler = |member: usize| match &self.whole {
            Some(scaler) => scaler,
            None => &self.folds[self.of[member]].scaler,
        };
        let detector =
            |&member: &usize| MemberDetector { detector: &self.fits[member].detector, scaler: scaler(member) };
        let detectors: Vec<MemberDetector<'_>> = chunk.iter().map(detector).collect();
        let seeds: Vec<Seed> = detectors.iter().map(|of| of.detector.seed).collect();
        let pretraining = self.method.pretraining();
        let pretrained = pretraining.map(|recipe| pretrained(self.method, recipe, &rows, &seeds)).transpose()?;
        trained(self.method, &detectors, &rows, pretrained, &mut |place, epoch| (self.watch)(chunk[place], Some(epoch)))
    }
}

/// A cell of a layer, its gradient, and what the operations in between keep of it.
pub(crate) const BYTES_PER_CELL: u64 = 8 * size_of::<f32>() as u64;
