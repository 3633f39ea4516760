"""Variances along the axes of a Ledoit-Wolf covariance, as `crates/anoonly-models/src/quorum/spectrum.rs` expects them.

    pip install numpy scikit-learn
    python scripts/golden_spectrum.py
"""

import numpy as np
from sklearn.covariance import LedoitWolf

cells = [np.float32((cell * 7919 + cell // 5 * 104_729) % 1000) / np.float32(1000) for cell in range(60)]
rows = np.array(cells, dtype=np.float32).reshape(-1, 5).astype(float)
print([float(f"{value:.9f}") for value in np.linalg.eigvalsh(LedoitWolf().fit(rows).covariance_)])
