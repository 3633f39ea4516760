"""Write the embedded data sets, crates/anoonly-data/data/*.npz, from packages on PyPI.

    pip install numpy scikit-learn==1.9.1 palmerpenguins==0.1.6
    python xtask/data/export_embedded.py

Each file holds all rows of its set: the features as the matrix X, the classes as numbers in the vector y.
crates/anoonly-data/src/catalogue/embedded.rs says which class counts as the anomaly and how many of its rows are used.
Sources, licences and the order of the classes: crates/anoonly-data/data/README.md.
"""

from pathlib import Path

import numpy as np
import palmerpenguins
from sklearn import datasets

OUT = Path(__file__).resolve().parents[2] / "crates" / "anoonly-data" / "data"


def from_sklearn(bunch, dtype):
    return bunch.data.astype(dtype), bunch.target.astype(np.uint8)


def penguins():
    measures = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    frame = palmerpenguins.load_penguins().dropna(subset=measures)
    _, classes = np.unique(frame["species"].to_numpy(str), return_inverse=True)
    return frame[measures].to_numpy(np.float32), classes.astype(np.uint8)


for name, (features, classes) in {
    "cancer": from_sklearn(datasets.load_breast_cancer(), np.float32),
    "digits": from_sklearn(datasets.load_digits(), np.uint8),
    "penguins": penguins(),
    "wine": from_sklearn(datasets.load_wine(), np.float32),
}.items():
    path = OUT / f"{name}.npz"
    np.savez_compressed(path, X=features, y=classes)
    print(f"{path.name}: {features.shape[0]} rows, {features.shape[1]} features, {path.stat().st_size} bytes")
