//! Suggestions for a mistyped name.

/// The names most similar to `wanted`, at most `most` of them, the most similar first. Upper and lower case count as equal.
pub fn closest_names<'a>(wanted: &str, names: impl Iterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let similarity = |name: &str| strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase());
    let mut ranked: Vec<(f64, &str)> = names.map(|name| (similarity(name), name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().take(most).map(|(_, name)| name).collect()
}

/// The end of an error message, `; did you mean A, B or C?`, with the three most similar names. Empty when there are no names.
pub fn did_you_mean<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    match closest_names(wanted, names, 3).split_last() {
        None => String::new(),
        Some((last, [])) => format!("; did you mean {last}?"),
        Some((last, rest)) => format!("; did you mean {} or {last}?", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_come_first() {
        let names = ["wine", "Penguins", "cancer", "digits"];
        assert_eq!(closest_names("pengiun", names.into_iter(), 1), ["Penguins"]);
        assert!(did_you_mean("wnie", names.into_iter()).starts_with("; did you mean wine, "));
        assert_eq!(did_you_mean("x", ["a"].into_iter()), "; did you mean a?");
        assert_eq!(did_you_mean("x", std::iter::empty()), "");
    }
}
