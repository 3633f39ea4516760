"""The manner of scikit-learn: `AnomalyClassifier`, an estimator for pipelines, searches and cross-validation."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.metrics import average_precision_score
from sklearn.utils.validation import check_consistent_length, check_is_fitted

import anoonly

from ._estimator import TableEstimator
from ._labels import known_labels, labels_of_classes

__all__ = ["AnomalyClassifier"]

_USUAL_RATE = 0.05
"""The false-positive rate of `predict` if `fpr` is None."""


class AnomalyClassifier(ClassifierMixin, TransformerMixin, TableEstimator):  # type: ignore[misc]
    """Finds anomalies with few labels, as a binary classifier of scikit-learn.

    It is a classifier, not an `OutlierMixin`, because labels take part in the fit. Folds are stratified, and
    `GridSearchCV(scoring="average_precision")`, `cross_val_score` and `CalibratedClassifierCV` work as they are.

    Signs differ from scikit-learn's outlier detectors. There, -1 marks an outlier, and a low `decision_function` or
    `score_samples` means abnormal. Here, a high `decision_function` means anomalous, as everywhere in anoonly, and -1
    in `y` is a row that is confirmed as *normal*. To use labels of that kind, pass `y == -1`. There is no
    `score_samples`, because its sign would be misread; `transform` gives the raw scores. There is no `predict_proba`,
    because scores are not probabilities; `CalibratedClassifierCV` makes them.

    Parameters
    ----------
    method : str, default="quorum"
        A method that `anoonly.methods()` lists.
    strategy : {"anoonly", "host"}, default="anoonly"
        Which part of its loss a network is trained with.
    members : int or None, default=None
        Number of models that differ in their seeds and whose scores are averaged. None: 5 for a trained method, else 1.
    early_stopping : bool, default=False
        Whether to choose the number of epochs by cross-validation over the labelled anomalies.
    held_out : float, default=0.2
        Share of the rows without an anomaly label that are held out from the fit, at most 2000 rows. Their scores give
        the threshold of `predict` and the p-values of `model_`.
    fpr : float or None, default=None
        False-positive rate of `predict`: a row like the held-out rows is predicted anomalous with at most this
        probability. It is an error if there are too few held-out rows for a rate. None: 0.05, which needs 19 held-out
        rows. With fewer, the threshold lies above 95 % of all rows without an anomaly label, without a guarantee.
        Unlabelled anomalies are among the held-out rows, too. If their share is above the rate, most anomalies are
        missed, so choose a higher rate where more than a few percent of the rows are anomalies.
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
    model_ : anoonly.Model
        The model, with p-values, explanations and its file. Its `set_threshold` changes what `predict` returns.
    threshold_ : float
        The raw score that an anomaly exceeds, from the threshold of `model_`.
    classes_ : ndarray of shape (2,)
        The classes in sorted order. `classes_[1]` is the anomaly.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if the fit was on a data frame whose column names are strings.

    Notes
    -----
    A pickle of a fitted estimator contains the bytes of the model file, which run nothing. The rest of a pickle can run
    code, whoever made it: load only one that you trust, or use `model_.save(path)` and `anoonly.Model.load(path)`.

    With labels 0, 1 and -1, folds are stratified by all three, and `score` is the metric to search with. Labels with
    NaN cannot be stratified: write 0 for unlabelled rows, or pass folds such as `KFold()`.

    A fit uses all cores, so several fits at once are rarely faster. `anoonly.set_threads(1)` in each process leaves one
    thread to each.

    Examples
    --------
    >>> import numpy as np
    >>> from anoonly.sklearn import AnomalyClassifier
    >>> rng = np.random.default_rng(1)
    >>> X = np.concatenate([rng.normal(size=(300, 4)), rng.normal(4, size=(20, 4))])
    >>> y = np.zeros(320)
    >>> y[300:305] = 1  # five of the twenty anomalies are labelled
    >>> detector = AnomalyClassifier().fit(X, y)
    >>> detector.decision_function(X).shape
    (320,)
    """

    def __init__(
        self,
        method: str = "quorum",
        *,
        strategy: Literal["anoonly", "host"] = "anoonly",
        members: int | None = None,
        early_stopping: bool = False,
        held_out: float = 0.2,
        fpr: float | None = None,
        random_state: int | np.random.RandomState | None = 1,
        settings: dict[str, Any] | None = None,
        keep: str | list[str] | Literal[True] | None = True,
        category: str | list[str] | None = None,
        lenient: bool = False,
        backend: str = "flex",
        device: str | None = None,
    ) -> None:
        self.method = method
        self.strategy = strategy
        self.members = members
        self.early_stopping = early_stopping
        self.held_out = held_out
        self.fpr = fpr
        self.random_state = random_state
        self.settings = settings
        self.keep = keep
        self.category = category
        self.lenient = lenient
        self.backend = backend
        self.device = device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        method = _method(self.method)
        tags.target_tags.required = method["needs_labels"]
        tags.classifier_tags.multi_class = False
        # A method that looks at no label cannot learn which of two clusters the anomalies are.
        tags.classifier_tags.poor_score = method["kind"] == "unsupervised" or method["name"] == "mahalanobis"
        return tags

    def fit(self, X: Any, y: ArrayLike | None = None) -> AnomalyClassifier:
        """Fits a model and its threshold.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            A data frame (pandas, polars, pyarrow) may hold numbers, categories, texts, dates and missing values. An
            array holds numbers, with NaN where one is missing.
        y : array-like of shape (n_samples,), default=None
            Two classes: the second in sorted order is the anomaly, and the other one is unlabelled, not normal. NaN and
            None are unlabelled, too. With -1 beside 1, or beside 0 and 1, -1 is confirmed as normal. None: all rows are
            unlabelled.

        Returns
        -------
        self : AnomalyClassifier

        Raises
        ------
        ValueError
            If `y` has one class, more than two (other than -1, 0 and 1) or continuous values, or if the library refuses
            the table, the labels or a setting. The errors of the library are `anoonly.AnoonlyError`s.
        """
        table = self._features(X, reset=True)
        if y is None:
            if _method(self.method)["needs_labels"]:
                raise ValueError(f"the method {self.method!r} requires y to be passed, but the target y is None")
            labels, self.classes_ = None, np.array([0, 1])
        else:
            known, is_known = known_labels(y)
            check_consistent_length(X, is_known)
            labels, self.classes_ = labels_of_classes(known, is_known)
        self.model_ = self._fit_model(table, labels)
        self._set_threshold(table, labels)
        return self

    @property
    def threshold_(self) -> float:
        """The raw score that an anomaly exceeds. It follows the threshold of `model_`."""
        check_is_fitted(self)
        threshold = self.model_.threshold
        if threshold is None or threshold.score is None:
            raise ValueError("the threshold of model_ is not a single score: set one by fpr, share, score or max_f1")
        # The model flags scores at or above its threshold, and a decision must be above 0 for them.
        return float(np.nextafter(np.float32(threshold.score), np.float32(-np.inf)))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """How far the raw scores lie above the threshold.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            Higher is more anomalous. Above 0 exactly where `predict` gives `classes_[1]`.
        """
        return self._checked_scores(X).astype(np.float64) - self.threshold_

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of each row: `classes_[1]` for an anomaly.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        anomalous = self.decision_function(X) > 0
        classes: NDArray[Any] = self.classes_[anomalous.astype(np.intp)]
        return classes

    def transform(self, X: Any) -> NDArray[np.float64]:
        """The raw anomaly score as a feature, higher for more anomalous rows.

        Returns
        -------
        scores : ndarray or data frame of shape (n_samples, 1)
            A data frame if `set_output` asks for one. Its column is `anomaly_score`.
        """
        return self._checked_scores(X).astype(np.float64)[:, np.newaxis]

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """The name of the column that `transform` makes, `anomaly_score`.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the features, which must be those of the fit.
        """
        check_is_fitted(self)
        OneToOneFeatureMixin.get_feature_names_out(cast(Any, self), input_features)
        return np.array(["anomaly_score"], dtype=object)

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The average precision of the raw scores.

        Classifiers of scikit-learn return the accuracy here. With one anomaly among a hundred rows, it is 99 % for a
        classifier that finds none.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels as in `fit`. All rows but those of `classes_[1]` count as normal.
        sample_weight : array-like of shape (n_samples,), default=None
        """
        scores = self._checked_scores(X)
        known, is_known = known_labels(y)
        anomalous = np.zeros(len(is_known), dtype=bool)
        anomalous[is_known] = known == self.classes_[1]
        return float(average_precision_score(anomalous, scores, sample_weight=sample_weight))

    def _set_threshold(self, table: Any, labels: NDArray[np.float64] | None) -> None:
        """Sets the threshold of the model, by `fpr`."""
        try:
            self.model_.set_threshold(fpr=_USUAL_RATE if self.fpr is None else self.fpr)
        except (anoonly.NotCalibratedError, anoonly.SettingError):
            if self.fpr is not None:
                raise
            scores = self._scores(table)
            others = scores if labels is None else scores[labels != 1]
            highest = np.quantile(others, 1 - _USUAL_RATE, method="higher")
            self.model_.set_threshold(score=float(np.nextafter(np.float32(highest), np.float32(np.inf))))


def _method(name: str) -> dict[str, Any]:
    """What is known of a method. For a name that is none, which the fit refuses, what holds for the default method."""
    methods = anoonly.methods()
    found = [method for method in methods if isinstance(name, str) and method["name"] == name]
    return found[0] if found else _method("quorum")
