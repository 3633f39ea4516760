"""The methods of other packages that `rivals.py` measures, and their settings.

All of them get their package's defaults, the split's seed and one thread, apart from the settings below.

- xgboost, lightgbm, catboost, sklearn-logistic-regression: classifiers with weights of classes, which make the few
  labelled rows count as much as all others together. Scores are margins, in which no two rows become equal by rounding.
- sklearn-extra-trees: 300 trees with leaves of two rows, so that a labelled row is never alone in its leaf.
- coniferest-aad: unlabelled rows are unknown. With the defaults and no row known to be normal, any weights of the
  leaves solve its problem, because the threshold of an anomaly is free and nothing holds the weights near their start.
  So the threshold is the score that 3 % of the training rows exceed, and the start has weight 1, as in the paper (Das
  et al. 2017).
- deepod-devnet, deepod-feawad: labels are given as a column. With a plain vector, both losses become a matrix of all
  pairs of rows and labels in a batch, and then do not depend on which rows are labelled.
- deepod-rosas: batches of all unlabelled rows if these are fewer than the default of 128, with which it fails.
- deepod-feawad divides by zero at a row whose scaled values are all 0, because its autoencoder has no offsets. It fails
  on tables with such rows.
- deepod-prenet draws pairs of labelled anomalies, so it needs two.
- pyod-devnet: release 3.6.7 gives its loss the labels as predictions and the predictions as labels, so it cannot
  learn. It is measured as it is.
- pyod-xgbod: XGBoost on the columns and the scores of 41 detectors: nearest neighbours, local outlier factors,
  histograms, one-class SVMs and isolation forests.
- Foundation models are missing, because no package that we found contains its weights: those of tabpfn 0.1.11 and
  9.2.0, tabicl 2.2.0, tabdpt 1.3.1 and predictlm 11.1.0 have to be fetched from elsewhere.
"""

import collections
import importlib
import importlib.metadata
import sys
import time

# The package, what to import, its settings, settings that only keep it quiet, the number of labelled anomalies without
# which it cannot be fitted (None if it ignores labels), how it is fitted, and how its scores are asked for. Settings
# that depend on the split are names of `values`.
Outsider = collections.namedtuple("Outsider", "package path settings quiet needs fit score")
BALANCED = {"class_weight": "balanced"}
SEEDED = {"random_state": "seed"}
ONE = {"n_jobs": 1}
DEEPOD = {"verbose": 0, "device": "cpu"}


def with_labels(model, rows, labels):
    model.fit(rows, labels)


def with_column(model, rows, labels):
    model.fit(rows, labels[:, None])


def without_labels(model, rows, labels):
    model.fit(rows)


def with_answers(model, rows, labels):
    from coniferest.label import Label

    model.fit(rows, [Label.ANOMALY if label else Label.UNKNOWN for label in labels])


def decision(model, rows):
    return model.decision_function(rows)


OUTSIDERS = {
    "xgboost": Outsider(
        "xgboost", "xgboost.XGBClassifier", {"scale_pos_weight": "unlabelled/labelled", **SEEDED, **ONE}, {}, 1,
        with_labels, lambda model, rows: model.predict(rows, output_margin=True),
    ),
    "lightgbm": Outsider(
        "lightgbm", "lightgbm.LGBMClassifier", {**BALANCED, **SEEDED, **ONE}, {"verbosity": -1}, 1,
        with_labels, lambda model, rows: model.predict(rows, raw_score=True),
    ),
    "catboost": Outsider(
        "catboost", "catboost.CatBoostClassifier",
        {"auto_class_weights": "Balanced", "random_seed": "seed", "thread_count": 1},
        {"verbose": False, "allow_writing_files": False}, 1,
        with_labels, lambda model, rows: model.predict(rows, prediction_type="RawFormulaVal"),
    ),
    "sklearn-extra-trees": Outsider(
        "scikit-learn", "sklearn.ensemble.ExtraTreesClassifier",
        {"n_estimators": 300, "min_samples_leaf": 2, **BALANCED, **SEEDED, **ONE}, {}, 1,
        with_labels, lambda model, rows: model.predict_proba(rows)[:, 1],
    ),
    "sklearn-logistic-regression": Outsider(
        "scikit-learn", "sklearn.linear_model.LogisticRegression", {"max_iter": 1000, **BALANCED, **SEEDED}, {}, 1,
        with_labels, decision,
    ),
    "pyod-isolation-forest": Outsider(
        "pyod", "pyod.models.iforest.IForest", {**SEEDED, **ONE}, {}, None, without_labels, decision,
    ),
    "pyod-ecod": Outsider("pyod", "pyod.models.ecod.ECOD", ONE, {}, None, without_labels, decision),
    "coniferest-aad": Outsider(
        "coniferest", "coniferest.aadforest.AADForest",
        {"budget": 0.03, "prior_influence": 1.0, "random_seed": "seed", **ONE}, {}, 0,
        with_answers, lambda model, rows: -model.score_samples(rows),
    ),
    "deepod-devnet": Outsider(
        "deepod", "deepod.models.tabular.DevNet", SEEDED, DEEPOD, 1, with_column, decision,
    ),
    "deepod-feawad": Outsider(
        "deepod", "deepod.models.tabular.FeaWAD", SEEDED, DEEPOD, 1, with_column, decision,
    ),
    "deepod-rosas": Outsider(
        "deepod", "deepod.models.tabular.RoSAS", {"batch_size": "128 or unlabelled", **SEEDED}, DEEPOD, 1,
        with_labels, decision,
    ),
    "deepod-prenet": Outsider(
        "deepod", "deepod.models.tabular.PReNet", SEEDED, DEEPOD, 2, with_labels, decision,
    ),
    "pyod-devnet": Outsider(
        "pyod", "pyod.models.devnet.DevNet", {"random_seed": "seed"}, {"device": "cpu"}, 1, with_labels, decision,
    ),
    "pyod-xgbod": Outsider("pyod", "pyod.models.xgbod.XGBOD", {**SEEDED, **ONE}, {}, 1, with_labels, decision),
}  # fmt: skip


def description(outsider):
    """The package's version and the settings, for each line."""
    settings = ", ".join(f"{name}={value}" for name, value in outsider.settings.items())
    return f"{outsider.package} {importlib.metadata.version(outsider.package)}, {settings}"


def fitted_scores(outsider, train, labels, test, seed):
    """The scores of the test rows, and the processor's seconds of the fit and of the scores."""
    import numpy as np

    labelled = int(labels.sum())
    unlabelled = len(labels) - labelled
    values = {
        "seed": seed, "unlabelled/labelled": unlabelled / max(labelled, 1), "128 or unlabelled": min(128, unlabelled)
    }  # fmt: skip
    settings = {
        name: values.get(value, value) if isinstance(value, str) else value for name, value in outsider.settings.items()
    }
    module, _, kind = outsider.path.rpartition(".")
    kind = getattr(importlib.import_module(module), kind)
    # Some packages have no seed of their own, or take part of their numbers from here.
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
        sys.modules["torch"].manual_seed(seed)
    start = time.process_time()
    model = kind(**settings, **outsider.quiet)
    outsider.fit(model, train, labels)
    middle = time.process_time()
    scores = np.asarray(outsider.score(model, test), dtype=np.float64)
    end = time.process_time()
    if scores.shape != (len(test),) or not np.isfinite(scores).all():
        raise ValueError("the scores are not one finite number for each row")
    return {"scores": scores.tolist(), "fit_seconds": middle - start, "score_seconds": end - middle}
