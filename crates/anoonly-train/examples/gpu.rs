//! Training and scoring with 1, 16 and 256 members of one detector, on a GPU or on all cores of the processor. The script `xtask/gpu.sh`
//! runs this program and the tests of the GPU backends, and joins what they found in one JSON file.
//!
//! ```sh
//! gpu probe BACKEND                 # prints the device of a backend
//! gpu measure BACKEND FILE [tiny]   # writes the figures of a backend: wgpu, cuda or flex
//! gpu join FILE PARTS FIGURES...    # joins figures, and what is known about the machine and about each part of the run
//! gpu table FILE                    # prints a joined file as Markdown
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its results")]

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anoonly_core::{Label, Samples, Seed};
use anoonly_models::AnyMethod;
use anoonly_models::recipe::Batches;
use anoonly_train::{ComputeDevice, Detector, FittedDetector, MemberFit, Supervision, fit_members, score_members};
use ndarray::Array2;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// The hosts of the AnoOnly paper and the classifier, under the strategy.
const METHODS: [&str; 5] = ["devnet", "deepsad", "prenet", "feawad", "mlp"];
const MEMBERS: [usize; 3] = [1, 16, 256];

/// What is measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sizes {
    rows: usize,
    columns: usize,
    /// The largest number of members; more than this are not measured.
    most_members: usize,
    epochs: usize,
    /// Steps in an epoch, or for methods with shuffled batches the rows of a batch that give about as many.
    steps: usize,
    scored: usize,
}

const FULL: Sizes = Sizes { rows: 20_000, columns: 40, most_members: 256, epochs: 5, steps: 20, scored: 100_000 };
/// For a run that only shows that everything works.
const TINY: Sizes = Sizes { rows: 200, columns: 5, most_members: 16, epochs: 1, steps: 2, scored: 300 };

/// One line of the result.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Figure {
    backend: String,
    /// The name that the GPU reports, or the number of cores.
    device: String,
    method: String,
    members: usize,
    sizes: Sizes,
    /// Training steps of each member, with those of pretraining.
    steps: usize,
    /// Seconds of the first fit, which compiles the device's programs, and of the second.
    first_fit: f64,
    fit: f64,
    first_score: f64,
    score: f64,
}

impl Figure {
    /// The training steps and the scored rows of all members in a second.
    fn rates(&self) -> [f64; 2] {
        let rate = |count: usize, seconds: f64| (self.members * count) as f64 / seconds;
        [rate(self.steps, self.fit), rate(self.sizes.scored, self.score)]
    }
}

/// A rate with three digits.
fn per_second(rate: f64) -> String {
    match rate {
        1e6.. => format!("{:.2} M", rate / 1e6),
        1e3.. => format!("{:.2} k", rate / 1e3),
        _ => format!("{rate:.1}"),
    }
}

/// A part of the run and how it ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    part: String,
    /// `passed`, `failed`, `out of time` or `not available`.
    ended: String,
    seconds: f64,
    /// The last lines that a part printed which did not pass.
    said: String,
}

/// The joined result.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Run {
    /// Lines about the machine: date, processor, graphics card and driver.
    machine: Vec<String>,
    parts: Vec<Part>,
    figures: Vec<Figure>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["probe", backend] => {
            println!("{}", named(&ComputeDevice::new(backend.parse()?, None)?));
            Ok(())
        }
        ["measure", backend, file] => measure(backend, Path::new(file), FULL),
        ["measure", backend, file, "tiny"] => measure(backend, Path::new(file), TINY),
        ["join", file, parts, ref figures @ ..] => join(Path::new(file), Path::new(parts), figures),
        ["table", file] => table(&serde_json::from_str(&fs::read_to_string(file)?)?),
        _ => Err("use: gpu probe BACKEND | gpu measure BACKEND FILE [tiny] | gpu join FILE PARTS FIGURES... | gpu table FILE".into()),
    }
}

/// Measures a backend, and writes the file again after each figure: a run that is out of time leaves those before.
fn measure(backend: &str, file: &Path, sizes: Sizes) -> Result<(), Box<dyn Error>> {
    let device = ComputeDevice::new(backend.parse()?, None)?;
    let name = named(&device);
    let samples = samples(sizes)?;
    let scored = features(sizes.scored, sizes.columns, "scored rows");
    let mut figures = Vec::new();
    for members in MEMBERS.into_iter().filter(|members| *members <= sizes.most_members) {
        for method in METHODS {
            let (detector, steps) = shortened(method, sizes)?;
            let fits: Vec<MemberFit<'_>> = (0..members)
                .map(|seed| {
                    let detector = Detector::new(detector.clone(), Supervision::AnomalyOnly, Seed(seed as u64))?;
                    Ok(MemberFit { detector, rows: None })
                })
                .collect::<Result<_, Box<dyn Error>>>()?;
            let fit = || fit_members(&samples, &fits, &device, &|_, _| ControlFlow::Continue(()));
            let ((_, first_fit), (fitted, fit)) = (timed(fit)?, timed(fit)?);
            let score = || scores(&fitted, &scored);
            let ((_, first_score), (_, score)) = (timed(score)?, timed(score)?);
            let (backend, device, method) = (backend.to_owned(), name.clone(), method.to_owned());
            figures.push(Figure { backend, device, method, members, sizes, steps, first_fit, fit, first_score, score });
            fs::write(file, serde_json::to_string_pretty(&figures)?)?;
        }
    }
    Ok(())
}

/// The name that a GPU reports, or the number of cores.
fn named(device: &ComputeDevice) -> String {
    let cores = || format!("{} cores", std::thread::available_parallelism().map_or(1, usize::from));
    device.name().map_or_else(cores, str::to_owned)
}

/// The scores of all members: as one network on a GPU, one after the other on the processor, all cores at each.
fn scores(fitted: &[FittedDetector], rows: &Array2<f32>) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    match score_members(fitted, rows)? {
        Some(scores) => Ok(scores),
        None => Ok(fitted.iter().map(|member| member.score(rows)).collect::<Result<_, _>>()?),
    }
}

/// A method that is trained for the measured number of epochs, and its number of steps.
fn shortened(name: &str, sizes: Sizes) -> Result<(AnyMethod, usize), Box<dyn Error>> {
    let mut method = AnyMethod::by_name(name)?;
    let mut steps = 0;
    let Sizes { rows, epochs, steps: of_epoch, .. } = sizes;
    let mut shorten = |recipe: &mut anoonly_models::recipe::Recipe| {
        recipe.epochs = epochs;
        steps += epochs
            * match &mut recipe.batches {
                Batches::Balanced { steps, .. } => {
                    *steps = of_epoch;
                    of_epoch
                }
                Batches::Shuffled { rows: batch } | Batches::Unlabelled { rows: batch } => (rows / *batch).max(1),
            };
    };
    method.recipe_mut().into_iter().for_each(&mut shorten);
    method.pretraining_mut().into_iter().for_each(&mut shorten);
    Ok((method, steps))
}

/// The result of a function and the seconds that it took.
fn timed<T, E>(f: impl Fn() -> Result<T, E>) -> Result<(T, f64), E> {
    let start = Instant::now();
    Ok((f()?, start.elapsed().as_secs_f64()))
}

/// Rows with 20 labelled anomalies, which are shifted in three columns.
fn samples(Sizes { rows, columns, .. }: Sizes) -> Result<Samples, Box<dyn Error>> {
    let mut features = features(rows, columns, "rows");
    features.rows_mut().into_iter().take(20).for_each(|mut row| row.iter_mut().take(3).for_each(|cell| *cell += 1.0));
    let label = |row: usize| if row < 20 { Label::Anomaly } else { Label::Unlabelled };
    Ok(Samples::new(features, (0..rows).map(label).collect())?)
}

fn features(rows: usize, columns: usize, purpose: &str) -> Array2<f32> {
    let mut rng = Seed(1).stream(&[purpose]);
    Array2::from_shape_fn((rows, columns), |_| rng.random::<f32>())
}

/// Joins figures. `parts` has a line for each part of the run, with tabs between its name, how it ended, its seconds and what it said, and
/// lines about the machine, which start with `machine` and a tab.
fn join(file: &Path, parts: &Path, figures: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut run = Run { machine: Vec::new(), parts: Vec::new(), figures: Vec::new() };
    for line in fs::read_to_string(parts)?.lines() {
        match line.splitn(4, '\t').collect::<Vec<_>>()[..] {
            ["machine", ..] => run.machine.push(line.split_once('\t').map_or(line, |(_, about)| about).into()),
            [part, ended, seconds, said] => {
                let (part, ended, said) = (part.into(), ended.into(), said.into());
                run.parts.push(Part { part, ended, seconds: seconds.parse()?, said });
            }
            _ => return Err(format!("not a line about a part: {line}").into()),
        }
    }
    for figures in figures.iter().filter(|file| Path::new(file).exists()) {
        run.figures.extend(serde_json::from_str::<Vec<Figure>>(&fs::read_to_string(figures)?)?);
    }
    Ok(fs::write(file, serde_json::to_string_pretty(&run)?)?)
}

/// Prints what was run where, and a table of figures.
fn table(run: &Run) -> Result<(), Box<dyn Error>> {
    run.machine.iter().for_each(|line| println!("- {line}"));
    for Part { part, ended, seconds, said } in &run.parts {
        let why = if said.is_empty() { String::new() } else { format!(": {}", said.trim()) };
        let after = if ended == "not available" { String::new() } else { format!(" in {seconds:.0} s") };
        println!("- {part}: {ended}{after}{why}");
    }
    println!(
        "\n| method | members | device | training, member-steps a second | times all cores | scoring, member-rows a second | times all cores |"
    );
    println!("|---|---:|---|---:|---:|---:|---:|");
    let mut figures: Vec<&Figure> = run.figures.iter().collect();
    figures.sort_by_key(|figure| (METHODS.iter().position(|name| *name == figure.method), figure.members));
    for figure in &figures {
        let processor = figures
            .iter()
            .find(|other| other.backend == "flex" && other.method == figure.method && other.members == figure.members);
        let rates = figure.rates();
        let [training, scoring] = std::array::from_fn(|of| {
            let times = processor.map_or("–".into(), |other| format!("{:.2}", rates[of] / other.rates()[of]));
            format!("{} | {times}", per_second(rates[of]))
        });
        let Figure { backend, device, method, members, .. } = figure;
        println!("| {method} | {members} | {device}, {backend} | {training} | {scoring} |");
    }
    Ok(())
}
