//! The encoding of a table's columns: numbers, categories, dates, missing values, and columns without information.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use anoonly_data::DataError;
use anoonly_data::encode::{Encoder, EncoderOptions, Unknown};
use anoonly_data::table::{LabelColumn, Table};

fn main() -> Result<(), DataError> {
    let row = |row: usize| {
        let age = if row % 6 == 5 { String::new() } else { (20 + row * 7 % 40).to_string() };
        let (city, bad) = (["Rome", "Oslo", "Lima"][row % 3], if row.is_multiple_of(20) { "yes" } else { "" });
        format!("C{row},{}.5,{age},{city},2026-03-{:02},EUR,{bad}\n", row * 37 % 90, 1 + row % 28)
    };
    let text = "customer,amount,age,city,day,currency,fraud\n".to_owned() + &(0..60).map(row).collect::<String>();
    let table = Table::read_csv("in memory".as_ref(), std::io::Cursor::new(text))?;

    for value in table.labels(&LabelColumn::named("fraud"))?.values {
        println!("label {:?} in {} rows: {:?}", value.value.unwrap_or_default(), value.rows, value.label);
    }
    let options = EncoderOptions { apart: vec!["fraud".into()], ..EncoderOptions::default() };
    let (encoder, left_out) = Encoder::fit(&table, &options)?;
    for column in left_out {
        println!("{} is left out: {}", column.column, column.reason);
    }
    let encoded = encoder.encode(&table, Unknown::Refuse)?;
    println!("{} missing values filled in; the first row:", encoded.filled);
    for (name, value) in encoder.feature_names().iter().zip(encoded.features.row(0)) {
        println!("  {name:28} {value:.3}");
    }
    Ok(())
}
