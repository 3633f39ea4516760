"""Seconds to fit and to score with PyOD, scikit-learn, DeepOD and coniferest, on rows that `anoonly bench-speed` hands over.

    pip install numpy pandas scikit-learn pyod coniferest xgboost torch tqdm
    pip install --no-deps deepod
    cargo xtask bench-speed --part zoo --python python

DeepOD asks for a release of PyTorch from 2022 and works with later ones; hence `--no-deps`. `counterparts.py` has the
settings, and says where they differ.

    python zoo.py FILE ROWS COLUMNS THREADS wall|process LIMIT

The file holds a matrix to fit on and another one to score, as 32-bit floats. The script reads the name of one of
anoonly's methods from each line, and answers with a line of JSON: a list of the packages with their seconds, or with a
text where there are none. A package that cannot be imported, or that fails, has the last line of its messages.

Each measurement is a process of its own, which is ended if it takes longer than the limit. It is the best of up to
five turns, with 64-bit floats, which NumPy makes by default, or with 32-bit floats if these are faster. Imports are
not counted.
"""

import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
import warnings

from counterparts import LABELLED, METHODS, THREAD_VARIABLES, counterpart

TURNS = 5
# Turns are repeated up to this number of seconds; after a first turn that takes longer, there is no second one.
ENOUGH = 5.0
# Both widths of floats are tried if the first one takes up to this number of seconds.
TRIED = 5.0


def seconds(run, table, new, labels, clock, report):
    """Report the seconds of each turn that are the best so far."""
    # By the same clock: on a busy machine, a first turn that compiles code would otherwise be the only one.
    begin, best = clock(), [float("inf")] * 2
    # At least two unless they are long, because some packages compile their code in the first one.
    for turn in range(TURNS):
        if turn > 0 and clock() - begin > (2 * ENOUGH if turn == 1 else ENOUGH):
            break
        start = clock()
        score = run(table, labels)
        middle = clock()
        scores = score(new)
        end = clock()
        assert len(scores) == len(new)
        best = [min(best[0], middle - start), min(best[1], end - middle)]
        report(best)


def processor_seconds(process):
    """The seconds of the processor that another process has taken."""
    try:
        words = open(f"/proc/{process}/stat").read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def measured(clock, limit, work):
    """The last report of a process that does the work: seconds or an error; None after the limit."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        # What packages print goes elsewhere.
        os.dup2(2, 1)
        report = lambda made: os.write(writing, json.dumps(made).encode() + b"\n")
        try:
            work(report)
        except Exception as error:
            traceback.print_exc()
            report(f"{type(error).__name__}: {error}".splitlines()[0])
        os._exit(0)
    os.close(writing)
    # A limit of the system on the processor's seconds would make the clock of the processor coarse.
    start, text, late = time.monotonic(), b"", False
    spent = lambda: time.monotonic() - start if clock == "wall" else processor_seconds(child)
    while not late:
        ready, _, _ = select.select([reading], [], [], 0.2)
        part = os.read(reading, 1 << 16) if ready else None
        if part == b"":
            break
        text += part or b""
        late = spent() > limit
    if late:
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    lines = text.decode().splitlines()
    if lines:
        return json.loads(lines[-1])
    return None if late else f"ended with {status}"


def faster(clock, limit, work):
    """The seconds with 64-bit floats or, if they are fewer, with 32-bit floats."""
    import numpy as np

    made = measured(clock, limit, lambda report: work(np.float64, report))
    if not isinstance(made, list) or sum(made) > TRIED:
        return made
    other = measured(clock, limit, lambda report: work(np.float32, report))
    return min(made, other, key=sum) if isinstance(other, list) else made


def main():
    # What packages print when they are imported goes elsewhere.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    path, rows, columns, threads, clock, limit = sys.argv[1:]
    rows, columns, threads, limit = int(rows), int(columns), int(threads), int(limit)
    # Libraries read these variables when they are loaded.
    os.environ.update({name: str(threads) for name in THREAD_VARIABLES} | {"CUDA_VISIBLE_DEVICES": ""})
    warnings.filterwarnings("ignore")
    import numpy as np

    tables = np.fromfile(path, dtype=np.float32).reshape(2, rows, columns)
    labels = np.zeros(rows, dtype=int)
    labels[:LABELLED] = 1
    for line in sys.stdin:
        answers = []
        for method, package, name, settings, how in METHODS:
            if method != line.strip():
                continue
            try:
                importlib.import_module(name.rpartition(".")[0])
            except Exception as error:
                answers.append({"package": package, "problem": f"{type(error).__name__}: {error}".splitlines()[0]})
                continue

            def work(kind, report):
                run = counterpart(name, settings, how, threads, rows, columns)
                table, new = tables.astype(kind)
                seconds(run, table, new, labels, time.perf_counter if clock == "wall" else time.process_time, report)

            made = faster(clock, limit, work)
            if made is None:
                taken = {"longer": limit}
            elif isinstance(made, list):
                taken = {"measured": {"fit": made[0], "score": made[1]}}
            else:
                taken = {"problem": made}
            answers.append({"package": package} | taken)
        print(json.dumps(answers), file=output, flush=True)


main()
