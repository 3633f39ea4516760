"""Labels in the manners of scikit-learn and PyOD, as the library takes them."""

from __future__ import annotations

import numbers
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

import anoonly

_MOSTLY = 0.75
"""A share of anomalies above which the classes are probably the other way round."""

_NORMAL_WORDS = {"normal", "inlier", "no", "false", "ok", "good", "legit", "legitimate", "genuine", "regular", "benign"}
"""Names of classes that are not the anomalies."""


def known_labels(y: ArrayLike) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The labels that are not missing, and whether each label is known, shape (rows,). None, NaN and NA are missing.

    Objects become numbers, truth values or strings if all known labels are of one such kind.
    """
    if isinstance(y, (list, tuple)):
        # Otherwise, NumPy turns numbers beside strings into strings.
        y = np.array(y, dtype=object)
    column: NDArray[Any] = column_or_1d(y, warn=True)
    if column.dtype.kind != "O":
        is_known = ~np.isnan(column) if column.dtype.kind == "f" else np.ones(len(column), dtype=bool)
        return column[is_known], is_known
    is_known = np.array([not _is_missing(label) for label in column.tolist()], dtype=bool)
    known = column[is_known]
    if len({_kind(label) for label in known.tolist()}) == 1:
        known = np.array(known.tolist())
    return known, is_known


def labels_of_classes(known: NDArray[Any], is_known: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """The labels of a classifier (1 anomaly, 0 confirmed normal, NaN unlabelled), shape (rows,), and its two classes.

    The arguments are what `known_labels` returns.
    """
    classes = _classes(known, all_known=bool(is_known.all()))
    labels = np.full(len(is_known), np.nan)
    labels[is_known] = np.where(known == classes[1], 1.0, np.nan)
    if _is_signed(known):
        labels[np.flatnonzero(is_known)[known == -1]] = 0.0
        if np.mean(labels == 1) > 0.5:
            warnings.warn(
                "more than half of the rows are labelled 1, which means anomalous here, and -1 means confirmed normal; "
                "scikit-learn's outlier detectors mean the reverse, and for labels of theirs, pass y == -1",
                anoonly.AnoonlyWarning,
                stacklevel=3,
            )
    elif np.mean(labels == 1) > _MOSTLY:
        warnings.warn(
            f"more than three quarters of the rows are of class {classes[1].item()!r}, which is taken as the anomaly because it is the "
            f"second in sorted order; if {classes[0].item()!r} is the anomaly, pass y == {classes[0].item()!r}",
            anoonly.AnoonlyWarning,
            stacklevel=3,
        )
    return labels, classes


def _is_signed(known: NDArray[Any]) -> bool:
    """Whether -1 is among the labels and means confirmed normal."""
    return known.dtype.kind in "if" and bool(np.isin(known, [-1, 0, 1]).all() and (known == -1).any())


def _classes(known: NDArray[Any], *, all_known: bool) -> NDArray[Any]:
    """The class of unlabelled or confirmed normal rows and the class of anomalies, from the labels that are known."""
    if len(known) == 0:
        raise ValueError("every label in y is missing, so no class is known: pass y=None to fit without labels")
    if known.dtype.kind == "f" and np.isinf(known).any():
        raise ValueError("Input y contains infinity")
    check_classification_targets(known)
    found: NDArray[Any] = np.unique(known)
    if len(found) == 1 and not all_known and known.dtype.kind in "biuf" and found[0] == 1:
        return np.array([0, 1], dtype=known.dtype)
    if len(found) == 1:
        raise ValueError(
            f"y holds only one class, {found[0].item()!r}, but a class of anomalies and another one are needed: "
            "pass y=None to fit without labels"
        )
    if _is_signed(known) and found[-1] != 1:
        raise ValueError(
            "y holds -1, which is confirmed normal, and 0, which is unlabelled, but no anomaly, which is 1"
        )
    if len(found) > 2 and not _is_signed(known):
        raise ValueError(
            f"Only binary classification is supported. The type of the target is {type_of_target(known)}. "
            "The only three classes that y may have are -1, 0 and 1."
        )
    if str(found[-1]).lower() in _NORMAL_WORDS:
        raise ValueError(
            f"the class of anomalies is the second in sorted order, which is {found[-1].item()!r} here: "
            f"pass y == {found[0].item()!r}"
        )
    return found[-2:]


def labels_of_numbers(known: NDArray[Any], is_known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The labels of a detector (1 anomaly, 0 confirmed normal, NaN unlabelled), shape (rows,).

    The arguments are what `known_labels` returns.
    """
    if known.dtype.kind in "biuf":
        valid = np.isin(known, [-1, 0, 1])
    else:
        valid = np.array([isinstance(label, numbers.Real) and label in (-1, 0, 1) for label in known.tolist()])
    if not valid.all():
        first = int(np.argmin(valid))
        row, value = int(np.flatnonzero(is_known)[first]) + 1, str(known[first])
        raise anoonly.LabelError(
            f"y, row {row}: {value} is no label; 1 is an anomaly, 0 or NaN is unlabelled, and -1 is confirmed normal",
            row=row,
            value=value,
        )
    labels = np.full(len(is_known), np.nan)
    labels[is_known] = np.select([known == 1, known == -1], [1.0, 0.0], np.nan)
    return labels


def _is_missing(label: object) -> bool:
    return label is None or type(label).__name__ == "NAType" or bool(label != label)


def _kind(label: object) -> type:
    kinds = (bool, str, numbers.Number)
    return next((kind for kind in kinds if isinstance(label, kind)), type(label))
