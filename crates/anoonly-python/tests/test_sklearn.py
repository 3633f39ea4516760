"""`anoonly.sklearn`: scikit-learn's own checks, the meaning of labels, the threshold, and scikit-learn's tools around
it."""

from __future__ import annotations

import doctest
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import anoonly
import anoonly.sklearn
from anoonly.sklearn import AnomalyClassifier


of_training_rows = pytest.mark.filterwarnings("ignore:the model was fitted on this table:anoonly.AnoonlyWarning")
"""Scores of a model on its training table are what these tests compare, and the library warns of them."""


def made(rows: int = 400, seed: int = 1) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Features, and which rows are anomalies: 4 % of the rows, at the end, which differ in two of four features."""
    rng = np.random.default_rng(seed)
    anomalous = np.arange(rows) >= rows * 24 // 25
    X = rng.normal(size=(rows, 4))
    X[anomalous, :2] += 4
    return X, anomalous


def few(anomalous: NDArray[np.bool_], labelled: int = 6) -> NDArray[np.int_]:
    """Labels 0 and 1 with the first few anomalies labelled."""
    return (anomalous & (np.cumsum(anomalous) <= labelled)).astype(int)


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


X, ANOMALOUS = made()
Y = few(ANOMALOUS)
GAPS = np.where(Y == 1, 1.0, np.nan)
SIGNED = np.where(np.arange(len(Y)) < 30, -1, Y)
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


def test_missing_values_and_integers_of_arrays_are_features_and_infinity_is_refused() -> None:
    gaps = X.copy()
    gaps[::7, 3] = np.nan
    assert roc_auc_score(ANOMALOUS, AnomalyClassifier().fit(gaps, Y).decision_function(gaps)) > 0.9
    counter = np.column_stack([X, np.arange(len(X))]).astype(int)
    assert len(AnomalyClassifier().fit(counter, Y).model_.columns) == 5
    gaps[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        AnomalyClassifier().fit(gaps, Y)


def mixed() -> pd.DataFrame:
    """A data frame with a number, a gap, a category, a text, a date and a truth value."""
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "amount": np.where(np.arange(400) % 9 == 0, np.nan, X[:, 0]),
            "count": rng.integers(0, 20, 400),
            "country": pd.Categorical(np.where(ANOMALOUS, "NZ", rng.choice(["DE", "FR"], 400))),
            "kind": rng.choice(["new", "old"], 400),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 400), unit="D"),
            "paid": rng.random(400) < 0.5,
        }
    )


@of_training_rows
def test_data_frames_pass_through_with_categories_texts_dates_and_gaps() -> None:
    frame = mixed()
    fitted = AnomalyClassifier().fit(frame, Y)
    assert fitted.feature_names_in_.tolist() == list(frame.columns)
    assert fitted.model_.columns == list(frame.columns)
    scores = fitted.transform(frame)
    assert roc_auc_score(ANOMALOUS, scores[:, 0]) > 0.95
    np.testing.assert_array_equal(scores[:, 0], anoonly.Detector().fit(frame, label=GAPS, keep=True).score(frame))
    polars = pl.DataFrame({name: frame[name].to_list() for name in frame.columns}, strict=False).with_columns(
        pl.col("amount").fill_nan(None), pl.col("day").cast(pl.Datetime("us"))
    )
    np.testing.assert_array_equal(AnomalyClassifier().fit(polars, Y).transform(polars), scores)
    np.testing.assert_array_equal(fitted.transform(frame.iloc[[5]])[0], scores[5])


def test_new_categories_are_refused_unless_lenient() -> None:
    frame = mixed()
    new = frame.assign(kind="other")
    with pytest.raises(anoonly.TableError, match="kind"):
        AnomalyClassifier().fit(frame, Y).predict(new)
    assert AnomalyClassifier(lenient=True).fit(frame, Y).predict(new).shape == (400,)


def test_frames_and_arrays_of_the_same_numbers_have_the_same_scores() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    by_array = AnomalyClassifier().fit(X, Y)
    by_frame = AnomalyClassifier().fit(frame, Y)
    expected = by_array.transform(X)
    np.testing.assert_array_equal(by_frame.transform(frame), expected)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(by_frame.transform(X), expected)
    unnamed = pd.DataFrame(X)
    np.testing.assert_array_equal(by_array.transform(unnamed), expected)
    np.testing.assert_array_equal(AnomalyClassifier().fit(unnamed, Y).transform(X), expected)


def test_keep_decides_whether_columns_that_look_like_counters_are_features() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"]).assign(number=np.arange(400))
    assert "number" in AnomalyClassifier().fit(frame, Y).model_.columns
    assert "number" not in AnomalyClassifier(keep=None).fit(frame, Y).model_.columns
    assert "number" in AnomalyClassifier(keep="number").fit(frame, Y).model_.columns


def test_it_is_a_column_in_data_frames_and_a_feature_of_pipelines() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"], index=np.arange(400) + 7)
    column = AnomalyClassifier().set_output(transform="pandas").fit(frame, Y).transform(frame)
    assert list(column.columns) == ["anomaly_score"]
    assert column.index.equals(frame.index)
    column = AnomalyClassifier().set_output(transform="polars").fit(frame, Y).transform(frame)
    assert isinstance(column, pl.DataFrame)
    assert column.columns == ["anomaly_score"]
    features = make_column_transformer((AnomalyClassifier(), ["a", "b"]), remainder="passthrough")
    pipeline = make_pipeline(features, LogisticRegression()).fit(frame, ANOMALOUS)
    assert pipeline[0].get_feature_names_out().tolist() == [
        "anomalyclassifier__anomaly_score",
        "remainder__c",
        "remainder__d",
    ]
    assert pipeline.score(frame, ANOMALOUS) > 0.95


def test_searches_over_methods_and_settings() -> None:
    pipeline = make_pipeline(StandardScaler(), AnomalyClassifier())
    grid = [
        {"anomalyclassifier__method": ["logistic", "mahalanobis"]},
        {"anomalyclassifier__method": ["extra-trees"], "anomalyclassifier__settings": [{"trees": 2}, {"trees": 20}]},
    ]
    search = GridSearchCV(pipeline, grid, scoring="average_precision", cv=3, error_score="raise").fit(X, Y)
    assert len(set(search.cv_results_["mean_test_score"].round(6))) > 1
    assert search.best_params_["anomalyclassifier__method"] != "mahalanobis"
    assert search.predict(X).shape == (400,)


def test_cross_validation_with_all_kinds_of_labels() -> None:
    detector = AnomalyClassifier()
    precision = cross_val_score(detector, X, Y, scoring="average_precision", cv=4, error_score="raise")
    np.testing.assert_allclose(precision, cross_val_score(detector, X, Y, cv=4, error_score="raise"))
    assert precision.shape == (4,)
    assert cross_val_score(detector, X, SIGNED, cv=StratifiedKFold(4), error_score="raise").shape == (4,)
    shuffled = np.random.default_rng(1).permutation(400)
    folds = KFold(2)
    assert np.isfinite(cross_val_score(detector, X[shuffled], GAPS[shuffled], cv=folds, error_score="raise")).all()


def test_probabilities_by_calibration() -> None:
    calibrated = CalibratedClassifierCV(AnomalyClassifier(), cv=3).fit(X, ANOMALOUS)
    assert calibrated.predict_proba(X)[ANOMALOUS, 1].mean() > 0.8
    assert calibrated.predict_proba(X)[~ANOMALOUS, 1].mean() < 0.1


def test_permutation_finds_the_features_that_matter() -> None:
    fitted = AnomalyClassifier().fit(X, Y)
    importance = permutation_importance(fitted, X, ANOMALOUS, n_repeats=2, random_state=0).importances_mean
    assert importance[:2].min() > importance[2:].max() + 0.02


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_fits_in_parallel_are_those_in_turn(backend: str) -> None:
    detectors = [AnomalyClassifier(random_state=seed) for seed in range(3)]
    parallel = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(detector.fit)(X, Y) for detector in detectors)
    for detector, fitted in zip(detectors, parallel, strict=True):
        np.testing.assert_array_equal(fitted.transform(X), clone(detector).fit(X, Y).transform(X))


def test_files_of_joblib_and_clones(tmp_path: Path) -> None:
    fitted = AnomalyClassifier(settings={"trees": 20}, fpr=0.1).fit(mixed(), SIGNED)
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    loaded = joblib.load(tmp_path / "fitted.joblib")
    np.testing.assert_array_equal(loaded.decision_function(mixed()), fitted.decision_function(mixed()))
    assert not hasattr(clone(loaded), "model_")
    assert clone(loaded).get_params() == fitted.get_params()


class FewGlobals(pickle.Unpickler):
    """Refuses every global of a pickle but those of three packages, and keeps the names of those that it saw."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.seen: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.seen.add(f"{module}.{name}")
        if module.split(".")[0] not in {"numpy", "anoonly"}:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


def test_a_pickle_is_the_model_file_and_runs_nothing_else() -> None:
    fitted = AnomalyClassifier().fit(mixed(), Y)
    pickled = pickle.dumps(fitted)
    assert fitted.model_.to_bytes() in pickled
    unpickler = FewGlobals(io.BytesIO(pickled))
    loaded = unpickler.load()
    np.testing.assert_array_equal(loaded.decision_function(mixed()), fitted.decision_function(mixed()))
    assert "anoonly.sklearn.AnomalyClassifier" in unpickler.seen
    assert len(unpickler.seen) < 10, unpickler.seen


def test_the_example_of_the_documentation() -> None:
    result = doctest.testmod(anoonly.sklearn)
    assert result.attempted > 0 and result.failed == 0
