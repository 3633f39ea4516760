"""A made-up table with few labels, which tests of several files fit on."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

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


X, ANOMALOUS = made()
Y = few(ANOMALOUS)
GAPS = np.where(Y == 1, 1.0, np.nan)
SIGNED = np.where(np.arange(len(Y)) < 30, -1, Y)
