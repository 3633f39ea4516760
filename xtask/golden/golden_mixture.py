"""Write crates/anoonly-core/golden/mixture.json: Gaussian mixtures by scikit-learn, each from a start that the file records.

    pip install numpy scipy scikit-learn
    python xtask/golden/golden_mixture.py

The points are three overlapping clusters with one constant feature, and a few distant points. The file names the versions it was
made with. The settings are scikit-learn's defaults: tolerance 1e-3, at most 100 iterations, 1e-6 added to the diagonals.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

warnings.simplefilter("ignore", ConvergenceWarning)
rng = np.random.default_rng(30582)
FEATURES = 4

places = np.array([[0.0, 0.0, 0.0, 2.5], [3.0, 1.0, -1.0, 2.5], [1.0, 4.0, 2.0, 2.5]])
points = []
for place, size in zip(places, (70, 50, 30)):
    mixing = rng.normal(size=(FEATURES, FEATURES))
    mixing[:, 3] = 0.0
    points.append(place + rng.normal(size=(size, FEATURES)) @ mixing)
points.append(np.column_stack([rng.uniform(-9, 9, size=(5, 3)), np.full(5, 2.5)]))
points = np.round(np.concatenate(points), 3)


def parameters(mixture):
    return {
        "weights": mixture.weights_.tolist(),
        "means": mixture.means_.tolist(),
        "covariances": mixture.covariances_.tolist(),
        "log_likelihood": float(mixture.score(points)),
        "information_criterion": float(mixture.bic(points)),
    }


cases = []
for count in range(1, 6):
    weights = rng.uniform(0.5, 1.5, size=count)
    weights /= weights.sum()
    means = points[rng.choice(len(points), size=count, replace=False)]
    roots = rng.normal(size=(count, FEATURES, FEATURES))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.5 * np.eye(FEATURES)
    for rounds in (1, 100):
        mixture = GaussianMixture(
            count,
            weights_init=weights,
            means_init=means,
            precisions_init=np.linalg.inv(covariances),
            max_iter=rounds,
            random_state=0,
        ).fit(points)
        if rounds == 1:
            first = parameters(mixture)
    cases.append({
        "start": {"weights": weights.tolist(), "means": means.tolist(), "covariances": covariances.tolist()},
        "first_round": first,
        "rounds": mixture.n_iter_,
        "end": parameters(mixture),
    })

versions = {"numpy": np.__version__, "scikit-learn": sklearn.__version__}
out = Path(__file__).resolve().parents[2] / "crates/anoonly-core/golden/mixture.json"
out.write_text(json.dumps({"versions": versions, "points": points.tolist(), "cases": cases}) + "\n")
print([case["rounds"] for case in cases], [round(case["end"]["information_criterion"], 1) for case in cases])
