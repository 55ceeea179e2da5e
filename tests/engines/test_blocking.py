"""Blocked products: bitwise the same as unblocked ones, at every edge of a block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.engines.native import blocking
from chainrule.engines.native.compilation import CompiledProgram
from chainrule.ir import ArrayType, DType, Input, Node, Program
from chainrule.primitives import broadcast_to, permute, tanh

SIZES = [(33, 25, 1001), (64, 70, 513), (530, 10, 700), (40, 3, 2001), (100, 49, 257), (32, 24, 999), (515, 17, 300)]
DTYPES = [DType.FLOAT32, DType.FLOAT64]


def product(rows: int, columns: int, terms: int, dtype: DType, layout: str) -> tuple[Program, dict[str, NDArray[Any]]]:
    """A product of small numbers with a bias and an activation, and its inputs."""
    rng = np.random.default_rng(rows)
    shapes = {
        "X": (terms, rows) if layout == "left transposed" else (rows, terms),
        "W": (columns, terms) if layout == "right transposed" else (terms, columns),
        "b": (columns,),
    }
    inputs = {name: Input(name, ArrayType(shape, dtype)) for name, shape in shapes.items()}
    values = {name: (rng.normal(size=shape) / 20).astype(dtype.numpy) for name, shape in shapes.items()}
    left: Node = permute(inputs["X"]) if layout == "left transposed" else inputs["X"]
    right: Node = permute(inputs["W"]) if layout == "right transposed" else inputs["W"]
    result = tanh(left @ right + broadcast_to(inputs["b"], (rows, columns)))
    return Program(tuple(inputs.values()), (result,)), values


def in_one_piece(program: Program, monkeypatch: pytest.MonkeyPatch) -> CompiledProgram:
    monkeypatch.setattr(blocking, "BLOCK_BYTES", 2**40)
    monkeypatch.setattr(blocking, "FAR", 2**40)
    return CompiledProgram(program, "loops")


@pytest.mark.parametrize("layout", ["plain", "left transposed", "right transposed"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_blocks_change_no_bit(
    size: tuple[int, int, int], dtype: DType, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, values = product(*size, dtype, layout)
    (found,) = CompiledProgram(program, "loops")(values)
    (whole,) = in_one_piece(program, monkeypatch)(values)
    np.testing.assert_array_equal(found, whole)
    left = values["X"].T if layout == "left transposed" else values["X"]
    right = values["W"].T if layout == "right transposed" else values["W"]
    expected = np.tanh(left.astype(float) @ right.astype(float) + values["b"])
    scale = np.abs(left).astype(float) @ np.abs(right).astype(float) + 1
    assert (np.abs(found - expected) <= 4 * size[2] ** 0.5 * np.finfo(dtype.numpy).eps * scale).all()


def test_long_sums_are_cut_and_far_walks_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    for layout in ("plain", "left transposed"):
        program, _ = product(64, 70, 513 if layout == "plain" else 200, DType.FLOAT32, layout)
        cut = CompiledProgram(program, "loops").code.text
        assert "alloca" in cut
        with monkeypatch.context() as patch:
            assert "alloca" not in in_one_piece(program, patch).code.text
