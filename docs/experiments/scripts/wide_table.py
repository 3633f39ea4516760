"""Write the table on which seconds are measured: 14 300 rows × 512 columns of normal noise. 500 rows are anomalies, shifted by 1 in 16 columns.

A bench trains on 70 % of it, 10 010 rows.

    pip install numpy
    python docs/experiments/scripts/wide_table.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rows = np.random.default_rng(1).normal(size=(14300, 512)).astype(np.float32)
labels = np.arange(len(rows)) < 500
rows[labels, :16] += 1
np.savez(folder / "wide.npz", X=rows, y=labels.astype(np.int64))
