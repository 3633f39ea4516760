//! Measurements as tables.

use anoonly_bench::speed::{Machine, Measured, Memory, Task};
use anoonly_page::markdown_table;

use super::{Case, MemoryCase, Report};

/// CPU seconds that the published implementation takes to fit and score 3684 × 512 on one core of another machine.
const PUBLISHED: [(&str, f64); 4] = [("devnet", 5.8), ("prenet", 11.4), ("deepsad", 7.9), ("feawad", 113.0)];

impl Report {
    /// Renders the report as Markdown.
    pub fn tables(&self) -> String {
        let device = self.device.as_ref().map_or_else(String::new, |name| format!(" on {name}"));
        let cores = if self.cores == 1 { "core" } else { "cores" };
        let mut text = format!("Backend {}{device}, {} {cores}.\n", self.backend, self.cores);
        if let Some(Machine { gflops, peak_gflops, bandwidth }) = self.machine {
            text += &format!(
                "One thread multiplies and adds in registers at {peak_gflops:.0} GFLOP/s, multiplies 512 × 512 matrices at {gflops:.0} \
                 GFLOP/s and reads memory at {bandwidth:.1} GB/s.\n"
            );
        }
        for cases in self.rates.chunk_by(|a, b| a.threads == b.threads) {
            let threads = cases[0].threads;
            let title = if threads == 1 { "One thread".into() } else { format!("{threads} threads") };
            let (training, scoring): (Vec<&Case>, Vec<_>) = cases.iter().partition(|case| case.task == Task::Train);
            text += &format!("\n### {title}: fits on 5000 × 512\n\n{}\n", self.rate_table(&training));
            text += &format!("\n### {title}: scoring\n\n{}\n", self.rate_table(&scoring));
        }
        text += &format!("\n### Whole fits and scoring, 3684 × 512, one thread\n\n{}\n", whole_table(&self.whole));
        text += &format!("\n### Memory of a fit, 50 000 × 512, one thread\n\n{}\n", memory_table(&self.memory));
        text
    }

    /// The table of the rates of training or of scoring.
    fn rate_table(&self, cases: &[&Case]) -> String {
        let limited = self.machine.is_some() && cases.iter().all(|case| case.threads == 1);
        let training = cases.iter().all(|case| case.task == Task::Train);
        let compared = cases.iter().any(|case| case.pytorch.is_some());
        let flushing = cases.iter().any(|case| case.pytorch_flushing.is_some());
        let mut head = vec!["model", "strategy"];
        head.extend((!training).then_some("rows"));
        head.push("rate");
        head.extend(limited.then_some("share of the limit"));
        head.extend((limited && training).then_some("GFLOP/s"));
        head.extend(training.then_some("seconds"));
        head.push("peak memory");
        if compared {
            head.push("PyTorch's rate");
            head.extend(training.then_some("its seconds"));
            head.extend(["its peak memory", "ratio"]);
        }
        if flushing {
            head.extend(["its rate, flushing denormals", "ratio"]);
        }
        let mut table = markdown_table(&head, 2);
        for case in cases {
            let unit = if training { "steps/s" } else { "rows/s" };
            let rate = |measured: Measured| format!("{} {unit}", thousands(measured.rate()));
            let memory = |measured: Measured| format!("{:.0} MiB", measured.peak_mib);
            let seconds = |measured: Measured| training.then(|| format!("{:.2}", measured.seconds));
            let ours = case.ours;
            let ratio = |theirs: Measured| format!("{:.1}", ours.rate() / theirs.rate());
            let mut row = vec![case.model.to_owned(), case.strategy.to_owned()];
            row.extend(match case.task {
                Task::ScoreNarrow => Some("1 000 000 × 64".to_owned()),
                Task::ScoreWide => Some("100 000 × 512".to_owned()),
                Task::Train | Task::Whole => None,
            });
            row.push(rate(ours));
            let share = || case.limit.map_or_else(dash, |limit| format!("{:.2}", ours.rate() / limit));
            row.extend(limited.then(share));
            let gflops = || case.gflop.map_or_else(dash, |gflop| format!("{:.0}", gflop * ours.rate()));
            row.extend((limited && training).then(gflops));
            row.extend(seconds(ours));
            row.push(memory(ours));
            if let Some(theirs) = case.pytorch {
                row.push(rate(theirs));
                row.extend(seconds(theirs));
                row.extend([memory(theirs), ratio(theirs)]);
            }
            row.extend(case.pytorch_flushing.into_iter().flat_map(|theirs| [rate(theirs), ratio(theirs)]));
            table.add_row(row);
        }
        table.to_string()
    }
}

fn whole_table(cases: &[Case]) -> String {
    let mut head = vec!["model", "strategy", "steps", "seconds"];
    if cases.iter().any(|case| case.pytorch.is_some()) {
        head.extend(["PyTorch's", "ratio"]);
    }
    head.extend(["published, elsewhere", "ratio"]);
    let mut table = markdown_table(&head, 2);
    for case in cases {
        let seconds = |seconds: f64| format!("{seconds:.2}");
        let ratio = |theirs: f64| format!("{:.1}", theirs / case.ours.seconds);
        let mut row = vec![case.model.to_owned(), case.strategy.to_owned()];
        row.push(case.steps.map_or_else(dash, |steps| steps.to_string()));
        row.push(seconds(case.ours.seconds));
        row.extend(case.pytorch.into_iter().flat_map(|theirs| [seconds(theirs.seconds), ratio(theirs.seconds)]));
        let published = PUBLISHED.iter().find(|(published, _)| *published == case.model).map(|(_, seconds)| *seconds);
        row.extend(published.map_or([dash(), dash()], |published| [format!("{published:.1}"), ratio(published)]));
        table.add_row(row);
    }
    table.to_string()
}

fn memory_table(cases: &[MemoryCase]) -> String {
    let mut table = markdown_table(&["model", "strategy", "training matrix", "held in total", "ratio"], 2);
    for &MemoryCase { model, strategy, held: Memory { matrix_mib, held_mib } } in cases {
        let mib = |mib: f64| format!("{mib:.0} MiB");
        let cells = [mib(matrix_mib), mib(held_mib), format!("{:.2}", held_mib / matrix_mib)];
        table.add_row([model.to_owned(), strategy.to_owned()].into_iter().chain(cells));
    }
    table.to_string()
}

fn dash() -> String {
    "–".to_owned()
}

/// A rate with three significant digits.
fn thousands(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2} M", rate / 1e6),
        rate if rate >= 1e4 => format!("{:.1} k", rate / 1e3),
        rate if rate >= 100.0 => format!("{rate:.0}"),
        rate => format!("{rate:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(pytorch: Option<Measured>) -> Report {
        let case = |task, threads, limit| Case {
            task,
            model: "devnet",
            strategy: "host",
            threads,
            steps: (task == Task::Whole).then_some(1000),
            ours: Measured { work: 1000.0, seconds: 0.25, peak_mib: 40.4 },
            pytorch,
            pytorch_flushing: pytorch.filter(|_| task == Task::Train && threads == 1),
            limit,
            gflop: (task == Task::Train).then_some(0.02),
        };
        Report {
            backend: "flex".into(),
            device: None,
            cores: 2,
            machine: Some(Machine { gflops: 75.7, peak_gflops: 110.0, bandwidth: 24.21 }),
            rates: vec![case(Task::Train, 1, Some(8000.0)), case(Task::ScoreWide, 2, None)],
            whole: vec![case(Task::Whole, 1, None)],
            memory: vec![MemoryCase {
                model: "prenet",
                strategy: "anoonly",
                held: Memory { matrix_mib: 100.0, held_mib: 106.0 },
            }],
        }
    }

    fn cells(text: &str) -> Vec<String> {
        let line = |line: &str| line.split('|').map(str::trim).collect::<Vec<_>>().join("|");
        text.lines().map(line).collect()
    }

    #[test]
    fn rates_shares_and_ratios_belong_to_the_same_case() {
        let theirs = Measured { work: 1000.0, seconds: 0.5, peak_mib: 300.0 };
        let text = report(Some(theirs)).tables();
        let cells = cells(&text);
        for line in [
            "|devnet|host|4000 steps/s|0.50|80|0.25|40 MiB|2000 steps/s|0.50|300 MiB|2.0|2000 steps/s|2.0|",
            "|devnet|host|100 000 × 512|4000 rows/s|40 MiB|2000 rows/s|300 MiB|2.0|",
            "|devnet|host|1000|0.25|0.50|2.0|5.8|23.2|",
            "|prenet|anoonly|100 MiB|106 MiB|1.06|",
        ] {
            assert!(cells.iter().any(|cells| cells == line), "{line} is not in\n{text}");
        }
        assert!(text.starts_with("Backend flex, 2 cores.\nOne thread multiplies and adds"), "{text}");
        assert!(text.contains("### One thread: fits") && text.contains("### 2 threads: scoring\n"), "{text}");
    }

    #[test]
    fn without_a_peer_there_are_no_columns_for_it() {
        let text = report(None).tables();
        assert!(!text.contains("PyTorch"), "{text}");
        assert!(cells(&text).iter().any(|cells| cells == "|devnet|host|1000|0.25|5.8|23.2|"), "{text}");
    }

    #[test]
    fn the_json_holds_the_same_measurements() {
        let json = serde_json::json!(report(None));
        assert_eq!((&json["machine"]["gflops"], &json["rates"][0]["task"]), (&75.7.into(), &"train".into()));
        assert_eq!(
            (&json["rates"][0]["limit"], &json["rates"][1]["limit"]),
            (&8000.0.into(), &serde_json::Value::Null)
        );
        assert_eq!((&json["whole"][0]["steps"], &json["memory"][0]["held_mib"]), (&1000.into(), &106.0.into()));
    }
}
