"""Long work: progress, Ctrl-C, other threads, forks."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any

import numpy as np
import pytest
from payments import payments

import anoonly

TABLE, _ = payments()
NEW, _ = payments(400, seed=2)

# Fits of this table take half a minute and more.
LONG = """
import numpy as np, anoonly
table = np.random.default_rng(1).normal(size=(20_000, 60))
label = [1] * 50 + [None] * (len(table) - 50)
"""
FITS = {
    "a network": 'anoonly.Detector("feawad", recipe={"epochs": 100_000}).fit(table, label=label)',
    "an ensemble": 'anoonly.Detector("devnet", members=1000).fit(table, label=label)',
    "trees": 'anoonly.Detector("random-forest", trees=10_000).fit(table, label=label)',
    "pairs of rows": 'anoonly.Detector("ocsvm").fit(table)',
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("threads", [1, None])
def test_ctrl_c_ends_a_fit_at_once(fit: str, threads: int | None) -> None:
    program = LONG + textwrap.dedent(f"""
        import time
        anoonly.set_threads({threads})
        small = anoonly.Detector("logistic").fit(table[:500], label=label[:500])
        expected = small.score(table[500:1000])
        print("ready", flush=True)
        try:
            {FITS[fit]}
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        start = time.perf_counter()
        assert (small.score(table[500:1000]) == expected).all()
        anoonly.Detector("logistic").fit(table[:500], label=label[:500])
        assert time.perf_counter() - start < 20.0, "the next calls wait for the work that was given up"
        print("works", flush=True)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n", process.communicate()
        assert time.perf_counter() - start < 5.0
        out, errors = process.communicate(timeout=60)
        assert out == "works\n", errors
        assert process.returncode == 0, errors
    finally:
        process.kill()
        process.wait()


def test_ctrl_c_that_is_not_caught_ends_the_process() -> None:
    program = LONG + 'print("ready", flush=True)\n' + FITS["a network"]
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert time.perf_counter() - start < 10.0
        assert "KeyboardInterrupt" in errors
    finally:
        process.kill()
        process.wait()


def test_progress_is_called_and_may_stop_a_fit() -> None:
    calls: list[tuple[Any, ...]] = []
    settings: dict[str, Any] = {"members": 2, "recipe": {"epochs": 4}}
    detector = anoonly.Detector("devnet", **settings)
    watched = detector.fit(TABLE, label="fraud", id="payment", progress=lambda *step: calls.append(step))
    assert calls and len(set(calls)) == len(calls)
    alone = detector.fit(TABLE, label="fraud", id="payment")
    assert (watched.score(NEW) == alone.score(NEW)).all()

    class Enough(Exception):
        pass

    def stop(*step: Any) -> None:
        raise Enough

    with pytest.raises(Enough):
        detector.fit(TABLE, label="fraud", id="payment", progress=stop)


def test_progress_as_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    detector = anoonly.Detector("devnet", members=2, recipe={"epochs": 4})
    detector.fit(TABLE, label="fraud", id="payment")
    assert capfd.readouterr() == ("", "")
    detector.fit(TABLE, label="fraud", id="payment", progress=True)
    out, errors = capfd.readouterr()
    assert out == "" and errors != ""


def test_other_threads_run_during_a_fit() -> None:
    counted, done = [0], threading.Event()

    def count() -> None:
        while not done.is_set():
            counted[0] += 1
            time.sleep(0.001)

    other = threading.Thread(target=count)
    table = np.random.default_rng(1).normal(size=(20_000, 30))
    other.start()
    start = time.perf_counter()
    model = anoonly.Detector("isolation-forest", trees=500).fit(table)
    model.score(table)
    seconds = time.perf_counter() - start
    done.set()
    other.join()
    # A thread that waits for the interpreter all the time counts to one.
    assert counted[0] > max(3, 20 * seconds)


def test_threads_may_share_a_model() -> None:
    model = anoonly.Detector("quorum").fit(TABLE, label="fraud", id="payment")
    expected, results = model.score(NEW), []
    threads = [threading.Thread(target=lambda: results.append(model.score(NEW))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 and all((result == expected).all() for result in results)


def in_child(model: anoonly.Model, queue: Any) -> None:
    queue.put((model.score(NEW), anoonly.Detector("logistic").fit(TABLE, label="fraud", id="payment").score(NEW)))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_process_fits_and_scores(method: str) -> None:
    model = anoonly.Detector("quorum").fit(TABLE, label="fraud", id="payment")
    expected = model.score(NEW), anoonly.Detector("logistic").fit(TABLE, label="fraud", id="payment").score(NEW)
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=in_child, args=(model, queue))
    child.start()
    try:
        scores = queue.get(timeout=60)
    finally:
        child.join(10)
        child.kill()
    assert child.exitcode == 0
    assert all((mine == theirs).all() for mine, theirs in zip(scores, expected, strict=True))


def test_importing_starts_no_thread() -> None:
    program = "import anoonly, os; print(len(os.listdir('/proc/self/task')))"
    count = "import numpy, os; print(len(os.listdir('/proc/self/task')))"
    threads = [
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True).stdout for text in [program, count]
    ]
    assert threads[0] == threads[1] != ""


@pytest.mark.parametrize("threads", [0, -1, 1.5, "two"])
def test_a_number_of_threads_that_makes_no_sense_is_refused(threads: Any) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        anoonly.set_threads(threads)
