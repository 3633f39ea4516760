//! The settings of a sweep: label budgets, noise and synthetic rows.

use std::collections::BTreeSet;

use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_core::synthetic::Synthetic;

use crate::{Results, Row, synthetic_name};

/// The values that all runs of one table share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// How many training anomalies stay labelled.
    pub budget: LabelBudget,
    /// The change to the training rows.
    pub noise: Noise,
    /// The kind of synthetic rows; `None` for the rows of the data sets.
    pub synthetic: Option<Synthetic>,
}

impl Setting {
    /// Describes noise and synthetic rows, each after a comma; empty without them.
    pub fn besides_labels(self) -> String {
        let noise = if self.noise == Noise::None { String::new() } else { format!(", {}", self.noise) };
        let synthetic = self.synthetic.map(|kind| format!(", synthetic anomalies {kind}"));
        noise + &synthetic.unwrap_or_default()
    }
}

/// The setting of a run.
pub fn setting(row: &Row) -> Setting {
    Setting { budget: row.budget, noise: row.noise, synthetic: row.synthetic }
}

/// The results of each setting, in the order in which data sets have them. A data set may lack some settings.
pub fn by_setting(results: &Results) -> Vec<(Setting, Results)> {
    let runs = results.rows.chunk_by(|a, b| (&a.dataset, a.seed) == (&b.dataset, b.seed));
    let order = joined(runs.map(|rows| rows.iter().map(setting).collect()));
    let mut settings: Vec<(Setting, Results)> =
        order.into_iter().map(|setting| (setting, Results { rows: Vec::new() })).collect();
    for row in &results.rows {
        let of = settings.iter_mut().filter(|(known, _)| *known == setting(row));
        of.for_each(|(_, results)| results.rows.push(row.clone()));
    }
    settings
}

/// The values of several lists, each once. A value that is not in the lists before follows the one before it in its own list.
pub(super) fn joined<T: PartialEq>(lists: impl Iterator<Item = Vec<T>>) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    for list in lists {
        let mut next = 0;
        for value in list {
            let place = all.iter().position(|known| *known == value).unwrap_or_else(|| {
                all.insert(next, value);
                next
            });
            next = place + 1;
        }
    }
    all
}

/// The number of data sets in the results.
pub fn sets(results: &Results) -> usize {
    results.rows.iter().map(|row| row.dataset.as_str()).collect::<BTreeSet<&str>>().len()
}

/// Whether some settings have other numbers of data sets.
pub fn sets_differ(all: &[(Setting, Results)]) -> bool {
    all.iter().map(|(_, results)| sets(results)).collect::<BTreeSet<usize>>().len() > 1
}

/// The names of the settings of a sweep: the values in which they differ and, unless all have as many, the number of data sets.
pub(super) fn setting_names(all: &[(Setting, Results)]) -> Vec<String> {
    let differ = sets_differ(all);
    let name = |(setting, results): &(Setting, Results)| {
        let name = setting_name(*setting, all);
        match (differ, sets(results)) {
            (false, _) => name,
            (true, 1) => format!("{name}, 1 set"),
            (true, sets) => format!("{name}, {sets} sets"),
        }
    };
    all.iter().map(name).collect()
}

/// The name of a setting in a sweep: the values in which the settings differ.
fn setting_name(setting: Setting, all: &[(Setting, Results)]) -> String {
    let budget = match setting.budget {
        LabelBudget::Count(count) => format!("{count} labelled"),
        LabelBudget::Ratio(ratio) => format!("{} %", percent(ratio)),
    };
    let names = [synthetic_name(setting.synthetic).to_owned(), budget, setting.noise.level().to_string()];
    let varying = names.into_iter().zip(varying(all)).filter(|(_, varies)| *varies).map(|(name, _)| name);
    varying.collect::<Vec<String>>().join(", ")
}

/// Describes what a sweep varies.
pub fn swept(all: &[(Setting, Results)]) -> String {
    let noise = all.iter().map(|(setting, _)| setting.noise.name()).find(|name| *name != "none").unwrap_or("noise");
    let names = ["synthetic anomalies", "labels", noise];
    let varying = names.into_iter().zip(varying(all)).filter(|(_, varies)| *varies).map(|(name, _)| name);
    varying.collect::<Vec<&str>>().join(", ")
}

/// Whether the settings differ in their synthetic rows, in their label budgets and in their noises.
fn varying(all: &[(Setting, Results)]) -> [bool; 3] {
    let Some((first, _)) = all.first() else { return [false; 3] };
    let varies = |differ: fn(&Setting, &Setting) -> bool| all.iter().any(|(setting, _)| differ(setting, first));
    [varies(|a, b| a.synthetic != b.synthetic), varies(|a, b| a.budget != b.budget), varies(|a, b| a.noise != b.noise)]
}

/// Describes a label budget.
pub fn labels(budget: LabelBudget) -> String {
    match budget {
        LabelBudget::Count(1) => "1 labelled anomaly".into(),
        LabelBudget::Count(count) => format!("{count} labelled anomalies"),
        LabelBudget::Ratio(ratio) => format!("{} % of the training anomalies labelled", percent(ratio)),
    }
}

/// A ratio in percent, rounded so that 0.07 is 7 and not 7.000000000000001.
fn percent(ratio: f64) -> f64 {
    (1e6 * ratio).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{METRICS, sweep_table};
    use crate::{Scores, Status, Strategy};

    #[test]
    fn a_setting_is_named_by_the_values_that_vary() {
        let of = |budget, noise, synthetic| Row { budget, noise, synthetic, ..Row::made() };
        let names = |rows: Vec<Row>| {
            let all = by_setting(&Results { rows });
            (swept(&all), all.iter().map(|(setting, _)| setting_name(*setting, &all)).collect::<Vec<_>>())
        };
        let (few, more) = (LabelBudget::Count(1), LabelBudget::Count(5));
        let flips = [0.0, 0.1].map(Noise::LabelContamination);
        let local = Some(Synthetic::Local);
        assert_eq!(
            names(vec![of(few, Noise::None, None), of(more, Noise::None, None)]),
            ("labels".into(), vec!["1 labelled".into(), "5 labelled".into()])
        );
        assert_eq!(
            names(vec![of(few, flips[0], local), of(few, flips[1], local)]),
            ("label-contamination".into(), vec!["0".into(), "0.1".into()])
        );
        assert_eq!(
            names(vec![of(few, flips[1], None), of(more, flips[1], local)]),
            ("synthetic anomalies, labels".into(), vec!["none, 1 labelled".into(), "local, 5 labelled".into()])
        );
        let setting = Setting { budget: few, noise: flips[1], synthetic: local };
        assert_eq!(setting.besides_labels(), ", label-contamination 0.1, synthetic anomalies local");
    }

    /// Set `a` has no 5 labels, and the first method has no run without labels.
    fn uneven() -> Vec<(Setting, Results)> {
        let of = |dataset: &'static str, model: &'static str, count: usize, auroc: f64| {
            let scores = Scores { auroc, ap: auroc, ap_normal: auroc, fit_seconds: 1.0, score_seconds: 1.0 };
            let (dataset, family, model) = (dataset.into(), dataset.into(), model.into());
            let (budget, status) = (LabelBudget::Count(count), Status::Ok(scores));
            Row { dataset, family, model, strategy: Strategy::none(), budget, status, ..Row::made() }
        };
        let of_set = |dataset, counts: &[usize]| -> Vec<Row> {
            let runs = counts.iter().flat_map(|&count| [("first", count, 0.7), ("second", count, 0.5)]);
            let runs = runs.filter(|(model, count, _)| *count > 0 || *model == "second");
            runs.map(|(model, count, auroc)| of(dataset, model, count, auroc + 0.1 * f64::from(dataset == "b")))
                .collect()
        };
        by_setting(&Results { rows: [of_set("a", &[0, 1]), of_set("b", &[5, 0, 1])].concat() })
    }

    #[test]
    fn settings_stand_in_the_order_of_their_data_sets_also_where_a_set_lacks_some() {
        let all = uneven();
        let counts: Vec<LabelBudget> = all.iter().map(|(setting, _)| setting.budget).collect();
        assert_eq!(counts, [5, 0, 1].map(LabelBudget::Count));
        assert_eq!(joined([vec![1, 10], vec![1, 5, 10, 20], vec![0, 1]].into_iter()), [0, 1, 5, 10, 20]);
    }

    #[test]
    fn a_sweep_has_every_method_and_says_how_many_sets_a_setting_has() {
        let all = uneven();
        assert!(sets_differ(&all) && !sets_differ(&all[1..]));
        let table = sweep_table(&all, METRICS[0].1).to_string();
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = table.lines().map(cells).collect();
        assert_eq!(lines[0][3..6], ["5 labelled, 1 set", "0 labelled, 2 sets", "1 labelled, 2 sets"]);
        assert_eq!(lines[2][1..6], ["first", "none", "80.0", "–", "75.0"]);
        assert_eq!(lines[3][1..6], ["second", "none", "60.0", "55.0", "55.0"]);
        let same = sweep_table(&all[1..], METRICS[0].1).to_string();
        assert!(same.contains(" 1 labelled ") && !same.contains("sets"), "{same}");
    }
}
