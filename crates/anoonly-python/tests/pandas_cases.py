"""Columns of pandas, and what becomes of each; those that need no pyarrow are fitted without it, too.

Run as a program, with a folder, it hides pyarrow and polars, fits each case and writes its scores and columns there.
"""

from __future__ import annotations

import datetime as dt
import importlib.abc
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from column_values import (
    ANOMALIES,
    ROWS,
    amounts,
    days,
    decimals,
    draw,
    gaps,
    labels,
    numerals,
    texts,
    times,
    truths,
    whole,
    written_days,
)


class Hidden(importlib.abc.MetaPathFinder):
    """Packages that cannot be imported, as where they are not installed."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, Hidden("pyarrow", "polars"))

import pandas as pd  # noqa: E402

WHOLE = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
NULLABLE = ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64"]
ZONES = ["UTC", "Europe/Paris", "America/New_York", "+05:30"]
MIDNIGHT = [dt.datetime.combine(day, dt.time()) for day in days()]


def objects(values: Sequence[Any]) -> pd.Series:
    return pd.Series(values, dtype=object)


Case = tuple[Callable[[], Any], "str | None"]

CASES: dict[str, Case] = {
    "float": (lambda: pd.Series(amounts()), "number"),
    "float with gaps": (lambda: pd.Series(gaps(amounts(), np.nan)), "number"),
    "float32": (lambda: pd.Series(gaps(amounts(), np.nan), dtype="float32"), "number"),
    "bool": (lambda: pd.Series(truths()), "truth value"),
    "boolean": (lambda: pd.Series(gaps(truths()), dtype="boolean"), "truth value"),
    "string": (lambda: pd.Series(gaps(texts()), dtype="string"), "category"),
    "str": (lambda: pd.Series(texts()), "category"),
    "str with gaps": (lambda: pd.Series(gaps(texts(), np.nan), dtype="str"), "category"),
    "str of numbers": (lambda: pd.Series(gaps(numerals())), "number"),
    "str of dates": (lambda: pd.Series(gaps(written_days())), "date"),
    "categories": (lambda: pd.Series(texts(), dtype="category"), "category"),
    "categories with gaps": (lambda: pd.Series(gaps(texts()), dtype="category"), "category"),
    "categories that do not occur": (
        lambda: pd.Series(pd.Categorical(texts(), categories=["nie", *sorted(set(texts()))], ordered=True)),
        "category",
    ),
    "categories of numerals": (lambda: pd.Series(numerals(), dtype="category"), "number"),
    "categories of whole numbers": (lambda: pd.Series(gaps(whole(0, 5)), dtype="Int64").astype("category"), "number"),
    "categories of fractions": (lambda: pd.Series([n / 4 for n in whole(0, 9)], dtype="category"), "number"),
    "more than 127 categories": (lambda: pd.Series([f"w{n}" for n in whole(0, 200)], dtype="category"), "category"),
    "time[s]": (lambda: pd.Series(times()).astype("datetime64[s]"), "date"),
    "time[ms]": (lambda: pd.Series(times()).astype("datetime64[ms]"), "date"),
    "time[us]": (lambda: pd.Series(gaps(times())).astype("datetime64[us]"), "date"),
    "time[ns]": (lambda: pd.Series(gaps(times())).astype("datetime64[ns]"), "date"),
    "dates as times": (lambda: pd.Series(MIDNIGHT), "date"),
    "object: text": (lambda: objects(texts()), "category"),
    "object: text, None": (lambda: objects(gaps(texts())), "category"),
    "object: text, NaN": (lambda: objects(gaps(texts(), np.nan)), "category"),
    "object: text, NA": (lambda: objects(gaps(texts(), pd.NA)), "category"),
    "object: text, None, NaN and NA": (lambda: objects(gaps([None, np.nan, pd.NA, *texts()[3:]])), "category"),
    "object: None first": (lambda: objects([None] * 100 + texts()[100:]), "category"),
    "object: numerals": (lambda: objects(gaps(numerals())), "number"),
    "object: bool": (lambda: objects(truths()), "truth value"),
    "object: bool, None": (lambda: objects(gaps(truths())), "truth value"),
    "object: bool, NaN": (lambda: objects(gaps(truths(), np.nan)), "truth value"),
    "object: int": (lambda: objects(whole()), "number"),
    "object: int, None": (lambda: objects(gaps(whole())), "number"),
    "object: float, None": (lambda: objects(gaps(amounts())), "number"),
    "object: int and float": (lambda: objects([*whole()[:50], *amounts()[50:]]), "number"),
    "object: NumPy's numbers": (lambda: objects([np.float32(value) for value in amounts()]), "number"),
    "object: Decimal": (lambda: objects(decimals()), "number"),
    "object: Decimal, None": (lambda: objects(gaps(decimals())), "number"),
    "object: date": (lambda: objects(days()), "date"),
    "object: date, None": (lambda: objects(gaps(days())), "date"),
    "object: datetime": (lambda: objects(gaps(times())), "date"),
    "object: Timestamp": (lambda: objects([pd.Timestamp(time) for time in times()]), "date"),
    "object: None": (lambda: objects([None] * ROWS), None),
    "object: NaN": (lambda: objects([np.nan] * ROWS), None),
    "nothing but NaN": (lambda: pd.Series([np.nan] * ROWS), None),
    "constant": (lambda: pd.Series(["a"] * ROWS), None),
    "a number for each row": (lambda: pd.Series(range(ROWS)), None),
    "a text for each row": (lambda: pd.Series([f"A{row:05}" for row in range(ROWS)]), None),
    "sparse": (lambda: pd.Series(pd.arrays.SparseArray(gaps(amounts(), np.nan))), "number"),
    "sparse whole numbers": (lambda: pd.Series(pd.arrays.SparseArray(whole(0, 3))), "number"),
    "a view of every second row": (lambda: pd.Series(np.repeat(np.array(amounts()), 2)[::2]), "number"),
}
CASES |= {name: (lambda name=name: pd.Series(whole(), dtype=name), "number") for name in WHOLE}
CASES |= {name: (lambda name=name: pd.Series(gaps(whole()), dtype=name), "number") for name in NULLABLE}
CASES |= {
    f"time in {zone}": (lambda zone=zone: pd.Series(gaps(times(dt.timezone.utc))).dt.tz_convert(zone), "date")
    for zone in ZONES
}


def frame_of(column: Any, index: Any = None) -> pd.DataFrame:
    """A column beside a number, with labels."""
    marks = [np.nan if mark is None else mark for mark in labels()]
    frame = pd.DataFrame({"amount": draw(lambda generator: generator.gauss(0, 1)), "tested": column, "fraud": marks})
    return frame if index is None else frame.set_axis(index, axis=0)


INDICES: dict[str, Callable[[], Any]] = {
    "range from 5": lambda: pd.RangeIndex(5, 5 + ROWS),
    "text": lambda: pd.Index([f"row {row}" for row in range(ROWS)]),
    "named text": lambda: pd.Index(
        [f"{'fraud' if row < ANOMALIES else 'ok'}{row % 3}" for row in range(ROWS)], name="leak"
    ),
    "named numbers": lambda: pd.Index([9.0 if row < ANOMALIES else 1.0 for row in range(ROWS)], name="leak"),
    "times": lambda: pd.DatetimeIndex(times(), name="when"),
    "two levels": lambda: pd.MultiIndex.from_arrays([whole(0, 5), texts()], names=["leak", "word"]),
    "two levels without names": lambda: pd.MultiIndex.from_arrays([whole(0, 5), texts()]),
    "the name of a column": lambda: pd.Index(whole(), name="amount"),
    "repeated": lambda: pd.Index([0] * ROWS),
}


def main(folder: Path) -> None:
    import anoonly

    results: dict[str, Any] = {}
    every = {name: frame_of(build()) for name, (build, _) in CASES.items()}
    every |= {f"index: {name}": frame_of(amounts(), build()) for name, build in INDICES.items()}
    for name, frame in every.items():
        try:
            model = anoonly.Detector("logistic", seed=1).fit(frame, label="fraud")
            results[name] = {"columns": model.columns, "scores": model.score(frame).tobytes().hex()}
        except Exception as error:
            results[name] = {"error": f"{type(error).__name__}: {error}"}
    assert "pyarrow" not in sys.modules and "polars" not in sys.modules
    (folder / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
