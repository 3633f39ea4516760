"""The simulated analyst of `anoonly bench --labelling`, played with methods of other packages on the same rows: AAD forest and pine
forest of coniferest, and extra trees and isolation forest of scikit-learn.

    pip install coniferest==0.2.2 scikit-learn==1.9.1
    anoonly bench --labelling --data DIR --seeds 1,2 --write-rows rows.jsonl
    python labelling.py DIR rows.jsonl peers.csv
    anoonly bench --labelling --data DIR --seeds 1,2 --reference peers.csv

DIR holds the data sets as .npz files with the arrays X and y, in any folders below it; it is the folder of `--data`. rows.jsonl says
which rows of each data set are labelled with each seed. The curves are appended to peers.csv, a file like labelling.csv, after each
run; a run that is already there is not repeated. `--methods`, `--datasets`, `--budget` and `--batch` select what is run.

Protocol: no label at the start. The rows with the highest anomaly scores that have no answer yet are asked, `--batch` of them (ties: the
first rows), the true labels answer, and the method is fitted again, until `--budget` rows are answered. Features are 32-bit numbers
scaled to [0, 1] over the rows, as anoonly scales them. One thread. Seconds are processor seconds of a refit and of the scores of all
rows, the mean over refits with a labelled anomaly.

Settings, all as the packages set them unless stated; the seed is that of the run:
- aad-forest: coniferest.aadforest.AADForest; 100 trees of 256 rows. One forest for the whole run; its weights learn from all answers.
  It starts as its own isolation forest.
- pine-forest: coniferest.pineforest.PineForest; 100 trees of 256 rows, 400 spare trees. One forest for the whole run, filtered by all
  answers after each batch. It starts as its own isolation forest.
- extra-trees: sklearn.ensemble.ExtraTreesClassifier(n_estimators=200, class_weight="balanced", min_samples_leaf=2). Labelled anomalies
  against all other rows; a row answered as normal counts as any other row. Until the first anomaly is found, isolation-forest ranks.
  With the package's leaves of one row, every row would be alone in its leaves, and all rows without an answer would score 0.
- extra-trees-bootstrap, if selected: the same with leaves of one row and trees grown on bootstrap samples.
- isolation-forest: sklearn.ensemble.IsolationForest(n_estimators=100), fitted once; it does not learn from answers.
"""

import argparse
import csv
import fnmatch
import json
import os
import pathlib
import sys
import time
import warnings

# Before numpy: its libraries read this when they are loaded.
for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"]:
    os.environ[name] = "1"

import numpy as np

COLUMNS = [
    "dataset", "family", "model", "strategy", "query", "batch", "budget", "seed", "n_rows", "n_features", "n_anomalies",
    "refit_seconds", "seconds", "backend", "status", "message", "found",
]


class IsolationForest:
    """No feedback, so no refit."""

    learns = False

    def __init__(self, features, seed):
        from sklearn.ensemble import IsolationForest

        self.scores = -IsolationForest(random_state=seed, n_jobs=1).fit(features).score_samples(features)

    def rank(self, asked, answers):
        return self.scores


class ExtraTrees:
    learns = True
    settings = {"min_samples_leaf": 2}

    def __init__(self, features, seed):
        self.features, self.seed, self.start = features, seed, IsolationForest(features, seed)

    def rank(self, asked, answers):
        from sklearn.ensemble import ExtraTreesClassifier

        if not any(answers):
            return self.start.scores
        target = np.zeros(len(self.features), dtype=int)
        target[[row for row, answer in zip(asked, answers) if answer]] = 1
        if target.all():
            return np.ones(len(target))
        forest = ExtraTreesClassifier(
            200, class_weight="balanced", random_state=self.seed, n_jobs=1, **self.settings
        )
        return forest.fit(self.features, target).predict_proba(self.features)[:, 1]


class ExtraTreesBootstrap(ExtraTrees):
    settings = {"bootstrap": True}


class Coniferest:
    """A forest of coniferest, used as its Session does. Its scores are low for anomalies."""

    learns = True

    def __init__(self, features, forest):
        # coniferest takes C-ordered rows of 32 or 64 bits.
        self.features, self.forest = np.ascontiguousarray(features), forest
        self.forest.fit(self.features)

    def rank(self, asked, answers):
        from coniferest.label import Label

        if asked:
            labels = np.array([Label.ANOMALY if answer else Label.REGULAR for answer in answers])
            self.forest.fit_known(self.features, self.features[asked], labels)
        return -np.asarray(self.forest.score_samples(self.features))


def aad_forest(features, seed):
    from coniferest.aadforest import AADForest

    return Coniferest(features, AADForest(n_jobs=1, random_seed=seed))


def pine_forest(features, seed):
    from coniferest.pineforest import PineForest

    return Coniferest(features, PineForest(n_jobs=1, random_seed=seed))


METHODS = {
    "aad-forest": aad_forest,
    "pine-forest": pine_forest,
    "extra-trees": ExtraTrees,
    "isolation-forest": IsolationForest,
    "extra-trees-bootstrap": ExtraTreesBootstrap,
}
# Those that run unless others are selected.
DEFAULT = "aad-forest,pine-forest,extra-trees,isolation-forest"


def discover(method, features, anomalous, seed, budget, batch):
    """The number of anomalies found after each answer, and the mean seconds of a refit with a labelled anomaly."""
    asked, answers, found, seconds = [], [], [], []
    ranker = method(features, seed)
    open_rows = np.ones(len(features), dtype=bool)
    while len(asked) < min(budget, len(features)) and sum(answers) < anomalous.sum():
        start = time.process_time()
        scores = ranker.rank(asked, answers)
        if ranker.learns and any(answers):
            seconds.append(time.process_time() - start)
        order = np.argsort(-scores, kind="stable")
        rows = order[open_rows[order]][: min(batch, budget - len(asked))]
        open_rows[rows] = False
        for row in rows.tolist():
            asked.append(row)
            answers.append(bool(anomalous[row]))
            found.append(sum(answers))
    found += [found[-1]] * (budget - len(found))
    return found, np.mean(seconds) if seconds else None


def scaled(features):
    """Features in [0, 1], as 32-bit numbers."""
    features = features.astype(np.float32).astype(np.float64)
    lowest, highest = features.min(axis=0), features.max(axis=0)
    width = np.where(highest > lowest, highest - lowest, 1.0)
    return ((features - lowest) / width).astype(np.float32)


def file_of(name, paths):
    """The file of a data set, whose name may have folders to tell it from others of the same name."""
    parts = pathlib.PurePosixPath(name).parts
    found = [path for path in paths if path.with_suffix("").parts[-len(parts):] == parts]
    if len(found) != 1:
        sys.exit(f"{len(found)} files for the data set {name}: give the folder that --data was given")
    return found[0]


def main():
    # coniferest says for each small table that a tree takes all of its rows.
    warnings.filterwarnings("ignore", message="population should be greater")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("rows", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--methods", default=DEFAULT)
    parser.add_argument("--datasets", default="*", help="patterns of names, separated by commas")
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--batch", type=int, default=5)
    options = parser.parse_args()
    paths = sorted(options.data.rglob("*.npz"))
    done = set()
    if options.out.exists():
        with options.out.open(newline="") as file:
            for row in csv.DictReader(file):
                done.add((row["dataset"], row["model"], row["seed"], row["batch"], row["budget"]))
    with options.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if file.tell() == 0:
            writer.writeheader()
        for line in options.rows.read_text().splitlines():
            drawn = json.loads(line)
            # A name that two folders share is preceded by its folder.
            name, seed = drawn["dataset"], drawn["seed"]
            if not any(fnmatch.fnmatch(name, pattern) for pattern in options.datasets.split(",")):
                continue
            table = np.load(file_of(name, paths), allow_pickle=False)
            features = scaled(table["X"][drawn["rows"]])
            anomalous = table["y"].ravel()[drawn["rows"]] != 0
            for model in options.methods.split(","):
                if (name, model, str(seed), str(options.batch), str(options.budget)) in done:
                    continue
                found, seconds = discover(METHODS[model], features, anomalous, seed, options.budget, options.batch)
                writer.writerow({
                    "dataset": name, "model": model, "strategy": "none", "query": "top", "batch": options.batch,
                    "budget": options.budget, "seed": seed, "n_rows": len(features), "n_features": features.shape[1],
                    "n_anomalies": int(anomalous.sum()), "refit_seconds": "" if seconds is None else f"{seconds:.6f}",
                    "seconds": "processor", "status": "ok", "found": " ".join(map(str, found)),
                })
                file.flush()
                print(f"{name} {model} seed {seed}: {found[-1]} of {anomalous.sum()}", file=sys.stderr)


main()
