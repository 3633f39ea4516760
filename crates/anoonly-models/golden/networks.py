"""Write networks.json: losses, gradients and scores of small networks, computed by PyTorch in 64-bit floats.

    pip install torch
    python crates/anoonly-models/golden/networks.py

Generated with PyTorch 2.15.0. Weight k of a network is sin(k)/2, counted from 1 in the order of the module's fields. Cell k of the rows
is sin(0.7k), row by row. PyTorch computes attention, layer normalisation, cross-entropies and gradients. There is no dropout.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
EPSILON = 1e-5


class Weights:
    """Creates the weights of a network, one tensor after the other."""

    def __init__(self):
        self.count, self.all = 0, []

    def __call__(self, *shape):
        size = torch.Size(shape).numel()
        values = torch.sin(torch.arange(self.count + 1, self.count + size + 1).double()) / 2
        self.count += size
        self.all.append(values.reshape(shape).requires_grad_())
        return self.all[-1]

    def linear(self, inputs, outputs):
        weight, bias = self(inputs, outputs), self(outputs)
        return lambda x: x @ weight + bias

    def norm(self, width):
        gamma, beta = self(width), self(width)
        return lambda x: F.layer_norm(x, [width], gamma, beta, EPSILON)


def rows(count, columns):
    return torch.sin(0.7 * torch.arange(1, count * columns + 1).double()).reshape(count, columns)


def ganomaly(columns, code, widths, shares):
    weights = Weights()
    encoder, decoder, again = (weights.linear(*io) for io in ((columns, code), (code, columns), (columns, code)))
    hidden = [weights.linear(i, o) for i, o in zip([columns, *widths], widths)]
    output = weights.linear(widths[-1], 1)

    def features(x):
        for layer in hidden:
            x = torch.tanh(layer(x))
        return x

    x = rows(5, columns)
    z = torch.tanh(encoder(x))
    decoded = decoder(z)
    z_again = torch.tanh(again(decoded))
    cross_entropy = lambda x, target: F.binary_cross_entropy_with_logits(
        output(features(x))[:, 0], torch.full((len(x),), target), reduction="none")
    of_discriminator = (cross_entropy(x, 0.0) + cross_entropy(decoded.detach(), 1.0)) / 2
    parts = [
        ((features(decoded) - features(x)) ** 2).mean(1),
        (x - decoded).abs().mean(1),
        ((z - z_again) ** 2).mean(1),
    ]
    of_generator = sum(share * part for share, part in zip(shares, parts)) / sum(shares)
    # The gradient of each loss with respect to its own network. The first six tensors are the generator's.
    networks = weights.all[:6], weights.all[6:]
    gradients = [
        *torch.autograd.grad(of_generator.mean(), networks[0], retain_graph=True),
        *torch.autograd.grad(of_discriminator.mean(), networks[1]),
    ]
    names = ("adversarial_weight", "contextual_weight", "encoder_weight")
    return {
        "method": {"model": "ganomaly", "discriminator": widths, **dict(zip(names, shares))},
        "columns": columns, "unlabelled": 5, "anomalies": 0,
        "normal": of_discriminator + of_generator, "anomalous": [],
        "scores": (z - z_again).abs().sum(1), "gradients": gradients,
    }


def ft_transformer(columns, tokens, width, blocks, heads, hidden, norm):
    weights = Weights()
    many = columns > tokens
    first = weights.linear(columns, tokens) if many else lambda x: x
    direction, offset = (weights(min(columns, tokens), width) for _ in range(2))
    cls = weights(1, width)
    layers = []
    for block in range(blocks):
        before = weights.norm(width) if block else lambda x: x
        query, key, value, joined = (weights.linear(width, width) for _ in range(4))
        between = weights.norm(width)
        wide, gate, narrow = weights.linear(width, hidden), weights.linear(width, hidden), weights.linear(hidden, width)
        layers.append((before, query, key, value, joined, between, wide, gate, narrow))
    head = weights.norm(width)
    last_norm = weights.norm(width) if norm == "layer" else lambda x: x
    output = weights.linear(width, 1)

    unlabelled, anomalies = 4, 3
    x = rows(unlabelled + anomalies, columns)
    tokens_of = first(x)[:, :, None] * direction + offset
    stream = torch.cat([tokens_of, cls.expand(len(x), 1, width)], 1)
    for before, query, key, value, joined, between, wide, gate, narrow in layers:
        normal = before(stream)
        split = lambda t: t.unflatten(2, (heads, width // heads)).transpose(1, 2)
        attended = F.scaled_dot_product_attention(*(split(layer(normal)) for layer in (query, key, value)))
        stream = stream + joined(attended.transpose(1, 2).flatten(2))
        normal = between(stream)
        stream = stream + narrow(wide(normal) * torch.relu(gate(normal)))
    scores = output(last_norm(torch.relu(head(stream[:, -1]))))[:, 0]
    losses = F.binary_cross_entropy_with_logits(
        scores, torch.tensor([0.0] * unlabelled + [1.0] * anomalies), reduction="none")
    normal = losses[:unlabelled] * len(x) / (2 * unlabelled)
    anomalous = losses[unlabelled:] * len(x) / (2 * anomalies)
    gradients = torch.autograd.grad((normal.sum() + anomalous.sum()) / len(x), weights.all)
    return {
        "method": {
            "model": "ft-transformer", "tokens": tokens, "width": width, "blocks": blocks, "heads": heads,
            "hidden": hidden, "norm": norm, "attention_dropout": 0.0, "dropout": 0.0},
        "columns": columns, "unlabelled": unlabelled, "anomalies": anomalies,
        "normal": normal, "anomalous": anomalous, "scores": scores, "gradients": gradients,
    }


def plain(value):
    if isinstance(value, torch.Tensor):
        return [float(f"{cell:.9g}") for cell in value.detach().flatten().tolist()]
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value


cases = [
    ganomaly(5, 2, [4, 3], [1.0, 1.0, 1.0]),
    ganomaly(9, 2, [3], [1.0, 50.0, 2.0]),
    ganomaly(1, 1, [2, 2], [0.5, 0.0, 1.0]),
    ft_transformer(3, 8, 6, 2, 3, 4, "none"),
    ft_transformer(5, 2, 4, 1, 1, 3, "layer"),
    ft_transformer(4, 4, 4, 3, 2, 5, "none"),
]
out = Path(__file__).with_suffix(".json")
out.write_text(json.dumps([{key: plain(value) for key, value in case.items()} for case in cases]) + "\n")
print(f"{len(cases)} cases, {out.stat().st_size} bytes")
