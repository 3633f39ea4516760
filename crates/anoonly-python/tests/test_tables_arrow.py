"""Tables of pyarrow and relations of DuckDB go in as the files that hold the same values."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from column_values import ROWS, amounts, days, decimals, gaps, labels, numerals, texts, times, truths, whole

import anoonly

UTC = dt.timezone.utc
WHOLE = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
KEYS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()]
ZONES = ["UTC", "Europe/Paris", "-03:30", "Pacific/Auckland"]

CASES: dict[str, tuple[list[Any], pa.DataType, str | None]] = {
    "float": (gaps(amounts()), pa.float32(), "number"),
    "double": (gaps(amounts()), pa.float64(), "number"),
    "bool": (gaps(truths()), pa.bool_(), "truth value"),
    "string": (gaps(texts()), pa.string(), "category"),
    "large_string": (gaps(texts()), pa.large_string(), "category"),
    "string_view": (gaps(texts()), pa.string_view(), "category"),
    "string of numbers": (gaps(numerals()), pa.string(), "number"),
    "string_view of numbers": (gaps(numerals()), pa.string_view(), "number"),
    "dictionary of large_string": (gaps(texts()), pa.dictionary(pa.int32(), pa.large_string()), "category"),
    "date32": (gaps(days()), pa.date32(), "date"),
    "date64": (gaps(days()), pa.date64(), "date"),
    "decimal128": (gaps(decimals()), pa.decimal128(20, 2), "number"),
    "decimal128 without a fraction": ([decimal.Decimal(n) for n in whole()], pa.decimal128(38, 0), "number"),
    "null": ([None] * ROWS, pa.null(), None),
    "string of nulls": ([None] * ROWS, pa.string(), None),
    "constant": ([1.5] * ROWS, pa.float64(), None),
}
CASES |= {str(dtype): (gaps(whole()), dtype, "number") for dtype in WHOLE}
CASES |= {f"keys of {key}": (gaps(texts()), pa.dictionary(key, pa.string()), "category") for key in KEYS}
CASES |= {f"timestamp[{unit}]": (gaps(times()), pa.timestamp(unit), "date") for unit in ["s", "ms", "us", "ns"]}
CASES |= {
    f"timestamp[{unit}, {zone}]": (gaps(times(UTC)), pa.timestamp(unit, zone), "date")
    for unit in ["s", "ms", "us", "ns"]
    for zone in ZONES
}

# Types that Parquet stores as other ones.
STORED_AS_OTHERS: dict[str, tuple[list[Any], pa.DataType, str | None]] = {
    "dictionary of whole numbers": (gaps(whole(0, 9)), pa.dictionary(pa.int8(), pa.int64()), "number"),
    "dictionary of fractions": ([n / 4 for n in whole(0, 9)], pa.dictionary(pa.int8(), pa.float64()), "number"),
    "dictionary of dates": (gaps(days()), pa.dictionary(pa.int32(), pa.date32()), "date"),
    "decimal32": (gaps(decimals()), pa.decimal32(9, 2), "number"),
    "decimal64": (gaps(decimals()), pa.decimal64(18, 2), "number"),
}
ALL = CASES | STORED_AS_OTHERS


def array_of(values: list[Any], dtype: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(dtype):
        return pa.array(values, dtype.value_type).dictionary_encode().cast(dtype)
    return pa.array(values, dtype)


def table_of(column: Any) -> pa.Table:
    return pa.table({"amount": pa.array(amounts()), "tested": column, "fraud": pa.array(labels(), pa.int8())})


@pytest.mark.parametrize("name", ALL)
def test_columns(same_as_command: Any, name: str) -> None:
    values, dtype, kind = ALL[name]
    table = table_of(array_of(values, dtype))
    assert same_as_command(table, table)["tested"] == kind


@pytest.mark.parametrize("name", ALL)
def test_offsets_and_null_bitmaps(name: str) -> None:
    """A part of an array is scored as a copy of the part."""
    values, dtype, _ = ALL[name]
    array = array_of(values, dtype)
    model = anoonly.Detector("logistic", seed=1).fit(table_of(array), label="fraud")
    expected = model.score(table_of(array))
    for start in [1, 7, 8, 9, 64]:
        part = table_of(array).slice(start, 100)
        assert part["tested"].chunk(0).offset == start
        assert (model.score_batch(part).score == expected[start : start + 100]).all()
    moved = pa.concat_arrays([array[:5], array])[5:]
    assert (
        anoonly.Detector("logistic", seed=1).fit(table_of(moved), label="fraud").score(table_of(array)) == expected
    ).all()


def every_type() -> pa.Table:
    columns = {name: array_of(values, dtype) for name, (values, dtype, _) in CASES.items()}
    return pa.table(columns | {"fraud": pa.array(labels(), pa.int8())})


def chunked(table: pa.Table, *cuts: int) -> pa.Table:
    edges = [0, *cuts, table.num_rows]
    return pa.concat_tables([table.slice(low, high - low) for low, high in zip(edges[:-1], edges[1:], strict=True)])


def uneven(table: pa.Table) -> pa.Table:
    """Every column has chunks of its own."""
    columns = {}
    for number, name in enumerate(table.column_names):
        array, cut = table[name].combine_chunks(), 10 + number
        array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
        columns[name] = pa.chunked_array([array[:cut], array[cut : 2 * cut], array[2 * cut :]])
    return pa.table(columns)


FORMS: dict[str, Callable[[pa.Table], Callable[[], Any]]] = {
    "Table": lambda table: lambda: table,
    "Table of chunks": lambda table: lambda: chunked(table, 1, 8, 9, 200),
    "Table with an empty chunk": lambda table: lambda: chunked(table, 0, 100, 100),
    "Table of uneven chunks": lambda table: lambda: uneven(table),
    "Table of slices": lambda table: lambda: pa.concat_tables([table, table]).combine_chunks().slice(ROWS),
    "RecordBatch": lambda table: lambda: table.combine_chunks().to_batches()[0],
    "RecordBatchReader": lambda table: lambda: chunked(table, 64, 65).to_reader(),
    "dict of arrays": lambda table: lambda: {name: table[name].combine_chunks() for name in table.column_names},
    "dict of chunked arrays": lambda table: lambda: {n: chunked(table, 50)[n] for n in table.column_names},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(same_as_command: Any, form: str) -> None:
    table = every_type()
    kinds = same_as_command(FORMS[form](table), table)
    assert kinds == {name: kind for name, (_, _, kind) in CASES.items()}


def test_chunks_with_dictionaries_of_their_own(same_as_command: Any) -> None:
    first, second = pa.array(texts()[:150]).dictionary_encode(), pa.array(texts()[150:][::-1]).dictionary_encode()
    assert first.dictionary != second.dictionary
    table = table_of(pa.chunked_array([first, second]))
    same_as_command(table, table_of(pa.array(texts()[:150] + texts()[150:][::-1]).dictionary_encode()))


def test_null_values_inside_a_dictionary() -> None:
    keys = pa.array([n % 3 for n in whole()], pa.int8())
    holed = pa.DictionaryArray.from_arrays(keys, pa.array(["a", None, "c"]))
    plain = pa.array([["a", None, "c"][n % 3] for n in whole()]).dictionary_encode()
    model = anoonly.Detector("logistic", seed=1).fit(table_of(plain), label="fraud")
    other = anoonly.Detector("logistic", seed=1).fit(table_of(holed), label="fraud")
    assert (model.score(table_of(plain)) == other.score(table_of(holed))).all()


def test_a_reader_can_be_read_once() -> None:
    reader = every_type().to_reader()
    anoonly.Detector("isolation-forest").fit(reader, label="fraud")
    with pytest.raises(anoonly.TableError):
        anoonly.Detector("isolation-forest").fit(reader, label="fraud")


def test_objects_that_only_have_the_interface() -> None:
    class Wrapped:
        """A table of a library that is not known here."""

        def __init__(self, table: pa.Table) -> None:
            self.table = table

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.table.__arrow_c_stream__(requested_schema)

    table = every_type()
    model = anoonly.Detector("isolation-forest").fit(Wrapped(table), label="fraud")
    assert (model.score(Wrapped(table)) == model.score(table)).all()


def test_an_error_of_a_stream_is_reported() -> None:
    def batches() -> Any:
        yield table_of(pa.array(texts())).to_batches()[0]
        raise OSError("the disk is gone")

    reader = pa.RecordBatchReader.from_batches(table_of(pa.array(texts())).schema, batches())
    with pytest.raises((anoonly.TableError, OSError), match="the disk is gone"):
        anoonly.Detector("isolation-forest").fit(reader, label="fraud")


REFUSED: dict[str, pa.Array] = {
    "list": pa.array([[1, 2]] * ROWS),
    "large_list": pa.array([[1, 2]] * ROWS, pa.large_list(pa.int64())),
    "fixed_size_list": pa.array([[1, 2]] * ROWS, pa.list_(pa.int64(), 2)),
    "struct": pa.array([{"a": 1}] * ROWS),
    "map": pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())),
    "binary": pa.array([b"abc"] * ROWS),
    "fixed_size_binary": pa.array([b"abc"] * ROWS, pa.binary(3)),
    "duration": pa.array(whole(), pa.duration("s")),
    "time32": pa.array(whole(), pa.time32("s")),
    "time64": pa.array(whole(), pa.time64("us")),
    "interval": pa.array([(1, 2, 3)] * ROWS, pa.month_day_nano_interval()),
    "unknown zone": pa.array(times(), pa.timestamp("us")).cast(pa.int64()).cast(pa.timestamp("us", "Mars/Olympus")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_columns_without_features_are_refused_by_name(name: str) -> None:
    table = table_of(REFUSED[name])
    with pytest.raises(anoonly.TableError, match="tested") as caught:
        anoonly.Detector("isolation-forest").fit(table, label="fraud")
    assert caught.value.column == "tested"
    assert "--" not in str(caught.value)
    model = anoonly.Detector("isolation-forest").fit(table, label="fraud", drop="tested")
    assert (model.score(table) == model.score(table.drop_columns("tested"))).all()


def test_a_type_that_cannot_be_taken_over_is_refused() -> None:
    with pytest.raises(anoonly.TableError) as caught:
        anoonly.Detector("isolation-forest").fit(table_of(pa.array(decimals(), pa.decimal256(60, 2))), label="fraud")
    assert "--" not in str(caught.value)


def test_two_columns_of_one_name_are_refused() -> None:
    table = table_of(pa.array(texts())).rename_columns(["twice", "twice", "fraud"])
    with pytest.raises(anoonly.TableError, match="twice") as caught:
        anoonly.Detector("isolation-forest").fit(table, label="fraud")
    assert caught.value.column == "twice"


def test_a_column_without_a_name_is_refused() -> None:
    table = table_of(pa.array(texts())).rename_columns(["amount", "", "fraud"])
    with pytest.raises(anoonly.TableError, match="column 2"):
        anoonly.Detector("isolation-forest").fit(table, label="fraud")


def test_a_table_without_rows() -> None:
    table = every_type()
    for empty in [table.slice(0, 0), table.schema.empty_table(), table.slice(0, 0).to_reader()]:
        with pytest.raises(anoonly.TableError, match="no rows"):
            anoonly.Detector("isolation-forest").fit(empty, label="fraud")
    model = anoonly.Detector("isolation-forest").fit(table, label="fraud")
    assert model.score_batch(table.schema.empty_table()).score.shape == (0,)


def test_a_relation_of_duckdb(same_as_command: Any) -> None:
    bought = table_of(pa.array(gaps(texts())))  # noqa: F841, read by the query
    relation = duckdb.sql(
        "SELECT amount, tested, CAST(amount AS DECIMAL(12, 3)) AS exact, amount > 20 AS large, "
        "DATE '2020-01-01' + CAST(hash(amount) % 1000 AS INTEGER) AS day, "
        "CAST(tested AS ENUM ('rouge', 'vert', 'bleu-é', '雪', '🦊 fox', 'a word of many letters')) AS colour, "
        "fraud FROM bought"
    )
    kinds = same_as_command(lambda: relation, relation.to_arrow_table())
    assert list(kinds) == ["amount", "tested", "exact", "large", "day", "colour"]
    assert list(kinds.values()) == ["number", "category", "number", "truth value", "date", "category"]


def test_scored_rows_go_back_to_duckdb() -> None:
    table = table_of(pa.array(texts()))
    model = anoonly.Detector("logistic").fit(table, label="fraud")
    ranked = pa.table(model.ranked(table))  # noqa: F841, read by the query
    best = duckdb.sql("SELECT max(score), min(rank), count(*) FROM ranked").fetchall()
    assert best == [(model.score(table).max(), 1, ROWS)]
