"""The notebook of `docs/notebooks.md`, executed cell by cell in a real Jupyter kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.documents import ROOT, blocks

REFUSED = """
try:
    Mexc.sync.sim().spot.ping()
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.filterwarnings("ignore")  # of the kernel's own libraries
def test_the_notebook_runs_in_a_kernel(tmp_path: Path) -> None:
    page = ROOT / "docs" / "notebooks.md"
    end = page.read_text(encoding="utf-8").split("## One event loop")[0].count("\n")
    cells = [block.text for block in blocks("python") if block.page == page and block.line < end]
    assert len(cells) == 5
    make: Any = nbformat.v4  # it has no types
    notebook = make.new_notebook(cells=[make.new_code_cell(text) for text in [*cells, REFUSED]])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [[output.get("text", output.get("data", "")) for output in cell.outputs] for cell in notebook.cells]
    assert not [output for cell in notebook.cells for output in cell.outputs if output.get("name") == "stderr"]
    assert "<Mexc SIM 127.0.0.1:" in printed[1][0]
    assert "BookLevel(price=" in printed[2][0]
    assert printed[3][0].startswith("BTCUSDT ")
    assert printed[5][0].startswith("ConfigError a synchronous client would block the event loop")
