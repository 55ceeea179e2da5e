"""Targets as tables: primitives that one lacks are decomposed, with the same results."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.emitted import assert_close, case, run_c, run_numpy

import chainrule as cr
from chainrule.deriving import derive
from chainrule.emit.c_values import CWriter
from chainrule.emit.expressions import Arena, Structured, name_of
from chainrule.emit.jax_writer import JaxWriter
from chainrule.emit.names import Names
from chainrule.emit.numpy_writer import NumPyWriter
from chainrule.emit.torch_writer import TorchWriter
from chainrule.ir import ArrayType, named_dim
from chainrule.primitives import Arctan, Arctan2, Cosh, Elu, LeakyRelu, Primitive, Relu, Sinh

FLOATS = ArrayType((named_dim("n"),))
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
FUNCTIONS: dict[str, tuple[type[Primitive], Any]] = {
    "arctan": (Arctan, np.arctan),
    "arctan2": (Arctan2, lambda x: np.arctan2(x, x - 0.4)),
    "cosh": (Cosh, np.cosh),
    "elu": (Elu, cr.elu),
    "leaky_relu": (LeakyRelu, cr.leaky_relu),
    "relu": (Relu, cr.relu),
    "sinh": (Sinh, np.sinh),
}


def drawn(function: Any) -> Any:
    def loss(x: Any, w: Any) -> Any:
        z = x @ w
        return np.sum(function(z) * z)

    return case(derive(loss, ["x", "w"], x="5 3", w="3 4"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_numpy_has_no_entry_for_is_written_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, function = FUNCTIONS[name]
    given = drawn(function)
    entry = NumPyWriter.entry

    def without(primitive: Primitive) -> Any:
        return None if isinstance(primitive, kind) else entry(primitive)

    monkeypatch.setattr(NumPyWriter, "entry", staticmethod(without))
    source = given.derivation.source("numpy")
    assert f"{name}(" not in source
    outputs, gradients = run_numpy(source, given)
    assert_close(outputs[0], given.outputs[0], "the value", 1e-10)
    for key, expected in given.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-10)


@pytest.mark.parametrize("has_entries", [True, False])
@pytest.mark.parametrize("name", ["arctan", "arctan2", "cosh", "sinh"])
def test_c_with_and_without_its_entries(
    name: str, has_entries: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, function = FUNCTIONS[name]
    assert kind in CWriter.functions
    if not has_entries:
        monkeypatch.setattr(CWriter, "functions", {})
    given = drawn(function)
    source = given.derivation.source("c", "f", dtype="float64")
    assert (f"{CWriter.functions.get(kind, name)}(" in source) is has_entries
    if COMPILER is None:
        return
    loss, gradients = run_c(source, given, "f", tmp_path, compiler=COMPILER)
    assert_close(loss, given.outputs[0], "the value", 1e-10)
    for key, expected in given.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-9)


@pytest.mark.parametrize("writer", [NumPyWriter, JaxWriter, TorchWriter])
def test_a_ufunc_needs_no_entry(writer: type[NumPyWriter]) -> None:
    assert not {Arctan, Arctan2, Cosh, Sinh} & writer.table.keys()
    source = drawn(np.sinh).derivation.source(writer.target)
    assert f"{writer.module}.sinh(" in source
    assert f"{writer.module}.cosh(" in source


@pytest.mark.parametrize("writer", [NumPyWriter, JaxWriter, TorchWriter])
def test_templates_are_filled_with_names_that_there_are(writer: type[NumPyWriter]) -> None:
    for kind, entry in writer.table.items():
        assert issubclass(kind, Primitive)
        for example in kind.examples() if isinstance(entry, str) else ():
            arena = Arena()
            operands = [
                arena.variable(f"x{k}", type.shape, type.dtype) for k, type in enumerate((*example.operands, FLOATS))
            ]
            type_ = example.primitive.type(*example.operands)
            x = arena.make(Structured(example.primitive), operands[:-1], type_.shape, type_.dtype)
            written = writer(Names(), operands, {})
            tree = ast.parse(str(written.write(x)), mode="eval")
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert names <= {
                *map(name_of, operands),
                *writer.imported,
                *writer.helpers,
                *written.sizes.values(),
                "math",
            }
            assert set(written.uses) <= {*writer.imported, *writer.helpers, "math"}
