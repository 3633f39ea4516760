//! Tests of the digest of model files: a changed byte is noticed, and a right digest makes no values possible that are not.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use anoonly_core::{Digest, Seed};
use anoonly_models::AnyMethod;
use anoonly_train::model_file::{self, DIGEST, MANIFEST};
use anoonly_train::{ComputeDevice, Detector, ModelFileError};
use rand::{Rng, RngExt};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::damaged_files::{Damaged, Parts, file, file_of, files, rounds, small_detectors};
use crate::samples;

/// The largest number of bytes that are changed in a file.
const MOST_BYTES: usize = 4000;

/// Bytes of a file of every method are changed in turn: each byte of a small file, and many bytes of a larger one. Then the file is
/// refused, or the change has no effect, as one space for another.
#[test]
fn every_changed_byte_is_noticed() {
    let detectors: Vec<Detector> = small_detectors().into_iter().skip(1).step_by(2).collect();
    assert_eq!(detectors.len(), AnyMethod::all().len());
    detectors.par_iter().for_each(|detector| {
        let (damaged, whole) = (Damaged::new(), file_of(detector));
        let expected = damaged.read(&whole).unwrap()[0].score(samples().features()).unwrap();
        let data = whole.len() - Parts::of(&whole).data.len();
        let mut unnoticed = 0;
        // Changed in place, which is faster than writing the file for each byte.
        let mut file = File::options().write(true).open(&damaged.path).unwrap();
        let mut put = |at: usize, byte: u8| {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        for (at, &byte) in whole.iter().enumerate().step_by(whole.len().div_ceil(MOST_BYTES)) {
            put(at, byte ^ 1 << (at % 8));
            let read = model_file::read::<Value>(&damaged.path, &ComputeDevice::default());
            put(at, byte);
            match read.map(|(members, _)| members) {
                Ok(members) => {
                    assert_eq!(members[0].score(samples().features()).unwrap(), expected, "{detector:?}: byte {at}");
                    unnoticed += 1;
                }
                Err(error) => {
                    assert!(at < data || matches!(error, ModelFileError::Damaged { .. }), "byte {at}: {error}");
                }
            }
        }
        assert!(unnoticed < 8, "{detector:?}: {unnoticed} bytes");
    });
}

/// Values of tensors are replaced, and the digest is made right again: the file is refused, or its scores are finite.
#[test]
fn changed_tensors_with_a_right_digest_are_an_error_or_still_a_model() {
    let files = files();
    let of_file = |(index, bytes): (usize, &Vec<u8>)| {
        let (damaged, whole) = (Damaged::new(), Parts::of(bytes));
        let mut rng = Seed(1).stream(&["changed tensors", &index.to_string()]);
        let mut models = 0;
        for _ in 0..rounds() / files.len() {
            let mut parts = whole.clone();
            for _ in 0..rng.random_range(1..5) {
                let values = parts.data.as_chunks_mut::<4>().0;
                let value = rng.random_range(0..values.len());
                values[value] = odd_value(&mut rng).to_le_bytes();
            }
            models += usize::from(damaged.is_still_a_model(&parts.bytes()));
        }
        models
    };
    let models: usize = files.par_iter().enumerate().map(of_file).sum();
    assert!(models > rounds() / 100 && models < rounds(), "{models}");
}

/// A value that is unlikely in its place: an index, a size, or a number at the end of a range.
fn odd_value(rng: &mut impl Rng) -> f32 {
    match rng.random_range(0..3) {
        0 => rng.random_range(0..64) as f32,
        1 => f32::from_bits(rng.random()),
        _ => {
            let values = [-1.0, 0.5, 1e9, 1e19, 16_777_216.0, f32::MAX, f32::MIN, 1e-45, -0.0, 1e-30, -1e20];
            values[rng.random_range(0..values.len())]
        }
    }
}

/// A file of the current format has a digest, and it is the right one.
#[test]
fn a_missing_or_wrong_digest_is_refused() {
    let (damaged, bytes) = (Damaged::new(), file_of(&small_detectors()[0]));
    let Parts { header, data } = Parts::of(&bytes);
    let text = |mut header: Value| {
        let manifest = &mut header["__metadata__"][MANIFEST];
        *manifest = Value::String(manifest.to_string());
        header
    };
    assert!(damaged.is_still_a_model(&Parts { header: header.clone(), data: data.clone() }.bytes()));
    let mut without = text(header.clone());
    without["__metadata__"].as_object_mut().unwrap().remove(DIGEST);
    damaged.refuses(&file(&without.to_string(), &data), "the metadata has no key `digest`");
    let mut short = text(header.clone());
    short["__metadata__"][DIGEST] = json!("ab");
    damaged.refuses(&file(&short.to_string(), &data), "64 hexadecimal digits");
    let mut other = text(header);
    other["__metadata__"][DIGEST] = json!(Digest::of(b"abc").to_string());
    let error = damaged.read(&file(&other.to_string(), &data)).unwrap_err();
    assert!(error.to_string().contains("its contents do not match its digest"), "{error}");
    for error in
        [model_file::inspect(&damaged.path).unwrap_err(), model_file::rewrite_pipeline(&damaged.path, &()).unwrap_err()]
    {
        assert!(matches!(error, ModelFileError::Damaged { .. }), "{error}");
    }
}
