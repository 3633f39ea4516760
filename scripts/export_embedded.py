"""Write the embedded data sets, crates/anoonly-data/data/*.parquet, from packages on PyPI.

    pip install numpy pandas pyarrow scikit-learn==1.9.1 palmerpenguins==0.1.6
    python scripts/export_embedded.py

Every set is stored whole, its classes under their own names; which class counts as the anomaly, and how many of its
rows are used, is told in crates/anoonly-data/src/catalogue.rs. Sources and licences: crates/anoonly-data/data/README.md.
"""

from pathlib import Path

import numpy as np
import palmerpenguins
import pandas as pd
from sklearn import datasets

OUT = Path(__file__).resolve().parent.parent / "crates" / "anoonly-data" / "data"


def snake(name):
    return name.strip().lower().replace(" ", "_").replace("/", "_")


def from_sklearn(bunch, dtype):
    frame = pd.DataFrame(bunch.data.astype(dtype), columns=[snake(n) for n in bunch.feature_names])
    frame["class"] = [str(bunch.target_names[t]) for t in bunch.target]
    return frame


def penguins():
    frame = palmerpenguins.load_penguins()
    measures = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    frame = frame.dropna(subset=measures)[measures + ["species"]].rename(columns={"species": "class"})
    return frame.astype({m: np.float32 for m in measures}).reset_index(drop=True)


for name, frame in {
    "cancer": from_sklearn(datasets.load_breast_cancer(), np.float32),
    "digits": from_sklearn(datasets.load_digits(), np.uint8),
    "penguins": penguins(),
    "wine": from_sklearn(datasets.load_wine(), np.float32),
}.items():
    path = OUT / f"{name}.parquet"
    frame.to_parquet(path, index=False, compression="zstd")
    print(f"{path.name}: {len(frame)} rows, {frame.shape[1] - 1} features, {path.stat().st_size} bytes")
