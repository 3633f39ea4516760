//! Prints the parts of a batch's loss for every network. A strategy decides which of them train.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use anoonly_core::Seed;
use anoonly_models::{AnyMethod, AnyNetwork, Batch, MethodForm, Network, NetworkMethod, TrainingData};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn_flex::Flex;

fn main() {
    let rows = [[0.1, 0.2, 0.1], [0.2, 0.1, 0.3], [0.0, 0.3, 0.2], [0.9, 0.8, 1.0], [1.0, 0.7, 0.9]];
    let rows = Tensor::<Flex, 2>::from_data(rows, &Default::default());
    let data = TrainingData { rows: rows.clone(), others: vec![0, 1, 2], anomalies: vec![3, 4], normals: vec![2] };
    for method in AnyMethod::all() {
        let MethodForm::Network(trained) = method.form() else { continue };
        let network = trained.init(&data, &mut Seed(1).stream(&["weights"]));
        let network = AnyNetwork::<Autodiff<Flex>>::from_inner(network);
        let terms = network.terms(&Batch::new(Tensor::from_inner(rows.clone()), 3).with_normals(1));
        let mean = |part: Tensor<Autodiff<Flex>, 1>| {
            let values: Vec<f32> = part.into_data().iter::<f32>().collect();
            (values.len(), values.iter().sum::<f32>() / values.len().max(1) as f32)
        };
        print!("{:16}", method.info().name);
        for (part, terms) in
            [("unlabelled", terms.normal), ("confirmed", terms.confirmed), ("anomalous", terms.anomalous)]
        {
            let (examples, loss) = mean(terms);
            print!("{examples} {part}, mean loss {loss:.3}; ");
        }
        println!();
    }
}
