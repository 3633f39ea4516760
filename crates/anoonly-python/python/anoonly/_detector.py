"""Detectors before their fit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np

from . import _native
from ._arguments import checked_seed, label_text, names, settings_json, warn
from ._given_labels import Labels, check_apart, is_name, with_labels
from ._model import Model
from ._tables import TableLike, check_index, native_table
from .errors import SettingError

Progress = Callable[[int, int, int, int], object]
"""A function that is called with the member (counted from 0), the number of members, the epoch and the number of epochs."""


class Detector:
    """A method and how it is trained. ``fit`` makes a model of it.

    Parameters
    ----------
    method
        The name of the method; ``anoonly.methods()`` lists all. The default, ``quorum``, is the one to try first.
    strategy
        How to train a method that has a loss: ``anoonly`` uses only the loss of labelled anomalies, ``host`` the whole loss.
    members
        The number of members, which differ in their seeds and whose scores are averaged. The default is 5, or 1 for an untrained method.
    early_stopping
        Whether cross-validation over the labelled anomalies chooses the number of epochs.
    held_out
        The share of the rows without an anomaly label to hold out from the fit, at most 2000 rows. Their scores calibrate p-values and
        thresholds; with 0 there are none.
    seed
        The seed of weights, batches and held-out rows. The same seed and table give the same bits, whatever the number of threads.
    backend
        The backend of networks: ``flex`` or ``ndarray``, both on the processor.
    device
        The device of a backend that offers several.
    **settings
        Settings of the method by their names in ``anoonly.methods()`` and in configuration files, such as ``depth=4`` or
        ``recipe={"optimiser": {"learning_rate": 1e-3}}``.

    Examples
    --------
    >>> import anoonly
    >>> model = anoonly.Detector().fit(frame, label="fraud", id="id")  # doctest: +SKIP
    >>> flagged = frame[model.set_threshold(fpr=0.01).flag(frame)]  # doctest: +SKIP
    """

    def __init__(
        self,
        method: str = "quorum",
        *,
        strategy: Literal["anoonly", "host"] = "anoonly",
        members: int | None = None,
        early_stopping: bool = False,
        held_out: float = 0.2,
        seed: int = 1,
        backend: str = "flex",
        device: str | None = None,
        **settings: Any,
    ) -> None:
        if strategy not in ("anoonly", "host"):
            raise SettingError(f'strategy is {strategy!r}: it must be "anoonly" or "host"', setting="strategy")
        if members is not None and (not isinstance(members, (int, np.integer)) or members < 1):
            raise SettingError(f"members is {members!r}: it must be a whole number of at least 1", setting="members")
        if not isinstance(held_out, (int, float, np.integer, np.floating)):
            raise SettingError(f"held_out is {held_out!r}: it must be a number", setting="held_out")
        self.method = method
        self.strategy = strategy
        self.members = members
        self.early_stopping = early_stopping
        self.held_out = held_out
        self.seed = checked_seed(seed)
        self.backend = backend
        self.device = device
        self.settings = settings
        # The method and its settings are checked now, not only by a fit.
        _native.check_method(method, settings_json(settings))

    def __repr__(self) -> str:
        defaults = {"strategy": "anoonly", "members": None, "early_stopping": False, "held_out": 0.2, "seed": 1}
        own = {name: getattr(self, name) for name, default in defaults.items() if getattr(self, name) != default}
        given = "".join(f", {name}={value!r}" for name, value in {**own, **self.settings}.items())
        return f"anoonly.Detector({self.method!r}{given})"

    def fit(
        self,
        table: TableLike,
        *,
        label: Labels = None,
        anomaly: Any = None,
        id: str | Iterable[str] | None = None,
        drop: str | Iterable[str] | None = None,
        category: str | Iterable[str] | None = None,
        keep: str | Iterable[str] | Literal[True] | None = None,
        validate: bool = False,
        progress: Progress | bool | None = None,
    ) -> Model:
        """Fit on a table.

        Parameters
        ----------
        table
            The rows: a pandas, polars, pyarrow or DuckDB frame, or anything else with Arrow's PyCapsule interface; a NumPy array of shape
            (rows, columns), whose columns are named x0, x1, …; a dict of columns; or the path of a file. The index of a pandas frame is not
            used; ``reset_index()`` makes a column of it.
        label
            The label column, or one label for each row, shape (rows,). The values 1, true, yes, anomaly and outlier mark anomalies; 0,
            false, no, normal and inlier mark normal rows; missing values (None, NaN, empty text) are unlabelled rows. Without it, all
            rows are unlabelled.
        anomaly
            The value that marks anomalies; all other values are normal.
        id
            Identifier columns: not used as features, and shown beside the scores.
        drop
            Columns to ignore, whatever they hold.
        category
            Columns whose values are categories even if they look like numbers, such as postal codes.
        keep
            Columns to use although they look like row numbers, identifiers or time that goes on; True for all.
        validate
            Whether to estimate by cross-validation how well such a model ranks rows that it was not fitted on; the result is in
            ``Model.provenance["validation"]``.
        progress
            True for a line on standard error, or a function that is called with the member (counted from 0), the number of members, the
            epochs done and the number of epochs (0 for a method that is not trained). An exception that it raises ends the fit.

        Returns
        -------
        Model

        Raises
        ------
        TableError, LabelError, SettingError, FitError
            With the column, the row and the value as attributes.
        """
        ids, dropped = names("id", id), names("drop", drop)
        marker = None if anomaly is None else label_text(anomaly)
        column = str(label) if label is not None and is_name(label) else None
        needed = {column, *ids}
        native = native_table(table, drop=[name for name in dropped if name not in needed])
        if label is not None and column is None:
            assert not isinstance(label, (str, int))
            check_apart(table, label, [*ids, *dropped])
            column, native = with_labels(native, label)
        check_index(table, [column, *ids])
        kept = [name for name in native.columns if name not in {column, *ids, *dropped}] if keep is True else names("keep", keep)
        settings = {
            "method": self.method,
            "settings": settings_json(self.settings),
            "strategy": self.strategy,
            "members": self.members,
            "early_stopping": self.early_stopping,
            "held_out": float(self.held_out),
            "seed": self.seed,
            "backend": self.backend,
            "device": self.device,
            "label": column,
            "anomaly": marker,
            "id": ids,
            "drop": dropped,
            "category": names("category", category),
            "keep": kept,
            "validate": validate,
        }
        fitted, warnings = _native.fit(native, settings, _progress(progress))
        warn(warnings)
        return Model(fitted)


def _progress(progress: Progress | bool | None) -> Progress | None:
    if progress is None or progress is False:
        return None
    return FitLine() if progress is True else progress


class FitLine:
    """Shows on standard error how far a fit is."""

    def __init__(self) -> None:
        self.epochs: dict[int, int] = {}

    def __call__(self, member: int, members: int, epoch: int, epochs: int) -> None:
        self.epochs[member] = epoch
        done = sum(self.epochs.values())
        text = f"epoch {done} of {members * epochs}" if epochs else f"member {len(self.epochs)} of {members}"
        end = "\n" if done == members * epochs and len(self.epochs) == members else ""
        if sys.stderr.isatty():
            print(f"\r{text}", end=end, file=sys.stderr, flush=True)
        elif end:
            print(text, file=sys.stderr)
