"""The manner of PyOD: `AnoOnlyDetector`, which has the methods of PyOD's `BaseDetector` and does not need PyOD."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf
from sklearn.utils.validation import check_consistent_length

from ._estimator import TableEstimator
from ._labels import known_labels, labels_of_numbers

__all__ = ["AnoOnlyDetector"]


class AnoOnlyDetector(TableEstimator):
    """Finds anomalies with few labels or none, in the manner of PyOD.

    Scores, thresholds, labels and probabilities follow the formulas of `pyod.models.base.BaseDetector`. Two things are
    different. Labels with gaps take part in the fit, where PyOD's detectors ignore `y`: do not pass labels that you
    evaluate with. And a pickle contains the bytes of the model file, which run nothing.

    Parameters
    ----------
    method : str, default="quorum"
        A method that `anoonly.methods()` lists.
    contamination : float, default=0.1
        Share of the training rows that are anomalies, above 0 and at most 0.5. It sets `threshold_`, and the fit does
        not depend on it.
    strategy : {"anoonly", "host"}, default="anoonly"
        Which part of its loss a network is trained with.
    members : int or None, default=None
        Number of models that differ in their seeds and whose scores are averaged. None: 5 for a trained method, else 1.
    early_stopping : bool, default=False
        Whether to choose the number of epochs by cross-validation over the labelled anomalies.
    held_out : float, default=0.0
        Share of the rows without an anomaly label that are held out from the fit. PyOD's threshold does not need them.
        With 0.2, as everywhere else in anoonly, `model_` has p-values and thresholds with a false-positive rate.
    random_state : int, RandomState or None, default=1
        Seed of weights, batches and held-out rows. None: another one at each fit.
    settings : dict or None, default=None
        Settings of the method by their names in its config, such as `{"trees": 200}`.
    keep : True, str, list of str or None, default=True
        True: every column is a feature. None: columns that look like identifiers, row numbers or time that goes on are
        left out, except those that are named here.
    category : str, list of str or None, default=None
        Columns of a data frame whose values are categories even if they look like numbers.
    lenient : bool, default=False
        Whether categories that did not occur in the fit count as missing when rows are scored. Otherwise they are an
        error.
    backend : str, default="flex"
        Backend that networks run on.
    device : str or None, default=None
        GPU to run on: its number, or a part of its name.

    Attributes
    ----------
    decision_scores_ : ndarray of shape (n_samples,)
        The scores of the training rows, higher for more anomalous ones.
    threshold_ : float
        The quantile of `decision_scores_` at 1 - `contamination`.
    labels_ : ndarray of shape (n_samples,)
        1 for training rows that score above `threshold_`, else 0.
    model_ : anoonly.Model
        The model. Its own threshold flags the rows for which `predict` gives 1.

    Examples
    --------
    >>> import numpy as np
    >>> from anoonly.pyod import AnoOnlyDetector
    >>> rng = np.random.default_rng(1)
    >>> X = np.concatenate([rng.normal(size=(90, 4)), rng.normal(4, size=(10, 4))])
    >>> y = np.full(100, np.nan)
    >>> y[90:93] = 1  # an anomaly
    >>> y[0] = -1  # confirmed as normal
    >>> detector = AnoOnlyDetector(contamination=0.1).fit(X, y)
    >>> int(detector.labels_.sum())
    10
    """

    decision_scores_: NDArray[np.float64]
    threshold_: float
    labels_: NDArray[np.int_]

    def __init__(
        self,
        method: str = "quorum",
        *,
        contamination: float = 0.1,
        strategy: Literal["anoonly", "host"] = "anoonly",
        members: int | None = None,
        early_stopping: bool = False,
        held_out: float = 0.0,
        random_state: int | np.random.RandomState | None = 1,
        settings: dict[str, Any] | None = None,
        keep: str | list[str] | Literal[True] | None = True,
        category: str | list[str] | None = None,
        lenient: bool = False,
        backend: str = "flex",
        device: str | None = None,
    ) -> None:
        self.method = method
        self.contamination = contamination
        self.strategy = strategy
        self.members = members
        self.early_stopping = early_stopping
        self.held_out = held_out
        self.random_state = random_state
        self.settings = settings
        self.keep = keep
        self.category = category
        self.lenient = lenient
        self.backend = backend
        self.device = device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "outlier_detector"
        return tags

    def fit(self, X: Any, y: ArrayLike | None = None) -> AnoOnlyDetector:
        """Fits a model, and the threshold by `contamination`.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            A data frame (pandas, polars, pyarrow) may hold numbers, categories, texts, dates and missing values. An
            array holds numbers, with NaN where one is missing.
        y : array-like of shape (n_samples,), default=None
            1 for an anomaly, 0, NaN or None for an unlabelled row, -1 for one that is confirmed as normal. None: all
            rows are unlabelled.

        Returns
        -------
        self : AnoOnlyDetector

        Raises
        ------
        anoonly.LabelError
            If `y` holds another value, which the error names.
        ValueError
            If `contamination` is out of range, or the library refuses the table or a setting.
        """
        if not 0 < self.contamination <= 0.5:
            raise ValueError(f"contamination must be above 0 and at most 0.5, but is {self.contamination!r}")
        table = self._features(X, reset=True)
        labels = None
        if y is not None:
            known, is_known = known_labels(y)
            check_consistent_length(X, is_known)
            labels = labels_of_numbers(known, is_known)
        self.model_ = self._fit_model(table, labels)
        self.decision_scores_ = self._scores(table).astype(np.float64)
        self.threshold_ = float(np.percentile(self.decision_scores_, 100 * (1 - self.contamination)))
        self.labels_ = self._above(self.decision_scores_)
        # The model flags scores at or above its threshold, which is a 32-bit number.
        lowest = np.float32(self.threshold_)
        if lowest <= self.threshold_:
            lowest = np.nextafter(lowest, np.float32(np.inf))
        self.model_.set_threshold(score=float(lowest))
        return self

    def fit_predict(self, X: Any, y: ArrayLike | None = None) -> NDArray[np.int_]:
        """Fits, and returns `labels_`, shape (n_samples,)."""
        return self.fit(X, y).labels_

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """The scores of rows, shape (n_samples,), higher for more anomalous ones."""
        return self._checked_scores(X).astype(np.float64)

    @overload
    def predict(self, X: Any, return_confidence: Literal[False] = False) -> NDArray[np.int_]: ...
    @overload
    def predict(self, X: Any, return_confidence: Literal[True]) -> tuple[NDArray[np.int_], NDArray[np.float64]]: ...
    def predict(
        self, X: Any, return_confidence: bool = False
    ) -> NDArray[np.int_] | tuple[NDArray[np.int_], NDArray[np.float64]]:
        """Which rows are anomalies.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
        return_confidence : bool, default=False
            Whether to return the confidence of each prediction, too. See `predict_confidence`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            1 for rows that score above `threshold_`, else 0.
        confidence : ndarray of shape (n_samples,)
            Only with `return_confidence`.
        """
        scores = self.decision_function(X)
        labels = self._above(scores)
        return (labels, self._confidence(scores)) if return_confidence else labels

    @overload
    def predict_proba(
        self, X: Any, method: str = "linear", return_confidence: Literal[False] = False
    ) -> NDArray[np.float64]: ...
    @overload
    def predict_proba(
        self, X: Any, method: str = "linear", *, return_confidence: Literal[True]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def predict_proba(
        self, X: Any, method: str = "linear", return_confidence: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores between 0 and 1, which PyOD calls probabilities. They are not calibrated.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
        method : {"linear", "unify"}, default="linear"
            "linear": the score on the scale from the lowest to the highest training score. "unify": the error function
            of the standardised score (Kriegel, Kröger, Schubert, Zimek, SDM 2011).
        return_confidence : bool, default=False
            Whether to return the confidence of each prediction, too. See `predict_confidence`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, 2)
            Columns: normal, anomalous. Each row sums to 1.
        confidence : ndarray of shape (n_samples,)
            Only with `return_confidence`.
        """
        scores = self.decision_function(X)
        trained = self.decision_scores_
        if method == "linear":
            # All training scores may be equal. Then, as in PyOD, their range counts as 1.
            anomalous = (scores - trained.min()) / (np.ptp(trained) or 1.0)
        elif method == "unify":
            anomalous = erf((scores - trained.mean()) / ((trained.std() or 1.0) * np.sqrt(2)))
        else:
            raise ValueError(f'method must be "linear" or "unify", but is {method!r}')
        anomalous = anomalous.clip(0, 1)
        probabilities = np.column_stack([1 - anomalous, anomalous])
        return (probabilities, self._confidence(scores)) if return_confidence else probabilities

    def predict_confidence(self, X: Any) -> NDArray[np.float64]:
        """How probably predictions stay the same with other training rows (Perini, Vercruyssen, Davis, ECML 2020).

        Returns
        -------
        confidence : ndarray of shape (n_samples,)
        """
        return self._confidence(self.decision_function(X))

    def _above(self, scores: NDArray[np.float64]) -> NDArray[np.int_]:
        return (scores > self.threshold_).astype(np.int_)

    def _confidence(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.stats import binom  # loading it takes longer than most fits

        rows = len(self.decision_scores_)
        at_or_below = np.searchsorted(np.sort(self.decision_scores_), scores, side="right")
        chance = (1 + at_or_below) / (2 + rows)
        flagged = 1 - binom.cdf(rows - int(rows * self.contamination), rows, chance)
        confidence: NDArray[np.float64] = np.where(scores > self.threshold_, flagged, 1 - flagged)
        return confidence
