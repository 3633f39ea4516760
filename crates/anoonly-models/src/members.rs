//! Several networks of one method as one network.
//!
//! The networks of an ensemble or of the folds of a validation have the same shapes and differ in their weights. On a GPU, a single
//! small network leaves most of the device idle, so its members are trained as one network, a *stack*. It has the type of a
//! single network. Each of its tensors holds the members' tensors one after the other in the first dimension: a linear layer
//! `[members·inputs, outputs]`, a bias `[members·outputs]`. Rows are laid out in the same way, `[members·rows, columns]`, so what treats
//! each row independently is the same for one network and for many. Only linear layers, normalisations, the parts of a batch and sums
//! of losses distinguish the members.

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Bool, Tensor, TensorPrimitive};

/// The number of members of a tensor that holds `width` values in its first dimension for each.
pub(crate) fn count(held: usize, width: usize) -> usize {
    held.checked_div(width).unwrap_or(1)
}

/// Shows each member's rows as a matrix: `[members·rows, width]` to `[members, rows, width]`.
pub(crate) fn apart<B: Backend>(rows: Tensor<B, 2>, members: usize) -> Tensor<B, 3> {
    let [held, width] = rows.dims();
    rows.reshape([members, held / members, width])
}

/// The inverse of [`apart`].
pub(crate) fn together<B: Backend>(rows: Tensor<B, 3>) -> Tensor<B, 2> {
    let [members, rows_each, width] = rows.dims();
    rows.reshape([members * rows_each, width])
}

/// Shows one row for each member, `[members·width]` as `[members, 1, width]`.
pub(crate) fn row_each<B: Backend>(values: Tensor<B, 1>, members: usize) -> Tensor<B, 3> {
    let width = values.dims()[0] / members;
    values.reshape([members, 1, width])
}

/// `rows · weight + bias` of each member.
pub(crate) fn linear<B: Backend>(rows: Tensor<B, 2>, weight: Tensor<B, 2>, bias: Option<Tensor<B, 1>>) -> Tensor<B, 2> {
    match count(weight.dims()[0], rows.dims()[1]) {
        1 => {
            let product = rows.matmul(weight);
            bias.map_or(product.clone(), |bias| product + bias.unsqueeze_dim(0))
        }
        members => {
            let product = apart(rows, members).matmul(apart(weight, members));
            together(match bias {
                Some(bias) => product + row_each(bias, members),
                None => product,
            })
        }
    }
}

/// Subtracts from each row the values of its member, `[members·width]`.
pub(crate) fn subtract<B: Backend>(rows: Tensor<B, 2>, values: Tensor<B, 1>) -> Tensor<B, 2> {
    match count(values.dims()[0], rows.dims()[1]) {
        1 => rows - values.unsqueeze_dim(0),
        members => together(apart(rows, members) - row_each(values, members)),
    }
}

/// Takes a range of the first dimension of each member's part of a tensor. It may be empty, which burn's `narrow` does not allow.
pub(crate) fn section<B: Backend, const D: usize>(
    tensor: Tensor<B, D>,
    members: usize,
    from: usize,
    taken: usize,
) -> Tensor<B, D> {
    let mut shape = tensor.dims();
    shape[0] = members * taken;
    match (taken, members) {
        (0, _) => Tensor::zeros(shape, &tensor.device()),
        (_, 1) => tensor.narrow(0, from, taken),
        _ => {
            let width: usize = shape[1..].iter().product();
            flat(tensor, members).narrow(1, from * width, taken * width).reshape(shape)
        }
    }
}

/// Concatenates each member's parts of tensors along the first dimension, and skips empty ones. If all are empty, the result is empty, too.
pub(crate) fn joined<B: Backend, const D: usize>(mut parts: Vec<Tensor<B, D>>, members: usize) -> Tensor<B, D> {
    if parts.iter().any(|part| part.dims()[0] > 0) {
        parts.retain(|part| part.dims()[0] > 0);
    }
    if members == 1 || parts.len() == 1 {
        return Tensor::cat(parts, 0);
    }
    let mut shape = parts[0].dims();
    shape[0] = parts.iter().map(|part| part.dims()[0]).sum();
    if shape[0] == 0 {
        return Tensor::cat(parts, 0);
    }
    Tensor::cat(parts.into_iter().map(|part| flat(part, members)).collect(), 1).reshape(shape)
}

/// The sum of each member's values, `[members·k]` to `[members]`.
pub fn sums<B: Backend, const D: usize>(values: Tensor<B, D>, members: usize) -> Tensor<B, 1> {
    match members {
        1 => values.sum(),
        _ => flat(values, members).sum_dim(1).squeeze_dim(1),
    }
}

/// Each member's values in one row.
fn flat<B: Backend, const D: usize>(tensor: Tensor<B, D>, members: usize) -> Tensor<B, 2> {
    let cells = tensor.shape().num_elements();
    tensor.reshape([members, cells / members])
}

/// Makes one network of several, in this order. Everything that is not a tensor is that of the first.
///
/// # Panics
/// When there is no network.
pub fn stack<B, N>(networks: Vec<N::InnerModule>) -> N
where
    B: AutodiffBackend,
    N: AutodiffModule<B>,
    N::InnerModule: Module<B::InnerBackend>,
{
    let tensors: Vec<_> = networks.iter().map(|network| collected(network).into_iter()).collect();
    let first = N::from_inner(networks.into_iter().next().expect("a stack has a member"));
    if tensors.len() == 1 { first } else { first.map(&mut Stack { tensors }) }
}

/// Takes one network out of a stack.
pub fn member<B, N>(stack: N::InnerModule, index: usize, members: usize) -> N::InnerModule
where
    B: AutodiffBackend,
    N: AutodiffModule<B>,
    N::InnerModule: Module<B::InnerBackend>,
{
    match members {
        1 => stack,
        _ => own::<B, N>(stack).map(&mut Take { index, members }),
    }
}

/// The stack `old` with some members replaced by those of `new`.
pub fn replaced<B, N>(old: N::InnerModule, new: &N::InnerModule, which: &[bool]) -> N::InnerModule
where
    B: AutodiffBackend,
    N: AutodiffModule<B>,
    N::InnerModule: Module<B::InnerBackend>,
{
    let mut replace = Replace { new: collected(new).into_iter(), which: which.to_vec() };
    own::<B, N>(old).map(&mut replace)
}

/// The same network with running statistics of its own. A clone shares them with the original.
fn own<B: AutodiffBackend, N: AutodiffModule<B>>(network: N::InnerModule) -> N::InnerModule {
    N::from_inner(network).valid()
}

/// The tensors of a network, in a fixed order.
fn collected<B: Backend>(network: &impl Module<B>) -> Vec<FloatTensor<B>> {
    let mut collect = Collect(Vec::new());
    network.visit(&mut collect);
    collect.0
}

/// The values of all tensors of a network in one tensor, `[values]`.
pub fn all_values<B: Backend>(network: &impl Module<B>) -> Tensor<B, 1> {
    let mut collect = CollectFlat(Vec::new());
    network.visit(&mut collect);
    Tensor::cat(collect.0, 0)
}

/// The sum of the sizes of all tensors of a network along each of their dimensions: an estimate of the cells of all layers for one row.
pub fn cells_of_a_row<B: Backend>(network: &impl Module<B>) -> usize {
    let mut sizes = Sizes(0);
    network.visit(&mut sizes);
    sizes.0
}

fn next<B: Backend, const D: usize>(tensors: &mut impl Iterator<Item = FloatTensor<B>>) -> Tensor<B, D> {
    let tensor = tensors.next().expect("networks of one method have the same tensors");
    Tensor::from_primitive(TensorPrimitive::Float(tensor))
}

/// Collects the tensors of a network.
struct Collect<B: Backend>(Vec<FloatTensor<B>>);

impl<B: Backend> ModuleVisitor<B> for Collect<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.push(param.val().into_primitive().tensor());
    }
}

/// Collects the tensors of a network as vectors.
struct CollectFlat<B: Backend>(Vec<Tensor<B, 1>>);

impl<B: Backend> ModuleVisitor<B> for CollectFlat<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val();
        let cells = tensor.shape().num_elements();
        self.0.push(tensor.reshape([cells]));
    }
}

struct Sizes(usize);

impl<B: Backend> ModuleVisitor<B> for Sizes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0 += param.dims().iter().sum::<usize>();
    }
}

struct Stack<I> {
    tensors: Vec<I>,
}

impl<B, I> ModuleMapper<B> for Stack<I>
where
    B: AutodiffBackend,
    I: Iterator<Item = FloatTensor<B::InnerBackend>>,
{
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let members = self.tensors.iter_mut().map(next::<B::InnerBackend, D>).collect();
        let all = Tensor::from_inner(Tensor::cat(members, 0));
        param.map(|tensor| all.set_require_grad(tensor.is_require_grad()))
    }
}

struct Take {
    index: usize,
    members: usize,
}

impl<B: Backend> ModuleMapper<B> for Take {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|tensor| {
            let held = tensor.dims()[0] / self.members;
            tensor.narrow(0, self.index * held, held)
        })
    }
}

struct Replace<I> {
    new: I,
    which: Vec<bool>,
}

impl<B: Backend, I: Iterator<Item = FloatTensor<B>>> ModuleMapper<B> for Replace<I> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let new = next::<B, D>(&mut self.new);
        param.map(|old| {
            let (shape, members) = (old.dims(), self.which.len());
            let mask: Tensor<B, 1, Bool> = Tensor::from_data(self.which.as_slice(), &old.device());
            let (old, new) = (flat(old, members), flat(new, members));
            let mask = mask.unsqueeze_dim::<2>(1).expand(old.dims());
            old.mask_where(mask, new).reshape(shape)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::host::{cells, tensor};
    use crate::networks::deepsad::{DeepSad, DeepSadConfig};
    use crate::{Batch, Network, NetworkMethod, Norm, StepRows, TrainingData};
    use anoonly_core::Seed;
    use burn::backend::Autodiff;
    use burn_ndarray::NdArray;

    type B = Autodiff<NdArray>;

    fn numbers<const D: usize>(shape: [usize; D]) -> Tensor<NdArray, D> {
        tensor((0..shape.iter().product()).map(|cell| cell as f32).collect(), shape, &Default::default())
    }

    #[test]
    fn a_section_is_taken_from_each_member() {
        let rows = numbers([6, 2]);
        assert_eq!(cells(section(rows.clone(), 2, 1, 2)), [2.0, 3.0, 4.0, 5.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(section(rows.clone(), 2, 1, 0).dims(), [0, 2]);
        assert_eq!(cells(section(rows, 1, 1, 1)), [2.0, 3.0]);
    }

    #[test]
    fn parts_are_joined_within_each_member() {
        let [one, two] = [numbers([2]), numbers([4]).add_scalar(10.0)];
        assert_eq!(cells(joined(vec![one.clone(), numbers([0]), two], 2)), [0.0, 10.0, 11.0, 1.0, 12.0, 13.0]);
        assert_eq!(joined(vec![numbers([0]), numbers([0])], 2).dims(), [0]);
        assert_eq!(cells(joined(vec![one], 2)), [0.0, 1.0]);
    }

    #[test]
    fn sums_and_differences_are_those_of_each_member() {
        assert_eq!(cells(sums(numbers([2, 3]), 2)), [3.0, 12.0]);
        assert_eq!(cells(subtract(numbers([2, 2]), numbers([4]))), [0.0, 0.0, 0.0, 0.0]);
        let (rows, weight) = (numbers([4, 1]), numbers([2, 1]).add_scalar(1.0));
        assert_eq!(cells(linear(rows, weight, Some(numbers([2])))), [0.0, 1.0, 5.0, 7.0]);
    }

    /// Under both normalisations, in training and in scoring. Taking a member out leaves the stack as it is.
    #[test]
    fn a_stack_computes_what_its_members_compute() {
        let rows = Tensor::<NdArray, 2>::from_data(
            [[0.1, 0.9, 0.4], [0.8, 0.2, 0.3], [0.5, 0.6, 0.7], [0.2, 0.2, 0.9]],
            &Default::default(),
        );
        let data = TrainingData { rows: rows.clone(), others: vec![0, 1, 2], anomalies: vec![3], normals: Vec::new() };
        for norm in [Norm::None, Norm::Batch, Norm::Layer] {
            let method = DeepSadConfig { widths: vec![5, 4, 2], norm, ..Default::default() };
            let network = |seed| method.init(&data, &mut Seed(seed).stream(&["weights"]));
            let seeds = [1, 2, 3];
            let stack: DeepSad<B> = stack(seeds.map(network).into());
            let step = StepRows { indices: vec![0, 1, 2, 3], unlabelled: 3, normals: 0 };
            let steps = [(); 3].map(|()| step.clone());
            let all = Tensor::from_inner(rows.clone().repeat_dim(0, 3));
            let terms = stack.terms(&Batch::of_members(all, &steps));
            let scores = cells(stack.valid().score(rows.clone().repeat_dim(0, 3)));
            for (index, seed) in seeds.into_iter().enumerate() {
                let alone = DeepSad::<B>::from_inner(network(seed));
                let of_one = alone.terms(&Batch::gather(&data, &step));
                let taken = member::<B, DeepSad<B>>(stack.valid(), index, 3);
                for (of_stack, of_one) in [
                    (cells(section(terms.normal.clone(), 3, 0, 3))[index * 3..][..3].to_vec(), cells(of_one.normal)),
                    (vec![cells(terms.anomalous.clone())[index]], cells(of_one.anomalous)),
                    (scores[index * 4..][..4].to_vec(), cells(alone.valid().score(rows.clone()))),
                    (cells(taken.score(rows.clone())), cells(alone.valid().score(rows.clone()))),
                ] {
                    assert_eq!(of_stack.len(), of_one.len());
                    for (a, b) in of_stack.iter().zip(&of_one) {
                        assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{norm:?}: {of_stack:?} and {of_one:?}");
                    }
                }
            }
            let others = stack.valid();
            let fill = member::<B, DeepSad<B>>(stack.valid(), 0, 3);
            let twice = self::stack::<B, DeepSad<B>>(vec![fill.clone(), fill.clone(), fill]).valid();
            let mixed = replaced::<B, DeepSad<B>>(others, &twice, &[false, true, false]);
            let scores_of = |index| cells(member::<B, DeepSad<B>>(mixed.clone(), index, 3).score(rows.clone()));
            assert!(scores_of(0) == scores_of(1) && scores_of(1) != scores_of(2));
        }
    }
}
