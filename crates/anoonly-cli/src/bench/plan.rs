//! The plan of a bench, made from its settings.

use std::path::PathBuf;

use anoonly::core::noise::Noise;
use anoonly::core::synthetic::Synthetic;
use anoonly::data::catalogue::Source;
use anoonly::data::fetch::cache_folder;
use anoonly::models::overrides::overridden;
use anoonly::models::{AnyMethod, ConfigError};
use anoonly_bench::{BenchError, Plan};

use super::Options;
use crate::error::CommandError;

impl Options {
    pub(super) fn plan(self) -> Result<Plan, CommandError> {
        let (noises, synthetic) = (self.noises()?, self.synthetic()?);
        let (source, models) = (self.source()?, self.methods()?);
        let settings = self.settings;
        Ok(Plan {
            source,
            datasets: settings.datasets(),
            models,
            strategies: settings.strategies(),
            budgets: settings.budgets(),
            noises,
            synthetic,
            seeds: settings.seeds(),
            protocol: settings.protocol(),
            compute: settings.compute().device()?,
        })
    }

    /// Where the data sets are.
    pub(super) fn source(&self) -> Result<Source, CommandError> {
        Ok(match self.settings.data().to_str() {
            Some("embedded") => Source::Embedded,
            Some("fetched") => Source::Folder(fetched()?),
            _ => Source::Folder(self.settings.data().to_owned()),
        })
    }

    /// The methods with their settings.
    pub(super) fn methods(&self) -> Result<Vec<AnyMethod>, CommandError> {
        let settings = &self.settings;
        let mut models: Vec<AnyMethod> =
            settings.models().iter().map(|name| AnyMethod::by_name(name)).collect::<Result<_, _>>()?;
        if let Some(path) = &self.plan {
            let failed = |error: ConfigError| BenchError::File { path: path.clone(), reason: error.to_string() };
            models = overridden(models, &settings.settings.to_string()).map_err(failed)?;
        }
        if let Some(path) = &settings.config {
            let failed = |reason: String| BenchError::File { path: path.clone(), reason };
            let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
            models = overridden(models, &text).map_err(|error| failed(error.to_string()))?;
        }
        Ok(models)
    }

    pub(super) fn noises(&self) -> Result<Vec<Noise>, CommandError> {
        let invalid = |option, reason: String| Err(CommandError::option(option, reason));
        let levels: &[f64] = match (self.settings.noise(), self.settings.noise_level.as_slice()) {
            ("none", []) => &[0.0],
            (Noise::NORMAL_CLEAN, []) => &[0.0],
            ("none", _) => {
                return invalid(
                    "--noise",
                    format!("must be one of {} with --noise-level", Noise::NAMES[1..].join(", ")),
                );
            }
            (name, []) if Noise::NAMES.contains(&name) => {
                return invalid("--noise-level", format!("is needed with {name}"));
            }
            // `Noise::named` refuses an unknown name.
            (_, []) => &[0.0],
            (_, levels) => levels,
        };
        let noises: Result<_, _> = levels.iter().map(|&level| Noise::named(self.settings.noise(), level)).collect();
        Ok(noises.map_err(BenchError::from)?)
    }

    pub(super) fn synthetic(&self) -> Result<Vec<Option<Synthetic>>, CommandError> {
        let kind = |name: &String| match name.as_str() {
            "none" => Ok(None),
            name => name.parse::<Synthetic>().map(Some),
        };
        let kinds: Result<_, _> = self.settings.synthetic().iter().map(kind).collect();
        Ok(kinds.map_err(BenchError::from)?)
    }
}

/// The folder of fetched data sets.
fn fetched() -> Result<PathBuf, CommandError> {
    let folder = cache_folder()?;
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(CommandError::option(
            "--data fetched",
            "nothing has been fetched yet: `anoonly data list` shows names, `anoonly data fetch NAME` fetches",
        )),
    }
}
