"""Print the figures in the tests of crates/anoonly-models/src/rules/extra_trees.rs, by scikit-learn's extra trees.

    pip install numpy scikit-learn
    python xtask/golden/golden_extra_trees.py

Anomalies and all other rows have the same total weight. Where rows are confirmed as normal, these and the unlabelled rows have half of
the weight of the other rows each.
"""

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

ASKED = [[value] * 4 for value in [0.1, 0.5, 0.6, 0.8, 1.1]] + [[0.1, 0.9, 0.3, 1.2], [1.0, 0.2, 0.9, 0.4], [0.4, 1.1, 1.1, 0.4]]


def rows():
    state, cells = 1, []
    for _ in range(600):
        state = (state * 1103515245 + 12345) % 2**31
        cells.append(np.float32(state >> 7) / np.float32(2**24))
    cells = np.array(cells, np.float32).reshape(150, 4)
    cells[120:] += np.float32(0.25)
    return cells


def main():
    cells, row = rows(), np.arange(150)
    truth = row >= 120
    balanced = np.where(truth, 150 / 60, 150 / 240)
    confirmed = np.where(truth, 150 / 60, np.where(row >= 100, 150 / 80, 150 / 400))
    for weights in [balanced, confirmed]:
        model = ExtraTreesClassifier(4000, random_state=0).fit(cells, truth, sample_weight=weights)
        print(", ".join(f"{share:.4f}" for share in model.predict_proba(np.float32(ASKED))[:, 1]))


main()
