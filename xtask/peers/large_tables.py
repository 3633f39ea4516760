"""Measure how fast a large CSV file becomes scores, beside polars reading and writing the same file, and the memory of training on it.

    pip install numpy polars
    cargo build --release --workspace
    python xtask/peers/large_tables.py target/release/anoonly --rows 500000

polars reads all columns and writes two of them. All run in turn, in processes of their own; the table shows the fastest run of each. The
memory of training is the peak of the process, as a multiple of the features, which take 4 bytes each. Linux and macOS.
"""

import argparse
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

AT_ONCE = 500_000
PEER = """
import polars, sys
polars.read_csv(sys.argv[1]).select("id", "v0").write_csv(sys.argv[2])
"""


def write_table(path, rows):
    """Identifiers, 32 numbers, four columns of categories, a date, a truth value, numbers with gaps, and few labels."""
    with open(path, "wb") as file:
        for start in range(0, rows, AT_ONCE):
            count = min(AT_ONCE, rows - start)
            random = np.random.default_rng(start)
            bad = random.random(count) < 0.002
            columns = {"id": [f"T{row:08d}" for row in range(start, start + count)]}
            for place in range(20):
                columns[f"v{place}"] = np.round(random.normal(size=count) + 4 * bad * (place % 5 == 0), 6)
            for place in range(6):
                columns[f"amount{place}"] = np.round(np.exp(random.normal(3, 1.2, count)), 2)
            for place in range(6):
                columns[f"count{place}"] = random.poisson(4 + 10 * place, count)
            for name, kinds in [("channel", 3), ("country", 12), ("product", 400), ("merchant", 5000)]:
                columns[name] = np.array([f"{name} {kind}" for kind in range(kinds)])[random.integers(0, kinds, count)]
            seconds = np.datetime64("2023-01-01", "ms") + 1000 * random.integers(0, 3 * 365 * 86_400, count)
            columns["time"] = pl.Series(seconds).dt.strftime("%Y-%m-%d %H:%M:%S")
            columns["member"] = np.array(["false", "true"])[random.integers(0, 2, count)]
            waited = np.round(random.gamma(2, 2, count), 4)
            columns["waited"] = pl.Series(np.where(random.random(count) < 0.03, np.nan, waited)).fill_nan(None)
            columns["label"] = pl.Series(np.where(bad, "1", "")).replace("", None)
            pl.DataFrame(columns).write_csv(file, include_header=start == 0)


def run(words, out):
    """Wall seconds, seconds of the processor, and peak memory in bytes; what the command prints goes to a file."""
    start = time.perf_counter()
    with open(out, "w") as printed:
        child = subprocess.Popen([str(word) for word in words], stdout=printed)
        _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{words} failed")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("program", type=Path)
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--methods", default="quorum,logistic", help="methods that are trained and score")
    options = options.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    methods = options.methods.split(",")
    with tempfile.TemporaryDirectory() as folder:
        table, scores, printed = (Path(folder) / name for name in ("t.csv", "scores.csv", "printed"))
        models = {method: Path(folder) / f"{method}.anoonly" for method in methods}
        # In a process of its own: the peak memory of a process includes that of the one that started it.
        writer = multiprocessing.Process(target=write_table, args=(table, options.rows))
        writer.start()
        writer.join()
        print(f"{options.rows} rows × 40 columns and identifiers, {table.stat().st_size / 1e6:.0f} MB, {cores} cores.\n")
        print("| training | seconds | seconds of the processor | peak memory | features | multiple |")
        print("|----------|---------|--------------------------|-------------|----------|----------|")
        for method, model in models.items():
            words = [options.program, "train", table, "--label", "label", "--id", "id", "--model", method, "--out", model]
            wall, cpu, peak = run(words, printed)
            matrix = 4 * options.rows * int(re.search(r"encoded as (\d+) features", printed.read_text())[1])
            print(
                f"| {method} | {wall:.1f} | {cpu:.1f} | {peak / 2**20:.0f} MiB | {matrix / 2**20:.0f} MiB | {peak / matrix:.1f} |",
                flush=True,
            )
        print("\n| scoring, or polars | seconds | seconds of the processor | rows a second | seconds / polars' | peak memory |")
        print("|--------------------|---------|--------------------------|---------------|-------------------|-------------|")
        works = {method: [options.program, "score", model, table, "--out", scores] for method, model in models.items()}
        works["polars"] = [sys.executable, "-c", PEER, table, Path(folder) / "peer.csv"]
        best = {}
        for _ in range(options.repeat):
            for name, words in works.items():
                best[name] = min(best.get(name, (float("inf"),)), run(words, printed))
        for name, (wall, cpu, peak) in best.items():
            rate, ratio = options.rows / wall / 1e6, wall / best["polars"][0]
            print(f"| {name} | {wall:.2f} | {cpu:.2f} | {rate:.2f} M | {ratio:.2f} | {peak / 2**20:.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()
