"""Fitted models."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _html, _native
from ._arguments import label_text, warn
from ._given_labels import Labels, labelled
from ._results import BatchScores, Evaluation, Explanation, Threshold
from ._tables import Table, TableLike, is_empty, native_table
from .errors import SettingError


def _score_line(rows: int) -> Any:
    """A function that shows on standard error how many rows are scored."""

    def show(done: int) -> None:
        if sys.stderr.isatty() or done == rows:
            print(f"\r{done} of {rows} rows", end="\n" if done == rows else "", file=sys.stderr, flush=True)

    return show


class Model:
    """A detector fitted on a table, with its whole pipeline: columns, encodings, scaling, members, held-out scores, threshold.

    ``Detector.fit`` makes models, and ``Model.load`` reads them. A model never changes but for its threshold.

    Every method takes tables with the columns of the training table, in any order, from any library (see ``Detector.fit``). A column
    that is missing, a value of another kind and a category that no training row had are errors, unless ``lenient`` is true: then they
    count as missing values. Without ``lenient``, a table where half of the rows lie outside of what the training rows held is an
    error, too.

    Pickling a model stores the bytes of its model file, in which nothing runs.
    """

    def __init__(self, native: _native.Model) -> None:
        self._native = native
        self._known: tuple[_native.Model, dict[str, Any]] | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read a model file, which ``save`` or the command has written."""
        return cls(_native.Model.load(os.fspath(path)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """Read the bytes of a model file."""
        return cls(_native.Model.from_bytes(data))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file, completely or not at all. The command reads it, too."""
        self._native.save(os.fspath(path))

    def to_bytes(self) -> bytes:
        """The bytes of the file that ``save`` writes."""
        return self._native.to_bytes()

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.to_bytes(),)

    def score(self, table: TableLike, *, lenient: bool = False, progress: Any = None) -> NDArray[np.float32]:
        """Score the rows of a table.

        Parameters
        ----------
        table
            The rows.
        lenient
            Whether to accept what the training table did not hold.
        progress
            True for a line on standard error, or a function that is called with the number of rows done.

        Returns
        -------
        ndarray of float32, shape (rows,)
            Anomaly scores, in the order of the rows. Higher means more anomalous: a typical training row scores 0, and a row that scores
            3 lies three standard deviations above.
        """
        native = self._table(table)
        return self._scores(native, lenient, _score_line(native.rows) if progress is True else progress or None)

    def _needed(self) -> list[str]:
        return [*self.columns, *self.ids]

    def _table(self, table: TableLike) -> _native.Table:
        """The columns of a table that the model needs, and its identifiers."""
        return native_table(table, only=self._needed())

    def _scores(self, table: _native.Table, lenient: bool, progress: Any = None) -> NDArray[np.float32]:
        scores, _, warnings = self._native.score(table, lenient, False, progress)
        warn(warnings, stacklevel=4)
        return scores

    def p_values(self, table: TableLike, *, lenient: bool = False) -> NDArray[np.float64]:
        """The conformal p-values of the rows of a table.

        Returns
        -------
        ndarray of float64, shape (rows,)
            For each row, the share of the held-out rows that score at least as high, counting the row itself.

        Raises
        ------
        NotCalibratedError
            If the model has no held-out rows.
        """
        return self._native.p_values(self._scores(self._table(table), lenient))

    def flag(self, table: TableLike, *, lenient: bool = False) -> NDArray[np.bool_]:
        """Which rows of a table are flagged by the threshold.

        Returns
        -------
        ndarray of bool, shape (rows,)

        Raises
        ------
        SettingError
            If the model has no threshold.
        """
        self._needs_threshold()
        flags = self._native.flags(self._scores(self._table(table), lenient))
        assert flags is not None
        return flags

    def _needs_threshold(self) -> None:
        if self.threshold is None:
            raise SettingError("the model has no threshold; choose one with set_threshold, such as fpr=0.01", setting="threshold")

    def score_batch(self, table: TableLike, *, lenient: bool = False) -> BatchScores:
        """Scores, p-values and flags of a part of a table, in one pass.

        A part need not be like the training rows, so that is not checked. A threshold by false-discovery rate cannot flag parts.
        """
        threshold = self.threshold
        if threshold is not None and threshold.score is None:
            raise SettingError(
                "a threshold by false-discovery rate looks at all rows of a table together and cannot flag a part of one; choose "
                "another with set_threshold, such as fpr=0.01",
                setting="threshold",
            )
        calibrated = self.has_p_values
        if is_empty(table):
            scores = np.zeros(0, dtype=np.float32)
        else:
            scores, _, _ = self._native.score(self._table(table), lenient, True, None)
        return BatchScores(scores, self._native.p_values(scores) if calibrated else None, self._native.flags(scores))

    def ranked(self, table: TableLike, *, top: int | None = None, lenient: bool = False) -> Table:
        """The rows of a table with the highest scores first.

        Parameters
        ----------
        table
            The rows.
        top
            How many rows; None for all.
        lenient
            Whether to accept what the training table did not hold.

        Returns
        -------
        Table
            The identifier columns (or the row number, counted from 1), ``score``, ``rank``, ``p_value`` if the model has held-out rows,
            and ``flagged`` if it has a threshold.
        """
        if top is not None and top < 1:
            raise SettingError("top must be at least 1", setting="top")
        native = self._table(table)
        return Table(self._native.ranked(native, self._scores(native, lenient), top))

    @property
    def threshold(self) -> Threshold | None:
        """The threshold, or None."""
        facts = self._facts["threshold"]
        return None if facts is None else Threshold._of(facts)

    def set_threshold(
        self,
        *,
        fpr: float | None = None,
        share: float | None = None,
        fdr: float | None = None,
        score: float | None = None,
        max_f1: TableLike | None = None,
        label: Labels = None,
        anomaly: Any = None,
        lenient: bool = False,
    ) -> Model:
        """Choose which rows are flagged, by one rule. The fit is not repeated.

        Parameters
        ----------
        fpr
            False-positive rate: a row like the held-out rows is flagged with at most this probability.
        share
            Flag at most this share of the rows that are like the held-out rows.
        fdr
            False-discovery rate: at most this share of the flagged rows of a table is expected to be like the held-out rows.
        score
            Flag rows that score at least this.
        max_f1
            Use the threshold with the best F1 on this table, whose labels are `label`.
        label, anomaly, lenient
            The label column of `max_f1` or one label for each of its rows, the value that marks anomalies in it, and whether to accept what the training table did not hold.

        Returns
        -------
        Model
            This model.
        """
        rules: dict[str, Any] = {"fpr": fpr, "share": share, "fdr": fdr, "score": score, "max_f1": max_f1}
        given = [name for name, value in rules.items() if value is not None]
        if len(given) != 1:
            raise SettingError("name one rule: fpr=, share=, fdr=, score= or max_f1=", setting="threshold")
        if max_f1 is not None:
            if label is None:
                raise SettingError("max_f1 needs the label column of its table: name it with label=", setting="label")
            marker = None if anomaly is None else label_text(anomaly)
            column, native = labelled(max_f1, label, self._needed())
            self._native, warnings = self._native.with_max_f1(native, column, marker, lenient)
            warn(warnings)
        else:
            self._native = self._native.with_threshold(given[0], float(rules[given[0]]))
        return self

    def explain(self, table: TableLike, *, top: int = 20, lenient: bool = False) -> Explanation:
        """Explain the rows of a table with the highest scores by the contributions of their columns.

        Parameters
        ----------
        table
            The rows.
        top
            How many rows to explain.
        lenient
            Whether to accept what the training table did not hold.
        """
        if top < 1:
            raise SettingError("top must be at least 1", setting="top")
        rows, warnings = self._native.explain(self._table(table), top, lenient)
        warn(warnings)
        return Explanation(json.loads(rows), *self._native.explained_by())

    def evaluate(self, table: TableLike, label: Labels, *, anomaly: Any = None, lenient: bool = False) -> Evaluation:
        """Metrics on a table with labels that the model was not fitted on. Unlabelled rows are ignored.

        Parameters
        ----------
        table
            The rows.
        label
            The label column, or one label for each row.
        anomaly
            The value that marks anomalies; all other values are normal. Without it, 1, true, yes, anomaly and outlier mark anomalies.
        lenient
            Whether to accept what the training table did not hold.
        """
        marker = None if anomaly is None else label_text(anomaly)
        column, native = labelled(table, label, self._needed())
        facts, warnings = self._native.evaluate(native, column, marker, lenient)
        warn(warnings)
        return Evaluation(json.loads(facts))

    def to_onnx(self, path: str | os.PathLike[str] | None = None, *, matrix: bool = False) -> bytes:
        """The model as an ONNX graph, which is also written to `path`.

        Parameters
        ----------
        matrix
            Take all columns as one matrix `input` instead of one input per column. All columns must be numbers or truth values.

        Raises
        ------
        NotExportableError
            If the method has no ONNX form, or a column does not fit into a matrix.
        """
        return self._native.to_onnx(None if path is None else os.fspath(path), matrix)

    @property
    def _facts(self) -> dict[str, Any]:
        if self._known is None or self._known[0] is not self._native:
            self._known = (self._native, json.loads(self._native.facts()))
        return self._known[1]

    @property
    def method(self) -> str:
        """The name of the method."""
        return str(self._facts["method"])

    @property
    def ids(self) -> list[str]:
        """The identifier columns."""
        return list(self._facts["ids"])

    @property
    def columns(self) -> list[str]:
        """The columns that scoring needs, without identifiers."""
        return [column["name"] for column in self._facts["columns"]]

    @property
    def has_p_values(self) -> bool:
        """Whether the model has held-out rows, which p-values and thresholds by rate need."""
        return bool(self._facts["has_p_values"])

    @property
    def provenance(self) -> dict[str, Any]:
        """The training table of the model and how it was used."""
        return dict(self._facts["provenance"])

    def _column_rows(self) -> list[list[str]]:
        facts = self._facts
        used = [
            [column["name"], ", ".join(filter(None, [column["kind"], column["notation"]])), column["becomes"],
             "; ".join(column["notes"])]
            for column in facts["columns"]
        ]
        return used + [[left["column"], "", "left out", left["reason"]] for left in facts["provenance"]["left_out"]]

    def _headline(self) -> str:
        facts = self._facts
        counts = facts["provenance"]["counts"]
        strategy = f" ({facts['strategy']})" if facts["takes_strategy"] else ""
        return (
            f"{facts['title']}{strategy}, {facts['members']} member{'s' if facts['members'] != 1 else ''}, fitted on "
            f"{counts['rows']} rows: {counts['anomalies']} labelled anomalies, {counts['normal']} normal, "
            f"{counts['unlabelled']} unlabelled; {counts['held_out']} held out; {counts['filled']} missing values filled in"
        )

    def _threshold_line(self) -> str:
        threshold = self.threshold
        return "no threshold" if threshold is None else f"threshold: {threshold.promise}"

    def summary(self) -> str:
        """What was made of the columns of the training table, and what the model is, as text."""
        header = ["column", "read as", "becomes", "note"]
        rows = [header, *self._column_rows()]
        widths = [max(len(row[place]) for row in rows) for place in range(len(header))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join([self._headline(), *lines, self._threshold_line()])

    def __repr__(self) -> str:
        return f"<anoonly.Model: {self._headline()}; {self._threshold_line()}>"

    def _repr_html_(self) -> str:
        from html import escape

        columns = _html.table(["column", "read as", "becomes", "note"], self._column_rows())
        return f"<p>{escape(self._headline())}</p>{columns}<p>{escape(self._threshold_line())}</p>"


def _unpickled(data: bytes) -> Model:
    """The model of a pickle, which names this function and nothing else: a class method would be named by way of `getattr`."""
    return Model.from_bytes(data)
