//! Names of data sets.

/// The family of a data set: results are averaged over its members. ADBench puts the family before the first `_` of a name, as in
/// `CIFAR10_0`. Its classical sets are numbered there instead, as in `6_cardio`, and form one family.
pub(crate) fn family<'a>(folder: &'a str, name: &'a str) -> &'a str {
    if folder == "Classical" { folder } else { name.split('_').next().unwrap_or(name) }
}
