"""Print the figures in the tests of gbdt.rs and extra_trees.rs in crates/anoonly-models/src/rules, by scikit-learn's trees.

    pip install numpy scikit-learn
    python xtask/golden/golden_trees.py

`HistGradientBoostingClassifier` makes the same second-order trees from the same cuts when all values of a column differ and there are
fewer than 255 of them. Both start at log odds of 0, which is the prior of two classes of equal total weight. scikit-learn takes its
lower bound on sums of second derivatives from a constant of its module, `min_hessian_to_split`, which this script sets to ours.

Anomalies and all other rows have the same total weight. Where rows are confirmed as normal, these and the unlabelled rows have half of
the weight of the other rows each.
"""

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting import gradient_boosting

ASKED = [[value] * 4 for value in [0.1, 0.5, 0.6, 0.8, 1.1]] + [[0.1, 0.9, 0.3, 1.2], [1.0, 0.2, 0.9, 0.4], [0.4, 1.1, 1.1, 0.4]]


def rows():
    state, cells = 1, []
    for _ in range(600):
        state = (state * 1103515245 + 12345) % 2**31
        cells.append(np.float32(state >> 7) / np.float32(2**24))
    cells = np.array(cells, np.float32).reshape(150, 4)
    cells[120:] += np.float32(0.25)
    return cells


class Grower(gradient_boosting.TreeGrower):
    def __init__(self, *args, **options):
        super().__init__(*args, **options | {"min_hessian_to_split": 1.0})


def main():
    gradient_boosting.TreeGrower = Grower
    cells, row = rows(), np.arange(150)
    truth = row >= 120
    balanced = np.where(truth, 150 / 60, 150 / 240)
    # The 20 rows before the anomalies are confirmed as normal.
    confirmed = np.where(truth, 150 / 60, np.where(row >= 100, 150 / 80, 150 / 400))
    print("boosted trees, log odds:")
    asked = np.concatenate([cells[:4], cells[120:122], np.float32([[0.6] * 4, [0.1, 0.9, 0.3, 1.2]])])
    for depth, rate, l2, weights in [(3, 0.1, 0.0, balanced), (4, 0.3, 2.5, balanced), (3, 0.1, 0.0, confirmed)]:
        model = HistGradientBoostingClassifier(
            learning_rate=rate, max_iter=30, max_leaf_nodes=None, max_depth=depth, min_samples_leaf=1,
            l2_regularization=l2, early_stopping=False,
        )
        model.fit(cells, truth, sample_weight=weights)
        assert abs(model._baseline_prediction).max() < 1e-6
        print(", ".join(f"{score:.6f}" for score in model.decision_function(asked)))
    print("extra trees, shares:")
    for weights in [balanced, confirmed]:
        model = ExtraTreesClassifier(4000, random_state=0).fit(cells, truth, sample_weight=weights)
        print(", ".join(f"{share:.4f}" for share in model.predict_proba(np.float32(ASKED))[:, 1]))


main()
