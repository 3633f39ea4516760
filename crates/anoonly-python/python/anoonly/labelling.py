"""Labelling: answers about single rows, from which the ranking learns at once."""

from __future__ import annotations

import json
import operator
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._arguments import checked_seed, label_text, names, settings_json
from ._given_labels import is_name
from ._model import Model
from ._results import ExplainedRow
from ._tables import Table, TableLike, check_index, native_table
from .errors import SettingError

__all__ = ["LabellingPage", "LabellingSession", "Question", "label"]

Answer = Literal["anomaly", "normal", "unsure"]


@dataclass(frozen=True)
class Question:
    """A row to look at.

    Attributes
    ----------
    row : int
        The row of the table, counted from 0.
    ids : dict of str to object
        Its identifiers.
    score : float
        Its anomaly score: 0 is typical, and a row that scores 3 lies three standard deviations above.
    rank : int
        Its rank among all rows: 1 for the highest score.
    because : str
        Why it is asked: ``highest-score``, ``spread-out``, ``near-threshold`` or ``drawn-at-random``.
    """

    row: int
    ids: dict[str, Any]
    score: float
    rank: int
    because: str


def _opened(
    table: TableLike,
    *,
    method: str,
    label: str | None,
    anomaly: Any,
    label_name: str | None,
    id: str | Iterable[str] | None,
    drop: str | Iterable[str] | None,
    category: str | Iterable[str] | None,
    keep: str | Iterable[str] | Literal[True] | None,
    held_out: float | None,
    seed: int | None,
    query: str | None,
    journal: str | os.PathLike[str] | None,
    settings: Mapping[str, Any],
) -> _native.LabellingSession:
    if label is not None and not is_name(label):
        raise SettingError("label must be the name of a column here; add the labels to the table as one", setting="label")
    column = None if label is None else str(label)
    roles = {"id": names("id", id), "drop": names("drop", drop), "category": names("category", category)}
    check_index(table, [column, *roles["id"]])
    given = column is not None or label_name is not None or held_out is not None or seed is not None or bool(settings)
    native = native_table(table)
    apart = {column, *roles["id"], *roles["drop"]}
    roles["keep"] = [name for name in native.columns if name not in apart] if keep is True else names("keep", keep)
    return _native.LabellingSession.open(
        native,
        {
            "method": method,
            "settings": settings_json(settings),
            "label": column,
            "anomaly": None if anomaly is None else label_text(anomaly),
            "label_name": label_name,
            **roles,
            "held_out": None if held_out is None else float(held_out),
            "seed": None if seed is None else checked_seed(seed),
            "query": query,
            "journal": None if journal is None else os.fspath(journal),
            "resume": not given and not any(roles.values()) and method == _METHOD,
        },
    )


_METHOD = "pu-forest"

_OPEN: dict[Path, LabellingPage] = {}
"""The pages of this process by their journals."""


class _Labelled:
    """What a session and its page have in common."""

    def __init__(self, native: _native.LabellingSession) -> None:
        self._native = native
        self._last: tuple[NDArray[np.float64], list[dict[str, Any]]] | None = None

    def labels(self) -> NDArray[np.float64]:
        """The labels of all rows, from answers and from the table.

        Returns
        -------
        ndarray of float64, shape (rows,)
            1 for an anomaly, 0 for a normal row, NaN for an unlabelled one: what ``Detector.fit`` takes as labels.
        """
        if self._last is not None:
            return self._last[0]
        codes = self._native.labels()
        return np.where(codes < 0, np.nan, codes)

    def scores(self) -> NDArray[np.float32]:
        """The anomaly scores of all rows after the last fit, shape (rows,). Higher means more anomalous."""
        return self._native.scores()

    def answers(self) -> list[dict[str, Any]]:
        """The answers in the order in which they were given: row (counted from 0), answer, note, time, score and rank at that moment."""
        if self._last is not None:
            return self._last[1]
        answers: list[dict[str, Any]] = json.loads(self._native.answers())
        # The journal counts rows from 1.
        return [{**answer, "row": answer["row"] - 1} for answer in answers]

    def progress(self) -> dict[str, Any]:
        """How far the session is: rows, answered, anomalies, normals, unsure, what the next questions may find, and why it may end."""
        progress, message = json.loads(self._native.progress())
        return {**progress, "stop": message}

    def explain(self, row: int) -> ExplainedRow:
        """The contributions of the columns to the score of a row, counted from 0."""
        if row < 0:
            raise SettingError(f"no row {row}: rows are counted from 0", setting="row")
        return ExplainedRow._of(json.loads(self._native.explain(row)))

    def model(self) -> Model:
        """Fit a model with the answers."""
        return Model(self._native.model())

    def labelled_table(self, notes: str | None = None) -> Table:
        """The table with its labels, and with notes in a column of this name."""
        return Table(self._native.labelled_table(notes))

    def close(self) -> None:
        """End the session. ``labels`` and ``answers`` can still be asked for, and a journal keeps the answers."""
        if self._last is None:
            self._last = (self.labels(), self.answers())
        self._native.close()


class LabellingSession(_Labelled):
    """A session in which a program asks and answers.

    It needs no label to begin: the ranking starts without any, each question is a row that is worth an answer, and ``refit`` learns from
    yes and no.

    Parameters
    ----------
    table
        The rows, as for ``Detector.fit``.
    method
        The method; ``pu-forest`` is made for this.
    label, anomaly
        The label column, if the table has one, and the value that marks anomalies. Its labels count as answers.
    label_name
        The name of the label column of the labelled table, if the table has none; ``label`` by default.
    id, drop, category, keep
        What columns are used for, as for ``Detector.fit``.
    held_out
        The share of the rows without a label to hold out; they are never asked. 0.2 by default.
    seed
        The seed; 1 by default.
    query
        How rows are chosen: ``top``, ``diverse``, ``margin`` or ``random``, and with ``+0.1`` a tenth of them at random.
    journal
        A file that keeps every answer at once. If it exists, the session goes on where it ended.
    **settings
        Settings of the method.

    Examples
    --------
    >>> import anoonly
    >>> session = anoonly.LabellingSession(frame, id="id")  # doctest: +SKIP
    >>> for question in session.next(5):  # doctest: +SKIP
    ...     session.answer(question.row, "normal")
    >>> session.refit()  # doctest: +SKIP
    """

    def __init__(
        self,
        table: TableLike,
        *,
        method: str = _METHOD,
        label: str | None = None,
        anomaly: Any = None,
        label_name: str | None = None,
        id: str | Iterable[str] | None = None,
        drop: str | Iterable[str] | None = None,
        category: str | Iterable[str] | None = None,
        keep: str | Iterable[str] | Literal[True] | None = None,
        held_out: float | None = None,
        seed: int | None = None,
        query: str | None = None,
        journal: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(
            _opened(
                table, method=method, label=label, anomaly=anomaly, label_name=label_name, id=id, drop=drop, category=category,
                keep=keep, held_out=held_out, seed=seed, query=query, journal=journal, settings=settings,
            )
        )  # fmt: skip

    def next(self, count: int = 1) -> list[Question]:
        """At most `count` rows to look at. The same rows are returned until an answer or a fit changes something."""
        if count < 1:
            raise SettingError(f"count is {count}: at least one row is needed", setting="count")
        return [Question(**question) for question in self._native.next(count)]

    def answer(self, row: int, answer: Answer, note: str | None = None) -> None:
        """Answer about a row, counted from 0."""
        self.answer_all([(row, answer, note)])

    def answer_all(self, answers: Iterable[tuple[int, Answer, str | None]]) -> None:
        """Take several answers, each a row, an answer and a note: all of them or none."""
        given = [(operator.index(row), str(answer), note) for row, answer, note in answers]
        for row, answer, _ in given:
            if answer not in ("anomaly", "normal", "unsure"):
                raise SettingError(f"answer is {answer!r}: it must be anomaly, normal or unsure", setting="answer")
            if row < 0:
                raise SettingError(f"no row {row}: rows are counted from 0", setting="row")
        self._native.answer(given)

    def undo(self) -> int | None:
        """Take the last answer back. Returns its row, or None if there was no answer."""
        return self._native.undo()

    def refit(self) -> None:
        """Fit again with the answers."""
        self._native.refit()

    def __enter__(self) -> LabellingSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LabellingPage(_Labelled):
    """A session whose page is open; ``anoonly.label`` makes it.

    Answers come from the page, at any time. ``labels``, ``answers``, ``scores`` and ``model`` give what is known at the moment, and
    ``close`` ends the page.
    """

    def __init__(self, native: _native.LabellingSession, address: str) -> None:
        super().__init__(native)
        self.address = address
        """The address of the page on this computer. Whoever knows it can answer."""

    def open(self) -> bool:
        """Open the page in a browser of this computer. Returns whether that was possible."""
        return self._native.open_browser()

    def wait(self) -> None:
        """Wait until Ctrl-C, and close the page: for scripts, whose end would end the page."""
        try:
            while True:
                time.sleep(0.1)
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """End the page. ``labels`` and ``answers`` can still be asked for, and the journal keeps the answers."""
        for journal in [journal for journal, page in _OPEN.items() if page is self]:
            del _OPEN[journal]
        super().close()

    def __enter__(self) -> LabellingPage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<anoonly.LabellingPage at {self.address}>"

    def _repr_html_(self) -> str:
        address = escape(self.address)
        return (
            f'<p>The labelling page: <a href="{address}" target="_blank" rel="noopener">{address}</a></p>'
            "<p>Every answer is saved at once. <code>labels()</code> and <code>model()</code> give what is known so far; "
            "<code>close()</code> ends the page.</p>"
        )


def label(
    table: TableLike,
    *,
    method: str = _METHOD,
    label: str | None = None,
    anomaly: Any = None,
    label_name: str | None = None,
    id: str | Iterable[str] | None = None,
    drop: str | Iterable[str] | None = None,
    category: str | Iterable[str] | None = None,
    keep: str | Iterable[str] | Literal[True] | None = None,
    held_out: float | None = None,
    seed: int | None = None,
    query: str | None = None,
    name: str | None = None,
    journal: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    notes: str | None = None,
    port: int = 0,
    open: bool = True,
    **settings: Any,
) -> LabellingPage:
    """Open the labelling page for a table: it asks about rows, you answer, and the ranking follows.

    The page is served on this computer only. From another computer, such as the one that a notebook's browser runs on, forward the port:
    ``ssh -L PORT:127.0.0.1:PORT HOST``.

    Parameters
    ----------
    table, method, label, anomaly, label_name, id, drop, category, keep, held_out, seed, query
        As for ``LabellingSession``.
    name
        What the page calls the table: the name of its file, or ``table``.
    journal
        The file that keeps every answer at once; the name with ``.answers.jsonl`` by default. If it exists, the session goes on where it
        ended, with its settings if none are given.
    out
        Where the page writes the labelled table, .csv or .parquet, when it is asked to; the model goes beside it with the ending .anoonly.
    notes
        Also write the notes to the labelled table, as a column of this name.
    port
        The port; 0 for any that is free.
    open
        Whether to open the page in a browser of this computer.
    **settings
        Settings of the method.

    Returns
    -------
    LabellingPage
        A notebook shows it as a link. It replaces a page of this process with the same journal. A script keeps it with ``wait()``.
    """
    if not 0 <= port < 65536:
        raise SettingError(f"port is {port}: it must be from 0 to 65535", setting="port")
    shown = name or (Path(table).name if isinstance(table, (str, os.PathLike)) else "table")
    answers = Path(journal) if journal is not None else Path(f"{shown}.answers.jsonl")
    labelled = Path(out) if out is not None else Path(f"{Path(shown).stem}.labelled.csv")
    if labelled.suffix not in (".csv", ".parquet"):
        raise SettingError(f"out is {labelled}: its name must end in .csv or .parquet", setting="out")
    earlier = _OPEN.get(answers.absolute())
    if earlier is not None:
        earlier.close()
    native = _opened(
        table, method=method, label=label, anomaly=anomaly, label_name=label_name, id=id, drop=drop, category=category,
        keep=keep, held_out=held_out, seed=seed, query=query, journal=answers, settings=settings,
    )  # fmt: skip
    address = native.serve(shown, os.fspath(labelled), os.fspath(labelled.with_suffix(".anoonly")), notes, port)
    page = LabellingPage(native, address)
    _OPEN[answers.absolute()] = page
    if open:
        page.open()
    return page
