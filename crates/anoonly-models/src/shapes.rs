//! The shapes of a saved network's tensors.

use std::collections::BTreeMap;

/// The shape of each tensor of a saved network by the tensor's path, such as `rows` or `encoder.0.weight`.
///
/// The size of most networks follows from their configuration and the number of columns. Some networks keep training rows; only the
/// saved tensors show their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shapes(BTreeMap<String, Vec<usize>>);

impl Shapes {
    /// Collects shapes by path.
    pub fn new(tensors: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        Self(tensors.into_iter().collect())
    }

    /// The first dimension of a tensor; 0 if there is no such tensor.
    pub fn entries(&self, path: &str) -> usize {
        self.0.get(path).and_then(|shape| shape.first().copied()).unwrap_or(0)
    }

    /// The shapes of the tensors in a part of the network, by their paths within the part.
    pub fn within(&self, part: &str) -> Shapes {
        let inside = |path: &String| path.strip_prefix(part)?.strip_prefix('.').map(str::to_owned);
        Self(self.0.iter().filter_map(|(path, shape)| Some((inside(path)?, shape.clone()))).collect())
    }

    /// The number of values in all tensors; `usize::MAX` on overflow.
    pub fn values(&self) -> usize {
        let values = self.0.values().map(|shape| shape.iter().copied().fold(1, usize::saturating_mul));
        values.fold(0, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_contains_only_its_own_tensors() {
        let shapes = [("rows", vec![3, 2]), ("tree.nodes", vec![7]), ("trees.nodes", vec![9])];
        let shapes = Shapes::new(shapes.map(|(path, shape)| (path.to_owned(), shape)));
        assert_eq!((shapes.entries("rows"), shapes.entries("tree"), shapes.values()), (3, 0, 22));
        let part = shapes.within("tree");
        assert_eq!((part.entries("nodes"), part.values()), (7, 7));
    }
}
