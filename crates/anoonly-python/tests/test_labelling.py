"""Labelling sessions from Python, and the page that `anoonly.label` opens."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import anoonly

ANOMALIES = 6


@pytest.fixture
def frame() -> pd.DataFrame:
    generator = np.random.default_rng(7)
    frame = pd.DataFrame(generator.normal(size=(300, 4)), columns=list("abcd"))
    frame.loc[: ANOMALIES - 1, "a"] += 6
    frame.insert(0, "id", [f"r{row}" for row in range(len(frame))])
    return frame


def answered(session: anoonly.LabellingSession, rounds: int = 3) -> None:
    """Answer five questions with the truth, and fit again, several times."""
    for _ in range(rounds):
        for question in session.next(5):
            session.answer(question.row, "anomaly" if question.row < ANOMALIES else "normal")
        session.refit()


def test_a_session_learns_from_its_answers(frame: pd.DataFrame) -> None:
    with anoonly.LabellingSession(frame, id="id", seed=3) as session:
        first = session.next(2)
        assert [question.rank for question in first] == sorted(question.rank for question in first)
        assert first[0].ids == {"id": f"r{first[0].row}"} and first[0].because == "highest-score"
        before = session.scores()
        answered(session)
        labels, answers, progress = session.labels(), session.answers(), session.progress()
        assert progress["answered"] == len(answers) == 15
        assert progress["anomalies"] == (labels == 1).sum() > 2
        assert [answer["row"] for answer in answers][: len(first)] == [question.row for question in first]
        assert (session.scores() != before).any()
        assert np.isnan(labels).sum() == len(frame) - 15
        model = session.model()
        assert model.provenance["counts"]["anomalies"] == (labels == 1).sum()
        explained = session.explain(answers[0]["row"])
        assert sum(part.contribution for part in explained.contributions) + explained.remainder == pytest.approx(
            explained.score - explained.baseline, abs=1e-3
        )
        assert all(part.place for part in explained.contributions)
        # The labels are what a fit takes.
        anoonly.Detector("logistic").fit(frame, label=labels, id="id")


def test_an_answer_is_taken_back(frame: pd.DataFrame) -> None:
    with anoonly.LabellingSession(frame) as session:
        assert session.undo() is None
        row = session.next()[0].row
        session.answer(row, "anomaly", note="looks odd")
        assert session.answers()[0]["note"] == "looks odd"
        table = session.labelled_table(notes="why").to_pandas()
        assert table.loc[row, "label"] == "anomaly" and table.loc[row, "why"] == "looks odd"
        assert session.undo() == row
        assert session.answers() == [] and np.isnan(session.labels()).all()


def test_a_journal_keeps_the_answers(frame: pd.DataFrame, tmp_path: Path) -> None:
    journal = tmp_path / "answers.jsonl"
    with anoonly.LabellingSession(frame, id="id", seed=5, journal=journal) as session:
        answered(session, rounds=1)
        answers, scores = session.answers(), session.scores()
        with pytest.raises(anoonly.JournalError) as used:
            anoonly.LabellingSession(frame, journal=journal)
        assert used.value.file == str(journal) and "journal=" in str(used.value)
    # Without settings, those of the journal count.
    with anoonly.LabellingSession(frame, journal=journal) as session:
        assert session.answers() == answers
        assert (session.scores() == scores).all()
    with pytest.raises(anoonly.JournalError, match="another table|differs"):
        anoonly.LabellingSession(frame.iloc[:100], journal=journal)
    with pytest.raises(anoonly.SettingError, match="closed"):
        session.scores()
    # What a session knew stays.
    assert session.answers() == answers and (session.labels() >= 0).sum() == 5


def test_what_cannot_be_answered_is_refused(frame: pd.DataFrame) -> None:
    with anoonly.LabellingSession(frame) as session:
        with pytest.raises(anoonly.SettingError, match="maybe"):
            session.answer(0, "maybe")  # type: ignore[arg-type]
        with pytest.raises(anoonly.SettingError, match="no row 300: the table has 300 rows"):
            session.answer(300, "normal")
        asked = {question.row for question in session.next(300)}
        held_out = min(set(range(300)) - asked)
        with pytest.raises(anoonly.SettingError, match=f"row {held_out}, counted from 0, is held out"):
            session.answer(held_out, "normal")
        with pytest.raises(anoonly.SettingError, match="-1"):
            session.answer(-1, "normal")
        assert session.answers() == []
    with pytest.raises(anoonly.SettingError, match="unknown query"):
        anoonly.LabellingSession(frame, query="best")
    with pytest.raises(anoonly.SettingError):
        anoonly.LabellingSession(frame, method="pu-forrest")


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return json.loads(answer.read())


def post(address: str, value: object) -> Any:
    request = urllib.request.Request(address, json.dumps(value).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def test_the_page_answers_in_the_session(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with anoonly.label(frame, id="id", name="payments", open=False) as page:
        assert page.address.startswith("http://127.0.0.1:") and page.address in page._repr_html_()
        question = get(page.address + "api/state")["questions"][0]
        given = {"row": question["row"], "answer": "anomaly", "expected": None}
        post(page.address + "api/answers", {"answers": [given]})
        assert [answer["row"] for answer in page.answers()] == [question["row"] - 1]
        assert page.labels()[question["row"] - 1] == 1
        deadline = time.monotonic() + 30
        while page.progress()["since_refit"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert page.model().provenance["counts"]["anomalies"] == 1
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(page.address.rsplit("/", 2)[0] + "/wrong/")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page.address, timeout=5)
    assert (tmp_path / "payments.answers.jsonl").exists()
    # The same cell of a notebook, run twice.
    first = anoonly.label(frame, name="payments", open=False)
    second = anoonly.label(frame, name="payments", open=False)
    assert first.answers() == second.answers() and len(second.answers()) == 1
    second.close()
    with anoonly.label(frame, name="payments", open=False) as page:
        assert len(page.answers()) == 1


def test_a_page_does_not_keep_the_process_alive(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "table.csv", index=False)
    program = "import anoonly; page = anoonly.label('table.csv', id='id', open=False); print(page.address)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("http://127.0.0.1:") and done.stderr == ""
    assert (tmp_path / "table.csv.answers.jsonl").exists()
