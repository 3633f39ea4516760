"""Write crates/anoonly-data/fixtures/*.npz: one small matrix in every element type, order and compression.

    pip install numpy
    python xtask/data/export_npz_fixtures.py
"""

from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parents[2] / "crates" / "anoonly-data" / "fixtures"
OUT.mkdir(exist_ok=True)
X = np.arange(6).reshape(2, 3)
y = np.array([0, 1])

for kind in "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split():
    np.savez(OUT / f"{kind}.npz", X=X.astype(kind), y=y.astype(kind))
np.savez(OUT / "float64_big_endian.npz", X=X.astype(">f8"), y=y.astype(">i4"))
np.savez(OUT / "float32_fortran.npz", X=np.asfortranarray(X.astype("f4")), y=y.astype(bool))
np.savez_compressed(OUT / "float64_compressed.npz", X=X.astype("f8"), y=y)
