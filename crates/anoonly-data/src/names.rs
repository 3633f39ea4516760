//! Names of data sets and columns.

use anoonly_core::excerpt;

/// The family of a data set: results are averaged over its members. ADBench puts the family before the first `_` of a name, as in
/// `CIFAR10_0`. Its classical sets are numbered there instead, as in `6_cardio`, and form one family.
#[cfg(any(feature = "tables", feature = "fetch"))]
pub(crate) fn family<'a>(folder: &'a str, name: &'a str) -> &'a str {
    if folder == "Classical" { folder } else { name.split('_').next().unwrap_or(name) }
}

/// The names as a list, each up to 100 characters; after ten of them, only their number follows.
pub fn shortened(names: &[&str]) -> String {
    let mut list = names.iter().take(10).map(|name| excerpt(name)).collect::<Vec<_>>().join(", ");
    if names.len() > 10 {
        list.push_str(&format!(", … {} in all", names.len()));
    }
    list
}
