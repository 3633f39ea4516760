"""Write crates/anoonly-eval/tests/golden/statistics.json: tests, curves and calibrations by SciPy, scikit-learn and NumPy.

    pip install numpy scipy scikit-learn
    python xtask/golden/golden_statistics.py

The file names the versions it was made with. Three things that these libraries lack are computed from their definitions:
Friedman's test of two methods by its textbook formula; Holm's correction as the closed test over all subsets with Bonferroni
tests, which Holm's procedure shortens; and conformal p-values by counting.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy import special, stats
from sklearn import metrics

rng = np.random.default_rng(20061)


def friedman(values):
    sets, methods = values.shape
    if methods > 2 and len(np.unique(values)) > 1:
        chi, p = stats.friedmanchisquare(*values.T)
    else:
        ranks = stats.rankdata(values, axis=1)
        ties = sum(t**3 - t for row in ranks for t in np.unique(row, return_counts=True)[1])
        corrected = 1 - ties / (sets * methods * (methods**2 - 1))
        rank_sums = (ranks.sum(axis=0) ** 2).sum()
        chi = (12 * rank_sums / (sets * methods * (methods + 1)) - 3 * sets * (methods + 1)) / corrected
        p = stats.chi2.sf(chi, methods - 1)
    rest = sets * (methods - 1) - chi
    f = (sets - 1) * chi / rest if rest > 0 else np.inf
    return float(chi), float(p), float(f), float(stats.f.sf(f, methods - 1, (methods - 1) * (sets - 1)))


comparisons = []
shapes = [(5, 2), (12, 2), (4, 3), (10, 3), (10, 4), (14, 5), (30, 5), (8, 8), (25, 12), (40, 20)]
for i, (sets, methods) in enumerate(shapes * 2):
    values = rng.normal(size=(sets, methods)) + rng.normal(size=methods) * rng.uniform(0, 2)
    values = np.round(values, 0 if i >= len(shapes) else 4)
    average = stats.rankdata(-values, axis=1).mean(axis=0)
    unit = np.sqrt(methods * (methods + 1) / (6 * sets))
    spans = np.abs(average[:, None] - average[None, :]) / unit * np.sqrt(2)
    chi, p, f, f_p = friedman(values)
    comparisons.append({
        "values": values.tolist(),
        "average_ranks": average.tolist(),
        "chi_square": chi,
        "p_value": p,
        "f": f if np.isfinite(f) else None,
        "f_p_value": f_p,
        "nemenyi": stats.studentized_range.sf(spans, methods, np.inf).tolist(),
    })

critical_differences = []
for methods, sets in ((2, 5), (3, 10), (4, 7), (5, 30), (8, 12), (10, 14), (20, 40), (50, 100)):
    for alpha in (0.001, 0.01, 0.05, 0.1, 0.5):
        quantile = stats.studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2)
        difference = quantile * np.sqrt(methods * (methods + 1) / (6 * sets))
        critical_differences.append(
            {"methods": methods, "sets": sets, "alpha": alpha, "difference": float(difference)})

signed_ranks = []
for i, n in enumerate((1, 2, 3, 5, 8, 10, 12, 13, 14, 20, 33, 50, 51, 80)):
    for shift in (0.0, 0.4, 1.5):
        for decimals in (6, 1, 0):
            differences = np.round(rng.normal(size=n) + shift, decimals)
            if not differences.any():
                continue
            statistic, p = stats.wilcoxon(differences)
            signed_ranks.append({
                "differences": (differences + 0.0).tolist(), "statistic": float(statistic), "p_value": float(p)})


def holm(p):
    adjusted = np.zeros(len(p))
    for size in range(1, len(p) + 1):
        for subset in map(list, itertools.combinations(range(len(p)), size)):
            adjusted[subset] = np.maximum(adjusted[subset], min(1.0, size * p[subset].min()))
    return adjusted


corrections = []
for i in range(30):
    p = rng.uniform(size=int(rng.integers(1, 10))) ** rng.choice([1, 4])
    p = np.round(p, 1 if i % 3 == 0 else 12)
    corrections.append({
        "p_values": p.tolist(),
        "holm": holm(p).tolist(),
        "benjamini_hochberg": stats.false_discovery_control(p).tolist(),
    })

curves = []
for i in range(24):
    n = int(rng.integers(2, 40))
    y = rng.permutation(np.arange(n) < rng.integers(1, n)).astype(int)
    scores = (rng.normal(size=n) + y).round(i % 3).astype(np.float32)
    fpr, tpr, cuts = metrics.roc_curve(y, scores, drop_intermediate=False)
    precision, recall, thresholds = metrics.precision_recall_curve(y, scores)
    curves.append({
        "scores": [float(s) for s in scores],
        "anomalous": y.tolist(),
        "false_positive_rate": fpr.tolist(),
        "true_positive_rate": tpr.tolist(),
        "roc_thresholds": [float(t) for t in cuts[1:]],
        "recall": recall[::-1].tolist(),
        "precision": precision[::-1].tolist(),
        "thresholds": [float(t) for t in thresholds[::-1]],
    })

calibrations = []
for i in range(12):
    n = int(rng.integers(1, 40))
    calibration = rng.normal(size=n).round(i % 3).astype(np.float32)
    new = np.concatenate([rng.normal(size=10).round(i % 3).astype(np.float32), calibration[:3], np.float32([-9, 9])])
    p = [(1 + int((calibration >= s).sum())) / (n + 1) for s in new]
    ranks = np.array([stats.rankdata(np.append(calibration, s))[-1] for s in new])
    calibrations.append({
        "calibration": [float(s) for s in calibration],
        "new": [float(s) for s in new],
        "p_values": p,
        "normal_scores": stats.norm.ppf((ranks - 0.5) / (n + 1)).tolist(),
    })

shares = []
for part, whole in ((0, 1), (1, 1), (0, 7), (3, 7), (1, 39), (12, 12), (16, 92), (40, 4000)):
    for level in (0.5, 0.9, 0.95):
        interval = stats.binomtest(part, whole).proportion_ci(level, method="wilson")
        shares.append({"part": part, "whole": whole, "level": level, "low": interval.low, "high": interval.high})

# Draws from the same stream as above would change the values of the parts before them when this one changes.
samples_rng = np.random.default_rng(58)
two_samples = []
for i, (n, m) in enumerate(((1, 1), (5, 8), (40, 40), (100, 7), (250, 90), (1000, 400)) * 3):
    first = samples_rng.normal(size=n).round(i % 3 + (n > 50)).astype(np.float32)
    second = (samples_rng.normal(size=m) + (i // 6) * 0.4).round(i % 3 + (n > 50)).astype(np.float32)
    distance = float(stats.ks_2samp(first, second).statistic)
    two_samples.append({
        "first": [float(s) for s in first],
        "second": [float(s) for s in second],
        "distance": distance,
        "p_value": float(special.kolmogorov(np.sqrt(n * m / (n + m)) * distance)),
    })

golden = {
    "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
    "comparisons": comparisons,
    "critical_differences": critical_differences,
    "signed_ranks": signed_ranks,
    "corrections": corrections,
    "curves": curves,
    "calibrations": calibrations,
    "shares": shares,
    "two_samples": two_samples,
}
out = Path(__file__).resolve().parents[2] / "crates/anoonly-eval/tests/golden/statistics.json"
out.write_text(json.dumps(golden, allow_nan=False) + "\n")
print({name: len(part) for name, part in golden.items()})
