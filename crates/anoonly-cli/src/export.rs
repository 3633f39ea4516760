//! `anoonly export`.

use std::path::PathBuf;

use anoonly::data::encode::ColumnKind;
use anoonly::pipeline::{Model, OnnxForm, OnnxModel};
use clap::Args;

use crate::error::CommandError;
use crate::terminal::one_line;
use crate::{outputs, print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it
    model: PathBuf,
    /// Where to write the ONNX file
    #[arg(long, default_value = "model.onnx", value_name = "FILE")]
    out: PathBuf,
    /// Take all columns as one matrix instead of one input per column; its columns must be numbers or truth values
    #[arg(long)]
    matrix: bool,
    /// Print the inputs and outputs of the graph as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        outputs::check("--out", &self.out, &[("the model", &self.model)])?;
        let model = Model::load(&self.model)?;
        let form = if self.matrix { OnnxForm::Matrix } else { OnnxForm::Columns };
        let exported = model.to_onnx_as(form)?;
        exported.save(&self.out)?;
        match self.json {
            true => print_json(&exported)?,
            false => print(&self.summary(&model, &exported)),
        }
        Ok(())
    }

    fn summary(&self, model: &Model, exported: &OnnxModel) -> String {
        let mut lines = input_lines(exported);
        for output in &exported.outputs {
            lines.push(format!("output `{}`: {}, [rows]: {}", output.name, output.element, output.description));
        }
        if exported.threshold.is_none() {
            let reason = match model.threshold() {
                Some(_) => "the threshold looks at all rows of a table together",
                None => "no threshold is set",
            };
            lines.push(format!("no output `flagged`: {reason}"));
        }
        let operators = exported.operators.iter().map(|set| format!("{} {}", set.domain, set.version));
        let operators: Vec<String> = operators.collect();
        let (path, size) = (self.out.display(), bytes(exported.size));
        lines.push(format!("{path} written: {size}, operators {}", operators.join(" and ")));
        lines.join("\n") + "\n"
    }
}

/// A line for each kind of input.
fn input_lines(exported: &OnnxModel) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, what) in [
        (ColumnKind::Number, "numbers; NaN where one is missing"),
        (ColumnKind::Truth, "0 for false, 1 for true; NaN where one is missing"),
        (ColumnKind::Date, "seconds since 1970-01-01 00:00, local time; the lowest integer where one is missing"),
        (ColumnKind::Category, "categories; an empty text where one is missing"),
    ] {
        let of_kind: Vec<_> = exported.inputs.iter().filter(|input| input.kind == kind).collect();
        let Some(first) = of_kind.first() else { continue };
        let names: Vec<&str> = of_kind.iter().map(|input| input.name.as_str()).collect();
        lines.push(match exported.form {
            OnnxForm::Columns => {
                let inputs = if of_kind.len() == 1 { "input" } else { "inputs" };
                let names = one_line(&names.join(", ")).into_owned();
                format!("{} {inputs} of {}, [rows], {what}: {names}", of_kind.len(), first.element)
            }
            OnnxForm::Matrix => {
                let columns: Vec<&str> = of_kind.iter().map(|input| input.column.as_str()).collect();
                format!("columns of {what}: {}", one_line(&columns.join(", ")))
            }
        });
    }
    if exported.form == OnnxForm::Matrix {
        let name = exported.inputs.first().map(|input| input.name.as_str()).unwrap_or_default();
        lines.insert(
            0,
            format!("input `{name}`: float64, [rows, {}], in the order of the table", exported.inputs.len()),
        );
    }
    lines
}

/// A size for people.
fn bytes(size: usize) -> String {
    match size as f64 {
        few if few < 1e3 => format!("{size} bytes"),
        few if few < 1e6 => format!("{:.1} kB", few / 1e3),
        many => format!("{:.1} MB", many / 1e6),
    }
}
