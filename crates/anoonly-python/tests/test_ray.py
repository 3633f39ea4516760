"""`anoonly.ray` on a cluster in this machine."""

from __future__ import annotations

import csv
import os
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("ray.data", reason="ray[data] is not installed")

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import ray
from _engine_data import Case, command, kill, titled, wait

import anoonly
import anoonly.ray as door


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Three CPUs: two for actors, one for the tasks that read."""
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("ray"))


def rows(case: Case, blocks: int = 4) -> ray.data.Dataset:
    return ray.data.read_parquet(str(case.new)).repartition(blocks)


def collected(dataset: ray.data.Dataset) -> pa.Table:
    return pa.concat_tables(ray.get(dataset.to_arrow_refs()))


def test_scores_are_those_of_the_command(case: Case) -> None:
    case.check(collected(door.score(rows(case, 5), case.model, concurrency=2, batch_size=33)))
    case.check(collected(door.score(rows(case), anoonly.Model.load(case.model), batch_size=None)))


def test_columns_and_types(case: Case) -> None:
    results = [
        pa.field("score", pa.float32(), nullable=False),
        pa.field("p_value", pa.float64(), nullable=False),
        pa.field("flagged", pa.bool_(), nullable=False),
    ]
    dataset = rows(case).materialize()
    found = collected(door.score(dataset, case.model, columns="all", concurrency=(1, 2)))
    given = collected(dataset)
    assert found.schema.remove_metadata() == pa.schema([*given.schema, *results])
    assert found.sort_by("id").select(given.column_names).equals(given.sort_by("id"))
    assert door.score(dataset, case.model, columns=["shop", "id"]).columns()[:2] == ["shop", "id"]
    without = door.score(dataset, case.trained("--drop", "id", "--held-out", "0"))
    assert without.columns() == [*given.column_names, "score"]


def test_wrong_columns_are_refused_by_the_driver(case: Case) -> None:
    dataset = rows(case)
    with pytest.raises(anoonly.TableError, match="no column `size`") as missing:
        door.score(dataset.drop_columns(["size"]), case.model)
    assert missing.value.column == "size"
    assert door.score(dataset.drop_columns(["size"]), case.model, lenient=True).count() == 500
    with pytest.raises(anoonly.TableError, match="named like a column of the results"):
        door.score(dataset.rename_columns({"id": "score"}), case.model, columns="all")
    with pytest.raises(anoonly.SettingError, match="the whole table"):
        door.score(dataset, case.with_threshold("--fdr", "0.1"))


def test_errors_of_an_actor_name_the_column(case: Case) -> None:
    table = pq.read_table(case.new)
    wrong = table.set_column(table.schema.get_field_index("amount"), "amount", [["much"] * 500])
    with pytest.raises(ray.exceptions.RayTaskError, match=r"TableError: .*column `amount`"):
        door.score(ray.data.from_arrow(wrong), case.model).materialize()


def test_actors_that_leave_no_cpu_are_warned_about(case: Case) -> None:
    with pytest.warns(anoonly.AnoonlyWarning, match="no CPU"):
        door.score(rows(case), case.model, concurrency=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", anoonly.AnoonlyWarning)
        door.score(rows(case), case.model, concurrency=2)


def test_a_killed_actor_changes_nothing(case: Case, tmp_path: Path) -> None:
    armed, killed = tmp_path / "armed", tmp_path / "killed"

    def held(batch: pa.Table) -> pa.Table:
        """Runs in the actor that scores, as Ray joins the steps."""
        if armed.exists():
            (tmp_path / f"actor-{os.getpid()}").touch()
            while not killed.exists():
                time.sleep(0.05)
        return batch

    dataset = rows(case, 8).map_batches(held, batch_format="pyarrow", batch_size=None)
    scored = door.score(dataset, case.model, concurrency=2, batch_size=None)
    armed.touch()
    with ThreadPoolExecutor() as pool:
        job = pool.submit(collected, scored)
        try:
            # Ray may give all batches to one of the two actors.
            wait(lambda: job.done() or list(tmp_path.glob("actor-*")), "an actor at work")
            assert not job.done()
            victim = psutil.Process(int(next(tmp_path.glob("actor-*")).name.rpartition("-")[2]))
            assert "_Scorer" in " ".join(victim.cmdline())
            kill(victim)
        finally:
            # The actors would wait for ever, and the pool for them.
            killed.touch()
        case.check(job.result(60))


PLAN = """
datasets = ["penguins", "wine"]
models = ["logistic", "devnet", "mean-difference"]
seeds = [1, 2]
report = "{report}"

[settings.devnet]
margin = 4.0
"""


def results(folder: Path) -> list[dict[str, str]]:
    """The results of a bench, apart from times."""
    with (folder / "results.csv").open() as file:
        return [{key: value for key, value in row.items() if "seconds" not in key} for row in csv.DictReader(file)]


def test_a_bench_in_shards_has_the_results_of_one_machine(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.format(report=tmp_path / "report.html"))
    command("bench", "--plan", plan, "--out", tmp_path / "whole", "--report", tmp_path / "whole.html")
    assert door.bench(plan, tmp_path / "merged", shards=3) is None
    expected = results(tmp_path / "whole")
    assert results(tmp_path / "merged") == expected and len(expected) == 16
    assert (tmp_path / "report.html").stat().st_size > 10_000
    # Runs that are there already are not repeated: their times stay.
    before = (tmp_path / "merged" / "results.csv").read_text()
    door.bench(plan, tmp_path / "merged", shards=2)
    assert (tmp_path / "merged" / "results.csv").read_text() == before


def test_failures_of_a_bench_carry_the_message(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('datasets = ["penguin"]')
    with pytest.raises(anoonly.AnoonlyError, match="shard ./2: no data set matches `penguin`"):
        door.bench(plan, tmp_path / "out", shards=2)
    plan.write_text(
        'datasets = ["penguins"]\nmodels = ["rosas"]\nseeds = [1, 2]\n[settings.rosas.recipe.optimiser]\nlearning_rate = 1e12'
    )
    with pytest.raises(anoonly.AnoonlyError, match="runs failed"):
        door.bench(plan, tmp_path / "out", shards=2)
    assert {row["status"] for row in results(tmp_path / "out")} == {"failed"}


def test_a_killed_shard_runs_again(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'datasets = ["penguins"]\nmodels = ["devnet"]\nseeds = [1, 2]\n[settings.devnet.recipe]\nepochs = 8000'
    )
    with ThreadPoolExecutor() as pool:
        job = pool.submit(door.bench, plan, tmp_path / "out", shards=2)
        kill(wait(commands, "a command")[0])
        kill(wait(tasks, "a task")[0])
        job.result(60)
    assert len(results(tmp_path / "out")) == 4


def descendants() -> list[psutil.Process]:
    """The processes that this one has started, those of Ray among them."""
    return psutil.Process().children(recursive=True)


def commands() -> list[psutil.Process]:
    """The commands that run a shard."""
    return [process for process, title in titled(descendants()) if " --shard " in title]


def tasks() -> list[psutil.Process]:
    """The workers of Ray that run a shard."""
    return [process for process, title in titled(descendants()) if title.startswith("ray::_shard")]
