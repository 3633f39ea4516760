"""Compare the scores of exported ONNX files in onnxruntime with those of `anoonly score`, and check the files with ONNX's checker.

    pip install numpy onnx onnxruntime
    cargo build --release --workspace
    python xtask/peers/check_onnx.py target/release/anoonly

Scores are in standard deviations of unlabelled rows. A difference is a share of the score, or of 1 for scores below 1. The script fails
when a difference is above 1e-5, or when a flag differs for a row that is farther than that from the threshold.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5
ROWS, LABELLED = 3000, 20
HOSTS = ["devnet", "prenet", "feawad", "deepsad"]
SETTINGS = [("devnet, depth 1", "[devnet]\ndepth = 1\n"), ("devnet, depth 4", "[devnet]\ndepth = 4\n")]
SETTINGS += [(f"{name}, layer norm", f'[{name}]\nnorm = "layer"\n') for name in HOSTS]


def table():
    """Columns of all kinds that a graph takes: with missing values, far from 0, heavy-tailed, truth values; labels last."""
    random = np.random.default_rng(1)
    bad = np.arange(ROWS) % 50 == 0
    amount = random.lognormal(4, 1.5, ROWS) * np.where(bad, 8, 1)
    amount[random.random(ROWS) < 0.1] = np.nan
    columns = {
        "amount": amount,
        "time": 1.75e9 + np.round(random.uniform(0, 5000, ROWS), 3),
        "share": random.beta(1, 20, ROWS) * 1e-6 + np.where(bad, 3e-7, 0),
        "known": (random.random(ROWS) < np.where(bad, 0.1, 0.8)).astype(float),
        **{f"x{column}": random.normal(np.where(bad, 1.5, 0), 1) for column in range(8)},
    }
    labels = np.where(bad & (np.cumsum(bad) <= LABELLED), "1", "")
    return columns, labels


def write(path, columns, labels):
    text = lambda name, value: "" if np.isnan(value) else str(bool(value)).lower() if name == "known" else repr(float(value))
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*columns, "bad"])
        for row, label in enumerate(labels):
            out.writerow([*(text(name, values[row]) for name, values in columns.items()), label])


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def check(program, folder, columns, method, strategy, config):
    path = lambda name: folder / name
    words = ["train", path("table.csv"), "--label", "bad", "--model", method, "--strategy", strategy, "--keep", "time", "--out", path("model.anoonly")]
    if config:
        path("config.toml").write_text(config)
        words += ["--config", path("config.toml")]
    run(program, *words)
    run(program, "threshold", path("model.anoonly"), "--fpr", 0.05)
    run(program, "score", path("model.anoonly"), path("table.csv"), "--out", path("scores.csv"))
    exported = json.loads(run(program, "export", path("model.anoonly"), "--out", path("model.onnx"), "--json"))
    onnx.checker.check_model(str(path("model.onnx")), full_check=True)
    session = onnxruntime.InferenceSession(path("model.onnx"), providers=["CPUExecutionProvider"])
    order = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
    assert order == exported["columns"], order
    scores, flagged = session.run(None, {"input": np.stack([columns[name] for name in order], axis=1)})
    with open(path("scores.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    ours = np.array([row["score"] for row in rows], dtype=np.float64)
    flags = np.array([row["flagged"] == "true" for row in rows])
    scale = np.maximum(np.abs(ours), 1)
    difference = np.abs(scores - ours) / scale
    away = np.abs(ours - exported["threshold"]) > TOLERANCE * scale
    return difference.max(), np.ptp(ours), int((flags != flagged)[away].sum())


program = Path(sys.argv[1]).resolve()
columns, labels = table()
runs = [(name, name, strategy, None) for name in HOSTS for strategy in ("host", "anoonly")]
runs += [(title, title.split(",")[0], "host", config) for title, config in SETTINGS]
runs += [(name, name, "host", None) for name in ("mean-difference", "logistic")]
print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}; {ROWS} rows, 5 members\n")
print("| method | strategy | largest difference | range of the scores |\n|---|---|---|---|")
worst, unlike = 0.0, 0
with tempfile.TemporaryDirectory() as folder:
    write(Path(folder) / "table.csv", columns, labels)
    for title, method, strategy, config in runs:
        difference, spread, flags = check(program, Path(folder), columns, method, strategy, config)
        worst, unlike = max(worst, difference), unlike + flags
        print(f"| {title} | {strategy} | {difference:.1e} | {spread:.3g} |", flush=True)
print(f"\nLargest difference {worst:.1e}, tolerance {TOLERANCE:.0e}; {unlike} flags differ")
sys.exit(worst > TOLERANCE or unlike > 0)
