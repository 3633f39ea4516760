"""`anoonly.spark` in Spark's local mode, with two workers."""

from __future__ import annotations

import concurrent.futures
import os
import re
import resource
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("java is not installed", allow_module_level=True)

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from _engine_data import Case, kill, titled, wait
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DoubleType, FloatType, StringType, StructField

import anoonly
from anoonly import spark


def session() -> SparkSession:
    """The session that is active, or a new one: two workers, and tasks that may fail three times."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        # Models must not see the zone of the session.
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "33",
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
    }
    started = SparkSession.builder.master("local[2,4]").config(map=settings).getOrCreate()
    started.sparkContext.setLogLevel("OFF")
    return started


@pytest.fixture(scope="module", autouse=True)
def end() -> Iterator[None]:
    yield
    session().stop()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("spark"))


def rows(case: Case, partitions: int = 2) -> DataFrame:
    return session().read.parquet(str(case.new)).repartition(partitions, "id")


def test_scores_are_those_of_the_command(case: Case) -> None:
    for partitions, records in [(1, 10_000), (5, 33)]:
        session().conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", records)
        case.check(spark.score(rows(case, partitions), case.model).toArrow())
    case.check(spark.score(rows(case), anoonly.Model.load(case.model)).toArrow())


def test_the_schema_is_known_before_any_work(case: Case) -> None:
    results = [
        StructField("score", FloatType(), nullable=False),
        StructField("p_value", DoubleType(), nullable=False),
        StructField("flagged", BooleanType(), nullable=False),
    ]
    frame = rows(case).withColumn("place", F.lit("here"))
    assert spark.score(frame, case.model).schema.fields == [StructField("id", StringType(), nullable=True), *results]
    everything = spark.score(frame, case.model, columns="all")
    assert everything.schema.fields == [*frame.schema.fields, *results]
    assert not everything.schema["place"].nullable
    chosen = spark.score(frame, case.model, columns=["shop", "id"])
    assert chosen.columns == ["shop", "id", "score", "p_value", "flagged"]
    shops = {row.id: row.shop for row in frame.collect()}
    assert {row.id: row.shop for row in chosen.collect()} == shops


def test_without_identifiers_all_columns_stay(case: Case) -> None:
    model = case.trained("--drop", "id", "--held-out", "0")
    frame = rows(case)
    found = spark.score(frame, model)
    assert found.columns == [*frame.columns, "score"]
    assert found.count() == 500


def test_only_needed_columns_go_to_python(case: Case) -> None:
    frame = rows(case).withColumn("unused", F.lit(1)).withColumn("a `dotted.name`", F.lit(2))
    plan = spark.score(frame, case.model)._jdf.queryExecution().optimizedPlan().toString()
    assert "unused" not in plan and "MapInArrow" in plan
    kept = spark.score(frame, case.model, columns=["a `dotted.name`"])
    assert kept.columns[0] == "a `dotted.name`" and kept.first()[0] == 2


def test_wrong_columns_are_refused_by_the_driver(case: Case) -> None:
    frame = rows(case)
    with pytest.raises(anoonly.TableError, match="no column `size`") as missing:
        spark.score(frame.drop("size"), case.model)
    assert missing.value.column == "size"
    assert spark.score(frame.drop("size"), case.model, lenient=True).count() == 500
    with pytest.raises(anoonly.TableError, match="named like a column of the results") as taken:
        spark.score(frame.withColumnRenamed("id", "Score"), case.model, columns="all")
    assert taken.value.column == "Score"
    with pytest.raises(anoonly.TableError, match="no column `ID` to keep"):
        spark.score(frame, case.model, columns="ID")
    with pytest.raises(anoonly.TableError, match="more than one column is named `size`"):
        spark.score(frame.select("*", "size"), case.model)


def test_a_false_discovery_rate_is_refused(case: Case) -> None:
    with pytest.raises(anoonly.SettingError, match="the whole table"):
        spark.score(rows(case), case.with_threshold("--fdr", "0.1"))


def test_the_page_computes_what_needs_all_rows(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[3] / "docs" / "beyond-one-machine.md"
    names: dict[str, Any] = {"frame": rows(case)}
    monkeypatch.chdir(case.folder)
    expected = sorted((row["score"] for row in case.expected.to_pylist()), reverse=True)
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        if "import ray" in block:
            continue
        # Of so few rows, a rate of 0.1 flags none.
        exec(block.replace("rate = 0.1", "rate = 0.95"), names)
        names["scores"] = names["scores"].cache()
        if "ranked" in block:
            ranked = names["ranked"].orderBy("rank").collect()
            assert [row["rank"] for row in ranked] == list(range(1, 501))
            assert [row["score"] for row in ranked] == expected
    assert [row["score"] for row in names["top"].collect()] == expected[:100]
    flagged = {row["id"] for row in names["flagged"].where("flagged").collect()}
    new = pq.read_table(case.new)
    by_rate = anoonly.Model.load(case.with_threshold("--fdr", "0.95")).flag(new)
    assert flagged == set(new["id"].filter(pa.array(by_rate)).to_pylist()) and flagged


def test_errors_of_a_worker_name_the_column(case: Case) -> None:
    frame = rows(case).withColumn("amount", F.lit("much"))
    with pytest.raises(pyspark.errors.PythonException, match=r"TableError: .*column `amount`"):
        spark.score(frame, case.model).collect()
    assert spark.score(frame, case.model, lenient=True).count() == 500


def test_a_worker_reads_the_model_once(case: Case) -> None:
    session().stop()
    session().conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 10)
    for _ in range(2):
        assert spark.score(rows(case, 8), case.model).count() == 500
    found = reports(session(), lambda: tuple(spark._model.cache_info()[:2]))
    assert 1 <= len(found) <= 2
    assert all(misses == 1 for _, misses in found.values())
    assert sum(hits + misses for hits, misses in found.values()) == 16


def test_memory_does_not_grow_with_a_partition(case: Case) -> None:
    session().stop()
    session().conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 10_000)
    model = case.trained("--drop", "id,shop,day,at,open", "--model", "logistic")

    def peak(rows: int) -> int:
        numbers = session().range(0, rows, 1, 1)
        frame = numbers.select(
            F.rand(1).alias("amount"), F.rand(2).cast("float").alias("size"), F.lit(3).alias("count")
        )
        wide = frame.withColumn("text", F.repeat(F.lit("x"), 100))
        scored = spark.score(wide, model, columns=["text"])
        assert scored.agg(F.count("score")).first()[0] == rows
        return max(reports(session(), lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).values())

    first = peak(50_000)
    # 600 000 rows are at least 69 MB.
    assert peak(600_000) - first < 40_000


def test_a_killed_worker_changes_nothing(case: Case, tmp_path: Path) -> None:
    session().stop()
    frame = rows(case)
    killed = tmp_path / "killed"

    def held(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = pyspark.TaskContext.get()
        for number, batch in enumerate(batches):
            if number == 1:
                (tmp_path / f"attempt-{context.partitionId()}-{context.attemptNumber()}").touch()
                (tmp_path / f"upstream-{os.getpid()}").touch()
                while not killed.exists():
                    time.sleep(0.05)
            yield batch

    def scorers() -> list[psutil.Process]:
        """The workers that score: in a new session, those that do not hold the rows back."""
        upstream = {path.name.rpartition("-")[2] for path in tmp_path.glob("upstream-*")}
        found = [worker for worker in workers() if str(worker.pid) not in upstream]
        return found if len(upstream) == 2 and len(found) == 2 else []

    with concurrent.futures.ThreadPoolExecutor() as pool:
        job = pool.submit(spark.score(frame.mapInArrow(held, frame.schema), case.model).toArrow)
        try:
            victim = wait(scorers, "workers that score")[0]
            assert not job.done()
            kill(victim)
        finally:
            killed.touch()
        case.check(job.result(60))
    assert list(tmp_path.glob("attempt-*-1")), "no task was repeated"


def workers() -> list[psutil.Process]:
    """The Python workers: children of Spark's daemon."""
    children = titled(psutil.Process().children(recursive=True))
    daemons = [child.pid for child, title in children if "pyspark.daemon" in title]
    found = [psutil.Process(pid) for pid in daemons]
    return [worker for worker in found if worker.ppid() in daemons]


def reports(session: SparkSession, question: object) -> dict[int, object]:
    """What each worker that is there answers, by process."""

    def ask(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            time.sleep(0.5)  # Long enough for each worker to get a part.
            yield pa.record_batch({"pid": [os.getpid()], "answer": [repr(question())]})

    answers = session.range(0, 2, 1, 2).mapInArrow(ask, "pid long, answer string").collect()
    return {row.pid: eval(row.answer) for row in answers}
