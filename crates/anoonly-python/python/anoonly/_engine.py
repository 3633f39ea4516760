"""What the adapters for Spark and Ray share: the columns to a worker and back, and the scores of one batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from anoonly import AnoonlyError, Model, SettingError, TableError

Batch = TypeVar("Batch", pa.RecordBatch, pa.Table)

RESULTS = {
    "score": pa.field("score", pa.float32(), nullable=False),
    "p_value": pa.field("p_value", pa.float64(), nullable=False),
    "flagged": pa.field("flagged", pa.bool_(), nullable=False),
}


@dataclass(frozen=True)
class Layout:
    """The columns on the way to a worker and back, each in order.

    Attributes
    ----------
    kept
        Columns of the input that the output starts with.
    scored
        Columns of the input that the model reads.
    results
        Columns that the scores add, with the keys of `RESULTS`.
    """

    kept: tuple[str, ...]
    scored: tuple[str, ...]
    results: tuple[str, ...]

    @property
    def needed(self) -> list[str]:
        """The columns of the input that a worker needs, each once."""
        return list(dict.fromkeys(self.kept + self.scored))


def loaded(model: Model | str | os.PathLike[str]) -> Model:
    """The model itself, or the model of a file."""
    return model if isinstance(model, Model) else Model.load(model)


def layout(model: Model, names: Sequence[str], columns: str | Sequence[str] | None, lenient: bool) -> Layout:
    """Checks the columns of a table of an engine, before any work, and chooses those of the output.

    Parameters
    ----------
    names
        The columns of the table.
    columns
        The columns to keep; see `anoonly.spark.score`.

    Raises
    ------
    TableError
        If a column is missing, occurs twice, or is kept and named like a result.
    SettingError
        If the model's threshold needs the whole table.
    """
    threshold = model.threshold
    if threshold is not None and threshold.score is None:
        raise SettingError(
            "a threshold by false-discovery rate depends on the p-values of the whole table, and a worker sees only a "
            "part of it; choose another with set_threshold, such as fpr=0.01, or flag rows by the p-values of all rows",
            setting="threshold",
        )
    if lenient:
        scored = [name for name in model.columns if name in names]
    else:
        scored = list(model.columns)
    for name in scored:
        if name not in names:
            advice = "add it, or treat its values as missing with lenient=True"
            raise TableError(f"no column `{name}`, which the model was fitted on; {advice}", column=name)
    kept = _kept(model, names, columns)
    results = ["score"]
    if model.has_p_values:
        results.append("p_value")
    if threshold is not None:
        results.append("flagged")
    for name in kept:
        if name not in names:
            raise TableError(f"no column `{name}` to keep; name the columns to keep with columns=", column=name)
        # Engines do not tell names apart that differ only in case.
        if name.casefold() in results:
            advice = "rename it, or name the columns to keep with columns="
            raise TableError(f"column `{name}` is named like a column of the results; {advice}", column=name)
    chosen = Layout(tuple(kept), tuple(scored), tuple(results))
    for name in chosen.needed:
        if list(names).count(name) > 1:
            raise TableError(f"more than one column is named `{name}`; rename all but one", column=name)
    return chosen


def _kept(model: Model, names: Sequence[str], columns: str | Sequence[str] | None) -> list[str]:
    if columns is None:
        return list(model.ids) or list(names)
    if columns == "all":
        return list(names)
    return [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))


def scores(model: Model, batch: Batch, layout: Layout, lenient: bool) -> Batch:
    """The kept columns of a batch and its results: as many rows, in the same order."""
    try:
        found = model.score_batch(batch.select(list(layout.scored)), lenient=lenient)
    except AnoonlyError as error:
        if error.row is not None:
            error.args = (f"{error} (rows are counted within a batch of {batch.num_rows} rows)",)
        raise
    values = {"score": found.score, "p_value": found.p_value, "flagged": found.flagged}
    kept: list[pa.Array] = [batch.column(name) for name in layout.kept]
    added: list[pa.Array] = [pa.array(values[name], RESULTS[name].type) for name in layout.results]
    fields = [batch.schema.field(name) for name in layout.kept] + [RESULTS[name] for name in layout.results]
    return type(batch).from_arrays([*kept, *added], schema=pa.schema(fields))
