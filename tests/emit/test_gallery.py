"""Every gallery entry, emitted for every target, run, and compared with the native engine."""

from __future__ import annotations

import ast
import importlib.util
from typing import Any

import numpy as np
import pytest
from support.emitted import Case, assert_close, case_of, module, run_jax, run_numpy, run_torch

from chainrule.gallery import GALLERY
from chainrule.ir import DType

INSTALLED = ["numpy", *(name for name in ("torch", "jax") if importlib.util.find_spec(name) is not None)]
"""The targets that can run on this machine; C has its own file."""
TOLERANCE = {DType.FLOAT64: 1e-10, DType.FLOAT32: 2e-5}


def run(target: str, name: str, drawn: Case) -> tuple[list[Any], dict[str, Any]]:
    source = drawn.derivation.source(target, name)
    if target == "numpy":
        return run_numpy(source, drawn)
    return (run_torch if target == "torch" else run_jax)(source, drawn, name)


@pytest.mark.parametrize("target", INSTALLED)
@pytest.mark.parametrize("name", GALLERY)
def test_outputs_and_gradients_are_those_of_the_native_engine(name: str, target: str) -> None:
    drawn = case_of(name)
    outputs, gradients = run(target, name, drawn)
    assert len(outputs) == len(drawn.outputs)
    for found, expected in zip(outputs, drawn.outputs, strict=True):
        assert_close(found, expected, "the output", TOLERANCE[DType.FLOAT64])
    assert set(gradients) == set(drawn.gradients)
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", TOLERANCE[DType.FLOAT64])


@pytest.mark.parametrize("target", [target for target in INSTALLED if target != "jax"])
@pytest.mark.parametrize("name", GALLERY)
def test_single_precision_stays_single(name: str, target: str) -> None:
    drawn = case_of(name, DType.FLOAT32)
    outputs, gradients = run(target, name, drawn)
    for key, expected in drawn.gradients.items():
        assert np.asarray(gradients[key]).dtype == np.float32, key
        assert_close(gradients[key], expected, f"the gradient by {key}", TOLERANCE[DType.FLOAT32])
    for found, expected in zip(outputs, drawn.outputs, strict=True):
        assert np.asarray(found).dtype == np.float32
        assert_close(found, expected, "the output", TOLERANCE[DType.FLOAT32])


@pytest.mark.parametrize("name", GALLERY)
def test_what_is_written_for_pytorch_is_a_function_with_both_passes(name: str) -> None:
    source = case_of(name).derivation.source("torch", name)
    (class_,) = (part for part in ast.parse(source).body if isinstance(part, ast.ClassDef))
    assert [part.name for part in class_.body if isinstance(part, ast.FunctionDef)] == ["forward", "backward"]


def gradcheck_of_the_autograd_function(name: str) -> None:
    import torch

    drawn = case_of(name)
    function = getattr(module(drawn.derivation.source("torch", name)), name)
    tensors = [torch.tensor(x, requires_grad=key in drawn.gradients) for key, x in drawn.arguments.items()]
    assert torch.autograd.gradcheck(function, tensors, fast_mode=True)
    # With nothing to ask for, nothing is found; a second derivative is refused, not wrong.
    outputs = function(*tensors)
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    wanted = tensors[[*drawn.arguments].index(next(iter(drawn.gradients)))]
    (found,) = torch.autograd.grad(first.sum(), wanted, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(found.sum(), wanted)


if "torch" in INSTALLED:  # not needed for the tests; PyTorch's own check where it is at hand
    test_gradcheck_of_the_autograd_function = pytest.mark.parametrize("name", GALLERY)(
        gradcheck_of_the_autograd_function
    )
