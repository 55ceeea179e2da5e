"""The files that a page offers: the sources of its derivation, at its sizes and with its values."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import page_of
from support.subprocesses import HANG

import chainrule as cr
from chainrule.emit import source
from chainrule.explorer.page import unpacked
from chainrule.explorer.structures import networks

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no node is installed: what pages export is not tested")


def offered(page: str, *requests: dict[str, Any]) -> list[dict[str, dict[str, str]]]:
    """The files that a page offers for each request, by format."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(Path(__file__).with_name("exported.mjs"))],
        input=json.dumps({"payload": unpacked(page), "requests": requests}),
        capture_output=True,
        text=True,
        env={**os.environ, "MODULES": str(files("chainrule.explorer") / "page")},
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, dict[str, str]]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def network() -> str:
    return cr.explore().html()


def test_every_format_is_the_source_of_what_is_on_the_page(network: str) -> None:
    derivation = cr.explore().derivation
    english, chinese = offered(network, {}, {"language": "zh", "formats": ["latex"]})
    assert list(english) == ["numpy", "torch", "jax", "c", "js", "latex", "notebook"]
    assert english["numpy"]["text"].startswith(derivation.source("numpy"))
    for target in ("torch", "jax", "js"):
        assert english[target]["text"] == derivation.source(target)
    sizes = {"n": 4, "d": 2, "h": 4, "o": 1}
    assert english["c"]["text"] == derivation.source("c", sizes=sizes, dtype="float64")
    assert english["latex"]["text"].rstrip() == derivation.latex(standalone=True).rstrip()
    assert chinese["latex"]["text"].rstrip() == derivation.latex(lang="zh", standalone=True).rstrip()
    assert [each["name"].rpartition(".")[2] for each in english.values()] == [
        "py", "py", "py", "h", "mjs", "tex", "ipynb",
    ]  # fmt: skip


def test_sizes_that_were_chosen_on_the_page_are_those_of_the_c_source(network: str) -> None:
    (found,) = offered(network, {"fragment": "#structure=relu-entropy-2&size.h=6", "formats": ["c"]})
    structure = next(
        each for each in networks() if each.choice == {"activation": "relu", "loss": "entropy", "depth": "2"}
    )
    expected = source(
        structure.derivation.record, "c", sizes={"n": 4, "d": 2, "h": 6, "o": 1}, dtype="float64", title="f"
    )
    assert found["c"]["text"] == re.sub(r"(Sizes: [^.]*\.)[^.]*\.", r"\1", expected)


def test_the_networks_of_the_page_hold() -> None:
    """Sources in the page are written without verification; those of the deepest networks are verified here."""
    for structure in networks():
        if structure.choice["depth"] == "3":
            assert structure.derivation.verify().ok


def executed(*codes: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    for code in codes:
        exec(code, names)
    return names


def test_the_example_and_the_notebook_compute_the_gradients_of_the_page(
    network: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fragment = "#rate=0.1&edit=W1:0:1.25&train=3@0.1"
    (found,) = offered(network, {"fragment": fragment})
    names = executed(found["numpy"]["text"])
    assert float(capsys.readouterr().out) == names["L"]
    assert names["W1"].shape == (2, 4)
    assert names["gradient_b1"].shape == (4,)
    book = json.loads(found["notebook"]["text"])
    assert (book["nbformat"], book["metadata"]["kernelspec"]["name"]) == (4, "python3")
    codes = [cell["source"] for cell in book["cells"] if cell["cell_type"] == "code"]
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    before = executed(*codes[:-1])
    np.testing.assert_array_equal(before["gradient_W1"], names["gradient_W1"])
    after = executed(*codes)
    assert after["L"] < before["L"]
    text = "\n".join(cell["source"] for cell in book["cells"] if cell["cell_type"] == "markdown")
    assert text.startswith("# Backward pass of $L$")
    assert not re.search(r"\\(?:begin\{(?:quote|align\*|minipage)|section|subsection|tag|noindent)", text)
    assert text.count("$$") % 2 == 0


@pytest.mark.parametrize("name", ["attention", "lstm_cell", "embedding", "dropout", "weight_decay"])
def test_entries_of_the_gallery_run_at_the_values_of_their_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = offered(page_of(name), {})
    names = executed(found["numpy"]["text"])
    assert "gradient_" in " ".join(names)
    capsys.readouterr()
    codes = [cell["source"] for cell in json.loads(found["notebook"]["text"])["cells"] if cell["cell_type"] == "code"]
    executed(*codes)
