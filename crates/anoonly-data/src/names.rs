//! Names of data sets and columns.

/// The family of a data set, over whose members results are averaged: ADBench puts it before the first `_` of a name, as
/// `CIFAR10_0`; its classical sets, `6_cardio`, are numbered there instead and are one family.
pub(crate) fn family<'a>(folder: &'a str, name: &'a str) -> &'a str {
    if folder == "Classical" { folder } else { name.split('_').next().unwrap_or(name) }
}

/// The end of an error message: `; did you mean A, B or C?` with the names most like the wanted one, or all there are.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let likeness = |name: &str| strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase());
    let mut ranked: Vec<(f64, &str)> = names.map(|name| (likeness(name), name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names: Vec<&str> = ranked.into_iter().take(3).map(|(_, name)| name).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => format!("; did you mean {last}?"),
        Some((last, rest)) => format!("; did you mean {} or {last}?", rest.join(", ")),
    }
}
