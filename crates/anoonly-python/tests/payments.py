"""A table of payments with a kind of fraud in it, for tests of models."""

from __future__ import annotations

import numpy as np
import pandas as pd


def payments(rows: int = 600, seed: int = 1, labelled: int = 15) -> tuple[pd.DataFrame, np.ndarray]:
    """Payments whose first `labelled` frauds have a label, and which rows are frauds."""
    random = np.random.default_rng(seed)
    fraud = random.random(rows) < 0.1
    amounts = np.where(fraud, random.lognormal(5.5, 0.6, rows), random.lognormal(3.5, 0.9, rows))
    ways = np.where(fraud, random.choice(["web", "web", "shop"], rows), random.choice(["web", "shop", "app"], rows))
    frame = pd.DataFrame(
        {
            "payment": [f"P{seed}-{row:05}" for row in range(rows)],
            # Within limits, so that new payments do not lie outside of what old ones held.
            "amount": amounts.clip(5, 500).round(2),
            "hour": np.where(fraud, random.integers(0, 7, rows), random.integers(6, 24, rows)),
            "age": random.integers(0, 100, rows) * np.where(fraud, 1, 30) % 2971,
            "country": random.choice(["DE", "FR", "NL", "PL"], rows),
            "channel": ways,
        }
    )
    marks = np.full(rows, np.nan)
    marks[np.flatnonzero(fraud)[:labelled]] = 1.0
    return frame.assign(fraud=marks), fraud
