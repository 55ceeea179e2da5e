"""The notebooks in `examples/notebooks` run from top to bottom, and show what they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from support.subprocesses import HANG

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"
SHOWN = {
    "learn": ["text/html", "text/html", "text/html", "all ", "first wrong in line 5", "vanish"],
    "train": ["FitResult: ", "image/png", "The gradient", "MLP", "right on 9", "image/png"],
}
"""What the outputs of each notebook contain, in order: a kind of media, or a text."""


@pytest.mark.parametrize("name", sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))
def test_a_notebook_runs(name: str, tmp_path: Path) -> None:
    notebook: Any = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells), "notebooks are kept without outputs"
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=int(HANG), kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    rest = iter([output.data for output in outputs if "data" in output])
    for wanted in SHOWN[name]:
        assert any(wanted in data or wanted in str(data.get("text/plain")) for data in rest), wanted
