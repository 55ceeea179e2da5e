"""The text of emitted source: exact for three entries, and readable for all."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import derived

import chainrule as cr
from chainrule.deriving import derive
from chainrule.emit import TARGETS, EmitError
from chainrule.gallery import GALLERY

EXPECTED = Path(__file__).parent / "expected"
READ = ("two_layer_rows", "attention", "layer_norm")
READABLE = [target for target in TARGETS if target != "wasm"]
ARRAYS = [target for target in READABLE if target not in ("c", "js")]
SIZES = {"n": 32, "d": 4, "h": 8, "o": 2, "m": 16, "e": 3}


@cache
def written(name: str, target: str) -> str:
    derivation = derived(name)
    sizes = {size: SIZES[size] for size in derivation.program.dim_names} if target == "c" else None
    return derivation.source(target, name, sizes)


@pytest.mark.parametrize("target", READABLE)
@pytest.mark.parametrize("name", READ)
def test_the_text_is_the_one_that_was_read(name: str, target: str) -> None:
    """After an intended change, review the new text and store it with `python tests/emit/test_written.py`."""
    assert written(name, target) == (EXPECTED / file_of(name, target)).read_text(encoding="utf-8")


@pytest.mark.parametrize("target", [*ARRAYS, "c", "js"])
def test_a_squared_norm_has_no_square_root(target: str) -> None:
    sizes = {"m": 3, "n": 2} if target == "c" else None
    source = derive("norm(A @ x - b)^2", ["x"], A="m n", x="n", b="m").source(target, "f", sizes)
    assert "sqrt" not in source
    assert "sqrt" in derive("norm(A @ x - b)", ["x"], A="m n", x="n", b="m").source(target, "f", sizes)


def test_a_norm_with_a_name_keeps_it() -> None:
    assert "length = np.sqrt(np.sum(x**2))" in derive("length = norm(x); length^2", ["x"], x="n").source("numpy")


def file_of(name: str, target: str) -> str:
    return f"{name}_{target}.txt"


@pytest.mark.parametrize("target", ARRAYS)
def test_ruff_is_content(target: str, tmp_path: Path) -> None:
    for name in GALLERY:
        (tmp_path / f"{name}.py").write_text(written(name, target), encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--extend-select", "I,B,UP", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("target", ARRAYS)
@pytest.mark.parametrize("name", GALLERY)
def test_no_line_is_dead_or_too_long_and_none_imports_the_library(name: str, target: str) -> None:
    source = written(name, target)
    assert max(map(len, source.splitlines())) <= 100
    tree = ast.parse(source)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not any("chainrule" in module for module in imported)
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        stored = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        read = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        assert [name for name in stored if name not in read and name != "_"] == [], function.name
        if function.name in ("overlap_add", "windows"):
            continue  # loops, which go on with one name
        assert len(stored) - stored.count("_") == len({*stored} - {"_"}), f"{function.name} names a value twice"


@pytest.mark.parametrize("target", ARRAYS)
def test_user_names_that_clash_with_ours_are_set_aside(target: str) -> None:
    def loss(np_: Any, saved: Any, dz: Any) -> Any:
        z = np_ * dz
        math = np.tanh(z) * saved
        return np.sum(math)

    derivation = derive(loss, ["np_", "saved", "dz"], np_="n", saved="n", dz="n")
    source = derivation.source(target)
    ast.parse(source)
    assert "d_z" in source  # dz is the user's


def test_what_cannot_be_written_is_said() -> None:
    def noisy(w: Any) -> Any:
        z = w * cr.random_normal((3,))
        return np.sum(z)

    derivation = derive(noisy, ["w"], w="3")
    for target in TARGETS:
        with pytest.raises(EmitError, match=r"draws random numbers.*make the noise or the mask an argument"):
            derivation.source(target)
    derivation = derive(lambda w: np.sum(w * w), ["w"], w="n")
    with pytest.raises(EmitError, match="no target 'fortran'; it can be numpy, torch, jax, c, js, wasm"):
        derivation.source("fortran")
    with pytest.raises(EmitError, match="'a b' is not a name"):
        derivation.source("numpy", "a b")
    with pytest.raises(EmitError, match="dtype is 'half'"):
        derivation.source("c", sizes={"n": 2}, dtype="half")


def main() -> None:
    """Rewrite the expected files for review."""
    EXPECTED.mkdir(exist_ok=True)
    for name in READ:
        for target in READABLE:
            (EXPECTED / file_of(name, target)).write_text(written(name, target), encoding="utf-8")


if __name__ == "__main__":
    main()


@pytest.mark.parametrize(
    ("name", "dear"), [("silu_block", "sigmoid(z)"), ("gelu_block", "erfc("), ("focal_loss", "log(")]
)
def test_what_both_passes_need_is_found_once(name: str, dear: str) -> None:
    source = written(name, "numpy")
    passes = source[source.index("def forward(") :]
    assert passes.count(dear) == 1


def test_a_reshape_of_neighbouring_axes_takes_no_division_in_c() -> None:
    def loss(x: Any, W: Any) -> Any:
        heads = np.reshape(x, (x.shape[0], -1))
        return np.sum(np.tanh(heads @ W))

    source = derive(loss, ["W"], x="n 2 3", W="6 o").source("c", sizes={"n": 4, "o": 5})
    assert " % " not in source.partition("*/")[2]
    assert " / " not in source.partition("*/")[2]


def test_a_power_with_one_less_is_no_quotient() -> None:
    """(1 − p)^(γ − 1) is 0 where p rounds to 1; (1 − p)^γ / (1 − p) would be nan."""
    namespace: dict[str, Any] = {}
    exec(derive(GALLERY["focal_loss"].function, ("x",)).source("numpy"), namespace)
    _, saved = namespace["forward"](np.array([0.1, 20.0, 40.0]), np.ones(3), 2.0)
    gradient = namespace["backward"](saved)
    assert np.isfinite(gradient).all()
    assert gradient[0] < gradient[1] <= gradient[2] == 0
