"""Unverified results are not written: neither lines that do not hold, nor source with other results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation import Record, Verifier
from chainrule.deriving import Derivation
from chainrule.emit import TARGETS, EmitError, UnverifiedError, checking
from chainrule.emit.code import Code, call
from chainrule.emit.numpy_writer import NumPyWriter
from chainrule.ir import Const
from chainrule.primitives import Multiply, Relu, Tanh


def made() -> Derivation:
    return cr.derive(lambda x, w: np.sum(cr.relu(np.tanh(x @ w))), x="n d", w="d")


@pytest.mark.parametrize("target", TARGETS)
def test_a_derivation_with_a_wrong_rule_is_not_written(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Tanh.partials

    def wrong(self: Tanh, operands: Any, result: Any) -> Any:
        return [None if p is None else Multiply()(Const(1.25, p.type), p) for p in right(self, operands, result)]

    monkeypatch.setattr(Tanh, "partials", wrong)
    with pytest.raises(UnverifiedError, match=r"line \d+ does not hold"):
        made().source(target, sizes={"n": 3, "d": 4} if target == "c" else None)


def test_few_points_do_not_stand_for_the_check_of_source(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[int] = []

    def counted(record: Record, **options: Any) -> Verifier:
        checked.append(1)
        return Verifier(record, **options)

    monkeypatch.setattr(checking, "Verifier", counted)
    few, enough = made(), made()
    few.verify(points=1)
    few.source("c", sizes={"n": 3, "d": 4})
    assert checked == [1]
    enough.verify()
    enough.source("c", sizes={"n": 3, "d": 4})
    assert checked == [1]


def test_what_cannot_be_checked_is_not_written() -> None:
    with pytest.raises(UnverifiedError, match="could not be checked"):
        cr.derive(lambda x: np.sum(np.sqrt(-1 - x**2)), x="n").source("numpy")


@pytest.mark.parametrize("target", ["numpy", "torch", "jax"])
def test_a_source_that_gives_something_else_is_not_written(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(writer: Any, x: Any, operands: Any) -> Code:
        return call("np.maximum", *operands, "0.1")

    monkeypatch.setattr(NumPyWriter, "table", {**NumPyWriter.table, Relu: wrong})
    with pytest.raises(UnverifiedError, match=r"the source in NumPy gives for .* is not what was derived"):
        made().source(target)


def test_a_source_that_fails_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NumPyWriter, "table", {**NumPyWriter.table, Relu: lambda *_: call("np.nothing")})
    with pytest.raises(UnverifiedError, match="fails with AttributeError"):
        made().source("numpy")


def test_both_kinds_of_error_are_caught_as_one() -> None:
    assert issubclass(UnverifiedError, EmitError)


def test_a_power_that_has_a_value_at_whole_exponents_alone_is_written() -> None:
    def polynomial(X: Any, w: Any) -> Any:
        return np.sum((X[:, :1] ** np.arange(3) @ w) ** 2)

    assert "def backward" in cr.derive(polynomial, X="n 3", w="3").source("numpy")
