"""NumPy arrays and dicts of columns go in as the same values in a file do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from column_values import ANOMALIES, ROWS, amounts, days, decimals, gaps, labels, numerals, texts, times, truths, whole

import anoonly

LABELS = labels()
NUMBERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">i4", ">f8"]


def matrix(dtype: str = "f8") -> np.ndarray:
    """Four columns of whole numbers, which every type holds exactly."""
    return np.random.default_rng(1).integers(0, 100, (ROWS, 4)).astype(dtype)


def table_of(array: np.ndarray) -> pa.Table:
    """The table that an array stands for, with the labels."""
    # Arrow files of the command hold numbers of 32 and 64 bits, in the byte order of the machine.
    native = array.astype("f4") if array.dtype == np.float16 else array.astype(array.dtype.newbyteorder("="))
    columns = {f"x{number}": pa.array(np.ascontiguousarray(column)) for number, column in enumerate(native.T)}
    return pa.table(columns | {"fraud": pa.array(LABELS, pa.int8())})


def check(same_as_command: Any, command: Any, array: np.ndarray, values: np.ndarray) -> dict[str, Any]:
    """An array with an array of labels is scored as the file with a label column."""
    model = anoonly.Detector("logistic", seed=1).fit(array, label=LABELS)
    kinds = same_as_command(table_of(values), table_of(values))
    path = command.folder / "table.parquet"
    scores = command.score(command.folder / "by-command.anoonly", path)
    assert model.score(array).tobytes() == scores["score"].to_numpy().tobytes()
    assert model.p_values(array).tobytes() == scores["p_value"].to_numpy().tobytes()
    assert model.columns == ["x0", "x1", "x2", "x3"]
    return kinds


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_of_every_type(same_as_command: Any, command: Any, dtype: str) -> None:
    array = matrix(dtype)
    assert set(check(same_as_command, command, array, array).values()) == {"number"}


def test_truth_values(same_as_command: Any, command: Any) -> None:
    array = matrix() > 50
    assert set(check(same_as_command, command, array, array).values()) == {"truth value"}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_not_a_number_is_missing(same_as_command: Any, command: Any, dtype: str) -> None:
    array = matrix(dtype)
    array[5:40, 1] = np.nan
    check(same_as_command, command, array, array)
    model = anoonly.Detector("logistic", seed=1).fit(array, label=LABELS)
    described = model.provenance["counts"]
    assert described["filled"] == 35


def test_masked_values_are_missing(same_as_command: Any, command: Any) -> None:
    array = matrix()
    mask = np.zeros(array.shape, dtype=bool)
    mask[5:40, 1] = True
    check(same_as_command, command, np.ma.masked_array(array, mask), np.where(mask, np.nan, array))


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every second row": lambda array: np.repeat(array, 2, axis=0)[::2],
    "every third column": lambda array: np.repeat(array, 3, axis=1)[:, 1::3],
    "backwards": lambda array: np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1],
    "a corner": lambda array: np.pad(array, ((3, 5), (2, 1)))[3:-5, 2:-1],
    "transposed": lambda array: np.ascontiguousarray(array.T).T,
    "read-only": read_only,
    "not aligned": lambda array: np.frombuffer(b"x" + array.tobytes(), array.dtype, offset=1).reshape(array.shape),
    "fields of records": lambda array: array.astype([("k", "i1"), ("v", array.dtype)])["v"],
    "matrix": np.asmatrix,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["i2", "f4", "f8"])
def test_every_layout_gives_the_same_scores(layout: str, dtype: str) -> None:
    array = matrix(dtype)
    laid = LAYOUTS[layout](array)
    assert (laid == array).all()
    expected = anoonly.Detector("isolation-forest", seed=1).fit(array).score(array)
    model = anoonly.Detector("isolation-forest", seed=1).fit(laid)
    assert (model.score(laid) == expected).all()
    assert (laid == array).all()


def test_an_array_of_texts_holds_categories(same_as_command: Any, command: Any) -> None:
    array = np.array(
        [[row[0], row[1], row[2], row[3]] for row in zip(texts(), texts()[::-1], numerals(), texts(), strict=True)]
    )
    kinds = check(same_as_command, command, array, array.astype(object))
    assert [kinds[name] for name in ["x0", "x1", "x2"]] == ["category", "category", "number"]


def test_an_array_of_objects_holds_a_type_each_column(same_as_command: Any, command: Any) -> None:
    array = np.array(list(zip(texts(), gaps(amounts()), truths(), gaps(whole()), strict=True)), dtype=object)
    kinds = check(same_as_command, command, array, array)
    assert list(kinds.values())[:4] == ["category", "number", "truth value", "number"]


def test_a_structured_array_is_a_table_with_names(same_as_command: Any) -> None:
    array = np.zeros(
        ROWS, dtype=[("amount", "f8"), ("word", "U30"), ("count", "i2"), ("when", "M8[s]"), ("fraud", "f4")]
    )
    array["amount"], array["word"], array["count"], array["when"] = amounts(), texts(), whole(), times()
    array["fraud"] = [np.nan if mark is None else mark for mark in LABELS]
    file = pa.table(
        {name: pa.array(array[name].tolist() if name == "word" else array[name]) for name in array.dtype.names}
    )
    kinds = same_as_command(array, file)
    assert kinds == {"amount": "number", "word": "category", "count": "number", "when": "date"}


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(ROWS),
        np.zeros((ROWS, 2, 2)),
        np.array(1.0),
        np.zeros((ROWS, 2), dtype="c16"),
        np.zeros((ROWS, 2), dtype="m8[s]"),
        np.zeros((ROWS, 2), dtype="V4"),
    ],
    ids=["one axis", "three axes", "a number", "complex", "durations", "bytes"],
)
def test_arrays_that_are_no_tables_are_refused(array: Any) -> None:
    with pytest.raises(anoonly.TableError) as caught:
        anoonly.Detector("isolation-forest").fit(array)
    assert "--" not in str(caught.value)


def test_another_number_of_columns_is_refused() -> None:
    model = anoonly.Detector("isolation-forest").fit(matrix())
    with pytest.raises(anoonly.TableError, match="x3"):
        model.score(matrix()[:, :3])


@pytest.mark.parametrize("rows", [0, ROWS])
def test_an_array_without_columns_is_refused(rows: int) -> None:
    with pytest.raises(anoonly.TableError):
        anoonly.Detector("isolation-forest").fit(np.zeros((rows, 0)))


def test_an_array_without_rows() -> None:
    with pytest.raises(anoonly.TableError):
        anoonly.Detector("isolation-forest").fit(np.zeros((0, 4)))
    batch = anoonly.Detector("isolation-forest").fit(matrix()).score_batch(np.zeros((0, 4)))
    assert batch.score.shape == (0,) and batch.score.dtype == np.float32
    assert batch.p_value is not None and batch.p_value.shape == (0,)


MARKS = {
    "list": list,
    "tuple": tuple,
    "objects": lambda marks: np.array(marks, dtype=object),
    "floats": lambda marks: np.array([np.nan if mark is None else float(mark) for mark in marks]),
    "truths": lambda marks: [None if mark is None else bool(mark) for mark in marks],
    "Arrow": lambda marks: pa.array(marks, pa.int8()),
    "chunks": lambda marks: pa.chunked_array([marks[:100], marks[100:]], pa.int64()),
}


@pytest.mark.parametrize("kind", MARKS)
def test_labels_of_every_kind(kind: str) -> None:
    marks = [*LABELS[: ANOMALIES + 20], *[0] * 10, *[None] * (ROWS - ANOMALIES - 30)]
    model = anoonly.Detector("logistic", seed=1).fit(matrix(), label=MARKS[kind](marks))
    counts = model.provenance["counts"]
    assert (counts["anomalies"], counts["normal"], counts["unlabelled"]) == (ANOMALIES, 10, ROWS - ANOMALIES - 10)


@pytest.mark.parametrize("count", [0, ROWS - 1, ROWS + 1])
def test_another_number_of_labels_is_refused(count: int) -> None:
    with pytest.raises(anoonly.LabelError, match=str(count)):
        anoonly.Detector("logistic").fit(matrix(), label=[1.0] * count)


@pytest.mark.parametrize("mark", [2, -1, "maybe", 0.5, float("inf")])
def test_a_label_that_is_none_is_refused_with_its_row(mark: Any) -> None:
    marks: list[Any] = list(LABELS)
    marks[41] = mark
    with pytest.raises(anoonly.LabelError) as caught:
        anoonly.Detector("logistic").fit(matrix(), label=marks)
    assert caught.value.row == 42


def test_a_dict_of_columns(same_as_command: Any) -> None:
    columns = {
        "list": whole(),
        "gaps": gaps(amounts()),
        "texts": texts(),
        "array": np.array(amounts()),
        "days": days(),
        "times": np.array(times(), dtype="M8[s]"),
        "decimals": decimals(),
        "arrow": pa.array(texts()).dictionary_encode(),
        "fraud": LABELS,
    }
    kinds = same_as_command(columns, pa.table({name: pa.array(values) for name, values in columns.items()}))
    assert [kinds[name] for name in list(columns)[:-1]] == [
        "number", "number", "category", "number", "date", "date", "number", "category",
    ]  # fmt: skip


def test_a_dict_of_unequal_columns_is_refused() -> None:
    with pytest.raises(anoonly.TableError, match="b") as caught:
        anoonly.Detector("isolation-forest").fit({"a": [1.0, 2.0], "b": [1.0]})
    assert caught.value.column == "b"


@pytest.mark.parametrize("table", [None, 3, "no-such.csv", object(), [1, 2], {"a": 1}, {}], ids=repr)
def test_what_is_no_table_is_refused(table: Any) -> None:
    with pytest.raises((anoonly.TableError, TypeError)) as caught:
        anoonly.Detector("isolation-forest").fit(table)
    assert "--" not in str(caught.value)
