//! Graphs in files: their steps as plain data, and their constants as named tensors.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Graph, Matrix, Step, Value};
use crate::{SavedTensor, SavedTensors};

/// A step of a saved graph. Values are numbered as by [`Value::index`], and constants are named by the paths of their tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the variants and their fields are those of `Step`")]
pub enum SavedStep {
    Linear {
        of: usize,
        weight: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bias: Option<String>,
    },
    LeakyRelu {
        of: usize,
        slope: f32,
    },
    Add {
        of: usize,
        constants: String,
    },
    Multiply {
        of: usize,
        constants: String,
    },
    Subtract {
        left: usize,
        right: usize,
    },
    Divide {
        left: usize,
        right: usize,
    },
    Root {
        of: usize,
    },
    Sum {
        of: usize,
    },
    SumOfSquares {
        of: usize,
    },
    Concat {
        of: Vec<usize>,
    },
}

/// The most steps of a graph in a file, and the most values that a row may have in all of them.
const MOST_STEPS: usize = 1000;
const MOST_VALUES: usize = 1 << 22;

impl Graph {
    /// The name of those of a method's tensors that only its steps need.
    pub const PART: &str = "graph";

    /// The steps, and the tensors that they need besides `known`. A step refers to a known tensor where it has the same values.
    ///
    /// # Panics
    /// When a step is not dense ([`Graph::is_dense`]).
    pub fn save(&self, known: &SavedTensors) -> (Vec<SavedStep>, SavedTensors) {
        let mut constants = Constants { known, used: HashSet::new(), added: SavedTensors::default() };
        let steps = self.steps().iter().enumerate();
        (steps.map(|(place, step)| constants.saved(place + 1, step)).collect(), constants.added)
    }

    /// Whether [`restore`](Self::restore) takes the graph for rows with `columns` columns: it is not too large.
    pub fn can_be_saved(&self, columns: usize) -> bool {
        let mut widths = vec![columns];
        for step in self.steps() {
            let width = |value: &Value| widths[value.index()];
            widths.push(match step {
                Step::Linear { weight, .. } => weight.shape[1],
                Step::Sum { .. } | Step::SumOfSquares { .. } => 1,
                Step::Concat { of } => of.iter().map(width).sum(),
                other => other.takes().iter().map(width).max().unwrap_or_default(),
            });
        }
        self.steps().len() <= MOST_STEPS && widths.iter().sum::<usize>() <= MOST_VALUES
    }

    /// The graph of saved steps for rows with `columns` columns. Its constants are taken out of `saved`, each once.
    ///
    /// # Errors
    /// When a step refers to a value or tensor that is not there, shapes do not match, or the graph is too large.
    pub fn restore(steps: &[SavedStep], columns: usize, saved: &mut SavedTensors) -> Result<Self, String> {
        if steps.is_empty() || steps.len() > MOST_STEPS {
            return Err(format!("a graph has from 1 to {MOST_STEPS} steps, not {}", steps.len()));
        }
        let (mut graph, mut widths) = (Graph::default(), vec![columns]);
        let mut values = columns;
        for step in steps {
            let (step, width) = restored(step, &widths, saved)?;
            values = values.saturating_add(width);
            if values > MOST_VALUES {
                return Err(format!("the steps of a graph have more than {MOST_VALUES} values for a row"));
            }
            widths.push(width);
            graph.then(step);
        }
        match (widths.last(), saved.part(Self::PART).left()) {
            (Some(1), None) => Ok(graph),
            (_, Some(path)) => Err(format!("no step needs tensor `{}.{path}`", Self::PART)),
            _ => Err("the last step of a graph is the score, with one value for a row".into()),
        }
    }
}

/// The path of a constant that only the steps need.
fn part(place: usize, name: &str) -> String {
    format!("{}.{place}.{name}", Graph::PART)
}

/// The constants of a graph on their way into a file.
struct Constants<'a> {
    known: &'a SavedTensors,
    used: HashSet<&'a str>,
    added: SavedTensors,
}

impl Constants<'_> {
    fn saved(&mut self, place: usize, step: &Step) -> SavedStep {
        match step {
            Step::Linear { of, weight, bias } => SavedStep::Linear {
                of: of.index(),
                weight: self.path(part(place, "weight"), &weight.shape, &weight.cells),
                bias: bias.as_ref().map(|bias| self.path(part(place, "bias"), &[bias.len()], bias)),
            },
            Step::LeakyRelu { of, slope } => SavedStep::LeakyRelu { of: of.index(), slope: *slope },
            Step::Add { of, constants } => {
                SavedStep::Add { of: of.index(), constants: self.constants(place, constants) }
            }
            Step::Multiply { of, constants } => {
                SavedStep::Multiply { of: of.index(), constants: self.constants(place, constants) }
            }
            Step::Subtract { left, right } => SavedStep::Subtract { left: left.index(), right: right.index() },
            Step::Divide { left, right } => SavedStep::Divide { left: left.index(), right: right.index() },
            Step::Root { of } => SavedStep::Root { of: of.index() },
            Step::Sum { of } => SavedStep::Sum { of: of.index() },
            Step::SumOfSquares { of } => SavedStep::SumOfSquares { of: of.index() },
            Step::Concat { of } => SavedStep::Concat { of: of.iter().map(|of| of.index()).collect() },
            Step::General(step) => unreachable!("{step:?} is not dense"),
        }
    }

    fn constants(&mut self, place: usize, constants: &[f32]) -> String {
        self.path(part(place, "constants"), &[constants.len()], constants)
    }

    /// The path of a tensor with these values: a known one that no earlier step uses, or a new one.
    fn path(&mut self, new: String, shape: &[usize], values: &[f32]) -> String {
        let same = |tensor: &SavedTensor| {
            tensor.shape == shape && tensor.values.iter().zip(values).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        let mut known = self.known.iter();
        if let Some((path, _)) = known.find(|(path, tensor)| !self.used.contains(path) && same(tensor)) {
            self.used.insert(path);
            return path.to_owned();
        }
        self.added = std::mem::take(&mut self.added).with(&new, shape, values.to_vec());
        new
    }
}

/// A step and the width of its result. `widths` are those of the values before it.
fn restored(step: &SavedStep, widths: &[usize], saved: &mut SavedTensors) -> Result<(Step, usize), String> {
    let value = |index: usize| match widths.get(index) {
        Some(&width) => Ok((Value(index), width)),
        None => Err(format!("a step refers to value {index}, which comes after it")),
    };
    let pair = |left: usize, right: usize| {
        let ((left, a), (right, b)) = (value(left)?, value(right)?);
        match a == b || a == 1 || b == 1 {
            true => Ok((left, right, a.max(b))),
            false => Err(format!("a step joins values of {a} and {b} columns")),
        }
    };
    let constants = |saved: &mut SavedTensors, path: &str, width: usize| match saved.entries(path) {
        1 => saved.take(path, &[1]),
        _ => saved.take(path, &[width]),
    };
    Ok(match step {
        SavedStep::Linear { of, weight, bias } => {
            let (of, width) = value(*of)?;
            let outputs = saved.width(weight);
            if outputs == 0 {
                return Err(format!("tensor `{weight}` has no columns"));
            }
            let cells = saved.take(weight, &[width, outputs])?;
            let bias = bias.as_ref().map(|bias| saved.take(bias, &[outputs])).transpose()?;
            (Step::Linear { of, weight: Matrix { shape: [width, outputs], cells }, bias }, outputs)
        }
        SavedStep::LeakyRelu { of, slope } => {
            let (of, width) = value(*of)?;
            if !slope.is_finite() {
                return Err("the slope of a step is not finite".into());
            }
            (Step::LeakyRelu { of, slope: *slope }, width)
        }
        SavedStep::Add { of, constants: path } => {
            let (of, width) = value(*of)?;
            (Step::Add { of, constants: constants(saved, path, width)? }, width)
        }
        SavedStep::Multiply { of, constants: path } => {
            let (of, width) = value(*of)?;
            (Step::Multiply { of, constants: constants(saved, path, width)? }, width)
        }
        SavedStep::Subtract { left, right } => {
            let (left, right, width) = pair(*left, *right)?;
            (Step::Subtract { left, right }, width)
        }
        SavedStep::Divide { left, right } => {
            let (left, right, width) = pair(*left, *right)?;
            (Step::Divide { left, right }, width)
        }
        SavedStep::Root { of } => value(*of).map(|(of, width)| (Step::Root { of }, width))?,
        SavedStep::Sum { of } => value(*of).map(|(of, _)| (Step::Sum { of }, 1))?,
        SavedStep::SumOfSquares { of } => value(*of).map(|(of, _)| (Step::SumOfSquares { of }, 1))?,
        SavedStep::Concat { of } => {
            let parts = of.iter().map(|&of| value(of)).collect::<Result<Vec<_>, _>>()?;
            let width = parts.iter().fold(0usize, |sum, (_, width)| sum.saturating_add(*width));
            if parts.is_empty() || parts.len() > MOST_STEPS {
                return Err(format!("a step joins {} values", parts.len()));
            }
            (Step::Concat { of: parts.into_iter().map(|(of, _)| of).collect() }, width)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        let mut graph = Graph::default();
        let weight = Matrix { shape: [2, 3], cells: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        let hidden = graph.linear(Graph::ROWS, weight, Some(vec![0.5, 0.0, -0.5]));
        let active = graph.then(Step::LeakyRelu { of: hidden, slope: 0.01 });
        let shifted = graph.add(active, vec![0.25]);
        let both = graph.then(Step::Concat { of: vec![shifted, active] });
        let length = graph.length(both, 1e-6);
        let sum = graph.then(Step::Sum { of: hidden });
        let left = graph.then(Step::Subtract { left: length, right: sum });
        let right = graph.multiply(length, vec![2.0]);
        graph.then(Step::Divide { left, right });
        graph
    }

    #[test]
    fn a_graph_is_the_same_after_saving_and_shares_the_tensors_of_its_method() {
        let known = SavedTensors::default().with("layer.weight", &[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let (steps, added) = graph().save(&known);
        assert_eq!(
            added.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            ["graph.1.bias", "graph.10.constants", "graph.3.constants", "graph.6.constants"]
        );
        let steps: Vec<SavedStep> = serde_json::from_str(&serde_json::to_string(&steps).unwrap()).unwrap();
        let mut saved: SavedTensors = known.into_iter().chain(added).collect();
        assert_eq!(Graph::restore(&steps, 2, &mut saved), Ok(graph()));
        assert_eq!(saved.left(), None);
    }

    #[test]
    fn impossible_graphs_are_refused() {
        let (steps, saved) = graph().save(&SavedTensors::default());
        let refuses = |change: &dyn Fn(&mut Vec<SavedStep>), columns: usize, saved: &SavedTensors, reason: &str| {
            let mut steps = steps.clone();
            change(&mut steps);
            let found = Graph::restore(&steps, columns, &mut saved.clone()).unwrap_err();
            assert!(found.contains(reason), "{found}, not {reason}");
        };
        refuses(&|_| {}, 3, &saved, "graph.1.weight");
        refuses(&|_| {}, 2, &SavedTensors::default(), "graph.1.weight");
        refuses(&|steps| steps.clear(), 2, &saved, "from 1 to 1000 steps");
        refuses(&|steps| steps[1] = SavedStep::Root { of: 2 }, 2, &saved, "value 2, which comes after it");
        refuses(&|steps| steps[1] = SavedStep::LeakyRelu { of: 1, slope: f32::NAN }, 2, &saved, "not finite");
        refuses(&|steps| steps[3] = SavedStep::Concat { of: vec![] }, 2, &saved, "joins 0 values");
        refuses(&|steps| steps[1] = SavedStep::Subtract { left: 0, right: 1 }, 2, &saved, "2 and 3 columns");
        refuses(&|steps| steps[2] = SavedStep::Root { of: 2 }, 2, &saved, "no step needs tensor `graph.3.constants`");
        refuses(&|steps| steps.push(SavedStep::Root { of: 1 }), 2, &saved, "one value for a row");
        let twice = |steps: &mut Vec<SavedStep>| steps.push(steps[0].clone());
        refuses(&twice, 2, &saved, "graph.1.weight");
        // Each doubles the width of the one before.
        let doubled = |steps: &mut Vec<SavedStep>| {
            *steps = (0..40).map(|of| SavedStep::Concat { of: vec![of, of] }).collect();
        };
        refuses(&doubled, 2, &SavedTensors::default(), "values for a row");
    }
}
