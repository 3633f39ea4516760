//! Names in messages: suggestions for a mistyped one, and the beginning of a long one.

use std::borrow::Cow;

/// The most characters of a text that a message quotes.
const EXCERPT: usize = 100;

/// A text as a message quotes it: whole, or its first 100 characters and `…`.
pub fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(EXCERPT) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

/// The names most similar to `wanted`, at most `most` of them, the most similar first. Upper and lower case count as equal.
pub fn closest_names<'a>(wanted: &str, names: impl Iterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let similarity = |name: &str| strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase());
    let mut ranked: Vec<(f64, &str)> = names.map(|name| (similarity(name), name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter().take(most).map(|(_, name)| name).collect()
}

/// The end of an error message, `; did you mean A, B or C?`, with the three most similar names. Empty when there are no names.
pub fn did_you_mean<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let closest: Vec<Cow<'_, str>> = closest_names(wanted, names, 3).into_iter().map(excerpt).collect();
    match closest.split_last() {
        None => String::new(),
        Some((last, [])) => format!("; did you mean {last}?"),
        Some((last, rest)) => format!("; did you mean {} or {last}?", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_quoted_up_to_100_characters() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"é".repeat(100)), "é".repeat(100));
        assert_eq!(excerpt(&"é".repeat(20_000)), "é".repeat(100) + "…");
    }

    #[test]
    fn similar_names_come_first() {
        let names = ["wine", "Penguins", "cancer", "digits"];
        assert_eq!(closest_names("pengiun", names.into_iter(), 1), ["Penguins"]);
        assert!(did_you_mean("wnie", names.into_iter()).starts_with("; did you mean wine, "));
        assert_eq!(did_you_mean("x", ["a"].into_iter()), "; did you mean a?");
        assert_eq!(did_you_mean("x", std::iter::empty()), "");
    }
}
