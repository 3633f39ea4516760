//! Discovery curves compared.

use std::collections::{BTreeMap, BTreeSet};

use anoonly_eval::{Comparison, Interval, mean_interval};

use super::peers::PeerCurves;
use super::row::LabellingRow;
use crate::summary::{LEVEL, Ranks};
use crate::{BenchError, Results, Status};

/// The numbers of labels at which the share is shown, as far as the budget goes.
const MARKS: [usize; 3] = [20, 50, 100];

/// What labels rows: a method under a strategy, with a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Labeller {
    /// The method.
    pub model: String,
    /// The strategy.
    pub strategy: String,
    /// The query.
    pub query: String,
    /// Whether another program measured it.
    pub peer: bool,
}

impl Labeller {
    /// The method in a table; one that another program measured is marked.
    pub fn title(&self) -> String {
        if self.peer { format!("{} (peer)", self.model) } else { self.model.clone() }
    }

    /// Its name in one piece.
    pub fn name(&self) -> String {
        let strategy = if self.strategy == "none" { String::new() } else { format!(" {}", self.strategy) };
        format!("{}{strategy}, {}", self.title(), self.query)
    }
}

/// A discovery curve: one run.
#[derive(Clone, Debug)]
struct Curve {
    anomalies: usize,
    found: Vec<usize>,
    refit_seconds: Option<f64>,
}

/// The curves of a labeller by data set and seed.
type Runs = BTreeMap<(String, u64), Curve>;

/// What a table shows of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurveFigure {
    /// The share found after a number of labels: the anomalies found, divided by the smaller of the number of labels and the number of
    /// anomalies.
    At(usize),
    /// The area under the curve: the mean of that share over all numbers of labels from 1 to the budget.
    Area,
}

/// Discovery curves of several labellers on the same data sets and seeds.
#[derive(Debug)]
pub struct ComparedCurves {
    /// The labellers, in the order of the results; those of other programs come last.
    pub labellers: Vec<Labeller>,
    /// The data sets on which every labeller was measured with every seed.
    pub sets: Vec<String>,
    /// The number of data sets of the results.
    pub all_sets: usize,
    /// The seeds with which every labeller was measured.
    pub seeds: Vec<u64>,
    /// The number of labels of a run.
    pub budget: usize,
    /// The number of labels between two fits.
    pub batch: usize,
    /// The curve of each labeller, data set and seed.
    curves: Vec<Vec<Vec<Curve>>>,
}

impl ComparedCurves {
    /// Puts curves side by side. Data sets on which a run failed are left out for all labellers, so that all have the same rows.
    ///
    /// # Errors
    /// When a curve of another program is on other rows, has another batch or is too short.
    pub fn new(results: &Results<LabellingRow>, peers: Option<&PeerCurves>) -> Result<Self, BenchError> {
        let mut curves: Vec<(Labeller, Runs)> = Vec::new();
        let mut put = |labeller: Labeller, dataset: &str, seed: u64, curve: Option<Curve>| {
            let place = curves.iter().position(|(known, _)| *known == labeller).unwrap_or_else(|| {
                curves.push((labeller, BTreeMap::new()));
                curves.len() - 1
            });
            if let Some(curve) = curve {
                curves[place].1.insert((dataset.to_owned(), seed), curve);
            }
        };
        for row in &results.rows {
            let labeller = Labeller {
                model: row.model.clone(),
                strategy: row.strategy.to_string(),
                query: row.query.to_string(),
                peer: false,
            };
            let curve = match &row.status {
                Status::Failed(_) => None,
                Status::Ok(discovery) => Some(Curve {
                    anomalies: row.n_anomalies,
                    found: discovery.found.clone(),
                    refit_seconds: discovery.refit_seconds,
                }),
            };
            put(labeller, &row.dataset, row.seed, curve);
        }
        let peers = peers.map_or(Ok(Vec::new()), |peers| peers.on(results));
        for peer in peers.map_err(|reason| BenchError::Peers { reason })? {
            let curve = Curve { anomalies: peer.anomalies, found: peer.found, refit_seconds: peer.refit_seconds };
            let query = peer.query.to_string();
            let labeller = Labeller { model: peer.model, strategy: peer.strategy, query, peer: true };
            put(labeller, &peer.dataset, peer.seed, Some(curve));
        }
        let mut all_sets: Vec<String> = Vec::new();
        for row in &results.rows {
            if !all_sets.contains(&row.dataset) {
                all_sets.push(row.dataset.clone());
            }
        }
        let mut seeds: BTreeSet<u64> = results.rows.iter().map(|row| row.seed).collect();
        for (_, runs) in &curves {
            seeds.retain(|&seed| runs.is_empty() || runs.keys().any(|(_, of)| *of == seed));
        }
        let has = |set: &String| {
            let mut keys = seeds.iter().map(|&seed| (set.clone(), seed));
            keys.all(|key| curves.iter().all(|(_, runs)| runs.contains_key(&key)))
        };
        let sets: Vec<String> = all_sets.iter().filter(|set| has(set)).cloned().collect();
        let of_set = |runs: &Runs, set: &String| -> Vec<Curve> {
            seeds.iter().filter_map(|&seed| runs.get(&(set.clone(), seed)).cloned()).collect()
        };
        let first = results.rows.first();
        Ok(Self {
            curves: curves.iter().map(|(_, runs)| sets.iter().map(|set| of_set(runs, set)).collect()).collect(),
            labellers: curves.into_iter().map(|(labeller, _)| labeller).collect(),
            sets,
            all_sets: all_sets.len(),
            seeds: seeds.into_iter().collect(),
            budget: first.map_or(0, |row| row.budget),
            batch: first.map_or(0, |row| row.batch),
        })
    }

    /// The figures of the tables.
    pub fn figures(&self) -> Vec<CurveFigure> {
        let mut marks: Vec<usize> = MARKS.into_iter().filter(|&mark| mark <= self.budget).collect();
        if marks.is_empty() && self.budget > 0 {
            marks.push(self.budget);
        }
        marks.into_iter().map(CurveFigure::At).chain([CurveFigure::Area]).collect()
    }

    /// The figure that sorts labellers and by which data sets are compared one by one: the share at 50 labels or, with a smaller budget, at
    /// the largest number of labels that is shown.
    pub fn main_figure(&self) -> CurveFigure {
        let shown = |figure: &CurveFigure| matches!(figure, CurveFigure::At(labels) if *labels <= 50);
        self.figures().into_iter().rfind(shown).unwrap_or(CurveFigure::Area)
    }

    /// A figure of a labeller on a data set, the mean over seeds.
    pub fn on_set(&self, labeller: usize, set: usize, figure: CurveFigure) -> f64 {
        mean(self.curves[labeller][set].iter().map(|curve| curve.figure(figure)))
    }

    /// A figure of a labeller: the mean over data sets, with Student's interval over seeds.
    pub fn overall(&self, labeller: usize, figure: CurveFigure) -> Option<Interval> {
        let of_seed = |seed: usize| mean(self.curves[labeller].iter().map(|set| set[seed].figure(figure)));
        match self.sets.is_empty() {
            true => None,
            false => mean_interval(&(0..self.seeds.len()).map(of_seed).collect::<Vec<_>>(), LEVEL),
        }
    }

    /// The mean share found after each label, over data sets and seeds.
    pub fn mean_curve(&self, labeller: usize) -> Vec<f64> {
        let curves: Vec<&Curve> = self.curves[labeller].iter().flatten().collect();
        (1..=self.budget).map(|labels| mean(curves.iter().map(|curve| curve.share(labels)))).collect()
    }

    /// The mean share found after each label on a data set, over seeds.
    pub fn set_curve(&self, labeller: usize, set: usize) -> Vec<f64> {
        let curves = &self.curves[labeller][set];
        (1..=self.budget).map(|labels| mean(curves.iter().map(|curve| curve.share(labels)))).collect()
    }

    /// The mean number of anomalies of a data set over seeds.
    pub fn anomalies(&self, set: usize) -> f64 {
        self.curves.first().map_or(0.0, |labeller| mean(labeller[set].iter().map(|curve| curve.anomalies as f64)))
    }

    /// The mean seconds of a fit with a labelled anomaly, over data sets and seeds.
    pub fn refit_seconds(&self, labeller: usize) -> Option<f64> {
        let seconds: Vec<f64> =
            self.curves[labeller].iter().flatten().filter_map(|curve| curve.refit_seconds).collect();
        (!seconds.is_empty()).then(|| mean(seconds.into_iter()))
    }

    /// A figure of all labellers on all data sets; `None` for one labeller or one data set.
    pub(super) fn comparison(&self, figure: CurveFigure) -> Option<Comparison> {
        let on_set =
            |set: usize| (0..self.labellers.len()).map(|labeller| self.on_set(labeller, set, figure)).collect();
        Comparison::new((0..self.sets.len()).map(on_set).collect()).ok()
    }

    /// Average ranks over data sets; `None` for too few labellers or data sets.
    pub(super) fn ranks(&self, figure: CurveFigure) -> Option<Ranks> {
        Ranks::new(&self.comparison(figure)?)
    }

    /// The labellers, the best first: by average rank in a figure, or by its mean if there are no ranks.
    pub fn order(&self, figure: CurveFigure) -> Vec<usize> {
        let place: Vec<f64> = match self.ranks(figure) {
            Some(ranks) => ranks.average,
            None => (0..self.labellers.len())
                .map(|labeller| self.overall(labeller, figure).map_or(f64::INFINITY, |interval| -interval.estimate))
                .collect(),
        };
        let mut order: Vec<usize> = (0..self.labellers.len()).collect();
        order.sort_by(|&a, &b| place[a].total_cmp(&place[b]));
        order
    }
}

impl Curve {
    /// The share of what could be found after a number of labels.
    fn share(&self, labels: usize) -> f64 {
        self.found[labels - 1] as f64 / labels.min(self.anomalies) as f64
    }

    fn figure(&self, figure: CurveFigure) -> f64 {
        match figure {
            CurveFigure::At(labels) => self.share(labels),
            CurveFigure::Area => mean((0..self.found.len()).map(|before| self.share(before + 1))),
        }
    }
}

impl CurveFigure {
    /// Describes the figure in the header of a table.
    pub fn title(self) -> String {
        match self {
            CurveFigure::At(labels) => format!("at {labels}"),
            CurveFigure::Area => "area".into(),
        }
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}
