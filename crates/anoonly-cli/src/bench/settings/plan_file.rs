//! Reading settings from a plan file.

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anoonly_bench::BenchError;
use serde::de::value::{F64Deserializer, I64Deserializer, StrDeserializer};
use serde::de::{Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Table;

use super::BenchSettings;

impl BenchSettings {
    /// Reads a plan file.
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown or a value does not fit its key.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        let failed = |reason: String| BenchError::File { path: path.into(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(&text).map_err(failed)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        // Each key by itself first, so that an error can name it.
        for (key, value) in &file {
            let alone = Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = BenchSettings::deserialize(alone) {
                let message = error.message().trim();
                return Err(match message.strip_prefix("unknown field ") {
                    Some(rest) => format!("unknown key {rest}"),
                    None => format!("key `{key}`: {message}"),
                });
            }
        }
        let settings = BenchSettings::deserialize(file).map_err(|error| error.message().to_owned())?;
        settings
            .conflict()
            .map_or(Ok(settings), |(one, other)| Err(format!("use either `{one}` or `{other}`, not both")))
    }

    /// Two settings that contradict each other, if there are any.
    fn conflict(&self) -> Option<(&'static str, &'static str)> {
        let pairs = [
            ("label-ratio", !self.label_ratio.is_empty(), "label-count", !self.label_count.is_empty()),
            ("strategies", !self.strategies.is_empty(), "ablation", self.ablation.is_some()),
            ("standings", self.standings, "json", self.json),
            ("reference", self.reference.is_some(), "json", self.json),
        ];
        pairs.into_iter().find(|(_, one, _, other)| *one && *other).map(|(one, _, other, _)| (one, other))
    }
}

/// Reads one value, an array of values or a text with values separated by commas.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct OneOrMore<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMore<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value or an array of values")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            text.split(',').map(|part| T::deserialize(StrDeserializer::<E>::new(part.trim()))).collect()
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<Vec<T>, E> {
            let value: I64Deserializer<E> = value.into_deserializer();
            Ok(vec![T::deserialize(value)?])
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<Vec<T>, E> {
            let value: F64Deserializer<E> = value.into_deserializer();
            Ok(vec![T::deserialize(value)?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(value) = values.next_element()? {
                list.push(value);
            }
            if list.is_empty() { Err(A::Error::custom("at least one value is needed")) } else { Ok(list) }
        }
    }

    deserializer.deserialize_any(OneOrMore(PhantomData))
}

/// Reads a path or an array of paths, which may have commas.
pub(super) fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a path or an array of paths")]
    enum Paths {
        One(PathBuf),
        Several(Vec<PathBuf>),
    }

    Ok(match Paths::deserialize(deserializer)? {
        Paths::One(path) => vec![path],
        Paths::Several(paths) => paths,
    })
}

/// Reads a list of names and parses each as a `T`.
pub(super) fn parsed_list<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let names: Vec<String> = list(deserializer)?;
    names.iter().map(|name| name.parse().map_err(D::Error::custom)).collect()
}

/// Reads a name that parses as a `T`.
pub(super) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

/// Reads a text or a number as a text.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number or a name")]
    enum Text {
        Number(u64),
        Name(String),
    }

    Ok(Some(match Text::deserialize(deserializer)? {
        Text::Number(number) => number.to_string(),
        Text::Name(name) => name,
    }))
}
