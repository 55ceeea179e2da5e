"""A primitive that lacks a rule, or derives from another, cannot be defined."""

from __future__ import annotations

import dataclasses
import inspect
import types
from typing import Any

import pytest

from chainrule.primitives import (
    REGISTRY,
    Add,
    Composite,
    Elementwise,
    Exp,
    Linear,
    Max,
    Multilinear,
    Multiply,
    Nonlinear,
    Primitive,
    Softmax,
)


def rules_of(cls: type[Primitive], names: list[str]) -> dict[str, Any]:
    """The rules as the class, or an abstract base of it, defines them."""
    return {name: inspect.getattr_static(cls, name) for name in names}


def define(base: type[Primitive], rules: dict[str, Any]) -> None:
    types.new_class("Incomplete", (base,), {}, lambda namespace: namespace.update(rules))


CASES = [
    (Linear, Add, ["examples", "type", "value", "notation", "transpose", "lower"]),
    (Multilinear, Multiply, ["examples", "type", "value", "notation", "transpose", "lower"]),
    (Elementwise, Exp, ["value", "partials", "notation", "lower"]),
    (Nonlinear, Max, ["examples", "type", "value", "notation", "differential", "lower"]),
    (Composite, Softmax, ["examples", "type", "value", "notation", "differential", "expand"]),
]


@pytest.mark.parametrize(
    ("base", "model", "needed", "missing"),
    [(base, model, rules, rule) for base, model, rules in CASES for rule in rules],
)
def test_a_missing_rule_fails_at_definition(
    base: type[Primitive], model: type[Primitive], needed: list[str], missing: str
) -> None:
    rules = rules_of(model, [name for name in needed if name != missing])
    registered = list(REGISTRY)
    with pytest.raises(TypeError, match=f"the primitive Incomplete lacks {missing}"):
        define(base, rules)
    assert registered == REGISTRY


def test_a_primitive_is_final() -> None:
    with pytest.raises(TypeError, match="primitives are final"):
        define(Add, {})


def test_an_abstract_base_is_not_registered() -> None:
    registered = list(REGISTRY)
    types.new_class("Base", (Linear,), {"abstract": True})
    assert registered == REGISTRY


@pytest.mark.parametrize("cls", REGISTRY, ids=lambda cls: cls.__name__)
def test_a_primitive_is_matched_by_its_fields(cls: type[Primitive]) -> None:
    assert cls.__match_args__ == tuple(field.name for field in dataclasses.fields(cls))
