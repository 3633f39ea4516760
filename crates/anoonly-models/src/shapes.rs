//! What a saved network tells of its size before it is made again.

use std::collections::BTreeMap;

/// The shapes of a saved network's tensors, each under its path within the network, such as `rows` or `encoder.0.weight`.
///
/// Most networks have a size that follows from their configuration and the columns. Some hold training rows, or trees grown
/// from them: how many, only their tensors tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shapes(BTreeMap<String, Vec<usize>>);

impl Shapes {
    /// The shapes of these tensors.
    pub fn new(tensors: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        Self(tensors.into_iter().collect())
    }

    /// The length of a tensor's first dimension; 0 where there is no such tensor.
    pub fn entries(&self, path: &str) -> usize {
        self.0.get(path).and_then(|shape| shape.first().copied()).unwrap_or(0)
    }

    /// The shapes of the tensors of a part of the network, each under its path within the part.
    pub fn within(&self, part: &str) -> Shapes {
        let inside = |path: &String| path.strip_prefix(part)?.strip_prefix('.').map(str::to_owned);
        Self(self.0.iter().filter_map(|(path, shape)| Some((inside(path)?, shape.clone()))).collect())
    }

    /// The number of values in all tensors; `usize::MAX` where it does not fit.
    pub fn values(&self) -> usize {
        let values = self.0.values().map(|shape| shape.iter().copied().fold(1, usize::saturating_mul));
        values.fold(0, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_knows_its_own_tensors_alone() {
        let shapes = [("rows", vec![3, 2]), ("tree.nodes", vec![7]), ("trees.nodes", vec![9])];
        let shapes = Shapes::new(shapes.map(|(path, shape)| (path.to_owned(), shape)));
        assert_eq!((shapes.entries("rows"), shapes.entries("tree"), shapes.values()), (3, 0, 22));
        let part = shapes.within("tree");
        assert_eq!((part.entries("nodes"), part.values()), (7, 7));
    }
}
