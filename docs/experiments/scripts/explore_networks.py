"""Measure what DevNet's last hidden layer knows under AnoOnly; prints the table in docs/experiments/recipe.md.

    pip install numpy scipy scikit-learn torch
    python docs/experiments/scripts/explore_networks.py DATA [--ratio 0.1] [--seeds 3]

DATA is a folder of ADBench's `.npz` files. The script uses its image and text sets, with the splits of explore_recipe.py. The network is
DevNet with its defaults, in PyTorch: Linear(d, 20), ReLU, batch normalisation under AnoOnly, Linear(20, 1). It is trained with RMSprop for
50 epochs of 20 steps; a step takes 32 unlabelled rows and 32 labelled anomalies. The epoch with the lowest loss is kept.

The divergence of a row is that of BN-WVAD (Zhou et al. 2023): the distance of the row's hidden layer, before normalisation, from the mean
that batch normalisation keeps, in its standard deviations. Combined scores are sums of normal scores by their values on unlabelled rows.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy.stats import norm, t
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import average_precision_score, roc_auc_score

from explore_recipe import family, split

MEMBERS = 5
torch.set_num_threads(1)
torch.set_flush_denormal(True)


class DevNet(torch.nn.Module):
    def __init__(self, columns, batch_norm, width):
        super().__init__()
        self.first, self.output = torch.nn.Linear(columns, width), torch.nn.Linear(width, 1)
        self.norm = torch.nn.BatchNorm1d(width, eps=1e-3, momentum=0.01) if batch_norm else torch.nn.Identity()
        for layer in (self.first, self.output):
            torch.nn.init.xavier_uniform_(layer.weight)
            torch.nn.init.zeros_(layer.bias)

    def layer(self, rows):
        return torch.relu(self.first(rows))

    def forward(self, rows):
        return self.output(self.norm(self.layer(rows))).squeeze(1)


def fit(unlabelled, anomalies, seed, anoonly, batch_norm, bounded, width=20, penalty=0.01, epochs=50, watch=None):
    """Train a network. `watch` is called with it after each epoch; with `watch`, the last epoch is kept."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = DevNet(unlabelled.shape[1], batch_norm, width)
    optimiser = torch.optim.RMSprop(network.parameters(), lr=2e-4, alpha=0.9, eps=1e-7)
    best, kept = np.inf, None
    for _ in range(epochs):
        total = 0.0
        for _ in range(20):
            drawn = [rows[torch.randint(len(rows), (32,), generator=generator)] for rows in (unlabelled, anomalies)]
            scores = network(torch.cat(drawn))
            missing = 5 - scores[32:]
            loss = (missing.abs() if bounded else missing).sum()
            if not anoonly:
                loss = loss + scores[:32].abs().sum()
            loss = loss / 64 + penalty * network.first.weight.square().sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        if watch:
            watch(network.eval())
            network.train()
        if total < best or watch:
            best, kept = total, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return network.eval()


def normal_scores(reference, values):
    ordered = np.sort(reference)
    ranks = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
    return norm.ppf((ranks + 0.5) / (len(ordered) + 1))


def candidates(unlabelled, anomalies, tested, seed):
    """Names, and scores of the tested rows."""
    usual, known, asked = (torch.from_numpy(rows.astype(np.float32)) for rows in (unlabelled, anomalies, tested))
    mean, covariance = unlabelled.mean(0), ledoit_wolf(unlabelled)[0]
    inverse = np.linalg.pinv(covariance)
    far = [np.einsum("ij,jk,ik->i", rows - mean, inverse, rows - mean) for rows in (unlabelled, tested)]
    joined = lambda *parts: sum(normal_scores(*part) for part in parts)

    def judged(network):
        with torch.no_grad():
            scores = [network(rows).numpy() for rows in (usual, asked)]
            layers = [network.layer(rows) for rows in (usual, asked)]
            middle, spread = network.norm.running_mean, network.norm.running_var.sqrt() + 1e-6
            return scores, [(((layer - middle) / spread).square().sum(1).sqrt()).numpy() for layer in layers]

    host = fit(usual, known, seed, anoonly=False, batch_norm=False, bounded=True)
    with torch.no_grad():
        yield "host", host(asked).numpy()
    bounded = fit(usual, known, seed, anoonly=True, batch_norm=True, bounded=True)
    yield "AnoOnly, its loss bounded: the distance from 5", judged(bounded)[0][1]
    members = [fit(usual, known, seed + 100 * member, True, True, False) for member in range(MEMBERS)]
    scores, divergence = judged(members[0])
    yield "AnoOnly", scores[1]
    yield "divergence of its layer alone", divergence[1]
    yield "AnoOnly + divergence", joined(scores, divergence)
    yield "AnoOnly + Mahalanobis", joined(scores, far)
    every = [judged(member)[0] for member in members]
    mean_of = [np.mean([normal_scores(one[0], one[side]) for one in every], axis=0) for side in (0, 1)]
    yield f"AnoOnly, {MEMBERS} seeds", mean_of[1]
    yield f"AnoOnly, {MEMBERS} seeds, + Mahalanobis", joined(mean_of, far)
    yield "Mahalanobis alone", far[1]


def main(candidates):
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--ratio", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    paths = [path for path in sorted(options.data.glob("**/*.npz")) if path.parent.name != "Classical"]
    # Of each candidate: by seed and family, both metrics of every set.
    found = {}
    for path in paths:
        for seed in range(1, options.seeds + 1):
            unlabelled, anomalies, tested, truth = split(path, options.ratio, seed)
            for name, scores in candidates(unlabelled, anomalies, tested, seed):
                both = roc_auc_score(truth, scores), average_precision_score(truth, scores)
                found.setdefault(name, {}).setdefault((seed, family(path)), []).append(both)
    families = sorted({kind for _, kind in next(iter(found.values()))})
    seeds = range(1, options.seeds + 1)
    print(f"{len(paths)} sets, {options.ratio:.0%} of the training anomalies labelled, {options.seeds} seeds; AUROC / average precision.\n")
    print("| scores | " + " | ".join(families) + " | mean |")
    print("|---|" + "---|" * (len(families) + 1))
    for name, values in found.items():
        of = np.array([[np.mean(values[seed, kind], axis=0) for kind in families] for seed in seeds]) * 100
        cells = ["{:.1f} / {:.1f}".format(*pair) for pair in of.mean(0)]
        mean = of.mean(1)
        half = t.ppf(0.975, len(mean) - 1) * mean.std(0, ddof=1) / np.sqrt(len(mean))
        means = " / ".join(f"{value:.1f} ± {width:.1f}" for value, width in zip(mean.mean(0), half))
        print(f"| {name} | " + " | ".join(cells) + f" | {means} |")


if __name__ == "__main__":
    main(candidates)
