"""Compare candidate detectors that learn from few labels; prints the tables in docs/experiments/recipe.md.

    pip install numpy scipy scikit-learn
    python docs/experiments/scripts/explore_recipe.py DATA [--ratio 0.1] [--seeds 3] [--processes 2] [--without Classical]

DATA is a folder of ADBench's `.npz` files. The protocol is `clean`: sets of more than 10 000 rows are sampled down to 10 000; 70 % of both
classes are used for training; equal rows stay on one side; columns are scaled to the range of the training rows. The given share of the
training anomalies, rounded up, is labelled, and all other training rows are unlabelled. NumPy draws the splits, so they differ from those
of `cargo xtask bench`.

Each scorer scores rows by itself. Scorers are combined after each is brought to normal scores by its values on unlabelled rows. These
values come from five folds: a scorer is fitted on four folds and evaluated on the fifth.
"""

import argparse
import os

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

import warnings
from itertools import product
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from scipy.stats import norm, t
from sklearn.covariance import ledoit_wolf
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

FOLDS = 5
RIDGES = (10, 30, 100)


def split(path, ratio, seed):
    with np.load(path, allow_pickle=True) as file:
        rows, truth = file["X"].astype(float), file["y"].astype(int).ravel()
    rng = np.random.default_rng([seed, 1])
    if len(rows) > 10_000:
        drawn = rng.choice(len(rows), 10_000, replace=False)
        rows, truth = rows[drawn], truth[drawn]
    groups = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    anomalous = np.zeros(groups.max() + 1, int)
    np.maximum.at(anomalous, groups, truth)
    train = np.zeros(len(anomalous), bool)
    for kind in (0, 1):
        members = rng.permutation(np.flatnonzero(anomalous == kind))
        train[members[: round(0.7 * len(members))]] = True
    inside = train[groups]
    low, high = rows[inside].min(0), rows[inside].max(0)
    rows = (rows - low) / np.where(high > low, high - low, 1)
    marked = np.flatnonzero(inside & (truth == 1))
    marked = rng.choice(marked, max(1, int(np.ceil(ratio * len(marked)))), replace=False)
    unlabelled = inside.copy()
    unlabelled[marked] = False
    return rows[unlabelled], rows[marked], rows[~inside], truth[~inside]


def family(path):
    return "Classical" if path.parent.name == "Classical" else path.stem.split("_")[0]


def units(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def scorers(unlabelled, anomalies):
    """Fit all scorers; return a function from rows to their values by name."""
    mean = unlabelled.mean(0)
    variances, axes = np.linalg.eigh(ledoit_wolf(unlabelled)[0])
    variances = np.maximum(variances, 1e-9 * variances.max() + 1e-12)
    median = np.median(variances)
    scale = lambda ridge: np.sqrt(variances + ridge * median)
    turned = lambda rows: (rows - mean) @ axes
    own, known = turned(anomalies), turned(unlabelled)
    white = known / scale(30)
    classes = np.r_[np.zeros(len(unlabelled)), np.ones(len(anomalies))]
    weights = np.r_[np.full(len(unlabelled), 0.5 / len(unlabelled)), np.full(len(anomalies), 0.5 / len(anomalies))]
    size = np.sqrt((white**2).sum(1).mean()) + 1e-12
    logistic = LogisticRegression(C=300, max_iter=200)
    logistic.fit(np.r_[white, own / scale(30)] / size, classes, sample_weight=weights)
    trees = ExtraTreesClassifier(100, class_weight="balanced", min_samples_leaf=2, random_state=0)
    trees.fit(np.r_[unlabelled, anomalies], classes)

    def values(rows):
        along = turned(rows)
        whitened = along / scale(30)
        result = {"mahalanobis": (along**2 / variances).sum(1)}
        for ridge in RIDGES:
            result[f"cosine, ridge {ridge}"] = units(along / scale(ridge)) @ units(own / scale(ridge)).mean(0)
        result["largest cosine"] = (units(whitened) @ units(own / scale(30)).T).max(1)
        squares = (whitened**2).sum(1)[:, None] + (white**2).sum(1) - 2 * whitened @ white.T
        result["nearest"] = np.sqrt(np.maximum(squares.min(1), 0))
        cosines = units(whitened) @ units(white).T
        count = min(10, cosines.shape[1])
        result["neighbours' cosines"] = -np.sort(cosines, 1)[:, -count:].mean(1)
        result["logistic"] = logistic.decision_function(whitened / size)
        result["trees"] = trees.predict_proba(rows)[:, 1]
        return result

    return values


class Judged:
    """The scorers on one split, as normal scores: of test rows, and of training rows by scorers that were not fitted on them."""

    def __init__(self, unlabelled, anomalies, tested, seed):
        rng = np.random.default_rng([seed, 2])
        fold, own_fold = rng.permutation(len(unlabelled)) % FOLDS, rng.permutation(len(anomalies)) % FOLDS
        usual, own = {}, {}
        for part in range(FOLDS):
            apart = own_fold == part if len(anomalies) > 1 else np.zeros(1, bool)
            formed = scorers(unlabelled[fold != part], anomalies[~apart])
            for name, values in formed(unlabelled[fold == part]).items():
                usual.setdefault(name, np.zeros(len(unlabelled)))[fold == part] = values
            if apart.any():
                for name, values in formed(anomalies[apart]).items():
                    own.setdefault(name, np.full(len(anomalies), np.nan))[apart] = values
        seen = scorers(unlabelled, anomalies)
        in_sample, tested = seen(unlabelled), seen(tested)
        self.tested = {name: normal_scores(usual[name], values) for name, values in tested.items()}
        self.in_sample = {name: normal_scores(in_sample[name], values) for name, values in tested.items()}
        self.usual = {name: normal_scores(values, values) for name, values in usual.items()}
        self.own = {name: normal_scores(usual[name], values) for name, values in own.items()}

    def group(self, names, of):
        return sum(of[name] for name in names) / (np.std(sum(self.usual[name] for name in names)) + 1e-12)

    def joined(self, **weights):
        return sum(weight * self.group(GROUPS[name], self.tested) for name, weight in weights.items())

    def by_ranks(self, grid, trust):
        """The mean over the grid's weights, each by how they rank held-out anomalies among held-out unlabelled rows."""
        names = list(GROUPS)
        part = lambda of: [self.group(GROUPS[name], of) for name in names]
        usual, tested = part(self.usual), part(self.tested)
        beliefs = np.array([np.log(expected) for _, expected in grid])
        if self.own:
            own = part(self.own)
            for place, (weights, _) in enumerate(grid):
                ranked = np.sort(sum(weight * values for weight, values in zip(weights, usual)))
                scores = sum(weight * values for weight, values in zip(weights, own))
                beliefs[place] -= trust * (1 - np.searchsorted(ranked, scores) / len(ranked)).sum()
        beliefs = np.exp(beliefs - beliefs.max())
        scored = [sum(w * v for w, v in zip(weights, tested)) / np.linalg.norm(weights) for weights, _ in grid]
        return sum(belief * score for belief, score in zip(beliefs / beliefs.sum(), scored))


def normal_scores(reference, values):
    ordered = np.sort(reference)
    ranks = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
    return norm.ppf((ranks + 0.5) / (len(ordered) + 1))


GROUPS = {
    "far": ["mahalanobis", "nearest"],
    "towards": [f"cosine, ridge {ridge}" for ridge in RIDGES],
    "alone": ["neighbours' cosines"],
    "trees": ["trees"],
}
FEW_TREES = {0: 1, 0.5: 1, 1: 0.7, 2: 0.5, 4: 0.3}
GRID = [
    ((1, towards, alone, trees), (0.5 + 0.5 * alone) * FEW_TREES[trees])
    for towards, alone, trees in product((0.5, 1, 2, 4), (0, 1), FEW_TREES)
]


def candidates(judged):
    for name, scores in judged.tested.items():
        yield name, scores
    baseline = lambda of: of["mahalanobis"] + of["cosine, ridge 10"]
    yield "mahalanobis + cosine, scales in sample", baseline(judged.in_sample)
    yield "mahalanobis + cosine, scales held out", baseline(judged.tested)
    yield "far + towards", judged.joined(far=1, towards=1)
    yield "far + 2 towards", judged.joined(far=1, towards=2)
    yield "far + 2 towards + ½ alone", judged.joined(far=1, towards=2, alone=0.5)
    yield "far + 2 towards + alone", judged.joined(far=1, towards=2, alone=1)
    yield "far + 2 towards + alone + trees", judged.joined(far=1, towards=2, alone=1, trees=1)
    yield "far + 2 logistic + alone", judged.joined(far=1, alone=1) + 2 * judged.tested["logistic"]
    for trust in (0, 3, 8, 20):
        yield f"by ranks, trust {trust}", judged.by_ranks(GRID, trust)
    yield "by ranks, trust 8, no trees", judged.by_ranks([point for point in GRID if point[0][3] == 0], 8)


TRANSFORMS = {
    "rows of length 1": units,
    "roots": lambda rows: np.sign(rows) * np.sqrt(np.abs(rows)),
}


def run(job):
    path, ratio, seed = job
    warnings.simplefilter("ignore")
    unlabelled, anomalies, tested, truth = split(path, ratio, seed)
    judge = lambda scores: (roc_auc_score(truth, scores), average_precision_score(truth, scores))
    judged = Judged(unlabelled, anomalies, tested, seed)
    result = {name: judge(scores) for name, scores in candidates(judged)}
    every = [sum(w * judged.group(names, judged.tested) for w, names in zip(weights, GROUPS.values())) for weights, _ in GRID]
    result["the best of the grid by test labels"] = max(judge(scores) for scores in every)
    for name, transform in TRANSFORMS.items():
        judged = Judged(*map(transform, (unlabelled, anomalies, tested)), seed)
        result[f"{name}: far + 2 towards + alone"] = judge(judged.joined(far=1, towards=2, alone=1))
        result[f"{name}: by ranks, trust 8"] = judge(judged.by_ranks(GRID, 8))
    return family(path), path.stem, seed, result


def interval(values):
    """Mean over seeds, in percent, and half of the 95 % interval."""
    values = 100 * np.array(values)
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():.1f} ± {half:.1f}"


def main(run, against=None):
    """Run all jobs and print the tables; with a candidate `against`, also the gains over it, paired by seed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--ratio", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--without", metavar="FAMILY")
    options = parser.parse_args()
    paths = sorted(options.data.glob("**/*.npz"), key=lambda path: -path.stat().st_size)
    paths = [path for path in paths if family(path) != options.without]
    jobs = [(path, options.ratio, seed) for path in paths for seed in range(1, options.seeds + 1)]
    with Pool(options.processes) as pool:
        runs = list(pool.imap_unordered(run, jobs))
    families = sorted({name for name, *_ in runs})
    names = list(runs[0][3])

    def of_seed(name, within, seed, metric):
        sets = [result[name][metric] for kind, _, drawn, result in runs if kind == within and drawn == seed]
        return np.mean(sets)

    seeds = range(1, options.seeds + 1)
    print(f"{len(paths)} sets, {options.ratio:.0%} of the training anomalies labelled, {options.seeds} seeds; AUROC / average precision.\n")
    gain = f" more than {against} |" if against else ""
    print("| candidate | " + " | ".join(families) + " | mean |" + gain)
    print("|---|" + "---|" * (len(families) + 1 + bool(against)))
    by_family = {
        name: {kind: [[of_seed(name, kind, seed, metric) for seed in seeds] for metric in (0, 1)] for kind in families}
        for name in names
    }
    found = {name: [np.mean([values[kind][metric] for kind in families], axis=0) for metric in (0, 1)] for name, values in by_family.items()}
    means = {name: {kind: np.mean(both[0]) + np.mean(both[1]) for kind, both in values.items()} for name, values in by_family.items()}
    for name in names:
        cells = [f"{100 * np.mean(both[0]):.1f} / {100 * np.mean(both[1]):.1f}" for both in by_family[name].values()]
        mean = " / ".join(map(interval, found[name]))
        more = " " + " / ".join(interval(ours - theirs) for ours, theirs in zip(found[name], found[against])) + " |" if against else ""
        print(f"| {name} | " + " | ".join(cells) + f" | {mean} |" + more)
    print("\nChosen on the other families, by the sum of both:\n")
    print("| left out | chosen | its place there among all |")
    print("|---|---|---|")
    honest = [name for name in names if "test labels" not in name]
    for kind in families:
        others = lambda name: np.mean([value for other, value in means[name].items() if other != kind])
        chosen = max(honest, key=others)
        place = 1 + sum(means[name][kind] > means[chosen][kind] for name in honest)
        print(f"| {kind} | {chosen} | {place} of {len(honest)} |")


if __name__ == "__main__":
    main(run)
