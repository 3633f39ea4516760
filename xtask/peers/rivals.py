"""Scores of other packages on the rows of a bench: what people would use without anoonly.

    python3.11 -m venv rivals
    rivals/bin/pip install -r xtask/peers/rivals-requirements.txt
    rivals/bin/pip install --no-deps deepod==0.4.1
    anoonly bench ... --export-splits SPLITS
    rivals/bin/python xtask/peers/rivals.py SPLITS OUT
    anoonly bench ... --import OUT/catboost.jsonl --import OUT/xgboost.jsonl ...

DeepOD asks for a release of PyTorch from 2022 and works with later ones; hence `--no-deps`.

OUT gets one file a package and method, with one line a split, which is written as soon as it is measured
(docs/results-format.md). A run that is stopped goes on where it was. Failed fits are not repeated; to repeat them,
delete their lines. Without any label, only methods that need none are run.

Splits are taken seed by seed, then by label budget, then method by method, in the order in which seeds, counts and
methods are given. So what is complete at any time covers all data sets.

What all methods get:
- Columns scaled to [0, 1] by the least and the greatest value of the training rows, as in ADBench's protocol. Values of
  test rows may lie outside.
- Unlabelled rows as normal rows, since these packages know no others. AAD takes them as unknown.
- One thread, and the split's seed. Other settings than the defaults are part of each line, next to the version.
- A small table first, which is not counted, because some packages compile their code in the first fit.

Seconds are those of the processor. With one thread they are those of the clock on a machine that does nothing else.
PyOD's and DeepOD's fits include the scores of the training rows; that is part of their contract. Methods that ignore
labels are measured once for each seed and set, and their scores are repeated for the other label budgets.

`rivals_methods.py` has the methods and their settings.
"""

import argparse
import concurrent.futures
import fcntl
import fnmatch
import json
import multiprocessing
import os
import pathlib
import signal
import sys
import threading
import warnings

from counterparts import THREAD_VARIABLES
from rivals_methods import OUTSIDERS, description, fitted_scores


def matrix(path):
    """The rows of a Parquet file."""
    import numpy as np
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path, use_threads=False)
    return np.column_stack([column.to_numpy() for column in table.columns])


def scaled(rows, lowest, highest):
    import numpy as np

    return np.ascontiguousarray((rows - lowest) / np.where(highest > lowest, highest - lowest, 1.0))


def measured(folder, split, outsider):
    """The scores and seconds of a split."""
    import numpy as np

    train, test = (matrix(folder / split[part]).astype(np.float64) for part in ("train", "test"))
    labels = matrix(folder / split["labels"])[:, 0].astype(int)
    if len(labels) != len(train) or len(labels) != split["n_train"] or len(test) != split["n_test"]:
        raise ValueError("the files of the split have other numbers of rows than its line")
    lowest, highest = train.min(axis=0), train.max(axis=0)
    return fitted_scores(outsider, scaled(train, lowest, highest), labels, scaled(test, lowest, highest), split["seed"])


def answer_all(folder, connection):
    """For each split and method that arrives: None when the clock may start, then scores and seconds, or an error."""
    import numpy as np

    small = np.random.default_rng(0).random((64, 3))
    known = set()
    while True:
        split, name = connection.recv()
        try:
            if name not in known:
                fitted_scores(OUTSIDERS[name], small, (np.arange(64) < 4).astype(int), small, 0)
                known.add(name)
            connection.send(None)
            made = measured(folder, split, OUTSIDERS[name])
        except Exception as error:
            made = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        connection.send(made)


def work(folder, connection):
    """What the process of a worker does."""
    # Ctrl-C ends the script; then nobody listens, and this process ends, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What packages print is not wanted.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.filterwarnings("ignore")
    try:
        answer_all(folder, connection)
    except (EOFError, OSError):
        pass


class Worker:
    """A process that fits and scores, which is replaced after a run that takes too long or ends it."""

    def __init__(self, folder, limit):
        self.folder, self.limit = folder, limit
        self.start()

    def start(self):
        # A process that inherits nothing but the environment.
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=work, args=(self.folder, other), daemon=True)
        self.process.start()
        other.close()

    def replace(self):
        """The exit code of the process that is replaced."""
        self.process.join(1)
        self.process.kill()
        self.process.join()
        code = self.process.exitcode
        self.connection.close()
        self.start()
        return code

    def answer(self, split, name):
        try:
            self.connection.send((split, name))
            made = self.connection.recv()
            if made is None and not self.connection.poll(self.limit):
                self.replace()
                return {"error": f"stopped after {self.limit:g} seconds"}
            return made or self.connection.recv()
        except (EOFError, OSError):
            return {"error": f"the process ended with {self.replace()}"}


class Lines:
    """The file of a method: its lines so far, and an answer for each group of splits that share one."""

    def __init__(self, path):
        self.file = path.open("a+b")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"{path}: another run writes this file")
        self.file.seek(0)
        text = self.file.read()
        whole = text.rfind(b"\n") + 1
        # The incomplete last line of a run that was stopped.
        self.file.truncate(whole)
        self.lines = {line["split"]: line for line in map(json.loads, text[:whole].splitlines())}

    def write(self, line):
        self.lines[line["split"]] = line
        self.file.write(json.dumps(line).encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())


def rows_of(split):
    """What determines the scores of a method that ignores labels."""
    return split["train"], split["test"], split["seed"]


def in_order(splits, models, seeds, counts):
    """Pairs of a split and a method."""
    seeds = seeds or sorted({split["seed"] for split in splits})
    budgets = list(dict.fromkeys((split["label_count"], split["label_ratio"]) for split in splits))
    if counts:
        budgets = [(count, None) for count in counts]
    for seed in seeds:
        for budget in budgets:
            chosen = [s for s in splits if s["seed"] == seed and (s["label_count"], s["label_ratio"]) == budget]
            yield from ((split, name) for name in models for split in chosen)


def numbers(text):
    return list(dict.fromkeys(int(number) for number in text.split(",")))


def names(text):
    chosen = list(dict.fromkeys(text.split(",")))
    for name in chosen:
        if name not in OUTSIDERS:
            raise argparse.ArgumentTypeError(f"{name} is not one of {', '.join(OUTSIDERS)}")
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits", type=pathlib.Path, help="the folder that --export-splits wrote")
    parser.add_argument("out", type=pathlib.Path, help="the folder of the scores")
    parser.add_argument("--models", type=names, default=list(OUTSIDERS), help="separated by commas; all by default")
    parser.add_argument("--seeds", type=numbers, help="separated by commas; all by default")
    parser.add_argument("--counts", type=numbers, help="of labelled anomalies, separated by commas; all by default")
    parser.add_argument("--datasets", default="*", help="patterns of names, separated by commas")
    parser.add_argument("--limit", type=float, default=600, help="seconds of a fit and its scores, by the clock")
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time")
    options = parser.parse_args()
    # At Ctrl-C, end at once instead of after the last run.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Libraries read these variables when they are loaded.
    os.environ.update({name: "1" for name in THREAD_VARIABLES} | {"CUDA_VISIBLE_DEVICES": ""})
    with (options.splits / "splits.jsonl").open() as file:
        splits = [json.loads(line) for line in file]
    patterns = options.datasets.split(",")
    splits = [split for split in splits if any(fnmatch.fnmatch(split["dataset"], pattern) for pattern in patterns)]
    options.out.mkdir(parents=True, exist_ok=True)
    files = {name: Lines(options.out / f"{name}.jsonl") for name in options.models}
    texts = {name: description(OUTSIDERS[name]) for name in options.models}
    place = {split["split"]: rows_of(split) for split in splits}
    # Answers of methods that ignore labels.
    shared = {
        (name, place[key]): line
        for name in options.models if OUTSIDERS[name].needs is None
        for key, line in files[name].lines.items() if key in place
    }  # fmt: skip
    left = [
        (split, name)
        for split, name in in_order(splits, options.models, options.seeds, options.counts)
        if split["split"] not in files[name].lines and (split["n_labeled"] > 0 or not OUTSIDERS[name].needs)
    ]
    print(f"{len(left)} runs are left", file=sys.stderr, flush=True)
    todo, lock = iter(enumerate(left, 1)), threading.Lock()

    def run():
        worker = Worker(options.splits, options.limit)
        while True:
            with lock:
                taken = next(todo, None)
            if taken is None:
                return
            at, (split, name) = taken
            needs = OUTSIDERS[name].needs
            group = (name, rows_of(split)) if needs is None else None
            if group in shared:
                made = {key: value for key, value in shared[group].items() if key not in {"split", "model", "settings"}}
            elif split["n_labeled"] < (needs or 0):
                made = {"error": f"needs {needs} labelled anomalies"}
            else:
                made = worker.answer(split, name)
            with lock:
                files[name].write({"split": split["split"], "model": name, "settings": texts[name], **made})
                if group:
                    shared[group] = made
            said = made.get("error") or f"{made['fit_seconds']:.2f} s and {made['score_seconds']:.2f} s"
            budget = f"{split['n_labeled']} labelled, seed {split['seed']}"
            print(f"{at} of {len(left)}: {name}, {split['dataset']}, {budget}: {said}", file=sys.stderr, flush=True)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in [pool.submit(run) for _ in range(options.jobs)]:
            done.result()


if __name__ == "__main__":
    main()
