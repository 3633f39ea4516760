"""The work of `cargo xtask bench-speed`, done by PyTorch in eager mode: the models, batches, losses and optimisers of
docs/models, written as a user of PyTorch would write them.

    pip install torch
    cargo xtask bench-speed --python python

Called with a case, as `devnet:host:train`, a number of threads and what to do with denormals, `keep` or `flush`; prints JSON.
"""

import json
import resource
import sys
import time

import torch
from torch import nn

MODEL, STRATEGY, TASK = sys.argv[1].split(":")
ANOONLY = STRATEGY == "anoonly"
THREADS = int(sys.argv[2])
TURNS = 3
torch.set_num_threads(THREADS)
torch.set_flush_denormal(sys.argv[3] == "flush")
torch.manual_seed(1)


class DevNet(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.hidden = nn.Linear(d, 20)
        self.norm = nn.BatchNorm1d(20, eps=1e-3, momentum=0.01) if ANOONLY else nn.Identity()
        self.output = nn.Linear(20, 1)

    def forward(self, x):
        return self.output(self.norm(torch.relu(self.hidden(x)))).squeeze(1)

    def loss(self, x, y):
        s = self(x)
        if ANOONLY:
            loss = (y * (5 - s)).mean()
        else:
            loss = ((1 - y) * s.abs() + y * (5 - s).abs()).mean()
        return loss + 0.01 * self.hidden.weight.square().sum()


class PReNet(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.feature = nn.Linear(d, 20)
        self.norm = nn.BatchNorm1d(20) if ANOONLY else nn.Identity()
        self.pair = nn.Linear(40, 1)

    def code(self, x):
        return self.norm(torch.relu(self.feature(x)))

    def forward(self, a, b):
        return self.pair(torch.cat([self.code(a), self.code(b)], 1)).squeeze(1)

    def loss(self, a, b, y):
        error = (y - self(a, b)).abs()
        return error[y > 0].sum() / len(y) if ANOONLY else error.mean()


class DeepSad(nn.Module):
    def __init__(self, d):
        super().__init__()
        widths = [d, 100, 20, 10]
        layers = []
        for i, o in zip(widths, widths[1:]):
            layers.append(nn.Linear(i, o, bias=False))
            if o != 10:
                layers += [nn.BatchNorm1d(o, eps=1e-4, affine=False), nn.LeakyReLU(0.01)]
        self.net = nn.Sequential(*layers)
        self.register_buffer("centre", torch.full((10,), 0.1))

    def forward(self, x):
        return (self.net(x) - self.centre).square().sum(1)

    def loss(self, x, y):
        d = self(x)
        if ANOONLY:
            return (1 / (d[y == 1] + 1e-6)).sum() / len(y)
        return torch.where(y == 1, 1 / (d + 1e-6), d).mean()


class Feawad(nn.Module):
    def __init__(self, d):
        super().__init__()
        pair = lambda i, o: [nn.Linear(i, o), nn.ReLU()]
        self.encoder = nn.Sequential(*pair(d, d), *pair(d, 128), *pair(128, 64))
        self.decoder = nn.Sequential(*pair(64, 128), *pair(128, d))
        self.first = nn.Linear(d + 65, 256)
        self.second = nn.Linear(257, 32)
        self.norm = nn.BatchNorm1d(33, eps=1e-3, momentum=0.01) if ANOONLY else nn.Identity()
        self.output = nn.Linear(33, 1)

    def reconstruct(self, x):
        return self.decoder(self.encoder(x))

    def parts(self, x):
        code = self.encoder(x)
        r = x - self.decoder(code)
        e = (r.square().sum(1, keepdim=True) + 1e-12).sqrt()
        h = torch.relu(self.first(torch.cat([r / e, code, e], 1)))
        h = torch.relu(self.second(torch.cat([h, e], 1)))
        return self.output(self.norm(torch.cat([h, e], 1))).squeeze(1), e.squeeze(1)

    def forward(self, x):
        return self.parts(x)[0]

    def loss(self, x, y):
        s, e = self.parts(x)
        anomalous = y * (torch.relu(5 - s) + torch.relu(5 - e))
        return anomalous.mean() if ANOONLY else ((1 - y) * (s.abs() + e) + anomalous).mean()


def balanced(s, y):
    """The cross-entropy of each row with equal weights of the two classes, and the part that trains."""
    weight = len(y) / 2 / torch.where(y == 1, (y == 1).sum(), (y == 0).sum())
    loss = weight * nn.functional.binary_cross_entropy_with_logits(s, y, reduction="none")
    return loss[y == 1].sum() / len(y) if ANOONLY else loss.mean()


class Mlp(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.hidden = nn.Linear(d, 100)
        self.norm = nn.BatchNorm1d(100) if ANOONLY else nn.Identity()
        self.output = nn.Linear(100, 1)

    def forward(self, x):
        return self.output(self.norm(torch.relu(self.hidden(x)))).squeeze(1)

    def loss(self, x, y):
        return balanced(self(x), y)


class ResNet(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.input = nn.Linear(d, 128)
        block = lambda: nn.Sequential(
            nn.BatchNorm1d(128), nn.Linear(128, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 128)
        )
        self.blocks = nn.ModuleList([block(), block()])
        self.norm = nn.BatchNorm1d(128)
        self.output = nn.Linear(128, 1)

    def forward(self, x):
        x = self.input(x)
        for block in self.blocks:
            x = x + block(x)
        return self.output(torch.relu(self.norm(x))).squeeze(1)

    def loss(self, x, y):
        return balanced(self(x), y)


MODELS = {"devnet": DevNet, "prenet": PReNet, "deepsad": DeepSad, "feawad": Feawad, "mlp": Mlp, "resnet": ResNet}


def data(rows, d, anomalies):
    x = torch.rand(rows, d)
    x[:anomalies] += 0.2
    return x, torch.arange(anomalies), torch.arange(anomalies, rows)


def draw(rows, count):
    return rows[torch.randint(len(rows), (count,))]


def train(model, x, anomalies, others, epochs):
    """Train for (pretraining, training) epochs; return the number of steps."""
    steps = 0
    if MODEL == "feawad":
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, eps=1e-7)
        for _ in range(epochs[0] * 20):
            batch = x[draw(others, 512)]
            optimiser.zero_grad()
            (batch - model.reconstruct(batch)).square().mean().backward()
            optimiser.step()
            steps += 1
    if MODEL == "devnet":
        optimiser = torch.optim.RMSprop(model.parameters(), lr=2e-4, alpha=0.9, eps=1e-7)
        target = torch.cat([torch.zeros(32), torch.ones(32)])
        batch = lambda: (x[torch.cat([draw(others, 32), draw(anomalies, 32)])], target)
    elif MODEL == "prenet":
        optimiser = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.99, weight_decay=1e-2)
        target = torch.cat([torch.full((128,), 8.0), torch.full((128,), 4.0), torch.zeros(256)])

        def batch():
            a = torch.cat([draw(anomalies, 256), draw(others, 256)])
            b = torch.cat([draw(anomalies, 128), draw(others, 384)])
            return x[a], x[b], target

    elif MODEL == "feawad":
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, eps=1e-7)
        target = torch.cat([torch.zeros(256), torch.ones(256)])
        batch = lambda: (x[torch.cat([draw(others, 256), draw(anomalies, 256)])], target)
    elif MODEL in ("mlp", "resnet"):
        count, decay = (100, 1e-4) if MODEL == "mlp" else (32, 0)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=decay)
        target = torch.cat([torch.zeros(count), torch.ones(count)])
        batch = lambda: (x[torch.cat([draw(others, count), draw(anomalies, count)])], target)
    if MODEL == "deepsad":
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-6)
        y = torch.zeros(len(x))
        y[anomalies] = 1
        for _ in range(epochs[1]):
            order = torch.randperm(len(x))
            for i in range(0, len(x) - 127, 128):
                rows = order[i : i + 128]
                optimiser.zero_grad()
                model.loss(x[rows], y[rows]).backward()
                optimiser.step()
                steps += 1
        return steps
    for _ in range(epochs[1] * 20):
        optimiser.zero_grad()
        model.loss(*batch()).backward()
        optimiser.step()
        steps += 1
    return steps


def score(rows):
    with torch.inference_mode():
        for part in rows.split(block):
            if MODEL == "prenet":
                total = torch.zeros(len(part))
                for a, u in zip(draw(anomalies, 30), draw(others, 30)):
                    total += model(x[a].expand_as(part), part) + model(part, x[u].expand_as(part))
                total / 30
            else:
                model(part)


# As in crates/anoonly-bench/src/speed.rs. A long fit is measured once.
EPOCHS, TURNS_OF_FITS = ((100, 30), 1) if MODEL == "feawad" else ((0, 50), TURNS)
# A block that stays in a core's cache, or on several threads one that is large enough to share.
block = 2048 if THREADS == 1 else 65_536
best = float("inf")
if TASK == "train":
    x, anomalies, others = data(5000, 512, 25)
    for _ in range(TURNS_OF_FITS):
        model = MODELS[MODEL](512)
        start = time.perf_counter()
        work = train(model, x, anomalies, others, EPOCHS)
        best = min(best, time.perf_counter() - start)
elif TASK == "whole":
    work = 1
    x, anomalies, others = data(3684, 512, 18)
    for _ in range(TURNS_OF_FITS):
        model = MODELS[MODEL](512)
        start = time.perf_counter()
        train(model, x, anomalies, others, EPOCHS)
        model.eval()
        score(x)
        best = min(best, time.perf_counter() - start)
else:
    work, d = {"score-narrow": (1_000_000, 64), "score-wide": (100_000, 512)}[TASK]
    x, anomalies, others = data(1000, d, 25)
    model = MODELS[MODEL](d)
    train(model, x, anomalies, others, (1, 1))
    model.eval()
    rows = torch.rand(work, d)
    if MODEL == "prenet":
        # The published score takes 60 pairs a row, so the rate is measured on some of the rows.
        work //= 50
    for _ in range(TURNS):
        start = time.perf_counter()
        score(rows[:work])
        best = min(best, time.perf_counter() - start)

peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"work": work, "seconds": best, "peak_mib": peak}))
