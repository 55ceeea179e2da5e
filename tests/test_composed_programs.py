"""Gradients of composed programs against HIPS autograd, which shares no code with this project."""

from __future__ import annotations

import importlib
import importlib.util
import zlib
from collections.abc import Sequence
from typing import Any

import autograd
import autograd.numpy as autograd_numpy
import numpy as np
import pytest
from support.programs import PROGRAMS

import chainrule as cr
from chainrule.calculus import backward
from chainrule.deriving import Derivation
from chainrule.engines import get_engine


def arguments(name: str) -> list[np.ndarray[Any, Any]]:
    random = np.random.default_rng(zlib.crc32(name.encode()))
    return [np.asarray(random.uniform(-1.2, 1.2, shape)) for shape in PROGRAMS[name][1]]


def largest_error(found: Any, expected: Any) -> float:
    return max(
        float(np.max(np.abs(f - e)) / max(1.0, float(np.max(np.abs(e))))) for f, e in zip(found, expected, strict=True)
    )


def test_there_are_enough_programs() -> None:
    assert len(PROGRAMS) >= 30


def autograd_gradient(name: str, args: Sequence[Any], numbers: tuple[int, ...]) -> Any:
    return autograd.grad(PROGRAMS[name][0](autograd_numpy), numbers)(*args)


def jax_gradient(name: str, args: Sequence[Any], numbers: tuple[int, ...]) -> Any:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    factory = PROGRAMS[name][0]
    gradient = jax.jit(jax.grad(factory(importlib.import_module("jax.numpy")), numbers))
    return gradient(*map(jax.numpy.asarray, args))


PEERS = {"autograd": autograd_gradient}
if importlib.util.find_spec("jax") is not None:  # not needed for the tests; a second opinion where it is at hand
    PEERS["jax"] = jax_gradient


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_gradient_agrees_with_an_independent_library(name: str, peer: str) -> None:
    factory, shapes = PROGRAMS[name]
    args = arguments(name)
    numbers = tuple(range(len(shapes)))
    expected = PEERS[peer](name, args, numbers)
    value, found = cr.value_and_grad(factory(np), numbers)(*args)
    assert value == pytest.approx(factory(np)(*args), rel=1e-13)
    assert largest_error(found, expected) <= 1e-10


@pytest.mark.parametrize("name", PROGRAMS)
def test_native_gradient_agrees_with_reference(name: str) -> None:
    factory, _ = PROGRAMS[name]
    args = arguments(name)
    program = cr.trace(factory(np), *args)
    gradient = backward(program, program.inputs).gradient_program()
    values = {node.name: arg for node, arg in zip(program.inputs, args, strict=True)}
    expected = get_engine("reference").compile(gradient)(values)
    found = get_engine("native").compile(gradient)(values)
    assert largest_error(found, expected) <= 1e-12


SMOOTH = [name for name in PROGRAMS if name not in ("deep_relu", "maxima_and_minima", "piecewise", "huber")]


@pytest.mark.parametrize("name", SMOOTH)
def test_second_order(name: str) -> None:
    factory, _ = PROGRAMS[name]
    cr.check_grads(factory(np), arguments(name), order=2, rtol=2e-5)


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivation_verifies(name: str) -> None:
    factory, _ = PROGRAMS[name]
    program = cr.trace(factory(np), *arguments(name))
    verification = Derivation(program, program.inputs).verify(points=1)
    assert verification.ok, verification.failures[0]
    assert verification.lines_checked == verification.lines
