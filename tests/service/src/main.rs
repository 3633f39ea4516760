//! Scores rows that come as JSON, one object a line, and answers with a line of JSON for each.
//!
//! ```sh
//! cargo run --release --manifest-path tests/service/Cargo.toml -- model.anoonly < rows.jsonl
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;

use anoonly::{Model, Reason, RowValue, Unknown};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("name a model file")?;
    let model = Model::load(Path::new(&path))?;
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&model, &line?).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}

/// The score of a row, and the columns that say most about it if it is flagged.
fn answer(model: &Model, line: &str) -> Result<Value, Box<dyn Error>> {
    let row: BTreeMap<String, RowValue> = serde_json::from_str(line)?;
    let scored = model.score_row(row.clone(), Unknown::Refuse)?;
    let mut answer = json!({ "score": scored.score, "p_value": scored.p_value, "flagged": scored.flagged });
    if scored.flagged == Some(true) {
        let explained = model.explain_row(row, Unknown::Refuse)?;
        let reason = |reason: &Reason| {
            let context = reason.context.as_ref().map(ToString::to_string);
            json!({ "column": reason.column, "contribution": reason.contribution, "context": context })
        };
        answer["reasons"] = explained.reasons.iter().take(3).map(reason).collect();
    }
    Ok(answer)
}
