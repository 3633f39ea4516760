//! The features of categories.

use anoonly_data::encode::{Encoding, MISSING_WORDS};

use super::{Builder, Source};
use crate::pipeline::onnx::nodes::{ConstantElement, integer, integers, texts};
use crate::pipeline::onnx::proto::DataType;

/// The code of a category that did not occur in training.
const UNSEEN: i64 = 0;
/// The code of a missing value.
const MISSING: i64 = 1;
/// The code of the first category.
const FIRST: i64 = 2;

impl Builder<'_> {
    /// Adds the features of categories: each text becomes a code, and each code its features.
    pub(super) fn categories(&mut self, sources: &[Source<'_>]) {
        if sources.is_empty() {
            return;
        }
        let codes: Vec<String> = sources.iter().map(|source| self.codes(source)).collect();
        let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
        let codes = self.stacked(&codes);
        self.one_hot(sources, &codes);
        self.frequencies(sources, &codes);
        let marked: Vec<usize> = places(sources, |source| source.column.indicator);
        if !marked.is_empty() {
            let marked_codes = self.picked(&codes, sources.len(), &marked);
            let missing = self.nodes.with_row("Equal", &marked_codes, &[MISSING]);
            let marks = self.nodes.cast(&missing, DataType::Float);
            self.add(marks, marked.iter().map(|&column| sources[column].indicator()));
        }
    }

    /// The codes of the texts of a column.
    fn codes(&mut self, source: &Source<'_>) -> String {
        let (names, whole): (Vec<&str>, bool) = match &source.column.encoding {
            Encoding::OneHot { categories, whole } => (categories.iter().map(String::as_str).collect(), *whole),
            Encoding::Frequency { shares, whole } => (shares.keys().map(String::as_str).collect(), *whole),
            _ => (Vec::new(), false),
        };
        let known = || names.iter().copied().zip(FIRST..);
        // pandas writes whole numbers with a fraction of zero once a value is missing.
        let fractions: Vec<String> = names.iter().filter(|_| whole).map(|name| format!("{name}.0")).collect();
        // Such a word can be a category in a file that has missing values of its own.
        let words = MISSING_WORDS.into_iter().filter(|word| !names.contains(word));
        let all: Vec<(&str, i64)> = known()
            .chain(fractions.iter().map(String::as_str).zip(FIRST..))
            .chain(words.map(|word| (word, MISSING)))
            .collect();
        let attributes = [
            texts("cats_strings", all.iter().map(|&(text, _)| text)),
            integers("cats_int64s", all.iter().map(|&(_, code)| code).collect()),
            integer("default_int64", UNSEEN),
        ];
        self.nodes.ml_node("CategoryMapper", &[&source.input.name], attributes)
    }

    /// Adds a feature for each category of the columns that have few.
    fn one_hot(&mut self, sources: &[Source<'_>], codes: &str) {
        let mut features = Vec::new();
        let (mut columns, mut expected) = (Vec::new(), Vec::new());
        for (column, source) in sources.iter().enumerate() {
            let Encoding::OneHot { categories, .. } = &source.column.encoding else { continue };
            columns.extend(categories.iter().map(|_| column));
            expected.extend((FIRST..).take(categories.len()));
            features.extend((source.place..).take(categories.len()).map(Some));
        }
        if !columns.is_empty() {
            let codes = self.picked(codes, sources.len(), &columns);
            let held = self.with_constants("Equal", &codes, &expected);
            let held = self.nodes.cast(&held, DataType::Float);
            self.add(held, features.into_iter());
        }
    }

    /// Adds the share of the training rows with the same category, for columns that have many.
    fn frequencies(&mut self, sources: &[Source<'_>], codes: &str) {
        let columns = places(sources, |source| matches!(source.column.encoding, Encoding::Frequency { .. }));
        if columns.is_empty() {
            return;
        }
        let (mut table, mut offsets) = (Vec::new(), Vec::new());
        for &column in &columns {
            offsets.push(table.len() as i64);
            // Nothing for an unseen category and for a missing value.
            table.extend([0.0f32; FIRST as usize]);
            if let Encoding::Frequency { shares, .. } = &sources[column].column.encoding {
                table.extend(shares.values().map(|&share| share as f32));
            }
        }
        let codes = self.picked(codes, sources.len(), &columns);
        let places = self.with_constants("Add", &codes, &offsets);
        let shares = self.looked_up(&table, &places);
        self.add(shares, columns.iter().map(|&column| Some(sources[column].place)));
    }

    /// The values of a table at places, in the shape of the places.
    pub(super) fn looked_up<T: ConstantElement>(&mut self, table: &[T], places: &str) -> String {
        let table = self.nodes.row(table);
        self.nodes.node("Gather", &[&table, places], None)
    }
}

/// The places of the columns with a property.
fn places(sources: &[Source<'_>], has: impl Fn(&Source<'_>) -> bool) -> Vec<usize> {
    sources.iter().enumerate().filter(|(_, source)| has(source)).map(|(place, _)| place).collect()
}
