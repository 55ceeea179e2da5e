"""`chainrule emit`: only the file on standard output, one line for every error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from chainrule.deriving import derive
from chainrule.emit import TARGETS
from chainrule.gallery import GALLERY

Run = Callable[..., Result]
SIZES = "n=32, d=4, h=8, o=2"


@pytest.mark.parametrize("target", TARGETS)
def test_standard_output_is_the_file(target: str, run: Run) -> None:
    sizes = ["--size", SIZES] if target in ("c", "wasm") else []
    found = run("emit", "gallery:two_layer_rows", "--to", target, *sizes)
    expected = derive(GALLERY["two_layer_rows"].function).source(
        target, "two_layer_rows", {"n": 32, "d": 4, "h": 8, "o": 2} if sizes else None
    )
    assert found.exit_code == 0
    assert found.stdout == expected


def test_a_file_is_written_and_nothing_printed(run: Run) -> None:
    found = run("emit", "gallery:linear_regression", "--to", "numpy", "--output", "passes.py", "--name", "mse")
    assert (found.exit_code, found.stdout) == (0, "")
    assert "of mse in NumPy" in Path("passes.py").read_text()


def test_a_formula_and_its_parameters(run: Run) -> None:
    found = run("emit", "0.5*sum((X @ w - y)^2)", "--to", "numpy", "--shape", "X: n d, y: n", "--wrt", "w")
    assert found.exit_code == 0, found.output
    assert "dw = " in found.stdout


def test_numbers_in_shapes_make_c_without_sizes(run: Run) -> None:
    found = run("emit", "0.5*sum((X @ w - y)^2)", "--to", "c", "--shape", "X: 32 4, y: 32, w: 4", "--name", "fit")
    assert found.exit_code == 0, found.output
    assert "float w[4];" in found.stdout


def test_json(run: Run) -> None:
    found = run("emit", "gallery:dpo", "--to", "jax", "--json")
    report = json.loads(found.stdout)
    assert report["verified"] is True
    assert report["source"].startswith('"""Forward and backward pass of dpo in JAX')


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gallery:dpo"], "--to"),
        (["gallery:dpo", "--to", "fortran"], "fortran"),
        (["gallery:dpo", "--to", "c"], "static sizes: give n a number"),
        (["gallery:dpo", "--to", "wasm"], "static sizes: give n a number"),
        (["gallery:attention", "--to", "wasm"], "a layer has none; write the layer for js"),
        (["gallery:dpo", "--to", "js", "--dtype", "float32"], "--dtype is for --to c; what is written for js"),
        (["gallery:dpo", "--to", "c", "--size", "n"], "'n' is not a name and a number"),
        (["gallery:dpo", "--to", "c", "--size", "n=2, n=3"], "gives n twice"),
        (["gallery:dpo", "--to", "numpy", "--size", "n=2"], "--size is for --to c, js and wasm"),
        (["gallery:dpo", "--to", "numpy", "--dtype", "float64"], "--dtype is for --to c"),
        (["gallery:dpo", "--to", "numpy", "--name", "a-b"], "'a-b' is not a name"),
        (["gallery:nothing", "--to", "numpy"], "the gallery has no 'nothing'"),
        (["gallery:dpo", "--to", "numpy", "--output", "nowhere/passes.py"], "no folder nowhere"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(arguments: list[str], words: str, run: Run) -> None:
    found = run("emit", *arguments)
    assert found.exit_code == 2
    assert words in found.stderr
    assert "Traceback" not in found.output


def test_what_is_not_verified_is_not_written(run: Run, tmp_path: Path) -> None:
    output = tmp_path / "out.py"
    found = run("emit", "sum(sqrt(-1 - x^2))", "--shape", "x: n", "--to", "numpy", "--output", str(output))
    assert found.exit_code == 2
    assert not output.exists()
    assert "could not be checked" in found.stderr
    assert found.stderr.count("\n") == 1
