"""The Python of the guide, the README files and docs/python.md runs, and gives the numbers of the guide's commands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import anoonly

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guide"
PAGES = [ROOT / "README.md", ROOT / "docs" / "python.md", ROOT / "crates" / "anoonly-python" / "README.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    """The blocks of a page that run; those that wait for a person are marked `no-run`."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def run(page: Path, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], list[str]]:
    """Run the blocks of a page one after the other; return their names and what each printed."""
    names: dict[str, Any] = {}
    printed = []
    for number, block in enumerate(blocks(page), start=1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)
        printed.append(capsys.readouterr().out)
    return names, printed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tables of the guide, which is the present folder."""
    for table in ["survey.csv", "new.csv"]:
        shutil.copy(GUIDE / table, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guide(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names, printed = run(GUIDE / "README.md", capsys)
    page = (GUIDE / "README.md").read_text(encoding="utf-8")
    assert len(printed) == 7
    # What the commands of the guide print, which tests/guide.rs compares with the page.
    best = re.findall(r"^\| (P\d+) \| +([\d.]+) \| +(\d) \| +([\d.]+) \|$", page, re.MULTILINE)
    assert len(best) == 5
    ranked = names["model"].ranked("new.csv", top=5).to_pandas()
    assert list(ranked["id"]) == [row[0] for row in best]
    assert list(ranked["score"]) == pytest.approx([float(row[1]) for row in best], rel=1e-3)
    assert list(ranked["p_value"]) == pytest.approx([float(row[3]) for row in best])
    assert all(row[0] in printed[2] for row in best)
    promise = re.search(r"rows that score at least ([\d.]+) are flagged: (.*)", page)
    assert promise is not None
    assert names["model"].threshold.score == pytest.approx(float(promise[1]), rel=1e-3)
    assert promise[2] in printed[3]
    assert f"{len(names['flagged'])} of them flagged" in page
    assert all(name in printed[4] for name in ["P297", "P232", "P302", "bill_length_mm"])
    metric = re.search(r"^AUROC +([\d.]+) % \(([\d.]+) to ([\d.]+)\)$", page, re.MULTILINE)
    evaluation = names["model"].evaluate("new.csv", label="chinstrap")
    assert metric is not None
    measured = [evaluation.auroc.estimate, evaluation.auroc.low, evaluation.auroc.high]
    assert [100 * value for value in measured] == pytest.approx([float(text) for text in metric.groups()], abs=0.2)
    assert str(evaluation) in printed[5]
    assert "bill_length_mm" in printed[0] and "bill_length_mm" in printed[6]
    assert (anoonly.Model.load("penguins.anoonly").score("new.csv") == names["scores"]).all()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_a_page(page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Their tables are named by their purpose: `table.csv` to learn from, `judged.csv` to measure with.
    for source, target in [("survey.csv", "table.csv"), ("new.csv", "judged.csv"), ("new.csv", "new.csv")]:
        text = (GUIDE / source).read_text(encoding="utf-8").replace("chinstrap", "fraud", 1)
        (folder / target).write_text(text, encoding="utf-8")
    assert blocks(page)
    run(page, capsys)
