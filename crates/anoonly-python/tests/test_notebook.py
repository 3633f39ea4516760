"""The notebooks of the documentation run from the first cell to the last, and are kept without outputs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[3] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: Any) -> str:
    """What a cell shows, as text and as HTML."""
    shown = []
    for output in cell.outputs:
        shown += [output.get("text", ""), *output.get("data", {}).values()]
    return "\n".join(map(str, shown))


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS] == ["payments.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_outputs_are_stripped(path: Path) -> None:
    for cell in code_cells(nbformat.read(path, as_version=4)):
        assert cell.outputs == [] and cell.execution_count is None
        assert cell.source.strip()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The notebooks after they ran, each in an empty folder."""
    done = {}
    for path in NOTEBOOKS:
        folder = tmp_path_factory.mktemp(path.stem)
        notebook = nbformat.read(shutil.copy(path, folder), as_version=4)
        client = nbclient.NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        done[path.name] = client.execute()
    return done


@pytest.mark.parametrize("name", [path.name for path in NOTEBOOKS])
def test_every_cell_runs(run: dict[str, Any], name: str) -> None:
    cells = code_cells(run[name])
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            # A warning of the package would be on stderr.
            assert output.output_type != "error" and output.get("name") != "stderr", f"{cell.source}\n{output}"


def test_five_lines_flag_rows(run: dict[str, Any]) -> None:
    (cell,) = (cell for cell in code_cells(run["payments.ipynb"]) if "set_threshold(fpr=0.005)\nflagged" in cell.source)
    lines = [line for line in cell.source.splitlines() if line.strip()]
    assert len(lines) == 5
    shown = texts(cell)
    assert "P2-" in shown and "score" in shown and "True" in shown


def test_explanations_and_metrics_are_shown(run: dict[str, Any]) -> None:
    cells = {cell.source.splitlines()[0]: cell for cell in code_cells(run["payments.ipynb"])}
    explained = [
        output for output in cells["model.explain(new, top=5)"].outputs if "text/html" in output.get("data", {})
    ]
    assert "account_days" in explained[0]["data"]["text/html"]
    (metrics,) = (texts(cell) for source, cell in cells.items() if source.startswith("evaluation ="))
    assert "AUROC" in metrics
