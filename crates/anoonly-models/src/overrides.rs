//! Configuration files: TOML tables that override the defaults of methods.
//!
//! ```toml
//! [devnet]
//! depth = 4
//! recipe.epochs = 100
//! ```

use toml::{Table, Value};

use crate::{AnyMethod, ConfigError, registry};

/// Applies a TOML text to methods. Each table has the name of a method and overrides its settings. Tables of known methods that are
/// not in `methods` are ignored.
///
/// # Errors
/// When the text is not TOML, a key is unknown, or a value is invalid.
pub fn overridden(methods: Vec<AnyMethod>, text: &str) -> Result<Vec<AnyMethod>, ConfigError> {
    let file: Table = text.parse().map_err(|error: toml::de::Error| bad(error.message()))?;
    let known: Vec<String> = AnyMethod::all().iter().map(|method| method.info().name.to_owned()).collect();
    for (name, value) in &file {
        if !known.contains(name) {
            return Err(unknown(name, name, &known));
        }
        if !value.is_table() {
            return Err(bad(format!("`{name}` is a method; write its settings as a table, [{name}]")));
        }
    }
    let change = |method: AnyMethod| match file.get(method.info().name) {
        Some(Value::Table(changes)) => changed(&method, changes),
        _ => Ok(method),
    };
    methods.into_iter().map(change).collect()
}

fn changed(method: &AnyMethod, changes: &Table) -> Result<AnyMethod, ConfigError> {
    let name = method.info().name;
    let mut whole = Table::try_from(method).map_err(bad)?;
    merge(&mut whole, changes, name)?;
    let text = |error: toml::de::Error| bad(format!("[{name}]: {}", error.message()));
    let method: AnyMethod = whole.try_into().map_err(text)?;
    method.check()?;
    Ok(method)
}

/// Replaces the values in `whole` by those in `changes`. If the `kind` of a table changes, the whole table is replaced.
fn merge(whole: &mut Table, changes: &Table, path: &str) -> Result<(), ConfigError> {
    for (key, change) in changes {
        let known: Vec<String> = whole.keys().filter(|key| *key != "model").cloned().collect();
        let place = format!("{path}.{key}");
        match (whole.get_mut(key), change) {
            _ if key == "model" => return Err(unknown(&place, key, &known)),
            (None, _) => return Err(unknown(&place, key, &known)),
            (Some(Value::Table(whole)), Value::Table(changes))
                if changes.get("kind").is_none_or(|kind| whole.get("kind") == Some(kind)) =>
            {
                merge(whole, changes, &place)?;
            }
            (Some(value), change) => *value = change.clone(),
        }
    }
    Ok(())
}

fn unknown(path: &str, key: &str, known: &[String]) -> ConfigError {
    ConfigError::UnknownKey { key: path.into(), nearest: registry::closest(key, known.iter().map(String::as_str)) }
}

fn bad(reason: impl ToString) -> ConfigError {
    ConfigError::BadFile { reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::devnet::{Depth, DevNetConfig};
    use crate::recipe::{EpsilonAt, Optimiser};

    fn devnet(text: &str) -> Result<DevNetConfig, String> {
        let methods = vec![AnyMethod::default(), AnyMethod::by_name("knn").unwrap()];
        match overridden(methods, text).map_err(|error| error.to_string())?.swap_remove(0) {
            AnyMethod::DevNet(config) => Ok(config),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_changes_only_the_settings_that_it_names() {
        let config = devnet("[devnet]\ndepth = 4\nrecipe.epochs = 7\nrecipe.optimiser.decay = 0.5\n").unwrap();
        let mut expected = DevNetConfig { depth: Depth::Four, ..Default::default() };
        expected.recipe.epochs = 7;
        let Optimiser::RmsProp { decay, .. } = &mut expected.recipe.optimiser else { panic!() };
        *decay = 0.5;
        assert_eq!(config, expected);
        assert_eq!(devnet("[knn]\nk = 3\n").unwrap(), DevNetConfig::default());
        let other = "[devnet.recipe.optimiser]\nkind = \"rms-prop\"\nepsilon_at = \"outside-root\"\n";
        let Optimiser::RmsProp { epsilon_at, .. } = devnet(other).unwrap().recipe.optimiser else { panic!() };
        assert_eq!(epsilon_at, EpsilonAt::OutsideRoot);
    }

    #[test]
    fn invalid_keys_and_values_are_named() {
        for (text, message) in [
            ("[devnet]\ndept = 2\n", "unknown key `devnet.dept`; did you mean `depth`?"),
            ("[devnet.recipe]\nepoch = 2\n", "unknown key `devnet.recipe.epoch`; did you mean `epochs`?"),
            ("[devnte]\ndepth = 2\n", "unknown key `devnte`; did you mean `devnet`?"),
            ("[devnet]\nmodel = \"knn\"\n", "unknown key `devnet.model`"),
            ("devnet = 3\n", "as a table, [devnet]"),
            ("[devnet]\ndepth = 3\n", "depth 3: must be 1, 2 or 4"),
            ("[devnet]\nmargin = -1.0\n", "option `margin` is -1"),
            ("[devnet\n", "unclosed"),
        ] {
            let error = devnet(text).unwrap_err();
            assert!(error.contains(message), "{text:?}: {error}");
        }
        // Another kind of optimiser has its own keys and needs all of them.
        let error = devnet("[devnet.recipe.optimiser]\nkind = \"adam\"\nlearning_rate = 0.1\n").unwrap_err();
        assert!(error.contains("missing field `beta_1`"), "{error}");
    }
}
