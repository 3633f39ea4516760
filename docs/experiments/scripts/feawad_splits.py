"""FEAWAD with its whole loss and the faults of its published code, in PyTorch, independent of anoonly's code: how the
published figures on SVHN depend on the seed.

    pip install torch scikit-learn
    python docs/experiments/scripts/feawad_splits.py DATA > printed.txt
    python xtask/embed_output.py docs/reproduction.md NUMBER < printed.txt

The published figures of FEAWAD come from a single seed, 42. Here that seed and five others draw split, labels, weights and batches
under the protocol `adbench` with 10 % of the anomalies labelled. The faults: every step of a training sees the same batch; the host
has batch normalisation too; and the reconstruction error in the loss is that of a residual already divided by its norm, which is
always 1, so that it has no gradient.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

SETS = ["SVHN_0", "SVHN_8"]
SEEDS = [42, 1, 2, 3, 4, 5]
torch.set_num_threads(1)
torch.set_flush_denormal(True)


def dense(inputs, outputs):
    layer = torch.nn.Linear(inputs, outputs)
    # Glorot's normal, cut at two deviations; the cut takes away a part of the variance, which the divisor gives back.
    deviation = (2 / (inputs + outputs)) ** 0.5 / 0.87962566103423978
    torch.nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
    torch.nn.init.zeros_(layer.bias)
    return layer


def layers(*widths):
    return torch.nn.Sequential(
        *(part for i, o in zip(widths, widths[1:]) for part in (dense(i, o), torch.nn.ReLU()))
    )


class Feawad(torch.nn.Module):
    def __init__(self, columns):
        super().__init__()
        self.encoder, self.decoder = layers(columns, columns, 128, 64), layers(64, 128, columns)
        self.first, self.second = layers(columns + 65, 256), layers(257, 32)
        self.norm, self.output = torch.nn.BatchNorm1d(33, eps=1e-3, momentum=0.01), dense(33, 1)

    def residual(self, rows):
        code = self.encoder(rows)
        return code, rows - self.decoder(code)

    def forward(self, rows):
        code, residual = self.residual(rows)
        error = (residual.square().sum(1, keepdim=True) + 1e-12).sqrt()
        hidden = self.first(torch.cat([residual / error, code, error], 1))
        hidden = self.second(torch.cat([hidden, error], 1))
        return self.output(self.norm(torch.cat([hidden, error], 1))).squeeze(1)


def train(net, parameters, loss, epochs):
    optimiser = torch.optim.Adam(parameters, lr=1e-4, eps=1e-7)
    lowest, kept = np.inf, None
    for _ in range(epochs):
        total = 0.0
        for _ in range(20):
            optimiser.zero_grad()
            value = loss()
            value.backward()
            optimiser.step()
            total += value.item()
        if total < lowest:
            lowest, kept = total, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)


def run(path, seed):
    file = np.load(path, allow_pickle=True)
    x, y = file["X"].astype(np.float32), file["y"].astype(int)
    rng = np.random.RandomState(seed)
    torch.manual_seed(seed)
    rows, test, truth, test_truth = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    scaler = MinMaxScaler().fit(rows)
    rows, test = (torch.tensor(scaler.transform(part), dtype=torch.float32) for part in (rows, test))
    anomalies = np.flatnonzero(truth == 1)
    labelled = rng.choice(anomalies, int(np.ceil(0.1 * len(anomalies))), replace=False)
    unlabelled = np.setdiff1d(np.arange(len(truth)), labelled)

    net = Feawad(rows.shape[1])
    batch = rows[rng.choice(unlabelled, 512)]
    halves = [*net.encoder.parameters(), *net.decoder.parameters()]
    train(net, halves, lambda: net.residual(batch)[1].square().mean(), 100)
    both = rows[np.concatenate([rng.choice(unlabelled, 256), rng.choice(labelled, 256)])]

    def loss():
        scores = net(both)
        return (scores[:256].abs().sum() + torch.relu(5 - scores[256:]).sum()) / 512

    train(net, net.parameters(), loss, 30)
    net.eval()
    with torch.no_grad():
        scores = net(test).numpy()
    result = 100 * roc_auc_score(test_truth, scores), 100 * average_precision_score(test_truth, scores)
    print(path.stem, seed, result, file=sys.stderr, flush=True)
    return result


folder = Path(sys.argv[1])
results = np.array([[run(next(folder.rglob(f"{name}.npz")), seed) for seed in SEEDS] for name in SETS])
print("| set | AUROC seed 42 | mean of six seeds | deviation | AP seed 42 | mean of six seeds | deviation |")
print("|---|---|---|---|---|---|---|")
for name, values in [*zip(SETS, results), ("mean of the two", results.mean(0))]:
    cells = [f"{values[0, m]:.1f} | {values[:, m].mean():.1f} | {values[:, m].std(ddof=1):.1f}" for m in (0, 1)]
    print(f"| {name} | {cells[0]} | {cells[1]} |")
