"""Score datasets of Ray, and run the parts of a bench as Ray tasks.

    from anoonly import ray

    scores = ray.score(dataset, "model.anoonly")
    ray.bench("plan.toml", "results", shards=16)

anoonly must be installed on all nodes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.data import ActorPoolStrategy
from ray.exceptions import RayTaskError

import anoonly
from anoonly import AnoonlyError, AnoonlyWarning, Model, TableError, _engine

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["bench", "score"]


def score(
    dataset: ray.data.Dataset,
    model: Model | str | os.PathLike[str],
    *,
    columns: str | Sequence[str] | None = None,
    lenient: bool = False,
    concurrency: int | tuple[int, int] | None = None,
    batch_size: int | None = 16384,
    threads: int = 1,
    **options: Any,
) -> ray.data.Dataset:
    """Scores each row of a dataset. Lazy, as transformations of Ray Data are.

    The scores are those of `anoonly score`, to the last bit, however the rows are divided into blocks and batches.

    Parameters
    ----------
    dataset
        The rows, with the columns that the model was fitted on. To know the columns, Ray may have to compute a first
        block.
    model
        A model or the path of its file, which only the caller reads. Its bytes are put into the object store once.
    columns
        The columns of the dataset to keep: a name, a list of names, or "all". By default, the identifiers of the model,
        or all columns if the model has no identifiers.
    lenient
        Treat missing columns and values of the wrong kind as missing, and accept unknown categories.
    concurrency
        The number of actors, or the least and the largest number. By default as many as the cluster has room for. A
        fixed number must leave a CPU to the tasks that read the dataset.
    batch_size
        The number of rows that an actor scores at a time; None for whole blocks.
    threads
        The number of threads of an actor, for which it reserves as many CPUs.
    **options
        Further arguments of `ray.data.Dataset.map_batches`, such as `memory`.

    Returns
    -------
    ray.data.Dataset
        The kept columns, then `score` (float), `p_value` (double; if the model has held-out rows) and `flagged` (bool;
        if the model has a threshold), which are never null. As many rows as the dataset.

    Raises
    ------
    TableError
        If the dataset lacks a column, or a kept column is named like one of the results. Values that do not fit their
        column are found when Ray computes the scores: its error has the message, which names the column.
    SettingError
        If the threshold keeps a false-discovery rate: this depends on the scores of all rows together.
    """
    opened = _engine.loaded(model)
    names = dataset.columns()
    if names is None:
        raise TableError("the dataset has no rows and no columns")
    layout = _engine.layout(opened, names, columns, lenient)
    if isinstance(concurrency, tuple):
        actors = ActorPoolStrategy(min_size=concurrency[0], max_size=concurrency[1])
    elif concurrency is None:
        actors = ActorPoolStrategy(min_size=1)
    else:
        actors = ActorPoolStrategy(size=concurrency)
        cpus = _cpus()
        if concurrency * threads >= cpus:
            message = f"the actors reserve {concurrency * threads} of {cpus:g} CPUs and leave no CPU to tasks that read"
            warnings.warn(f"{message} the dataset; choose a smaller concurrency", AnoonlyWarning, stacklevel=2)
    return dataset.select_columns(layout.needed).map_batches(
        _Scorer,
        fn_constructor_args=(ray.put(opened.to_bytes()), layout, lenient, threads),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=actors,
        num_cpus=threads,
        **options,
    )


def _cpus() -> float:
    """The CPUs of the cluster."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources.get("CPU", 0.0)


class _Scorer:
    """An actor of Ray Data: reads the model once and scores batches."""

    def __init__(self, content: ray.ObjectRef[bytes], layout: _engine.Layout, lenient: bool, threads: int) -> None:
        anoonly.set_threads(threads)
        self.model = Model.from_bytes(ray.get(content))
        self.layout = layout
        self.lenient = lenient

    def __call__(self, batch: pa.Table) -> pa.Table:
        return _engine.scores(self.model, batch, self.layout, self.lenient)


# What a bench keeps of its runs, to continue with them.
_RUNS = ("runs.jsonl", "details.jsonl", "labelling.jsonl")


class ShardKilledError(AnoonlyError):
    """The command that ran a part of a bench was killed."""


def bench(
    plan: str | os.PathLike[str], out: str | os.PathLike[str], *, shards: int | None = None, cpus: int = 1
) -> None:
    """Runs a bench as Ray tasks and merges the results: what `anoonly bench --plan PLAN --out OUT` does on one machine.

    A part that is killed runs again. Runs that `out` has already are not repeated, so that the same call continues a
    bench that was stopped.

    Parameters
    ----------
    plan
        The plan, a TOML file. Its text travels to the nodes. Files that it names, such as `data`, must be on every node
        under the same absolute path.
    out
        The folder for results.
    shards
        The number of parts, each a task. By default the number of tasks that run at a time. With more parts, the tasks
        end at more even times.
    cpus
        The CPUs of a task, which makes as many runs at a time.

    Raises
    ------
    AnoonlyError
        If a part fails, with its message. Parts that were finished are merged nevertheless.
    """
    plan, out = Path(plan), Path(out)
    text = plan.read_text(encoding="utf-8")
    if not ray.is_initialized():
        ray.init()
    if shards is None:
        shards = max(1, int(_cpus()) // cpus)
    done = ray.put({name: (out / name).read_bytes() for name in _RUNS if (out / name).exists()})
    task = _shard.options(num_cpus=cpus, retry_exceptions=[ShardKilledError])
    waiting = [task.remote(text, f"{part}/{shards}", done, cpus) for part in range(1, shards + 1)]
    with tempfile.TemporaryDirectory() as folder:
        parts: list[str] = []
        try:
            while waiting:
                (ready,), waiting = ray.wait(waiting)
                parts.append(_unpacked(ray.get(ready), Path(folder, str(len(parts)))))
        except RayTaskError as error:
            raise error.cause if isinstance(error.cause, AnoonlyError) else error from None
        finally:
            # After a failure or a signal, too: the same call then continues from here.
            for unfinished in waiting:
                ray.cancel(unfinished)
            merged = _command("--plan", str(plan), "merge", *parts, "--out", str(out)) if parts else None
    if merged is not None and merged.returncode != 0:
        raise AnoonlyError(_message(merged))


@ray.remote(max_retries=3)
def _shard(plan: str, shard: str, done: dict[str, bytes], threads: int) -> dict[str, bytes]:
    """The files of the results of a part of a bench, by their names."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "plan.toml"), Path(folder, "results")
        file.write_text(plan, encoding="utf-8")
        _unpacked(done, out)
        options = ["--plan", str(file), "--shard", shard, "--out", str(out), "--threads", str(threads)]
        if re.search(r"^\s*report\s*=", plan, re.MULTILINE):
            # The report is made when the parts are merged.
            options += ["--report", str(Path(folder, "report.html"))]
        command = _command(*options)
        if command.returncode < 0:
            raise ShardKilledError(f"shard {shard} was killed by signal {-command.returncode}")
        # If only some runs failed, there is a table, which says so.
        if command.returncode != 0 and not list(out.glob("*.csv")):
            raise AnoonlyError(f"shard {shard}: {_message(command)}")
        return {path.name: path.read_bytes() for path in out.iterdir()}


def _unpacked(files: dict[str, bytes], folder: Path) -> str:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return str(folder)


def _command(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anoonly", "bench", *options],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def _message(command: subprocess.CompletedProcess[str]) -> str:
    """What a command says about its failure: the last lines on its standard error, from `error: ` on."""
    return command.stderr.rpartition("error: ")[2].strip() or f"exit code {command.returncode}"
