//! The options that say how a table is read.

use std::path::Path;
use std::str::FromStr;

use anoonly::data::DataError;
use anoonly::data::table::{Blocks, Delimiter, ReadOptions, Table, WantedColumns};
use anoonly::pipeline::Model;
use clap::Args;

/// The file name that messages show for standard input.
const STDIN: &str = "standard input";

/// The name of a table in messages.
pub fn table_name(path: &Path) -> &Path {
    if path.as_os_str() == "-" { Path::new(STDIN) } else { path }
}

#[derive(Debug, Args)]
pub struct Reading {
    /// The character between the fields of a CSV table, or `tab`. Without this option, it is recognised
    #[arg(long, value_name = "CHARACTER|tab")]
    delimiter: Option<Delimiter>,
    /// The most memory that the cells of a table may take while it is read; tables that are scored are read in blocks, and this is
    /// the limit of one
    #[arg(long, default_value = "8GiB", value_name = "SIZE")]
    memory_limit: MemorySize,
}

impl Reading {
    /// Reads some columns of a whole table; `-` is CSV from standard input.
    pub fn table(&self, path: &Path, columns: WantedColumns) -> Result<Table, DataError> {
        let options = self.options(columns);
        match path.as_os_str() == "-" {
            true => Table::read_csv_with(Path::new(STDIN), std::io::stdin(), &options),
            false => Table::read_with(path, &options),
        }
    }

    /// The rows of a table in blocks, with some of its columns; `-` is CSV from standard input.
    pub fn blocks(&self, path: &Path, columns: WantedColumns) -> Result<Blocks, DataError> {
        let options = self.options(columns);
        match path.as_os_str() == "-" {
            true => Table::csv_blocks_with(Path::new(STDIN), std::io::stdin(), &options),
            false => Table::blocks_with(path, &options),
        }
    }

    fn options(&self, columns: WantedColumns) -> ReadOptions {
        ReadOptions { columns, delimiter: self.delimiter, memory_limit: self.memory_limit.0 }
    }
}

/// The columns of a table that a model needs: its own and its identifiers, and the column with the labels.
pub fn columns_of(model: &Model, label: Option<&str>) -> WantedColumns {
    let own = model.encoder().columns().iter().map(|column| column.name.clone());
    WantedColumns::Only(own.chain(model.ids().iter().cloned()).chain(label.map(str::to_owned)).collect())
}

/// A size of memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MemorySize(u64);

impl FromStr for MemorySize {
    type Err = String;

    /// Reads a whole number of a unit, as in `32GiB`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            _ => return Err("must be a whole number with a unit, such as 500MiB or 32GiB".into()),
        };
        let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(unit));
        bytes.map(MemorySize).ok_or_else(|| "is no size of memory".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory_have_a_unit() {
        for (text, bytes) in [("8GiB", ReadOptions::MEMORY_LIMIT), ("500 MiB", 500 << 20), ("2tb", 2_000_000_000_000)] {
            assert_eq!(text.parse(), Ok(MemorySize(bytes)), "{text}");
        }
        for text in ["", "8", "GiB", "-1GiB", "8 bananas", "99999999999999TiB"] {
            assert!(text.parse::<MemorySize>().is_err(), "{text}");
        }
    }
}
