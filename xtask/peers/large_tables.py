"""Measure how fast a large CSV file becomes scores, beside polars reading and writing the same file, and the memory of training on it.

    pip install numpy polars
    cargo build --release --workspace
    python xtask/peers/large_tables.py target/release/anoonly --rows 500000

polars reads all columns and writes two of them. Both sides run in turn, in processes of their own; the table shows the fastest run of
each. The memory of training is the peak of the process, as a multiple of the features, which take 4 bytes each. Linux and macOS.
"""

import argparse
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


def run(words, cores, out):
    """Wall seconds, seconds of the processor, and peak memory in bytes; what the command prints goes to a file."""
    threads = {"POLARS_MAX_THREADS": str(len(cores)), "RAYON_NUM_THREADS": str(len(cores))}
    only = (lambda: os.sched_setaffinity(0, cores)) if hasattr(os, "sched_setaffinity") else None
    start = time.perf_counter()
    with open(out, "w") as printed:
        child = subprocess.Popen([str(word) for word in words], env=os.environ | threads, stdout=printed, preexec_fn=only)
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
    options.add_argument("--train", default="logistic,quorum", help="methods whose memory is measured; the first one scores")
    options = options.parse_args()
    cores = list(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count()))
    with tempfile.TemporaryDirectory() as folder:
        table, model, scores, printed = (Path(folder) / name for name in ("t.csv", "t.anoonly", "scores.csv", "printed"))
        write_table(table, options.rows)
        print(f"{options.rows} rows × 40 columns and identifiers, {table.stat().st_size / 1e6:.0f} MB, {len(cores)} cores.\n")
        print("| training | seconds | seconds of the processor | peak memory | features | multiple |")
        print("|----------|---------|--------------------------|-------------|----------|----------|")
        for method in reversed(options.train.split(",")):
            words = [options.program, "train", table, "--label", "label", "--id", "id", "--model", method, "--out", model]
            wall, cpu, peak = run(words, cores, printed)
            matrix = 4 * options.rows * int(re.search(r"encoded as (\d+) features", printed.read_text())[1])
            print(
                f"| {method} | {wall:.1f} | {cpu:.1f} | {peak / 2**20:.0f} MiB | {matrix / 2**20:.0f} MiB | {peak / matrix:.1f} |",
                flush=True,
            )
        print("\n| scoring | seconds | rows a second | polars' seconds | its rows a second | its speed / ours | peak memory |")
        print("|---------|---------|---------------|-----------------|-------------------|------------------|-------------|")
        for name, used in [("all cores", cores), ("one core", cores[:1])]:
            ours, theirs = [], []
            for _ in range(options.repeat):
                ours.append(run([options.program, "score", model, table, "--out", scores], used, printed))
                theirs.append(run([sys.executable, "-c", PEER, table, Path(folder) / "peer.csv"], used, printed))
            (our, _, peak), (their, _, _) = min(ours), min(theirs)
            rates = [f"{options.rows / seconds / 1e6:.2f} M" for seconds in (our, their)]
            print(f"| {name} | {our:.2f} | {rates[0]} | {their:.2f} | {rates[1]} | {our / their:.2f} | {peak / 2**20:.0f} MiB |", flush=True)


main()
