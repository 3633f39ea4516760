"""Print the figures in the tests of crates/anoonly-models/src/tools/covariance.rs, by scikit-learn and NumPy.

    pip install numpy scikit-learn
    python xtask/golden/golden_covariance.py

Made with numpy 2.4.6 and scikit-learn 1.9.1.
"""

import numpy as np
np.set_printoptions(precision=12)
from sklearn.covariance import LedoitWolf

cells = np.arange(60)
rows = ((cells * 7919 + cells // 5 * 104_729) % 1000 / np.float32(1000)).astype(np.float32).reshape(12, 5)
rows = rows.astype(np.float64)
shrunk = LedoitWolf().fit(rows)
print("SHRINKAGE", shrunk.shrinkage_)
print("SHRUNK", np.linalg.eigvalsh(shrunk.covariance_))
print("PLAIN", np.linalg.eigvalsh(np.cov(rows.T, bias=True)))
print("DISTANCES", shrunk.mahalanobis(rows)[:3])
