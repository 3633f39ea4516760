//! What to type when a command fails.
//!
//! The libraries report facts and know no options. This module adds the option or the command that helps, in one place.

use std::borrow::Cow;

use anoonly::core::{CoreError, Label, excerpt};
use anoonly::data::fetch::FetchError;
use anoonly::data::table::LabelColumn;
use anoonly::data::{DataError, ValueCount};
use anoonly::eval::ThresholdError;
use anoonly::labelling::{LabellingError, LabellingSetting};
use anoonly::models::{AnyMethod, ConfigError};
use anoonly::pipeline::{PipelineError, TableSetting};
use anoonly::train::{BackendError, FitError};
use anoonly_bench::{BenchError, OutsiderFault, PlanList};
use clap::Command;

use crate::columns::{as_argument, shell_word};
use crate::error::CommandError;

/// The message for an error of a command: what happened, then what to do.
///
/// A hint that names an option which the command does not have is left out, so that `--anomaly` is suggested by
/// `anoonly train` and not by `anoonly bench`.
pub fn message(error: &CommandError, command: &Command) -> String {
    match error {
        CommandError::Pipeline(PipelineError::Setting { setting, reason })
        | CommandError::Labelling(LabellingError::Pipeline(PipelineError::Setting { setting, reason })) => {
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
        PlanList::Queries => "--query",
    }
}

/// What may help, if an option or a command does.
fn hint(error: &CommandError) -> Option<String> {
    match error {
        CommandError::Pipeline(error) => pipeline(error),
        CommandError::Labelling(error) => labelling(error),
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
        PipelineError::NeedsLabels { column, .. } => {
            let others = format!("choose a method that needs no labels with --model: {}", methods_without_labels());
            Some(match column {
                Some(_) => others,
                None => format!("name the label column with --label, or {others}"),
            })
        }
        PipelineError::LabelIsFeature { column, .. } => {
            let column = named(column);
            Some(format!("train again, `anoonly train --label {column}` or `anoonly train --drop {column}`"))
        }
        PipelineError::Fit(FitError::Diverged { .. }) => {
            Some("set recipe.optimiser.learning_rate in a file and name the file with --config".into())
        }
        PipelineError::Threshold(ThresholdError::TooFewRows { .. }) => {
            Some("choose a higher rate, or train again and hold out more rows: `anoonly train --held-out SHARE`".into())
        }
        PipelineError::NoCalibration => {
            Some("train again and hold rows out: `anoonly train --held-out SHARE`, with a share above 0".into())
        }
        PipelineError::NotNumeric { .. } => Some("without --matrix, the graph has an input for each column".into()),
        PipelineError::NotExportable { .. } => Some("`anoonly score` computes its scores".into()),
        _ => None,
    }
}

fn labelling(error: &LabellingError) -> Option<String> {
    match error {
        LabellingError::Pipeline(error) => pipeline(error),
        LabellingError::Setting { setting: LabellingSetting::Label, .. } => {
            Some("to use its labels, name it with --label; or choose another name for the new column with --label-name".into())
        }
        LabellingError::Setting { setting: LabellingSetting::Notes, .. } => Some("--notes sets it".into()),
        LabellingError::OtherSetting { .. } => Some(
            "without options, a session goes on with those of its journal; to begin another session, name another file with --journal"
                .into(),
        ),
        LabellingError::OtherTable { .. } => Some("to begin a session with this table, name another file with --journal".into()),
        LabellingError::JournalInUse { .. } => {
            Some("end the other program first, or name another file with --journal".into())
        }
        LabellingError::EmptyJournal { .. }
        | LabellingError::NotAJournal { .. }
        | LabellingError::JournalVersion { .. }
        | LabellingError::DamagedLine { .. } => Some("name another file with --journal".into()),
        _ => None,
    }
}

/// The names of the methods that can be fitted without a labelled anomaly.
fn methods_without_labels() -> String {
    let all = AnyMethod::all();
    let names = all.iter().filter(|method| !method.needs_labels()).map(|method| method.info().name);
    names.collect::<Vec<_>>().join(", ")
}

fn data(error: &DataError) -> Option<String> {
    match error {
        DataError::NoLabelColumn { .. } => Some("name the label column with --label".into()),
        DataError::NamelessColumn { .. } => Some("or leave it out with --drop ''".into()),
        DataError::UnsupportedType { column, .. } | DataError::UnknownZone { column, .. } => {
            Some(format!("or leave it out with --drop {}", named(column)))
        }
        DataError::DuplicateColumn { column, .. } => Some(format!("or leave both out with --drop {}", named(column))),
        DataError::UnequalRow { .. } => Some("if the delimiter was not recognised, name it with --delimiter".into()),
        DataError::TooLarge { .. } => Some("--memory-limit sets the limit".into()),
        DataError::BadLabel { found, .. } => {
            Some(format!("or name the value that marks anomalies with --anomaly{}", rarest_label(found)))
        }
        DataError::NoSuchAnomaly { found, .. } => {
            Some(format!("name the value that marks anomalies with --anomaly{}", rarest_label(found)))
        }
        DataError::Mixed { column, .. } | DataError::UnknownDate { column, .. } => {
            let column = named(column);
            Some(format!(
                "or treat the column as categories with --category {column}, or leave it out with --drop {column}"
            ))
        }
        DataError::OtherKind { .. } | DataError::MissingColumns { .. } => {
            Some("or treat such values as missing with --lenient".into())
        }
        DataError::OtherDecimals { column, .. }
        | DataError::AmbiguousDate { column, .. }
        | DataError::TooManyCategories { column, .. } => {
            Some(format!("or leave the column out with --drop {}", named(column)))
        }
        DataError::NothingToLearnFrom { .. } => {
            Some("an identifier, time or counter is used with --keep COLUMN".into())
        }
        DataError::UnlikeTraining { .. } => Some("or score it all the same with --lenient".into()),
        DataError::NewCategory { .. } => Some("or accept unknown categories with --lenient".into()),
        DataError::Core(error) => core(error),
        _ => None,
    }
}

/// A column as the value of an option, unless it is too long to be quoted.
fn named(column: &str) -> String {
    match excerpt(column) {
        Cow::Borrowed(column) => as_argument(column),
        Cow::Owned(_) => "COLUMN".into(),
    }
}

/// The value that probably marks anomalies, as the end of ` --anomaly`: the rarest one, if it alone is the rarest. Empty if the column
/// holds the usual labels for both anomalies and normal rows, so that the rarest value is rather a mistake.
fn rarest_label(found: &[ValueCount]) -> String {
    let usual = |label: Label| found.iter().any(|count| LabelColumn::named("").read(&count.value) == Some(label));
    match found {
        [.., next, rarest] if rarest.rows < next.rows && !(usual(Label::Anomaly) && usual(Label::Normal)) => {
            match excerpt(&rarest.value) {
                Cow::Borrowed(value) => format!(" {}", shell_word(value)),
                Cow::Owned(_) => String::new(),
            }
        }
        _ => String::new(),
    }
}

fn core(error: &CoreError) -> Option<String> {
    match error {
        CoreError::TooFewAnomalies { .. } => Some("set the count with --label-count".into()),
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
        BenchError::Batch { .. } => Some("--batch and --budget set them".into()),
        BenchError::OneClass { .. } => Some("name others with --datasets".into()),
        BenchError::InUse { .. } | BenchError::BadLine { .. } => Some("name another folder with --out".into()),
        BenchError::NeedLabels { .. } => {
            Some(format!("choose methods that need no labels with --models: {}", methods_without_labels()))
        }
        BenchError::MissingScores { .. } => Some(
            "run it on those splits too, write a line with `error` where it fails, or choose what it has with --datasets, --seeds \
             and --label-count"
                .into(),
        ),
        BenchError::Outsider { fault, .. } => outsider(fault),
        _ => None,
    }
}

fn outsider(fault: &OutsiderFault) -> Option<String> {
    match fault {
        OutsiderFault::NotFinite { .. } => Some("a run that failed has `error` instead of scores".into()),
        OutsiderFault::KnownName { .. } | OutsiderFault::OddName { .. } => {
            Some("give the method of the other program another name".into())
        }
        OutsiderFault::Length { .. } => Some("a score is needed for each test row, in their order".into()),
        OutsiderFault::Settings { .. } => Some("give each of the two another name".into()),
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

    fn bad_label_among(found: &[(&str, usize)]) -> CommandError {
        let (path, column, value) = ("t.csv".into(), "fraud".into(), "ok".into());
        let found = found.iter().map(|&(value, rows)| ValueCount { value: value.into(), rows }).collect();
        DataError::BadLabel { path, column, row: 3, value, found }.into()
    }

    fn bad_label() -> CommandError {
        bad_label_among(&[])
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
    fn the_rarest_value_is_suggested_for_anomalies() {
        for (found, end) in [
            (&[("N", 392), ("Y", 8)][..], "--anomaly Y"),
            (&[("1", 392), ("-1", 8)], "--anomaly -1"),
            (&[("fine", 9), ("not so fine", 1)], "--anomaly 'not so fine'"),
            (&[("a", 1), ("b", 1)], "with --anomaly"),
            (&[("0", 90), ("1", 8), ("maybe", 2)], "with --anomaly"),
            (&[("ok", 9)], "with --anomaly"),
        ] {
            let message = message(&bad_label_among(found), &command("train"));
            assert!(message.ends_with(end), "{message}");
        }
        let message = message(&bad_label_among(&[("N", 392), ("Y", 1)]), &command("train"));
        assert!(message.contains("the column holds `N` (392 rows), `Y` (1 row)"), "{message}");
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
