//! Named tensors in plain memory, in which fitted methods are saved.

use std::collections::BTreeMap;

/// A tensor of 32-bit floats.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedTensor {
    /// The shape.
    pub shape: Vec<usize>,
    /// The values in row-major order.
    pub values: Vec<f32>,
}

/// Tensors by path, such as `rows` or `forest.nodes`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedTensors(BTreeMap<String, SavedTensor>);

impl SavedTensors {
    /// Adds a tensor.
    pub fn with(mut self, path: &str, shape: &[usize], values: Vec<f32>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len(), "{path}");
        self.0.insert(path.into(), SavedTensor { shape: shape.into(), values });
        self
    }

    /// Adds the tensors of a part. Their paths get the name of the part as a prefix.
    pub fn with_part(mut self, part: &str, tensors: SavedTensors) -> Self {
        self.0.extend(tensors.0.into_iter().map(|(path, tensor)| (format!("{part}.{path}"), tensor)));
        self
    }

    /// Removes and returns the tensors of a part, by their paths within the part.
    pub fn part(&mut self, part: &str) -> SavedTensors {
        let prefix = format!("{part}.");
        let taken = self.0.extract_if(.., |path, _| path.starts_with(&prefix));
        Self(taken.map(|(path, tensor)| (path[prefix.len()..].to_owned(), tensor)).collect())
    }

    /// Removes a tensor of the given shape and returns its values.
    ///
    /// # Errors
    /// When there is no such tensor, or it has another shape.
    pub fn take(&mut self, path: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let tensor = self.0.remove(path).ok_or_else(|| format!("no tensor `{path}`"))?;
        match tensor.shape == shape {
            true => Ok(tensor.values),
            false => Err(format!("tensor `{path}` has shape {:?}, needs {shape:?}", tensor.shape)),
        }
    }

    /// Removes a tensor with rows of the given width, in any number, and returns its values.
    ///
    /// # Errors
    /// See [`take`](Self::take).
    pub fn take_rows(&mut self, path: &str, width: usize) -> Result<Vec<f32>, String> {
        let rows = self.entries(path);
        self.take(path, &[rows, width])
    }

    /// Removes a tensor with one dimension of any length and returns its values.
    ///
    /// # Errors
    /// See [`take`](Self::take).
    pub fn take_list(&mut self, path: &str) -> Result<Vec<f32>, String> {
        let length = self.entries(path);
        self.take(path, &[length])
    }

    /// The first dimension of a tensor; 0 if there is no such tensor.
    pub fn entries(&self, path: &str) -> usize {
        self.0.get(path).and_then(|tensor| tensor.shape.first().copied()).unwrap_or(0)
    }

    /// The second dimension of a tensor; 0 if there is no such tensor.
    pub fn width(&self, path: &str) -> usize {
        self.0.get(path).and_then(|tensor| tensor.shape.get(1).copied()).unwrap_or(0)
    }

    /// The tensors by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SavedTensor)> {
        self.0.iter().map(|(path, tensor)| (path.as_str(), tensor))
    }

    /// The path of a remaining tensor.
    pub fn left(&self) -> Option<&str> {
        self.0.keys().next().map(String::as_str)
    }

    /// The number of values in all tensors.
    pub fn values(&self) -> usize {
        self.0.values().map(|tensor| tensor.values.len()).sum()
    }
}

impl FromIterator<(String, SavedTensor)> for SavedTensors {
    fn from_iter<T: IntoIterator<Item = (String, SavedTensor)>>(tensors: T) -> Self {
        Self(tensors.into_iter().collect())
    }
}

impl IntoIterator for SavedTensors {
    type Item = (String, SavedTensor);
    type IntoIter = std::collections::btree_map::IntoIter<String, SavedTensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_tensors_apart() {
        let part = SavedTensors::default().with("rows", &[2, 2], vec![1.0, 2.0, 3.0, 4.0]);
        let mut saved = SavedTensors::default().with("rows", &[1], vec![9.0]).with_part("tree", part.clone());
        assert_eq!((saved.values(), saved.entries("tree.rows")), (5, 2));
        assert_eq!(saved.part("tree"), part);
        assert_eq!(saved.part("tree"), SavedTensors::default());
        assert_eq!(saved.take("rows", &[2]).unwrap_err(), "tensor `rows` has shape [1], needs [2]");
        assert_eq!(saved.take("rows", &[1]).unwrap_err(), "no tensor `rows`");
        assert_eq!((part.clone().take_rows("rows", 2).unwrap().len(), part.left()), (4, Some("rows")));
    }
}
