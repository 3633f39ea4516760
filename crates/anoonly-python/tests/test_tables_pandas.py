"""Data frames of pandas, with and without pyarrow, go in as the Parquet files that pyarrow writes of them."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandas_cases
import pyarrow as pa
import pytest
from column_values import ROWS, amounts, days, decimals, gaps, numerals, texts, times, truths, whole
from pandas_cases import CASES, INDICES, frame_of

import anoonly


def file_of(frame: pd.DataFrame) -> pa.Table:
    # pyarrow refuses sparse columns.
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.SparseDtype):
            frame = frame.assign(**{name: frame[name].sparse.to_dense()})
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.mark.parametrize("name", CASES)
def test_columns(same_as_command: Any, name: str) -> None:
    build, kind = CASES[name]
    frame = frame_of(build())
    before = frame.copy(deep=True)
    kinds = same_as_command(frame, file_of(frame))
    assert kinds["tested"] == kind
    pd.testing.assert_frame_equal(frame, before)


ARROW: dict[str, tuple[list[Any], pa.DataType, str | None]] = {
    "int16": (gaps(whole()), pa.int16(), "number"),
    "uint64": (gaps(whole()), pa.uint64(), "number"),
    "float": (gaps(amounts()), pa.float32(), "number"),
    "double": (gaps(amounts()), pa.float64(), "number"),
    "bool": (gaps(truths()), pa.bool_(), "truth value"),
    "string": (gaps(texts()), pa.string(), "category"),
    "large string": (gaps(texts()), pa.large_string(), "category"),
    "numerals": (gaps(numerals()), pa.string(), "number"),
    "dictionary": (gaps(texts()), pa.dictionary(pa.int32(), pa.string()), "category"),
    "date32": (gaps(days()), pa.date32(), "date"),
    "timestamp": (gaps(times()), pa.timestamp("ms"), "date"),
    "timestamp with zone": (gaps(times(dt.timezone.utc)), pa.timestamp("us", "Asia/Tokyo"), "date"),
    "decimal": (gaps(decimals()), pa.decimal128(12, 2), "number"),
    "null": ([None] * ROWS, pa.null(), None),
}


@pytest.mark.parametrize("name", ARROW)
def test_columns_backed_by_arrow(same_as_command: Any, name: str) -> None:
    values, dtype, kind = ARROW[name]
    frame = frame_of(pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, dtype))))
    assert same_as_command(frame, file_of(frame))["tested"] == kind


@pytest.mark.parametrize("name", INDICES)
def test_an_index_is_no_feature(same_as_command: Any, name: str) -> None:
    frame = frame_of(amounts(), INDICES[name]())
    kinds = same_as_command(frame, file_of(frame))
    assert kinds == {"amount": "number", "tested": "number"}
    model = anoonly.Detector("logistic").fit(frame, label="fraud")
    assert (model.score(frame) == model.score(frame.reset_index(drop=True))).all()


def test_rows_keep_their_order_whatever_the_index() -> None:
    frame = frame_of(amounts())
    model = anoonly.Detector("logistic").fit(frame, label="fraud")
    shuffled = frame.sample(frac=1.0, random_state=1)
    assert (model.score(shuffled) == model.score(frame)[shuffled.index]).all()


@pytest.fixture(scope="module")
def without_pyarrow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The scores of all cases, of a process that has no pyarrow."""
    folder = tmp_path_factory.mktemp("without")
    done = subprocess.run([sys.executable, pandas_cases.__file__, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return results


@pytest.mark.parametrize("name", [*CASES, *(f"index: {name}" for name in INDICES)])
def test_pyarrow_changes_nothing(without_pyarrow: dict[str, Any], name: str) -> None:
    if name in CASES:
        frame = frame_of(CASES[name][0]())
    else:
        frame = frame_of(amounts(), INDICES[name.removeprefix("index: ")]())
    model = anoonly.Detector("logistic", seed=1).fit(frame, label="fraud")
    expected = {"columns": model.columns, "scores": model.score(frame).tobytes().hex()}
    assert without_pyarrow[name] == expected


REFUSED: dict[str, Any] = {
    "text and numbers": pandas_cases.objects([*texts()[:200], *whole()[200:]]),
    "numbers and a text": pandas_cases.objects([*whole()[:200], "x", *whole()[201:]]),
    "bool and text": pandas_cases.objects([*truths()[:200], *texts()[200:]]),
    "lists": pandas_cases.objects([[1, 2]] * ROWS),
    "dicts": pandas_cases.objects([{"a": 1}] * ROWS),
    "bytes": pandas_cases.objects([b"abc"] * ROWS),
    "sets": pandas_cases.objects([{1}] * ROWS),
    "arrays": pandas_cases.objects([np.zeros(2)] * ROWS),
    "objects": pandas_cases.objects([object()] * ROWS),
    "complex": pd.Series([1j] * ROWS),
    "durations": pd.Series(pd.to_timedelta(whole(), unit="s")),
    "object: durations": pandas_cases.objects([dt.timedelta(seconds=n) for n in whole()]),
    "times of day": pandas_cases.objects([dt.time(n % 24) for n in whole()]),
    "periods": pd.Series(pd.period_range("2020-01-01", periods=ROWS)),
    "intervals": pd.Series(pd.interval_range(0, ROWS)),
    "Decimal and text": pandas_cases.objects([*decimals()[:200], *texts()[200:]]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_columns_without_features_are_refused_by_name(name: str) -> None:
    frame = frame_of(REFUSED[name])
    with pytest.raises(anoonly.TableError, match="tested") as caught:
        anoonly.Detector("isolation-forest").fit(frame, label="fraud")
    assert caught.value.column == "tested"
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_such_columns_stop_nothing_where_they_are_dropped(name: str) -> None:
    frame = frame_of(REFUSED[name])
    model = anoonly.Detector("isolation-forest").fit(frame, label="fraud", drop="tested")
    assert model.columns == ["amount"]
    assert (model.score(frame) == model.score(frame[["amount"]])).all()


def test_the_row_of_a_value_of_another_type_is_named() -> None:
    frame = frame_of(REFUSED["numbers and a text"])
    with pytest.raises(anoonly.TableError) as caught:
        anoonly.Detector("isolation-forest").fit(frame, label="fraud")
    assert caught.value.row == 201
    assert caught.value.value == "x"


def test_names_that_are_numbers(same_as_command: Any) -> None:
    frame = pd.DataFrame({0: amounts(), 1: texts(), "fraud": frame_of(amounts())["fraud"]})
    kinds = same_as_command(frame, file_of(frame.set_axis(["0", "1", "fraud"], axis=1)))
    assert kinds == {"0": "number", "1": "category"}


def test_two_columns_of_one_name_are_refused() -> None:
    frame = frame_of(amounts()).set_axis(["twice", "twice", "fraud"], axis=1)
    with pytest.raises(anoonly.TableError, match="twice") as caught:
        anoonly.Detector("isolation-forest").fit(frame, label="fraud")
    assert caught.value.column == "twice"
    mixed = frame.set_axis([1, "1", "fraud"], axis=1)
    with pytest.raises(anoonly.TableError, match="1"):
        anoonly.Detector("isolation-forest").fit(mixed, label="fraud")


def test_a_column_without_a_name_is_refused() -> None:
    frame = frame_of(amounts()).set_axis(["amount", "", "fraud"], axis=1)
    with pytest.raises(anoonly.TableError, match="2"):
        anoonly.Detector("isolation-forest").fit(frame, label="fraud")


def test_a_series_of_labels_has_the_index_of_its_table() -> None:
    frame = frame_of(amounts(), pd.Index([f"r{row}" for row in range(ROWS)]))
    features, marks = frame.drop(columns="fraud"), frame["fraud"]
    by_name = anoonly.Detector("logistic").fit(frame, label="fraud").score(frame)
    for given in [marks, marks.to_numpy(), marks.astype("Int64"), marks.astype("boolean")]:
        model = anoonly.Detector("logistic").fit(features, label=given)
        assert (model.score(features) == by_name).all()
    for other in [marks.reset_index(drop=True), marks[::-1]]:
        with pytest.raises(anoonly.LabelError, match="index differs"):
            anoonly.Detector("logistic").fit(features, label=other)
    # A label that stays a feature would be learned by heart.
    with pytest.raises(anoonly.LabelError, match="name it, label='fraud'"):
        anoonly.Detector("logistic").fit(frame, label=frame["fraud"])
    model = anoonly.Detector("logistic").fit(frame, label=frame["fraud"], drop="fraud")
    assert (model.score(frame) == by_name).all()


def test_a_frame_without_rows() -> None:
    frame = frame_of(texts())
    with pytest.raises(anoonly.TableError, match="no rows"):
        anoonly.Detector("logistic").fit(frame[:0], label="fraud")
    model = anoonly.Detector("logistic").fit(frame, label="fraud")
    assert model.score_batch(frame[:0]).score.shape == (0,)


@pytest.mark.parametrize("rows", [0, ROWS])
def test_a_frame_without_columns(rows: int) -> None:
    with pytest.raises(anoonly.TableError):
        anoonly.Detector("isolation-forest").fit(pd.DataFrame(index=range(rows)))


def test_identifiers_of_a_frame_come_back(tmp_path: Path) -> None:
    frame = frame_of(amounts()).assign(id=[f"T{row}" for row in range(ROWS)])
    model = anoonly.Detector("logistic").fit(frame, label="fraud", id="id")
    ranked = model.ranked(frame, top=7).to_pandas()
    assert list(ranked["rank"]) == [1, 2, 3, 4, 5, 6, 7]
    order = np.argsort(-model.score(frame), kind="stable")[:7]
    assert list(ranked["id"]) == [f"T{row}" for row in order]
