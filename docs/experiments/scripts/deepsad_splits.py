"""DeepSAD with AnoOnly in PyTorch, independent of anoonly's code: how its figures on ADBench's classical tables depend on the split.

    pip install torch scikit-learn
    python docs/experiments/scripts/deepsad_splits.py DATA > printed.txt
    python xtask/embed_output.py docs/reproduction.md NUMBER < printed.txt

The published figures on these tables come from a single seed, 42. Here that seed and eight others draw split, labels, weights and batches
under the protocol `adbench` with 10 % of the anomalies labelled, with the generators of NumPy, scikit-learn and PyTorch. The loss is the
mean over the anomalies of a batch, as in the published code.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

SETS = ["25_musk", "29_Pima", "2_annthyroid", "30_satellite", "38_thyroid", "6_cardio"]
SEEDS = [42, 1, 2, 3, 4, 5, 6, 7, 8]
torch.set_num_threads(1)


def run(path, seed):
    file = np.load(path, allow_pickle=True)
    x, y = file["X"].astype(np.float32), file["y"].astype(int)
    rng = np.random.RandomState(seed)
    torch.manual_seed(seed)
    if len(y) < 1000 or len(y) > 10_000:
        rows = rng.choice(len(y), min(max(len(y), 1000), 10_000), replace=len(y) < 1000)
        x, y = x[rows], y[rows]
    train, test, truth, test_truth = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    scaler = MinMaxScaler().fit(train)
    train, test = (torch.tensor(scaler.transform(part), dtype=torch.float32) for part in (train, test))
    anomalies = np.flatnonzero(truth == 1)
    labelled = torch.zeros(len(truth), dtype=torch.bool)
    labelled[rng.choice(anomalies, int(np.ceil(0.1 * len(anomalies))), replace=False)] = True

    linear = lambda i, o: torch.nn.Linear(i, o, bias=False)
    norm = lambda width: torch.nn.BatchNorm1d(width, eps=1e-4, affine=False)
    leaky = torch.nn.LeakyReLU
    net = torch.nn.Sequential(
        linear(train.shape[1], 100), norm(100), leaky(), linear(100, 20), norm(20), leaky(), linear(20, 10)
    ).eval()
    with torch.no_grad():
        centre = net(train).mean(0)
        centre = torch.where(centre.abs() < 0.1, 0.1 * centre.sign(), centre)
    distance = lambda rows: (net(rows) - centre).square().sum(1)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-4, weight_decay=1e-6)
    net.train()
    for _ in range(50):
        order = torch.randperm(len(train))
        for start in range(0, len(train) - 127, 128):
            batch = order[start : start + 128]
            optimiser.zero_grad()
            (1 / (distance(train[batch])[labelled[batch]] + 1e-6)).mean().backward()
            optimiser.step()
    net.eval()
    with torch.no_grad():
        scores = distance(test).numpy()
    return 100 * roc_auc_score(test_truth, scores), 100 * average_precision_score(test_truth, scores)


folder = Path(sys.argv[1])
results = np.array([[run(next(folder.rglob(f"{name}.npz")), seed) for seed in SEEDS] for name in SETS])
print("| set | AUROC seed 42 | mean of nine seeds | deviation | AP seed 42 | mean of nine seeds | deviation |")
print("|---|---|---|---|---|---|---|")
for name, values in [*zip(SETS, results), ("mean of the six", results.mean(0))]:
    cells = [f"{values[0, m]:.1f} | {values[:, m].mean():.1f} | {values[:, m].std(ddof=1):.1f}" for m in (0, 1)]
    print(f"| {name} | {cells[0]} | {cells[1]} |")
