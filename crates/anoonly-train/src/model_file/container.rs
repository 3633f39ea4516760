//! The container format: named tensors and one JSON text in a safetensors file.

use std::borrow::Cow;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use anoonly_core::Digest;
#[cfg(feature = "fit")]
use anoonly_core::write_whole;
#[cfg(feature = "fit")]
use anoonly_models::Shapes;
#[cfg(feature = "fit")]
use anoonly_models::graph::{Graph, SavedStep};
use anoonly_models::{SavedTensor, SavedTensors};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, TensorInfo, TensorView};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
#[cfg(feature = "fit")]
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{DIGEST, MANIFEST, unknown_tensor};
use crate::ModelFileError;

/// The number of bytes of the header length, which the file starts with.
const LENGTH: u64 = 8;
/// The maximum length of a header in bytes. The library `safetensors` has the same limit.
const MAX_HEADER: u64 = 100_000_000;
/// The key of the metadata in the header.
const METADATA: &str = "__metadata__";

/// An open file with a header that was read and agrees with the length of the file. The tensors are not read yet.
pub(super) struct Container {
    /// The JSON text of the manifest.
    pub manifest: String,
    /// The digest that the file states.
    pub digest: Option<Digest>,
    /// The type, shape and position of each tensor.
    tensors: BTreeMap<String, TensorInfo>,
    path: PathBuf,
    /// The rest of the file.
    source: Box<dyn Read>,
    /// The number of bytes of all tensors.
    bytes: usize,
}

impl Container {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Self, ModelFileError> {
        let failed = |source| ModelFileError::Read { path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Self::begin(path, Box::new(file), length)
    }

    /// Begins to read a file that is held in memory; `name` stands for it in errors.
    pub fn of_bytes(name: &Path, bytes: &[u8]) -> Result<Self, ModelFileError> {
        Self::begin(name, Box::new(Cursor::new(bytes.to_vec())), bytes.len() as u64)
    }

    /// Reads the header of a file of this length.
    fn begin(path: &Path, mut source: Box<dyn Read>, length: u64) -> Result<Self, ModelFileError> {
        let failed = |source| ModelFileError::Read { path: path.into(), source };
        let malformed = |reason: String| ModelFileError::Malformed { path: path.into(), reason };
        let rest = length.checked_sub(LENGTH).ok_or_else(|| malformed("the file is too short".into()))?;
        let mut size = [0; LENGTH as usize];
        source.read_exact(&mut size).map_err(failed)?;
        let size = u64::from_le_bytes(size);
        if size > rest || size > MAX_HEADER {
            return Err(malformed(format!("a header of {size} bytes is too long")));
        }
        let header = read(&mut source, size as usize).map_err(failed)?;
        let Header { mut metadata, tensors } =
            serde_json::from_slice(&header).map_err(|error| malformed(format!("invalid header: {error}")))?;
        let manifest =
            metadata.remove(MANIFEST).ok_or_else(|| malformed(format!("the metadata has no key `{MANIFEST}`")))?;
        let digest = metadata.remove(DIGEST).map(|text| text.parse::<Digest>()).transpose();
        let digest = digest.map_err(|error| malformed(error.to_string()))?;
        // No digest covers other keys.
        if let Some(unknown) = metadata.keys().next() {
            return Err(malformed(format!("the metadata has an unknown key `{unknown}`")));
        }

        // Each tensor must have as many bytes as its shape needs, and together they must fill the rest of the file.
        let mut in_order: Vec<_> = tensors.clone().into_iter().collect();
        in_order.sort_by_key(|(_, tensor)| tensor.data_offsets);
        let checked = Metadata::new(None, in_order).map_err(|error| malformed(error.to_string()))?;
        let bytes = checked.data_len();
        if bytes as u64 != rest - size {
            return Err(malformed(format!("the tensors take {bytes} bytes, but the file has {}", rest - size)));
        }
        Ok(Self { manifest, digest, tensors, path: path.into(), source, bytes })
    }

    /// Reads the values of the tensors, and checks the digest if the file has one.
    pub fn read(&mut self) -> Result<Tensors, ModelFileError> {
        let data = read(&mut self.source, self.bytes);
        let data = data.map_err(|source| ModelFileError::Read { path: self.path.clone(), source })?;
        let tensors = Tensors { tensors: std::mem::take(&mut self.tensors), data };
        let views = tensors.views().map_err(|error| {
            let reason = error.to_string();
            ModelFileError::Malformed { path: self.path.clone(), reason }
        })?;
        match self.digest {
            Some(stated) if stated != digest(&self.manifest, &views) => {
                Err(ModelFileError::Damaged { path: self.path.clone() })
            }
            _ => Ok(tensors),
        }
    }
}

/// The digest of a manifest and of tensors in the order of their names. `docs/model-format.md` specifies it.
fn digest(manifest: &str, tensors: &[(&str, TensorView<'_>)]) -> Digest {
    let mut parts: Vec<Cow<'_, [u8]>> = Vec::new();
    let number = |number: usize| Cow::Owned((number as u64).to_le_bytes().to_vec());
    parts.extend([number(manifest.len()), Cow::Borrowed(manifest.as_bytes()), number(tensors.len())]);
    for (name, tensor) in tensors {
        let dtype = format!("{:?}", tensor.dtype());
        parts.extend([number(name.len()), Cow::Borrowed(name.as_bytes())]);
        parts.extend([number(dtype.len()), Cow::Owned(dtype.into_bytes()), number(tensor.shape().len())]);
        parts.extend(tensor.shape().iter().map(|&length| number(length)));
        parts.extend([number(tensor.data().len()), Cow::Borrowed(tensor.data())]);
    }
    Digest::of_parts(parts)
}

/// Reads exactly this number of bytes. Too little memory is an error, not an abort.
fn read(source: &mut dyn Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    data.try_reserve_exact(bytes)?;
    data.resize(bytes, 0);
    source.read_exact(&mut data)?;
    Ok(data)
}

/// The tensors of a file.
pub(super) struct Tensors {
    tensors: BTreeMap<String, TensorInfo>,
    data: Vec<u8>,
}

impl Tensors {
    /// The shapes of the tensors of a member.
    #[cfg(feature = "fit")]
    pub fn shapes(&self, member: &str) -> Shapes {
        Shapes::new(self.of_member(&format!("{member}.")).map(|(name, tensor)| (name.clone(), tensor.shape.clone())))
            .within(member)
    }

    /// The tensors of a member, whose names start with this prefix.
    fn of_member<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a TensorInfo)> {
        self.tensors.range(prefix.to_owned()..).take_while(move |(name, _)| name.starts_with(prefix))
    }

    /// The shape of each tensor, by name.
    pub fn by_name(self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.into_iter().map(|(name, tensor)| (name, tensor.shape)).collect()
    }

    /// Removes a tensor and returns its values. The tensor must have this shape, and its values must be finite.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.remove(name).ok_or_else(|| format!("no tensor `{name}`"))?;
        if tensor.dtype != Dtype::F32 {
            return Err(format!("tensor `{name}` holds {:?}, not F32", tensor.dtype));
        }
        if tensor.shape != shape {
            return Err(format!("tensor `{name}` has shape {:?}, needs {shape:?}", tensor.shape));
        }
        let (values, _) = self.bytes(&tensor).as_chunks();
        let values: Vec<f32> = values.iter().map(|&value| f32::from_le_bytes(value)).collect();
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(format!("tensor `{name}` holds a value that is not finite")),
        }
    }

    /// Removes all tensors of a member. Each is returned under its path within the member.
    pub fn take_member(&mut self, member: usize) -> Result<SavedTensors, String> {
        let prefix = format!("{member}.");
        let own = self.of_member(&prefix).map(|(name, tensor)| (name.clone(), tensor.shape.clone()));
        let own: Vec<(String, Vec<usize>)> = own.collect();
        let taken = own.into_iter().map(|(name, shape)| {
            let values = self.take(&name, &shape)?;
            Ok((name[prefix.len()..].to_owned(), SavedTensor { shape, values }))
        });
        taken.collect()
    }

    /// Removes the tensors of a member that is a rule, and restores it. `part` is the name of the rule among the member's tensors.
    pub fn take_rule<R>(
        &mut self,
        member: usize,
        part: &str,
        restore: impl FnOnce(&mut SavedTensors) -> Result<R, String>,
    ) -> Result<R, String> {
        let mut saved = self.take_member(member)?;
        let mut own = saved.part(part);
        let restored = restore(&mut own)?;
        if let Some(path) = own.left() {
            return Err(unknown_tensor(&format!("{member}.{part}.{path}")));
        }
        match saved.left() {
            None => Ok(restored),
            Some(path) => Err(unknown_tensor(&format!("{member}.{path}"))),
        }
    }

    /// The graph of the steps of a member. Removes the tensors that only this needs.
    #[cfg(feature = "fit")]
    pub fn take_steps(&mut self, member: usize, steps: &[SavedStep], columns: usize) -> Result<Graph, String> {
        let prefix = format!("{member}.");
        let known: Vec<(String, TensorInfo)> =
            self.of_member(&prefix).map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        let mut saved = self.take_member(member)?;
        let graph = Graph::restore(steps, columns, &mut saved)?;
        let prefix = format!("{member}.{}.", Graph::PART);
        self.tensors.extend(known.into_iter().filter(|(name, _)| !name.starts_with(&prefix)));
        Ok(graph)
    }

    /// The name of a tensor that has not been taken.
    pub fn left(&self) -> Option<&str> {
        self.tensors.keys().next().map(String::as_str)
    }

    /// All tensors, unchanged.
    pub fn views<'a>(&'a self) -> Result<Vec<(&'a str, TensorView<'a>)>, SafeTensorError> {
        let view = |(name, tensor): (&'a String, &'a TensorInfo)| {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), self.bytes(tensor));
            view.map(|view| (&name[..], view))
        };
        self.tensors.iter().map(view).collect()
    }

    /// The bytes of a tensor.
    fn bytes(&self, tensor: &TensorInfo) -> &[u8] {
        &self.data[tensor.data_offsets.0..tensor.data_offsets.1]
    }
}

/// Writes a file with a digest, completely or not at all.
#[cfg(feature = "fit")]
pub(super) fn write(path: &Path, manifest: String, tensors: Vec<(&str, TensorView<'_>)>) -> Result<(), ModelFileError> {
    let failed = |reason: String| ModelFileError::Write { path: path.into(), reason };
    let bytes = bytes(manifest, tensors).map_err(failed)?;
    write_whole(path, &bytes).map_err(|error| failed(error.to_string()))
}

/// The bytes of a file with a digest.
#[cfg(feature = "fit")]
pub(super) fn bytes(manifest: String, mut tensors: Vec<(&str, TensorView<'_>)>) -> Result<Vec<u8>, String> {
    tensors.sort_by_key(|(name, _)| *name);
    let digest = digest(&manifest, &tensors).to_string();
    let header = NewHeader { metadata: BTreeMap::from([(MANIFEST, manifest), (DIGEST, digest)]), tensors: &tensors };
    let mut bytes = vec![0; LENGTH as usize];
    serde_json::to_writer(&mut bytes, &header).map_err(|error| error.to_string())?;
    // The tensors start at a multiple of 8 bytes, as other writers of this format place them.
    bytes.resize(bytes.len().next_multiple_of(LENGTH as usize), b' ');
    let size = bytes.len() as u64 - LENGTH;
    if size > MAX_HEADER {
        return Err(format!("its header would take {size} bytes; at most {MAX_HEADER} are possible"));
    }
    bytes[..LENGTH as usize].copy_from_slice(&size.to_le_bytes());
    tensors.iter().for_each(|(_, tensor)| bytes.extend(tensor.data()));
    Ok(bytes)
}

/// The header of a file to write. The tensors follow each other in this order.
#[cfg(feature = "fit")]
struct NewHeader<'a> {
    metadata: BTreeMap<&'a str, String>,
    tensors: &'a [(&'a str, TensorView<'a>)],
}

#[cfg(feature = "fit")]
impl Serialize for NewHeader<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut header = serializer.serialize_map(None)?;
        header.serialize_entry(METADATA, &self.metadata)?;
        let mut start = 0;
        for (name, tensor) in self.tensors {
            let end = start + tensor.data().len();
            let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
            header.serialize_entry(name, &TensorInfo { dtype, shape, data_offsets: (start, end) })?;
            start = end;
        }
        header.end()
    }
}

/// The header of a safetensors file: its metadata and its tensors. Each key may occur only once.
struct Header {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, TensorInfo>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the header of a safetensors file")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut metadata, mut tensors) = (None, BTreeMap::new());
                while let Some(key) = map.next_key::<String>()? {
                    if key != METADATA {
                        put(&mut tensors, key, map.next_value()?)?;
                    } else if metadata.replace(map.next_value::<UniqueTexts>()?).is_some() {
                        return Err(listed_twice(&key));
                    }
                }
                Ok(Header { metadata: metadata.map(|UniqueTexts(texts)| texts).unwrap_or_default(), tensors })
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

/// Texts by their keys. Each key may occur only once.
struct UniqueTexts(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for UniqueTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = UniqueTexts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts by their keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueTexts, A::Error> {
                let mut texts = BTreeMap::new();
                while let Some((key, text)) = map.next_entry()? {
                    put(&mut texts, key, text)?;
                }
                Ok(UniqueTexts(texts))
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

/// Inserts a value under a new key.
fn put<V, E: Error>(map: &mut BTreeMap<String, V>, key: String, value: V) -> Result<(), E> {
    match map.entry(key) {
        Entry::Occupied(entry) => Err(listed_twice(entry.key())),
        Entry::Vacant(entry) => {
            entry.insert(value);
            Ok(())
        }
    }
}

fn listed_twice<E: Error>(key: &str) -> E {
    E::custom(format!("`{key}` is listed twice"))
}
