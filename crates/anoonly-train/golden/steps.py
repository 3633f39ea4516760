"""Write steps.json: three optimiser steps of small DevNets, computed by PyTorch in 64-bit floats.

    pip install numpy torch        (or Debian's python3-torch)
    python crates/anoonly-train/golden/steps.py

The file was made with PyTorch 1.13.0a0 (Debian 12) and NumPy 1.24.2. The last three cases were made with PyTorch 2.15.0,
which gives the same figures for the other cases. The forward pass, the losses and batch normalisation are written out from
their equations. Gradients are PyTorch's. Adam, SGD and RMSprop with epsilon outside the root are `torch.optim`'s. RMSprop with
epsilon inside the root is written out and follows Keras 3. Running statistics follow Keras: the biased variance of the batch,
and a share `keep` of the old value is kept.
"""

import json
from pathlib import Path

import numpy as np
import torch

FEATURES, HIDDEN, UNLABELLED, ANOMALIES = 6, 20, 7, 5
EPSILON, KEEP, MARGIN, L2 = 1e-3, 0.99, 5.0, 0.01
torch.set_default_dtype(torch.float64)


class DevNet:
    def __init__(self, norm, rng):
        draw = lambda *shape: torch.tensor(rng.normal(scale=0.4, size=shape), requires_grad=True)
        self.norm = norm
        self.w1, self.b1 = draw(FEATURES, HIDDEN), draw(HIDDEN)
        self.gamma, self.beta = draw(HIDDEN), draw(HIDDEN)
        self.mean = torch.tensor(rng.normal(size=HIDDEN))
        self.var = torch.tensor(rng.uniform(0.5, 2, size=HIDDEN))
        self.w2, self.b2 = draw(HIDDEN, 1), draw(1)

    def trained(self):
        norm = [] if self.norm == "none" else [self.gamma, self.beta]
        return [self.w1, self.b1, *norm, self.w2, self.b2]

    def values(self):
        """All values in the order of the module's fields."""
        norm = {"none": [], "layer": [self.gamma, self.beta], "batch": [self.gamma, self.beta, self.mean, self.var]}
        return [t.detach().ravel().tolist() for t in [self.w1, self.b1, *norm[self.norm], self.w2, self.b2]]

    def forward(self, x, training):
        h = torch.relu(x @ self.w1 + self.b1)
        if self.norm == "batch":
            mean, var = self.mean, self.var
            if training:
                mean, var = h.mean(0), h.var(0, unbiased=False)
                self.mean = KEEP * self.mean + (1 - KEEP) * mean.detach()
                self.var = KEEP * self.var + (1 - KEEP) * var.detach()
            h = (h - mean) / torch.sqrt(var + EPSILON) * self.gamma + self.beta
        elif self.norm == "layer":
            mean, var = h.mean(1, keepdim=True), h.var(1, unbiased=False, keepdim=True)
            h = (h - mean) / torch.sqrt(var + EPSILON) * self.gamma + self.beta
        return (h @ self.w2 + self.b2)[:, 0]

    def loss(self, x, normal_weight, anomaly_loss):
        scores = self.forward(x, training=True)
        short = MARGIN - scores[UNLABELLED:]
        anomalous = {"absolute": short.abs(), "unbounded": short, "hinge": short.clamp(min=0)}[anomaly_loss]
        total = normal_weight * scores[:UNLABELLED].abs().sum() + anomalous.sum()
        return total / len(x) + L2 * (self.w1**2).sum()


class KerasRmsProp:
    def __init__(self, params, lr, decay, eps):
        self.params, self.lr, self.decay, self.eps = params, lr, decay, eps
        self.v = [np.zeros(p.shape) for p in params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        for i, p in enumerate(self.params):
            g = p.grad.numpy()
            self.v[i] = self.decay * self.v[i] + (1 - self.decay) * g**2
            p.data -= torch.tensor(self.lr * g / np.sqrt(self.v[i] + self.eps))


def optimiser(kind, params):
    if kind == "keras-rmsprop":
        settings = dict(learning_rate=2e-2, decay=0.9, epsilon=1e-3)
        return KerasRmsProp(params, 2e-2, 0.9, 1e-3), {
            "kind": "rms-prop", **settings, "epsilon_at": "inside-root", "weight_decay": 0.0}
    if kind == "torch-rmsprop":
        settings = dict(learning_rate=2e-2, decay=0.99, epsilon=1e-3, weight_decay=1e-2)
        return torch.optim.RMSprop(params, lr=2e-2, alpha=0.99, eps=1e-3, weight_decay=1e-2), {
            "kind": "rms-prop", **settings, "epsilon_at": "outside-root"}
    if kind == "sgd":
        return torch.optim.SGD(params, lr=2e-2, momentum=0.7), {"kind": "sgd", "learning_rate": 2e-2, "momentum": 0.7}
    settings = dict(learning_rate=2e-2, beta_1=0.9, beta_2=0.999, epsilon=1e-4, weight_decay=1e-2)
    return torch.optim.Adam(params, lr=2e-2, eps=1e-4, weight_decay=1e-2), {"kind": "adam", **settings}


def case(norm, normal_weight, anomaly_loss, kind):
    net = DevNet(norm, rng)
    stepper, settings = optimiser(kind, net.trained())
    start = net.values()
    batches, losses = [], []
    for _ in range(3):
        x = torch.tensor(rng.uniform(size=(UNLABELLED + ANOMALIES, FEATURES)))
        batches.append(x.ravel().tolist())
        loss = net.loss(x, normal_weight, anomaly_loss)
        stepper.zero_grad()
        loss.backward()
        stepper.step()
        losses.append(float(loss.detach()))
    probe = torch.tensor(rng.uniform(size=(4, FEATURES)))
    return {
        "norm": norm, "normal_weight": normal_weight, "anomaly_loss": anomaly_loss, "optimiser": settings,
        "start": start, "batches": batches, "losses": losses, "end": net.values(),
        "probe": probe.ravel().tolist(), "scores": net.forward(probe, training=False).tolist(),
    }


rng = np.random.default_rng(7)
NORMS = ("none", "batch", "layer")
LOSSES = ((1.0, "absolute"), (0.0, "unbounded"), (0.25, "hinge"))
cases = [
    case(norm, *losses, kind) for norm in NORMS for losses in LOSSES for kind in ("keras-rmsprop", "torch-rmsprop", "adam")
]
# These come last, so that the random numbers of the other cases stay the same.
cases += [case(norm, *losses, "sgd") for norm, losses in zip(NORMS, LOSSES)]


def rounded(value):
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


out = Path(__file__).with_suffix(".json")
out.write_text(json.dumps([{k: rounded(v) for k, v in c.items()} for c in cases]) + "\n")
print(f"{len(cases)} cases, {out.stat().st_size} bytes")
