//! What to type when a command fails.
//!
//! The libraries report facts and know no options. This module adds the option or the command that helps, in one place.

use anoonly::core::CoreError;
use anoonly::data::DataError;
use anoonly::data::fetch::FetchError;
use anoonly::eval::ThresholdError;
use anoonly::models::ConfigError;
use anoonly::pipeline::{PipelineError, TableSetting};
use anoonly::train::{BackendError, FitError};
use anoonly_bench::{BenchError, PlanList};
use clap::Command;

use crate::error::CommandError;

/// The message for an error of a command: what happened, then what to do.
///
/// A hint that names an option which the command does not have is left out, so that `--anomaly` is suggested by
/// `anoonly train` and not by `anoonly bench`.
pub fn message(error: &CommandError, command: &Command) -> String {
    match error {
        CommandError::Pipeline(PipelineError::Setting { setting, reason }) => {
            return format!("option {}: {reason}", option_of(*setting));
        }
        CommandError::Bench(BenchError::EmptyList { list }) => {
            return format!("option {}: at least one value is needed", option_of_list(*list));
        }
        CommandError::Bench(BenchError::ListedTwice { list, value }) => {
            return format!("option {}: {value} is listed twice", option_of_list(*list));
        }
        _ => {}
    }
    let fact = error.to_string();
    match hint(error).filter(|hint| has_options(command, hint)) {
        None => fact,
        Some(hint) if fact.ends_with(['?', '.']) => format!("{fact} {}", capitalised(&hint)),
        Some(hint) => format!("{fact}; {hint}"),
    }
}

/// The option that sets a setting of the library.
fn option_of(setting: TableSetting) -> &'static str {
    match setting {
        TableSetting::Members => "--ensemble",
        TableSetting::HeldOut => "--held-out",
        TableSetting::Ids => "--id",
        TableSetting::EarlyStopping => "--early-stopping",
        TableSetting::Validation => "--validate",
        TableSetting::ThresholdScore => "--score",
        _ => "of the detector",
    }
}

/// The option that sets a list of the plan of a benchmark.
fn option_of_list(list: PlanList) -> &'static str {
    match list {
        PlanList::Seeds => "--seeds",
        PlanList::Models => "--models",
        PlanList::Strategies => "--strategies",
        PlanList::Budgets => "--label-ratio or --label-count",
        PlanList::Noises => "--noise-level",
        PlanList::Synthetic => "--synthetic",
    }
}

/// What may help, if an option or a command does.
fn hint(error: &CommandError) -> Option<String> {
    match error {
        CommandError::Pipeline(error) => pipeline(error),
        CommandError::Data(error) => data(error),
        CommandError::Fetch(error) => fetch(error),
        CommandError::Config(error) => config(error),
        CommandError::Backend(error) => backend(error),
        CommandError::Bench(error) => bench(error),
        CommandError::UnknownDataSet { .. } => Some("`anoonly data list` shows all names".into()),
        CommandError::Embedded { name } => Some(format!("use it with `anoonly bench --datasets {name}`")),
        _ => None,
    }
}

fn pipeline(error: &PipelineError) -> Option<String> {
    match error {
        PipelineError::Data(error) => data(error),
        PipelineError::Core(error) => core(error),
        PipelineError::Config(error) => config(error),
        PipelineError::Backend(error) => backend(error),
        PipelineError::Fit(FitError::Config(error)) => config(error),
        PipelineError::Fit(FitError::Diverged { .. }) => {
            Some("set recipe.optimiser.learning_rate in a file and name the file with --config".into())
        }
        PipelineError::Threshold(ThresholdError::TooFewRows { .. }) => {
            Some("choose a higher rate, or train again and hold out more rows: `anoonly train --held-out SHARE`".into())
        }
        PipelineError::NoCalibration => {
            Some("train again and hold rows out: `anoonly train --held-out SHARE`, with a share above 0".into())
        }
        PipelineError::NotNumeric { column, .. } => Some(format!(
            "train without the column, `anoonly train --drop {column}`, or replace it by numbers derived from it"
        )),
        PipelineError::NotExportable { .. } => Some("`anoonly score` computes its scores".into()),
        _ => None,
    }
}

fn data(error: &DataError) -> Option<String> {
    match error {
        DataError::NoLabelColumn { .. } => Some("name the label column with --label".into()),
        DataError::NamelessColumn { .. } => Some("and leave it out with --drop if it only numbers the rows".into()),
        DataError::UnsupportedType { column, .. } | DataError::UnknownZone { column, .. } => {
            Some(format!("or leave it out with --drop {column}"))
        }
        DataError::DuplicateColumn { column, .. } => Some(format!("or leave both out with --drop {column}")),
        DataError::UnequalRow { .. } => Some("if the delimiter was not recognised, name it with --delimiter".into()),
        DataError::TooLarge { .. } => Some("--memory-limit sets the limit".into()),
        DataError::BadLabel { .. } => Some("or name the value that marks anomalies with --anomaly".into()),
        DataError::NoSuchAnomaly { .. } => Some("name one of these values with --anomaly".into()),
        DataError::Mixed { column, .. } => Some(format!(
            "or treat the column as categories with --category {column}, or leave it out with --drop {column}"
        )),
        DataError::OtherKind { .. } | DataError::MissingColumns { .. } => {
            Some("or treat such values as missing with --lenient".into())
        }
        DataError::OtherDecimals { column, .. }
        | DataError::AmbiguousDate { column, .. }
        | DataError::TooManyCategories { column, .. } => Some(format!("or leave the column out with --drop {column}")),
        DataError::UnlikeTraining { .. } => Some("or score it all the same with --lenient".into()),
        DataError::NewCategory { .. } => Some("or accept unknown categories with --lenient".into()),
        DataError::Core(error) => core(error),
        _ => None,
    }
}

fn core(error: &CoreError) -> Option<String> {
    match error {
        CoreError::TooFewAnomalies { .. } | CoreError::BadCount => Some("set the count with --label-count".into()),
        CoreError::BadRatio { .. } => Some("set the ratio with --label-ratio".into()),
        CoreError::NoiseLevel { .. } => Some("set the level with --noise-level".into()),
        CoreError::InDataset { source, .. } => core(source),
        _ => None,
    }
}

fn config(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::UnknownMethod { .. } => Some("`anoonly models` lists all methods".into()),
        ConfigError::UnknownKey { .. } | ConfigError::BadValue { .. } => {
            Some("`anoonly models --json` shows every setting with its default".into())
        }
        _ => None,
    }
}

fn backend(error: &BackendError) -> Option<String> {
    match error {
        BackendError::NotBuilt { name } => Some(format!(
            "build it with `cargo build --release --features {name}`; `cargo xtask bench --backend {name}` does so itself"
        )),
        BackendError::OneDevice { .. } => Some("leave out --device, or choose a GPU backend with --backend".into()),
        BackendError::NoDevice { .. } => Some("or run on the processor with --backend flex".into()),
        BackendError::UnknownDevice { .. } => Some("choose the device with --device".into()),
        _ => None,
    }
}

fn fetch(error: &FetchError) -> Option<String> {
    match error {
        FetchError::UnknownSet { .. } => Some(
            "`anoonly data list` shows the known data sets; name any other set of ADBench by folder, and give its digest, as in \
             `anoonly data fetch Classical/33_skin --sha256 HEX`"
                .into(),
        ),
        FetchError::UnknownDigest { .. } => {
            Some("give the digest of a copy that you trust, as sha256sum prints it, with --sha256 HEX".into())
        }
        FetchError::DigestOfSeveral { .. } => Some("name one data set, or leave out --sha256".into()),
        FetchError::OtherDigest { .. } => Some("leave out --sha256".into()),
        FetchError::Core(error) => core(error),
        FetchError::NoCacheFolder => Some("or name a folder with --to".into()),
        FetchError::Http { .. } => Some("or name a mirror with --url".into()),
        _ => None,
    }
}

fn bench(error: &BenchError) -> Option<String> {
    match error {
        BenchError::Data(error) => data(error),
        BenchError::Core(error) => core(error),
        BenchError::Config(error) => config(error),
        BenchError::Backend(error) => backend(error),
        BenchError::InUse { .. } | BenchError::BadLine { .. } => Some("name another folder with --out".into()),
        _ => None,
    }
}

/// Whether a command has every option that a hint names. Whole commands are quoted in a hint, and their options do not count.
fn has_options(command: &Command, hint: &str) -> bool {
    let unquoted = hint.split('`').step_by(2);
    let options = unquoted.flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix("--"));
    let known = |name: &str| command.get_arguments().any(|argument| argument.get_long() == Some(name));
    options.map(|option| option.trim_end_matches([',', ';', ':', '.'])).all(known)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use clap::{Arg, CommandFactory};

    use super::*;

    fn bad_label() -> CommandError {
        let (path, column, value) = ("t.csv".into(), "fraud".into(), "ok".into());
        DataError::BadLabel { path, column, row: 3, value }.into()
    }

    fn command(name: &str) -> Command {
        crate::Cli::command().find_subcommand(name).unwrap_or_else(|| panic!("no command {name}")).clone()
    }

    #[test]
    fn a_hint_follows_the_fact_where_the_command_has_its_options() {
        let train = message(&bad_label(), &command("train"));
        assert!(train.contains("row 3") && train.ends_with("with --anomaly"), "{train}");
        let bench = message(&bad_label(), &command("bench"));
        assert_eq!(bench, bad_label().to_string());
    }

    #[test]
    fn options_are_found_outside_of_quoted_commands() {
        let command = Command::new("train").arg(Arg::new("drop").long("drop"));
        for (hint, has) in [
            ("leave it out with --drop x", true),
            ("leave it out with --drop, or not", true),
            ("take it with --category x", false),
            ("run `anoonly train --held-out SHARE`", true),
            ("run `a --b` or --c", false),
        ] {
            assert_eq!(has_options(&command, hint), has, "{hint}");
        }
    }

    #[test]
    fn every_setting_has_an_option_of_its_command() {
        for (setting, name) in [
            (TableSetting::Members, "train"),
            (TableSetting::HeldOut, "train"),
            (TableSetting::Ids, "train"),
            (TableSetting::EarlyStopping, "train"),
            (TableSetting::Validation, "train"),
            (TableSetting::ThresholdScore, "threshold"),
        ] {
            assert!(has_options(&command(name), option_of(setting)), "{setting}");
        }
    }

    #[test]
    fn a_question_is_followed_by_a_sentence() {
        let error = ConfigError::UnknownMethod { name: "devnte".into(), nearest: "devnet".into() };
        let message = message(&error.into(), &command("train"));
        assert!(message.ends_with("`anoonly models` lists all methods"), "{message}");
    }
}
