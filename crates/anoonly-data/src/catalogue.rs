//! Data sets by name: those embedded in this crate, and the files in a folder.

mod embedded;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use wildmatch::WildMatch;

use self::embedded::{EMBEDDED, EmbeddedSet};
use crate::DataError;
use crate::names::family;
use crate::table::{LabelColumn, Table};
use anoonly_core::{Dataset, Label, Samples, Seed, did_you_mean};

/// A place that holds data sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The sets that are part of this crate.
    Embedded,
    /// The tables (`.npz`, `.csv`, `.parquet`, …) in a folder and the folders below it, as in ADBench's `datasets`; or a single
    /// file. Files with the same name in different folders are named `FOLDER/NAME`.
    Folder(PathBuf),
}

/// A data set that can be loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogueEntry {
    /// The name; for a file, the file name without its ending.
    pub name: String,
    /// The family; results are averaged over its members.
    pub family: String,
    origin: Origin,
}

#[derive(Clone, Debug, PartialEq)]
enum Origin {
    Embedded(&'static EmbeddedSet),
    File { path: PathBuf, folder: String },
}

impl Source {
    /// All data sets of this source, in the order of their paths. None is loaded.
    ///
    /// # Errors
    /// When the folder cannot be read or holds no data set.
    pub fn entries(&self) -> Result<Vec<CatalogueEntry>, DataError> {
        let folder = match self {
            Source::Embedded => return Ok(EMBEDDED.iter().map(CatalogueEntry::embedded).collect()),
            Source::Folder(folder) => folder,
        };
        let mut files = Vec::new();
        // Canonical, so that a folder given as `.` has a name.
        let root = fs::canonicalize(folder).map_err(|source| DataError::Io { path: folder.clone(), source })?;
        if root.is_file() {
            files.push(root);
        } else {
            collect_files(&root, &mut files)?;
            files.sort();
        }
        if files.is_empty() {
            return Err(DataError::NoDatasets { path: folder.clone() });
        }
        let mut entries: Vec<CatalogueEntry> = files.into_iter().map(CatalogueEntry::file).collect::<Result<_, _>>()?;
        let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        for entry in &mut entries {
            if names.iter().filter(|name| **name == entry.name).count() > 1
                && let Origin::File { folder, .. } = &entry.origin
            {
                entry.name = format!("{folder}/{}", entry.name);
            }
        }
        Ok(entries)
    }

    /// The data sets that match any of the patterns, in the order of [`entries`](Self::entries); all of them when there are no
    /// patterns. `*` stands for any characters and `?` for one. A file matches by its `NAME` and by `FOLDER/NAME`.
    ///
    /// # Errors
    /// As [`entries`](Self::entries), when a pattern matches nothing (the error suggests similar names), and when two of the sets
    /// have the same name.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<CatalogueEntry>, DataError> {
        let mut entries = self.entries()?;
        for pattern in patterns {
            if !entries.iter().any(|entry| entry.matches(pattern)) {
                let place = match self {
                    Source::Embedded => "the embedded sets".into(),
                    Source::Folder(folder) => folder.display().to_string(),
                };
                let hint = did_you_mean(pattern, entries.iter().map(|entry| entry.name.as_str()));
                return Err(DataError::UnknownDataset { pattern: pattern.clone(), place, hint });
            }
        }
        entries.retain(|entry| patterns.is_empty() || patterns.iter().any(|pattern| entry.matches(pattern)));
        for (index, entry) in entries.iter().enumerate() {
            if let Some(twin) = entries[..index].iter().find(|other| other.name == entry.name)
                && let (Origin::File { path: first, .. }, Origin::File { path: second, .. }) =
                    (&twin.origin, &entry.origin)
            {
                let (first, second) = (first.clone(), second.clone());
                return Err(DataError::SameName { name: entry.name.clone(), first, second });
            }
        }
        Ok(entries)
    }
}

impl CatalogueEntry {
    fn embedded(set: &'static EmbeddedSet) -> Self {
        Self { name: set.name.into(), family: family("embedded", set.name).into(), origin: Origin::Embedded(set) }
    }

    fn file(path: PathBuf) -> Result<Self, DataError> {
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
            return Err(DataError::NotUnicode { path });
        };
        let folder = path.parent().and_then(Path::file_name).and_then(|folder| folder.to_str()).unwrap_or_default();
        let (name, family, folder) = (name.to_owned(), family(folder, name).to_owned(), folder.to_owned());
        Ok(Self { family, name, origin: Origin::File { path, folder } })
    }

    /// The origin of an embedded set's data.
    pub fn source(&self) -> Option<&'static str> {
        match self.origin {
            Origin::Embedded(set) => Some(set.source),
            Origin::File { .. } => None,
        }
    }

    /// The licence of an embedded set's data.
    pub fn licence(&self) -> Option<&'static str> {
        match self.origin {
            Origin::Embedded(set) => Some(set.licence),
            Origin::File { .. } => None,
        }
    }

    fn matches(&self, pattern: &str) -> bool {
        let short = self.name.rsplit('/').next().unwrap_or(&self.name);
        let pattern = WildMatch::new(pattern);
        let in_folder = match &self.origin {
            Origin::File { folder, .. } => pattern.matches(&format!("{folder}/{short}")),
            Origin::Embedded(_) => false,
        };
        in_folder || pattern.matches(short)
    }

    /// Reads the rows and their true labels.
    ///
    /// # Errors
    /// When the file cannot be read, has no label column, has a row without a label, or holds anything but finite numbers.
    pub fn load(&self) -> Result<Dataset, DataError> {
        let samples = match &self.origin {
            Origin::File { path, .. } => {
                let samples = Table::read(path)?.samples(&LabelColumn::benchmark())?;
                if let Some(row) = samples.labels().iter().position(|&label| label == Label::Unlabelled) {
                    return Err(DataError::NoTruth { path: path.clone(), row: row + 1 });
                }
                samples
            }
            Origin::Embedded(set) => {
                let label = LabelColumn::named("y").with_anomaly(set.anomaly);
                let samples = Table::from_npz(Path::new(set.file), set.bytes)?.samples(&label)?;
                match set.share {
                    Some(share) => thin_anomalies(set.name, samples, share),
                    None => samples,
                }
            }
        };
        Ok(Dataset { name: self.name.clone(), family: self.family.clone(), samples })
    }
}

/// Thins the anomalies of a set to a share of all rows, so that they are rare. All normal rows stay, in their order.
///
/// The random stream depends on the set's name alone, so the thinned set is the same in every run.
fn thin_anomalies(name: &str, samples: Samples, share: f64) -> Samples {
    let mut classes = samples.by_class();
    let keep = (share / (1.0 - share) * classes.others.len() as f64).round() as usize;
    let mut rng = Seed(0).stream(&[name, "thin anomalies"]);
    let keep = keep.clamp(1, classes.anomalies.len().max(1)).min(classes.anomalies.len());
    let (kept, _) = classes.anomalies.partial_shuffle(&mut rng, keep);
    let mut rows = [kept, &mut classes.others[..]].concat();
    rows.sort_unstable();
    samples.select(&rows)
}

/// Adds the tables in a folder and below it. A folder that is found again through a link is not entered again, so that a link to a
/// folder above it ends nowhere. Links come after all folders, so that a file has the same path whatever links lead to it.
fn collect_files(root: &Path, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let mut entered = HashSet::new();
    let (mut folders, mut links) = (vec![root.to_owned()], BTreeSet::new());
    while let Some(folder) = folders.pop().or_else(|| links.pop_first()) {
        let failed = |source| DataError::Io { path: folder.clone(), source };
        if !entered.insert(fs::canonicalize(&folder).map_err(failed)?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            match path.is_dir() {
                true if entry.file_type().map_err(failed)?.is_symlink() => drop(links.insert(path)),
                true => folders.push(path),
                false if Table::can_read(&path) && path.is_file() => files.push(path),
                false => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn embedded_sets_have_rare_anomalies_and_the_rows_of_their_sources() {
        let sizes: Vec<(String, usize, usize, usize)> = Source::Embedded
            .entries()
            .unwrap()
            .iter()
            .map(|entry| {
                let samples = entry.load().unwrap().samples;
                (entry.name.clone(), samples.rows(), samples.columns(), samples.by_class().anomalies.len())
            })
            .collect();
        // 357 benign samples, 119 normal wines and 274 other penguins stay; the anomalies are thinned to a ninth of that.
        let expected = [
            ("cancer", 397, 30, 40),
            ("digits_4", 1797, 64, 181),
            ("digits_8", 1797, 64, 174),
            ("penguins", 304, 4, 30),
            ("wine", 132, 13, 13),
        ];
        assert_eq!(sizes, expected.map(|(name, rows, columns, anomalies)| (name.into(), rows, columns, anomalies)));
    }

    #[test]
    fn embedded_sets_have_the_licences_of_their_readme() {
        let readme = include_str!("../data/README.md");
        for set in &EMBEDDED {
            let line = readme.lines().find(|line| line.contains(&format!("`{}`", set.file))).unwrap();
            assert!(line.ends_with(&format!("| {} |", set.licence)), "{}: {line}", set.name);
        }
        let entry = &Source::Embedded.select(&["penguins".into()]).unwrap()[0];
        assert_eq!(entry.licence(), Some("CC0 1.0"));
        assert!(entry.source().unwrap().contains("Palmer"));
    }

    #[test]
    fn families_follow_adbench() {
        let family = |path: &str| CatalogueEntry::file(PathBuf::from(path)).unwrap().family;
        assert_eq!(family("d/CV_by_ResNet18/MVTec-AD_bottle.npz"), "MVTec-AD");
        assert_eq!(family("d/Classical/6_cardio.npz"), "Classical");
        assert_eq!(family("mine/2024_sales.npz"), "2024");
        assert_eq!(family("mine/transactions.csv"), "transactions");
    }

    #[test]
    fn patterns_select_and_unknown_names_suggest() {
        let names = |patterns: &[&str]| -> Result<Vec<String>, DataError> {
            let patterns: Vec<String> = patterns.iter().map(|&p| p.into()).collect();
            Ok(Source::Embedded.select(&patterns)?.into_iter().map(|entry| entry.name).collect())
        };
        assert_eq!(names(&["wine", "digits_*"]).unwrap(), ["digits_4", "digits_8", "wine"]);
        assert_eq!(names(&[]).unwrap().len(), 5);
        assert_eq!(
            names(&["penguin"]).unwrap_err().to_string(),
            "no data set matches `penguin` in the embedded sets; did you mean penguins, digits_4 or digits_8?"
        );
    }

    #[test]
    fn a_folder_lists_its_files_and_files_with_one_name_get_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Folder(folder.path().into());
        assert!(matches!(source.entries(), Err(DataError::NoDatasets { .. })));
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("b.csv"), "x,label\n1,0\n2,1\n").unwrap();
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        fs::write(folder.path().join("sub/a.csv"), "x,label\n1,0\n").unwrap();
        let entries = source.entries().unwrap();
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(entries[0].load().unwrap().samples.by_class().anomalies, [1]);
        fs::write(folder.path().join("a.csv"), "").unwrap();
        let twins: Vec<String> = source.select(&["a".into()]).unwrap().into_iter().map(|entry| entry.name).collect();
        assert!(twins.len() == 2 && twins.contains(&"sub/a".into()), "{twins:?}");
        // Two extracts of one source stay one family and count once.
        assert_eq!(source.select(&["sub/a".into()]).unwrap()[0].family, "a");
        fs::write(folder.path().join("b.parquet"), "").unwrap();
        assert!(matches!(source.select(&["b".into()]), Err(DataError::SameName { .. })));
        assert_eq!(source.select(&["sub/*".into()]).unwrap().len(), 1);
        let one = Source::Folder(folder.path().join("b.csv"));
        assert_eq!(one.select(&[]).unwrap().len(), 1);
        fs::write(folder.path().join("c.csv"), "x,label\n1,0\n2,\n").unwrap();
        assert!(matches!(source.select(&["c".into()]).unwrap()[0].load(), Err(DataError::NoTruth { row: 2, .. })));
        let missing = Source::Folder(folder.path().join("missing"));
        assert!(matches!(missing.entries(), Err(DataError::Io { .. })));
    }

    /// Links to folders above them lead round and round.
    #[cfg(unix)]
    #[test]
    fn a_folder_is_entered_once_whatever_links_lead_to_it() {
        use std::os::unix::fs::symlink;
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("a.csv"), "x,label\n1,0\n").unwrap();
        fs::write(other.path().join("b.csv"), "x,label\n1,0\n").unwrap();
        for name in ["1", "2"] {
            symlink(folder.path(), inner.join(name)).unwrap();
        }
        symlink(&inner, folder.path().join("again")).unwrap();
        symlink(other.path(), inner.join("other")).unwrap();
        symlink(inner.join("a.csv"), inner.join("c.csv")).unwrap();
        let entries = Source::Folder(folder.path().into()).entries().unwrap();
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a", "c", "b"]);
        assert!(entries.iter().all(|entry| entry.load().is_ok()));
    }

    #[test]
    fn thinning_keeps_every_normal_row_and_the_asked_share() {
        let labels = (0..300).map(|row| if row < 100 { Label::Anomaly } else { Label::Normal }).collect();
        let samples = Samples::new(Array2::from_shape_fn((300, 1), |(row, _)| row as f32), labels).unwrap();
        let thinned = thin_anomalies("made", samples.clone(), 0.1);
        let classes = thinned.by_class();
        assert_eq!((classes.anomalies.len(), classes.others.len()), (22, 200));
        assert_eq!(thinned, thin_anomalies("made", samples, 0.1));
    }
}
