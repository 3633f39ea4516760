//! From a table with a few labels to a ranked list, a threshold and a model file.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;

use anoonly::{Model, Table, TableDetector, ThresholdRule};

fn main() -> Result<(), Box<dyn Error>> {
    // Large amounts from Cairo are fraud, and ten of these rows are labelled.
    let row = |row: usize| {
        let bad = row.is_multiple_of(25);
        let amount = row * 37 % 100 + if bad { 250 } else { 0 };
        let (city, label) =
            (if bad { "Cairo" } else { ["Rome", "Oslo", "Lima"][row % 3] }, if bad && row < 250 { "yes" } else { "" });
        format!("T{row},{amount},{city},{label}\n")
    };
    let text = "id,amount,city,fraud\n".to_owned() + &(0..500).map(row).collect::<String>();
    let table = Table::read_csv("in memory".as_ref(), std::io::Cursor::new(text))?;

    let mut model = TableDetector::devnet().ids(&["id"]).fit(&table, "fraud")?;
    let threshold = model.threshold_by(ThresholdRule::FalsePositiveRate(0.05))?;
    println!("threshold: {}", threshold.promise());
    model.set_threshold(threshold);

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.anoonly");
    model.save(&path)?;

    let model = Model::load(&path)?;
    let scores = model.score(&table)?;
    let flagged = model.flags(&scores)?.unwrap_or_default().into_iter().filter(|&flag| flag).count();
    let highest = scores.iter().copied().fold(f32::MIN, f32::max);
    println!("{} rows, {flagged} flagged, highest score {highest:.2}", scores.len());
    Ok(())
}
