"""Tables that break the rules, threads that meet, and values at the edges of their types."""

from __future__ import annotations

import decimal
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pytest

import anoonly
from anoonly._tables import native_table

ROWS = 40


def values(table: Any, column: str) -> list[Any]:
    return native_table(table).column(column)


def test_rows_that_are_null_as_a_whole_are_refused() -> None:
    rows = pa.StructArray.from_arrays([pa.array([1.0, 2.0, 3.0])], ["x"], mask=pa.array([False, True, False]))
    with pytest.raises(anoonly.TableError, match="null as a whole"):
        native_table(pa.chunked_array([rows]))


@pytest.mark.parametrize("keys", [[0, 5], [-1, 0]])
def test_keys_without_a_category_are_refused(keys: list[int]) -> None:
    broken = pa.DictionaryArray.from_arrays(pa.array(keys, pa.int8()), pa.array(["a", "b"]), safe=False)
    with pytest.raises(anoonly.TableError):
        native_table(pa.table({"kind": broken, "x": [1.0, 2.0]}))


def test_a_dictionary_of_dictionaries_is_refused_by_its_column() -> None:
    inner = pa.array(["a", "b"]).dictionary_encode()
    nested = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), inner)
    with pytest.raises(anoonly.TableError) as refused:
        native_table(pa.table({"kind": nested}))
    assert refused.value.column == "kind"


@pytest.mark.parametrize("capsule", [None, "text", 3])
def test_what_gives_no_stream_is_refused(capsule: Any) -> None:
    class Producer:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            return capsule

    with pytest.raises(TypeError):
        native_table(Producer())


def test_an_error_in_the_middle_of_a_stream_keeps_its_words() -> None:
    schema = pa.schema([("x", pa.float64())])

    def batches() -> Any:
        yield pa.record_batch({"x": [1.0, 2.0]}, schema)
        raise OSError("the disk is gone")

    with pytest.raises(anoonly.TableError, match="the disk is gone"):
        native_table(pa.RecordBatchReader.from_batches(schema, batches()))


def test_long_integers_keep_their_digits() -> None:
    unsigned = [2**63 + row for row in range(ROWS)]
    assert values({"id": unsigned}, "id") == unsigned
    assert values(pd.DataFrame({"id": pd.Series(unsigned, dtype=object)}), "id") == unsigned
    for wrong in [[2**70 + 1, 1], [decimal.Decimal(2**60 + 1)], [10**400], [decimal.Decimal("sNaN")]]:
        with pytest.raises(anoonly.TableError, match="digits") as refused:
            native_table({"id": wrong})
        assert (refused.value.column, refused.value.row) == ("id", 1)
    assert values({"x": [2**70, 0.5, decimal.Decimal("1.5")]}, "x") == [float(2**70), 0.5, 1.5]


def test_times_beyond_their_unit_are_refused() -> None:
    assert values({"t": np.array(["2500-01-01"], dtype="M8[25s]")}, "t")[0].startswith("2500-01-01")
    assert values({"t": np.array(["9000-01-01"], dtype="M8[10us]")}, "t")[0].startswith("9000-01-01")
    with pytest.raises(anoonly.TableError, match="cannot be held") as refused:
        native_table({"t": np.array([10**9, 10**9 + 1]).astype("M8[as]")})
    assert refused.value.row == 2


def test_numeric_categories_may_be_missing() -> None:
    kinds = pd.Series(pd.Categorical([10, 20, None, 10]))
    assert values(pd.DataFrame({"kind": kinds}), "kind") == [10, 20, None, 10]
    assert values(pd.DataFrame({"kind": kinds.cat.set_categories([10])}), "kind") == [10, None, None, 10]
    none: Any = pd.Categorical([None, None], categories=[])
    assert values(pd.DataFrame({"kind": none, "x": [1, 2]}), "kind") == [None, None]


def test_columns_with_integers_as_names_are_named_by_them() -> None:
    generator = np.random.default_rng(1)
    frame = pd.DataFrame(generator.normal(size=(60, 3)))
    frame[3] = [1] * 3 + [None] * 57
    frame[4] = [f"r{row}" for row in range(60)]
    model = anoonly.Detector("logistic").fit(frame, label=3, id=4, drop=[1])
    assert (model.columns, model.ids) == (["0", "2"], ["4"])


def test_what_is_no_table_is_refused_with_a_remedy() -> None:
    frame = pd.DataFrame({"x": range(ROWS), "y": np.random.default_rng(1).normal(size=ROWS)})
    model = anoonly.Detector("isolation-forest").fit(frame, keep=True)
    for series in [frame["x"], frame.iloc[0]]:
        with pytest.raises(TypeError, match=r"iloc\[\[row\]\]"):
            model.score(series)
    with pytest.raises(anoonly.TableError, match="reset_index"):
        anoonly.Detector("isolation-forest").fit(frame.set_index("x"), id="x")


def test_labels_beside_a_table_are_evaluated() -> None:
    generator = np.random.default_rng(2)
    frame = pd.DataFrame(generator.normal(size=(200, 3)), columns=list("abc"))
    truth = np.arange(200) < 10
    frame.loc[truth, "a"] += 5
    model = anoonly.Detector("isolation-forest").fit(frame[100:])
    by_name = model.evaluate(frame.assign(truth=truth), "truth").to_dict()
    assert model.evaluate(frame, truth).to_dict() == by_name
    assert model.evaluate(frame, pd.Series(truth)).to_dict() == by_name
    assert model.set_threshold(max_f1=frame, label=truth).threshold.rule == "max_f1"  # type: ignore[union-attr]
    with pytest.raises(anoonly.LabelError):
        model.evaluate(frame, None)


def run(program: str, folder: Path) -> str:
    """Run a program that must not hang."""
    words = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_stream_may_wait_for_threads_that_need_the_interpreter(tmp_path: Path) -> None:
    program = """
        import os
        import pyarrow as pa, pyarrow.dataset, pyarrow.parquet
        from pyarrow.fs import FSSpecHandler, PyFileSystem
        import fsspec
        from anoonly._tables import native_table
        pa.parquet.write_table(pa.table({"x": list(range(50_000))}), "rows.parquet", row_group_size=1000)
        files = PyFileSystem(FSSpecHandler(fsspec.filesystem("file")))
        rows = pa.dataset.dataset("rows.parquet", filesystem=files).scanner().to_reader()
        print(native_table(rows).rows, flush=True)
        # Threads of pyarrow may still let go of Python objects. If the interpreter ends meanwhile, pyarrow aborts the process.
        os._exit(0)
    """
    pytest.importorskip("fsspec")
    assert run(program, tmp_path) == "50000\n"


def test_a_session_is_closed_while_others_read_it(tmp_path: Path) -> None:
    program = """
        import sys, threading
        import numpy as np, pyarrow as pa
        import anoonly
        sys.setswitchinterval(1e-5)
        generator = np.random.default_rng(1)
        for _ in range(15):
            table = pa.table({f"c{place}": pa.array(generator.normal(size=500)) for place in range(40)})
            session = anoonly.LabellingSession(table)
            del table
            def read():
                try:
                    while True:
                        session.progress()
                except anoonly.SettingError:
                    pass
            readers = [threading.Thread(target=read) for _ in range(3)]
            for reader in readers:
                reader.start()
            session.close()
            for reader in readers:
                reader.join()
        print("done")
    """
    assert run(program, tmp_path) == "done\n"


def test_fits_that_are_given_up_leave_no_threads() -> None:
    table = np.random.default_rng(1).normal(size=(200, 3))

    class Enough(Exception):
        pass

    def stop(*step: Any) -> None:
        raise Enough

    detector = anoonly.Detector("isolation-forest")
    detector.fit(table)
    before = psutil.Process().num_threads()
    for _ in range(20):
        with pytest.raises(Enough):
            detector.fit(table, progress=stop)
    detector.fit(table)
    # A pool that is given up ends soon after its work.
    most = before + 2 * (os.cpu_count() or 1)
    for _ in range(100):
        if psutil.Process().num_threads() <= most:
            break
        detector.fit(table)
    assert psutil.Process().num_threads() <= most
