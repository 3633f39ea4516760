//! Options that list columns.

use std::collections::HashSet;

use anoonly::data::encode::EncoderOptions;
use clap::Args;
use csv::{ReaderBuilder, Terminator};

use crate::error::CommandError;

/// The options that say what columns are used for.
#[derive(Debug, Args)]
pub struct ColumnUse {
    /// Columns to ignore, whatever they hold. The option may be repeated, and a name with a comma is put in double quotes:
    /// --drop '"a, b",c'
    #[arg(long, value_parser = ColumnNames::parse, value_name = "COLUMN,…", allow_hyphen_values = true)]
    drop: Vec<ColumnNames>,
    /// Identifier columns: not used as features, and shown next to the scores
    #[arg(long, value_parser = ColumnNames::parse, value_name = "COLUMN,…", allow_hyphen_values = true)]
    id: Vec<ColumnNames>,
    /// Columns whose values are categories even if they look like numbers, such as postal codes
    #[arg(long, value_parser = ColumnNames::parse, value_name = "COLUMN,…", allow_hyphen_values = true)]
    category: Vec<ColumnNames>,
    /// Columns to use although they look like row numbers, identifiers or time that goes on, which are left out otherwise
    #[arg(long, value_parser = ColumnNames::parse, value_name = "COLUMN,…", allow_hyphen_values = true)]
    keep: Vec<ColumnNames>,
}

impl ColumnUse {
    /// Whether none of the options was given.
    pub fn is_empty(&self) -> bool {
        [&self.drop, &self.id, &self.category, &self.keep].into_iter().all(Vec::is_empty)
    }

    /// The identifier columns.
    ///
    /// # Errors
    /// When a column is named twice.
    pub fn ids(&self) -> Result<Vec<String>, CommandError> {
        ColumnNames::all("--id", &self.id)
    }

    /// How the columns become features.
    ///
    /// # Errors
    /// When a column is named twice in an option.
    pub fn encoding(&self) -> Result<EncoderOptions, CommandError> {
        Ok(EncoderOptions {
            drop: ColumnNames::all("--drop", &self.drop)?,
            categories: ColumnNames::all("--category", &self.category)?,
            keep: ColumnNames::all("--keep", &self.keep)?,
            ..EncoderOptions::default()
        })
    }
}

/// The columns of one option, separated by commas as the fields of a line of CSV: a name with a comma is put in double quotes.
#[derive(Clone, Debug)]
pub struct ColumnNames(Vec<String>);

impl ColumnNames {
    /// Reads the value of an option. An empty value is the name of a column without one.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A name may hold line ends.
        let mut reader =
            ReaderBuilder::new().has_headers(false).terminator(Terminator::Any(0)).from_reader(text.as_bytes());
        match reader.records().next() {
            Some(Ok(record)) => Ok(Self(record.iter().map(str::to_owned).collect())),
            Some(Err(error)) => Err(error.to_string()),
            None => Ok(Self(vec![String::new()])),
        }
    }

    /// All columns of an option, which may be given several times.
    ///
    /// # Errors
    /// When a column is named twice.
    pub fn all(option: &'static str, lists: &[Self]) -> Result<Vec<String>, CommandError> {
        let mut seen = HashSet::new();
        let names: Vec<String> = lists.iter().flat_map(|Self(names)| names).cloned().collect();
        match names.iter().find(|name| !seen.insert(name.as_str())) {
            None => Ok(names),
            Some(name) => Err(CommandError::option(option, format!("`{name}` is named twice"))),
        }
    }
}

/// A column as the value of such an option, and quoted for a shell where that is needed.
pub fn as_argument(column: &str) -> String {
    let field = match column.contains([',', '"']) {
        true => format!("\"{}\"", column.replace('"', "\"\"")),
        false => column.to_owned(),
    };
    shell_word(&field)
}

/// A text as one word of a shell: in single quotes, unless it is made of letters, digits and a few other characters.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-.,:/@%+".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Result<Vec<String>, CommandError> {
        let lists: Vec<ColumnNames> = texts.iter().map(|text| ColumnNames::parse(text).unwrap()).collect();
        ColumnNames::all("--drop", &lists)
    }

    #[test]
    fn names_with_commas_are_quoted() {
        assert_eq!(names(&["a,b c", "\"d, e\",f"]).unwrap(), ["a", "b c", "d, e", "f"]);
        assert_eq!(
            names(&["\"say \"\"x\"\", y\"", "5\" pipe", "two\nlines"]).unwrap(),
            ["say \"x\", y", "5\" pipe", "two\nlines"]
        );
        assert_eq!(names(&["", "a,"]).unwrap_err().to_string(), "option --drop: `` is named twice");
        assert_eq!(names(&["", "a"]).unwrap(), ["", "a"]);
        assert_eq!(names(&["a,b", "a"]).unwrap_err().to_string(), "option --drop: `a` is named twice");
        for column in ["a", "a b", "a, b", "say \"x\"", "it's"] {
            let word = as_argument(column);
            let value = word
                .strip_prefix('\'')
                .map_or(word.clone(), |rest| rest.replace("'\\''", "\u{0}").replace('\'', "").replace('\u{0}', "'"));
            assert_eq!(names(&[&value]).unwrap(), [column], "{word}");
        }
    }
}
