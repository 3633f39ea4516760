"""What scoring costs through the command, from Python, with Spark and with Ray: rows a second and core on tables of 50 columns.

    pip install anoonly pyspark 'ray[data]' pyarrow psutil
    python engines.py

Prints two tables in Markdown. A model is fitted on 10 000 rows of normal noise with 100 labelled anomalies and scores Parquet files of an
identifier and 50 columns of 64-bit numbers, in row groups of 50 000 rows: 100 000 rows with Quorum, the default method, and 4 000 000
rows with logistic regression, a fast one. Each way reads the file and makes scores, p-values and flags of all rows:

- command: `anoonly score`, which writes a Parquet file, with one thread
- Python: `Model.score_batch` on the row groups as pyarrow reads them, with one thread
- Spark: `anoonly.spark.score` with the master local[1], into Spark's sink that writes nothing
- Ray: `anoonly.ray.score` with one actor, into the object store

Core-seconds are processor seconds of all processes of a way: of Spark also the Java machine, of Ray also its services. Those "to start"
are for 1000 rows, of an engine that has scored before, the median of three; rates are without them. `--rows` makes the tables smaller, for a try.
"""

import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

import anoonly

COLUMNS = 50
METHODS = {"quorum": 100_000, "logistic": 4_000_000}
BATCHES = [100, 1_000, 10_000, 50_000]


def table(rows, seed):
    draw = np.random.default_rng(seed)
    numbers = {f"x{place:02}": draw.normal(size=rows) for place in range(COLUMNS)}
    return pa.table({"id": np.arange(rows), **numbers})


def fitted(method):
    rows = table(10_000, 1)
    known = np.full(rows.num_rows, np.nan)
    known[:100] = 1
    # Anomalies differ in a fifth of the columns.
    for place in range(1, 11):
        shifted = rows.column(place).to_numpy() + 1.5 * (known == 1)
        rows = rows.set_column(place, rows.column_names[place], pa.array(shifted))
    model = anoonly.Detector(method, seed=1).fit(rows, label=known, id="id")
    return model.set_threshold(fpr=0.01)


class Command:
    name = "command"

    def __init__(self, folder):
        self.folder = folder

    def score(self, model, rows):
        command = [
            sys.executable,
            "-m",
            "anoonly",
            "score",
            str(model),
            str(rows),
            "--out",
            str(self.folder / "scores.parquet"),
        ]
        done = subprocess.run(command, env=os.environ | {"RAYON_NUM_THREADS": "1"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def stop(self):
        pass


class Python:
    name = "Python"

    def __init__(self, folder):
        anoonly.set_threads(1)

    def score(self, model, rows):
        opened = anoonly.Model.load(model)
        file = pq.ParquetFile(rows)
        for group in range(file.num_row_groups):
            opened.score_batch(file.read_row_group(group, use_threads=False))

    def stop(self):
        anoonly.set_threads(None)


class Spark:
    name = "Spark, local[1]"

    def __init__(self, folder):
        from pyspark.sql import SparkSession

        os.environ["PYSPARK_PYTHON"] = sys.executable
        settings = {"spark.ui.enabled": "false", "spark.log.level": "OFF", "spark.driver.memory": "2g"}
        self.session = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()

    def score(self, model, rows):
        from anoonly import spark

        scores = spark.score(self.session.read.parquet(str(rows)), model)
        scores.write.format("noop").mode("overwrite").save()

    def stop(self):
        self.session.stop()


class Ray:
    name = "Ray, one actor"

    def __init__(self, folder):
        import ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False

    def score(self, model, rows):
        import ray

        from anoonly import ray as door

        door.score(ray.data.read_parquet(str(rows)), model, concurrency=1).materialize()

    def stop(self):
        import ray

        ray.shutdown()


class CoreSeconds:
    """Counts the processor seconds of this process and of all that it started, also those that end meanwhile."""

    def __enter__(self):
        self.last = {}
        self.own = 0.0
        self.look()
        self.first = dict(self.last)
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.end.wait(0.1):
            self.look()
        # The watching itself is no part of the work.
        self.own = time.thread_time()

    def look(self):
        this = psutil.Process()
        for process in [this, *this.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                self.last[process] = times.user + times.system

    def __exit__(self, *_):
        self.look()
        self.end.set()
        self.thread.join()
        self.total = max(
            sum(seconds - self.first.get(process, 0.0) for process, seconds in self.last.items()) - self.own, 0.0
        )


def grouped(number):
    return f"{number:,.0f}".replace(",", " ")


def printed(header, rows):
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    for place, line in enumerate(lines):
        fill = "-" if place == 1 else " "
        cells = [
            cell.rjust(width, fill) if column > 1 else cell.ljust(width, fill)
            for column, (cell, width) in enumerate(zip(line, widths))
        ]
        print("|" + "|".join(f"{fill}{cell}{fill}" for cell in cells) + "|")
    print()


def ways(folder, models, share):
    rows = []
    for way in [Command, Python, Spark, Ray]:
        ready = way(folder)
        for method, model in models.items():
            few, many = folder / "few.parquet", folder / f"{method}.parquet"
            ready.score(model, few)
            starts = []
            for _ in range(3):
                with CoreSeconds() as counted:
                    ready.score(model, few)
                starts.append(counted.total)
            start = statistics.median(starts)
            with CoreSeconds() as whole:
                ready.score(model, many)
            count = int(METHODS[method] * share)
            rate = count / (whole.total - start)
            hours = 1e9 / rate / 3600
            seconds = [f"{start:.1f}", f"{whole.total:.1f}"]
            rows.append([method, way.name, grouped(count), *seconds, grouped(rate), f"{hours:.2f}"])
        ready.stop()
    rows.sort(key=lambda row: list(models).index(row[0]))
    header = [
        "method",
        "through",
        "rows",
        "to start",
        "core-seconds",
        "rows a second and core",
        "core-hours for 10⁹ rows",
    ]
    printed(header, rows)


def batches(models, share):
    anoonly.set_threads(1)
    rows = []
    for method, model in models.items():
        opened = anoonly.Model.load(model)
        new = table(int(max(BATCHES) * share), 3)
        rates = []
        for size in BATCHES:
            start = time.process_time()
            for first in range(0, new.num_rows, size):
                opened.score_batch(new.slice(first, size))
            rates.append(new.num_rows / (time.process_time() - start))
        rows.append([method, grouped(pathlib.Path(model).stat().st_size / 1024) + " KiB", *map(grouped, rates)])
    printed(["method", "model file", *(f"batches of {grouped(size)}" for size in BATCHES)], rows)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=float, default=1.0, help="share of the rows")
    share = options.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pq.write_table(table(1_000, 2), folder / "few.parquet")
        models = {}
        for method, rows in METHODS.items():
            models[method] = folder / f"{method}.anoonly"
            fitted(method).save(models[method])
            pq.write_table(table(int(rows * share), 4), folder / f"{method}.parquet", row_group_size=50_000)
        print("Rows of an identifier and 50 numbers:\n")
        ways(folder, models, share)
        print("Rows a second and core of `Model.score_batch` in memory, by the rows of a batch:\n")
        batches(models, share)


main()
