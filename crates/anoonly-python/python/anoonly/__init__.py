"""Anomaly detection in tables with few labels or none.

    import anoonly
    model = anoonly.Detector().fit(frame, label="fraud", id="id")
    model.set_threshold(fpr=0.01)
    flagged = frame[model.flag(frame)]

``anoonly.sklearn`` and ``anoonly.pyod`` have the same in the manner of scikit-learn and PyOD; ``anoonly.spark`` and ``anoonly.ray`` score
the data frames of these engines.
"""

from __future__ import annotations

import atexit
import json
from typing import Any

from . import _native
from ._detector import Detector
from ._model import Model
from ._results import BatchScores, Contribution, Evaluation, ExplainedRow, Explanation, Interval, Threshold
from ._tables import Table, read_table
from .errors import (
    AnoonlyError,
    AnoonlyWarning,
    FitError,
    JournalError,
    LabelError,
    ModelFileError,
    NotCalibratedError,
    NotExportableError,
    SettingError,
    TableError,
)
from .labelling import LabellingPage, LabellingSession, Question, label

__version__: str = _native.__version__

# The memory of a table may belong to a library that ends with the process.
atexit.register(_native.wait_for_given_up_work, 2.0)

__all__ = [
    "AnoonlyError",
    "AnoonlyWarning",
    "BatchScores",
    "Contribution",
    "Detector",
    "Evaluation",
    "ExplainedRow",
    "Explanation",
    "FitError",
    "Interval",
    "JournalError",
    "LabelError",
    "LabellingPage",
    "LabellingSession",
    "Model",
    "ModelFileError",
    "NotCalibratedError",
    "NotExportableError",
    "Question",
    "SettingError",
    "Table",
    "TableError",
    "Threshold",
    "label",
    "methods",
    "read_table",
    "set_threads",
]


def methods() -> list[dict[str, Any]]:
    """The methods, each with its name, title, kind and source, whether it needs a labelled anomaly, and its settings."""
    found: list[dict[str, Any]] = json.loads(_native.methods())
    return found


def set_threads(threads: int | None) -> None:
    """Set the number of threads that compute, from the next call on; None for one for each core. Results do not depend on it."""
    if threads is not None and threads < 1:
        raise SettingError(f"threads is {threads}: at least one is needed", setting="threads")
    _native.set_threads(threads)
