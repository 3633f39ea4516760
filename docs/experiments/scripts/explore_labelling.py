"""What was tried for the labelling loop: how trees use unlabelled rows, how a session starts, and what confirmed normals do.

    pip install scikit-learn==1.9.1 scipy
    python docs/experiments/scripts/explore_labelling.py DATA [NAME ...]

DATA is a folder with ADBench's data sets; its folder Classical is used, without InternetAds, for its time, and smtp, which has two
anomalies among 5000 rows. NAMEs are the variants to run; all of them if there are none. The protocol is that of
docs/labelling-bench.md: at most 5000 rows drawn from each set, no label at the start, five rows a query, the highest scores asked, the
true labels answer, 100 answers. One seed. The trees are scikit-learn's, 50 in each pass.
"""

import pathlib
import sys
import zlib

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.ensemble import ExtraTreesClassifier, IsolationForest
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import ExtraTreeClassifier

LEFT_OUT = {"17_InternetAds", "34_smtp"}
BUDGET, BATCH, MOST_ROWS, TREES = 100, 5, 5000, 50


def data_set(path):
    """The scaled features of the drawn rows, and whether each is an anomaly."""
    arrays = np.load(path)
    features, truth = np.float64(arrays["X"]), arrays["y"].ravel() == 1
    rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
    rows = rng.permutation(len(features))[:MOST_ROWS]
    features, truth = features[rows], truth[rows]
    low, high = features.min(0), features.max(0)
    return (features - low) / np.where(high > low, high - low, 1), truth


class Table:
    """Rows, with the unsupervised normal scores that do not depend on labels."""

    def __init__(self, path):
        self.features, self.truth = data_set(path)
        forest = IsolationForest(random_state=0).fit(self.features)
        scores = {
            "i": -forest.score_samples(self.features),
            "k": NearestNeighbors(n_neighbors=5).fit(self.features).kneighbors()[0][:, -1],
            "m": LedoitWolf().fit(self.features).mahalanobis(self.features),
        }
        count = len(self.features)
        self.levels = {name: norm.ppf(rankdata(values) / (count + 1)) for name, values in scores.items()}
        self.leaves = np.stack([tree.apply(self.features) for tree in forest.estimators_], axis=1)

    def start(self, turns, repulsion, labels):
        """The levels of the rows before the first anomaly. `turns` are scores that choose by turns, or `+` and scores that are added."""
        normals = np.flatnonzero(labels == -1)
        lost = np.zeros(len(labels))
        for leaves in self.leaves.T:
            lost += np.isin(leaves, leaves[normals])
        lost *= repulsion / self.leaves.shape[1]
        if turns[0] == "+":
            return sum(self.levels[name] for name in turns[1:]) - lost
        tails = [norm.sf(self.levels[name] - lost) * max(map(turns.count, turns)) / turns.count(name) for name in set(turns)]
        return -np.log(np.min(tails, axis=0))


def weights(labels, certainty):
    """The weight of each row: half for the anomalies, and a share of the other half for confirmed normals."""
    counts = {label: np.count_nonzero(labels == label) for label in [-1, 0, 1]}
    share = max(certainty, counts[-1] / (counts[-1] + counts[0])) if counts[-1] and certainty else 0
    others = counts[-1] + counts[0]
    if not share:
        return np.where(labels == 1, 0.5 / counts[1], 0.5 / others)
    of = {1: 0.5 / counts[1], -1: 0.5 * share / counts[-1], 0: 0.5 * (1 - share) / max(counts[0], 1)}
    return np.vectorize(of.get)(labels)


def all_rows(table, labels, certainty, rng, leaf=2):
    """Trees grown from all rows."""
    forest = ExtraTreesClassifier(TREES, min_samples_leaf=leaf, random_state=rng.integers(1 << 31))
    forest.fit(table.features, labels == 1, sample_weight=weights(labels, certainty) * len(labels))
    return forest.predict_proba(table.features)[:, 1]


def bagged(table, labels, certainty, rng, reliable=None, sample=500):
    """Trees grown from all labelled and a few unlabelled rows; each row is scored by the trees that have not seen it."""
    known, unlabelled = np.flatnonzero(labels != 0), np.flatnonzero(labels == 0)
    if len(unlabelled) < 4:
        return np.zeros(len(labels))
    passes = [(unlabelled, 0.5)] + ([(None, 2 / 3)] if reliable else [])
    for pool, share in passes:
        if pool is None:
            pool = unlabelled[np.argsort(scores[unlabelled], kind="stable")[: int(np.ceil(reliable * len(unlabelled)))]]
        sums, counts = np.zeros(len(labels)), np.zeros(len(labels))
        for _ in range(TREES):
            drawn = rng.choice(pool, max(1, min(sample, int(share * len(pool)))), replace=False)
            rows = np.concatenate([known, drawn])
            tree = ExtraTreeClassifier(max_features="sqrt", random_state=rng.integers(1 << 31))
            tree.fit(table.features[rows], labels[rows] == 1, sample_weight=weights(labels[rows], certainty) * len(rows))
            unseen = np.ones(len(labels), bool)
            unseen[drawn] = False
            sums[unseen] += tree.predict_proba(table.features[unseen])[:, 1]
            counts[unseen] += 1
        scores = sums / np.maximum(counts, 1)
    return scores


def chosen(table, labels, rng):
    return bagged(table, labels, 0.8, rng, 0.85)


# What is tried: a title, the trees, the start and its repulsion.
VARIANTS = {
    "all": ("trees from all rows, two rows in a leaf; \"no\" as unlabelled", lambda t, l, r: all_rows(t, l, 0, r), "i", 0),
    "all-no": ("the same, half of the weight of normal rows on \"no\"", lambda t, l, r: all_rows(t, l, 0.5, r), "i", 0),
    "bag": ("500 unlabelled rows a tree; \"no\" as unlabelled", lambda t, l, r: bagged(t, l, 0, r), "i", 0),
    "bag-no": ("the same, half of the weight of normal rows on \"no\"", lambda t, l, r: bagged(t, l, 0.5, r), "i", 0),
    "bag-no-8": ("the same, 0.8 of that weight", lambda t, l, r: bagged(t, l, 0.8, r), "i", 0),
    "two": ("the same, in two passes (reliable 0.85)", chosen, "i", 0),
    "two-half": ("the same, reliable 0.5", lambda t, l, r: bagged(t, l, 0.8, r, 0.5), "i", 0),
    "neighbours": ("two passes; start: neighbours", chosen, "k", 0),
    "mahalanobis": ("start: Mahalanobis distance", chosen, "m", 0),
    "mean": ("start: mean of the three", chosen, "+ikm", 0),
    "turns": ("start: isolation forest and neighbours by turns", chosen, "ik", 0),
    "turns-3": ("start: all three by turns", chosen, "ikm", 0),
    "repel-1": ("by turns, \"no\" repels by 1", chosen, "ik", 1),
    "repel-3": ("by turns, \"no\" repels by 3", chosen, "ik", 3),
    "repel-5": ("by turns, \"no\" repels by 5", chosen, "ik", 5),
    "chosen": ("two turns of the isolation forest for one, \"no\" repels by 3", chosen, "iik", 3),
}


def simulate(table, fit, turns, repulsion, rng):
    """The share found at 20, 50 and 100 labels."""
    labels, found = np.zeros(len(table.truth), int), []
    while len(found) < BUDGET and (labels == 0).any():
        if labels.max() < 1:
            scores = table.start(turns, repulsion, labels)
        else:
            scores = fit(table, labels, rng)
        open_rows = np.flatnonzero(labels == 0)
        for row in open_rows[np.argsort(-scores[open_rows], kind="stable")[:BATCH]]:
            labels[row] = 1 if table.truth[row] else -1
            found.append(np.count_nonzero(labels == 1))
        if found[-1] == table.truth.sum():
            break
    found = (found + [found[-1]] * BUDGET)[:BUDGET]
    return [100 * found[count - 1] / min(count, table.truth.sum()) for count in [20, 50, 100]]


def main():
    paths = sorted((pathlib.Path(sys.argv[1]) / "Classical").glob("*.npz"))
    tables = [Table(path) for path in paths if path.stem not in LEFT_OUT]
    print(f"{len(tables)} sets, one seed; share found, %.\n\n| variant | at 20 | at 50 | at 100 |\n|---|---|---|---|")
    for name in sys.argv[2:] or VARIANTS:
        title, fit, turns, repulsion = VARIANTS[name]
        shares = [simulate(table, fit, turns, repulsion, np.random.default_rng(place)) for place, table in enumerate(tables)]
        print(f"| {title} | " + " | ".join(f"{share:.1f}" for share in np.mean(shares, axis=0)) + " |", flush=True)


if __name__ == "__main__":
    main()
