"""`anoonly.pyod`: labels with gaps, and the formulas of PyOD's own base class on the same scores."""

from __future__ import annotations

import doctest
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyod.models.base import BaseDetector
from pyod.models.iforest import IForest
from pyod.models.lscp import LSCP
from pyod.utils.data import evaluate_print, generate_data
from pyod.utils.utility import standardizer
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

import anoonly
import anoonly.pyod
from _few_labels import of_training_rows
from anoonly.pyod import AnoOnlyDetector

X, X_NEW, ANOMALOUS, ANOMALOUS_NEW = generate_data(
    n_train=300, n_test=100, n_features=4, contamination=0.1, random_state=1
)
GAPS = np.where((ANOMALOUS == 1) & (np.cumsum(ANOMALOUS) <= 5), 1.0, np.nan)


class Formulas(BaseDetector):
    """PyOD's base class with the scores of a detector of ours."""

    def __init__(self, detector: AnoOnlyDetector) -> None:
        super().__init__(contamination=detector.contamination)
        self.detector = detector

    def fit(self, X: Any, y: Any = None) -> Formulas:
        self._set_n_classes(None)
        self.decision_scores_ = self.detector.decision_scores_
        self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        return self.detector.decision_function(X)


@pytest.mark.parametrize("contamination", [0.1, 0.03, 0.5])
@pytest.mark.parametrize("y", [None, GAPS], ids=["without labels", "with gaps"])
def test_formulas_are_those_of_pyod(contamination: float, y: Any) -> None:
    ours = AnoOnlyDetector(contamination=contamination).fit(X, y)
    theirs = Formulas(ours).fit(X)
    assert ours.threshold_ == theirs.threshold_
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_array_equal(ours.decision_scores_, ours.decision_function(X))
    np.testing.assert_array_equal(ours.predict(X_NEW), theirs.predict(X_NEW))
    for method in ("linear", "unify"):
        np.testing.assert_allclose(
            ours.predict_proba(X_NEW, method=method), theirs.predict_proba(X_NEW, method=method), atol=1e-12
        )
    for rows in (X, X_NEW):
        np.testing.assert_allclose(ours.predict_confidence(rows), theirs.predict_confidence(rows), atol=1e-12)
    labels, confidence = ours.predict(X_NEW, return_confidence=True)
    np.testing.assert_array_equal(labels, ours.predict(X_NEW))
    np.testing.assert_array_equal(confidence, ours.predict_confidence(X_NEW))
    probabilities, confidence = ours.predict_proba(X_NEW, return_confidence=True)
    np.testing.assert_array_equal(probabilities, ours.predict_proba(X_NEW))
    np.testing.assert_array_equal(confidence, ours.predict_confidence(X_NEW))


def test_shapes_and_kinds_are_those_of_pyod() -> None:
    ours, theirs = AnoOnlyDetector("isolation-forest").fit(X), IForest().fit(X)
    for attribute in ("decision_scores_", "labels_"):
        assert getattr(ours, attribute).shape == getattr(theirs, attribute).shape
        assert getattr(ours, attribute).dtype == getattr(theirs, attribute).dtype
    assert ours.predict(X_NEW).dtype == theirs.predict(X_NEW).dtype
    assert ours.predict_proba(X_NEW).shape == theirs.predict_proba(X_NEW).shape == (100, 2)
    assert roc_auc_score(ANOMALOUS_NEW, ours.decision_function(X_NEW)) > 0.9
    np.testing.assert_array_equal(ours.fit_predict(X), ours.labels_)


@of_training_rows
@pytest.mark.parametrize(
    ("y", "label"),
    [
        pytest.param(GAPS, GAPS, id="NaN"),
        pytest.param(np.nan_to_num(GAPS), GAPS, id="0"),
        pytest.param(np.nan_to_num(GAPS) == 1, GAPS, id="truth values"),
        pytest.param([1 if label == 1 else None for label in GAPS], GAPS, id="None"),
        pytest.param([True if label == 1 else 0 for label in GAPS], GAPS, id="truth values beside numbers"),
        pytest.param(pd.Series(GAPS).astype("Int64"), GAPS, id="NA"),
        pytest.param(
            np.where(np.arange(300) < 20, -1, GAPS),
            np.where(np.arange(300) < 20, 0, GAPS),
            id="-1 is confirmed as normal",
        ),
        pytest.param(None, None, id="without labels"),
    ],
)
def test_labels_with_gaps_take_part(y: Any, label: Any) -> None:
    ours = AnoOnlyDetector().fit(X, y)
    expected = anoonly.Detector("quorum", held_out=0.0, seed=1).fit(X, label=label, keep=True)
    np.testing.assert_array_equal(ours.decision_scores_, expected.score(X))


@of_training_rows
def test_confirmed_normals_without_an_anomaly_are_labels_too() -> None:
    confirmed = np.arange(300) < 20
    with pytest.warns(anoonly.AnoonlyWarning, match="no row is labelled an anomaly"):
        ours = AnoOnlyDetector("pu-forest").fit(X, np.where(confirmed, -1, 0))
    with pytest.warns(anoonly.AnoonlyWarning, match="no row is labelled an anomaly"):
        expected = anoonly.Detector("pu-forest", held_out=0.0).fit(X, label=np.where(confirmed, 0, np.nan), keep=True)
    np.testing.assert_array_equal(ours.decision_scores_, expected.score(X))
    assert not np.array_equal(ours.decision_scores_, AnoOnlyDetector("pu-forest").fit(X).decision_scores_)


def test_labels_change_the_ranking() -> None:
    without, with_gaps = AnoOnlyDetector().fit(X), AnoOnlyDetector().fit(X, GAPS)
    assert not np.array_equal(without.decision_scores_, with_gaps.decision_scores_)
    confirmed = AnoOnlyDetector().fit(X, np.where(np.arange(300) < 20, -1, GAPS))
    assert not np.array_equal(confirmed.decision_scores_, with_gaps.decision_scores_)


@pytest.mark.parametrize(
    ("value", "named"),
    [(2, "2"), (0.5, "0.5"), (np.inf, "inf"), ("fraud", "fraud"), ("1", "1"), ({"a": 1}, "{'a': 1}")],
)
def test_another_label_is_an_error_that_names_it(value: Any, named: str) -> None:
    y: list[Any] = [-1, 1, None, True, 0.0, np.nan, value, *([0] * 293)]
    with pytest.raises(anoonly.LabelError, match="row 7: ") as raised:
        AnoOnlyDetector().fit(X, y)
    assert (raised.value.row, raised.value.value) == (7, named)
    if isinstance(value, float):
        with pytest.raises(anoonly.LabelError, match="row 7: "):
            AnoOnlyDetector().fit(X, np.array(y, dtype=float))


def test_as_many_labels_as_rows() -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AnoOnlyDetector().fit(X, GAPS[1:])


@pytest.mark.parametrize("contamination", [0, -0.1, 0.6])
def test_contamination_out_of_range(contamination: float) -> None:
    with pytest.raises(ValueError, match="contamination"):
        AnoOnlyDetector(contamination=contamination).fit(X)


def test_probabilities_by_an_unknown_method() -> None:
    with pytest.raises(ValueError, match="cubic"):
        AnoOnlyDetector("isolation-forest").fit(X).predict_proba(X, method="cubic")


def test_equal_scores_are_no_division_by_zero() -> None:
    twins = np.tile([[0.0, 1.0], [1.0, 0.0]], (25, 1))
    fitted = AnoOnlyDetector("knn").fit(twins)
    assert len(set(fitted.decision_scores_)) == 1
    assert fitted.labels_.sum() == 0
    for method in ("linear", "unify"):
        np.testing.assert_array_equal(fitted.predict_proba(twins, method=method)[:, 1], 0)


@of_training_rows
def test_the_model_flags_what_predict_says_and_has_p_values_on_request() -> None:
    fitted = AnoOnlyDetector(held_out=0.2).fit(X, GAPS)
    np.testing.assert_array_equal(fitted.model_.flag(X_NEW), fitted.predict(X_NEW) == 1)
    np.testing.assert_array_equal(fitted.model_.flag(X), fitted.labels_ == 1)
    assert fitted.model_.p_values(X_NEW).shape == (100,)
    assert not AnoOnlyDetector().fit(X, GAPS).model_.has_p_values
    # The median of an odd number of scores is one of them, and it is not above itself.
    at_a_score = AnoOnlyDetector(contamination=0.5).fit(X[:101])
    assert at_a_score.threshold_ in at_a_score.decision_scores_
    np.testing.assert_array_equal(at_a_score.model_.flag(X[:101]), at_a_score.labels_ == 1)


def test_data_frames_with_texts_and_gaps() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"]).assign(kind=np.where(ANOMALOUS == 1, "odd", "even"))
    frame.loc[::7, "a"] = np.nan
    fitted = AnoOnlyDetector().fit(frame, GAPS)
    assert roc_auc_score(ANOMALOUS, fitted.decision_scores_) > 0.9
    assert fitted.model_.columns == list(frame.columns)


def test_parameters_clones_and_pickles() -> None:
    detector = AnoOnlyDetector("logistic", contamination=0.2)
    assert detector.get_params()["contamination"] == 0.2
    assert repr(detector) == "AnoOnlyDetector(contamination=0.2, method='logistic')"
    assert detector.set_params(method="quorum").method == "quorum"
    assert clone(detector).get_params() == detector.get_params()
    fitted = detector.fit(X, GAPS)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(X_NEW), fitted.predict_proba(X_NEW))


def test_it_works_among_the_detectors_of_pyod(capsys: pytest.CaptureFixture[str]) -> None:
    selected = LSCP(
        [AnoOnlyDetector("knn"), AnoOnlyDetector("isolation-forest"), IForest(random_state=1)], random_state=1
    ).fit(X)
    scores = selected.decision_function(X_NEW)
    assert roc_auc_score(ANOMALOUS_NEW, scores) > 0.8
    evaluate_print("anoonly", ANOMALOUS_NEW, scores)
    assert capsys.readouterr().out.startswith("anoonly ROC:")


def test_it_works_in_combinations_of_pyod() -> None:
    pytest.importorskip("combo")
    from pyod.models.combination import average, maximization
    from pyod.models.feature_bagging import FeatureBagging

    detectors = [AnoOnlyDetector("isolation-forest"), AnoOnlyDetector("knn"), IForest(random_state=1)]
    scores = standardizer(np.column_stack([detector.fit(X).decision_function(X_NEW) for detector in detectors]))
    for combined in (average(scores), maximization(scores)):
        assert roc_auc_score(ANOMALOUS_NEW, combined) > 0.9
    bagged = FeatureBagging(AnoOnlyDetector("isolation-forest"), n_estimators=3, random_state=1).fit(X)
    assert roc_auc_score(ANOMALOUS_NEW, bagged.decision_function(X_NEW)) > 0.9
    assert len({str(estimator.random_state) for estimator in bagged.estimators_}) == 3


def test_it_works_in_suod_of_pyod() -> None:
    pytest.importorskip("suod")
    from pyod.models.suod import SUOD

    detectors = [AnoOnlyDetector("isolation-forest"), AnoOnlyDetector("knn")]
    fitted = SUOD(detectors, rp_flag_global=False, bps_flag=False, verbose=False).fit(X)
    assert roc_auc_score(ANOMALOUS_NEW, fitted.decision_function(X_NEW)) > 0.9


def test_pyod_is_not_imported() -> None:
    code = "import sys, anoonly.pyod; assert not [name for name in sys.modules if name.split('.')[0] == 'pyod']"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_example_of_the_documentation() -> None:
    result = doctest.testmod(anoonly.pyod)
    assert result.attempted > 0 and result.failed == 0
