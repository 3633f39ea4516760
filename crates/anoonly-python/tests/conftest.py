"""What the tests share: the command, and the comparison of a table in memory with the same table in a file."""

from __future__ import annotations

import copy
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import anoonly


class Command:
    """The program `anoonly`, run in a folder: the one named by ANOONLY_COMMAND, or that of the package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        given = os.environ.get("ANOONLY_COMMAND")
        self.words = shlex.split(given) if given else [sys.executable, "-m", "anoonly"]

    def __call__(self, *arguments: str | Path) -> str:
        """Run a command that must succeed; return what it prints."""
        words = [*self.words, *map(str, arguments)]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr}"
        return done.stdout

    def train(self, table: str | Path, *options: str) -> Path:
        """Train a model; return its file."""
        model = self.folder / "by-command.anoonly"
        self("train", table, "--out", model, *options)
        return model

    def score(self, model: str | Path, table: str | Path, *options: str) -> pa.Table:
        """The scores of a table, as the command writes them to Parquet."""
        scores = self.folder / "scores.parquet"
        self("score", model, table, "--out", scores, *options)
        return pyarrow.parquet.read_table(scores)

    def description(self, model: str | Path) -> dict[str, Any]:
        """What `anoonly inspect` says about a model, without the name and the digest of the table it was trained on."""
        described: dict[str, Any] = json.loads(self("inspect", model, "--json"))
        for name in ["table", "fingerprint"]:
            del described["about"][name]
        return described


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def as_options(settings: dict[str, Any]) -> list[str]:
    """The arguments of `fit` as options of the command."""
    options = []
    for name, value in settings.items():
        for one in value if isinstance(value, list) else [value]:
            options += [f"--{name.replace('_', '-')}", str(one)]
    return options


def assert_same_bits(left: Any, right: Any) -> None:
    """Both arrays have the same type and the same bytes."""
    left, right = np.asarray(left), np.asarray(right)
    assert left.dtype == right.dtype
    different = np.flatnonzero(
        left.view(np.uint8).reshape(len(left), -1) != right.view(np.uint8).reshape(len(left), -1)
    )
    assert left.tobytes() == right.tobytes(), f"{len(different)} bytes differ: {left[:5]} and {right[:5]}"


def facts_of(model: anoonly.Model) -> dict[str, Any]:
    """What a model says about itself, without the name and the digest of the table it was fitted on."""
    facts: dict[str, Any] = copy.deepcopy(model._facts)
    for name in ["table", "fingerprint"]:
        del facts["provenance"][name]
    return facts


Same = Callable[..., dict[str, Any]]


@pytest.fixture
def same_as_command(command: Command, tmp_path: Path) -> Same:
    """Fit and score a table in memory and its file with the package and the command: all must be equal.

    Returns what became of the columns: the kind of each, None for those that are left out.
    """

    def check(table: Any, file: pa.Table | Path, *, method: str = "logistic", **settings: Any) -> dict[str, Any]:
        settings.setdefault("label", "fraud")
        path = file if isinstance(file, Path) else write(file, tmp_path / "table.parquet")
        # A reader of batches is at its end after the fit.
        first, again = (table(), table()) if callable(table) else (table, table)
        model = anoonly.Detector(method, seed=1).fit(first, **settings)
        scores = model.score(again)
        trained = command.train(path, "--model", method, "--seed", "1", *as_options(settings))
        assert_same_bits(scores, command.score(trained, path)["score"].to_numpy())
        facts, expected = (facts_of(one) for one in (model, anoonly.Model.load(trained)))
        assert facts == expected
        assert model.columns == [column["name"] for column in facts["columns"]]
        kinds = {column["name"]: column["kind"] for column in facts["columns"]}
        return kinds | {column["column"]: None for column in facts["provenance"]["left_out"]}

    return check


def write(table: pa.Table, path: Path) -> Path:
    """Write a table for the command: Parquet, or Arrow if the name ends so."""
    if path.suffix == ".arrow":
        pyarrow.feather.write_feather(table, str(path), compression="uncompressed")
    else:
        pyarrow.parquet.write_table(table, path)
    return path
