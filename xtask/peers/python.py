"""Seconds to fit and to score from Python: anoonly beside PyOD, scikit-learn, DeepOD and coniferest, for every method
that both have, and the cost of handing a table from Python to anoonly.

    pip install anoonly numpy polars pyarrow pandas scikit-learn pyod coniferest xgboost torch tqdm
    pip install --no-deps deepod
    python python.py

DeepOD asks for a release of PyTorch from 2022 and works with later ones; hence `--no-deps`. A package that cannot be
imported, or that fails, is reported and left out. `--tables`, `--threads`, `--methods` and `--packages` select what
is run, `--limit` sets the seconds after which a fit with its scores is given up, and `--boundary` measures nothing
but the cost of handing over a table.

Protocol: a fit on one table and the scores of another one of the same size, of a mixture of normal distributions in
64-bit floats, 1 % of the rows anomalies. For methods that learn from labels, 50 of them are labelled; the other rows
are unlabelled for anoonly, and of class 0 for the others. Each measurement is a process of its own, on one thread or
on all of them, and is the best of up to three turns. Imports and making the tables are not
counted. On a computer that does other work, `--clock process` counts seconds of the processor instead; for one thread
these are comparable all the same.

Settings are as equal as the packages allow (`METHODS` below). What differs:
- anoonly holds no rows out (`held_out=0`), fits networks once (`members=1`) and with the whole loss
  (`strategy="host"`), as the others do. Its fit reads the columns, looks for identifiers and counters, and scores the
  training rows, to which scores are relative.
- PyOD's `fit` also scores the training rows; that is part of its contract. scikit-learn's nearest neighbours only
  store them.
- One-class SVM: anoonly draws 10 000 of the rows, the others take all. In `xgbod`, too. PyOD's XGBOD fits many more
  detectors by default; here it has the five of anoonly.
- PyOD counts ECOD's and COPOD's rows together with the training rows.
- Networks: the same number of steps and rows a step, and widths as near as the packages have them. DeepOD's networks
  have an output layer more. DeepOD's FEAWAD trains both of its parts together, with as many steps as anoonly takes
  for pretraining and training (one an epoch). Its REPEN is the unsupervised one. PyOD's DevNet goes through all rows,
  at least once.
- gbdt: scikit-learn's histogram trees, as anoonly's; `exact` is its older implementation, which sorts every column.
- mlp: scikit-learn goes through the rows in order of a shuffle, for as many steps as anoonly draws, and at least once.
- pu-forest: coniferest's active anomaly detection, which is made for the same task, with other trees.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

LABELLED = 50
THREAD_VARIABLES = [
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT",
]  # fmt: skip
VERSIONS = "anoonly numpy polars pyarrow scikit-learn pyod xgboost deepod torch coniferest".split()
JOBS = {"n_jobs": "threads"}
# DeepOD ends an epoch after one step more.
STEPS = {"epoch_steps": 19, "device": "cpu", "verbose": 0, "prt_steps": 10**6}
QUIET = {"device": "cpu", "verbose": 0, "prt_steps": 10**6}
BALANCED = {"class_weight": "balanced"}

# The method here, the package, what to import, its settings, and how its scores are asked for.
METHODS = [
    ("knn", "pyod", "pyod.models.knn.KNN", {"n_neighbors": 5, **JOBS}, "decision"),
    ("knn", "scikit-learn", "sklearn.neighbors.NearestNeighbors", {"n_neighbors": 5, **JOBS}, "kneighbors"),
    ("lof", "pyod", "pyod.models.lof.LOF", {"n_neighbors": 20, **JOBS}, "decision"),
    ("lof", "scikit-learn", "sklearn.neighbors.LocalOutlierFactor",
     {"n_neighbors": 20, "novelty": True, **JOBS}, "samples"),
    ("isolation-forest", "pyod", "pyod.models.iforest.IForest", {"n_estimators": 100, **JOBS}, "decision"),
    ("isolation-forest", "scikit-learn", "sklearn.ensemble.IsolationForest", {"n_estimators": 100, **JOBS}, "samples"),
    ("isolation-forest", "coniferest", "coniferest.isoforest.IsolationForest", {"n_trees": 100, **JOBS}, "samples"),
    ("ecod", "pyod", "pyod.models.ecod.ECOD", JOBS, "decision"),
    ("copod", "pyod", "pyod.models.copod.COPOD", JOBS, "decision"),
    ("hbos", "pyod", "pyod.models.hbos.HBOS", {"n_bins": 10}, "decision"),
    ("pca", "pyod", "pyod.models.pca.PCA", {}, "decision"),
    ("cblof", "pyod", "pyod.models.cblof.CBLOF", {"n_clusters": 8}, "decision"),
    ("loda", "pyod", "pyod.models.loda.LODA", {"n_bins": 10, "n_random_cuts": 100}, "decision"),
    ("ocsvm", "pyod", "pyod.models.ocsvm.OCSVM", {"nu": 0.5}, "decision"),
    ("ocsvm", "scikit-learn", "sklearn.svm.OneClassSVM", {"nu": 0.5, "gamma": "auto"}, "samples"),
    ("mahalanobis", "scikit-learn", "sklearn.covariance.LedoitWolf", {}, "mahalanobis"),
    ("logistic", "scikit-learn", "sklearn.linear_model.LogisticRegression", {**BALANCED, "max_iter": 1000}, "classes"),
    ("random-forest", "scikit-learn", "sklearn.ensemble.RandomForestClassifier", {**BALANCED, **JOBS}, "classes"),
    ("extra-trees", "scikit-learn", "sklearn.ensemble.ExtraTreesClassifier",
     {**BALANCED, "n_estimators": 200, "min_samples_leaf": 2, **JOBS}, "classes"),
    ("gbdt", "scikit-learn", "sklearn.ensemble.HistGradientBoostingClassifier",
     {**BALANCED, "max_depth": 3, "l2_regularization": 1.0, "early_stopping": False}, "classes"),
    ("gbdt", "scikit-learn, exact", "sklearn.ensemble.GradientBoostingClassifier", {}, "classes"),
    ("xgbod", "pyod", "pyod.models.xgbod.XGBOD", {"estimator_list": "five", **JOBS}, "labelled decision"),
    ("autoencoder", "pyod", "pyod.models.auto_encoder.AutoEncoder", {"verbose": 0}, "decision"),
    ("deepsvdd", "pyod", "pyod.models.deep_svdd.DeepSVDD", {"n_features": "columns", "verbose": 0}, "decision"),
    ("deepsvdd", "deepod", "deepod.models.tabular.DeepSVDD",
     {"epochs": 100, "batch_size": 32, "hidden_dims": "64", "rep_dim": 32, **QUIET}, "decision"),
    ("devnet", "pyod", "pyod.models.devnet.DevNet",
     {"batch_size": 64, "epochs": "passes of 64", "known_outliers": LABELLED}, "labelled decision"),
    ("devnet", "deepod", "deepod.models.tabular.DevNet",
     {"epochs": 50, "batch_size": 64, "hidden_dims": "20", "rep_dim": 20, **STEPS}, "labelled decision"),
    ("prenet", "deepod", "deepod.models.tabular.PReNet",
     {"epochs": 50, "batch_size": 512, "hidden_dims": "20", "rep_dim": 20, **STEPS}, "labelled decision"),
    ("deepsad", "deepod", "deepod.models.tabular.DeepSAD",
     {"epochs": 50, "batch_size": 128, "hidden_dims": "100,20", "rep_dim": 10, **QUIET}, "labelled decision"),
    ("feawad", "deepod", "deepod.models.tabular.FeaWAD",
     {"epochs": 130 * 20, "batch_size": 512, "hidden_dims": "128", "rep_dim": 64, **QUIET}, "labelled decision"),
    ("rosas", "deepod", "deepod.models.tabular.RoSAS",
     {"epochs": 100, "batch_size": 128, "hidden_dims": "32", "rep_dim": 32, **STEPS}, "labelled decision"),
    ("repen", "deepod", "deepod.models.tabular.REPEN",
     {"epochs": 50, "batch_size": 256, "hidden_dims": "20", "rep_dim": 20, **STEPS}, "decision"),
    ("mlp", "scikit-learn", "sklearn.neural_network.MLPClassifier",
     {"batch_size": 200, "max_iter": "passes of 200"}, "classes"),
    ("pu-forest", "coniferest", "coniferest.aadforest.AADForest", {"n_trees": 100, **JOBS}, "feedback"),
]  # fmt: skip
LABELS_USED = {method for method, _, _, _, how in METHODS if how in {"classes", "labelled decision", "feedback"}} | {
    "repen"
}
NETWORKS = {"devnet", "prenet", "deepsad", "feawad", "rosas", "repen", "mlp", "autoencoder", "deepsvdd"}
NO_STRATEGY = {"repen", "autoencoder", "deepsvdd"}


def tables(rows, columns):
    """A table to fit, one to score, and the labels: 1 for a labelled anomaly, else 0."""
    import numpy as np

    random = np.random.default_rng(1)
    centres = random.normal(size=(5, columns)) * 3

    def draw():
        table = centres[random.integers(0, 5, rows)] + random.normal(size=(rows, columns))
        table[: rows // 100] += random.normal(size=(rows // 100, columns)) * 4
        return table

    labels = np.zeros(rows, dtype=int)
    labels[:LABELLED] = 1
    return draw(), draw(), labels


def ours(method):
    """A fit and the scores of anoonly."""
    import anoonly
    import numpy as np

    settings = {"held_out": 0.0}
    if method in NETWORKS:
        settings |= {"members": 1} if method in NO_STRATEGY else {"members": 1, "strategy": "host"}

    def run(table, labels):
        marks = np.where(labels == 1, 1.0, np.nan) if method in LABELS_USED else None
        model = anoonly.Detector(method, seed=1, **settings).fit(table, label=marks)
        return lambda new: model.score(new)

    return run


def theirs(name, settings, how, threads, rows, columns):
    """A fit and the scores of another package."""
    module, _, kind = name.rpartition(".")
    kind = getattr(importlib.import_module(module), kind)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    # As many passes over the rows as 1000 steps make.
    passes = {f"passes of {batch}": max(1, round(1000 * batch / rows)) for batch in (64, 200)}
    values = {"threads": threads, "columns": columns, **passes}

    def make():
        known = {key: values.get(value, value) if isinstance(value, str) else value for key, value in settings.items()}
        if known.get("estimator_list") == "five":
            from pyod.models import hbos, iforest, knn, lof, ocsvm

            known["estimator_list"] = [
                knn.KNN(n_jobs=threads), lof.LOF(n_jobs=threads), hbos.HBOS(), iforest.IForest(n_jobs=threads),
                ocsvm.OCSVM(),
            ]  # fmt: skip
            known["standardization_flag_list"] = [False] * 5
        return kind(**known)

    def run(table, labels):
        detector = make()
        if how in {"classes", "labelled decision"}:
            detector.fit(table, labels)
        else:
            detector.fit(table)
        if how == "feedback":
            import numpy as np

            known = np.flatnonzero(labels)
            detector.fit_known(table, table[known], np.full(len(known), -1))
        return {
            "decision": lambda new: detector.decision_function(new),
            "labelled decision": lambda new: detector.decision_function(new),
            "samples": lambda new: -detector.score_samples(new),
            "feedback": lambda new: -detector.score_samples(new),
            "classes": lambda new: detector.predict_proba(new)[:, 1],
            "kneighbors": lambda new: detector.kneighbors(new)[0][:, -1],
            "mahalanobis": lambda new: detector.mahalanobis(new),
        }[how]

    return run


def measure(case):
    """In a process of its own: the best seconds of a fit and of the scores."""
    rows, columns, threads = case["rows"], case["columns"], case["threads"]
    if case["package"] == "anoonly":
        import anoonly

        anoonly.set_threads(threads)
        run = ours(case["method"])
    else:
        run = theirs(case["name"], case["settings"], case["how"], threads, rows, columns)
    table, new, labels = tables(rows, columns)
    # What packages print goes elsewhere.
    answer = os.dup(1)
    os.dup2(2, 1)
    os.write(answer, b"ready\n")
    clock = time.perf_counter
    if case["clock"] == "process":
        clock = time.process_time
        # Ends the process by a signal.
        resource.setrlimit(resource.RLIMIT_CPU, (int(clock()) + case["limit"], resource.RLIM_INFINITY))
    begin, turns = time.perf_counter(), []
    # At least two, because some packages compile their code in the first one.
    while not turns or time.perf_counter() - begin < (30.0 if len(turns) == 1 else 10.0 if len(turns) == 2 else 0.0):
        start = clock()
        score = run(table, labels)
        middle = clock()
        scores = score(new)
        turns.append((middle - start, clock() - middle))
    assert len(scores) == rows
    os.write(answer, json.dumps(min(turns, key=sum)).encode())


def seconds(case, limit):
    """The seconds of a fit and of the scores; a text where there are none."""
    environment = os.environ | {name: str(case["threads"]) for name in THREAD_VARIABLES} | {"CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, "-W", "ignore", __file__, "--case", json.dumps(case)]
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, env=environment)
        ready = child.stdout.readline()
        try:
            answer, _ = child.communicate(timeout=limit if case["clock"] == "wall" else None)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return f"> {limit} s"
        if child.returncode == -signal.SIGXCPU:
            return f"> {limit} s"
        if not ready or child.returncode != 0:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else f"ended with {child.returncode}"
    return tuple(json.loads(answer))


def compare(options, threads):
    """Print a table for a number of threads; return the ratios by package."""
    print(f"\n### {threads} thread{'s' if threads > 1 else ''}\n")
    print("| method | rows × columns | anoonly: fit | score | package | fit | score | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    found = []
    for rows, columns in options.tables:
        known = {}
        for method, package, name, settings, how in METHODS:
            if (
                options.methods
                and method not in options.methods
                or options.packages
                and package not in options.packages
            ):
                continue
            case = {"rows": rows, "columns": columns, "threads": threads, "method": method}
            case |= {"clock": options.clock, "limit": options.limit}
            if method not in known:
                known[method] = seconds(case | {"package": "anoonly"}, options.limit)
            mine = known[method]
            peer = seconds(case | {"package": package, "name": name, "settings": settings, "how": how}, options.limit)
            whole, ratio = isinstance(mine, tuple), "–"
            if whole and isinstance(peer, tuple):
                found.append((package, sum(peer) / sum(mine), method))
                ratio = f"{found[-1][1]:.1f}"
            elif whole and peer.startswith(">"):
                # At least so many times; good enough for a median.
                found.append((package, options.limit / sum(mine), method))
                ratio = f"> {found[-1][1]:.1f}"
            cells = [f"{second:.3f} s" for second in mine] if whole else [mine, ""]
            others = [f"{second:.3f} s" for second in peer] if isinstance(peer, tuple) else [peer, ""]
            row = [method, f"{rows} × {columns}", *cells, package, *others, ratio]
            print(f"| {' | '.join(row)} |", flush=True)
    return found


def summarise(found, threads):
    for package in [*dict.fromkeys(package for package, _, _ in found), "all"]:
        ratios = [(ratio, method) for other, ratio, method in found if package in {other, "all"}]
        if ratios:
            least = min(ratios)
            median = statistics.median(ratio for ratio, _ in ratios)
            print(f"| {package} | {threads} | {len(ratios)} | {median:.1f} | {least[0]:.2f} ({least[1]}) |")


def boundary(command):
    """Seconds to score rows that Python holds, against the command on a file with the same rows."""
    import anoonly
    import polars as pl
    from anoonly._tables import native_table

    table, new, labels = tables(1_000_000, 20)
    names = [f"x{number}" for number in range(20)]
    fitted = pl.DataFrame(table[:20_000], schema=names).with_columns(
        pl.Series("label", [1 if label else None for label in labels[:20_000]], dtype=pl.Int8)
    )
    frame = pl.DataFrame(new, schema=names).rechunk()

    def best(work):
        """The best seconds of five turns, or of fewer if they take long."""
        taken = []
        while not taken or (len(taken) < 5 and sum(taken) < 20.0):
            start = time.perf_counter()
            work()
            taken.append(time.perf_counter() - start)
        return min(taken)

    print("\n### Scoring 1 000 000 × 20 that Python holds\n")
    print("| method | rows in | seconds | ratio to the command | ratio to its scoring |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path, saved, scores = (pathlib.Path(folder, name) for name in ["rows.arrow", "a.anoonly", "scores.parquet"])
        frame.write_ipc(path, compression="uncompressed")
        for method in ["logistic", "quorum"]:
            model = anoonly.Detector(method, seed=1).fit(fitted, label="label")
            model.save(saved)
            words = [*command, "score", str(saved), str(path), "--out", str(scores)]
            whole = best(lambda: subprocess.run(words, check=True, capture_output=True))
            # What is on the other side of the boundary.
            inside = anoonly.Table(native_table(frame))
            scoring = best(lambda: model.score(inside))
            forms = {"polars": frame, "pyarrow": frame.to_arrow(), "pandas": frame.to_pandas(), "NumPy": new}
            print(f"| {method} | the command, with an Arrow file | {whole:.3f} | 1.00 | |")
            print(f"| {method} | a native table | {scoring:.3f} | {scoring / whole:.2f} | 1.00 |")
            for form, rows in forms.items():
                taken = best(lambda: model.score(rows))
                print(f"| {method} | {form} | {taken:.3f} | {taken / whole:.2f} | {taken / scoring:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda text: text.split(",")
    parser.add_argument("--tables", type=listed, default=["10000x50", "100000x20"])
    parser.add_argument("--threads", type=listed, default=["1", "all"])
    parser.add_argument("--methods", type=listed)
    parser.add_argument("--packages", type=listed)
    parser.add_argument("--limit", type=int, default=300, help="seconds")
    parser.add_argument("--clock", choices=["wall", "process"], default="wall")
    parser.add_argument("--boundary", action="store_true")
    parser.add_argument("--command", default=f"{sys.executable} -m anoonly", help="how to run anoonly's command")
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        return measure(options.case)
    options.tables = [tuple(map(int, table.split("x"))) for table in options.tables]
    versions = []
    for package in VERSIONS:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores; {', '.join(versions)}; {options.clock} clock")
    if not options.boundary:
        ratios = []
        for threads in options.threads:
            threads = os.cpu_count() if threads == "all" else int(threads)
            ratios.append((compare(options, threads), threads))
        print("\n### How many times as fast\n")
        print("| package | threads | comparisons | median | least |\n|---|---|---|---|---|")
        for found, threads in ratios:
            summarise(found, threads)
    boundary(options.command.split())


main()
