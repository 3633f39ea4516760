//! A table with columns of every kind, and new rows with values that no training row has.

use std::fs;
use std::path::Path;

use tract_onnx::prelude::*;

use crate::{Result, TOLERANCE, run};

const ROWS: usize = 800;
const COLUMNS: [&str; 6] = ["amount", "member", "city", "shop", "time", "x"];

/// The texts of a row; empty where a value is missing. Every 20th row is an anomaly. Times are Unix times, which are dates.
fn row(row: usize) -> [String; 6] {
    let bad = row.is_multiple_of(20);
    let or_none = |missing: bool, text: String| if missing { String::new() } else { text };
    [
        or_none(row % 9 == 4, (row * 37 % 101 + if bad { 90 } else { 0 }).to_string()),
        or_none(row % 11 == 5, (row.is_multiple_of(3) || bad).to_string()),
        or_none(row % 13 == 6, ["Rome", "Oslo", "Lima"][row % 3].into()),
        format!("shop {}", row * row % 41),
        or_none(row % 17 == 8, (1_600_000_000 + row * 104_729).to_string()),
        format!("{}.5", row * 13 % 29),
    ]
}

/// Rows with a value that training never saw: categories, times before 1970 and around leap days, and numbers of every size.
fn strange() -> Vec<[String; 6]> {
    let values = [
        (0, "1e30"),
        (0, "-1e300"),
        (0, "inf"),
        (0, "-inf"),
        (1, ""),
        (1, "2"),
        (2, "Atlantis"),
        (2, "NA"),
        (3, "shop 99"),
        (3, ""),
        (4, "-11670998400"),
        (4, "-2203977601"),
        (4, "-86401"),
        (4, "951782400"),
        (4, "951868799"),
        (4, "1735689599"),
        (4, "4107542400"),
        (4, "13601087999"),
        (5, ""),
    ];
    let mut rows: Vec<[String; 6]> = (0..values.len()).map(row).collect();
    rows.iter_mut().zip(values).for_each(|(cells, (column, text))| cells[column] = text.into());
    rows
}

/// Trains and exports two models of the table; returns the largest difference between the scores.
pub fn check(program: &Path, folder: &Path) -> Result<f32> {
    let path = |name: &str| folder.join(name);
    let label = |row: usize| if row.is_multiple_of(40) { "1" } else { "" };
    let header = COLUMNS.join(",");
    let table: String = (0..ROWS).map(|at| format!("{},{}\n", row(at).join(","), label(at))).collect();
    fs::write(path("mixed.csv"), format!("{header},bad\n{table}"))?;
    let rows: Vec<[String; 6]> = (0..ROWS).step_by(3).map(row).chain(strange()).collect();
    let new: String = rows.iter().map(|cells| cells.join(",") + "\n").collect();
    fs::write(path("new.csv"), format!("{header}\n{new}"))?;
    let mut worst = 0.0f32;
    for method in ["logistic", "devnet"] {
        fs::write(path("config.toml"), "[devnet.recipe]\nepochs = 3\n")?;
        let (model, onnx, scores) = (path("model.anoonly"), path("model.onnx"), path("scores.csv"));
        let word = Path::new;
        let (config, table) = (path("config.toml"), path("mixed.csv"));
        let train = ["train", "--label", "bad", "--model", method, "--config"].map(word);
        run(program, &[&train[..], &[&config, word("--out"), &model, &table]].concat())?;
        run(program, &[word("score"), &model, &path("new.csv"), word("--lenient"), word("--out"), &scores])?;
        run(program, &[word("export"), &model, word("--out"), &onnx])?;
        let outputs =
            tract_onnx::onnx().model_for_path(onnx)?.into_optimized()?.into_runnable()?.run(inputs(&rows)?)?;
        let (theirs, p_values) = (outputs[0].to_plain_array_view::<f32>()?, outputs[1].to_plain_array_view::<f64>()?);
        let mut lines = csv::Reader::from_path(scores)?;
        let places: Vec<String> = lines.headers()?.iter().map(str::to_owned).collect();
        let at = |name: &str| places.iter().position(|place| place == name).ok_or("a column is missing");
        let (score_at, p_value_at) = (at("score")?, at("p_value")?);
        for (number, (line, (&score, &p_value))) in lines.records().zip(theirs.iter().zip(&p_values)).enumerate() {
            let line = line?;
            let (ours, our_p_value): (f32, f64) = (line[score_at].parse()?, line[p_value_at].parse()?);
            let difference = (ours - score).abs() / ours.abs().max(1.0);
            let far = difference.is_nan() || difference > TOLERANCE;
            if far || (ours == score && (our_p_value - p_value).abs() > 1e-6) {
                let cells = &rows[number];
                return Err(
                    format!("{method}, {cells:?}: {ours}, {our_p_value}, but by tract {score}, {p_value}").into()
                );
            }
            worst = worst.max(difference);
        }
    }
    Ok(worst)
}

/// The inputs of the graph.
fn inputs(rows: &[[String; 6]]) -> Result<TVec<TValue>> {
    let texts = |column: usize| rows.iter().map(move |cells| cells[column].as_str());
    let numbers = |column: usize| texts(column).map(|text| text.parse::<f64>().unwrap_or(f64::NAN));
    let truth = |text: &str| match text {
        "true" => 1.0,
        "false" => 0.0,
        _ => f64::NAN,
    };
    let times = texts(4).map(|text| text.parse::<i64>().unwrap_or(i64::MIN));
    let tensors: [Tensor; 6] = [
        tensor1(&numbers(0).collect::<Vec<_>>()),
        tensor1(&texts(1).map(truth).collect::<Vec<_>>()),
        tensor1(&texts(2).map(str::to_owned).collect::<Vec<_>>()),
        tensor1(&texts(3).map(str::to_owned).collect::<Vec<_>>()),
        tensor1(&times.collect::<Vec<_>>()),
        tensor1(&numbers(5).collect::<Vec<_>>()),
    ];
    Ok(tensors.into_iter().map(TValue::from).collect())
}
