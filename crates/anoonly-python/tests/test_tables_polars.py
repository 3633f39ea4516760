"""Data frames of polars go in as the Parquet files that polars writes of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from column_values import (
    ROWS,
    amounts,
    days,
    decimals,
    gaps,
    labels,
    numerals,
    texts,
    times,
    truths,
    whole,
    written_days,
)

import anoonly

INTEGERS = [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64]
UNITS = ["ms", "us", "ns"]
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu"]

CASES: dict[str, tuple[Callable[[], pl.Series], str | None]] = {
    "Float32": (lambda: pl.Series(gaps(amounts()), dtype=pl.Float32), "number"),
    "Float64": (lambda: pl.Series(gaps(amounts())), "number"),
    "Float64 with NaN": (lambda: pl.Series(gaps(amounts(), float("nan"))), "number"),
    "Boolean": (lambda: pl.Series(truths()), "truth value"),
    "Boolean with nulls": (lambda: pl.Series(gaps(truths())), "truth value"),
    "String": (lambda: pl.Series(texts()), "category"),
    "String with nulls": (lambda: pl.Series(gaps(texts())), "category"),
    "String of numbers": (lambda: pl.Series(gaps(numerals())), "number"),
    "String of dates": (lambda: pl.Series(gaps(written_days())), "date"),
    "Categorical": (lambda: pl.Series(gaps(texts()), dtype=pl.Categorical), "category"),
    "Enum": (lambda: pl.Series(gaps(texts()), dtype=pl.Enum(["nie", *sorted(set(texts()))])), "category"),
    "Enum of numerals": (lambda: pl.Series(gaps(numerals()), dtype=pl.Enum(sorted(set(numerals())))), "number"),
    "Date": (lambda: pl.Series(gaps(days())), "date"),
    "Decimal": (lambda: pl.Series(gaps(decimals()), dtype=pl.Decimal(12, 2)), "number"),
    "Null": (lambda: pl.Series([None] * ROWS), None),
    "String of nulls": (lambda: pl.Series([None] * ROWS, dtype=pl.String), None),
    "constant": (lambda: pl.Series([5] * ROWS), None),
    "a number for each row": (lambda: pl.Series(range(ROWS)), None),
}
CASES |= {str(dtype): (lambda dtype=dtype: pl.Series(whole(), dtype=dtype), "number") for dtype in INTEGERS}
CASES |= {
    f"{dtype} with nulls": (lambda dtype=dtype: pl.Series(gaps(whole()), dtype=dtype), "number") for dtype in INTEGERS
}
CASES |= {
    f"Datetime[{unit}]": (lambda unit=unit: pl.Series(gaps(times()), dtype=pl.Datetime(unit)), "date") for unit in UNITS
}
CASES |= {
    f"Datetime[{unit}] in {zone}": (
        lambda unit=unit, zone=zone: pl.Series(gaps(times(dt.timezone.utc)), dtype=pl.Datetime(unit, zone)),
        "date",
    )
    for unit in UNITS
    for zone in ZONES
}


def frame_of(column: pl.Series) -> pl.DataFrame:
    columns = {"amount": pl.Series(amounts()), "tested": column, "fraud": pl.Series(labels(), dtype=pl.Int8)}
    return pl.DataFrame(columns)


def parquet(frame: pl.DataFrame, folder: Path) -> Path:
    path = folder / "polars.parquet"
    frame.write_parquet(path)
    return path


def every_type() -> pl.DataFrame:
    """One frame with a column of every case."""
    return pl.DataFrame(
        {name: build() for name, (build, _) in CASES.items()} | {"fraud": frame_of(CASES["Date"][0]())["fraud"]}
    )


@pytest.mark.parametrize("name", CASES)
def test_columns(same_as_command: Any, tmp_path: Path, name: str) -> None:
    build, kind = CASES[name]
    frame = frame_of(build())
    assert same_as_command(frame, parquet(frame, tmp_path))["tested"] == kind


def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sample(fraction=1.0, shuffle=True, seed=1)


LAYOUTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "one chunk": lambda frame: frame.rechunk(),
    "chunks": lambda frame: pl.concat([frame[:100], frame[100:101], frame[101:]], rechunk=False),
    "chunks of different lengths in the columns": lambda frame: frame.with_columns(
        pl.concat([frame["Int64 with nulls"][:77], frame["Int64 with nulls"][77:]], rechunk=False)
    ),
    "an empty chunk": lambda frame: pl.concat([frame[:0], frame, frame[:0]], rechunk=False),
    "a slice": lambda frame: pl.concat([frame[-13:], frame, frame[:9]], rechunk=True).slice(13, ROWS),
    "a slice that is no multiple of eight": lambda frame: pl.concat([frame[:3], frame], rechunk=True).slice(3),
    "slices of chunks": lambda frame: pl.concat(
        [pl.concat([frame[200:], frame[:100]], rechunk=True).slice(ROWS - 200), frame[100:]], rechunk=False
    ),
    "every second row": lambda frame: (
        pl.concat([frame, frame]).with_row_index("n").sort("n")[: 2 * ROWS][:ROWS].drop("n")
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(same_as_command: Any, tmp_path: Path, layout: str) -> None:
    frame = every_type()
    laid = LAYOUTS[layout](frame)
    assert laid.equals(frame, null_equal=True)
    same_as_command(laid, parquet(frame, tmp_path))


@pytest.mark.parametrize("start", [0, 1, 7, 8, 9, 63, 64, 65])
def test_slices_are_scored_as_their_rows(start: int) -> None:
    frame = every_type()
    model = anoonly.Detector("logistic", seed=1).fit(frame, label="fraud")
    expected = model.score(frame)
    part = frame.slice(start, 200)
    assert (model.score_batch(part).score == expected[start : start + 200]).all()
    assert (model.score_batch(part.rechunk()).score == expected[start : start + 200]).all()


def test_categories_of_another_frame_have_other_codes() -> None:
    frame = frame_of(pl.Series(texts(), dtype=pl.Enum(sorted(set(texts())))))
    other = frame.with_columns(pl.Series("tested", texts(), dtype=pl.Enum(sorted(set(texts()), reverse=True))))
    model = anoonly.Detector("logistic", seed=1).fit(frame, label="fraud")
    for same in [other, frame.with_columns(pl.col("tested").cast(pl.String))]:
        assert (model.score(same) == model.score(frame)).all()


def test_a_frame_without_rows() -> None:
    frame = every_type()
    with pytest.raises(anoonly.TableError, match="no rows"):
        anoonly.Detector("logistic").fit(frame[:0], label="fraud")
    batch = anoonly.Detector("logistic").fit(frame, label="fraud").score_batch(frame[:0])
    assert batch.score.shape == (0,) and batch.score.dtype == np.float32
    assert batch.p_value is not None
    assert batch.p_value.shape == (0,) and batch.p_value.dtype == np.float64


def test_a_frame_without_columns() -> None:
    with pytest.raises(anoonly.TableError):
        anoonly.Detector("isolation-forest").fit(pl.DataFrame())


REFUSED: dict[str, pl.Series] = {
    "List": pl.Series([[1, 2]] * ROWS),
    "Array": pl.Series([[1, 2]] * ROWS, dtype=pl.Array(pl.Int64, 2)),
    "Struct": pl.Series([{"a": 1, "b": "x"}] * ROWS),
    "Binary": pl.Series([b"abc"] * ROWS),
    "Duration": pl.Series([dt.timedelta(seconds=n) for n in whole()]),
    "Time": pl.Series([dt.time(n % 24) for n in whole()]),
    "Object": pl.Series([object() for _ in range(ROWS)], dtype=pl.Object),
}


@pytest.mark.parametrize("name", REFUSED)
def test_columns_without_features_are_refused_by_name(name: str) -> None:
    frame = frame_of(REFUSED[name])
    with pytest.raises(anoonly.TableError, match="tested") as caught:
        anoonly.Detector("isolation-forest").fit(frame, label="fraud")
    assert caught.value.column == "tested"
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "Object"])
def test_such_columns_stop_nothing_where_they_are_dropped(name: str) -> None:
    frame = frame_of(REFUSED[name])
    model = anoonly.Detector("isolation-forest").fit(frame, label="fraud", drop="tested")
    assert (model.score(frame) == model.score(frame.drop("tested"))).all()


def test_a_frame_that_is_not_collected_yet_is_refused() -> None:
    frame = frame_of(pl.Series(texts()))
    with pytest.raises(TypeError, match="LazyFrame"):
        anoonly.Detector("logistic").fit(frame.lazy(), label="fraud")


def test_labels_as_a_series() -> None:
    frame = frame_of(pl.Series(texts()))
    by_name = anoonly.Detector("logistic").fit(frame, label="fraud").score(frame)
    marks = frame["fraud"]
    for given in [
        marks,
        marks.cast(pl.Boolean),
        marks.cast(pl.Float64),
        marks.cast(pl.Float64).fill_null(float("nan")),
    ]:
        model = anoonly.Detector("logistic").fit(frame.drop("fraud"), label=given)
        assert (model.score(frame) == by_name).all()


def test_results_as_frames(tmp_path: Path) -> None:
    frame = frame_of(pl.Series(texts())).with_columns(pl.Series("id", [f"T{row}" for row in range(ROWS)]))
    model = anoonly.Detector("logistic").fit(frame, label="fraud", id="id")
    ranked = model.ranked(frame).to_polars()
    assert ranked.columns[:3] == ["id", "score", "rank"]
    assert ranked.height == ROWS
    assert ranked["score"].is_sorted(descending=True)
    joined = frame.join(ranked, on="id", how="left", maintain_order="left")
    assert (joined["score"].to_numpy() == model.score(frame)).all()
    assert pl.DataFrame(model.ranked(frame)).equals(ranked)


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_files_and_frames_are_scored_alike(tmp_path: Path, ending: str) -> None:
    frame = frame_of(pl.Series(texts()))
    path = tmp_path / f"table.{ending}"
    writers = {"csv": frame.write_csv, "parquet": frame.write_parquet, "arrow": frame.write_ipc}
    writers[ending](path)
    by_frame = anoonly.Detector("logistic").fit(frame, label="fraud")
    by_file = anoonly.Detector("logistic").fit(path, label="fraud")
    for table in [frame, path, str(path), anoonly.read_table(path)]:
        assert (by_file.score(table) == by_frame.score(frame)).all()
    if ending != "csv":
        assert pl.DataFrame(anoonly.read_table(path)).equals(frame)
