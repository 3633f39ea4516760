"""`anoonly.sklearn`: scikit-learn's own checks, the meaning of labels, the threshold and the parameters."""

from __future__ import annotations

import doctest
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import is_classifier
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import anoonly
import anoonly.sklearn
from _few_labels import ANOMALOUS, GAPS, SIGNED, X, Y, made, of_training_rows
from anoonly.sklearn import AnomalyClassifier


@parametrize_with_checks(
    [
        AnomalyClassifier(),
        AnomalyClassifier("isolation-forest", settings={"trees": 20}),
        AnomalyClassifier("logistic"),
        AnomalyClassifier("extra-trees", settings={"trees": 20}),
        AnomalyClassifier("devnet", members=1),
    ]
)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_no_check_of_scikit_learn_is_skipped_or_warns() -> None:
    # One check asks for this variable before SciPy is imported.
    code = """
import warnings
from sklearn.utils.estimator_checks import check_estimator
from anoonly.sklearn import AnomalyClassifier
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    checks = check_estimator(AnomalyClassifier(), on_fail="raise", on_skip=None)
print(len(checks) > 50, {check["status"] for check in checks}, [str(warning.message) for warning in caught])
"""
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True {'passed'} []", done.stderr


def test_it_is_a_classifier_for_two_classes_with_optional_labels() -> None:
    tags = AnomalyClassifier().__sklearn_tags__()
    assert is_classifier(AnomalyClassifier())
    assert not tags.classifier_tags.multi_class
    assert not tags.target_tags.required
    assert AnomalyClassifier("logistic").__sklearn_tags__().target_tags.required
    assert tags.input_tags.allow_nan
    assert not tags.classifier_tags.poor_score
    assert AnomalyClassifier("knn").__sklearn_tags__().classifier_tags.poor_score
    assert AnomalyClassifier("mahalanobis").__sklearn_tags__().classifier_tags.poor_score


CONFIRMED = np.where(SIGNED == -1, 0.0, GAPS)


@of_training_rows
@pytest.mark.parametrize(
    ("y", "label", "classes"),
    [
        pytest.param(Y, GAPS, [0, 1], id="0 is unlabelled"),
        pytest.param(Y.astype(bool), GAPS, [False, True], id="truth values"),
        pytest.param(GAPS, GAPS, [0, 1], id="NaN is unlabelled"),
        pytest.param([1 if label else None for label in Y], GAPS, [0, 1], id="None is unlabelled"),
        pytest.param(pd.Series(Y).astype("Int64").where(Y == 1), GAPS, [0, 1], id="NA is unlabelled"),
        pytest.param(pl.Series([1 if label else None for label in Y]), GAPS, [0, 1], id="null is unlabelled"),
        pytest.param(np.take(["clean", "fraud"], Y), GAPS, ["clean", "fraud"], id="strings"),
        pytest.param(
            [["clean", "fraud"][label] if label or row % 2 else None for row, label in enumerate(Y)],
            GAPS,
            ["clean", "fraud"],
            id="strings with gaps",
        ),
        pytest.param(pd.Categorical(np.take(["a", "b"], Y)), GAPS, ["a", "b"], id="categories"),
        pytest.param(Y + 6, GAPS, [6, 7], id="other numbers"),
        pytest.param(SIGNED, CONFIRMED, [0, 1], id="-1 is confirmed as normal"),
        pytest.param(np.where(SIGNED == 0, np.nan, SIGNED), CONFIRMED, [-1, 1], id="-1 beside gaps"),
        pytest.param(Y * 2 - 1, Y.astype(float), [-1, 1], id="-1 throughout"),
        pytest.param(None, None, [0, 1], id="without labels"),
    ],
)
def test_labels_mean_what_the_library_makes_of_them(y: Any, label: Any, classes: list[Any]) -> None:
    fitted = AnomalyClassifier().fit(X, y)
    assert fitted.classes_.tolist() == classes
    expected = anoonly.Detector("quorum", seed=1).fit(X, label=label, keep=True)
    np.testing.assert_array_equal(fitted.transform(X)[:, 0], expected.score(X))
    assert set(fitted.predict(X).tolist()) <= set(classes)


def test_confirmed_normals_change_the_fit() -> None:
    assert not np.array_equal(
        AnomalyClassifier().fit(X, Y).transform(X), AnomalyClassifier().fit(X, SIGNED).transform(X)
    )


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(400, np.nan), "every label in y is missing"),
        (np.zeros(400), "only one class, 0.0, but"),
        (np.ones(400), "only one class, 1.0, but"),
        (np.where(GAPS == 1, 0, np.nan), "only one class, 0.0, but"),
        (np.where(Y == 1, "fraud", None), "only one class, 'fraud', but"),
        (np.where(Y == 1, -1, np.nan), "only one class, -1.0, but"),
        (-Y, "no anomaly, which is 1"),
        (np.arange(400) % 3, "Only binary classification is supported. The type of the target is multiclass"),
        (np.where(SIGNED == -1, -2, SIGNED), "Only binary classification is supported"),
        (X[:, 0], "Unknown label type: continuous"),
        (np.where(Y == 1, np.inf, 0), "infinity"),
        (["fraud" if label else 0 for label in Y], "Unknown label type"),
        (np.take(["normal", "anomaly"], Y), r"second in sorted order, which is 'normal' here: pass y == 'anomaly'"),
        (np.take(["No", "Maybe"], Y), r"pass y == 'Maybe'"),
        (Y[:-1], "inconsistent numbers of samples"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnomalyClassifier().fit(X, y)


def test_labels_of_an_outlier_detector_of_scikit_learn_are_noticed() -> None:
    outliers = IsolationForest(contamination=0.1, random_state=1).fit_predict(X)
    with pytest.warns(anoonly.AnoonlyWarning, match="pass y == -1"):
        AnomalyClassifier().fit(X, outliers)
    fitted = AnomalyClassifier().fit(X, outliers == -1)
    assert roc_auc_score(ANOMALOUS, fitted.decision_function(X)) > 0.9


@of_training_rows
def test_predictions_are_the_flags_of_the_model() -> None:
    fitted = AnomalyClassifier().fit(X, Y)
    decision = fitted.decision_function(X)
    assert decision.shape == (400,)
    assert decision.dtype == np.float64
    np.testing.assert_array_equal(fitted.predict(X) == 1, decision > 0)
    np.testing.assert_array_equal(fitted.predict(X) == 1, fitted.model_.flag(X))
    np.testing.assert_array_equal(fitted.predict(X) == 1, fitted.model_.p_values(X) <= 0.05)
    assert fitted.predict(X)[ANOMALOUS].mean() > 0.9
    np.testing.assert_array_equal(fitted.transform(X)[:, 0] > fitted.threshold_, decision > 0)


@of_training_rows
def test_another_threshold_of_the_model_changes_the_predictions() -> None:
    fitted = AnomalyClassifier().fit(X, Y)
    score = float(fitted.transform(X)[200, 0])
    fitted.model_.set_threshold(score=score)
    assert fitted.decision_function(X)[200] > 0
    for predicting in (fitted, pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(predicting.predict(X) == 1, fitted.transform(X)[:, 0] >= score)
        np.testing.assert_array_equal(predicting.predict(X) == 1, fitted.model_.flag(X))
    fitted.model_.set_threshold(fdr=0.1)
    with pytest.raises(ValueError, match="not a single score"):
        print(fitted.threshold_)
    with pytest.raises(ValueError, match="false-discovery rate"):
        fitted.predict(X)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_the_false_positive_rate_is_kept_on_new_rows(rate: float) -> None:
    rates = []
    for seed in range(5):
        train, anomalous = made(2000, seed)
        test, anomalous_test = made(2000, seed + 100)
        fitted = AnomalyClassifier("mahalanobis", fpr=rate, random_state=seed).fit(train[~anomalous])
        rates.append(fitted.predict(test[~anomalous_test]).mean())
    assert abs(np.mean(rates) - rate) < 0.25 * rate


@of_training_rows
def test_a_rate_that_cannot_be_kept_is_an_error_only_if_it_was_asked_for() -> None:
    rows = np.r_[:60, 384:390]
    with pytest.raises(ValueError):
        AnomalyClassifier(fpr=0.05).fit(X[rows], Y[rows])
    with pytest.raises(ValueError):
        AnomalyClassifier(fpr=0.05, held_out=0.0).fit(X, Y)
    for guessed in (AnomalyClassifier().fit(X[rows], Y[rows]), AnomalyClassifier(held_out=0.0).fit(X[rows], Y[rows])):
        np.testing.assert_array_equal(guessed.predict(X) == 1, guessed.model_.flag(X))
        others = X[rows][Y[rows] == 0]
        assert 0 < guessed.predict(others).sum() <= 0.05 * len(others) + 1
        assert guessed.predict(X[rows])[Y[rows] == 1].mean() > 0.8


def test_score_is_the_average_precision() -> None:
    fitted = AnomalyClassifier().fit(X, SIGNED)
    expected = average_precision_score(Y, fitted.decision_function(X))
    assert fitted.score(X, SIGNED) == expected
    assert fitted.score(X, Y) == expected
    assert fitted.score(X, GAPS) == expected
    assert fitted.score(X, [1 if label else None for label in Y]) == expected
    weights = np.linspace(0, 1, len(Y))
    assert fitted.score(X, Y, weights) == average_precision_score(Y, fitted.decision_function(X), sample_weight=weights)


@of_training_rows
def test_the_seed_is_that_of_the_library_and_repeats() -> None:
    def scores(random_state: Any) -> Any:
        return AnomalyClassifier(random_state=random_state).fit(X, Y).transform(X)

    np.testing.assert_array_equal(scores(7)[:, 0], anoonly.Detector(seed=7).fit(X, label=GAPS, keep=True).score(X))
    np.testing.assert_array_equal(scores(np.random.RandomState(7)), scores(np.random.RandomState(7)))
    assert not np.array_equal(scores(7), scores(8))
    assert not np.array_equal(scores(None), scores(None))


def test_settings_reach_the_method_and_wrong_ones_are_refused() -> None:
    first, second = (AnomalyClassifier("isolation-forest", settings={"trees": trees}).fit(X) for trees in (5, 50))
    assert not np.array_equal(first.transform(X), second.transform(X))
    for wrong in (
        AnomalyClassifier("no-method"),
        AnomalyClassifier(settings={"leaves": 3}),
        AnomalyClassifier(held_out=2.0),
    ):
        with pytest.raises(anoonly.SettingError):
            wrong.fit(X, Y)


QUICK = {"recipe": {"epochs": 3}, "margin": 4}


@pytest.mark.parametrize(
    "parameters",
    [
        {"strategy": "host"},
        {"members": 2},
        {"early_stopping": True},
        {"held_out": 0.4},
        {"settings": {**QUICK, "depth": 4}},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_parameters_reach_the_library(parameters: dict[str, Any]) -> None:
    usual = {"members": 1, "settings": QUICK}
    given = {**usual, **parameters}
    model = AnomalyClassifier("devnet", **given).fit(X, Y).model_.to_bytes()
    settings = given.pop("settings")
    expected = anoonly.Detector("devnet", **given, **settings).fit(X, label=GAPS, keep=True).set_threshold(fpr=0.05)
    assert model == expected.to_bytes()
    assert model != AnomalyClassifier("devnet", **usual).fit(X, Y).model_.to_bytes()


def test_the_example_of_the_documentation() -> None:
    result = doctest.testmod(anoonly.sklearn)
    assert result.attempted > 0 and result.failed == 0
