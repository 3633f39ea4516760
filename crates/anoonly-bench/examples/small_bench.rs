//! Compares two methods with and without AnoOnly on an embedded data set, with three seeds.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;

use anoonly_bench::{Grid, Plan, Store, Strategy, summary};
use anoonly_core::Seed;
use anoonly_core::budget::LabelBudget;
use anoonly_core::noise::Noise;
use anoonly_core::protocol::Protocol;
use anoonly_data::catalogue::Source;
use anoonly_models::AnyMethod;
use anoonly_train::{BackendName, ComputeDevice};

fn main() -> Result<(), Box<dyn Error>> {
    let models = ["devnet", "mean-difference"].map(AnyMethod::by_name).into_iter().collect::<Result<_, _>>()?;
    let grid = Grid::prepare(Plan {
        source: Source::Embedded,
        datasets: vec!["penguins".into()],
        models,
        strategies: vec![Strategy::host(), Strategy::anoonly()],
        budgets: vec![LabelBudget::Ratio(0.1)],
        noises: vec![Noise::None],
        synthetic: vec![None],
        seeds: [1, 2, 3].map(Seed).into(),
        protocol: Protocol::Clean,
        compute: ComputeDevice::new(BackendName::default(), None)?,
    })?;
    // The folder keeps measured runs, so a bench that was stopped can continue.
    let folder = tempfile::tempdir()?;
    let results = grid.run(2, &Store::open(folder.path())?, &false.into(), |_| {})?;
    println!("{}", summary::table(&results));
    Ok(())
}
