"""What models give back: thresholds, metrics and explanations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from . import _html


class BatchScores(NamedTuple):
    """What a model says of a part of a table.

    Attributes
    ----------
    score : ndarray of float32, shape (rows,)
        Anomaly scores. Higher means more anomalous.
    p_value : ndarray of float64, shape (rows,), or None
        Conformal p-values; None if the model has no held-out rows.
    flagged : ndarray of bool, shape (rows,), or None
        Whether each row reaches the threshold; None without a threshold.
    """

    score: NDArray[np.float32]
    p_value: NDArray[np.float64] | None
    flagged: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Threshold:
    """The rule by which a model flags rows."""

    rule: str
    """The rule: ``fpr``, ``share``, ``fdr``, ``max_f1`` or ``score``."""
    value: float | None
    """The rate or share of the rule, or the F1 that it had."""
    score: float | None
    """Rows that score at least this are flagged. None for ``fdr``, which looks at all rows of a table together."""
    promise: str
    """The guarantee of the rule."""

    @classmethod
    def _of(cls, facts: dict[str, Any]) -> Threshold:
        names = {
            "false-positive-rate": "fpr",
            "share": "share",
            "false-discovery-rate": "fdr",
            "max-f1": "max_f1",
            "score": "score",
        }
        rule = facts["rule"]
        (kind, value) = next(iter(rule.items())) if isinstance(rule, dict) else (rule, facts["score"])
        return cls(names[kind], value["f1"] if isinstance(value, dict) else value, facts["score"], facts["promise"])


@dataclass(frozen=True)
class Interval:
    """A metric with its 95 % interval."""

    estimate: float
    low: float
    high: float

    def __float__(self) -> float:
        return self.estimate

    def __str__(self) -> str:
        return f"{self.estimate:.4f} ({self.low:.4f} to {self.high:.4f})"


def _interval(value: dict[str, float] | None) -> Interval | None:
    return None if value is None else Interval(value["estimate"], value["low"], value["high"])


class Evaluation:
    """Metrics of a model on labelled rows.

    Attributes
    ----------
    rows, anomalies : int
        The number of labelled rows, and of anomalies among them.
    trained_on : bool
        Whether the model was fitted on these rows. Metrics are too good then.
    auroc, average_precision : Interval
        The area under the receiver operating characteristic, and average precision, with 95 % bootstrap intervals.
    precision_at_anomalies : float
        The precision among as many of the highest rows as there are anomalies.
    best_f1 : float
        The best F1 of any threshold on these same rows.
    flagged, flagged_anomalies : int or None
        The number of rows that the threshold flags, and of anomalies among them; None without a threshold.
    false_positive_rate, recall, precision : Interval or None
        At the threshold; None without one.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self.rows: int = facts["rows"]
        self.anomalies: int = facts["anomalies"]
        self.trained_on: bool = facts["trained_on"]
        self.auroc = Interval(**facts["auroc"])
        self.average_precision = Interval(**facts["average_precision"])
        self.precision_at_anomalies: float = facts["precision_at_anomalies"]
        self.best_f1: float = facts["best_f1"]
        at = facts["at_threshold"] or {}
        self.flagged: int | None = at.get("flagged")
        self.flagged_anomalies: int | None = at.get("flagged_anomalies")
        self.false_positive_rate = _interval(at.get("false_positive_rate"))
        self.recall = _interval(at.get("recall"))
        self.precision = _interval(at.get("precision"))

    def to_dict(self) -> dict[str, Any]:
        """All metrics as plain values."""
        return dict(self._facts)

    def _lines(self) -> list[tuple[str, str]]:
        lines = [
            ("labelled rows", str(self.rows)),
            ("anomalies", str(self.anomalies)),
            ("AUROC", str(self.auroc)),
            ("average precision", str(self.average_precision)),
            (f"precision at {self.anomalies}", f"{self.precision_at_anomalies:.4f}"),
            ("best F1", f"{self.best_f1:.4f}"),
        ]
        if self.flagged is not None:
            lines.append(("flagged", f"{self.flagged}, {self.flagged_anomalies} of them anomalies"))
        for name, value in [
            ("false-positive rate", self.false_positive_rate),
            ("recall", self.recall),
            ("precision", self.precision),
        ]:
            if value is not None:
                lines.append((name, str(value)))
        return lines

    def __repr__(self) -> str:
        return "\n".join(f"{name:20}{value}" for name, value in self._lines())

    def _repr_html_(self) -> str:
        return _html.table(["metric", "value (95 % interval)"], self._lines())


@dataclass(frozen=True)
class Contribution:
    """The contribution of a column to the score of a row.

    Attributes
    ----------
    column : str
        The column.
    value : object
        Its value in the row; None if it is missing.
    contribution : float
        In units of the score. Above 0, the column makes the row more anomalous than a typical row, below 0 less.
    context : dict, or None
        Where the value lies among the training rows, or None if the model does not know. ``text`` says it in words, as ``above 99.8 %``. A
        number has the shares of training rows with a smaller value, ``lower``, the same, ``equal``, and a larger one, ``higher``. They are
        bounds that hold for a number that the model does not keep, and ``equal`` is None then. A category or truth value has its ``share``
        and its number of ``rows``, a date a list of ``parts``, and a missing value the ``share`` of training rows without one. ``kind`` is
        ``number``, ``category``, ``date`` or ``missing``.
    """

    column: str
    value: Any
    contribution: float
    context: dict[str, Any] | None = None

    @property
    def place(self) -> str:
        """Where the value lies among the training rows, in words; empty if the model does not know."""
        return self.context["text"] if self.context else ""


@dataclass(frozen=True)
class ExplainedRow:
    """A row and the contributions of its columns to its score.

    Attributes
    ----------
    rank : int
        Its rank among all rows: 1 for the highest score.
    row : dict of str to object
        Its identifiers, or its row number.
    score : float
        Its score.
    baseline : float
        The score of a typical training row, to which the contributions are relative.
    contributions : list of Contribution
        One for each column, the largest absolute value first. With the remainder, they add up to ``score - baseline``.
    remainder : float
        What the contributions do not explain.
    """

    rank: int
    row: dict[str, Any]
    score: float
    baseline: float
    contributions: list[Contribution]
    remainder: float

    @classmethod
    def _of(cls, facts: dict[str, Any]) -> ExplainedRow:
        parts = [Contribution(**part) for part in facts["contributions"]]
        row = dict(facts["row"])
        return cls(facts["rank"], row, facts["score"], facts["baseline"], parts, facts["remainder"])


class Explanation(Sequence[ExplainedRow]):
    """The rows with the highest scores, and why they have them. In a notebook, it is shown with a bar for each contribution."""

    def __init__(self, rows: list[dict[str, Any]], method: str, description: str) -> None:
        self._facts = rows
        self._rows = [ExplainedRow._of(row) for row in rows]
        self.method = method
        """How the contributions were computed: the name of the method, with its source."""
        self.description = description
        """What the contributions are, in words."""

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> ExplainedRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[ExplainedRow]: ...
    def __getitem__(self, index: int | slice) -> ExplainedRow | list[ExplainedRow]:
        return self._rows[index]

    def __iter__(self) -> Iterator[ExplainedRow]:
        return iter(self._rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain values."""
        return [{**row, "row": dict(row["row"])} for row in self._facts]

    def __repr__(self) -> str:
        def line(row: ExplainedRow) -> str:
            parts = (f"{part.column} = {_placed(part)} ({part.contribution:+.2f})" for part in row.contributions[:3])
            return f"{row.rank}. {_name(row)}: score {row.score:.2f}: {'; '.join(parts)}"

        return "\n".join(line(row) for row in self._rows)

    def _repr_html_(self) -> str:
        sizes = [abs(part.contribution) for row in self._rows for part in row.contributions]
        largest = max([size for size in sizes if math.isfinite(size)], default=0.0) or 1.0

        def section(row: ExplainedRow) -> str:
            lines = "".join(
                f"<tr><td>{escape(part.column)}</td><td>{escape(_shown(part.value))}</td><td>{escape(part.place)}</td>"
                f"<td>{part.contribution:+.2f}</td><td>{_html.bar(part.contribution / largest)}</td></tr>"
                for part in row.contributions[:10]
            )
            head = f"{row.rank}. {escape(_name(row))}: score {row.score:.2f}"
            return f"<details{' open' if row is self._rows[0] else ''}><summary>{head}</summary><table>{lines}</table></details>"

        about = (
            f"<p>Contributions of columns to the score, relative to a typical training row: {escape(self.method)}. "
            f"{escape(self.description)} They show what the model looks at, not what causes an anomaly. The third column says where "
            "the value lies among the training rows.</p>"
        )
        return about + "".join(section(row) for row in self._rows)


def _name(row: ExplainedRow) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in row.row.items())


def _placed(part: Contribution) -> str:
    return f"{_shown(part.value)}, {part.place}" if part.place else _shown(part.value)


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
