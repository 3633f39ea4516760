use super::*;
use anoonly_core::Digest;

fn paths(patterns: &[&str], sha256: Option<&str>) -> Result<Vec<String>, FetchError> {
    let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.into()).collect();
    Ok(select(&patterns, sha256)?.iter().map(Wanted::path).collect())
}

#[track_caller]
fn refused(patterns: &[&str], sha256: Option<&str>, part: &str) {
    let error = paths(patterns, sha256).unwrap_err();
    assert!(error.to_string().contains(part), "`{part}` is not in: {error}");
    assert!(error.is_input());
}

#[test]
fn every_line_of_the_list_is_a_data_set() {
    let lines = include_str!("../adbench.csv").lines().count() - 1;
    assert_eq!(known().len(), lines);
    for set in known() {
        assert_eq!(Wanted::new(set.folder, set.name, Some(set.bytes), set.sha256).unwrap(), Wanted::from(set));
        assert!(0 < set.anomalies && set.anomalies < set.rows && set.features > 0 && set.bytes > 0, "{set:?}");
        assert_eq!(known().iter().filter(|other| other.path() == set.path() || other.sha256 == set.sha256).count(), 1);
    }
    let cardio = known().iter().find(|set| set.name == "6_cardio").unwrap();
    assert_eq!((cardio.rows, cardio.features, cardio.anomalies, cardio.family()), (1831, 21, 176, "Classical"));
    let tile = known().iter().find(|set| set.name == "MVTec-AD_tile").unwrap();
    assert_eq!((tile.path().as_str(), tile.family()), ("CV_by_ResNet18/MVTec-AD_tile", "MVTec-AD"));
}

#[test]
fn patterns_select_in_the_order_of_the_list_and_each_set_once() {
    let names = ["Classical/2_annthyroid", "Classical/45_wine", "CV_by_ResNet18/SVHN_0", "CV_by_ResNet18/SVHN_8"];
    assert_eq!(paths(&["SVHN_*", "45_wine", "Classical/2_*", "*_wine"], None).unwrap(), names);
    assert_eq!(paths(&["*"], None).unwrap().len(), known().len());
}

#[test]
fn a_set_outside_of_the_list_needs_its_digest() {
    let digest = Digest::of(b"skin").to_string();
    let wanted = select(&["Classical/33_skin".into()], Some(&digest)).unwrap();
    assert_eq!(wanted, [Wanted::new("Classical", "33_skin", None, Digest::of(b"skin")).unwrap()]);
    refused(
        &["Classical/33_skin"],
        None,
        "Classical/33_skin is not in the list of data sets with a known digest; did you mean",
    );
    refused(&["33_skin"], Some(&digest), "no data set in the list matches `33_skin`");
    refused(&["33_skin"], None, "no data set in the list matches `33_skin`; did you mean");
    refused(&["Classical/6_cardo"], None, "did you mean 6_cardio");
    refused(&["Clasical/6_cardio"], None, "no data set in the list matches `Clasical/6_cardio`; did you mean 6_cardio");
    for path in ["Classical/../33_skin", "Classical/.npz", "Classical/", "../33_skin", "Classical/a b", "Other/a"] {
        refused(&[path], Some(&digest), "ADBench's data sets are named by folder and name");
    }
}

#[test]
fn a_digest_goes_with_one_set_and_agrees_with_the_list() {
    let right = known()[0].sha256.to_string();
    assert_eq!(paths(&[known()[0].name], Some(&right)).unwrap(), [known()[0].path()]);
    refused(&[known()[1].name], Some(&right), &format!("{} has the digest", known()[1].path()));
    refused(&[known()[0].name, known()[1].name], Some(&right), "one digest was given for 2 data sets");
    refused(&["Classical/33_skin", known()[0].name], Some(&right), "one digest was given for 2 data sets");
    refused(&[known()[0].name], Some("abc"), "`abc` is not a SHA-256 digest");
}
