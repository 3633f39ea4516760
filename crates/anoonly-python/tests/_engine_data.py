"""Tables, models and the command's scores for the tests of the adapters for Spark and Ray."""

from __future__ import annotations

import contextlib
import datetime
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

Found = TypeVar("Found")


def table(rows: int, seed: int, *, labels: bool) -> pa.Table:
    """Numbers, categories, dates, times and truth values with gaps, and identifiers."""
    draw = np.random.default_rng(seed)
    fraud = draw.random(rows) < 0.1
    values = draw.normal(size=(rows, 2)) + 1.5 * fraud[:, None]

    def gaps(column: list[object]) -> list[object]:
        return [None if draw.random() < 0.1 else value for value in column]

    day, moment = datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    columns = {
        "id": [f"r{row:05d}" for row in range(rows)],
        "amount": pa.array(gaps(list(values[:, 0])), pa.float64()),
        "size": pa.array(values[:, 1], pa.float32()),
        "count": pa.array(gaps(list(draw.integers(0, 9, rows))), pa.int32()),
        "shop": gaps([str(name) for name in draw.choice(["a", "b", "c"], rows)]),
        "day": pa.array(
            gaps([day + datetime.timedelta(days=int(k)) for k in draw.integers(0, 400, rows)]), pa.date32()
        ),
        "at": [moment + datetime.timedelta(seconds=int(k)) for k in draw.integers(0, 40_000_000, rows)],
        "open": gaps([bool(value) for value in draw.integers(0, 2, rows)]),
    }
    if labels:
        columns["fraud"] = pa.array([int(value) if draw.random() < 0.5 else None for value in fraud], pa.int8())
    return pa.table(columns)


def command(*options: object) -> None:
    """Runs `anoonly`."""
    done = subprocess.run(
        [sys.executable, "-m", "anoonly", *map(str, options)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


class Case:
    """A model with a threshold, new rows, and the scores that the command gives them."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "model.anoonly"
        self.new = folder / "new.parquet"
        self.folder = folder
        pq.write_table(table(600, 1, labels=True), folder / "table.parquet")
        pq.write_table(table(500, 2, labels=False), self.new)
        command("train", folder / "table.parquet", "--label", "fraud", "--id", "id", "--out", self.model)
        command("threshold", self.model, "--fpr", "0.1")
        command("score", self.model, self.new, "--out", folder / "scores.parquet")
        self.expected = pq.read_table(folder / "scores.parquet")

    def with_threshold(self, *rule: str) -> Path:
        """A copy of the model with another threshold."""
        copy = self.folder / "copy.anoonly"
        copy.write_bytes(self.model.read_bytes())
        command("threshold", copy, *rule)
        return copy

    def trained(self, *options: str) -> Path:
        """Another model of the same table."""
        model = self.folder / "other.anoonly"
        command("train", self.folder / "table.parquet", "--label", "fraud", "--out", model, *options)
        return model

    def check(self, found: pa.Table) -> None:
        """Asserts that a table, in any order, has the command's rows and scores to the bit."""
        expected, found = by_id(self.expected), by_id(found)
        assert list(found) == list(expected)
        for row, (score, p_value, flagged) in expected.items():
            assert found[row] == (score, p_value, flagged), row
        assert any(flagged for *_, flagged in found.values())


def by_id(scores: pa.Table) -> dict[str, tuple[bytes, float, bool]]:
    """The bits of the score, the p-value and the flag of each identifier, which occurs once."""
    bits = [value.tobytes() for value in scores["score"].to_numpy().astype(np.float32)]
    rows = list(zip(scores["id"].to_pylist(), zip(bits, scores["p_value"].to_pylist(), scores["flagged"].to_pylist())))
    found = dict(sorted(rows))
    assert len(found) == len(rows)
    return found


def titled(processes: Iterable[psutil.Process]) -> Iterator[tuple[psutil.Process, str]]:
    """Processes with their titles or command lines, without those that end meanwhile."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            yield process, " ".join(process.cmdline())


def kill(process: psutil.Process) -> None:
    """Kills a process and waits for its end."""

    def ended() -> bool:
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    process.kill()
    wait(ended, "the end of a process")


def wait(condition: Callable[[], Found], what: str, seconds: float = 60.0) -> Found:
    """Waits until a condition holds, and returns what it found."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what}"
        time.sleep(0.05)
    return found
