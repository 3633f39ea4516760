//! Checks of pages by [axe-core](https://github.com/dequelabs/axe-core), which `tests/axe-core` holds.

use serde_json::Value;

use crate::browser::Tab;

/// The script that defines `axe`.
pub const AXE: &str = include_str!("axe-core/axe.min.js");

/// Runs the rules for the levels A and AA of WCAG 2.0 to 2.2, and axe-core's own good practices.
const RUN: &str = "axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    resultTypes: ['violations'],
})";

/// What a page has against accessibility, for people: a line for each rule and element. Empty on a page without faults.
///
/// # Panics
/// When the script does not run.
#[track_caller]
pub fn violations(tab: &Tab) -> Vec<String> {
    // Evaluated by the browser itself, so that the page's policy does not matter. Its value would be the library.
    tab.evaluate(&format!("typeof axe === 'undefined' && (() => {{ {AXE} }})(), null"));
    let result = tab.evaluate(RUN);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let checked = list(&result["passes"]).len() + list(&result["violations"]).len();
    assert!(checked > 5, "axe-core has checked {checked} rules");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_rule = |rule: &Value| {
        let (id, help) = (text(&rule["id"]), text(&rule["help"]));
        let line = move |node: &Value| {
            let message = text(&node["failureSummary"]).replace('\n', " ");
            format!(
                "{id} ({help}): {}: {message}",
                list(&node["target"]).iter().map(text).collect::<Vec<_>>().join(" ")
            )
        };
        list(&rule["nodes"]).iter().map(line).collect::<Vec<_>>()
    };
    list(&result["violations"]).iter().flat_map(of_rule).collect()
}
