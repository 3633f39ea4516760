//! SHA-256 digests.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use ndarray::{Array2, ArrayView1};
use sha2::{Digest as _, Sha256};

use crate::{CoreError, Samples};

/// A SHA-256 digest. Its text is 64 hexadecimal digits, as `sha256sum` prints it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of several parts, as if they were one after the other in memory.
    pub fn of_parts<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Self {
        let mut digest = Sha256::new();
        parts.into_iter().for_each(|part| digest.update(part.as_ref()));
        Self(digest.finalize().into())
    }

    /// The digest of a file, which is read in blocks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut digest = Sha256::new();
        let mut block = vec![0; 1 << 16];
        loop {
            match file.read(&mut block) {
                Ok(0) => return Ok(Self(digest.finalize().into())),
                Ok(read) => digest.update(&block[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The digest of features and labels: the number of columns, then each row's features and its label, as little-endian bytes.
    pub fn of_samples(samples: &Samples) -> Self {
        let mut digest = Sha256::new();
        digest.update((samples.columns() as u64).to_le_bytes());
        let mut bytes = Vec::with_capacity(4 * samples.columns());
        for (row, label) in samples.features().rows().into_iter().zip(samples.labels()) {
            put_bytes(row, &mut bytes);
            digest.update(&bytes);
            digest.update([*label as u8]);
        }
        Self(digest.finalize().into())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The digest of features without labels, block by block: the number of columns, then each row's features, as little-endian bytes.
#[derive(Clone)]
pub struct FeatureDigest(Sha256);

impl FeatureDigest {
    /// The digest of no rows yet, of this number of columns.
    pub fn new(columns: usize) -> Self {
        let mut digest = Sha256::new();
        digest.update((columns as u64).to_le_bytes());
        Self(digest)
    }

    /// The digest of features that are all in memory, of shape `[rows, columns]`.
    pub fn of(features: &Array2<f32>) -> Self {
        let mut digest = Self::new(features.ncols());
        digest.add(features);
        digest
    }

    /// Adds rows after those before, of shape `[rows, columns]`.
    pub fn add(&mut self, features: &Array2<f32>) {
        let mut bytes = Vec::with_capacity(4 * features.ncols());
        for row in features.rows() {
            put_bytes(row, &mut bytes);
            self.0.update(&bytes);
        }
    }

    /// The digest of all rows up to now.
    pub fn digest(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }
}

/// Puts the bytes of a row, little-endian, in the place of those before.
fn put_bytes(row: ArrayView1<'_, f32>, bytes: &mut Vec<u8>) {
    bytes.clear();
    row.iter().for_each(|feature| bytes.extend_from_slice(&feature.to_le_bytes()));
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = CoreError;

    fn from_str(text: &str) -> Result<Self, CoreError> {
        let bad = || CoreError::BadDigest { given: text.into() };
        let digits: Option<Vec<u8>> = text.trim().chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or_else(bad)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;
    use ndarray::array;

    /// FIPS 180-2, example B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn digests_are_written_and_read_as_hexadecimal_digits() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        assert_eq!(ABC.to_uppercase().parse::<Digest>().unwrap(), Digest::of(b"abc"));
        assert_eq!(Digest::of_parts(["a", "", "bc"]), Digest::of(b"abc"));
        for bad in ["", "ba78", &ABC.replace('b', "x"), &format!("{ABC}00")] {
            assert!(bad.parse::<Digest>().unwrap_err().to_string().contains("64 hexadecimal digits"), "{bad}");
        }
    }

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(file.path(), &bytes).unwrap();
        assert_eq!(Digest::of_file(file.path()).unwrap(), Digest::of(&bytes));
    }

    #[test]
    fn samples_are_digested_row_by_row() {
        let samples = Samples::new(array![[1.0], [2.0]], vec![Label::Unlabelled, Label::Anomaly]).unwrap();
        let mut bytes = 1u64.to_le_bytes().to_vec();
        bytes.extend(1.0f32.to_le_bytes());
        bytes.push(0);
        bytes.extend(2.0f32.to_le_bytes());
        bytes.push(1);
        assert_eq!(Digest::of_samples(&samples), Digest::of(&bytes));
        let bytes = [&1u64.to_le_bytes()[..], &1.0f32.to_le_bytes(), &2.0f32.to_le_bytes()].concat();
        assert_eq!(FeatureDigest::of(samples.features()).digest(), Digest::of(&bytes));
        let mut blocks = FeatureDigest::new(1);
        [array![[1.0]], array![[2.0]]].iter().for_each(|block| blocks.add(block));
        assert_eq!(blocks.digest(), Digest::of(&bytes));
    }
}
