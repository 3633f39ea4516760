"""Write metrics.json: random rankings, ties and lopsided ones included, and their metrics by scikit-learn.

    pip install numpy scipy scikit-learn
    python crates/anoonly-eval/tests/golden/metrics.py

Made with numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1. Precision@k under ties has no counterpart there: it is the mean
over every way to fill the last places, counted out by NumPy.
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn import metrics

rng = np.random.default_rng(20240607)


def precision_at_k(scores, y, k):
    cut = np.sort(scores)[::-1][k - 1]
    above, at = scores > cut, scores == cut
    return float((y[above].sum() + (k - above.sum()) * y[at].mean()) / k)


def best_f1(scores, y):
    best, where = -1.0, None
    for threshold in np.unique(scores)[::-1]:
        f1 = metrics.f1_score(y, scores >= threshold)
        if f1 > best + 1e-15:
            best, where = f1, threshold
    return float(best), float(where)


cases = []
for i in range(240):
    n = int(rng.integers(2, 60))
    positives = int(rng.integers(1, n)) if i % 4 else (1 if i % 8 else n - 1)
    y = rng.permutation(np.arange(n) < positives).astype(int)
    kind = i % 6
    if kind == 0:
        scores = rng.normal(size=n) + y
    elif kind == 1:
        scores = rng.integers(0, 3, size=n).astype(float)
    elif kind == 2:
        scores = np.zeros(n)
    elif kind == 3:
        scores = y * 1.0
    elif kind == 4:
        scores = -y + np.round(rng.normal(size=n), 1)
    else:
        scores = np.exp(20 * rng.normal(size=n))
    scores = scores.astype(np.float32)
    k = int(rng.integers(1, n + 1))
    f1, threshold = best_f1(scores, y)
    cases.append({
        "scores": [float(s) for s in scores],
        "anomalous": y.tolist(),
        "auroc": float(metrics.roc_auc_score(y, scores)),
        "ap": float(metrics.average_precision_score(y, scores)),
        "ap_normal": float(metrics.average_precision_score(1 - y, -scores)),
        "best_f1": f1,
        "threshold": threshold,
        "k": k,
        "precision_at_k": precision_at_k(scores, y, k),
    })

means = []
for n in (2, 3, 5, 10, 40):
    for level in (0.9, 0.95):
        values = rng.normal(size=n)
        low, high = stats.t.interval(level, n - 1, values.mean(), stats.sem(values))
        means.append({"values": values.tolist(), "level": level, "low": float(low), "high": float(high)})

out = Path(__file__).with_suffix(".json")
out.write_text(json.dumps({"cases": cases, "means": means}) + "\n")
print(f"{len(cases)} cases, {len(means)} means")
