"""What the manners of scikit-learn and PyOD share: features as they come, a seed, and the fit of a model."""

from __future__ import annotations

import numbers
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

import anoonly

_LARGEST_SEED = 2**31 - 1


class TableEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator of scikit-learn's interface whose features are an array or a data frame.

    A subclass stores the arguments of its constructor under their names, as scikit-learn demands.
    """

    method: str
    strategy: Literal["anoonly", "host"]
    members: int | None
    early_stopping: bool
    held_out: float
    random_state: int | np.random.RandomState | None
    settings: dict[str, Any] | None
    keep: str | list[str] | Literal[True] | None
    category: str | list[str] | None
    lenient: bool
    backend: str
    device: str | None

    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    model_: anoonly.Model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _features(self, X: Any, *, reset: bool) -> Any:
        """The features as a table that the library reads, after scikit-learn's checks of names and number of columns.

        A data frame passes through untouched, so that categories, texts, dates and missing values are read as such.
        Anything else becomes an array of floats, shape (rows, features). Its columns are named as in the fit, or else
        x0, x1 and so on.
        """
        if len(getattr(X, "shape", ())) == 2 and (hasattr(X, "columns") or hasattr(X, "__arrow_c_stream__")):
            X = validate_data(self, X, reset=reset, skip_check_array=True)
            if hasattr(self, "feature_names_in_") or not hasattr(X, "set_axis"):
                return X
            # A pandas frame whose columns have names other than strings. For scikit-learn, it has no names.
            return X.set_axis([f"x{column}" for column in range(self.n_features_in_)], axis=1)
        floats = (np.float64, np.float32)
        X = validate_data(self, X, reset=reset, dtype=floats, ensure_all_finite="allow-nan")
        if not hasattr(self, "feature_names_in_"):
            return X
        return {name: X[:, column] for column, name in enumerate(self.feature_names_in_)}

    def _fit_model(self, table: Any, labels: NDArray[np.float64] | None) -> anoonly.Model:
        """Fits a model. `labels` has shape (rows,): 1 is an anomaly, 0 is confirmed normal, NaN is unlabelled."""
        if isinstance(self.random_state, numbers.Integral):
            seed = int(self.random_state)
        else:
            seed = int(check_random_state(self.random_state).randint(_LARGEST_SEED))
        detector = anoonly.Detector(
            self.method,
            strategy=self.strategy,
            members=self.members,
            early_stopping=self.early_stopping,
            held_out=self.held_out,
            seed=seed,
            backend=self.backend,
            device=self.device,
            **(self.settings or {}),
        )
        # Named, the value leaves no doubt which rows are meant, even if most of them are anomalies.
        anomaly = 1 if labels is not None and (labels == 1).any() else None
        return detector.fit(table, label=labels, anomaly=anomaly, keep=self.keep, category=self.category)

    def _scores(self, table: Any) -> NDArray[np.float32]:
        """The scores of a table that `_features` returned, shape (rows,). A score does not depend on other rows."""
        return self.model_.score_batch(table, lenient=self.lenient).score

    def _checked_scores(self, X: Any) -> NDArray[np.float32]:
        """The scores of new features, shape (rows,)."""
        check_is_fitted(self)
        return self._scores(self._features(X, reset=False))
