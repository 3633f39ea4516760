"""Labels that are given beside a table, one for each row."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import _native
from ._arguments import label_text
from ._tables import TableLike, is_missing, native_table
from .errors import LabelError

Labels = str | int | Iterable[Any] | None
"""A label column, or one label for each row."""


def is_name(label: object) -> bool:
    """Whether labels are the name of a column."""
    return isinstance(label, (str, int, np.integer))


def check_apart(table: TableLike, label: object, named: Iterable[str]) -> None:
    """Refuses labels that are a column of the table, too, which would be a feature, or that belong to other rows."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(label, pandas.Series) or not isinstance(table, pandas.DataFrame):
        return
    if label.name is not None and label.name in table.columns and str(label.name) not in named:
        raise LabelError(
            f"label: the table has a column `{label.name}`, too, which would be a feature; name it, "
            f"label={str(label.name)!r}, or leave it out with drop=",
            column=str(label.name),
            setting="label",
        )
    if not label.index.equals(table.index):
        raise LabelError(
            "label: its index differs from that of the table; bring it into the same order, label=y.loc[table.index], or pass "
            "label.to_numpy() if the order is right",
            setting="label",
        )


def with_labels(table: _native.Table, labels: Iterable[Any]) -> tuple[str, _native.Table]:
    """The name of a further column of a table, and the table with one label for each row in it."""
    if getattr(labels, "ndim", 1) != 1:
        raise LabelError("label: its values have several dimensions; one label for each row is needed", setting="label")
    values: list[Any] = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    if len(values) != table.rows:
        raise LabelError(f"label: {len(values)} labels for {table.rows} rows", setting="label")
    texts = [None if is_missing(value) else label_text(value) for value in values]
    candidates = itertools.chain(["label"], (f"label_{number}" for number in itertools.count(1)))
    name = next(name for name in candidates if name not in table.columns)
    return name, table.with_labels(name, texts)


def labelled(table: TableLike, label: Labels, needed: Iterable[str]) -> tuple[str, _native.Table]:
    """The label column, and the columns of a table that are needed with it."""
    if label is None:
        raise LabelError("name the label column with label=, or pass one label for each row", setting="label")
    if is_name(label):
        return str(label), native_table(table, only=[*needed, str(label)])
    assert not isinstance(label, (str, int))
    check_apart(table, label, ())
    return with_labels(native_table(table, only=needed), label)
