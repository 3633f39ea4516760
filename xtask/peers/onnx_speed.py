"""Measure exported ONNX files in onnxruntime on one core: with an input for each column, and with one matrix.

    pip install numpy onnxruntime pandas
    cargo build --release --workspace
    python xtask/peers/onnx_speed.py target/release/anoonly [METHOD …]

The table has 5000 training rows of numbers. A time is the least of several runs, in CPU time, without the preparation of the inputs.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd

TRAINING_ROWS = 5000


def run(*words):
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def least(function, seconds=2.0):
    """The least CPU time of a function, in microseconds."""
    function()
    best, end = float("inf"), time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.process_time()
        function()
        best = min(best, time.process_time() - began)
    return best * 1e6


def size_text(count):
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def text(microseconds):
    return f"{microseconds:.0f} µs" if microseconds < 1e4 else f"{microseconds / 1e3:.0f} ms"


program = Path(sys.argv[1]).resolve()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
print(f"onnxruntime {onnxruntime.__version__}\n")
print("| method | columns | size | rows | an input per column | one matrix |\n|---|---|---|---|---|---|")
with tempfile.TemporaryDirectory() as root:
    table, model = Path(root) / "table.csv", Path(root) / "model.anoonly"
    for method in sys.argv[2:] or ["devnet"]:
        for columns in (50, 512):
            random = np.random.default_rng(1)
            bad = np.arange(TRAINING_ROWS) % 50 == 0
            cells = random.normal(np.where(bad, 1.0, 0.0)[:, None], 1, (TRAINING_ROWS, columns)).round(3)
            frame = pd.DataFrame(cells, columns=[f"x{column}" for column in range(columns)])
            frame["bad"] = np.where(bad & (np.cumsum(bad) <= 30), "1", "")
            frame.to_csv(table, index=False)
            run(program, "train", table, "--label", "bad", "--model", method, "--ensemble", "1", "--out", model)
            sessions = []
            for form in ([], ["--matrix"]):
                run(program, "export", model, "--out", Path(root) / "model.onnx", *form)
                sessions.append(onnxruntime.InferenceSession(Path(root) / "model.onnx", options, providers=["CPUExecutionProvider"]))
            by_column, by_matrix = sessions
            size = (Path(root) / "model.onnx").stat().st_size
            for rows in (1, 10_000):
                new = np.random.default_rng(2).normal(0, 1, (rows, columns))
                inputs = {name: np.ascontiguousarray(new[:, place]) for place, name in enumerate(frame.columns[:-1])}
                times = [
                    least(lambda: by_column.run(["score"], inputs)),
                    least(lambda: by_matrix.run(["score"], {"input": new})),
                ]
                print(f"| {method} | {columns} | {size_text(size)} | {rows} | {text(times[0])} | {text(times[1])} |", flush=True)
