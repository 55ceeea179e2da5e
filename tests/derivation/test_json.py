"""JSON: every claim is there, and its trees are enough to build the expressions again and evaluate them."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import derived

import chainrule as cr
from chainrule.derivation.json import operation_name, tree
from chainrule.derivation.record import Expression
from chainrule.gallery import GALLERY
from chainrule.ir import Apply, ArrayType, Const, Dim, DType, Input, Node, named_dim, topological_order
from chainrule.primitives import REGISTRY, evaluate_nodes
from chainrule.words import LANGUAGES

PRIMITIVES = {operation_name(primitive): primitive for primitive in REGISTRY}


def size_of(written: int | str) -> Dim:
    """`2·h+1` as a size."""
    if isinstance(written, int):
        return written
    total: Dim = 0
    for sign, term in re.findall(r"([+-]?)([^+-]+)", written):
        product: Dim = -1 if sign == "-" else 1
        for factor in term.split("·"):
            product = product * (int(factor) if factor.isdigit() else named_dim(factor))
        total = total + product
    return total


def parameter(written: Any, hint: str) -> Any:
    """A parameter of a primitive, read by the type that its field declares."""
    if isinstance(written, list):
        return tuple(parameter(entry, hint) for entry in written)
    if hint == "DType":
        return DType(written)
    if isinstance(written, str) and ("Dim" in hint or "Shape" in hint):
        return size_of(written)
    return float(written) if hint == "float" else written


def rebuilt(written: Mapping[str, Any], known: dict[int, Node]) -> Node:
    """The expression that a tree stands for."""
    for definition in written.get("definitions", ()):
        rebuilt(definition, known)
    if "ref" in written:
        return known[written["ref"]]
    type_ = ArrayType(tuple(map(size_of, written["shape"])), DType(written["dtype"]))
    if "input" in written:
        return Input(written["input"], type_)
    if "constant" in written:
        value = written["constant"]
        if isinstance(value, list):
            return Const(np.array(value, type_.dtype.numpy), type_)
        if isinstance(value, str):
            return Const(float(value) if value in ("inf", "-inf", "nan") else size_of(value), type_)
        return Const(value, type_)
    primitive = PRIMITIVES[written["op"]]
    hints = {field.name: str(field.type) for field in dataclasses.fields(primitive)}
    parameters = {name: parameter(value, hints[name]) for name, value in written["parameters"].items()}
    operands = tuple(rebuilt(operand, known) for operand in written["operands"])
    node = Apply(primitive(**parameters), operands)
    assert node.type == type_
    if "id" in written:
        known[written["id"]] = node
    return node


@pytest.mark.parametrize("name", GALLERY)
def test_trees_are_the_expressions(name: str) -> None:
    derivation = derived(name)
    record = json.loads(derivation.json())
    claims = list(derivation.record.claims)
    assert [claim["number"] for claim in record["claims"]] == list(range(1, len(claims) + 1))
    for claim, written in zip(claims, record["claims"], strict=True):
        assert written["kind"] == claim.kind
        assert rebuilt(written["right"], {}) is claim.right
        if isinstance(claim.left, Expression):
            assert rebuilt(written["left"]["expression"], {}) is claim.left.node


def test_every_primitive_can_be_written_and_read() -> None:
    assert len(PRIMITIVES) == len(REGISTRY)
    for primitive in REGISTRY:
        for example in primitive.examples():
            inputs = tuple(Input(f"x{k}", type_) for k, type_ in enumerate(example.operands))
            node = Apply(example.primitive, inputs)
            assert rebuilt(json.loads(json.dumps(tree(node), allow_nan=False)), {}) is node


def test_a_gradient_is_evaluated_from_json_alone() -> None:
    def loss(X: Any, y: Any, w: Any) -> Any:
        r = X @ w - y
        return 0.5 * np.sum(r**2)

    record = json.loads(cr.derive(loss, X=(3, 2), y=(3,), w=(2,)).json())
    (gradient,) = [claim for claim in record["claims"] if claim["kind"] == "gradient"]
    assert gradient["left"] == {"quantity": "gradient", "of": record["loss"], "by": "w"}
    values = {"X": np.array([[1.0, 2], [3, 4], [5, 6]]), "y": np.ones(3), "w": np.array([0.5, -1])}
    known: dict[str, Any] = {**values, "r": values["X"] @ values["w"] - values["y"]}
    node = rebuilt(gradient["right"], {})
    inputs = {part: known[part.name] for part in topological_order([node]) if isinstance(part, Input)}
    found = evaluate_nodes([node], inputs)[node]
    np.testing.assert_allclose(found, values["X"].T @ known["r"], rtol=1e-12)


def test_what_is_shared_is_written_once() -> None:
    x = Input("x", ArrayType((named_dim("n"),)))
    node: Node = x
    for _ in range(40):
        node = node + node
    written = json.dumps(tree(node))
    assert len(written) < 10_000
    assert rebuilt(json.loads(written), {}) is node


def test_a_deep_expression_is_taken_apart() -> None:
    x = Input("x", ArrayType((named_dim("n"),)))
    node: Node = x
    for _ in range(3000):
        node = -(node * x)
    written = json.dumps(tree(node))
    assert rebuilt(json.loads(written), {}) is node


def test_many_steps_of_a_recurrent_network() -> None:
    def loss(x: Any, w: Any, h: Any) -> Any:
        for _ in range(60):
            h = np.tanh(x @ w + h @ w)
        return np.sum(h)

    derivation = cr.derive(loss, "w", x="n d", w="d d", h="n d")
    claims = json.loads(derivation.json())["claims"]
    for claim, written in zip(derivation.record.claims, claims, strict=True):
        assert rebuilt(written["right"], {}) is claim.right
    assert claims[-1]["text"] is None or len(claims[-1]["text"]) < 100_000
    assert claims[0]["text"]


def test_numbers_that_json_lacks() -> None:
    written = tree(Const(-math.inf, ArrayType(())))
    assert written["constant"] == "-inf"
    assert json.loads(json.dumps(written, allow_nan=False)) == written


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_object_tells_everything_that_is_printed(lang: Any) -> None:
    derivation = cr.derive(GALLERY["two_layer_rows"].function)
    verification = derivation.verify()
    record = json.loads(derivation.json("matrix", lang, verification=verification))
    assert record["schema"] == "chainrule derivation 1"
    assert (record["language"], record["form"], record["loss"]) == (lang, "matrix", "L")
    assert record["wrt"] == ["W1", "b1", "W2", "b2"]
    assert record["inputs"][0] == {"name": "X", "shape": ["n", "d"], "dtype": "float64"}
    assert record["verification"]["verified"] is True
    assert record["verification"]["text"] == verification.text(lang)
    reasons = [claim["reason"] for claim in record["claims"]]
    assert all(reasons)
    assert any("一" <= letter <= "鿿" for letter in reasons[0]) == (lang == "zh")
    names = {symbol["name"]: symbol for symbol in record["symbols"]}
    assert names["∂ z2"]["text"] == "δ2"
    assert (names["∂ z2"]["of"], names["∂ z2"]["by"]) == ("L", "z2")
    assert names["d W1"]["quantity"] == "change"
    equations = [block for block in record["document"] if block["block"] == "equation"]
    assert "a1ᵀ δ2" in [side["text"] for block in equations for side in block["sides"]]
    assert len([block for block in equations if block.get("result")]) == 4
    inputs = {node["name"] for node in record["inputs"]} | set(names)
    assert set(re.findall(r'"input": "([^"]*)"', json.dumps(record, ensure_ascii=False))) <= inputs


def test_json_has_no_verification_unless_given() -> None:
    assert json.loads(cr.derive(GALLERY["huber"].function).json())["verification"] is None
    assert typing.get_type_hints(cr.Derivation.json)["return"] is str
