"""Score data frames of Apache Spark.

    from anoonly import spark

    scores = spark.score(frame, "model.anoonly")

Each Python worker of Spark reads the model once and scores batches as Arrow tables. anoonly must be installed on the
workers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
from pyspark.sql.functions import col
from pyspark.sql.types import BooleanType, DoubleType, FloatType, StructField, StructType

import anoonly
from anoonly import Model, _engine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["score"]

_TYPES = {"score": FloatType(), "p_value": DoubleType(), "flagged": BooleanType()}


def score(
    frame: DataFrame,
    model: Model | str | os.PathLike[str],
    *,
    columns: str | Sequence[str] | None = None,
    lenient: bool = False,
    threads: int = 1,
) -> DataFrame:
    """Scores each row of a data frame. Lazy, as transformations of Spark are.

    The scores are those of `anoonly score`, to the last bit, however the rows are divided into partitions and batches.

    Parameters
    ----------
    frame
        The rows, with the columns that the model was fitted on. Works with Spark Connect, too.
    model
        A model or the path of its file, which only the driver reads.
    columns
        The columns of the frame to keep: a name, a list of names, or "all". By default, the identifiers of the model,
        or all columns if the model has no identifiers.
    lenient
        Treat missing columns and values of the wrong kind as missing, and accept unknown categories.
    threads
        The number of threads of a worker. A value above 1 needs as many cores a task: `spark.task.cpus`.

    Returns
    -------
    DataFrame
        The kept columns as they are, then `score` (float), `p_value` (double; if the model has held-out rows) and
        `flagged` (boolean; if the model has a threshold), which are never null. As many rows as the frame.

    Raises
    ------
    TableError
        If the frame lacks a column, or a kept column is named like one of the results. Values that do not fit their
        column are found when Spark computes the scores: it raises a `PythonException` with the message, which names the
        column.
    SettingError
        If the threshold keeps a false-discovery rate: this depends on the scores of all rows together.
    """
    opened = _engine.loaded(model)
    layout = _engine.layout(opened, frame.columns, columns, lenient)
    kept = [next(part for part in frame.schema.fields if part.name == name) for name in layout.kept]
    results = [StructField(name, _TYPES[name], nullable=False) for name in layout.results]
    # mapInArrow does not accept names with dots, so that columns travel by their place.
    quoted = ["`" + name.replace("`", "``") + "`" for name in layout.needed]
    needed = frame.select([col(name).alias(f"c{place}") for place, name in enumerate(quoted)])
    run = partial(_partition, _source(frame, opened.to_bytes()), layout, lenient, threads)
    return needed.mapInArrow(run, StructType(kept + results))


class _Broadcast(Protocol):
    @property
    def value(self) -> bytes: ...


@dataclass(frozen=True)
class _Source:
    """Where a worker finds the bytes of a model. Sources of the same model are equal."""

    digest: str
    content: bytes | _Broadcast = field(compare=False, repr=False)


def _source(frame: DataFrame, content: bytes) -> _Source:
    # Spark Connect has no context, and the bytes travel with the function.
    context = getattr(frame.sparkSession, "sparkContext", None)
    digest = hashlib.sha256(content).hexdigest()
    return _Source(digest, content if context is None else context.broadcast(content))


@lru_cache(maxsize=2)
def _model(source: _Source) -> Model:
    """The model of a source, read once a worker process: Spark uses a process for many tasks."""
    content = source.content
    return Model.from_bytes(content if isinstance(content, bytes) else content.value)


def _in_utc(column: pa.Array) -> pa.Array:
    """Times as Spark stores them: it hands them over in the zone of the session, and a model looks at the time of day."""
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return column.cast(pa.timestamp(column.type.unit, "UTC"))
    return column


def _partition(
    source: _Source, layout: _engine.Layout, lenient: bool, threads: int, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    anoonly.set_threads(threads)
    model = _model(source)
    for batch in batches:
        named = pa.RecordBatch.from_arrays([_in_utc(column) for column in batch.columns], names=layout.needed)
        yield _engine.scores(model, named, layout, lenient)
