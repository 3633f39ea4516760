"""The methods of other packages that anoonly's methods are compared with, and their settings, as equal as the packages allow.

What differs:
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
- fisher: scikit-learn's discriminant shrinks the covariance of each class and solves for the direction.
- pu-forest: coniferest's active anomaly detection, which is made for the same task, with other trees.
"""

import importlib
import sys

# Labelled anomalies; the other rows are unlabelled for anoonly, and of class 0 for the others.
LABELLED = 50
THREAD_VARIABLES = [
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT",
]  # fmt: skip
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
    ("fisher", "scikit-learn", "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
     {"solver": "lsqr", "shrinkage": "auto"}, "margins"),
    ("pu-forest", "coniferest", "coniferest.aadforest.AADForest", {"n_trees": 100, **JOBS}, "feedback"),
]  # fmt: skip


def counterpart(name, settings, how, threads, rows, columns):
    """A function that fits on a matrix with labels and returns a function that scores another matrix."""
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
        if how in {"classes", "margins", "labelled decision"}:
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
            "margins": lambda new: detector.decision_function(new),
            "classes": lambda new: detector.predict_proba(new)[:, 1],
            "kneighbors": lambda new: detector.kneighbors(new)[0][:, -1],
            "mahalanobis": lambda new: detector.mahalanobis(new),
        }[how]

    return run
