"""Compare variants of Quorum; prints the tables in docs/experiments/recipe.md.

    pip install numpy scipy scikit-learn
    python docs/experiments/scripts/explore_quorum.py DATA [--ratio 0.1] [--seeds 3] [--processes 2] [--without Classical]

Splits, scorers and ways to combine them are those of explore_recipe.py. At most 3500 unlabelled rows are used; of more, 3500 are drawn.
"Bent" applies a softplus to each group before the sum. "Wide axes" are the axes of largest variance. "Suspects" are the twentieth of the
unlabelled rows that are most distant, most isolated and most similar to the labelled anomalies. "Even columns" are columns brought to
normal scores.
"""

import warnings

import numpy as np
from sklearn.covariance import ledoit_wolf
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

from explore_recipe import FOLDS, GRID, RIDGES, family, main, normal_scores, split, units

WIDE = 64
MOST = 3500


def leaning(rows):
    """The mean, variances and axes of rows, with what turns other rows to these axes."""
    mean = rows.mean(0)
    variances, axes = np.linalg.eigh(ledoit_wolf(rows)[0])
    variances = np.maximum(variances, 1e-9 * variances.max() + 1e-12)
    median = np.median(variances)
    return variances, lambda ridge: np.sqrt(variances + ridge * median), lambda others: (others - mean) @ axes


def largest(cosines, count):
    return np.partition(cosines, cosines.shape[1] - count, 1)[:, -count:].mean(1)


def evened(reference):
    """Bring each column to normal scores by the values of the reference."""
    return lambda rows: np.stack([normal_scores(*columns) for columns in zip(reference.T, rows.T)], 1)


def scorers(unlabelled, anomalies):
    """Fit all scorers; return a function from rows to their values by name."""
    variances, scale, turned = leaning(unlabelled)
    own, known = turned(anomalies), turned(unlabelled)
    white = known / scale(30)
    count = min(10, max(1, len(white) - 1))

    def squares(rows):
        return np.maximum((rows**2).sum(1)[:, None] + (white**2).sum(1) - 2 * rows @ white.T, 0)

    # The twentieth of the unlabelled rows that is most suspicious bends neither mean nor covariance of the second cosines.
    apart, cosines = squares(white), units(white) @ units(white).T
    np.fill_diagonal(apart, np.inf)
    np.fill_diagonal(cosines, -2)
    towards = units(white) @ units(own / scale(30)).mean(0)
    suspicion = sum(times * normal_scores(of, of) for times, of in ((1, apart.min(1)), (1, -largest(cosines, count)), (2, towards)))
    left_out = int(0.05 * len(white))
    kept = np.sort(np.argsort(-suspicion)[left_out:])
    _, scale_kept, turned_kept = leaning(unlabelled[kept])
    own_kept = turned_kept(anomalies)

    even = evened(unlabelled)
    _, scale_even, turned_even = leaning(even(unlabelled))
    white_even = units(turned_even(even(unlabelled)) / scale_even(30))

    classes = np.r_[np.zeros(len(unlabelled)), np.ones(len(anomalies))]
    wide = lambda along: along[:, ::-1][:, :WIDE]
    forest = lambda seed: ExtraTreesClassifier(100, class_weight="balanced", min_samples_leaf=2, random_state=seed)
    trees = forest(0).fit(np.r_[unlabelled, anomalies], classes)
    turned_trees = forest(1).fit(wide(np.r_[known, own]), classes)

    def values(rows):
        along, along_kept = turned(rows), turned_kept(rows)
        whitened = along / scale(30)
        result = {"mahalanobis": (along**2 / variances).sum(1), "nearest": np.sqrt(squares(whitened).min(1))}
        for ridge in RIDGES:
            result[f"cosine, ridge {ridge}"] = units(along / scale(ridge)) @ units(own / scale(ridge)).mean(0)
            pointed = units(own_kept / scale_kept(ridge)).mean(0)
            result[f"cosine, ridge {ridge}, suspects left out"] = units(along_kept / scale_kept(ridge)) @ pointed
        count = min(10, len(white))
        result["neighbours' cosines"] = -largest(units(whitened) @ units(white).T, count)
        evenly = units(turned_even(even(rows)) / scale_even(30))
        result["neighbours' cosines, even columns"] = -largest(evenly @ white_even.T, count)
        result["trees"] = trees.predict_proba(rows)[:, 1]
        result["trees on wide axes"] = turned_trees.predict_proba(wide(along))[:, 1]
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
        tested = scorers(unlabelled, anomalies)(tested)
        self.tested = {name: normal_scores(usual[name], values) for name, values in tested.items()}
        self.usual = {name: normal_scores(values, values) for name, values in usual.items()}
        self.own = {name: normal_scores(usual[name], values) for name, values in own.items()}

    def groups(self, kind, bent):
        """For each group its values on unlabelled rows, labelled anomalies and test rows, of deviation 1."""
        for names in kind:
            sums = [sum(of[name] for name in names) for of in (self.usual, self.own, self.tested) if of]
            for bend in (lambda values: values, lambda values: np.logaddexp(0, values))[: 1 + bent]:
                sums = [bend(values) for values in sums]
                deviation = np.std(sums[0]) if np.std(sums[0]) > 1e-6 else 1
                sums = [values / deviation for values in sums]
            yield sums

    def by_ranks(self, kind, bent=False, trust=8):
        """The mean over the grid's weights, each by how they rank held-out anomalies among held-out unlabelled rows."""
        groups = list(self.groups(kind, bent))
        joined = lambda weights, of: sum(weight * values[of] for weight, values in zip(weights, groups))
        beliefs = np.array([np.log(expected) for _, expected in GRID])
        for place, (weights, _) in enumerate(GRID):
            if self.own:
                ranked = np.sort(joined(weights, 0))
                beliefs[place] -= trust * (1 - np.searchsorted(ranked, joined(weights, 1)) / len(ranked)).sum()
        beliefs = np.exp(beliefs - beliefs.max())
        scored = [joined(weights, -1) / np.linalg.norm(weights) for weights, _ in GRID]
        return sum(belief * score for belief, score in zip(beliefs / beliefs.sum(), scored))


FAR = ["mahalanobis", "nearest"]
TOWARDS = [f"cosine, ridge {ridge}" for ridge in RIDGES]
BOTH_WAYS = TOWARDS + [f"{name}, suspects left out" for name in TOWARDS]
ALONE = ["neighbours' cosines"]
EVEN = [*ALONE, "neighbours' cosines, even columns"]
TREES = ["trees"]
TURNED = ["trees on wide axes"]
KINDS = {
    "Quorum": (FAR, TOWARDS, ALONE, TREES),
    "trees on wide axes instead": (FAR, TOWARDS, ALONE, TURNED),
    "both trees": (FAR, TOWARDS, ALONE, TREES + TURNED),
    "even columns": (FAR, TOWARDS, EVEN, TREES),
    "both trees, suspects left out": (FAR, BOTH_WAYS, ALONE, TREES + TURNED),
    "both trees, even columns": (FAR, TOWARDS, EVEN, TREES + TURNED),
    "both trees, even columns, suspects left out": (FAR, BOTH_WAYS, EVEN, TREES + TURNED),
    "trees on wide axes instead, even columns, suspects left out": (FAR, BOTH_WAYS, EVEN, TURNED),
}


def candidates(judged):
    for name, scores in judged.tested.items():
        yield name, scores
    yield "mahalanobis + cosine", judged.tested["mahalanobis"] + judged.tested["cosine, ridge 10"]
    for name, kind in KINDS.items():
        for bent in (False, True):
            yield name + bent * ", bent", judged.by_ranks(kind, bent)


def run(job):
    path, ratio, seed = job
    warnings.simplefilter("ignore")
    unlabelled, anomalies, tested, truth = split(path, ratio, seed)
    judge = lambda scores: (roc_auc_score(truth, scores), average_precision_score(truth, scores))
    if len(unlabelled) > MOST:
        unlabelled = unlabelled[np.random.default_rng([seed, 2]).choice(len(unlabelled), MOST, replace=False)]
    judged = Judged(unlabelled, anomalies, tested, seed)
    result = {name: judge(scores) for name, scores in candidates(judged)}
    return family(path), path.stem, seed, result


if __name__ == "__main__":
    main(run, against="Quorum")
