//! The data sets that are part of this crate; `data/README.md` describes them.

/// An embedded file, and the rule that turns it into an anomaly data set.
#[derive(Debug, PartialEq)]
pub(super) struct EmbeddedSet {
    pub name: &'static str,
    pub file: &'static str,
    pub bytes: &'static [u8],
    /// The class whose rows are the anomalies. All other classes are normal.
    pub anomaly: &'static str,
    /// The share of all rows to which the anomalies are thinned, by a draw that depends on the name alone.
    pub share: Option<f64>,
    pub source: &'static str,
    pub licence: &'static str,
}

/// The embedded sets. A class of `digits` is a tenth of the rows as it is.
pub(super) static EMBEDDED: [EmbeddedSet; 5] = [
    EmbeddedSet {
        name: "cancer",
        file: "cancer.npz",
        bytes: include_bytes!("../../data/cancer.npz"),
        // Malignant.
        anomaly: "0",
        share: Some(0.1),
        source: "Breast Cancer Wisconsin (Diagnostic), UCI 1993",
        licence: CC_BY,
    },
    digits("digits_4", "4"),
    digits("digits_8", "8"),
    EmbeddedSet {
        name: "penguins",
        file: "penguins.npz",
        bytes: include_bytes!("../../data/penguins.npz"),
        // Chinstrap.
        anomaly: "1",
        share: Some(0.1),
        source: "Palmer penguins, Horst et al. 2020",
        licence: "CC0 1.0",
    },
    EmbeddedSet {
        name: "wine",
        file: "wine.npz",
        bytes: include_bytes!("../../data/wine.npz"),
        // The first cultivar.
        anomaly: "0",
        share: Some(0.1),
        source: "Wine, UCI 1991",
        licence: CC_BY,
    },
];

const CC_BY: &str = "CC BY 4.0";

const fn digits(name: &'static str, digit: &'static str) -> EmbeddedSet {
    EmbeddedSet {
        name,
        file: "digits.npz",
        bytes: include_bytes!("../../data/digits.npz"),
        anomaly: digit,
        share: None,
        source: "Optical Recognition of Handwritten Digits, UCI 1998",
        licence: CC_BY,
    }
}
