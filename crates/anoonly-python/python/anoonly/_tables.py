"""Tables of other libraries as native tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from . import _native
from .errors import TableError

__all__ = ["ArrowTable", "Table", "TableLike", "native_table", "read_table"]


@runtime_checkable
class ArrowTable(Protocol):
    """A table of a library that knows Arrow's PyCapsule interface, such as polars, pyarrow and DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


TableLike: TypeAlias = "Table | ArrowTable | Mapping[str, Any] | NDArray[Any] | str | os.PathLike[str] | Any"
"""A table: a pandas, polars, pyarrow or DuckDB frame, a matrix of shape (rows, columns), a dict of columns, or a file."""


class Table:
    """A table of typed, named columns.

    Other libraries read it through Arrow's PyCapsule interface: ``polars.DataFrame(table)``, ``pyarrow.table(table)``.
    """

    def __init__(self, native: _native.Table) -> None:
        self._native = native

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self._native.rows

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._native.columns

    @property
    def types(self) -> list[str]:
        """The type of each column, as ``text`` or ``f64``."""
        return self._native.types

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, column: str) -> list[Any]:
        """The values of a column; None for a missing one, and times as text."""
        return self._native.column(column)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._native.__arrow_c_stream__(requested_schema)

    def to_pandas(self) -> Any:
        """The table as a pandas data frame."""
        import pandas as pd

        try:
            import pyarrow as pa
        except ImportError:
            return pd.DataFrame({name: self[name] for name in self.columns})
        return pa.table(self).to_pandas()

    def to_polars(self) -> Any:
        """The table as a polars data frame."""
        import polars as pl

        return pl.DataFrame(self)

    def to_arrow(self) -> Any:
        """The table as a pyarrow table."""
        import pyarrow as pa

        return pa.table(self)

    def _text(self, rows: int) -> list[list[str]]:
        return self._native.rows_as_text(0, rows)

    def __repr__(self) -> str:
        shown = [self.columns, *self._text(10)]
        widths = [max(len(row[place]) for row in shown) for place in range(len(self.columns))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in shown]
        more = self.rows - (len(shown) - 1)
        return "\n".join([*lines, f"… {more} more rows"] if more > 0 else lines)

    def _repr_html_(self) -> str:
        from ._html import table

        return table(self.columns, self._text(20), more=self.rows - 20)


def read_table(path: str | os.PathLike[str], *, drop: str | Iterable[str] | None = None) -> Table:
    """Read a file as the command reads it: .csv, .tsv, .csv.gz, .parquet, .arrow, .feather, .ipc or .npz.

    The columns of a CSV file are text; a fit finds out what they hold.

    Parameters
    ----------
    path
        The file.
    drop
        Columns that are not read.
    """
    from ._arguments import names

    return Table(_native.Table.read(os.fspath(path), None, names("drop", drop)))


def is_empty(table: Any) -> bool:
    """Whether a table in memory is known to have no rows."""
    for attribute in ("num_rows", "rows", "height"):
        rows = getattr(table, attribute, None)
        if isinstance(rows, int):
            return rows == 0
    if isinstance(table, np.ndarray) or _is_pandas(table):
        return len(table) == 0
    return False


def native_table(
    table: TableLike, *, only: Iterable[str] | None = None, drop: Iterable[str] = ()
) -> _native.Table:
    """A table of any library as a native one: the columns of `only`, or all, without those of `drop`.

    The other columns are not looked at, so they may hold anything.
    """
    dropped, listed = list(drop), None if only is None else list(only)
    unwanted, wanted = set(dropped), None if listed is None else set(listed)

    def is_wanted(name: str) -> bool:
        return name not in unwanted and (wanted is None or name in wanted)

    if isinstance(table, Table):
        return table._native
    if isinstance(table, (str, os.PathLike)):
        return _native.Table.read(os.fspath(table), listed, dropped)
    if _is_pandas(table):
        frame: Any = table
        return _of_columns(len(frame), _pandas_columns(frame), is_wanted)
    if isinstance(table, np.ndarray):
        return _of_array(table, is_wanted)
    if _is_series(table):
        raise TypeError("a series is no table: use frame.iloc[[row]] for one row, and series.to_frame() for one column")
    if isinstance(table, ArrowTable):
        return _native.Table.from_arrow(table, listed, dropped)
    if isinstance(table, Mapping):
        return _of_dict({str(name): values for name, values in table.items()}, is_wanted)
    raise TypeError(
        f"a table must be a data frame (pandas, polars, pyarrow, DuckDB), a NumPy array of shape (rows, columns), a dict of "
        f"columns or the path of a file, not {type(table).__name__}"
        + ("; collect() makes a frame of it" if hasattr(table, "collect") else "")
    )


def check_index(table: TableLike, needed: Iterable[str | None]) -> None:
    """Refuses columns of a pandas frame that are its index."""
    if _is_pandas(table):
        frame: Any = table
        columns = {str(name) for name in frame.columns}
        for name in frame.index.names:
            if name is not None and str(name) in needed and str(name) not in columns:
                raise TableError(f"table: `{name}` is the index of the frame, not a column; use reset_index()", column=str(name))


def _is_series(table: object) -> bool:
    libraries = [sys.modules.get(name) for name in ("pandas", "polars")]
    return any(library is not None and isinstance(table, library.Series) for library in libraries)


def _is_pandas(table: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(table, pandas.DataFrame)


def _of_dict(columns: dict[str, Any], is_wanted: Callable[[str], bool]) -> _native.Table:
    wanted = {name: values for name, values in columns.items() if is_wanted(name)}
    for name, values in wanted.items():
        if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
            raise TableError(f"table: column `{name}` is no list of values", column=name)
    first, rows = next(((name, len(values)) for name, values in wanted.items()), ("", 0))
    for name, values in wanted.items():
        if len(values) != rows:
            reason = f"table: column `{name}` has {len(values)} values, but column `{first}` has {rows}"
            raise TableError(reason, column=name)
    return _of_columns(rows, columns.items(), is_wanted)


def _of_array(array: NDArray[Any], is_wanted: Callable[[str], bool]) -> _native.Table:
    if isinstance(array, np.matrix):
        array = np.asarray(array)
    if array.dtype.names is not None and array.ndim == 1:
        return _of_columns(len(array), ((name, array[name]) for name in array.dtype.names), is_wanted)
    if array.ndim != 2:
        raise TableError(f"an array of {array.ndim} dimensions is no table: its shape must be (rows, columns)")
    all_wanted = all(is_wanted(f"x{place}") for place in range(array.shape[1]))
    plain = array.dtype in (np.float32, np.float64) and array.dtype.isnative and not isinstance(array, np.ma.MaskedArray)
    if plain and array.size and all_wanted:
        return _native.Table.from_matrix(np.require(array, requirements="A"))
    columns = ((f"x{place}", array[:, place]) for place in range(array.shape[1]))
    return _of_columns(array.shape[0], columns, is_wanted)


def _of_columns(
    rows: int, columns: Iterable[tuple[str, Any]], is_wanted: Callable[[str], bool]
) -> _native.Table:
    builder = _native.TableBuilder(rows)
    for name, values in columns:
        if is_wanted(name):
            _add(builder, name, values)
        else:
            builder.skip(name)
    return builder.finish()


def _add(builder: _native.TableBuilder, name: str, values: Any) -> None:
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(values, (pandas.Series, pandas.Index, pandas.api.extensions.ExtensionArray)):
        _add_pandas(builder, name, pandas.Series(values))
    elif isinstance(values, ArrowTable):
        builder.add_arrow(name, values)
    elif hasattr(values, "__arrow_c_array__"):
        builder.add_arrow(name, _OneArray(values))
    elif isinstance(values, np.ndarray):
        _add_array(builder, name, values)
    else:
        _add_objects(builder, name, list(values))


class _OneArray:
    """An Arrow array as a stream of one part."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        import pyarrow as pa

        return pa.chunked_array([pa.array(self.values)]).__arrow_c_stream__(requested_schema)


def _add_array(
    builder: _native.TableBuilder, name: str, values: NDArray[Any], missing: NDArray[np.bool_] | None = None
) -> None:
    if values.ndim != 1:
        raise TableError(f"table: column `{name}` has {values.ndim} dimensions: it must have one value a row", column=name)
    if isinstance(values, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(values)
        if values.dtype.kind in "fiub":
            missing = hidden if missing is None else missing | hidden
            values = values.data
        else:
            values = values.data.astype(object)
            values[hidden] = None
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "f" and size not in (4, 8):
        values = values.astype(np.float32 if size < 4 else np.float64)
    elif not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if kind in "fiub":
        builder.add_numbers(name, np.require(values, requirements="A"), missing)
    elif kind == "M":
        _add_times(builder, name, values, None)
    elif kind in "US":
        texts = values if kind == "U" else np.char.decode(values, "utf-8")
        builder.add_texts(name, texts.tolist())
    elif kind == "O" or values.dtype.name.startswith("StringDType"):
        _add_objects(builder, name, values.tolist())
    else:
        raise _unsupported(name, str(values.dtype))


def _add_times(builder: _native.TableBuilder, name: str, values: NDArray[Any], zone: str | None) -> None:
    unit, count = np.datetime_data(values.dtype)
    if unit not in ("s", "ms", "us", "ns") or count != 1:
        plain = "s" if unit in ("Y", "M", "W", "D", "h", "m", "s") else unit if unit in ("ms", "us") else "ns"
        converted = values.astype(f"datetime64[{plain}]")
        lost = np.flatnonzero(~np.isnat(values) & (converted.astype(values.dtype) != values))
        if len(lost):
            row, value = int(lost[0]) + 1, str(values[lost[0]])
            reason = f"table: column `{name}`, row {row}: {value} cannot be held in units of {plain}; convert the column"
            raise TableError(reason, column=name, row=row, value=value)
        values, unit = converted, plain
    builder.add_times(name, np.ascontiguousarray(values).view(np.int64), unit, zone)


def _unsupported(name: str, kind: str) -> TableError:
    return TableError(
        f"table: column `{name}` has the unsupported type {kind}; convert it to numbers or text, or leave it out with drop=",
        column=name,
    )


def _zone(zone: Any) -> str:
    """The name of a time zone as Arrow has it: a place, or an offset such as +05:30."""
    name = str(zone)
    offset = name.removeprefix("UTC")
    return offset if offset and offset[0] in "+-" else name


def _pandas_columns(frame: Any) -> Iterable[tuple[str, Any]]:
    """The columns of a pandas frame. Its index is not a column."""
    if frame.columns.nlevels > 1:
        raise TableError("table: the columns have names of several levels; give each column one name")
    for place, name in enumerate(frame.columns):
        yield str(name), frame.iloc[:, place]


def _add_pandas(builder: _native.TableBuilder, name: str, series: Any) -> None:
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        _add_array(builder, name, series.to_numpy())
    elif isinstance(dtype, pd.CategoricalDtype):
        _add_categories(builder, name, series)
    elif isinstance(dtype, pd.DatetimeTZDtype):
        utc = series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        _add_times(builder, name, utc, _zone(dtype.tz))
    elif isinstance(dtype, pd.ArrowDtype):
        builder.add_arrow(name, series.array.__arrow_array__())
    elif isinstance(dtype, pd.StringDtype):
        builder.add_texts(name, series.astype(object).where(series.notna(), None).tolist())
    elif isinstance(dtype, pd.SparseDtype):
        _add_pandas(builder, name, series.sparse.to_dense())
    elif pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        missing = series.isna().to_numpy(dtype=bool)
        values = series.to_numpy(dtype=dtype.numpy_dtype, na_value=0)
        _add_array(builder, name, values, missing)
    else:
        raise _unsupported(name, str(dtype))


def _add_categories(builder: _native.TableBuilder, name: str, series: Any) -> None:
    categories = series.cat.categories
    codes = series.cat.codes.to_numpy(dtype=np.int64)
    if all(isinstance(category, str) for category in categories):
        builder.add_categories(name, codes, list(categories))
    else:
        # Numbers, truth values and times are what they are, in whatever way pandas stores them.
        missing = codes < 0
        if not len(categories):
            builder.add_numbers(name, np.zeros(len(codes)), np.ones(len(codes), dtype=bool))
        elif categories.dtype.kind in "fiub":
            _add_array(builder, name, categories.to_numpy()[np.where(missing, 0, codes)], missing)
        else:
            _add_pandas(builder, name, series.astype(categories.dtype))


def _add_objects(builder: _native.TableBuilder, name: str, values: list[Any]) -> None:
    """Adds a column of objects of Python, which must all be of one kind; None and NaN are missing."""
    missing = [is_missing(value) for value in values]
    present = [value for value, absent in zip(values, missing) if not absent]
    kinds = {_kind(value) for value in present}
    if not kinds:
        builder.add_numbers(name, np.zeros(len(values)), np.ones(len(values), dtype=bool))
    elif kinds == {"text"}:
        builder.add_texts(name, [None if absent else str(value) for value, absent in zip(values, missing)])
    elif kinds == {"truth"}:
        truths = [not absent and bool(value) for value, absent in zip(values, missing)]
        builder.add_numbers(name, np.array(truths, dtype=bool), np.array(missing, dtype=bool))
    elif kinds == {"integer"} and (kind := _integers(present)) is not None:
        integers = [0 if absent else int(value) for value, absent in zip(values, missing)]
        builder.add_numbers(name, np.array(integers, dtype=kind), np.array(missing, dtype=bool))
    elif kinds <= {"integer", "number"}:
        _check_exact(name, values, missing)
        numbers = [0.0 if absent else float(value) for value, absent in zip(values, missing)]
        builder.add_numbers(name, np.array(numbers, dtype=np.float64), np.array(missing, dtype=bool))
    elif kinds == {"time"}:
        _add_datetimes(builder, name, values, missing)
    else:
        raise _mixed(name, values, missing)


def _integers(values: list[Any]) -> type[np.int64 | np.uint64] | None:
    """The type that holds integers exactly, if there is one."""
    low, high = min(values), max(values)
    if -(2**63) <= low and high < 2**63:
        return np.int64
    return np.uint64 if low >= 0 and high < 2**64 else None


def _check_exact(name: str, values: list[Any], missing: list[bool]) -> None:
    """Refuses whole numbers that a float of 64 bits does not hold, such as long identifiers."""
    for row, (value, absent) in enumerate(zip(values, missing)):
        try:
            exact = absent or isinstance(value, (float, np.floating)) or value % 1 != 0 or int(float(value)) == int(value)
        except (ArithmeticError, ValueError):
            exact = False
        if not exact:
            raise TableError(
                f"table: column `{name}`, row {row + 1}: {value} has more digits than a float holds; convert the column to text",
                column=name,
                row=row + 1,
                value=str(value),
            )


def _mixed(name: str, values: list[Any], missing: list[bool]) -> TableError:
    """The error of a column of objects that have no common kind, or one that is not supported."""
    present = [row for row, absent in enumerate(missing) if not absent]
    first = values[present[0]]
    others = [row for row in present if _kind(values[row]) != _kind(first)]
    row = others[0] if others else present[0]
    described = f"is not of the kind of {first!r} before it" if others else "has an unsupported type"
    return TableError(
        f"table: column `{name}`, row {row + 1}: {values[row]!r} ({type(values[row]).__name__}) {described}; convert the "
        f"column to numbers or text, or leave it out with drop=",
        column=name,
        row=row + 1,
        value=str(values[row]),
    )


def is_missing(value: object) -> bool:
    """Whether a value of Python stands for a missing one."""
    if value is None or isinstance(value, (float, np.floating)) and value != value:
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def _kind(value: object) -> str:
    import datetime
    import decimal

    if isinstance(value, str):
        return "text"
    if isinstance(value, (bool, np.bool_)):
        return "truth"
    if isinstance(value, (int, np.integer)):
        return "integer"
    if isinstance(value, (float, np.floating, decimal.Decimal)):
        return "number"
    if isinstance(value, (datetime.date, np.datetime64)):
        return "time"
    return f"type {type(value).__name__}"


def _add_datetimes(builder: _native.TableBuilder, name: str, values: list[Any], missing: list[bool]) -> None:
    import datetime

    zones = {_zone(getattr(value, "tzinfo", None)) for value, absent in zip(values, missing) if not absent}
    if len(zones) > 1:
        raise TableError(f"table: column `{name}` holds times of several zones: {', '.join(sorted(zones))}", column=name)
    zone = None if zones == {"None"} else zones.pop()

    def moment(value: Any) -> np.datetime64:
        if isinstance(value, datetime.datetime) and value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return np.datetime64(value, "us")

    times = [np.datetime64("NaT", "us") if absent else moment(value) for value, absent in zip(values, missing)]
    _add_times(builder, name, np.array(times, dtype="datetime64[us]"), zone)
