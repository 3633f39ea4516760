//! `anoonly export`.

use std::path::PathBuf;
use std::process::ExitCode;

use anoonly::pipeline::{Model, OnnxModel, PipelineError};
use clap::Args;

use crate::{print, refuse};

#[derive(Debug, Args)]
pub struct Options {
    /// The model, as `anoonly train` wrote it, of columns that are numbers or truth values
    model: PathBuf,
    /// Where the ONNX file goes
    #[arg(long, default_value = "model.onnx", value_name = "FILE")]
    out: PathBuf,
    /// Tell the inputs and outputs as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> ExitCode {
        match self.export() {
            Ok(told) => {
                print(&told);
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        }
    }

    fn export(&self) -> Result<String, PipelineError> {
        let model = Model::load(&self.model)?;
        let exported = model.to_onnx()?;
        exported.save(&self.out)?;
        Ok(match self.json {
            true => match serde_json::to_string(&exported) {
                Ok(text) => text + "\n",
                Err(error) => unreachable!("plain data is JSON: {error}"),
            },
            false => self.told(&model, &exported),
        })
    }

    fn told(&self, model: &Model, exported: &OnnxModel) -> String {
        let columns = exported.columns.len();
        let flagged = match (exported.threshold, model.threshold()) {
            (Some(threshold), _) => format!("output `flagged`: bool, [rows], a score of at least {threshold}\n"),
            (None, Some(_)) => "no output `flagged`: the threshold looks at all rows of a table together\n".into(),
            (None, None) => "no output `flagged`: no threshold is set\n".into(),
        };
        format!(
            "input `{}`: float64, [rows, {columns}], NaN where a value is missing: {}\n\
             output `score`: float32, [rows]\n\
             {flagged}\
             {} written, ONNX opset {}\n",
            exported.input,
            exported.columns.join(", "),
            self.out.display(),
            exported.opset
        )
    }
}
