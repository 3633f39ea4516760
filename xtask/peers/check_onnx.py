"""Compare exported ONNX files in onnxruntime with `anoonly score`: every method, on numbers and on columns of every kind.

    pip install numpy onnx onnxruntime pandas
    cargo build --release --workspace
    python xtask/peers/check_onnx.py target/release/anoonly [METHOD …]

The rows that are scored include unseen categories, missing values, dates of all kinds of years, and numbers of every size. A difference
is a share of the score, or of 1 for scores below 1. The script fails when one is above the tolerance, when a p-value is not that of its
score, or when a flag differs for a row that is farther than the tolerance from the threshold.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd

TOLERANCE = 1e-5
# Methods that amplify the rounding of 32-bit floats: one divides by small deviations, the other maps steeply to normal scores.
WIDER = {"dagmm": 1e-4, "whitened-cosine-mahalanobis": 1e-3}
ROWS, NEW_ROWS, LABELLED = 1000, 500, 15
# A few epochs make weights and running statistics unlike the initial ones.
EPOCHS = 3
VARIANTS = [("devnet", "anoonly", "depth = 4"), ("feawad", "host", "")]
VARIANTS += [(name, "host", 'norm = "layer"') for name in ("devnet", "prenet")]


def table(rows, seed, mixed):
    """Columns far from 0, heavy-tailed, very large, very small, with missing values; with `mixed` also categories and dates."""
    random = np.random.default_rng(seed)
    bad = np.arange(rows) % 25 == 0
    missing = lambda values, share: np.where(random.random(rows) < share, None, values)
    columns = {
        "amount": missing(random.lognormal(4, 1.5, rows) * np.where(bad, 8, 1), 0.1),
        "time": 1.75e9 + np.round(random.uniform(0, 5000, rows), 3),
        "share": random.beta(1, 20, rows) * 1e-6 + np.where(bad, 3e-7, 0),
        "large": random.normal(np.where(bad, 2e35, 0), 1e35),
        "small": random.normal(0, 1e-35, rows),
        "known": np.where(random.random(rows) < np.where(bad, 0.1, 0.8), "true", "false"),
        **{f"x{column}": random.normal(np.where(bad, 1.5, 0), 1) for column in range(4)},
    }
    if mixed:
        start = np.datetime64("2023-01-01")
        seconds = random.integers(0, 3 * 365 * 86400, rows)
        columns |= {
            "city": missing(random.choice(["Rome", "Oslo", "Lima", "São Paulo"], rows), 0.1),
            "shop": random.choice([f"shop {number}" for number in range(60)], rows),
            "zone": missing(random.choice([f"{zone}" for zone in range(101, 125)], rows), 0.1),
            "member": missing(np.where(random.random(rows) < 0.4, "true", "false"), 0.1),
            "opened": missing((start + seconds.astype("timedelta64[s]")).astype(str), 0.1),
            "day": (start + (seconds // 86400).astype("timedelta64[D]")).astype(str),
        }
    return pd.DataFrame(columns).astype(object), bad


def extremes(frame):
    """Rows with a value that no training row has."""
    sizes = ("1e30", "-1e30", "1e300", "inf", "-inf", "1e-300", "0")
    values = [(name, value) for name in ("amount", "time", "small", "x0") for value in sizes]
    values += [(name, None) for name in frame.columns] + [("known", "2"), ("large", "-1e308")]
    if "city" in frame:
        values += [("city", "Atlantis"), ("city", "NA"), ("shop", "shop 99"), ("zone", "117.0"), ("zone", "999"), ("member", "yes")]
        for date in ("1600-02-29", "1900-03-01", "1969-12-31", "2000-02-29", "2024-12-31", "2100-02-28", "2400-12-31"):
            values += [("opened", f"{date}T23:59:59"), ("day", date)]
    rows = frame.iloc[np.arange(len(values) + 1) % len(frame)].reset_index(drop=True).copy()
    for row, (name, value) in enumerate(values):
        rows.loc[row, name] = value
    rows.loc[len(values)] = None
    # Without its last value, the line of the last row would be empty.
    rows.loc[len(values), "x3"] = 0.5
    return rows


def feed(session, frame):
    """The inputs of a graph from the texts of a table, as the metadata of the file describes them."""
    inputs = json.loads(session.get_modelmeta().custom_metadata_map["inputs"])
    cells = {}
    for column in inputs:
        values = frame[column["column"]]
        match column["kind"]:
            case "number":
                cells[column["name"]] = pd.to_numeric(values).to_numpy("float64")
            case "truth":
                words = {"true": 1.0, "yes": 1.0, "false": 0.0}
                cells[column["name"]] = np.array([words.get(value, np.nan) for value in values])
            case "date":
                dates = pd.to_datetime(values, format="ISO8601")
                cells[column["name"]] = dates.to_numpy("datetime64[s]").astype("int64")
            case "category":
                cells[column["name"]] = values.fillna("").to_numpy(object)
    return cells


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def open_session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def held_out(model):
    """The scores of the held-out rows of a model file."""
    content = model.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    found = []

    def search(value):
        if isinstance(value, dict):
            found.extend(value["calibration"]["sorted"] for _ in [0] if isinstance(value.get("calibration"), dict))
            list(map(search, value.values()))
        elif isinstance(value, str) and value.startswith("{"):
            search(json.loads(value))

    search(header.get("__metadata__", {}))
    return np.array(found[0], dtype=np.float32)


def check(program, folder, method, strategy, settings, new, has_recipe):
    """The largest difference of a model, the number of values that are wrong, and the size of the graph."""
    path = lambda name: folder / name
    config = f"[{method}]\n{settings}\n" + (f"[{method}.recipe]\nepochs = {EPOCHS}\n" if has_recipe else "")
    config += f"[{method}.pretraining]\nepochs = {EPOCHS}\n" if method == "feawad" else ""
    path("config.toml").write_text(config)
    words = ["--label", "bad", "--model", method, "--strategy", strategy] if has_recipe else ["--label", "bad", "--model", method]
    words += ["--config", path("config.toml"), "--keep", "time", "--out", path("model.anoonly")]
    run(program, "train", path("table.csv"), *words)
    run(program, "threshold", path("model.anoonly"), "--fpr", 0.05)
    run(program, "score", path("model.anoonly"), path("new.csv"), "--lenient", "--out", path("scores.csv"))
    exported = json.loads(run(program, "export", path("model.anoonly"), "--out", path("model.onnx"), "--json"))
    onnx.checker.check_model(str(path("model.onnx")), full_check=True)
    session = open_session(path("model.onnx"))
    assert [entry.name for entry in session.get_inputs()] == [entry["name"] for entry in exported["inputs"]]
    cells = feed(session, new)
    scores, p_values, flagged = session.run(["score", "p_value", "flagged"], cells)

    ours = pd.read_csv(path("scores.csv"))
    our_scores = ours["score"].to_numpy("float32").astype("float64")
    scale = np.maximum(np.abs(our_scores), 1)
    with np.errstate(over="ignore"):
        difference = np.abs(scores.astype("float64") - our_scores) / scale
    largest = np.nan_to_num(difference, nan=np.inf).max()
    reference = held_out(path("model.anoonly"))
    # Scores within the tolerance count as equal. A held-out score at its edge may be counted or not.
    counts = [(reference >= (scores - share * TOLERANCE * scale)[:, None]).sum(axis=1) for share in (0.99, 1.01)]
    least, most = ((1 + count) / (1 + len(reference)) for count in counts)
    wrong = int(((p_values < least) | (p_values > most)).sum())
    clear = (np.abs(reference - our_scores[:, None]) / scale[:, None] > 2 * TOLERANCE) | (reference == our_scores[:, None])
    wrong += int((np.abs(p_values - ours["p_value"]) > 1e-12)[clear.all(axis=1) & (difference < TOLERANCE)].sum())
    away = np.abs(our_scores - exported["threshold"]) > WIDER.get(method, TOLERANCE) * scale
    wrong += int((flagged != ours["flagged"].to_numpy(bool))[away].sum())
    if "city" not in new:
        run(program, "export", path("model.anoonly"), "--out", path("matrix.onnx"), "--matrix")
        matrix = np.stack(list(cells.values()), axis=1)
        by_matrix = open_session(path("matrix.onnx")).run(["score"], {"input": matrix})[0]
        largest = max(largest, (np.abs(by_matrix.astype("float64") - our_scores) / scale).max())
    return largest, wrong, exported["size"]


def size(count):
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


program = Path(sys.argv[1]).resolve()
methods = [(entry["name"], "recipe" in entry["settings"]) for entry in json.loads(run(program, "models", "--json"))]
cases = [(name, "anoonly", "", recipe) for name, recipe in methods] + [(*variant, True) for variant in VARIANTS]
cases = [case for case in cases if not sys.argv[2:] or case[0] in sys.argv[2:]]
print(f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}; {ROWS} training rows, {NEW_ROWS} new rows and extremes\n")
print("| method | difference, numbers | difference, all kinds | size, all kinds | tolerance |\n|---|---|---|---|---|")
failed, began = [], time.monotonic()
with tempfile.TemporaryDirectory() as root:
    prepared = []
    for mixed in (False, True):
        folder = Path(root) / str(mixed)
        folder.mkdir()
        train, bad = table(ROWS, 1, mixed)
        train["bad"] = np.where(bad & (np.cumsum(bad) <= LABELLED), "1", "")
        train.to_csv(folder / "table.csv", index=False)
        new, _ = table(NEW_ROWS, 2, mixed)
        pd.concat([new, extremes(new)], ignore_index=True).to_csv(folder / "new.csv", index=False)
        # Only an empty text is missing here, so that the graph sees the words that stand for a missing value.
        texts = pd.read_csv(folder / "new.csv", dtype=str, keep_default_na=False, na_values=[""])
        prepared.append((folder, texts))
    for method, strategy, settings, recipe in cases:
        name = ", ".join([method, *(["host"] if strategy == "host" else []), *([settings] if settings else [])])
        tolerance = WIDER.get(method, TOLERANCE)
        try:
            results = [check(program, folder, method, strategy, settings, new, recipe) for folder, new in prepared]
        except subprocess.CalledProcessError as error:
            failed.append(f"{name}: {error.stderr.strip()}")
            continue
        (numbers, wrong, _), (kinds, more_wrong, bytes_written) = results
        print(f"| {name} | {numbers:.1e} | {kinds:.1e} | {size(bytes_written)} | {tolerance:.0e} |", flush=True)
        if max(numbers, kinds) > tolerance or wrong + more_wrong:
            failed.append(f"{name}: differences {numbers:.1e} and {kinds:.1e}, {wrong} and {more_wrong} wrong p-values or flags")
print(f"\n{len(cases)} models on two tables, {len(failed)} of them unlike `anoonly score`")
print("\n".join(failed), f"checked in {time.monotonic() - began:.0f} s", sep="\n", file=sys.stderr)
sys.exit(bool(failed))
