//! Random streams derived from one seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The seed of a run, from which every random decision of that run is derived.
///
/// Every decision draws from its own stream, which is named by its purpose. The number of draws in one stream therefore never
/// affects another, and neither the number of threads nor the order of jobs changes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream for a purpose, given as a path of words such as `["wine", "split"]`.
    ///
    /// The key is the SHA-256 digest of the seed and the words, each preceded by its length.
    pub fn stream(self, purpose: &[&str]) -> ChaCha8Rng {
        let mut digest = Sha256::new();
        digest.update(self.0.to_le_bytes());
        for word in purpose {
            digest.update((word.len() as u64).to_le_bytes());
            digest.update(word.as_bytes());
        }
        ChaCha8Rng::from_seed(digest.finalize().into())
    }

    /// The seed of a part of the run, such as one model on one data set.
    pub fn derive(self, purpose: &[&str]) -> Seed {
        Seed(self.stream(purpose).next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, purpose: &[&str]) -> u64 {
        Seed(seed).stream(purpose).next_u64()
    }

    #[test]
    fn streams_differ_by_seed_and_by_purpose_and_repeat() {
        assert_eq!(first(1, &["a", "b"]), first(1, &["a", "b"]));
        assert_ne!(first(1, &["a", "b"]), first(2, &["a", "b"]));
        assert_ne!(first(1, &["a", "b"]), first(1, &["ab"]));
        assert_ne!(first(1, &["a", "b"]), first(1, &["a", "c"]));
    }

    #[test]
    fn streams_never_change() {
        // From `xtask/golden/golden_seed.py`, which implements only the definitions of SHA-256 and ChaCha8.
        assert_eq!(first(7, &["x"]), 2_017_919_591_509_300_076);
    }
}
