//! The sets that ship inside this crate; `data/README.md` tells more of them.

/// An embedded file and the rule that makes an anomaly data set of it.
#[derive(Debug, PartialEq)]
pub(super) struct Embedded {
    pub name: &'static str,
    pub file: &'static str,
    pub bytes: &'static [u8],
    /// The class whose rows are the anomalies; all other classes are normal.
    pub anomaly: &'static str,
    /// Anomalies are thinned to this share of all rows, by a draw that depends on the name alone.
    pub share: Option<f64>,
    pub source: &'static str,
    pub licence: &'static str,
}

/// The embedded sets. In `digits` a class is a tenth of the rows already.
pub(super) static EMBEDDED: [Embedded; 5] = [
    Embedded {
        name: "cancer",
        file: "cancer.parquet",
        bytes: include_bytes!("../../data/cancer.parquet"),
        anomaly: "malignant",
        share: Some(0.1),
        source: "Breast Cancer Wisconsin (Diagnostic), UCI 1993",
        licence: CC_BY,
    },
    digits("digits_4", "4"),
    digits("digits_8", "8"),
    Embedded {
        name: "penguins",
        file: "penguins.parquet",
        bytes: include_bytes!("../../data/penguins.parquet"),
        anomaly: "Chinstrap",
        share: Some(0.1),
        source: "Palmer penguins, Horst et al. 2020",
        licence: "CC0 1.0",
    },
    Embedded {
        name: "wine",
        file: "wine.parquet",
        bytes: include_bytes!("../../data/wine.parquet"),
        anomaly: "class_0",
        share: Some(0.1),
        source: "Wine, UCI 1991",
        licence: CC_BY,
    },
];

const CC_BY: &str = "CC BY 4.0";

const fn digits(name: &'static str, digit: &'static str) -> Embedded {
    Embedded {
        name,
        file: "digits.parquet",
        bytes: include_bytes!("../../data/digits.parquet"),
        anomaly: digit,
        share: None,
        source: "Optical Recognition of Handwritten Digits, UCI 1998",
        licence: CC_BY,
    }
}
