"""Write tests/golden/zoo.json: scores of PyOD, scikit-learn and NumPy on the embedded data sets.

    pip install numpy pandas pyarrow pyod scikit-learn scipy
    python xtask/golden/golden_zoo.py

Every third row of a set, starting with the first, is scored. Methods are fitted on the normal rows among the others plus the first three
anomalies that are not scored, which are labelled. All rows are scaled to the range of the fitted rows, labelled ones included, in single
precision, as `MinMaxScaler` of anoonly-core does.

PyOD scores with its defaults, with these exceptions:

- PyOD's ECOD and COPOD count the rows that are scored together. Here each row is scored alone, and a column's skewness is that of the
  fitted rows, whereas PyOD includes the scored row.
- PyOD's HBOS assigns a value on the edge between two bins to the lower bin when it scores, but counted it in the upper bin. Such values are
  moved up by a tiny amount before they are scored. So are values that PyOD assigns to no bin because they equal the minimum.

For randomised methods the file holds the mean score over 20 seeds and the lowest and highest AUROC.
"""

import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyod.models.copod
import pyod.models.ecod
from pyod.models.cblof import CBLOF
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.loda import LODA
from pyod.models.lof import LOF
from pyod.models.ocsvm import OCSVM
from pyod.models.pca import PCA
from scipy.stats import skew
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parents[2]
SETS = {"cancer": 0, "penguins": 1, "wine": 0}  # Malignant, Chinstrap, the first cultivar.
SEEDS = range(20)


def load(name, anomaly):
    table = np.load(ROOT / f"crates/anoonly-data/data/{name}.npz")
    truth = table["y"] == anomaly
    rows = table["X"].astype(np.float32)
    scored = np.arange(len(rows)) % 3 == 0
    labelled = np.flatnonzero(truth & ~scored)[:3]
    unlabelled = np.flatnonzero(~truth & ~scored)
    fitted = rows[np.concatenate([unlabelled, labelled])]
    low = fitted.min(0)
    scale = (1 / (fitted.max(0).astype(np.float64) - low)).astype(np.float32)
    rows = ((rows - low) * scale).astype(np.float64)
    return rows[unlabelled], rows[labelled], rows[scored], truth[scored]


def off_edges(model, rows):
    edges = model.bin_edges_
    return np.where((rows[:, None, :] == edges[None, :-1, :]).any(1), np.nextafter(rows, np.inf), rows)


def exact(unlabelled, labelled, scored):
    pyod.models.ecod.skew = pyod.models.copod.skew = lambda rows, axis=0: skew(rows[: len(unlabelled)], axis=axis)
    one_by_one = lambda model: [model.decision_function(row[None])[0] for row in scored]
    hbos = HBOS().fit(unlabelled)
    scores = {
        "knn": KNN().fit(unlabelled).decision_function(scored),
        "lof": LOF().fit(unlabelled).decision_function(scored),
        "ecod": one_by_one(ECOD().fit(unlabelled)),
        "copod": one_by_one(COPOD().fit(unlabelled)),
        "hbos": hbos.decision_function(off_edges(hbos, scored)),
        "pca": PCA().fit(unlabelled).decision_function(scored),
        "ocsvm": OCSVM(tol=1e-8).fit(unlabelled).decision_function(scored),
    }
    covariance = LedoitWolf().fit(unlabelled)
    centred = lambda rows: rows - covariance.location_
    difference = centred(labelled).mean(0)
    direction = np.linalg.solve(covariance.covariance_, difference)
    values, axes = np.linalg.eigh(covariance.covariance_)
    whiten = lambda rows: centred(rows) @ axes / np.sqrt(values + 10 * np.median(values))
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scores["mahalanobis"] = covariance.mahalanobis(scored)
    scores["fisher"] = centred(scored) @ direction / np.sqrt(direction @ difference)
    scores["whitened-cosine"] = (unit(whiten(scored)) @ unit(whiten(labelled)).T).mean(1)
    return scores


def by_chance(unlabelled, scored, truth):
    made = {
        "isolation-forest": lambda seed: IForest(random_state=seed),
        "cblof": lambda seed: CBLOF(random_state=seed),
        "loda": lambda seed: LODA(random_state=seed),
    }
    result = {}
    for name, make in made.items():
        scores = np.stack([make(seed).fit(unlabelled).decision_function(scored) for seed in SEEDS])
        areas = [roc_auc_score(truth, row) for row in scores]
        result[name] = {"auroc": [min(areas), max(areas)], "mean_scores": rounded(scores.mean(0))}
    return result


def rounded(scores):
    return [float(f"{score:.9g}") for score in scores]


def main():
    warnings.simplefilter("ignore")
    golden = {"made_with": {name: version(name) for name in ["numpy", "pyod", "scikit-learn", "scipy"]}}
    for name, anomaly in SETS.items():
        unlabelled, labelled, scored, truth = load(name, anomaly)
        golden[name] = {
            "exact": {method: rounded(scores) for method, scores in exact(unlabelled, labelled, scored).items()},
            "by_chance": by_chance(unlabelled, scored, truth),
        }
    path = ROOT / "tests/golden/zoo.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(golden, separators=(",", ":")).replace('],"', '],\n"').replace('},"', '},\n"') + "\n")


main()
