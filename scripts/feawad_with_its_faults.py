"""FEAWAD trained as its published code trains it, faults included, over many seeds: how far single runs of it lie apart.

    pip install numpy torch
    python scripts/feawad_with_its_faults.py DATA SVHN_0 SVHN_8

DATA is a folder of ADBench's. The faults are those that docs/models/feawad.md tells: every step of a fit sees the same batch,
the residual term of the loss is a constant, and batch normalisation is in the host too. Prints AUROC and AP in percent, one
line a data set and strategy, over seeds 1 to 10 of the protocol `adbench` with 10 % of the training anomalies labelled.
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

SEEDS = range(1, 11)
torch.set_num_threads(1)


def split(x, y, rng):
    """70 % of each class for training; columns scaled to [0, 1] by the training rows."""
    train = np.zeros(len(y), bool)
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(y == label))
        train[rows[: round(0.7 * len(rows))]] = True
    low, high = x[train].min(0), x[train].max(0)
    x = (x - low) / np.where(high > low, high - low, 1)
    return x[train], y[train], x[~train], y[~train]


class Feawad(nn.Module):
    def __init__(self, d):
        super().__init__()
        pair = lambda i, o: [nn.Linear(i, o), nn.ReLU()]
        self.encoder = nn.Sequential(*pair(d, d), *pair(d, 128), *pair(128, 64))
        self.decoder = nn.Sequential(*pair(64, 128), *pair(128, d))
        self.first = nn.Linear(d + 65, 256)
        self.second = nn.Linear(257, 32)
        self.norm = nn.BatchNorm1d(33, eps=1e-3, momentum=0.01)
        self.output = nn.Linear(33, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x):
        code = self.encoder(x)
        r = x - self.decoder(code)
        e = (r.square().sum(1, keepdim=True) + 1e-12).sqrt()
        h = torch.relu(self.first(torch.cat([r / e, code, e], 1)))
        h = torch.relu(self.second(torch.cat([h, e], 1)))
        return self.output(self.norm(torch.cat([h, e], 1))).squeeze(1)


def fit(x, anomalies, others, anoonly, rng):
    model = Feawad(x.shape[1])
    adam = lambda: torch.optim.Adam(model.parameters(), lr=1e-4, eps=1e-7)
    optimiser, batch = adam(), x[rng.choice(others, 512)]
    for _ in range(2000):
        optimiser.zero_grad()
        (batch - model.decoder(model.encoder(batch))).square().mean().backward()
        optimiser.step()
    optimiser, best, kept = adam(), math.inf, None
    batch = x[np.concatenate([rng.choice(others, 256), rng.choice(anomalies, 256)])]
    for _ in range(30):
        total = 0.0
        for _ in range(20):
            s = model(batch)
            anomalous = torch.relu(5 - s[256:]).sum()
            loss = (anomalous if anoonly else s[:256].abs().sum() + anomalous) / 512
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        if total < best:
            best, kept = total, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return model.eval()


def metrics(scores, y):
    order = np.argsort(-scores, kind="stable")
    hits = y[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    ranks = np.empty(len(y))
    ranks[order[::-1]] = np.arange(1, len(y) + 1)
    positive = hits.sum()
    area = (ranks[y == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(y) - positive))
    return 100 * area, 100 * precision[hits == 1].mean()


def run(path, anoonly, seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    with np.load(path) as file:
        x, y = file["X"].astype(np.float64), file["y"].astype(int).ravel()
    x, y, test, truth = split(x, y, rng)
    hidden = np.flatnonzero(y == 1)
    anomalies = rng.permutation(hidden)[: math.ceil(0.1 * len(hidden))]
    others = np.setdiff1d(np.arange(len(y)), anomalies)
    model = fit(torch.tensor(x, dtype=torch.float32), anomalies, others, anoonly, rng)
    with torch.inference_mode():
        return metrics(model(torch.tensor(test, dtype=torch.float32)).numpy(), truth)


if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    for strategy in ("host", "anoonly"):
        for name in names:
            found = np.array([run(Path(folder) / f"{name}.npz", strategy == "anoonly", seed) for seed in SEEDS])
            (auroc, ap), (auroc_sd, ap_sd) = found.mean(0), found.std(0, ddof=1)
            print(f"{name} {strategy}: AUROC {auroc:.1f}, standard deviation {auroc_sd:.1f}, lowest {found[:, 0].min():.1f}, "
                  f"highest {found[:, 0].max():.1f}; AP {ap:.1f}, {ap_sd:.1f}", flush=True)
