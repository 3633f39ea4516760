//! `anoonly export`.

use std::path::PathBuf;

use anoonly::pipeline::{Model, OnnxModel};
use clap::Args;

use crate::error::CommandError;
use crate::terminal::one_line;
use crate::{outputs, print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it; its columns must be numbers or truth values
    model: PathBuf,
    /// Where to write the ONNX file
    #[arg(long, default_value = "model.onnx", value_name = "FILE")]
    out: PathBuf,
    /// Print the inputs and outputs of the graph as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<(), CommandError> {
        outputs::check("--out", &self.out, &[("the model", &self.model)])?;
        let model = Model::load(&self.model)?;
        let exported = model.to_onnx()?;
        exported.save(&self.out)?;
        match self.json {
            true => print_json(&exported)?,
            false => print(&self.summary(&model, &exported)),
        }
        Ok(())
    }

    fn summary(&self, model: &Model, exported: &OnnxModel) -> String {
        let columns = exported.columns.len();
        let flagged = match (exported.threshold, model.threshold()) {
            (Some(threshold), _) => {
                format!("output `flagged`: bool, [rows], whether the score is at least {threshold}\n")
            }
            (None, Some(_)) => "no output `flagged`: the threshold looks at all rows of a table together\n".into(),
            (None, None) => "no output `flagged`: no threshold is set\n".into(),
        };
        format!(
            "input `{}`: float64, [rows, {columns}], NaN where a value is missing: {}\n\
             output `score`: float32, [rows]\n\
             {flagged}\
             {} written, ONNX opset {}\n",
            exported.input,
            one_line(&exported.columns.join(", ")),
            self.out.display(),
            exported.opset
        )
    }
}
