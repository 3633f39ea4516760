"""Seconds to score a table that Python holds, with anoonly's package: the cost of handing it over.

    pip install anoonly numpy polars pyarrow pandas
    python python.py

The rows are a frame of polars or pandas, a table of Arrow or an array of NumPy. They are scored beside the command,
which reads the same rows from an Arrow file, and beside a table that is already on the other side. Seconds are those of
the clock, the best of up to five turns. How fast the methods are, beside those of other packages, is measured without
Python (`zoo.py`).
"""

import argparse
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from counterparts import LABELLED

VERSIONS = "anoonly numpy polars pyarrow pandas".split()


def tables(rows, columns):
    """A table to fit, one to score, and the labels: 1 for a labelled anomaly, else 0; in 64-bit floats, 1 % anomalies."""
    import numpy as np

    random = np.random.default_rng(1)
    centres = random.normal(size=(5, columns)) * 3

    def draw():
        table = centres[random.integers(0, 5, rows)] + random.normal(size=(rows, columns))
        table[: rows // 100] += random.normal(size=(rows // 100, columns)) * 4
        return table

    labels = np.zeros(rows, dtype=int)
    labels[:LABELLED] = 1
    return draw(), draw(), labels


def boundary(command):
    """Seconds to score rows that Python holds, against the command on a file with the same rows."""
    import anoonly
    import polars as pl
    from anoonly._tables import native_table

    table, new, labels = tables(1_000_000, 20)
    names = [f"x{number}" for number in range(20)]
    fitted = pl.DataFrame(table[:20_000], schema=names).with_columns(
        pl.Series("label", [1 if label else None for label in labels[:20_000]], dtype=pl.Int8)
    )
    frame = pl.DataFrame(new, schema=names).rechunk()

    def best(work):
        """The best seconds of five turns, or of fewer if they take long."""
        taken = []
        while not taken or (len(taken) < 5 and sum(taken) < 20.0):
            start = time.perf_counter()
            work()
            taken.append(time.perf_counter() - start)
        return min(taken)

    print("### Scoring 1 000 000 × 20 that Python holds\n")
    print("| method | rows in | seconds | ratio to the command | ratio to its scoring |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path, saved, scores = (pathlib.Path(folder, name) for name in ["rows.arrow", "a.anoonly", "scores.parquet"])
        frame.write_ipc(path, compression="uncompressed")
        for method in ["logistic", "quorum"]:
            model = anoonly.Detector(method, seed=1).fit(fitted, label="label")
            model.save(saved)
            words = [*command, "score", str(saved), str(path), "--out", str(scores)]
            whole = best(lambda: subprocess.run(words, check=True, capture_output=True))
            # What is on the other side of the boundary.
            inside = anoonly.Table(native_table(frame))
            scoring = best(lambda: model.score(inside))
            forms = {"polars": frame, "pyarrow": frame.to_arrow(), "pandas": frame.to_pandas(), "NumPy": new}
            print(f"| {method} | the command, with an Arrow file | {whole:.3f} | 1.00 | |")
            print(f"| {method} | a native table | {scoring:.3f} | {scoring / whole:.2f} | 1.00 |")
            for form, rows in forms.items():
                taken = best(lambda: model.score(rows))
                print(f"| {method} | {form} | {taken:.3f} | {taken / whole:.2f} | {taken / scoring:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=f"{sys.executable} -m anoonly", help="how to run anoonly's command")
    options = parser.parse_args()
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in VERSIONS)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores; {versions}\n")
    boundary(options.command.split())


main()
