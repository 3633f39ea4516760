"""Measure the memory of `anoonly score` on a table that is much larger than that memory. Linux and macOS.

    cargo build --release --workspace
    python docs/experiments/scripts/large_table.py target/release/anoonly
"""

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS, ROWS = 100, 1_200_000
random.seed(1)
header = ",".join(f"c{column}" for column in range(COLUMNS))
rows = [",".join(f"{random.random():.6f}" for _ in range(COLUMNS)) for _ in range(500)]


def write(path, count, label):
    with open(path, "w") as file:
        file.write(header + (",label\n" if label else "\n"))
        file.writelines(rows[row % 500] + (f",{int(row % 100 == 0)}\n" if label else "\n") for row in range(count))


with tempfile.TemporaryDirectory() as folder:
    program, folder = sys.argv[1], Path(folder)
    few, many, model, scores = (folder / name for name in ("few.csv", "many.csv", "model.anoonly", "scores.csv"))
    write(few, 1000, True)
    write(many, ROWS, False)
    subprocess.run([program, "train", few, "--label", "label", "--ensemble", "1", "--out", model], check=True, capture_output=True)
    start = time.perf_counter()
    subprocess.run([program, "score", model, many, "--out", scores], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    size = many.stat().st_size / (1 << 20)
    print(f"{ROWS} rows × {COLUMNS} columns, {size:.0f} MiB of CSV: scored in {seconds:.0f} s with at most {peak:.0f} MiB of memory")
