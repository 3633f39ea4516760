"""Compare ways to train DevNet under AnoOnly; prints the table in docs/experiments/recipe.md.

    pip install numpy scipy scikit-learn torch
    python docs/experiments/scripts/explore_training.py DATA [--ratio 0.1] [--seeds 3]

Sets, splits and network are those of explore_networks.py; each variant changes one thing. An ensemble's score is the mean of its members'
normal scores by their values on unlabelled rows. To choose the epoch, the labelled anomalies are left out in turn, one at a time, or in five
parts when there are more than five. The epoch after which the left-out anomalies rank highest on average among the unlabelled rows is the
number of epochs of a last fit with all labels.
"""

import numpy as np
import torch

from explore_networks import fit, main, normal_scores

MEMBERS = 5
EPOCHS = 50


def scores_of(network, rows):
    with torch.no_grad():
        return network(rows).numpy()


def best_epoch(usual, known, seed):
    parts = np.array_split(np.random.default_rng([seed, 3]).permutation(len(known)), min(5, len(known)))
    ranks = np.zeros(EPOCHS)
    for part in parts:
        seen = []

        def watch(network):
            above = np.sort(scores_of(network, usual))
            seen.append(np.searchsorted(above, scores_of(network, known[part])).sum() / len(above))

        others = np.setdiff1d(np.arange(len(known)), part)
        fit(usual, known[others], seed, True, True, False, watch=watch)
        ranks += seen
    return int(ranks.argmax()) + 1


def candidates(unlabelled, anomalies, tested, seed):
    """Names, and scores of the tested rows."""
    usual, known, asked = (torch.from_numpy(rows.astype(np.float32)) for rows in (unlabelled, anomalies, tested))
    anoonly = lambda seed=seed, usual=usual, known=known, **changed: fit(usual, known, seed, True, True, False, **changed)
    yield "as it is", scores_of(anoonly(), asked)
    for width in (5, 100, 500):
        yield f"{width} units instead of 20", scores_of(anoonly(width=width), asked)
    for penalty in (0.0, 0.1):
        yield f"penalty of the weights {penalty} instead of 0.01", scores_of(anoonly(penalty=penalty), asked)
    yield "10 epochs instead of 50", scores_of(anoonly(epochs=10), asked)
    epochs = best_epoch(usual, known, seed) if len(known) > 1 else EPOCHS
    yield "epoch chosen by anomalies left out", scores_of(anoonly(epochs=epochs, watch=lambda _: None), asked)

    rng = np.random.default_rng([seed, 4])
    joined = lambda members: np.mean([normal_scores(*member) for member in members], axis=0)
    halves, drawn = [], []
    for member in range(MEMBERS):
        columns = rng.permutation(usual.shape[1])[: (usual.shape[1] + 1) // 2]
        network = anoonly(seed + 100 * member, usual[:, columns], known[:, columns])
        halves.append([scores_of(network, rows[:, columns]) for rows in (usual, asked)])
        of = rng.integers(len(known), size=len(known))
        network = anoonly(seed + 100 * member, known=known[of])
        drawn.append([scores_of(network, rows) for rows in (usual, asked)])
    yield f"{MEMBERS} members, each on half of the columns", joined(halves)
    yield f"{MEMBERS} members, each on anomalies drawn with replacement", joined(drawn)


if __name__ == "__main__":
    main(candidates)
