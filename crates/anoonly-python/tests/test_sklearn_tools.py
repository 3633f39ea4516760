"""`anoonly.sklearn` with data frames, and scikit-learn's tools around it: pipelines, searches, folds, joblib and
pickles."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import anoonly
from _few_labels import ANOMALOUS, GAPS, SIGNED, X, Y, of_training_rows
from anoonly.sklearn import AnomalyClassifier


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


@of_training_rows
def test_numbers_are_categories_where_that_is_said() -> None:
    frame = mixed()
    scores = AnomalyClassifier(category="count").fit(frame, Y).transform(frame)
    expected = anoonly.Detector().fit(frame, label=GAPS, keep=True, category="count")
    np.testing.assert_array_equal(scores[:, 0], expected.score(frame))
    assert not np.array_equal(scores, AnomalyClassifier().fit(frame, Y).transform(frame))


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
